import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  markDown,
  markDraining,
  markEjected,
  markNew,
  markUp,
  type ProbeEvent,
  startProbe,
  stateOf,
  stepProbe,
  unmarkDraining,
} from '../../../shared/pool/health.ts'
import { makeObserved, makePool, named, noon } from './make-pool.ts'

const limits = { fall: 3, rise: 2 }
const verdicts = (events: string, startDown = false) => {
  let state = startProbe(startDown, noon)
  return Array.from(events, (event, at) => {
    state = stepProbe(state, event === '+' ? 'passed' : 'failed', limits, noon + at)
    return state.verdict === 'up' ? 'U' : 'd'
  }).join('')
}

describe('the probe machine', () => {
  test.each([
    ['---++', 'UUddU', false],
    ['--+--+---', 'UUUUUUUUd', false],
    ['---+-++', 'UUdddd' + 'U', false],
    ['+', 'd', true],
    ['++', 'dU', true],
    ['+-++', 'dddU', true],
    ['-', 'U', false],
  ])('%s gives %s', (events, expected, startDown) => {
    expect(verdicts(events, startDown)).toBe(expected)
  })

  test('a new endpoint is up until a probe says otherwise', () => {
    expect(startProbe(false, noon)).toEqual({ verdict: 'up', against: 0, since: noon })
    expect(startProbe(true, noon).verdict).toBe('down')
  })

  test('since is when the verdict changed, not when it was confirmed', () => {
    let state = startProbe(false, 0)
    for (const now of [1, 2, 3, 4, 5]) state = stepProbe(state, 'failed', limits, now)
    expect(state).toEqual({ verdict: 'down', against: 0, since: 3 })
  })

  test('a verdict turns exactly when the last `fall` or `rise` probes all spoke against it', () => {
    const events = fc.array(fc.constantFrom<ProbeEvent>('passed', 'failed'), { maxLength: 60 })
    fc.assert(
      fc.property(events, events => {
        let state = startProbe(false, 0)
        let sinceTurn: ProbeEvent[] = []
        for (const event of events) {
          const before = state.verdict
          sinceTurn.push(event)
          state = stepProbe(state, event, limits, 0)
          const needed = before === 'up' ? 3 : 2
          const against = before === 'up' ? 'failed' : 'passed'
          const last = sinceTurn.slice(-needed)
          const shouldTurn = last.length === needed && last.every(one => one === against)
          expect(state.verdict !== before).toBe(shouldTurn)
          if (shouldTurn) sinceTurn = []
        }
      }),
      { seed: 47 },
    )
  })
})

describe('marks', () => {
  const pool = makePool({ a: 1, b: 1 })
  const a = named(pool, 'a')

  test('a drain and a probe do not undo each other', () => {
    const observed = makeObserved(pool)
    markDraining(observed, pool, a)
    markDown(observed, pool, a)
    expect(stateOf(a, observed, noon)).toBe('draining')
    markUp(observed, pool, a, noon)
    expect(stateOf(a, observed, noon)).toBe('draining')
    markDown(observed, pool, a)
    unmarkDraining(observed, pool, a, noon)
    expect(stateOf(a, observed, noon)).toBe('down')
    markUp(observed, pool, a, noon)
    expect(stateOf(a, observed, noon)).toBe('up')
    expect(stateOf(named(pool, 'b'), observed, noon)).toBe('up')
  })

  test('a passed probe does not end an ejection; time does', () => {
    const observed = makeObserved(pool)
    markEjected(observed, pool, a, noon + 30_000)
    markDown(observed, pool, a)
    markUp(observed, pool, a, noon)
    expect(stateOf(a, observed, noon + 29_999)).toBe('ejected')
    expect(stateOf(a, observed, noon + 30_000)).toBe('up')
    markEjected(observed, pool, a, 0)
    expect(stateOf(a, observed, noon)).toBe('up')
  })

  test('the generation moves when something changed, and only then', () => {
    const observed = makeObserved(pool)
    const moved = (act: () => void) => {
      const before = observed.generations[pool.index]!
      act()
      return observed.generations[pool.index]! - before
    }
    expect(moved(() => markUp(observed, pool, a, noon))).toBe(0)
    expect(moved(() => markDown(observed, pool, a))).toBe(1)
    expect(moved(() => markDown(observed, pool, a))).toBe(0)
    expect(moved(() => markUp(observed, pool, a, noon))).toBe(1)
    expect(moved(() => markDraining(observed, pool, a))).toBe(1)
    expect(moved(() => markDraining(observed, pool, a))).toBe(0)
    expect(moved(() => unmarkDraining(observed, pool, a, noon))).toBe(1)
    expect(moved(() => unmarkDraining(observed, pool, a, noon))).toBe(0)
    expect(moved(() => markEjected(observed, pool, a, noon))).toBe(1)
    expect(moved(() => markEjected(observed, pool, a, noon))).toBe(0)
    expect(moved(() => markNew(observed, pool, a, noon))).toBe(1)
  })
})
