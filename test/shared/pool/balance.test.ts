import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Balance } from '../../../shared/config/parsed.ts'
import { next, order, whyNone } from '../../../shared/pool/balance.ts'
import { markDown, markDraining, markEjected, markUp } from '../../../shared/pool/health.ts'
import { claim, type Observed, settle } from '../../../shared/pool/observed.ts'
import type { Endpoint, Pool } from '../../../shared/pool/pool.ts'
import { isFiveSigma, makeObserved, makePool, many, named, noon } from './make-pool.ts'

const hashed: Balance = { by: 'hash', key: { from: 'address' }, boundedLoad: undefined }
const everyBalance: Balance[] = [
  { by: 'round-robin' },
  { by: 'random' },
  { by: 'least-requests' },
  { by: 'latency' },
  hashed,
  { ...hashed, boundedLoad: 1.25 },
]

/** Claims and settles at once: nothing stays open. Draws are seeds 0, 1, 2 …, scattered. */
function serve(pool: Pool, observed: Observed, count: number, now = noon, keyOf?: (n: number) => string): string[] {
  return Array.from({ length: count }, (_, n) => {
    const endpoint = next(pool, [], observed, now, seedOf(n), keyOf?.(n))
    if (endpoint === undefined) return '-'
    claim(observed, pool, endpoint)
    settle(observed, pool, endpoint, 'neutral', -1, now)
    return endpoint.name
  })
}

const seedOf = (n: number) => (n * 2_654_435_761 * 1_299_709 + 12_345) % 2 ** 53

function shares(served: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of served) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

const ownerOf = (pool: Pool, observed: Observed, key: string, now = noon) => next(pool, [], observed, now, 0, key)?.name

describe('round robin', () => {
  test('goes round by weight: 5, 1, 1 is a a b a c a a', () => {
    const pool = makePool({ a: 5, b: 1, c: 1 })
    expect(serve(pool, makeObserved(pool), 14).join('')).toBe('aabacaaaabacaa')
  })

  test('starts at the turn it was given', () => {
    const pool = makePool({ a: 1, b: 1, c: 1 })
    expect(serve(pool, makeObserved(pool, 2), 4).join('')).toBe('cabc')
  })

  test('asking without a claim gives the same answer again', () => {
    const pool = makePool({ a: 1, b: 1 })
    const observed = makeObserved(pool)
    expect(next(pool, [], observed, noon, 1, undefined)).toBe(next(pool, [], observed, noon, 2, undefined))
  })

  test('with one down the rest share its turns evenly', () => {
    const pool = makePool({ a: 1, b: 1, c: 1, d: 1 })
    const observed = makeObserved(pool)
    markDown(observed, pool, named(pool, 'b'))
    expect(serve(pool, observed, 6).join('')).toBe('acdacd')
  })

  test('a retry takes the next seat of one it has not tried', () => {
    const pool = makePool({ a: 5, b: 1, c: 1 })
    const observed = makeObserved(pool)
    expect(order(pool, observed, noon, 0, undefined).map(endpoint => endpoint.name)).toEqual(['a', 'b', 'c'])
  })

  test('a retry finds the other one behind a thousand seats of the first', () => {
    const pool = makePool({ a: 1_000, b: 1 })
    const observed = makeObserved(pool)
    expect(next(pool, [named(pool, 'a')], observed, noon, 0, undefined)?.name).toBe('b')
  })

  test('the counter may wrap', () => {
    const pool = makePool({ a: 1, b: 1, c: 1 })
    // 2^31 - 1 is one more than a multiple of 3.
    expect(serve(pool, makeObserved(pool, 0x7fff_ffff), 4).join('')).toBe('babc')
    expect(serve(pool, makeObserved(pool, 0xffff_ffff), 4).join('')).toBe('babc')
  })
})

describe('whatever the balance', () => {
  const cases = everyBalance.map(balance => [JSON.stringify(balance), balance] as const)

  test.each(cases)('%s: weights are shares when nothing is open', (_, balance) => {
    const pool = makePool({ a: 5, b: 1, c: 2 }, { balance })
    const served = shares(serve(pool, makeObserved(pool), 40_000, noon, n => `user-${n}`))
    for (const { name, weight } of pool.endpoints) expect(isFiveSigma(served[name]!, 40_000, weight / 8)).toBe(true)
  })

  test.each(cases)('%s: groups get their load', (_, balance) => {
    const sketch = [{ name: 'a' }, { name: 'b' }, { name: 'c', priority: 1 }, { name: 'd', priority: 1, weight: 2 }]
    const pool = makePool(sketch, { balance })
    const observed = makeObserved(pool)
    markDown(observed, pool, named(pool, 'a'))
    const served = shares(serve(pool, observed, 40_000, noon, n => `user-${n}`))
    expect(isFiveSigma(served['b']!, 40_000, 0.7)).toBe(true)
    expect(isFiveSigma(served['c']!, 40_000, 0.1)).toBe(true)
    expect(isFiveSigma(served['d']!, 40_000, 0.2)).toBe(true)
  })

  test.each(cases)('%s: in slow start the weight counts in part', (_, balance) => {
    const pool = makePool({ a: 1, b: 2, c: 1 }, { balance, slowStartMs: 30_000 })
    const observed = makeObserved(pool)
    markDown(observed, pool, named(pool, 'b'))
    markUp(observed, pool, named(pool, 'b'), noon)
    for (const [after, part] of [
      [0, 0.1],
      [15_000, 0.55],
      [29_999, 1],
      [30_000, 1],
    ] as const) {
      const served = shares(serve(pool, observed, 40_000, noon + after, n => `user-${n}`))
      const sum = 2 + 2 * part
      for (const [name, weight] of [
        ['a', 1],
        ['b', 2 * part],
        ['c', 1],
      ] as const) {
        expect(isFiveSigma(served[name]!, 40_000, weight / sum)).toBe(true)
      }
    }
  })

  test.each(cases)('%s: the same facts, draw and key give the same endpoint', (_, balance) => {
    const pool = makePool(many(7), { balance })
    const [one, two] = [makeObserved(pool), makeObserved(pool)]
    for (let n = 0; n < 200; n++) {
      const key = n % 3 === 0 ? undefined : `user-${n}`
      const first = next(pool, [], one, noon, seedOf(n), key)
      expect(next(pool, [], two, noon, seedOf(n), key)).toBe(first)
    }
  })

  test.each(cases)(
    '%s: the order names every endpoint that may be used once, groups without load last',
    (_, balance) => {
      fc.assert(
        fc.property(
          fc.array(fc.record({ weight: fc.integer({ min: 0, max: 3 }), priority: fc.nat(2), state: fc.nat(5) }), {
            minLength: 1,
            maxLength: 12,
          }),
          fc.nat(),
          fc.option(fc.string(), { nil: undefined }),
          (sketch, draw, key) => {
            const pool = makePool(
              sketch.map(({ weight, priority }, index) => ({ name: `e${index}`, weight, priority })),
              { balance, panicPercent: 0, slowStartMs: 1_000 },
            )
            const observed = makeObserved(pool)
            for (const [index, { state }] of sketch.entries()) {
              const endpoint = pool.endpoints[index]!
              if (state === 1 || state === 4) markDown(observed, pool, endpoint)
              if (state === 2) markDraining(observed, pool, endpoint)
              if (state === 3) markEjected(observed, pool, endpoint, noon + 1)
              if (state === 4) markUp(observed, pool, endpoint, noon)
            }
            const usable = pool.endpoints.filter(
              (endpoint, index) => endpoint.weight > 0 && ![1, 2, 3].includes(sketch[index]!.state),
            )
            const tried = order(pool, observed, noon, draw, key)
            expect(new Set(tried).size).toBe(tried.length)
            expect(new Set(tried)).toEqual(new Set(usable))
            expect(next(pool, tried, observed, noon, draw, key)).toBeUndefined()
            expect(whyNone(pool, tried, observed, noon)).toBe('destination_unavailable')
          },
        ),
        { seed: 47, numRuns: 150 },
      )
    },
  )

  test.each(cases)('%s: limits are kept, and said', (_, balance) => {
    const pool = makePool({ a: 1, b: 3, c: 1 }, { balance, maxRequestsPerEndpoint: 2, maxRequests: 5 })
    const observed = makeObserved(pool)
    const claimed: Endpoint[] = []
    for (let n = 0; n < 5; n++) {
      const endpoint = next(pool, [], observed, noon, seedOf(n), 'one user')!
      expect(claim(observed, pool, endpoint)).toBe(true)
      claimed.push(endpoint)
    }
    expect(Math.max(...observed.open)).toBe(2)
    expect(next(pool, [], observed, noon, 9, 'one user')).toBeUndefined()
    expect(whyNone(pool, [], observed, noon)).toBe('connection_limit_reached')
    settle(observed, pool, claimed[0]!, 'success', 1, noon)
    expect(next(pool, [], observed, noon, 9, 'one user')).toBeDefined()
  })
})

test('why none: full endpoints that were not tried are a limit, nothing left to try is not', () => {
  const pool = makePool({ a: 1, b: 1 }, { maxRequestsPerEndpoint: 1, panicPercent: 0 })
  const observed = makeObserved(pool)
  claim(observed, pool, named(pool, 'a'))
  expect(whyNone(pool, [named(pool, 'b')], observed, noon)).toBe('connection_limit_reached')
  expect(whyNone(pool, [named(pool, 'b'), named(pool, 'a')], observed, noon)).toBe('destination_unavailable')
  // Room that was made between the two questions does not change what the first one was answered.
  expect(whyNone(pool, [named(pool, 'a')], observed, noon)).toBe('connection_limit_reached')
  markDown(observed, pool, named(pool, 'a'))
  markDown(observed, pool, named(pool, 'b'))
  expect(whyNone(pool, [], observed, noon)).toBe('destination_unavailable')
})

describe('a failover group', () => {
  const pool = makePool([{ name: 'main' }, { name: 'spare', priority: 1 }], { maxRequestsPerEndpoint: 1 })

  test('takes nothing while the first is up', () => {
    expect(shares(serve(pool, makeObserved(pool), 50))).toEqual({ main: 50 })
  })

  test('helps a retry although it has no load', () => {
    expect(next(pool, [named(pool, 'main')], makeObserved(pool), noon, 0, undefined)?.name).toBe('spare')
  })

  test.each(everyBalance)('does not help out when the first is merely full: $by', balance => {
    const full = { ...pool, balance }
    const observed = makeObserved(full)
    claim(observed, full, named(full, 'main'))
    expect(next(full, [], observed, noon, 0, 'user')).toBeUndefined()
    expect(whyNone(full, [], observed, noon)).toBe('connection_limit_reached')
  })
})

describe('two choices', () => {
  test('of two the one with fewer open for its weight is taken', () => {
    const pool = makePool({ a: 1, b: 2 }, { balance: { by: 'least-requests' } })
    const choose = (a: number, b: number) => {
      const observed = makeObserved(pool)
      observed.open.set([a, b])
      return shares(Array.from({ length: 100 }, (_, n) => next(pool, [], observed, noon, seedOf(n), undefined)!.name))
    }
    expect(choose(1, 0)).toEqual({ b: 100 })
    expect(choose(1, 1)).toEqual({ b: 100 })
    expect(choose(1, 3)).toEqual({ a: 100 })
    expect(Object.keys(choose(1, 2))).toHaveLength(2)
  })

  test('the busiest of many is never taken, since the two are distinct', () => {
    const pool = makePool(many(5), { balance: { by: 'least-requests' } })
    const observed = makeObserved(pool)
    observed.open.set([0, 1, 0, 9, 0])
    for (let n = 0; n < 2_000; n++) {
      const name = next(pool, [], observed, noon, seedOf(n), undefined)!.name
      expect(name).not.toBe('e003')
    }
  })

  test('every pair is drawn equally often', () => {
    const pool = makePool(many(5), { balance: { by: 'least-requests' } })
    const observed = makeObserved(pool)
    const tries = 40_000
    const least = ['e000', 'e001', 'e002', 'e003', 'e004']
    for (const opens of [
      [0, 1, 2, 3, 4],
      [4, 3, 2, 1, 0],
    ]) {
      observed.open.set(opens)
      const won = shares(
        Array.from({ length: tries }, (_, n) => next(pool, [], observed, noon, seedOf(n), undefined)!.name),
      )
      // Of the 10 pairs the least busy wins 4, the next 3, then 2, 1, 0.
      for (const [at, open] of opens.entries()) {
        expect(isFiveSigma(won[least[at]!] ?? 0, tries, (4 - open) / 10)).toBe(true)
      }
    }
  })

  test('open requests even out over many that never end', () => {
    const pool = makePool(many(20), { balance: { by: 'least-requests' } })
    const observed = makeObserved(pool)
    for (let n = 0; n < 20_000; n++) claim(observed, pool, next(pool, [], observed, noon, seedOf(n), undefined)!)
    // Mitzenmacher: the gap over the mean is O(log log n), a handful; one choice would be at about 90.
    expect(Math.max(...observed.open) - 1_000).toBeLessThan(8)
  })

  test('latency takes the faster for what it has open', () => {
    const pool = makePool({ slow: 1, fast: 1 }, { balance: { by: 'latency' } })
    const observed = makeObserved(pool)
    for (const [name, latency] of [
      ['slow', 100],
      ['fast', 20],
    ] as const) {
      claim(observed, pool, named(pool, name))
      settle(observed, pool, named(pool, name), 'success', latency, noon)
    }
    const choose = (slow: number, fast: number) => {
      observed.open.set([slow, fast])
      return shares(Array.from({ length: 100 }, (_, n) => next(pool, [], observed, noon, seedOf(n), undefined)!.name))
    }
    expect(choose(0, 0)).toEqual({ fast: 100 })
    expect(choose(0, 3)).toEqual({ fast: 100 })
    expect(choose(0, 5)).toEqual({ slow: 100 })
    expect(choose(1, 5)).toEqual({ fast: 100 })
  })

  test('an endpoint without a sample is neither shunned nor flooded', () => {
    const pool = makePool({ known: 1, fresh: 1 }, { balance: { by: 'latency' } })
    const observed = makeObserved(pool)
    observed.latency[0] = 5
    observed.latencyAt[0] = noon
    for (let n = 0; n < 100; n++) claim(observed, pool, next(pool, [], observed, noon, seedOf(n), undefined)!)
    expect(Math.abs(observed.open[0]! - observed.open[1]!)).toBeLessThanOrEqual(1)
  })
})

describe('hash', () => {
  const keys = Array.from({ length: 5_000 }, (_, n) => `user-${n}`)
  const owners = (pool: Pool, observed: Observed, now = noon) => keys.map(key => ownerOf(pool, observed, key, now))

  test.each([
    ['rendezvous', 10],
    ['rendezvous', 63],
    ['Maglev', 64],
    ['Maglev', 200],
  ])('%s, %i endpoints: one that leaves moves exactly its own keys, and gets exactly them back', (_, count) => {
    const pool = makePool(
      many(count, index => (index % 3) + 1),
      { balance: hashed },
    )
    const observed = makeObserved(pool)
    const before = owners(pool, observed)
    const gone = named(pool, 'e004')
    markDown(observed, pool, gone)
    const during = owners(pool, observed)
    for (const [n, owner] of before.entries()) {
      if (owner === 'e004') expect(during[n]).not.toBe('e004')
      else expect(during[n]).toBe(owner)
    }
    const second = named(pool, 'e005')
    markEjected(observed, pool, second, noon + 1_000)
    const both = owners(pool, observed)
    for (const [n, owner] of during.entries()) if (owner !== 'e005') expect(both[n]).toBe(owner)
    markUp(observed, pool, gone, noon)
    expect(owners(pool, observed, noon + 1_000)).toEqual(before)
  })

  test.each([10, 100])('%i endpoints: the keys of one that left spread over all others', count => {
    const pool = makePool(many(count), { balance: hashed })
    const observed = makeObserved(pool)
    const many_ = Array.from({ length: 400 * count }, (_, n) => `key-${n}`)
    const mine = many_.filter(key => ownerOf(pool, observed, key) === 'e004')
    markDown(observed, pool, named(pool, 'e004'))
    const served = shares(mine.map(key => ownerOf(pool, observed, key)!))
    expect(Object.keys(served).length).toBeGreaterThan(0.9 * (count - 1))
    for (const hits of Object.values(served)) expect(isFiveSigma(hits, mine.length, 1 / (count - 1))).toBe(true)
  })

  test('keys follow the weights with Maglev too', () => {
    const pool = makePool(
      many(80, index => (index < 40 ? 1 : 3)),
      { balance: hashed },
    )
    const served = serve(pool, makeObserved(pool), 40_000, noon, n => `user-${n}`)
    const heavy = served.filter(name => named(pool, name).weight === 3).length
    expect(isFiveSigma(heavy, 40_000, 0.75)).toBe(true)
  })

  test.each([8, 100])('%i endpoints: a relay with another order in its config agrees on every key', count => {
    const names = Object.keys(many(count))
    const one = makePool(
      names.map(name => ({ name })),
      { balance: hashed },
    )
    const two = makePool(
      names.toReversed().map(name => ({ name })),
      { balance: hashed },
    )
    expect(owners(two, makeObserved(two))).toEqual(owners(one, makeObserved(one)))
  })

  test.each([8, 100])('%i endpoints: in slow start keys come back one by one and stay', count => {
    const pool = makePool(many(count), { balance: hashed, slowStartMs: 10_000 })
    const observed = makeObserved(pool)
    const before = owners(pool, observed)
    markDown(observed, pool, named(pool, 'e003'))
    markUp(observed, pool, named(pool, 'e003'), noon)
    const total = before.filter(owner => owner === 'e003').length
    let last: (string | undefined)[] = []
    let had = 0
    for (const after of [0, 2_500, 5_000, 7_500, 9_999]) {
      const now = owners(pool, observed, noon + after)
      const has = now.filter(owner => owner === 'e003').length
      expect(has).toBeGreaterThanOrEqual(had)
      for (const [n, owner] of last.entries()) if (owner === 'e003') expect(now[n]).toBe('e003')
      for (const [n, owner] of now.entries()) if (before[n] !== 'e003') expect(owner).toBe(before[n])
      if (after === 0) expect(has).toBeLessThan(total / 3)
      last = now
      had = has
    }
    expect(owners(pool, observed, noon + 10_000)).toEqual(before)
  })

  test('a retry goes to the second owner, the same for everybody', () => {
    for (const count of [8, 100]) {
      const pool = makePool(many(count), { balance: hashed })
      const observed = makeObserved(pool)
      for (const key of keys.slice(0, 300)) {
        const first = next(pool, [], observed, noon, 1, key)!
        const second = next(pool, [first], observed, noon, 2, key)!
        markDown(observed, pool, first)
        expect(next(pool, [], observed, noon, 3, key)).toBe(second)
        markUp(observed, pool, first, noon)
      }
    }
  })

  test('a missing key goes by weight', () => {
    const pool = makePool({ a: 1, b: 3 }, { balance: hashed })
    const served = shares(serve(pool, makeObserved(pool), 20_000))
    expect(isFiveSigma(served['b']!, 20_000, 0.75)).toBe(true)
  })

  test.each([8, 80])(
    '%i endpoints, bounded load: nobody has more than ceil(bound × its share), one hot key or many',
    count => {
      const bound = 1.25
      const pool = makePool(
        many(count, index => (index % 2) + 1),
        { balance: { ...hashed, boundedLoad: bound } },
      )
      const weights = pool.endpoints.reduce((sum, endpoint) => sum + endpoint.weight, 0)
      for (const keyOf of [() => 'hot', (n: number) => `user-${n % 40}`]) {
        const observed = makeObserved(pool)
        for (let n = 0; n < 2_000; n++) {
          const endpoint = next(pool, [], observed, noon, 0, keyOf(n))!
          claim(observed, pool, endpoint)
          const most = Math.ceil((bound * (n + 1) * endpoint.weight) / weights + 1e-9)
          expect(observed.open[endpoint.slot]!).toBeLessThanOrEqual(most)
        }
      }
    },
  )

  test('the bound gives way before a request is refused', () => {
    const pool = makePool(many(3), { balance: { ...hashed, boundedLoad: 1.01 } })
    const observed = makeObserved(pool)
    for (let n = 0; n < 5; n++) claim(observed, pool, named(pool, 'e000'))
    const tried = [named(pool, 'e001'), named(pool, 'e002')]
    expect(next(pool, tried, observed, noon, 0, 'user')?.name).toBe('e000')
  })

  test('bounded load leaves a key at home while there is room', () => {
    const bounded = makePool(many(8), { balance: { ...hashed, boundedLoad: 1.25 } })
    const plain = makePool(many(8), { balance: hashed })
    expect(owners(bounded, makeObserved(bounded))).toEqual(owners(plain, makeObserved(plain)))
  })
})

test('round robin: a dead endpoint gets its own share of first tries and no more, although each is tried again elsewhere', () => {
  const pool = makePool({ dead: 1, alive: 1 })
  const observed = makeObserved(pool)
  const firsts: string[] = []
  for (let n = 0; n < 40; n++) {
    const first = next(pool, [], observed, noon, seedOf(n), undefined)!
    firsts.push(first.name)
    claim(observed, pool, first)
    settle(observed, pool, first, 'neutral', -1, noon)
    if (first.name === 'alive') continue
    const second = next(pool, [first], observed, noon, seedOf(n), undefined)!
    expect(second.name).toBe('alive')
    claim(observed, pool, second, true)
    settle(observed, pool, second, 'neutral', -1, noon)
  }
  expect(firsts.filter(name => name === 'dead')).toHaveLength(20)
})
