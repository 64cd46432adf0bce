// The tries of one request, one or two open at a time: each claims its endpoint and takes from the ledger, is waited for,
// and is settled; those still open when the request is answered are given up. How an endpoint is asked is the plane's.

import type { ForwardDecision } from '../decide/decision.ts'
import type { Reason } from '../decide/reason.ts'
import { whyNone } from '../pool/balance.ts'
import type { Draw } from '../pool/draw.ts'
import { claim } from '../pool/observed.ts'
import type { Endpoint } from '../pool/pool.ts'
import { takeRetry } from './budget.ts'
import type { FailureClass } from './classes.ts'
import { addSample } from './latency-sketch.ts'
import { type Ledger, takeSubrequest } from './ledger.ts'
import {
  type AttemptAction,
  type AttemptEvent,
  type AttemptState,
  type AttemptStep,
  advance,
  openAttempt,
} from './machine.ts'
import type { AttemptPlan } from './plan.ts'
import { readRetryAfter } from './retry-after.ts'
import { choose, isQuiet, keepQuiet, type Seen } from './seen.ts'

/** How a try went, for the record. */
export interface Attempt {
  /** The endpoint's name. */
  readonly endpoint: string
  /** The status it gave, or why there is none; `cancelled`: another one answered first. */
  readonly outcome: number | FailureClass | 'cancelled'
  /** Until response headers, or until it was given up. */
  readonly ms: number
  /** What the runtime said of a failure. */
  readonly says: string | undefined
  /** It was begun beside another one. */
  readonly isHedge: true | undefined
}

export type TryEnd<Answer> = AnsweredTry<Answer> | FailedTry

export interface AnsweredTry<Answer> {
  readonly outcome: number
  readonly response: Answer
  readonly ms: number
  /** Of that, what is the endpoint's doing and not its client's; undefined: all of it. */
  readonly tookMs?: number
  readonly at: number
}

export interface FailedTry {
  readonly outcome: FailureClass
  readonly response: undefined
  readonly reason: Reason
  /** What the runtime said; for the record only. */
  readonly says: string | undefined
  /** See `mayRetry`. */
  readonly isNothingWritten: boolean
  readonly ms: number
  readonly at: number
}

/** Whether the try ended with a response. */
export function isAnswered<Answer>(end: TryEnd<Answer>): end is AnsweredTry<Answer> {
  return end.response !== undefined
}

/** A request on its way to an endpoint. */
export interface Asked<Answer> {
  /** Rejects for bugs only. */
  readonly end: Promise<TryEnd<Answer>>
  /** Nobody wants the answer any more, also one that has just come. */
  giveUp(): void
}

/** What a plane does for the tries of one request. */
export interface Carrier<Answer> {
  /** The client went away; then every open try ends. Always false where the platform does not tell. */
  readonly isGone: boolean
  now(): number
  /** Asks an endpoint that is claimed. */
  ask(endpoint: Endpoint, timeoutMs: number): Asked<Answer>
  /** Settles a try that has ended and counts it. */
  settle(endpoint: Endpoint, end: TryEnd<Answer>, isRetry: boolean): void
  /** The same for one that was given up: it says nothing of its endpoint. */
  cancel(endpoint: Endpoint, isRetry: boolean): void
  /** `Retry-After` of an answer. */
  retryAfter(answer: Answer): string | null
  /** Nobody will read it. */
  drop(answer: Answer): void
  sleep(ms: number): Promise<void>
  /** The first of them; undefined when none has come for so long. */
  firstOf<Each>(all: readonly Promise<Each>[], ms: number): Promise<Each | undefined>
}

/** Changed in place; lives as long as its request. */
export interface Tries<Answer> {
  readonly carrier: Carrier<Answer>
  readonly seen: Seen
  readonly decision: ForwardDecision
  readonly draw: Draw
  readonly plan: AttemptPlan
  readonly ledger: Ledger
  /** Of the plane, for a pool that names none. */
  readonly retriesPerSecond: number
  /** The pool's latencies are learned from this request. */
  readonly isSampled: boolean
  readonly tried: Endpoint[]
  readonly open: OpenTry<Answer>[]
  /** In the order in which they ended. */
  readonly attempts: Attempt[]
  /** The last response while it may still be passed on: unread, and dropped if it is not. */
  held: Held<Answer> | undefined
  /** After so long the open try is slow. */
  slowMs: number | undefined
  /** A try was wanted and the ledger was empty. */
  isOut: boolean
}

export interface Held<Answer> {
  readonly response: Answer
  readonly endpoint: Endpoint
}

/** A try that has claimed its endpoint and is not settled. */
interface OpenTry<Answer> {
  readonly attempt: number
  readonly endpoint: Endpoint
  readonly isHedge: boolean
  readonly began: number
  readonly asked: Asked<Answer>
}

export function openTries<Answer>(
  carrier: Carrier<Answer>,
  seen: Seen,
  decision: ForwardDecision,
  draw: Draw,
  plan: AttemptPlan,
  ledger: Ledger,
  retriesPerSecond: number,
  isSampled: boolean,
): Tries<Answer> {
  return {
    carrier,
    seen,
    decision,
    draw,
    plan,
    ledger,
    retriesPerSecond,
    isSampled,
    tried: [],
    open: [],
    attempts: [],
    held: undefined,
    slowMs: undefined,
    isOut: false,
  }
}

/**
 * Tries until there is an answer to pass on, or a reason why not. What is still open then is given up; the list of
 * attempts is whole.
 *
 * @param began is called once, when the first try is on its way
 */
export async function tryUntilAnswered<Answer>(
  tries: Tries<Answer>,
  now: number,
  began: () => void,
): Promise<Held<Answer> | Reason> {
  const { plan, carrier } = tries
  let step = advance(plan, openAttempt(plan, now), { type: 'begin' }, carrier.now())
  try {
    for (;;) {
      const { state, action } = step
      switch (action.do) {
        case 'try':
        case 'hedge': {
          const hindrance = beginTry(tries, action, carrier.now())
          if (hindrance !== undefined) {
            step = advance(plan, state, hindrance, carrier.now())
            break
          }
          if (action.attempt === 1) began()
          step = await untilNextStep(tries, state)
          break
        }
        case 'await':
          step = await untilNextStep(tries, state)
          break
        case 'wait': {
          const event = await waitForRetry(tries, action.ms)
          step = advance(plan, state, event, carrier.now())
          break
        }
        case 'pass':
          return tries.held!
        case 'answer':
          hold(tries, undefined)
          return action.reason
        case 'none':
          throw new Error(`the attempt machine has nothing to do while ${state.phase}`)
      }
    }
  } finally {
    giveUpOpen(tries)
  }
}

/** Begins a try; gives back what there is to say at once when it cannot: no endpoint, no budget, nothing in the ledger. */
function beginTry<Answer>(
  tries: Tries<Answer>,
  action: Extract<AttemptAction, { readonly do: 'try' | 'hedge' }>,
  now: number,
): AttemptEvent | undefined {
  const { attempt, timeoutMs } = action
  const isHedge = action.do === 'hedge'
  if (isHedge) {
    if (tries.ledger.left === 0 || !mayAskAnother(tries, now)) return { type: 'no-hedge', attempt }
  } else {
    tries.slowMs = action.hedgeMs
    if (tries.ledger.left === 0) return outOfSubrequests(tries)
  }
  const endpoint = claimOne(tries, now)
  if (endpoint === undefined) return isHedge ? { type: 'no-hedge', attempt } : noEndpoint(tries, now)
  takeSubrequest(tries.ledger)
  tries.tried.push(endpoint)
  const asked = tries.carrier.ask(endpoint, timeoutMs)
  tries.open.push({ attempt, endpoint, isHedge, began: now, asked })
  if (!isHedge) hold(tries, undefined)
  return undefined
}

/** Waits for the open tries until one ends or is slow, settles what ended, and tells the machine. */
async function untilNextStep<Answer>(tries: Tries<Answer>, state: AttemptState): Promise<AttemptStep> {
  const { carrier, plan, open } = tries
  const ended = open.length === 1 && tries.slowMs === undefined ? open[0]! : await firstToEnd(tries)
  if (ended === undefined) {
    tries.slowMs = undefined
    return advance(plan, state, { type: 'slow', attempt: open[0]!.attempt }, carrier.now())
  }
  const { endpoint, attempt, isHedge } = ended
  const end = await ended.asked.end
  if (carrier.isGone) return advance(plan, state, { type: 'client-gone' }, carrier.now())
  open.splice(open.indexOf(ended), 1)
  carrier.settle(endpoint, end, attempt > 1)
  if (tries.isSampled && (isAnswered(end) || end.outcome === 'timeout')) sample(tries, end.ms)
  const says = isAnswered(end) ? undefined : end.says
  tries.attempts.push({
    endpoint: endpoint.name,
    outcome: end.outcome,
    ms: end.ms,
    says,
    isHedge: isHedge || undefined,
  })
  hold(tries, isAnswered(end) ? { response: end.response, endpoint } : undefined)
  const step = advance(plan, state, eventOf(carrier, end, attempt), end.at)
  if (step.skipUntil > 0) keepQuiet(tries.seen, endpoint, step.skipUntil)
  return step
}

/** The try in the words of the attempt machine. */
function eventOf<Answer>(carrier: Carrier<Answer>, end: TryEnd<Answer>, attempt: number): AttemptEvent {
  if (isAnswered(end)) {
    const isBusy = end.outcome === 503 || end.outcome === 429
    const retryAfterMs = isBusy ? readRetryAfter(carrier.retryAfter(end.response), end.at) : undefined
    return { type: 'status', attempt, status: end.outcome, retryAfterMs }
  }
  if (end.outcome === 'timeout') return { type: 'try-timeout', attempt }
  const { outcome: failure, reason, isNothingWritten } = end
  return { type: 'failed', attempt, failure, reason, isNothingWritten }
}

/** Waits before the next try; gives back what there is to say when none can follow. */
async function waitForRetry<Answer>(tries: Tries<Answer>, ms: number): Promise<AttemptEvent> {
  const { carrier } = tries
  const now = carrier.now()
  if (tries.ledger.left === 0) return outOfSubrequests(tries)
  if (another(tries, now) === undefined) return noEndpoint(tries, now)
  if (!takeFromBudget(tries, now)) return { type: 'over-budget' }
  await carrier.sleep(ms)
  return { type: 'waited' }
}

/** Ends the tries whose answer nobody wants any more. */
function giveUpOpen<Answer>(tries: Tries<Answer>): void {
  const { carrier, open, attempts } = tries
  if (open.length === 0) return
  const now = carrier.now()
  for (const { attempt, endpoint, isHedge, began, asked } of open) {
    carrier.cancel(endpoint, attempt > 1)
    asked.giveUp()
    const ms = now - began
    // It would have taken longer than this. Were only those counted that won, each hedge would make the next come earlier.
    if (tries.isSampled && !isHedge) sample(tries, ms)
    attempts.push({ endpoint: endpoint.name, outcome: 'cancelled', ms, says: undefined, isHedge: isHedge || undefined })
  }
  open.length = 0
}

/** Holds a response in place of the one before, which nobody will read. */
function hold<Answer>(tries: Tries<Answer>, held: Held<Answer> | undefined): void {
  if (tries.held !== undefined) tries.carrier.drop(tries.held.response)
  tries.held = held
}

/** The endpoint of the next try, claimed; the decision's own for the first one. */
function claimOne<Answer>(tries: Tries<Answer>, now: number): Endpoint | undefined {
  const { seen, tried } = tries
  const { pool, first } = tries.decision
  let endpoint = tried.length === 0 && !isQuiet(seen, first, now) ? first : another(tries, now)
  // While a body was read others may have filled the endpoint; then it is not chosen again.
  while (endpoint !== undefined && !claim(seen.observed, pool, endpoint, tried.length > 0)) {
    endpoint = another(tries, now)
  }
  return endpoint
}

/** One that was not tried; when none is left and the rule says so, one that was. */
function another<Answer>({ seen, decision, tried, draw }: Tries<Answer>, now: number): Endpoint | undefined {
  const { pool, key, rule } = decision
  const fresh = choose(seen, pool, tried, now, draw, key)
  if (fresh !== undefined || !rule.retry.mayRepeat || tried.length === 0) return fresh
  return choose(seen, pool, NONE, now, draw, key)
}

function noEndpoint<Answer>({ seen, decision, tried }: Tries<Answer>, now: number): AttemptEvent {
  return { type: 'no-endpoint', reason: whyNone(decision.pool, tried, seen.observed, now) }
}

/** The last answer is passed on, and the record says why it was the last. */
function outOfSubrequests<Answer>(tries: Tries<Answer>): AttemptEvent {
  tries.isOut = true
  return { type: 'no-endpoint', reason: 'subrequests_exhausted' }
}

/** The budget is asked last: what is taken from it is used. */
function mayAskAnother<Answer>(tries: Tries<Answer>, now: number): boolean {
  const { seen, decision, tried, draw } = tries
  const other = choose(seen, decision.pool, tried, now, draw, decision.key)
  return other !== undefined && takeFromBudget(tries, now)
}

function takeFromBudget<Answer>({ seen, decision, retriesPerSecond }: Tries<Answer>, now: number): boolean {
  const { index, retryBudget } = decision.pool
  const { percent, perSecond } = retryBudget
  return takeRetry(seen.budgets[index]!, percent, perSecond ?? retriesPerSecond, now)
}

/** The first of them to end; undefined when none has ended for so long. */
function firstToEnd<Answer>({ carrier, open, slowMs }: Tries<Answer>): Promise<OpenTry<Answer> | undefined> {
  const ends = open.map(one => one.asked.end.then(() => one))
  return slowMs === undefined ? Promise.race(ends) : carrier.firstOf(ends, slowMs)
}

function sample<Answer>({ seen, decision }: Tries<Answer>, ms: number): void {
  addSample(seen.sketches[decision.pool.index]!, ms)
}
const NONE: readonly Endpoint[] = []
