import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { stateOf } from '../../../shared/pool/health.ts'
import {
  attachObserved,
  claim,
  createHeld,
  createObserved,
  forget,
  giveBack,
  grow,
  latencyNow,
  type Observed,
  settle,
} from '../../../shared/pool/observed.ts'
import type { Pool } from '../../../shared/pool/pool.ts'
import { makeObserved, makePool, many, named, noon } from './make-pool.ts'

const outlier = {
  consecutiveFailures: 5,
  successRateFactor: 1.9,
  baseEjectionMs: 30_000,
  maxEjectionMs: 300_000,
  maxEjectedPercent: 10,
}

function tryOnce(
  observed: Observed,
  pool: Pool,
  name: string,
  outcome: 'success' | 'failure' | 'neutral',
  now: number,
) {
  const endpoint = named(pool, name)
  expect(claim(observed, pool, endpoint)).toBe(true)
  settle(observed, pool, endpoint, outcome, 10, now)
}

const ejected = (observed: Observed, pool: Pool, now: number) =>
  pool.endpoints.filter(endpoint => stateOf(endpoint, observed, now) === 'ejected').map(endpoint => endpoint.name)

describe('claim and settle', () => {
  test('open counts are what was claimed and not settled, whatever the order', () => {
    const pool = makePool(many(4), { outlier, maxRequests: 12, maxRequestsPerEndpoint: 5 })
    const step = fc.record({
      endpoint: fc.nat(3),
      isClaim: fc.boolean(),
      outcome: fc.constantFrom('success' as const, 'failure' as const, 'neutral' as const),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.boolean(), (steps, shared) => {
        const observed = makeObserved(pool, 0, shared)
        const open = [0, 0, 0, 0]
        const sum = () => open.reduce((a, b) => a + b, 0)
        for (const [at, { endpoint, isClaim, outcome }] of steps.entries()) {
          if (isClaim) {
            const fits = open[endpoint]! < 5 && sum() < 12
            expect(claim(observed, pool, pool.endpoints[endpoint]!)).toBe(fits)
            if (fits) open[endpoint]! += 1
          } else if (open[endpoint]! > 0) {
            settle(observed, pool, pool.endpoints[endpoint]!, outcome, 1, noon + at * 100)
            open[endpoint]! -= 1
          }
          expect([...observed.open.subarray(0, 4)]).toEqual(open)
          expect(observed.poolOpen[0]).toBe(sum())
        }
      }),
      { seed: 47, numRuns: 200 },
    )
  })

  test('threads that share the buffer lose nothing and never pass a limit', async () => {
    const pool = makePool({ a: 1, b: 1 }, { maxRequestsPerEndpoint: 1, maxRequests: 2 })
    const observed = makeObserved(pool, 0, true)
    // Kept by the threads themselves: who holds a place on a, on b, at all; and how many have begun to mind the limits.
    const holders = new Int32Array(new SharedArrayBuffer(16))
    const source = `
      import { workerData, parentPort } from 'node:worker_threads'
      const { attachObserved, claim, settle } = await import(workerData.module)
      const { pool, buffer, claims, holders } = workerData
      const observed = attachObserved(buffer, 0)
      const free = { ...pool, maxRequests: Infinity, maxRequestsPerEndpoint: Infinity }
      for (let round = 0; round < 100 * claims; round++) {
        claim(observed, free, free.endpoints[0])
        settle(observed, free, free.endpoints[0], 'success', 1, ${noon})
      }
      // No limit is in force while others still pass through without one.
      Atomics.add(holders, 3, 1)
      while (Atomics.load(holders, 3) < 3);
      let claimed = 0
      let most = [0, 0]
      for (let round = 0; claimed < claims; round++) {
        const side = round & 1
        const endpoint = pool.endpoints[side]
        if (!claim(observed, pool, endpoint)) continue
        claimed += 1
        most[0] = Math.max(most[0], Atomics.add(holders, side, 1) + 1)
        most[1] = Math.max(most[1], Atomics.add(holders, 2, 1) + 1)
        for (let spin = 0; spin < 50; spin++) Atomics.load(holders, 2)
        Atomics.sub(holders, side, 1)
        Atomics.sub(holders, 2, 1)
        settle(observed, pool, endpoint, 'success', 1, ${noon})
      }
      parentPort.postMessage(most)
    `
    const module = new URL('../../../shared/pool/observed.ts', import.meta.url).href
    const workerData = { module, pool, buffer: observed.buffer, claims: 4_000, holders }
    const threads = await Promise.all(
      [1, 2, 3].map(
        () =>
          new Promise<[onSide: number, inPool: number]>((resolve, reject) => {
            const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), { workerData })
            worker.once('message', resolve)
            worker.once('error', reject)
          }),
      ),
    )
    for (const [onSide, inPool] of threads) {
      expect(onSide).toBe(1)
      expect(inPool).toBeLessThanOrEqual(2)
    }
    expect([...observed.open.subarray(0, 2), observed.poolOpen[0]]).toEqual([0, 0, 0])
  })

  test('what a thread that died had open is given back, and what others have is not', () => {
    const pool = makePool({ a: 1, b: 1 })
    const owner = makeObserved(pool, 0, true)
    const [mine, theirs] = [createHeld(owner), createHeld(owner)]
    const [one, two] = [mine, theirs].map(held => attachObserved(owner.buffer, 0, held)) as [Observed, Observed]
    const [a, b] = [named(pool, 'a'), named(pool, 'b')]
    for (const endpoint of [a, a, b]) claim(one, pool, endpoint)
    for (const endpoint of [a, b, b]) claim(two, pool, endpoint)
    settle(one, pool, a, 'success', 1, noon)
    giveBack(owner, mine)
    expect([owner.open[a.slot], owner.open[b.slot], owner.poolOpen[pool.index]]).toEqual([1, 2, 3])
    giveBack(owner, mine)
    expect(owner.poolOpen[pool.index]).toBe(3)
    giveBack(owner, theirs)
    expect([owner.open[a.slot], owner.open[b.slot], owner.poolOpen[pool.index]]).toEqual([0, 0, 0])
  })

  test('a claim beyond a limit takes nothing', () => {
    const pool = makePool({ a: 1, b: 1 }, { maxRequestsPerEndpoint: 1 })
    const observed = makeObserved(pool)
    expect(claim(observed, pool, named(pool, 'a'))).toBe(true)
    const turn = observed.turns[0]
    expect(claim(observed, pool, named(pool, 'a'))).toBe(false)
    expect(observed.open[0]).toBe(1)
    expect(observed.poolOpen[0]).toBe(1)
    expect(observed.turns[0]).toBe(turn)
  })

  test('what began before a reload is settled after it, by slot', () => {
    const before = makePool({ a: 1 })
    const observed = makeObserved(before)
    claim(observed, before, named(before, 'a'))
    const after = makePool({ a: 3 })
    settle(observed, after, named(after, 'a'), 'success', 1, noon)
    expect(observed.open[0]).toBe(0)
  })
})

describe('the latency estimate', () => {
  const pool = makePool({ a: 1 })
  const a = named(pool, 'a')
  const learn = (
    observed: Observed,
    latency: number,
    now: number,
    outcome: 'success' | 'failure' | 'neutral' = 'success',
  ) => {
    claim(observed, pool, a)
    settle(observed, pool, a, outcome, latency, now)
  }

  test('is -1 before the first sample', () => {
    expect(latencyNow(makeObserved(pool), 0, noon)).toBe(-1)
  })

  test('a peak counts at once; below it is approached with e^(-t/10 s)', () => {
    const observed = makeObserved(pool)
    learn(observed, 10, noon)
    learn(observed, 100, noon)
    expect(latencyNow(observed, 0, noon)).toBe(100)
    learn(observed, 50, noon + 10_000)
    expect(latencyNow(observed, 0, noon + 10_000)).toBeCloseTo(100 / Math.E + 50 * (1 - 1 / Math.E), 9)
  })

  test('it fades while nothing is heard, and a clock that steps back does not raise it', () => {
    const observed = makeObserved(pool)
    learn(observed, 100, noon)
    expect(latencyNow(observed, 0, noon + 20_000)).toBeCloseTo(100 / Math.E ** 2, 9)
    expect(latencyNow(observed, 0, noon - 20_000)).toBe(100)
  })

  test('a quick failure, an unknown latency and a client that left make nothing faster', () => {
    const observed = makeObserved(pool)
    learn(observed, 100, noon)
    learn(observed, 1, noon + 5_000, 'failure')
    learn(observed, -1, noon + 5_000)
    learn(observed, 1, noon + 5_000, 'neutral')
    expect(latencyNow(observed, 0, noon)).toBe(100)
    learn(observed, 300, noon, 'failure')
    expect(latencyNow(observed, 0, noon)).toBe(300)
  })
})

describe('the outlier judge', () => {
  test('five failures in a row eject for 30 s, four do not', () => {
    const pool = makePool({ a: 1, b: 1 }, { outlier })
    const observed = makeObserved(pool)
    for (let n = 0; n < 4; n++) tryOnce(observed, pool, 'a', 'failure', noon)
    expect(ejected(observed, pool, noon)).toEqual([])
    tryOnce(observed, pool, 'a', 'failure', noon)
    expect(ejected(observed, pool, noon + 29_999)).toEqual(['a'])
    expect(ejected(observed, pool, noon + 30_000)).toEqual([])
  })

  test('a success in between starts the count again; a client that left does not', () => {
    const pool = makePool({ a: 1, b: 1 }, { outlier })
    const observed = makeObserved(pool)
    for (const outcome of ['failure', 'failure', 'failure', 'failure', 'success', 'failure', 'failure'] as const) {
      tryOnce(observed, pool, 'a', outcome, noon)
    }
    for (const outcome of ['neutral', 'failure', 'failure', 'neutral'] as const)
      tryOnce(observed, pool, 'a', outcome, noon)
    expect(ejected(observed, pool, noon)).toEqual([])
    tryOnce(observed, pool, 'a', 'failure', noon)
    expect(ejected(observed, pool, noon)).toEqual(['a'])
  })

  test('the second ejection lasts twice as long, after a good while the base time again', () => {
    const pool = makePool({ a: 1, b: 1 }, { outlier })
    const observed = makeObserved(pool)
    const fail = (now: number) => {
      for (let n = 0; n < 5; n++) tryOnce(observed, pool, 'a', 'failure', now)
      return observed.ejectedUntil[0]! - now
    }
    expect(fail(noon)).toBe(30_000)
    expect(fail(noon + 31_000)).toBe(60_000)
    expect(fail(noon + 31_000 + 60_000 + 90_000)).toBe(30_000)
  })

  test('what fails during the ejection was judged already', () => {
    const pool = makePool({ a: 1, b: 1 }, { outlier })
    const observed = makeObserved(pool)
    for (let n = 0; n < 40; n++) tryOnce(observed, pool, 'a', 'failure', noon)
    expect(observed.ejections[0]).toBe(1)
    expect(observed.ejectedUntil[0]).toBe(noon + 30_000)
    for (let n = 0; n < 4; n++) tryOnce(observed, pool, 'a', 'failure', noon + 30_000)
    expect(ejected(observed, pool, noon + 30_000)).toEqual([])
  })

  test.each([
    [3, 1],
    [10, 1],
    [19, 1],
    [20, 2],
    [35, 3],
  ])('of %i endpoints that all fail %i are ejected', (count, expected) => {
    const pool = makePool(many(count), { outlier })
    const observed = makeObserved(pool)
    for (let n = 0; n < 8; n++) {
      for (const endpoint of pool.endpoints) tryOnce(observed, pool, endpoint.name, 'failure', noon)
    }
    expect(ejected(observed, pool, noon).length).toBe(expected)
    // Room again: the next failure of one that was spared is enough.
    for (const endpoint of pool.endpoints) tryOnce(observed, pool, endpoint.name, 'failure', noon + 30_000)
    expect(ejected(observed, pool, noon + 30_000).length).toBe(expected)
  })

  test('a pool without a judge and a judge of 0 eject nobody', () => {
    for (const judge of [undefined, { ...outlier, consecutiveFailures: 0 }]) {
      const pool = makePool({ a: 1, b: 1 }, { outlier: judge })
      const observed = makeObserved(pool)
      for (let n = 0; n < 200; n++) tryOnce(observed, pool, 'a', 'failure', noon + n * 1_000)
      expect(ejected(observed, pool, noon + 200_000)).toEqual([])
    }
  })

  describe('by success rate', () => {
    const judge = { ...outlier, consecutiveFailures: 0 }
    const run = (endpoints: number, requests: number, failures: (index: number) => number, settings = judge) => {
      const pool = makePool(many(endpoints), { outlier: settings })
      const observed = makeObserved(pool)
      for (const [index, endpoint] of pool.endpoints.entries()) {
        for (let n = 0; n < requests; n++) {
          tryOnce(observed, pool, endpoint.name, n < failures(index) ? 'failure' : 'success', noon + n)
        }
      }
      return { pool, observed }
    }
    const oneBad = (index: number) => (index === 2 ? 60 : 0)

    test('the one far below the others is ejected when the window ends', () => {
      const { pool, observed } = run(10, 100, oneBad)
      expect(ejected(observed, pool, noon + 9_999)).toEqual([])
      tryOnce(observed, pool, 'e000', 'success', noon + 10_000)
      expect(ejected(observed, pool, noon + 10_000)).toEqual(['e002'])
      expect(observed.successes[0]).toBe(1)
      expect(observed.failures[2]).toBe(0)
    })

    test.each([
      ['fewer than 100 requests', 10, 99, judge],
      ['fewer than five endpoints', 4, 100, judge],
      ['factor 0', 10, 100, { ...judge, successRateFactor: 0 }],
    ])('%s: nobody', (_, endpoints, requests, settings) => {
      const { pool, observed } = run(endpoints, requests, oneBad, settings)
      tryOnce(observed, pool, 'e000', 'success', noon + 10_000)
      expect(ejected(observed, pool, noon + 10_000)).toEqual([])
    })

    test('all equally bad: nobody', () => {
      const { pool, observed } = run(10, 100, () => 50)
      tryOnce(observed, pool, 'e000', 'success', noon + 10_000)
      expect(ejected(observed, pool, noon + 10_000)).toEqual([])
    })

    test('a window that ended long ago is forgotten, not judged', () => {
      const { pool, observed } = run(10, 100, oneBad)
      tryOnce(observed, pool, 'e000', 'success', noon + 20_000)
      tryOnce(observed, pool, 'e000', 'success', noon + 30_000)
      expect(ejected(observed, pool, noon + 30_000)).toEqual([])
    })
  })
})

describe('the columns', () => {
  test('another thread sees the same counts and has its own turn', () => {
    const one = createObserved({ slots: 3, pools: 2, shared: true, firstTurn: 5 })
    const two = attachObserved(one.buffer, 9)
    Atomics.add(one.open, 2, 4)
    one.ejectedUntil[1] = noon
    one.generations[1] = 7
    expect(two.open[2]).toBe(4)
    expect(two.ejectedUntil[1]).toBe(noon)
    expect(two.generations[1]).toBe(7)
    expect([one.turns[1], two.turns[1]]).toEqual([5, 9])
  })

  test('no column overlaps another', () => {
    const observed = createObserved({ slots: 5, pools: 3, shared: false, firstTurn: 0 })
    const arrays = Object.values(observed).filter(value => value instanceof Float64Array || value instanceof Int32Array)
    expect(arrays.length).toBe(15)
    for (const [index, array] of arrays.entries()) array.fill(index + 1)
    for (const [index, array] of arrays.entries())
      expect(array.every((value: number) => value === index + 1)).toBe(true)
  })

  test.each([false, true])('growing keeps every column (shared: %s)', shared => {
    const small = createObserved({ slots: shared ? 70_000 : 2, pools: shared ? 5_000 : 2, shared, firstTurn: 3 })
    const numbers = Object.entries(small).filter(([, value]) => ArrayBuffer.isView(value)) as [
      keyof Observed,
      Int32Array,
    ][]
    expect(numbers.length).toBe(15)
    for (const [at, [, column]] of numbers.entries()) column[column.length - 1] = at + 1
    const large = grow(small, small.slots + 1, small.pools + 1)
    expect(large).not.toBe(small)
    for (const [at, [name, column]] of numbers.entries()) {
      const grown = large[name] as Int32Array
      expect(grown.length).toBe(column.length + 1)
      expect(grown[column.length - 1]).toBe(at + 1)
      expect(grown[column.length]).toBe(name === 'turns' ? 3 : 0)
    }
    expect(large.buffer instanceof SharedArrayBuffer).toBe(shared)
    expect(large.views).toEqual([])
  })

  test('where there is room already growing moves nothing', () => {
    const observed = createObserved({ slots: 2, pools: 1, shared: true, firstTurn: 3 })
    expect(grow(observed, 60_000, 4_000)).toBe(observed)
  })

  test('a forgotten slot is as new, its neighbours are not', () => {
    const observed = createObserved({ slots: 3, pools: 1, shared: false, firstTurn: 0 })
    const bySlot = Object.values(observed)
      .filter(value => ArrayBuffer.isView(value))
      .slice(0, 10) as Int32Array[]
    for (const column of bySlot) column.fill(1)
    forget(observed, 1)
    for (const column of bySlot) expect([...column]).toEqual([1, 0, 1])
  })
})
