// Carries a decision out: tries endpoints by the attempt machine until one answers, and passes its answer on.

import { countRequest, type RetryBudget, retriesPerSecond, takeRetry } from '../shared/attempt/budget.ts'
import type { FailureClass } from '../shared/attempt/classes.ts'
import { advance, openAttempt } from '../shared/attempt/machine.ts'
import { planHttp } from '../shared/attempt/plan.ts'
import type { ForwardDecision, HttpDecision } from '../shared/decide/decision.ts'
import { type Reason, reasons } from '../shared/decide/reason.ts'
import { rewritePath } from '../shared/http/paths.ts'
import { whyNone } from '../shared/pool/balance.ts'
import type { Draw } from '../shared/pool/draw.ts'
import { claim, settle } from '../shared/pool/observed.ts'
import type { Endpoint, Pool } from '../shared/pool/pool.ts'
import { editAnswer, editReply, editRequest } from './edit.ts'
import type { EdgeFacts } from './facts.ts'
import type { Isolate } from './isolate.ts'
import { choose, isQuiet, keepQuiet, type Seen } from './observed.ts'
import { answerOurselves, redirectTo, replyAsConfigured } from './reply.ts'
import { drop, eventOf, latencyOf, readUpload, type TryEnd, tryEndpoint, verdictOn } from './try.ts'

export interface Outcome {
  readonly response: Response
  /** Why the answer is our own; undefined when an endpoint or the config gave it. */
  readonly reason: Reason | undefined
  /** The one that answered. */
  readonly endpoint: Endpoint | undefined
  readonly attempts: readonly Attempt[]
}

export interface Attempt {
  /** The endpoint's name. */
  readonly endpoint: string
  /** The status it gave, or why there is none. */
  readonly outcome: number | FailureClass
  /** Until response headers. */
  readonly ms: number
  /** What the runtime said of a failure. */
  readonly says: string | undefined
}

/** The answer to a request. What goes wrong on a normal day is an answer with a reason; it throws for bugs only. */
export function carryOut(
  isolate: Isolate,
  decision: HttpDecision,
  facts: EdgeFacts,
  request: Request,
  draw: Draw,
): Outcome | Promise<Outcome> {
  switch (decision.do) {
    case 'forward':
      return forward(isolate, decision, facts, request, draw)
    case 'redirect':
      return withoutEndpoint(editReply(redirectTo(decision, facts), decision, facts, isolate.cookieKeys), undefined)
    case 'reply': {
      const { reply, reason, status } = decision
      const own =
        reply === undefined
          ? answerOurselves(facts.method, reason ?? 'proxy_internal_error', status)
          : replyAsConfigured(facts.method, reply)
      return withoutEndpoint(editReply(own, decision, facts, isolate.cookieKeys), reason)
    }
  }
}

/** For an answer that asked no endpoint. */
export function withoutEndpoint(response: Response, reason: Reason | undefined): Outcome {
  return { response, reason, endpoint: undefined, attempts: [] }
}

/** All tries of one request. `held` is the last response while it may still be passed on: unread, and cancelled if not. */
async function forward(
  isolate: Isolate,
  decision: ForwardDecision,
  facts: EdgeFacts,
  request: Request,
  draw: Draw,
): Promise<Outcome> {
  const { rule, pool, key } = decision
  const { seen } = isolate
  const upload = await readUpload(request, rule.retry)
  if (upload === 'client-gone') return answerFor(isolate, decision, facts, 'client_gone', [])
  const headers = new Headers(request.headers)
  editRequest(headers, decision, facts)
  const path = pathFor(decision, facts)
  const plan = planHttp(rule.retry, rule.timeouts, facts.method, upload.body, draw)
  const budget = seen.budgets[pool.index]!
  countRequest(budget, facts.now)

  const tried: Endpoint[] = []
  const attempts: Attempt[] = []
  let held: Response | undefined
  let step = advance(plan, openAttempt(plan, facts.now), { type: 'begin' }, Date.now())
  for (;;) {
    const { state, action } = step
    const now = Date.now()
    switch (action.do) {
      case 'try': {
        const endpoint = claimOne(seen, decision, tried, now, draw)
        if (endpoint === undefined) {
          const reason = whyNone(pool, tried, seen.observed, now)
          step = advance(plan, state, { type: 'no-endpoint', reason }, now)
          break
        }
        tried.push(endpoint)
        drop(held)
        held = undefined
        const url = endpoint.address.origin + endpoint.address.base + path
        let end: TryEnd | undefined
        try {
          end = await tryEndpoint(url, request, headers, upload, action.timeoutMs)
        } finally {
          if (end === undefined) settle(seen.observed, pool, endpoint, 'neutral', -1, Date.now())
        }
        settle(seen.observed, pool, endpoint, verdictOn(end, upload), latencyOf(end, upload), end.at)
        const says = end.response === undefined ? end.says : undefined
        attempts.push({ endpoint: endpoint.name, outcome: end.outcome, ms: end.ms, says })
        held = end.response
        step = advance(plan, state, eventOf(end, action.attempt), end.at)
        if (step.skipUntil > 0) keepQuiet(seen, endpoint, step.skipUntil)
        break
      }
      case 'wait':
        if (choose(seen, pool, tried, now, draw, key) === undefined) {
          const reason = whyNone(pool, tried, seen.observed, now)
          step = advance(plan, state, { type: 'no-endpoint', reason }, now)
        } else if (!mayRetry(budget, pool, now)) {
          step = advance(plan, state, { type: 'over-budget' }, now)
        } else {
          await new Promise(done => setTimeout(done, action.ms))
          step = advance(plan, state, { type: 'waited' }, Date.now())
        }
        break
      case 'pass': {
        const endpoint = tried.at(-1)!
        return {
          response: editAnswer(held!, isolate, decision, endpoint, facts),
          reason: undefined,
          endpoint,
          attempts,
        }
      }
      case 'answer':
        drop(held)
        return answerFor(isolate, decision, facts, action.reason, attempts)
      case 'none':
        throw new Error(`the attempt machine has nothing to do while ${state.phase}`)
    }
  }
}

/** As it was matched, so that the endpoint is asked for the path that the rule was found for. */
function pathFor(decision: ForwardDecision, facts: EdgeFacts): string {
  const { rewrite } = decision.variant.filters
  if (rewrite === undefined) return facts.path + facts.search
  const { path } = decision.match
  return rewritePath(facts.path, rewrite, path.kind === 'prefix' ? path.value : facts.path) + facts.search
}

/** The endpoint of the next try, claimed; the decision's own for the first one. */
function claimOne(
  seen: Seen,
  decision: ForwardDecision,
  tried: readonly Endpoint[],
  now: number,
  draw: Draw,
): Endpoint | undefined {
  const { pool, first, key } = decision
  let endpoint = tried.length === 0 && !isQuiet(seen, first, now) ? first : choose(seen, pool, tried, now, draw, key)
  // While a body was read others may have filled the endpoint; then it is not chosen again.
  while (endpoint !== undefined && !claim(seen.observed, pool, endpoint)) {
    endpoint = choose(seen, pool, tried, now, draw, key)
  }
  return endpoint
}

function mayRetry(budget: RetryBudget, pool: Pool, now: number): boolean {
  return takeRetry(budget, pool.retryBudget.percent, pool.retryBudget.perSecond ?? retriesPerSecond.edge, now)
}

/** No endpoint answered: we do. */
function answerFor(
  isolate: Isolate,
  decision: ForwardDecision,
  facts: EdgeFacts,
  reason: Reason,
  attempts: readonly Attempt[],
): Outcome {
  const own = answerOurselves(facts.method, reason, reasons[reason].status)
  return { response: editReply(own, decision, facts, isolate.cookieKeys), reason, endpoint: undefined, attempts }
}
