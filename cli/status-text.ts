// What `fourseven status` prints: what is wrong stands first in its row, and who did it beside it.

import type { LivePool } from '../relay/live.ts'
import type { OverlayState } from '../relay/relay.ts'
import { type Status, shareText } from '../shared/overlay/status.ts'
import type { Change } from '../workers/control/store.ts'
import { changeWords } from './ask-edge.ts'
import { whenText } from './history.ts'
import { drawTable, type Paint, paint } from './paint.ts'

/** Of one variant of a route. */
export interface Measured {
  readonly route: string
  readonly variant: string
  readonly requests: number
  /** Answered 500 to 599. */
  readonly errors: number
}

/** From the text of `/metrics`. */
export function measuredOf(metrics: string): readonly Measured[] {
  const found = new Map<string, { route: string; variant: string; requests: number; errors: number }>()
  for (const [, route = '', variant = '', code = '', count] of metrics.matchAll(REQUESTS)) {
    const key = JSON.stringify([route, variant])
    const sums = found.get(key) ?? { route, variant, requests: 0, errors: 0 }
    sums.requests += Number(count)
    if (code.startsWith('5')) sums.errors += Number(count)
    found.set(key, sums)
  }
  return [...found.values()]
}

export function statusText(
  edge: string,
  status: Status & { readonly at: number },
  changes: readonly Change[],
  measured: readonly Measured[],
): string {
  const { version, pools, splits, retired, ignored, purges } = status
  const all = pools.flatMap(({ endpoints }) => endpoints)
  const wrong = all.filter(({ state }) => state !== 'up').length
  const endpoints =
    wrong === 0
      ? paint('green', `all ${all.length} endpoints up`)
      : paint('red', `${wrong} of ${all.length} endpoints not up`)
  const parts = [
    `${paint('bold', edge)} at ${whenText(status.at)}: version ${version}, ${endpoints}${purges === 0 ? '' : `, purges in force: ${purges}`}`,
    drawTable(
      ['state', 'endpoint', 'weight', 'why', 'who'],
      all.map(({ endpoint, state, weight, why }) => [
        stateText(state),
        endpoint,
        String(weight),
        why ?? '',
        why === null ? '' : lastWords(changes, endpoint),
      ]),
    ),
  ]
  if (splits.length > 0) {
    const rows = splits.flatMap(({ split, rule, pin, variants }) => {
      const [route] = rule.split('/')
      const ofRoute = measured.filter(each => each.route === route)
      const total = ofRoute.reduce((sum, { requests }) => sum + requests, 0)
      return variants.map(({ name, configured, weight, slots }, at) => {
        const seen = ofRoute.find(each => each.variant === name)
        return [
          at === 0 ? split : '',
          name,
          weight === configured ? String(weight) : paint('yellow', `${weight} (config: ${configured})`),
          shareText(slots),
          total === 0 ? '-' : `${percent(seen?.requests ?? 0, total)} of ${total}`,
          seen === undefined ? '-' : errorText(seen),
          at === 0 ? (pin === 'first' ? 'pinned to the first' : 'follow the weights') : '',
        ]
      })
    })
    parts.push(drawTable(['split', 'variant', 'weight', 'wanted', 'measured', 'errors', 'users'], rows))
  }
  const apart = new Set(splits.map(({ rule }) => rule.split('/')[0]))
  const others = measured.filter(({ route }) => !apart.has(route))
  if (others.length > 0) {
    const rows = others.map(each => [each.route, String(each.requests), errorText(each)])
    parts.push(drawTable(['route', 'requests', 'errors'], rows))
  }
  for (const { kind, name } of retired) parts.push(paint('yellow', `retired: ${kind} ${name}: a deploy has changed it`))
  for (const { kind, name } of ignored) parts.push(paint('dim', `not of the edge's config: ${kind} ${name}`))
  parts.push(changes.length === 0 ? 'nothing was changed without a deploy' : `last changes:\n${lastLines(changes)}`)
  return parts.join('\n')
}

export function relayText(place: string, pools: readonly LivePool[], overlay: OverlayState): string {
  const { source, version, retired, ignored } = overlay
  const from =
    source === null
      ? 'alone, no overlay'
      : `overlay version ${version} of ${source.url}${source.failing === null ? '' : paint('red', `, which cannot be read: ${source.failing} (last at ${source.readAt ?? 'never'})`)}`
  const rows = pools.flatMap(({ name, endpoints }) =>
    endpoints.map(({ id, state, open, why }) => [
      stateText(state),
      id.startsWith(`${name}/`) ? id : `${name}/${id}`,
      String(open),
      why ?? '',
    ]),
  )
  return [
    `relay ${paint('bold', place)}: ${from}`,
    drawTable(['state', 'endpoint', 'open', 'why'], rows),
    ...retired.map(what => paint('yellow', `retired: ${what}: a reload has changed it`)),
    ...ignored.map(what => paint('dim', `not of this config: ${what}`)),
  ].join('\n')
}

function lastLines(changes: readonly Change[]): string {
  return changes
    .slice(0, 5)
    .map(({ version, at, author, command, reason, undoneBy }) => {
      const why = reason === '' ? '' : `: ${reason}`
      return `  ${version}  ${whenText(at)}  ${author}  ${changeWords(command)}${why}${undoneBy === null ? '' : ` (undone by ${undoneBy})`}`
    })
    .join('\n')
}

/** Who touched it last. */
function lastWords(changes: readonly Change[], name: string): string {
  const last = changes.find(({ touched }) => touched.some(each => each.name === name))
  if (last === undefined) return ''
  return last.reason === '' ? last.author : `${last.author}: ${last.reason}`
}

function stateText(state: keyof typeof colours): string {
  return paint(colours[state], state)
}

function errorText({ requests, errors }: Measured): string {
  const text = percent(errors, requests)
  return errors === 0 ? text : paint('red', text)
}

function percent(part: number, all: number): string {
  return all === 0 ? '0 %' : `${Math.round((part / all) * 1_000) / 10} %`
}

const REQUESTS = /^fourseven_requests_total\{route="([^"]*)",variant="([^"]*)",code="(\d+)"\} (\d+)$/gm
const colours = { up: 'green', down: 'red', draining: 'yellow', ejected: 'red' } as const satisfies Record<
  string,
  Paint
>
