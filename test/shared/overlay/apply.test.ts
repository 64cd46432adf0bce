import fc from 'fast-check'
import { expect, it } from 'vitest'
import { decideHttp } from '../../../shared/decide/http.ts'
import { countRequest, followTable, openHttpMetrics, renderHttpMetrics } from '../../../shared/metrics/http-metrics.ts'
import { apply } from '../../../shared/overlay/apply.ts'
import { splitsOf } from '../../../shared/overlay/base.ts'
import { emptyOverlay } from '../../../shared/overlay/overlay.ts'
import { findMatch } from '../../../shared/table/route-index.ts'
import { leastMoves, movedSlots, ownedCounts, targetCounts } from '../../../shared/table/slots.ts'
import type { HttpMatch, Table } from '../../../shared/table/table.ts'
import { requestFacts } from '../../support/facts.ts'
import { observedFor, tableOf } from '../../support/table.ts'
import { after, changed, config, table } from './config.ts'

const matches = (of: Table): HttpMatch[] => of.httpDoors.get('edge')!.listeners[0]!.index.hosts.flatMap(h => h.matches)
const splitIn = (of: Table, name: string) => splitsOf(of).get(name)!.split

it('the table itself serves on while no split has other weights', () => {
  expect(apply(table, emptyOverlay).table).toBe(table)
  const drained = after([{ do: 'drain', endpoint: 'stable/a' }])
  expect(apply(table, drained)).toEqual({ table, retired: [], ignored: [] })
  expect(apply(table, drained).table).toBe(table)
})

it('only the rules of the split are copied', () => {
  const moved = apply(table, after([{ do: 'weight', split: 'shop', weights: { stable: 3, canary: 1 } }])).table
  expect(moved).not.toBe(table)
  for (const part of ['needs', 'pools', 'slots', 'poolIndexes', 'flowListeners'] as const) {
    expect(moved[part]).toBe(table[part])
  }
  const [before, now] = [table, moved].map(each => each.httpDoors.get('edge')!.listeners[0]!.index)
  for (const part of ['exact', 'wildcards', 'nodes'] as const) expect(now![part]).toBe(before![part])
  for (const [i, match] of matches(moved).entries()) {
    const old = matches(table)[i]!
    if (match.rule.name === 'rest') expect(match).toBe(old)
    else expect([match.rule, match.split, match.rank]).not.toEqual([old.rule, old.split, old.rank])
  }
  const rules = new Set(
    matches(moved)
      .filter(each => each.rule.name === 'shop')
      .map(each => each.rule),
  )
  expect(rules.size).toBe(1)
})

it('paths are found as before, by prefix, regex and whole path, under the new weights', () => {
  const moved = apply(table, after([{ do: 'weight', split: 'shop', weights: { stable: 0, canary: 1 } }])).table
  for (const path of ['/shop', '/shop/x', '/s12', '/buy']) {
    const match = findMatch(
      moved.httpDoors.get('edge')!.listeners[0]!.index,
      'x.test',
      path,
      'GET',
      0,
      m => m.regex?.test(path) ?? true,
    )
    expect(match?.rule.name).toBe('shop')
    expect(match!.variants.map(each => each.weight)).toEqual([0, 1])
    const decision = decideHttp(moved, requestFacts(moved, { ask: `GET http://x.test${path}` }), observedFor(moved), 1)
    expect(decision).toMatchObject({ do: 'forward', variant: { name: 'canary' } })
  }
})

it('a split of flows takes other weights too', () => {
  const moved = apply(table, after([{ do: 'weight', split: 'postgres', weights: { main: 0, copy: 1 } }])).table
  const listener = moved.flowListeners.get('postgres')!
  expect(listener.matches[0]!.rule.split!.slots).toEqual({ starts: [0], owners: [1] })
  expect(listener.anyName[0]).toBe(listener.matches[0])
  expect(moved.httpDoors).toBe(table.httpDoors)
})

it('any history of weights moves the fewest slots at each step', () => {
  const weights = fc.tuple(fc.nat(1_000), fc.nat(1_000)).filter(([a, b]) => a + b > 0)
  fc.assert(
    fc.property(fc.array(weights, { minLength: 1, maxLength: 10 }), history => {
      let overlay = emptyOverlay
      for (const [stable, canary] of history) {
        const before = splitIn(apply(table, overlay).table, 'shop').slots
        const made = changed(overlay, { do: 'weight', split: 'shop', weights: { stable, canary } })
        const { slots } = splitIn(apply(table, made.overlay).table, 'shop')
        const least = leastMoves(before, [stable, canary])
        expect(made.moved).toEqual({ slots: least, least })
        expect(movedSlots(before, slots)).toBe(least)
        expect(ownedCounts(slots, 2)).toEqual(targetCounts([stable, canary]))
        overlay = made.overlay
      }
    }),
    { seed: 9, numRuns: 200 },
  )
})

it('an entry whose base a deploy changed is retired, one for what is gone is ignored, and both are named', () => {
  const overlay = after([
    { do: 'weight', split: 'shop', weights: { stable: 1, canary: 1 } },
    { do: 'weight', split: 'postgres', weights: { main: 3, copy: 1 } },
    { do: 'drain', endpoint: 'stable/a' },
    { do: 'eject', endpoint: 'canary/c', forMs: 60_000 },
    { do: 'verdict', endpoint: 'stable/b', is: 'down' },
  ])
  const reweighted = tableOf(config([90, 10], 'http://moved.test'))
  const applied = apply(reweighted, overlay)
  expect(applied.retired).toEqual([
    { kind: 'split', name: 'shop' },
    { kind: 'drain', name: 'stable/a' },
  ])
  expect(applied.ignored).toEqual([])
  expect(splitIn(applied.table, 'shop')).toBe(splitIn(reweighted, 'shop'))

  const { routes, pools, ...rest } = config()
  const { canary: _, ...kept } = pools
  const gone = tableOf({ ...rest, pools: kept, routes: [{ name: 'app', listener: 'web', pool: 'stable' }, routes[1]!] })
  expect(apply(gone, overlay)).toMatchObject({
    retired: [],
    ignored: [
      { kind: 'split', name: 'shop' },
      { kind: 'ejection', name: 'canary/c' },
    ],
  })
})

it('a release raises the epoch, so that pinned users follow the weights once', () => {
  const epochs = [false, true, true].reduce<{ overlay: typeof emptyOverlay; seen: number[] }>(
    ({ overlay, seen }, release) => {
      const next = changed(overlay, { do: 'weight', split: 'shop', weights: { stable: 1, canary: 1 }, release }).overlay
      return { overlay: next, seen: [...seen, splitIn(apply(table, next).table, 'shop').epoch] }
    },
    { overlay: emptyOverlay, seen: [] },
  )
  expect(epochs.seen).toEqual([0, 2, 3])
})

it('requests of the copied rules are counted where those of the rule were', () => {
  const metrics = openHttpMetrics(table)
  const observed = observedFor(table)
  const moved = apply(table, after([{ do: 'weight', split: 'shop', weights: { stable: 0, canary: 1 } }])).table
  followTable(metrics, moved)
  for (const of of [table, moved]) {
    countRequest(metrics, decideHttp(of, requestFacts(of, { ask: 'GET http://x.test/shop' }), observed, 1), 200, 3)
  }
  const text = renderHttpMetrics(metrics, moved, observed, 0)
  const counted = [...text.matchAll(/^fourseven_requests_total\{route="app",variant="(\w+)",code="200"\} (\d+)/gm)]
  expect(counted.reduce((sum, [, , count]) => sum + Number(count), 0)).toBe(2)
})
