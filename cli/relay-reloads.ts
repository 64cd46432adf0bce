// Reloads of a running relay: read the file again, compare, swap. Whatever is wrong with it, the table before stays, and
// one line says so.

import type { Metrics } from '../relay/metrics.ts'
import type { ReloadAnswer } from '../relay/operator.ts'
import type { Relay } from '../relay/relay-api.ts'
import type { Reloaded } from '../relay/reload.ts'
import type { Variables } from '../shared/config/endpoint-address.ts'
import type { Config } from '../shared/config/parsed.ts'
import { ConfigError, type Problem } from '../shared/config/problem.ts'
import { isNothing } from '../shared/table/difference.ts'
import { shortPath } from './problems.ts'
import { type RelayConfig, readRelayConfig } from './relay-config.ts'
import type { Report } from './relay-report.ts'

interface Surroundings {
  readonly variables: Variables
  readonly drainMs: number
  readonly report: Report
  readonly metrics: Metrics
}

export type Reload = (
  /** What asks for it, in words; or the operator's wish. */
  cause: string | { readonly isDry: boolean; readonly config: unknown },
) => Promise<ReloadAnswer>

export function reloadsOf(
  relay: Relay,
  first: RelayConfig,
  surroundings: Surroundings,
): { reload: Reload; close: () => void } {
  const { variables, drainMs, report, metrics } = surroundings
  const file = shortPath(first.file)
  let isClosed = false

  const failed = (problems: readonly Problem[], isDry: boolean): ReloadAnswer => {
    const errors = problems.filter(({ severity }) => severity === 'error')
    const said = errors.map(({ path, message }) => `${path === '' ? '' : `${path}: `}${message}`).join('; ')
    if (!isDry) {
      metrics.countReload('failed')
      report.say(`${file}: not reloaded, the config before stays: ${said}`, { event: 'reload_failed', problems })
    }
    return { ok: false, error: said, problems }
  }
  const reload: Reload = async cause => {
    if (isClosed) return { ok: false, error: 'the relay is about to end' }
    const isDry = typeof cause === 'object' && cause.isDry
    const given = typeof cause === 'object' ? cause.config : undefined
    if (given !== undefined && !isDry) return { ok: false, error: 'a config can be given to a dry run only' }
    try {
      const read =
        given === undefined ? await readRelayConfig(first.file, variables) : { config: given as Config, problems: [] }
      if (read.config === undefined) return failed(read.problems, isDry)
      if (isDry) return { ok: true, ...outcomeOf(await relay.foresee(read.config, variables)) }
      const reloaded = await relay.reload(read.config, variables, drainMs)
      metrics.countReload('ok')
      const isSilent = cause === 'the file changed' && isNothing(reloaded.difference)
      if (!isSilent) {
        const words = differenceWords(reloaded).join(', ')
        const why = typeof cause === 'string' ? cause : 'the operator asked'
        report.say(`${file}: reloaded (${why}): ${words}`, { event: 'reloaded', why, ...outcomeOf(reloaded) })
      }
      return { ok: true, ...outcomeOf(reloaded) }
    } catch (error) {
      if (error instanceof ConfigError) return failed(error.problems, isDry)
      const message = error instanceof Error ? error.message : String(error)
      return failed([{ severity: 'error', code: 'cannot-reload', path: '', message, mend: 'Mend the config.' }], isDry)
    }
  }
  const close = () => {
    isClosed = true
  }
  return { reload, close }
}

function outcomeOf({ difference, drained, moving }: Reloaded): Reloaded {
  return { difference, drained, moving }
}

/** `listeners: +db -old`, one for each kind of thing that changes; at least one. */
export function differenceWords({ difference, drained, moving }: Reloaded): string[] {
  const { listeners, ...rest } = difference
  const marks = { added: '+', removed: '-', moved: '>', changed: '~' } as const
  const words = Object.entries({ listeners, ...rest }).flatMap(([kind, changes]) => {
    const names = Object.entries(changes).flatMap(([what, list]) =>
      (list as readonly string[]).map(name => `${marks[what as keyof typeof marks]}${name}`),
    )
    const shown = names.slice(0, 20).join(' ')
    return names.length === 0 ? [] : [`${kind}: ${shown}${names.length > 20 ? ` and ${names.length - 20} more` : ''}`]
  })
  if (drained > 0) words.push(`${drained} open ${drained === 1 ? 'flow is' : 'flows are'} drained`)
  for (const { sessions, rule, endpoint } of moving) {
    const what = sessions === 1 ? 'session of' : 'sessions of'
    words.push(`${sessions} ${what} ${rule} on ${endpoint} ${sessions === 1 ? 'moves' : 'move'} with the next datagram`)
  }
  return words.length === 0 ? ['nothing changed'] : words
}
