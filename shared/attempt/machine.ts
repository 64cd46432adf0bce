// Tries as a pure machine: (plan, state, event, now) -> state and the one thing to do next. The edge, the relay's tcp
// door and its http door run the same one; each brings its own way to connect and its own timers.
//
//   idle --begin--> trying --status, failed, try-timeout--> waiting --waited--> trying ... --> done
//
// It does not choose endpoints: the plane asks the pool's `next` with what was tried.

import { type Reason, reasons } from '../decide/reason.ts'
import { subDraw } from '../pool/draw.ts'
import { type FailureClass, isNamed, type Outcome } from './classes.ts'
import { type AttemptPlan, mayRetry } from './plan.ts'

export interface AttemptState {
  readonly phase: 'idle' | 'trying' | 'waiting' | 'done'
  /** Tries begun. */
  readonly attempt: number
  /** Milliseconds since 1970; no try and no wait reaches past it. */
  readonly deadline: number
  /** When the open try runs out. */
  readonly tryEnds: number
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
  | { readonly do: 'try'; readonly attempt: number; readonly timeoutMs: number }
  /** First ask `next` and the budget: `no-endpoint` or `over-budget` at once when either has none. Then wait; keep the
   *  last response until the next try begins. */
  | { readonly do: 'wait'; readonly ms: number }
  /** Pass on the last response, or pipe the connected flow. From here on nothing is tried again. */
  | { readonly do: 'pass' }
  /** Answer ourselves; give up a try that is still open. */
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
  return { phase: 'idle', attempt: 0, deadline: now + plan.totalMs, tryEnds: 0, last: undefined }
}

/** One event, one thing to do. Whatever does not fit the state (late, twice, after the end) does nothing. */
export function advance(plan: AttemptPlan, state: AttemptState, event: AttemptEvent, now: number): AttemptStep {
  switch (event.type) {
    case 'begin':
      return state.phase === 'idle' ? begin(plan, state, now) : ignore(state)
    case 'waited':
      return state.phase === 'waiting' ? begin(plan, state, now) : ignore(state)
    case 'connected':
      return isOpen(state, event.attempt) ? finish(state, 'response') : ignore(state)
    case 'status': {
      if (!isOpen(state, event.attempt)) return ignore(state)
      const step = settle(plan, state, event.status, false, 'response', now)
      const skipUntil = skipUntilOf(plan, event.status, event.retryAfterMs, now)
      return skipUntil === 0 ? step : { state: step.state, action: step.action, skipUntil }
    }
    case 'failed':
      if (!isOpen(state, event.attempt)) return ignore(state)
      return settle(plan, state, event.failure, event.isNothingWritten, event.reason, now)
    case 'try-timeout':
      if (!isOpen(state, event.attempt)) return ignore(state)
      // Timers may fire a millisecond early by the wall clock; a try cut at the deadline must not leave time for one more.
      return settle(plan, state, 'timeout', false, plan.timeoutReason, Math.max(now, state.tryEnds))
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
  return state.phase === 'trying' && state.attempt === attempt
}

function begin(plan: AttemptPlan, state: AttemptState, now: number): AttemptStep {
  const remainingMs = state.deadline - now
  if (remainingMs <= 0) return finish(state, state.last ?? plan.timeoutReason)
  const attempt = state.attempt + 1
  const shareMs = plan.tryMs ?? Math.ceil(remainingMs / (plan.attempts - state.attempt))
  const timeoutMs = Math.min(shareMs, remainingMs)
  return {
    state: { phase: 'trying', attempt, deadline: state.deadline, tryEnds: now + timeoutMs, last: state.last },
    action: { do: 'try', attempt, timeoutMs },
    skipUntil: 0,
  }
}

/** A try ended: one more, or the last answer. */
function settle(
  plan: AttemptPlan,
  state: AttemptState,
  outcome: Outcome,
  isNothingWritten: boolean,
  last: 'response' | Reason,
  now: number,
): AttemptStep {
  if (state.attempt >= plan.attempts || !mayRetry(plan, outcome, isNothingWritten)) return finish(state, last)
  const ms = backOffMs(plan, state.attempt)
  if (now + ms >= state.deadline) return finish(state, last)
  return {
    state: { phase: 'waiting', attempt: state.attempt, deadline: state.deadline, tryEnds: 0, last },
    action: { do: 'wait', ms },
    skipUntil: 0,
  }
}

/**
 * Before the n-th retry: full jitter, uniform in [0, (2^n - 1) * 25 ms), the bound at most 250 ms. Envoy's numbers
 * (router filter, x-envoy-max-retries).
 */
function backOffMs(plan: AttemptPlan, retry: number): number {
  return subDraw(plan.draw, 'jitter', retry) * Math.min((2 ** retry - 1) * baseMs, capMs)
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
    state: { phase: 'done', attempt: state.attempt, deadline: state.deadline, tryEnds: 0, last },
    action: last === 'response' ? { do: 'pass' } : { do: 'answer', reason: last, status: reasons[last].status },
    skipUntil: 0,
  }
}

function ignore(state: AttemptState): AttemptStep {
  return { state, action: { do: 'none' }, skipUntil: 0 }
}

const baseMs = 25
const capMs = 250
/** As long as the longest ejection by default: an endpoint cannot talk itself out of a pool for a day. */
const longestSkipMs = 300_000
