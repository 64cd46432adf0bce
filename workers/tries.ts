// The tries of one request, one or two open at a time: each claims its endpoint and takes a subrequest, is waited for, and
// is settled; those still open when the request is answered are given up.

import { retriesPerSecond, takeRetry } from '../shared/attempt/budget.ts'
import type { FailureClass } from '../shared/attempt/classes.ts'
import { addSample } from '../shared/attempt/latency-sketch.ts'
import { type Ledger, takeSubrequest } from '../shared/attempt/ledger.ts'
import {
  type AttemptAction,
  type AttemptEvent,
  type AttemptState,
  type AttemptStep,
  advance,
} from '../shared/attempt/machine.ts'
import type { AttemptPlan } from '../shared/attempt/plan.ts'
import type { ForwardDecision } from '../shared/decide/decision.ts'
import { countTry } from '../shared/metrics/http-metrics.ts'
import { whyNone } from '../shared/pool/balance.ts'
import type { Draw } from '../shared/pool/draw.ts'
import { claim, settle } from '../shared/pool/observed.ts'
import type { Endpoint } from '../shared/pool/pool.ts'
import type { EdgeFacts } from './facts.ts'
import type { Isolate } from './isolate.ts'
import { choose, isQuiet, keepQuiet } from './observed.ts'
import { drop, eventOf, latencyOf, type TryEnd, targetOf, tryEndpoint, type Upload, verdictOn } from './try.ts'

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

/** A request as its endpoint sees it. */
export interface Sent {
  readonly request: Request
  readonly headers: Headers
  readonly upload: Upload
  /** An encoded answer is read as it came: it may be stored. */
  readonly isRaw: boolean
  /** With query, as rewritten. */
  readonly path: string
  /** The Host it is to see; undefined leaves it to the way it is called. */
  readonly host: string | undefined
}

/** Changed in place; lives as long as its request. */
export interface Tries {
  readonly isolate: Isolate
  readonly decision: ForwardDecision
  readonly facts: EdgeFacts
  readonly sent: Sent
  readonly draw: Draw
  readonly plan: AttemptPlan
  readonly ledger: Ledger
  /** The pool's latencies are learned from this request. */
  readonly isSampled: boolean
  readonly tried: Endpoint[]
  readonly open: OpenTry[]
  /** In the order in which they ended. */
  readonly attempts: Attempt[]
  /** The last response while it may still be passed on: unread, and cancelled if it is not. */
  held: { readonly response: Response; readonly endpoint: Endpoint } | undefined
  /** After so long the open try is slow. */
  slowMs: number | undefined
  /** A try was wanted and the ledger was empty. */
  isOut: boolean
}

/** A try that has claimed its endpoint and is not settled. */
interface OpenTry {
  readonly attempt: number
  readonly endpoint: Endpoint
  readonly isHedge: boolean
  readonly began: number
  readonly clock: AbortController
  readonly end: Promise<TryEnd>
}

/** Begins a try; gives back what there is to say at once when it cannot: no endpoint, no budget, no subrequest. */
export function beginTry(
  tries: Tries,
  action: Extract<AttemptAction, { readonly do: 'try' | 'hedge' }>,
  now: number,
): AttemptEvent | undefined {
  const { isolate, facts, sent } = tries
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
  const clock = new AbortController()
  const target = targetOf(endpoint, facts, sent.path, isolate.bindings, sent.host)
  const end = tryEndpoint(target, sent.request, sent.headers, sent.upload, timeoutMs, clock, sent.isRaw)
  tries.open.push({ attempt, endpoint, isHedge, began: now, clock, end })
  if (!isHedge) hold(tries, undefined)
  return undefined
}

/** Waits for the open tries until one ends or is slow, settles what ended, and tells the machine. */
export async function untilNextStep(tries: Tries, state: AttemptState): Promise<AttemptStep> {
  const { isolate, decision, plan, open, sent } = tries
  const { seen } = isolate
  const ended = open.length === 1 && tries.slowMs === undefined ? open[0]! : await firstToEnd(open, tries.slowMs)
  if (ended === 'slow') {
    tries.slowMs = undefined
    return advance(plan, state, { type: 'slow', attempt: open[0]!.attempt }, Date.now())
  }
  const { endpoint, isHedge } = ended
  const end = await ended.end
  open.splice(open.indexOf(ended), 1)
  settle(seen.observed, decision.pool, endpoint, verdictOn(end, sent.upload), latencyOf(end, sent.upload), end.at)
  countTry(isolate.metrics, decision.pool, endpoint, end.outcome, ended.attempt > 1)
  if (tries.isSampled && (end.response !== undefined || end.outcome === 'timeout')) sample(tries, end.ms)
  const says = end.response === undefined ? end.says : undefined
  tries.attempts.push({
    endpoint: endpoint.name,
    outcome: end.outcome,
    ms: end.ms,
    says,
    isHedge: isHedge || undefined,
  })
  hold(tries, end.response === undefined ? undefined : { response: end.response, endpoint })
  const step = advance(plan, state, eventOf(end, ended.attempt), end.at)
  if (step.skipUntil > 0) keepQuiet(seen, endpoint, step.skipUntil)
  return step
}

/** Waits before the next try; gives back what there is to say when none can follow. */
export async function waitForRetry(tries: Tries, ms: number): Promise<AttemptEvent> {
  const now = Date.now()
  const { isolate, decision, tried, draw } = tries
  if (tries.ledger.left === 0) return outOfSubrequests(tries)
  if (choose(isolate.seen, decision.pool, tried, now, draw, decision.key) === undefined) return noEndpoint(tries, now)
  if (!takeFromBudget(tries, now)) return { type: 'over-budget' }
  await new Promise(done => setTimeout(done, ms))
  return { type: 'waited' }
}

/** Ends the tries whose answer nobody wants any more. That says nothing of their endpoints. */
export function giveUpOpen(tries: Tries): void {
  const { isolate, decision, open, attempts } = tries
  if (open.length === 0) return
  const now = Date.now()
  for (const { attempt, endpoint, isHedge, began, clock, end } of open) {
    settle(isolate.seen.observed, decision.pool, endpoint, 'neutral', -1, now)
    countTry(isolate.metrics, decision.pool, endpoint, 'cancelled', attempt > 1)
    clock.abort()
    // It may have answered in this very moment.
    end.then(
      late => drop(late.response),
      () => undefined,
    )
    const ms = now - began
    // It would have taken longer than this. Were only those counted that won, each hedge would make the next come earlier.
    if (tries.isSampled && !isHedge) sample(tries, ms)
    attempts.push({ endpoint: endpoint.name, outcome: 'cancelled', ms, says: undefined, isHedge: isHedge || undefined })
  }
  open.length = 0
}

/** Holds a response in place of the one before, which nobody will read. */
export function hold(tries: Tries, held: Tries['held']): void {
  drop(tries.held?.response)
  tries.held = held
}

/** The endpoint of the next try, claimed; the decision's own for the first one. */
function claimOne(tries: Tries, now: number): Endpoint | undefined {
  const { seen } = tries.isolate
  const { tried, draw } = tries
  const { pool, first, key } = tries.decision
  let endpoint = tried.length === 0 && !isQuiet(seen, first, now) ? first : choose(seen, pool, tried, now, draw, key)
  // While a body was read others may have filled the endpoint; then it is not chosen again.
  while (endpoint !== undefined && !claim(seen.observed, pool, endpoint, tried.length > 0)) {
    endpoint = choose(seen, pool, tried, now, draw, key)
  }
  return endpoint
}

function noEndpoint({ isolate, decision, tried }: Tries, now: number): AttemptEvent {
  return { type: 'no-endpoint', reason: whyNone(decision.pool, tried, isolate.seen.observed, now) }
}

/** The last answer is passed on, and the record says why it was the last. */
function outOfSubrequests(tries: Tries): AttemptEvent {
  tries.isOut = true
  return { type: 'no-endpoint', reason: 'subrequests_exhausted' }
}

/** The budget is asked last: what is taken from it is used. */
function mayAskAnother(tries: Tries, now: number): boolean {
  const { isolate, decision, tried, draw } = tries
  const another = choose(isolate.seen, decision.pool, tried, now, draw, decision.key)
  return another !== undefined && takeFromBudget(tries, now)
}

function takeFromBudget({ isolate, decision }: Tries, now: number): boolean {
  const { index, retryBudget } = decision.pool
  const { percent, perSecond } = retryBudget
  return takeRetry(isolate.seen.budgets[index]!, percent, perSecond ?? retriesPerSecond.edge, now)
}

/** The first of them to end, or `slow` when none has ended for so long. */
async function firstToEnd(open: readonly OpenTry[], slowMs: number | undefined): Promise<OpenTry | 'slow'> {
  const ends = open.map(one => one.end.then(() => one))
  if (slowMs === undefined) return Promise.race(ends)
  let timer: ReturnType<typeof setTimeout> | null = null
  const slow = new Promise<'slow'>(resolve => {
    timer = setTimeout(resolve, slowMs, 'slow')
  })
  try {
    return await Promise.race([...ends, slow])
  } finally {
    clearTimeout(timer)
  }
}

function sample({ isolate, decision }: Tries, ms: number): void {
  addSample(isolate.seen.sketches[decision.pool.index]!, ms)
}
