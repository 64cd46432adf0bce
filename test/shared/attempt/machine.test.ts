import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type AttemptAction,
  type AttemptEvent,
  type AttemptState,
  type AttemptStep,
  advance,
  openAttempt,
} from '../../../shared/attempt/machine.ts'
import { type AttemptPlan, planFlow, planHttp } from '../../../shared/attempt/plan.ts'

const start = 1_700_000_000_000

test('a first answer that is no failure is passed on', () => {
  const run = new Run(plan())
  expect(run.feed({ type: 'begin' })).toEqual({ do: 'try', attempt: 1, timeoutMs: 15_000 })
  expect(run.feed(status(1, 200))).toEqual({ do: 'pass' })
})

test('a named failure waits and is tried again; the second answer is passed on whatever it is', () => {
  const run = new Run(plan())
  run.feed({ type: 'begin' })
  const wait = run.feed(status(1, 503))
  expect(wait.do).toBe('wait')
  run.now += (wait as { ms: number }).ms
  expect(run.feed({ type: 'waited' })).toMatchObject({ do: 'try', attempt: 2 })
  expect(run.feed(status(2, 503))).toEqual({ do: 'pass' })
})

test('connect failures to the end are our own answer, in the word of the last one', () => {
  const run = new Run(plan({ attempts: 2 }))
  run.feed({ type: 'begin' })
  run.feed({ type: 'failed', attempt: 1, failure: 'connect-failure', reason: 'dns_error', isNothingWritten: false })
  run.feed({ type: 'waited' })
  const end = { type: 'failed', attempt: 2, failure: 'connect-failure', isNothingWritten: false } as const
  expect(run.feed({ ...end, reason: 'connection_refused' })).toEqual({
    do: 'answer',
    reason: 'connection_refused',
    status: 502,
  })
})

test('a try timeout is not retried unless named, and is answered 504', () => {
  const run = new Run(plan())
  run.feed({ type: 'begin' })
  run.now += 15_000
  expect(run.feed({ type: 'try-timeout', attempt: 1 })).toEqual({
    do: 'answer',
    reason: 'http_response_timeout',
    status: 504,
  })
  const named = new Run(plan({ on: ['timeout'] }))
  named.feed({ type: 'begin' })
  named.now += 15_000
  expect(named.feed({ type: 'try-timeout', attempt: 1 }).do).toBe('wait')
})

test('a try never lasts longer than what is left of the request', () => {
  const run = new Run(plan({ on: ['timeout'], attempts: 3, tryMs: 20_000, requestMs: 30_000 }))
  expect(run.feed({ type: 'begin' })).toMatchObject({ timeoutMs: 20_000 })
  run.now += 20_000
  const wait = run.feed({ type: 'try-timeout', attempt: 1 }) as { ms: number }
  run.now += wait.ms
  const second = run.feed({ type: 'waited' }) as { timeoutMs: number }
  expect(second.timeoutMs).toBeCloseTo(10_000 - wait.ms, 2)
})

test('a timer that fires a millisecond early makes no room for a try after the deadline', () => {
  for (let draw = 0; draw < 500; draw++) {
    const timeouts = { requestMs: 15_000, tryMs: 15_000 }
    const run = new Run(planHttp({ ...retry, on: ['timeout'] }, timeouts, 'GET', 'none', draw))
    run.feed({ type: 'begin' })
    run.now += 14_999
    expect(run.feed({ type: 'try-timeout', attempt: 1 })).toMatchObject({ do: 'answer', status: 504 })
  }
})

test('a back-off that would reach the deadline is not begun: the last answer is returned', () => {
  const run = new Run(plan({ requestMs: 1_000 }))
  run.feed({ type: 'begin' })
  run.now += 1_000
  expect(run.feed(status(1, 503))).toEqual({ do: 'pass' })
})

test('when the wait overran the deadline the last answer is returned', () => {
  const run = new Run(plan({ requestMs: 1_000 }))
  run.feed({ type: 'begin' })
  expect(run.feed(status(1, 503)).do).toBe('wait')
  run.now += 1_000
  expect(run.feed({ type: 'waited' })).toEqual({ do: 'pass' })
})

test('no endpoint left or no budget left: the last answer is returned', () => {
  for (const event of [{ type: 'no-endpoint', reason: 'destination_unavailable' }, { type: 'over-budget' }] as const) {
    const answered = new Run(plan())
    answered.feed({ type: 'begin' })
    answered.feed(status(1, 503))
    expect(answered.feed(event)).toEqual({ do: 'pass' })
    const refused = new Run(plan())
    refused.feed({ type: 'begin' })
    refused.feed({
      type: 'failed',
      attempt: 1,
      failure: 'connect-failure',
      reason: 'tls_certificate_error',
      isNothingWritten: true,
    })
    expect(refused.feed(event)).toEqual({ do: 'answer', reason: 'tls_certificate_error', status: 502 })
  }
})

test('no endpoint at all is answered with the reason of the pool', () => {
  const run = new Run(plan())
  run.feed({ type: 'begin' })
  expect(run.feed({ type: 'no-endpoint', reason: 'connection_limit_reached' })).toEqual({
    do: 'answer',
    reason: 'connection_limit_reached',
    status: 503,
  })
})

test('Retry-After skips the endpoint and does not delay the next try', () => {
  const run = new Run(plan())
  run.feed({ type: 'begin' })
  const plainWait = run.feed(status(1, 503))
  expect(run.skipUntil).toBe(0)
  const other = new Run(plan())
  other.feed({ type: 'begin' })
  expect(other.feed(status(1, 503, 120_000))).toEqual(plainWait)
  expect(other.skipUntil).toBe(start + 120_000)
})

test.each([
  [503, 120_000, ['503'], start + 120_000],
  [503, 86_400_000, ['503'], start + 300_000],
  [503, 120_000, ['502'], 0],
  [503, 0, ['503'], 0],
  [429, 120_000, ['503'], 0],
  [429, 120_000, ['429'], start + 120_000],
  [302, 120_000, ['302'], 0],
] as const)('a %i with Retry-After %i under %j skips until %i', (code, retryAfterMs, on, skipUntil) => {
  const run = new Run(plan({ on }))
  run.feed({ type: 'begin' })
  run.feed(status(1, code, retryAfterMs))
  expect(run.skipUntil).toBe(skipUntil)
})

test('what a try says after it was given up is ignored', () => {
  const run = new Run(plan({ on: ['timeout'], attempts: 3 }))
  run.feed({ type: 'begin' })
  run.now += 15_000
  run.feed({ type: 'try-timeout', attempt: 1 })
  expect(run.feed(status(1, 200))).toEqual({ do: 'none' })
  run.feed({ type: 'waited' })
  const late = { type: 'failed', attempt: 1, failure: 'reset', reason: 'connection_terminated' } as const
  expect(run.feed({ ...late, isNothingWritten: false })).toEqual({ do: 'none' })
  expect(run.feed(status(2, 200))).toEqual({ do: 'pass' })
  expect(run.feed({ type: 'client-gone' })).toEqual({ do: 'none' })
})

test('a client that goes away ends the tries', () => {
  const run = new Run(plan())
  run.feed({ type: 'begin' })
  run.feed(status(1, 503))
  expect(run.feed({ type: 'client-gone' })).toEqual({ do: 'answer', reason: 'client_gone', status: 499 })
  expect(run.feed({ type: 'waited' })).toEqual({ do: 'none' })
})

test('before a retry there is at least the back-off that the rule asks for', () => {
  for (let draw = 0; draw < 200; draw++) {
    const plan = planHttp({ ...retry, backoffMs: 100 }, { requestMs: 30_000, tryMs: 15_000 }, 'GET', 'none', draw)
    const begun = advance(plan, openAttempt(plan, 0), { type: 'begin' }, 0).state
    const { action } = advance(plan, begun, { type: 'status', attempt: 1, status: 503, retryAfterMs: undefined }, 0)
    expect(action.do === 'wait' && action.ms).toBeGreaterThanOrEqual(100)
    expect(action.do === 'wait' && action.ms).toBeLessThan(125)
  }
})

test('back-off has full jitter: below (2^n - 1) * 25 ms, at most 250 ms, over the whole range', () => {
  const waits: number[][] = [[], [], [], [], []]
  for (let draw = 1; draw <= 2_000; draw++) {
    const run = new Run(planHttp({ ...retry, attempts: 6 }, { requestMs: 1e9, tryMs: 1e9 }, 'GET', 'none', draw))
    run.feed({ type: 'begin' })
    for (let n = 1; n <= 5; n++) {
      waits[n - 1]!.push((run.feed(status(n, 503)) as { ms: number }).ms)
      run.feed({ type: 'waited' })
    }
  }
  for (const [index, bound] of [25, 75, 175, 250, 250].entries()) {
    expect(Math.max(...waits[index]!)).toBeLessThan(bound)
    // All of 2,000 fair draws in the lower 97 % or upper 97 %: 0.97^2000 is about 1e-26.
    expect(Math.max(...waits[index]!)).toBeGreaterThan(bound * 0.97)
    expect(Math.min(...waits[index]!)).toBeLessThan(bound * 0.03)
  }
})

test('a flow shares its connect time among the tries that are left', () => {
  const run = new Run(planFlow(3, 2_000, 7))
  expect(run.feed({ type: 'begin' })).toEqual({ do: 'try', attempt: 1, timeoutMs: 667 })
  run.now += 667
  const wait = run.feed({ type: 'try-timeout', attempt: 1 }) as { ms: number }
  run.now += wait.ms
  const second = run.feed({ type: 'waited' }) as { timeoutMs: number }
  expect(second.timeoutMs).toBe(Math.ceil((2_000 - 667 - wait.ms) / 2))
  expect(run.feed({ type: 'connected', attempt: 2 })).toEqual({ do: 'pass' })
})

test('a flow that no endpoint took in time is refused as connection_timeout', () => {
  const run = new Run(planFlow(1, 2_000, 7))
  expect(run.feed({ type: 'begin' })).toMatchObject({ timeoutMs: 2_000 })
  run.now += 2_000
  expect(run.feed({ type: 'try-timeout', attempt: 1 })).toMatchObject({ reason: 'connection_timeout' })
})

test('whatever happens: no more tries than allowed, none after the deadline or the end, and it ends', () => {
  const anyAttempt = fc.integer({ min: 1, max: 4 })
  const anyEvent: fc.Arbitrary<AttemptEvent> = fc.oneof(
    fc.constant({ type: 'begin' } as const),
    fc.constant({ type: 'waited' } as const),
    fc.constant({ type: 'over-budget' } as const),
    fc.constant({ type: 'client-gone' } as const),
    fc.constant({ type: 'no-endpoint', reason: 'destination_unavailable' } as const),
    fc.record({ type: fc.constant('try-timeout' as const), attempt: anyAttempt }),
    fc.record({ type: fc.constant('connected' as const), attempt: anyAttempt }),
    fc.record({
      type: fc.constant('status' as const),
      attempt: anyAttempt,
      status: fc.constantFrom(200, 404, 500, 502, 503, 504, 520, 521, 522),
      retryAfterMs: fc.option(fc.nat(), { nil: undefined }),
    }),
    fc.record({
      type: fc.constant('failed' as const),
      attempt: anyAttempt,
      failure: fc.constantFrom('connect-failure', 'ambiguous', 'sent', 'timeout', 'reset'),
      reason: fc.constant('connection_refused' as const),
      isNothingWritten: fc.boolean(),
    }),
  )
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.subarray(['connect-failure', 'timeout', 'reset', 'sent', '5xx', '502', '503']),
      fc.boolean(),
      fc.array(fc.tuple(anyEvent, fc.nat(500)), { maxLength: 60 }),
      (attempts, on, isFlow, events) => {
        const chosen = isFlow ? planFlow(attempts, 3_000, 5) : plan({ attempts, on, requestMs: 3_000, tryMs: 1_000 })
        const run = new Run(chosen)
        let tries = 0
        let isOver = false
        let isHeard = false
        for (const [event, ms] of [[{ type: 'begin' }, 0] as const, ...events]) {
          run.now += ms
          const before = run.state
          const action = run.feed(event)
          if (isOver) expect(action).toEqual({ do: 'none' })
          if (action.do === 'none') expect(run.state).toBe(before)
          if (action.do === 'try') {
            tries += 1
            expect(action.timeoutMs).toBeGreaterThan(0)
            expect(run.now + action.timeoutMs).toBeLessThanOrEqual(start + 3_000)
          }
          if (action.do === 'wait') expect(run.now + action.ms).toBeLessThan(start + 3_000)
          if (event.type === 'status' || event.type === 'connected') isHeard = true
          if (action.do === 'pass') expect(isHeard).toBe(true)
          isOver = action.do === 'pass' || action.do === 'answer' || isOver
          expect(tries).toBeLessThanOrEqual(attempts)
        }
        // A plane that only reports timeouts and elapsed waits always comes to an end.
        for (let step = 0; !isOver && step < 2 * attempts; step++) {
          run.now += 1_000
          const end = run.state.phase === 'waiting' ? 'waited' : 'try-timeout'
          const action = run.feed(end === 'waited' ? { type: end } : { type: end, attempt: run.state.attempt })
          isOver = action.do === 'pass' || action.do === 'answer'
        }
        expect(isOver).toBe(true)
        expect(run.state.phase).toBe('done')
      },
    ),
    { seed: 20_471, numRuns: 2_000 },
  )
})

class Run {
  now = start
  state: AttemptState
  skipUntil = 0
  readonly #plan: AttemptPlan

  constructor(chosen: AttemptPlan) {
    this.#plan = chosen
    this.state = openAttempt(chosen, this.now)
  }

  feed(event: AttemptEvent): AttemptAction {
    const step: AttemptStep = advance(this.#plan, this.state, event, this.now)
    this.state = step.state
    this.skipUntil = step.skipUntil
    return step.action
  }
}

function status(attempt: number, code: number, retryAfterMs?: number): AttemptEvent {
  return { type: 'status', attempt, status: code, retryAfterMs }
}

const retry = {
  attempts: 2,
  on: ['connect-failure', '502', '503'],
  isUnsafe: false,
  maxBufferBytes: 65_536,
  mayRepeat: false,
  backoffMs: 0,
}

function plan(change: { attempts?: number; on?: readonly string[]; tryMs?: number; requestMs?: number } = {}) {
  const { attempts = 2, on = retry.on, tryMs = 15_000, requestMs = 30_000 } = change
  return planHttp({ ...retry, attempts, on }, { requestMs, tryMs }, 'GET', 'none', 12_345)
}
