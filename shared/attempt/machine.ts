// Tries as a pure machine: (plan, state, event, now) -> state and the one thing to do next. The edge, the relay's tcp
// door and its http door run the same one; each brings its own way to connect and its own timers.
//
//   idle --begin--> trying --status, failed, try-timeout--> waiting --waited--> trying ... --> done
//
// While the only open try has not answered, `slow` may begin a second one beside it (a hedge). The first answer that is no
// failure wins; a failure of one does not end the request while the other is open.
//
// It does not choose endpoints: the plane asks the pool's `next` with what was tried.

import { type Reason, reasons } from '../decide/reason.ts'
import { subDraw } from '../pool/draw.ts'
import { classOfStatus, type FailureClass, isNamed, type Outcome } from './classes.ts'
import { type AttemptPlan, mayRetry } from './plan.ts'

export interface AttemptState {
  readonly phase: 'idle' | 'trying' | 'waiting' | 'done'
  /** Tries begun. */
  readonly attempt: number
  /** Milliseconds since 1970; no try and no wait reaches past it. */
  readonly deadline: number
  /** The number of the open try, 0 when there is none. */
  readonly open: number
  /** When it runs out. */
  readonly tryEnds: number
  /** The number of the try begun beside it, 0 when there is none. */
  readonly beside: number
  readonly besideEnds: number
  /** One hedge a request. */
  readonly isHedged: boolean
  /** How the last try ended: with a response that the plane still holds, or why without one. */
  readonly last: 'response' | Reason | undefined
}

/** Events of a try carry its number: what a try says after it was given up is ignored. */
export type AttemptEvent =
  | { readonly type: 'begin' }
  /** Response headers are there, the body is unread. `retryAfterMs` from now, as `readRetryAfter` gives it. */
  | {
      readonly type: 'status'
      readonly attempt: number
      readonly status: number
      readonly retryAfterMs: number | undefined
    }
  /** A flow has its endpoint. */
  | { readonly type: 'connected'; readonly attempt: number }
  | {
      readonly type: 'failed'
      readonly attempt: number
      readonly failure: FailureClass
      readonly reason: Reason
      /** See `mayRetry`. */
      readonly isNothingWritten: boolean
    }
  | { readonly type: 'try-timeout'; readonly attempt: number }
  /** The open try, alone so far, has not answered for `hedgeMs`. */
  | { readonly type: 'slow'; readonly attempt: number }
  /** `next` or the budget had nothing for the hedge. */
  | { readonly type: 'no-hedge'; readonly attempt: number }
  /** The back-off is over. */
  | { readonly type: 'waited' }
  /** `next` gave none. `reason` is answered when no try came before. */
  | { readonly type: 'no-endpoint'; readonly reason: Reason }
  /** `takeRetry` said no. */
  | { readonly type: 'over-budget' }
  | { readonly type: 'client-gone' }

export type AttemptAction =
  /** Ask `next`, drop a response still held, connect; `try-timeout` after so long. The timer never reaches past the
   *  deadline, so no second timer is needed. */
  | {
      readonly do: 'try'
      readonly attempt: number
      readonly timeoutMs: number
      /** Say `slow` when the try is still open after so long; undefined: never. */
      readonly hedgeMs: number | undefined
    }
  /** Ask `next` and the budget, `no-hedge` when either has none; else connect beside the open try. */
  | { readonly do: 'hedge'; readonly attempt: number; readonly timeoutMs: number }
  /** One try ended and another is open: keep the response, if that was one, in place of one kept before, and wait. */
  | { readonly do: 'await' }
  /** First ask `next` and the budget: `no-endpoint` or `over-budget` at once when either has none. Then wait; keep the
   *  last response until the next try begins. */
  | { readonly do: 'wait'; readonly ms: number }
  /** Pass on the last response, or pipe the connected flow; give up a try that is still open. From here on nothing is
   *  tried again. */
  | { readonly do: 'pass' }
  /** Answer ourselves; give up tries that are still open. */
  | { readonly do: 'answer'; readonly reason: Reason; readonly status: number }
  | { readonly do: 'none' }

export interface AttemptStep {
  readonly state: AttemptState
  readonly action: AttemptAction
  /**
   * Milliseconds since 1970: until then the endpoint of this try asked to be left alone (`Retry-After`). 0: it did not.
   * It delays nothing here. It is a preference and no more: a pool with nothing else left uses the endpoint all the same,
   * or one page's 503 would take a site down.
   */
  readonly skipUntil: number
}

export function openAttempt(plan: AttemptPlan, now: number): AttemptState {
  return atRest('idle', 0, now + plan.totalMs, false, undefined)
}

/** One event, one thing to do. Whatever does not fit the state (late, twice, after the end) does nothing. */
export function advance(plan: AttemptPlan, state: AttemptState, event: AttemptEvent, now: number): AttemptStep {
  switch (event.type) {
    case 'begin':
      return state.phase === 'idle' ? begin(plan, state, now) : ignore(state)
    case 'waited':
      return state.phase === 'waiting' ? begin(plan, state, now) : ignore(state)
    case 'slow':
      return hedge(plan, state, event.attempt, now)
    case 'no-hedge':
      return isOpen(state, event.attempt) && state.beside === event.attempt ? withdraw(state) : ignore(state)
    case 'connected':
      return isOpen(state, event.attempt) ? finish(state, 'response') : ignore(state)
    case 'status': {
      if (!isOpen(state, event.attempt)) return ignore(state)
      const { status } = event
      const isAnswer = !mayRetry(plan, status, false) && classOfStatus(status) === undefined
      const step =
        state.beside !== 0 && isAnswer
          ? finish(state, 'response')
          : settle(plan, state, event.attempt, status, false, 'response', now)
      const skipUntil = skipUntilOf(plan, status, event.retryAfterMs, now)
      return skipUntil === 0 ? step : { state: step.state, action: step.action, skipUntil }
    }
    case 'failed':
      if (!isOpen(state, event.attempt)) return ignore(state)
      return settle(plan, state, event.attempt, event.failure, event.isNothingWritten, event.reason, now)
    case 'try-timeout': {
      if (!isOpen(state, event.attempt)) return ignore(state)
      // Timers may fire a millisecond early by the wall clock; a try cut at the deadline must not leave time for one more.
      const ends = state.open === event.attempt ? state.tryEnds : state.besideEnds
      return settle(plan, state, event.attempt, 'timeout', false, plan.timeoutReason, Math.max(now, ends))
    }
    case 'no-endpoint':
      if (state.phase !== 'trying' && state.phase !== 'waiting') return ignore(state)
      return finish(state, state.last ?? event.reason)
    case 'over-budget':
      return state.phase === 'waiting' ? finish(state, state.last!) : ignore(state)
    case 'client-gone':
      return state.phase === 'done' ? ignore(state) : finish(state, 'client_gone')
  }
}

function isOpen(state: AttemptState, attempt: number): boolean {
  return state.phase === 'trying' && attempt !== 0 && (state.open === attempt || state.beside === attempt)
}

function begin(plan: AttemptPlan, state: AttemptState, now: number): AttemptStep {
  const remainingMs = state.deadline - now
  if (remainingMs <= 0) return finish(state, state.last ?? plan.timeoutReason)
  const attempt = state.attempt + 1
  const shareMs = plan.tryMs ?? Math.ceil(remainingMs / (plan.attempts - state.attempt))
  const timeoutMs = Math.min(shareMs, remainingMs)
  const { deadline, isHedged, last } = state
  const { hedgeMs } = plan
  const mayBeSlow = hedgeMs !== undefined && hedgeMs < timeoutMs && !isHedged && attempt < plan.attempts
  return {
    state: trying(attempt, deadline, attempt, now + timeoutMs, 0, 0, isHedged, last),
    action: { do: 'try', attempt, timeoutMs, hedgeMs: mayBeSlow ? hedgeMs : undefined },
    skipUntil: 0,
  }
}

/** One more try beside the open one; it counts as one of `attempts`. */
function hedge(plan: AttemptPlan, state: AttemptState, slow: number, now: number): AttemptStep {
  const remainingMs = state.deadline - now
  const { open, tryEnds, deadline, last } = state
  const isAlone = state.phase === 'trying' && open === slow && state.beside === 0 && !state.isHedged
  if (!isAlone || plan.hedgeMs === undefined) return ignore(state)
  if (state.attempt >= plan.attempts || remainingMs <= 0) return { state, action: { do: 'await' }, skipUntil: 0 }
  const attempt = state.attempt + 1
  const timeoutMs = Math.min(plan.tryMs ?? remainingMs, remainingMs)
  return {
    state: trying(attempt, deadline, open, tryEnds, attempt, now + timeoutMs, true, last),
    action: { do: 'hedge', attempt, timeoutMs },
    skipUntil: 0,
  }
}

/** The hedge was never begun, so it was no attempt. It is not asked for again. */
function withdraw(state: AttemptState): AttemptStep {
  const { attempt, deadline, open, tryEnds, last } = state
  return {
    state: trying(attempt - 1, deadline, open, tryEnds, 0, 0, true, last),
    action: { do: 'await' },
    skipUntil: 0,
  }
}

/** A try ended: wait for the other one that is open, or one more, or the last answer. */
function settle(
  plan: AttemptPlan,
  state: AttemptState,
  ended: number,
  outcome: Outcome,
  isNothingWritten: boolean,
  last: 'response' | Reason,
  now: number,
): AttemptStep {
  const { attempt, deadline, isHedged } = state
  if (state.beside !== 0) {
    const isFirst = state.open === ended
    const left = isFirst ? state.beside : state.open
    const leftEnds = isFirst ? state.besideEnds : state.tryEnds
    return {
      state: trying(attempt, deadline, left, leftEnds, 0, 0, isHedged, last),
      action: { do: 'await' },
      skipUntil: 0,
    }
  }
  if (attempt >= plan.attempts || !mayRetry(plan, outcome, isNothingWritten)) return finish(state, last)
  const ms = backOffMs(plan, attempt)
  if (now + ms >= deadline) return finish(state, last)
  return { state: atRest('waiting', attempt, deadline, isHedged, last), action: { do: 'wait', ms }, skipUntil: 0 }
}

/**
 * Before the n-th retry: full jitter, uniform in [0, (2^n - 1) * 25 ms), the bound at most 250 ms. Envoy's numbers
 * (router filter, x-envoy-max-retries). On top of what the rule asks for at least (Gateway API, HTTPRouteRetry.backoff).
 */
function backOffMs(plan: AttemptPlan, retry: number): number {
  return plan.backoffMs + subDraw(plan.draw, 'jitter', retry) * Math.min((2 ** retry - 1) * baseMs, capMs)
}

/**
 * 503 and 429 only (RFC 9110 section 10.2.3, RFC 6585 section 4), and only when the rule names the status: a 429 mostly
 * speaks of one client, and that client must not be able to empty a pool for the others.
 */
function skipUntilOf(plan: AttemptPlan, status: number, retryAfterMs: number | undefined, now: number): number {
  if (retryAfterMs === undefined || retryAfterMs <= 0 || (status !== 503 && status !== 429)) return 0
  return isNamed(plan.on, status) ? now + Math.min(retryAfterMs, longestSkipMs) : 0
}

function finish(state: AttemptState, last: 'response' | Reason): AttemptStep {
  return {
    state: atRest('done', state.attempt, state.deadline, state.isHedged, last),
    action: last === 'response' ? { do: 'pass' } : { do: 'answer', reason: last, status: reasons[last].status },
    skipUntil: 0,
  }
}

function trying(
  attempt: number,
  deadline: number,
  open: number,
  tryEnds: number,
  beside: number,
  besideEnds: number,
  isHedged: boolean,
  last: AttemptState['last'],
): AttemptState {
  return { phase: 'trying', attempt, deadline, open, tryEnds, beside, besideEnds, isHedged, last }
}

/** A state in which no try is open. */
function atRest(
  phase: 'idle' | 'waiting' | 'done',
  attempt: number,
  deadline: number,
  isHedged: boolean,
  last: AttemptState['last'],
): AttemptState {
  return { phase, attempt, deadline, open: 0, tryEnds: 0, beside: 0, besideEnds: 0, isHedged, last }
}

function ignore(state: AttemptState): AttemptStep {
  return { state, action: { do: 'none' }, skipUntil: 0 }
}

const baseMs = 25
const capMs = 250
/** As long as the longest ejection by default: an endpoint cannot talk itself out of a pool for a day. */
const longestSkipMs = 300_000
