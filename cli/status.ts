// `fourseven status`: what holds now, for somebody who was just woken up. At the edge: pools, splits, what changed last;
// with --operator what one relay sees.

import type { Command } from 'commander'
import type { LivePool } from '../relay/live.ts'
import type { OverlayState } from '../relay/relay.ts'
import type { Status } from '../shared/overlay/status.ts'
import type { Change } from '../workers/control/store.ts'
import { type Place, placeText } from './ask.ts'
import { addEdgeOptions, askEdge, type EdgeOptions, metricsOf } from './ask-edge.ts'
import { askOperatorJson } from './ask-operator.ts'
import { EXIT, EXIT_CODES } from './exit.ts'
import { readPlace } from './option-values.ts'
import { guarded } from './run.ts'
import { measuredOf, relayText, statusText } from './status-text.ts'

interface StatusOptions extends EdgeOptions {
  readonly operator?: Place
}

export function addStatus(program: Command, answer: (exitCode: number) => void): void {
  addEdgeOptions(program.command('status').description('Show what holds now: endpoints, splits, what changed last.'))
    .option('--operator <host:port>', 'what one relay sees, by its operator port', readPlace)
    .addHelpText('after', EXAMPLES)
    .action((options: StatusOptions) =>
      guarded(options, answer, () =>
        options.operator === undefined ? statusOfEdge(options) : statusOfRelay(options.operator, options),
      ),
    )
}

async function statusOfEdge(options: StatusOptions): Promise<number> {
  const [status, { changes }, metrics] = await Promise.all([
    askEdge(options, 'status') as Promise<Status & { readonly at: number }>,
    askEdge(options, 'history?most=50&automatic=yes') as Promise<{ readonly changes: readonly Change[] }>,
    metricsOf(options),
  ])
  const measured = measuredOf(metrics)
  if (options.json === true) {
    const splits = status.splits.map(({ slots: _, ...split }) => split)
    console.log(JSON.stringify({ ...status, splits, measured, lastChanges: changes.slice(0, 5) }, null, 2))
  } else console.log(statusText(options.edge, status, changes, measured))
  return EXIT.ok
}

async function statusOfRelay(place: Place, { json }: StatusOptions): Promise<number> {
  const [{ pools }, overlay] = await Promise.all([
    askOperatorJson<{ readonly pools: readonly LivePool[] }>(place, 'GET', '/pools'),
    askOperatorJson<OverlayState>(place, 'GET', '/overlay'),
  ])
  if (json === true) console.log(JSON.stringify({ pools, overlay }, null, 2))
  else console.log(relayText(placeText(place), pools, overlay))
  return EXIT.ok
}

const EXAMPLES = `
Examples:
  fourseven status
  fourseven status --edge https://www.example.com --json
  fourseven status --operator 127.0.0.1:9047

FOURSEVEN_OPERATOR_TOKEN opens the edge. Requests and errors are those of the isolate that answers, since it began.

${EXIT_CODES}`
