// What `fourseven status` prints: what is wrong stands first in its row, and who did it beside it.

import type { LivePool } from '../relay/live.ts'
import type { OverlayState, SplitTold } from '../relay/relay-api.ts'
import { shareText } from '../shared/overlay/status.ts'
import type { WholeStatus } from '../workers/control/control.ts'
import type { Change } from '../workers/control/store.ts'
import { changeWords } from './ask-edge.ts'
import { whenText } from './history.ts'
import { drawTable, type Paint, paint } from './paint.ts'

export function statusText(edge: string, status: WholeStatus, changes: readonly Change[]): string {
  const { version, pools, splits, retired, ignored, purges, counted } = status
  const all = pools.flatMap(({ endpoints }) => endpoints)
  const wrong = all.filter(({ state }) => state !== 'up').length
  const endpoints =
    wrong === 0
      ? paint('green', `all ${all.length} endpoints up`)
      : paint('red', `${wrong} of ${all.length} endpoints not up`)
  const tries = new Map(counted.endpoints.map(each => [each.endpoint, each]))
  const parts = [
    `${paint('bold', edge)} at ${whenText(status.at)}: version ${version}, ${endpoints}${purges === 0 ? '' : `, purges in force: ${purges}`}`,
    drawTable(
      ['state', 'endpoint', 'weight', 'errors', 'why', 'who'],
      all.map(({ endpoint, state, weight, why }) => {
        const { requests, errors, places } = tries.get(endpoint) ?? { requests: 0, errors: 0, places: undefined }
        const against =
          places === undefined || places.against === 0 ? '' : `out in ${places.against} of ${places.of} places`
        return [
          paint(colours[state], state),
          endpoint,
          String(weight),
          errorText(requests, errors),
          [why, against].filter(Boolean).join('; '),
          why === null ? '' : lastWords(changes, endpoint),
        ]
      }),
    ),
  ]
  if (splits.length > 0) parts.push(splitTable(status))
  if (counted.routes.length > 0) {
    const rows = counted.routes.map(({ route, variant, requests, errors, medianMs, p99Ms }) => {
      return [route, variant, String(requests), errorText(requests, errors), msText(medianMs), msText(p99Ms)]
    })
    parts.push(drawTable(['route', 'variant', 'requests', 'errors', 'median', 'p99'], rows))
  }
  for (const { kind, name } of retired) parts.push(paint('yellow', `retired: ${kind} ${name}: a deploy has changed it`))
  for (const { kind, name } of ignored) parts.push(paint('dim', `not of the edge's config: ${kind} ${name}`))
  parts.push(changes.length === 0 ? 'nothing was changed without a deploy' : `last changes:\n${lastLines(changes)}`)
  return parts.join('\n')
}

function splitTable({ splits, counted }: WholeStatus): string {
  const rows = splits.flatMap(({ split, pin, variants }) => {
    const measured = counted.splits.find(each => each.split === split)?.variants ?? []
    return variants.map(({ name, configured, weight, slots }, at) => {
      const { requests, errors, share } = measured[at] ?? { requests: 0, errors: 0, share: null }
      return [
        at === 0 ? split : '',
        name,
        weightText(weight, configured),
        shareText(slots),
        share === null ? '-' : `${Math.round(share * 1_000) / 10} %`,
        errorText(requests, errors),
        at === 0 ? usersText[pin] : '',
      ]
    })
  })
  return drawTable(['split', 'variant', 'weight', 'wanted', 'measured', 'errors', 'users'], rows)
}

export function relayText(
  place: string,
  pools: readonly LivePool[],
  overlay: OverlayState,
  splits: readonly SplitTold[],
): string {
  const { source, version, retired, ignored } = overlay
  const from =
    source === null
      ? 'alone, no overlay'
      : `overlay version ${version} of ${source.url}${source.failing === null ? '' : paint('red', `, which cannot be read: ${source.failing} (last at ${source.readAt ?? 'never'})`)}`
  const rows = pools.flatMap(({ name, endpoints }) =>
    endpoints.map(({ id, state, open, why }) => [
      paint(colours[state], state),
      id.startsWith(`${name}/`) ? id : `${name}/${id}`,
      String(open),
      why ?? '',
    ]),
  )
  return [
    `relay ${paint('bold', place)}: ${from}`,
    drawTable(['state', 'endpoint', 'open', 'why'], rows),
    ...(splits.length === 0
      ? []
      : [drawTable(['split', 'variant', 'weight', 'wanted', 'users'], splits.flatMap(wanted))]),
    ...retired.map(what => paint('yellow', `retired: ${what}: a reload has changed it`)),
    ...ignored.map(what => paint('dim', `not of this config: ${what}`)),
  ].join('\n')
}

function wanted({ split, pin, variants }: SplitTold): string[][] {
  return variants.map(({ name, configured, weight, slots }, at) => [
    at === 0 ? split : '',
    name,
    weightText(weight, configured),
    shareText(slots),
    at === 0 ? usersText[pin] : '',
  ])
}

function weightText(weight: number, configured: number): string {
  return weight === configured ? String(weight) : paint('yellow', `${weight} (config: ${configured})`)
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

function errorText(requests: number, errors: number): string {
  if (requests === 0) return '-'
  const text = `${Math.round((errors / requests) * 1_000) / 10} %`
  return errors === 0 ? text : paint('red', text)
}

function msText(ms: number | null): string {
  return ms === null ? '-' : `${ms} ms`
}

const usersText = { first: 'keep the first', weight: 'follow the weights' } as const
const colours = { up: 'green', down: 'red', draining: 'yellow', ejected: 'red' } as const satisfies Record<
  string,
  Paint
>
