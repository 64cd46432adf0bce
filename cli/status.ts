// `fourseven status`: what holds now, for somebody who was just woken up. At the edge: pools, splits, what changed last;
// with --operator what one relay sees.

import { type Command, InvalidArgumentError } from 'commander'
import type { LivePool } from '../relay/live.ts'
import type { OverlayState, SplitTold } from '../relay/relay-api.ts'
import type { WholeStatus } from '../workers/control/control.ts'
import type { Change } from '../workers/control/store.ts'
import { type Place, placeText } from './ask.ts'
import { addEdgeOptions, askEdge, type EdgeOptions } from './ask-edge.ts'
import { askOperatorJson } from './ask-operator.ts'
import { EXIT, EXIT_CODES } from './exit.ts'
import { readDurationOption, readPlace } from './option-values.ts'
import { guarded } from './run.ts'
import { relayText, statusText } from './status-text.ts'

interface StatusOptions extends EdgeOptions {
  readonly operator?: Place
  /** Milliseconds. */
  readonly window: number
}

export function addStatus(program: Command, answer: (exitCode: number) => void): void {
  addEdgeOptions(program.command('status').description('Show what holds now: endpoints, splits, what changed last.'))
    .option('--operator <host:port>', 'what one relay sees, by its operator port', readPlace)
    .option('--window <time>', 'requests and errors of the last 10s to 1h, at the edge', readWindow, 60_000)
    .addHelpText('after', EXAMPLES)
    .action((options: StatusOptions) =>
      guarded(options, answer, () =>
        options.operator === undefined ? statusOfEdge(options) : statusOfRelay(options.operator, options),
      ),
    )
}

async function statusOfEdge(options: StatusOptions): Promise<number> {
  const [status, { changes }] = await Promise.all([
    askEdge(options, `status?window=${Math.round(options.window / 1_000)}`) as Promise<WholeStatus>,
    askEdge(options, 'history?most=50&automatic=yes') as Promise<{ readonly changes: readonly Change[] }>,
  ])
  if (options.json === true) {
    const splits = status.splits.map(({ slots: _, ...split }) => split)
    console.log(JSON.stringify({ ...status, splits }, null, 2))
  } else console.log(statusText(options.edge, status, changes))
  return EXIT.ok
}

async function statusOfRelay(place: Place, { json }: StatusOptions): Promise<number> {
  const [{ pools }, overlay] = await Promise.all([
    askOperatorJson<{ readonly pools: readonly LivePool[] }>(place, 'GET', '/pools'),
    askOperatorJson<OverlayState & { readonly splits: readonly SplitTold[] }>(place, 'GET', '/overlay'),
  ])
  if (json === true) console.log(JSON.stringify({ pools, overlay }, null, 2))
  else console.log(relayText(placeText(place), pools, overlay, overlay.splits))
  return EXIT.ok
}

function readWindow(text: string): number {
  const ms = readDurationOption(text)
  if (ms < 10_000 || ms > 3_600_000) throw new InvalidArgumentError('Write 10s to 1h.')
  return ms
}

const EXAMPLES = `
Examples:
  fourseven status
  fourseven status --edge https://www.example.com --json
  fourseven status --operator 127.0.0.1:9047

FOURSEVEN_OPERATOR_TOKEN opens the edge. Requests and errors are those of all isolates, in whole windows of 10 s.

${EXIT_CODES}`
