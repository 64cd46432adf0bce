import { describe, expect, test } from 'vitest'
import { markDown, markDraining, markEjected, markUp, unmarkDraining } from '../../../shared/pool/health.ts'
import { claim, type Observed } from '../../../shared/pool/observed.ts'
import type { Pool } from '../../../shared/pool/pool.ts'
import { mayKeep, ramp, sequenceOf, view } from '../../../shared/pool/view.ts'
import { type EndpointSketch, makeObserved, makePool, named, noon } from './make-pool.ts'

/** Groups of 100 endpoints; the first so many of each are up. */
function groups(...up: number[]): { pool: Pool; observed: Observed } {
  return groupsWith(1.4, up)
}

function groupsWith(overprovisioning: number, up: number[]): { pool: Pool; observed: Observed } {
  const sketch: EndpointSketch[] = up.flatMap((_, priority) =>
    Array.from({ length: 100 }, (_, index) => ({ name: `p${priority}-${index}`, priority })),
  )
  const pool = makePool(sketch, { overprovisioning })
  const observed = makeObserved(pool)
  for (const [priority, count] of up.entries()) {
    for (let index = count; index < 100; index++) markDown(observed, pool, named(pool, `p${priority}-${index}`))
  }
  return { pool, observed }
}

function loads(pool: Pool, observed: Observed, count: number): number[] {
  const seen = view(pool, observed, noon)
  const result = new Array<number>(count).fill(0)
  for (let place = 0; place < seen.loaded; place++)
    result[seen.endpoints[place]!.priority]! += seen.shares[place]! * 100
  return result
}

const names = (pool: Pool, observed: Observed, now = noon) => {
  const seen = view(pool, observed, now)
  return seen.endpoints.slice(0, seen.loaded).map(endpoint => endpoint.name)
}

describe('priority groups', () => {
  // The tables of Envoy's documentation (intro/arch_overview/upstream/load_balancing/priority). Envoy counts in whole
  // percents, rounded down; we do not round, so we are less than one percent away.
  test.each([
    [
      [100, 100],
      [100, 0],
    ],
    [
      [72, 100],
      [100, 0],
    ],
    [
      [71, 100],
      [99, 1],
    ],
    [
      [50, 100],
      [70, 30],
    ],
    [
      [25, 100],
      [35, 65],
    ],
    [
      [25, 25],
      [50, 50],
    ],
    [
      [0, 100],
      [0, 100],
    ],
    [
      [100, 100, 100],
      [100, 0, 0],
    ],
    [
      [72, 72, 100],
      [100, 0, 0],
    ],
    [
      [71, 71, 100],
      [99, 1, 0],
    ],
    [
      [50, 50, 100],
      [70, 30, 0],
    ],
    [
      [25, 100, 100],
      [35, 65, 0],
    ],
    [
      [25, 25, 100],
      [35, 35, 30],
    ],
    [
      [25, 25, 20],
      [36, 36, 28],
    ],
  ])('%j percent up take %j percent of the requests', (up, expected) => {
    const { pool, observed } = groups(...up)
    const actual = loads(pool, observed, up.length)
    for (const [priority, load] of expected.entries()) expect(Math.abs(actual[priority]! - load)).toBeLessThan(1)
    expect(actual.reduce((a, b) => a + b, 0)).toBeCloseTo(100, 9)
  })

  test('groups are taken by number, not by their order in the config', () => {
    const pool = makePool([
      { name: 'spare', priority: 7 },
      { name: 'main', priority: 2 },
    ])
    const observed = makeObserved(pool)
    expect(names(pool, observed)).toEqual(['main'])
    expect(view(pool, observed, noon).endpoints.map(endpoint => endpoint.name)).toEqual(['main', 'spare'])
    markDown(observed, pool, named(pool, 'main'))
    expect(names(pool, observed)).toEqual(['spare'])
  })

  test('what rounding leaves over (1 - 0.7 - 0.3) is no load for a third group', () => {
    const { pool, observed } = groupsWith(1, [70, 30, 100])
    expect(view(pool, observed, noon).loaded).toBe(100)
  })

  test('a drained endpoint is missing capacity: its group spills over', () => {
    const pool = makePool([{ name: 'a' }, { name: 'b' }, { name: 'c', priority: 1 }])
    const observed = makeObserved(pool)
    markDraining(observed, pool, named(pool, 'a'))
    expect(loads(pool, observed, 2)).toEqual([70, expect.closeTo(30, 9)])
  })

  test('the weights inside a group share its load', () => {
    const pool = makePool([{ name: 'a', weight: 3 }, { name: 'b' }, { name: 'c' }, { name: 'x', priority: 1 }])
    const observed = makeObserved(pool)
    markDown(observed, pool, named(pool, 'c'))
    const seen = view(pool, observed, noon)
    const load = (1.4 * 2) / 3
    expect(Array.from(seen.shares)).toEqual(
      [load * 0.75, load * 0.25, 1 - load].map(share => expect.closeTo(share, 12)),
    )
    expect(seen.cumulative.at(-1)).toBeCloseTo(1, 12)
    expect(Array.from(seen.relative)).toEqual([1.5, 0.5, 1])
  })
})

describe('panic', () => {
  const ten = () => {
    const pool = makePool(Object.fromEntries([...'abcdefghij'].map(name => [name, 1])))
    const observed = makeObserved(pool)
    const down = (which: string) => {
      for (const name of which) markDown(observed, pool, named(pool, name))
    }
    return { pool, observed, down }
  }

  test('at half up only those that are up are used, below it all', () => {
    const { pool, observed, down } = ten()
    down('abcde')
    expect(names(pool, observed).join('')).toBe('fghij')
    expect(view(pool, observed, noon).isPanic).toBe(false)
    down('f')
    expect(names(pool, observed).join('')).toBe('abcdefghij')
    expect(view(pool, observed, noon).isPanic).toBe(true)
    markUp(observed, pool, named(pool, 'a'), noon)
    expect(names(pool, observed).join('')).toBe('aghij')
  })

  test('nothing up at all is panic too', () => {
    const { pool, observed, down } = ten()
    down('abcdefghij')
    expect(names(pool, observed).join('')).toBe('abcdefghij')
  })

  test('draining endpoints and those of weight 0 are never used', () => {
    const pool = makePool([{ name: 'a' }, { name: 'b' }, { name: 'c' }, { name: 'zero', weight: 0 }])
    const observed = makeObserved(pool)
    markDraining(observed, pool, named(pool, 'a'))
    markDown(observed, pool, named(pool, 'b'))
    markDown(observed, pool, named(pool, 'c'))
    expect(names(pool, observed)).toEqual(['b', 'c'])
    markDraining(observed, pool, named(pool, 'b'))
    markDraining(observed, pool, named(pool, 'c'))
    expect(view(pool, observed, noon).endpoints).toEqual([])
  })

  test('a drain says nothing about health: it does not bring panic about', () => {
    const pool = makePool({ a: 1, b: 1, c: 1, d: 1 })
    const observed = makeObserved(pool)
    markDraining(observed, pool, named(pool, 'a'))
    markDraining(observed, pool, named(pool, 'b'))
    markDown(observed, pool, named(pool, 'c'))
    expect(names(pool, observed)).toEqual(['d'])
  })

  test('with panicPercent 0 nothing is used when nothing is up', () => {
    const pool = makePool({ a: 1 }, { panicPercent: 0 })
    const observed = makeObserved(pool)
    markDown(observed, pool, named(pool, 'a'))
    expect(names(pool, observed)).toEqual([])
  })

  test('another group that can take the load prevents it', () => {
    const { pool, observed } = groups(10, 100)
    expect(view(pool, observed, noon).isPanic).toBe(false)
    expect(names(pool, observed).length).toBe(110)
  })

  test('it is the last group with load that panics; one that is all down takes none', () => {
    const all = groups(40, 20)
    expect(names(all.pool, all.observed).length).toBe(40 + 100)
    const first = groups(30, 0)
    expect(names(first.pool, first.observed).every(name => name.startsWith('p0'))).toBe(true)
    expect(names(first.pool, first.observed).length).toBe(100)
    const none = groups(0, 0)
    expect(names(none.pool, none.observed).every(name => name.startsWith('p1'))).toBe(true)
    expect(loads(none.pool, none.observed, 2)).toEqual([0, expect.closeTo(100, 9)])
  })
})

describe('the memo', () => {
  const pool = makePool({ a: 1, b: 1, c: 1, d: 1 }, { slowStartMs: 10_000 })

  test('is kept until availability changes', () => {
    const observed = makeObserved(pool)
    const first = view(pool, observed, noon)
    expect(view(pool, observed, noon + 1e9)).toBe(first)
    markDown(observed, pool, named(pool, 'a'))
    const second = view(pool, observed, noon)
    expect(second).not.toBe(first)
    expect(view(pool, observed, noon)).toBe(second)
  })

  test('ends when an ejection ends, and when a slow start ends', () => {
    const observed = makeObserved(pool)
    markEjected(observed, pool, named(pool, 'a'), noon + 500)
    expect(names(pool, observed)).toEqual(['b', 'c', 'd'])
    expect(view(pool, observed, noon).until).toBe(noon + 500)
    expect(names(pool, observed, noon + 499)).toEqual(['b', 'c', 'd'])
    expect(names(pool, observed, noon + 500)).toEqual(['a', 'b', 'c', 'd'])
    expect(view(pool, observed, noon + 500)).toMatchObject({ isRamping: true, until: noon + 10_500 })
    expect(view(pool, observed, noon + 10_500)).toMatchObject({ isRamping: false, until: Number.POSITIVE_INFINITY })
  })

  test('is not kept over a reload of the same pool', () => {
    const observed = makeObserved(pool)
    view(pool, observed, noon)
    const reloaded = makePool({ a: 9, b: 1, c: 1, d: 1 })
    expect(view(reloaded, observed, noon).pool).toBe(reloaded)
  })
})

test('slow start goes from 10 % to 100 % in a straight line, after a probe, a drain or an ejection', () => {
  const pool = makePool({ a: 1 }, { slowStartMs: 30_000 })
  const a = named(pool, 'a')
  const observed = makeObserved(pool)
  const line = (since: number) =>
    [0, 10_000, 15_000, 30_000, 99_000].map(after => ramp(pool, a, observed, since + after))
  const straight = [0.1, 0.4, 0.55, 1, 1].map(part => expect.closeTo(part, 12))
  expect(ramp(pool, a, observed, noon)).toBe(1)
  markDown(observed, pool, a)
  markUp(observed, pool, a, noon)
  expect(line(noon)).toEqual(straight)
  markDraining(observed, pool, a)
  unmarkDraining(observed, pool, a, noon + 50_000)
  expect(line(noon + 50_000)).toEqual(straight)
  markEjected(observed, pool, a, noon + 200_000)
  expect(line(noon + 200_000)).toEqual(straight)
  expect(ramp(makePool({ a: 1 }), a, observed, noon + 200_000)).toBe(1)
})

test('the sequence of a view deals a dead endpoint evenly to the rest', () => {
  const pool = makePool({ a: 2, b: 1, c: 1 })
  const observed = makeObserved(pool)
  const letters = () => {
    const seen = view(pool, observed, noon)
    return Array.from(sequenceOf(seen), place => seen.endpoints[place]!.name).join('')
  }
  expect(letters()).toBe('abca')
  markDown(observed, pool, named(pool, 'b'))
  expect(letters()).toBe('aca')
  markUp(observed, pool, named(pool, 'b'), noon)
  markDown(observed, pool, named(pool, 'a'))
  expect(letters()).toBe('bc')
})

test('a client may stay where it was unless the endpoint is away or full', () => {
  const pool = makePool([{ name: 'a' }, { name: 'spare', priority: 1 }, { name: 'zero', weight: 0 }], {
    maxRequestsPerEndpoint: 1,
    maxRequests: 2,
  })
  const keeps = (observed: Observed, name: string) => mayKeep(pool, named(pool, name), observed, noon)
  const observed = makeObserved(pool)
  expect([keeps(observed, 'a'), keeps(observed, 'spare'), keeps(observed, 'zero')]).toEqual([true, true, false])
  claim(observed, pool, named(pool, 'a'))
  expect([keeps(observed, 'a'), keeps(observed, 'spare')]).toEqual([false, true])
  claim(observed, pool, named(pool, 'spare'))
  observed.open[1] = 0
  expect(keeps(observed, 'spare')).toBe(false)
  const drained = makeObserved(pool)
  markDraining(drained, pool, named(pool, 'a'))
  expect(keeps(drained, 'a')).toBe(false)
  const ejected = makeObserved(pool)
  markEjected(ejected, pool, named(pool, 'a'), noon + 1)
  expect(keeps(ejected, 'a')).toBe(false)
})
