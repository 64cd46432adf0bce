// The attempt machine with two tries open at once.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type AttemptAction,
  type AttemptEvent,
  type AttemptState,
  advance,
  openAttempt,
} from '../../../shared/attempt/machine.ts'
import { type AttemptPlan, planHttp } from '../../../shared/attempt/plan.ts'

const start = 1_700_000_000_000

test('a try that may be hedged says when it is slow', () => {
  expect(new Run(plan()).feed({ type: 'begin' })).toMatchObject({ do: 'try', attempt: 1, hedgeMs: 200 })
})

test('no hedge is asked for when it could not begin before the try is over, or when nothing is left of attempts', () => {
  expect(new Run(plan({ hedgeMs: 15_000 })).feed({ type: 'begin' })).toMatchObject({ hedgeMs: undefined })
  expect(new Run(plan({ attempts: 1 })).feed({ type: 'begin' })).toMatchObject({ hedgeMs: undefined })
  const run = new Run(plan())
  run.feed({ type: 'begin' })
  run.feed(status(1, 503))
  expect(run.feed({ type: 'waited' })).toMatchObject({ do: 'try', attempt: 2, hedgeMs: undefined })
})

test('when the first try is slow a second one is begun, with its own time', () => {
  const run = new Run(plan())
  run.feed({ type: 'begin' })
  run.now += 200
  expect(run.feed({ type: 'slow', attempt: 1 })).toEqual({ do: 'hedge', attempt: 2, timeoutMs: 15_000 })
})

test('a hedge never lasts longer than what is left of the request', () => {
  const run = new Run(plan({ requestMs: 10_000 }))
  run.feed({ type: 'begin' })
  run.now += 4_000
  expect(run.feed({ type: 'slow', attempt: 1 })).toMatchObject({ do: 'hedge', timeoutMs: 6_000 })
})

describe('the first answer wins', () => {
  test.each([1, 2])('of try %i', attempt => {
    const run = hedged()
    expect(run.feed(status(attempt, 200))).toEqual({ do: 'pass' })
    expect(run.feed(status(3 - attempt, 200))).toEqual({ do: 'none' })
  })

  test("an error that is the endpoint's own word is an answer", () => {
    expect(hedged().feed(status(2, 404))).toEqual({ do: 'pass' })
    expect(hedged().feed(status(2, 500))).toEqual({ do: 'pass' })
  })
})

describe('a failure does not win while the other try is open', () => {
  const failures: readonly (readonly [string, (attempt: number) => AttemptEvent])[] = [
    ['a status to be retried', attempt => status(attempt, 503)],
    ['a status of the front that nobody named', attempt => status(attempt, 524)],
    ['a broken connection', attempt => failed(attempt)],
    ['a timeout that nobody named', attempt => ({ type: 'try-timeout', attempt })],
  ]
  for (const [name, failure] of failures) {
    test.each([1, 2])(`${name}, of try %i`, attempt => {
      const run = hedged()
      expect(run.feed(failure(attempt))).toEqual({ do: 'await' })
      expect(run.feed(status(3 - attempt, 200))).toEqual({ do: 'pass' })
    })
  }

  test('and when the other one fails too, the last of them is the answer', () => {
    const run = hedged()
    run.feed(failed(1))
    expect(run.feed(status(2, 503))).toEqual({ do: 'pass' })
    const other = hedged()
    other.feed(status(2, 503))
    expect(other.feed(failed(1))).toMatchObject({ do: 'answer', reason: 'connection_terminated' })
  })

  test('and when there are attempts left, there is a retry, which is not hedged again', () => {
    const run = hedged({ attempts: 4 })
    run.feed(failed(2))
    expect(run.feed(status(1, 503)).do).toBe('wait')
    expect(run.feed({ type: 'waited' })).toMatchObject({ do: 'try', attempt: 3, hedgeMs: undefined })
  })
})

test('a retry may be hedged when the first try was not', () => {
  const run = new Run(plan({ attempts: 3 }))
  run.feed({ type: 'begin' })
  run.feed(status(1, 503))
  expect(run.feed({ type: 'waited' })).toMatchObject({ do: 'try', attempt: 2, hedgeMs: 200 })
  expect(run.feed({ type: 'slow', attempt: 2 })).toMatchObject({ do: 'hedge', attempt: 3 })
})

test('a hedge that finds no endpoint or no budget was no attempt, and is not asked for again', () => {
  const run = new Run(plan({ attempts: 2 }))
  run.feed({ type: 'begin' })
  run.feed({ type: 'slow', attempt: 1 })
  expect(run.feed({ type: 'no-hedge', attempt: 2 })).toEqual({ do: 'await' })
  expect(run.feed({ type: 'slow', attempt: 1 })).toEqual({ do: 'none' })
  expect(run.feed(status(1, 503)).do).toBe('wait')
  expect(run.feed({ type: 'waited' })).toMatchObject({ do: 'try', attempt: 2 })
})

test('what a try says after it was given up is ignored', () => {
  const run = hedged()
  run.feed(failed(1))
  expect(run.feed(status(1, 200))).toEqual({ do: 'none' })
  expect(run.feed({ type: 'try-timeout', attempt: 1 })).toEqual({ do: 'none' })
})

test('Retry-After of a try that did not win is heard', () => {
  const run = hedged()
  const step = advance(run.plan, run.state, { ...status(1, 503), retryAfterMs: 5_000 } as AttemptEvent, run.now)
  expect(step.action).toEqual({ do: 'await' })
  expect(step.skipUntil).toBe(run.now + 5_000)
})

test('the client may go away while two tries are open', () => {
  expect(hedged().feed({ type: 'client-gone' })).toMatchObject({ do: 'answer', reason: 'client_gone' })
})

test('whatever happens: two open at most, no more tries than allowed, one hedge, and it ends', () => {
  const anyAttempt = fc.integer({ min: 1, max: 4 })
  const anyEvent: fc.Arbitrary<AttemptEvent> = fc.oneof(
    fc.record({ type: fc.constant('slow' as const), attempt: anyAttempt }),
    fc.record({ type: fc.constant('no-hedge' as const), attempt: anyAttempt }),
    fc.record({ type: fc.constant('try-timeout' as const), attempt: anyAttempt }),
    fc.constant({ type: 'waited' } as const),
    fc
      .record({ attempt: anyAttempt, status: fc.constantFrom(200, 500, 502, 503, 524) })
      .map(({ attempt, status: code }) => status(attempt, code)),
    anyAttempt.map(failed),
  )
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.tuple(anyEvent, fc.nat(300)), { maxLength: 60 }),
      (attempts, events) => {
        const run = new Run(plan({ attempts, requestMs: 3_000 }))
        const open = new Set<number>()
        let hedges = 0
        let isOver = false
        for (const [event, ms] of [[{ type: 'begin' } as const, 0] as const, ...events]) {
          // A plane withdraws a hedge in the moment it is asked for one, and never later.
          if (event.type === 'no-hedge') continue
          run.now += ms
          const action = run.feed(event)
          if (isOver) expect(action).toEqual({ do: 'none' })
          if (action.do !== 'none' && 'attempt' in event && event.type !== 'slow') {
            expect(open.delete(event.attempt)).toBe(true)
          }
          if (action.do === 'await') expect(open.size).toBe(1)
          if (action.do === 'wait') expect(open.size).toBe(0)
          if (action.do === 'try') expect(open.size).toBe(0)
          if (action.do === 'try' || action.do === 'hedge') {
            open.add(action.attempt)
            expect(action.timeoutMs).toBeGreaterThan(0)
            expect(run.now + action.timeoutMs).toBeLessThanOrEqual(start + 3_000)
          }
          if (action.do === 'hedge') hedges += 1
          expect(open.size).toBeLessThanOrEqual(2)
          expect(run.state.attempt).toBeLessThanOrEqual(attempts)
          isOver = isOver || action.do === 'pass' || action.do === 'answer'
        }
        expect(hedges).toBeLessThanOrEqual(1)
        // A plane that only reports timeouts and elapsed waits always comes to an end.
        for (let step = 0; !isOver && step < 20; step++) {
          run.now += 1_000
          const { phase, open: first } = run.state
          const action = run.feed(phase === 'waiting' ? { type: 'waited' } : { type: 'try-timeout', attempt: first })
          isOver = action.do === 'pass' || action.do === 'answer'
        }
        expect(isOver).toBe(true)
      },
    ),
    { seed: 31_337, numRuns: 2_000 },
  )
})

class Run {
  now = start
  state: AttemptState
  readonly plan: AttemptPlan

  constructor(chosen: AttemptPlan) {
    this.plan = chosen
    this.state = openAttempt(chosen, this.now)
  }

  feed(event: AttemptEvent): AttemptAction {
    const step = advance(this.plan, this.state, event, this.now)
    this.state = step.state
    return step.action
  }
}

/** Two tries are open. */
function hedged(change: { attempts?: number } = {}): Run {
  const run = new Run(plan(change))
  run.feed({ type: 'begin' })
  run.now += 200
  expect(run.feed({ type: 'slow', attempt: 1 }).do).toBe('hedge')
  return run
}

function status(attempt: number, code: number): AttemptEvent {
  return { type: 'status', attempt, status: code, retryAfterMs: undefined }
}

function failed(attempt: number): AttemptEvent {
  const reason = 'connection_terminated'
  return { type: 'failed', attempt, failure: 'connect-failure', reason, isNothingWritten: false }
}

function plan(change: { attempts?: number; requestMs?: number; hedgeMs?: number } = {}): AttemptPlan {
  const { attempts = 2, requestMs = 30_000, hedgeMs = 200 } = change
  const retry = {
    attempts,
    on: ['connect-failure', '502', '503'],
    isUnsafe: false,
    maxBufferBytes: 65_536,
    mayRepeat: false,
    backoffMs: 0,
  }
  return planHttp(retry, { requestMs, tryMs: Math.min(15_000, requestMs) }, 'GET', 'none', 12_345, hedgeMs)
}
