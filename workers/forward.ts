// Carries a decision out: tries endpoints by the attempt machine until one answers, and passes its answer on.

import { countRequest, retriesPerSecond } from '../shared/attempt/budget.ts'
import { hedgeAfterMs, mayHedge } from '../shared/attempt/hedge.ts'
import { type Ledger, openLedger } from '../shared/attempt/ledger.ts'
import type { Mirrored } from '../shared/attempt/mirrors.ts'
import { planHttp } from '../shared/attempt/plan.ts'
import { type Attempt, openTries, tryUntilAnswered } from '../shared/attempt/tries.ts'
import type { CacheWord } from '../shared/cache/exchange.ts'
import type { ForwardDecision, HttpDecision, ReplyDecision } from '../shared/decide/decision.ts'
import { matchedPrefix } from '../shared/decide/match.ts'
import { type Reason, reasons } from '../shared/decide/reason.ts'
import { overBody, type Refusal } from '../shared/http/door-limits.ts'
import { editRequest } from '../shared/http/edit.ts'
import { answerOurselves, answerTo, pageText } from '../shared/http/own-answer.ts'
import { endpointPath } from '../shared/http/paths.ts'
import type { DoorFacts } from '../shared/http/request-facts.ts'
import type { Draw } from '../shared/pool/draw.ts'
import type { Endpoint } from '../shared/pool/pool.ts'
import type { HttpRule } from '../shared/table/table.ts'
import { answerThroughCache, invalidate, SUBREQUESTS_OF_CACHE } from './cache.ts'
import { editAnswer, editReply } from './edit.ts'
import type { Isolate } from './isolate.ts'
import { sendMirrors } from './mirror.ts'
import { responseOf } from './reply.ts'
import { EdgeCarrier } from './tries.ts'
import { lengthOf, readUpload, type Sent } from './try.ts'

export interface Outcome {
  readonly response: Response
  /** Why the answer is our own, or why there was no further try; undefined when all went as the config says. */
  readonly reason: Reason | undefined
  /** The one that answered. */
  readonly endpoint: Endpoint | undefined
  readonly attempts: readonly Attempt[]
  readonly mirrors: readonly Mirrored[]
  /** What the cache did; undefined when the rule has none. */
  readonly cache: CacheWord | undefined
}

/** The answer to a request. What goes wrong on a normal day is an answer with a reason; it throws for bugs only. */
export function carryOut(
  isolate: Isolate,
  decision: HttpDecision,
  facts: DoorFacts,
  request: Request,
  draw: Draw,
  context: ExecutionContext,
): Outcome | Promise<Outcome> {
  switch (decision.do) {
    case 'forward': {
      const refusal = bodyRefusal(request, decision.rule)
      if (refusal !== undefined) {
        return finished(
          isolate,
          decision,
          facts,
          request,
          ownAnswer(decision, facts, 'http_request_error', NONE, NONE, refusal),
        )
      }
      if (decision.rule.cache !== undefined)
        return forwardThroughCache(isolate, decision, facts, request, draw, context)
      return forward(isolate, decision, facts, request, draw, context)
    }
    default: {
      const reason = decision.do === 'reply' ? decision.reason : undefined
      // No endpoint may be asked now: what is stored may be given all the same.
      if (decision.do === 'reply' && decision.rule?.cache !== undefined && decision.pool !== undefined) {
        return forwardThroughCache(isolate, decision, facts, request, draw, context)
      }
      const own = responseOf(answerTo(decision, isolate.table.needs, facts))
      return withoutEndpoint(editReply(own, decision, facts, isolate), reason)
    }
  }
}

/** For an answer that asked no endpoint. */
export function withoutEndpoint(response: Response, reason: Reason | undefined): Outcome {
  return { response, reason, endpoint: undefined, attempts: NONE, mirrors: NONE, cache: undefined }
}

async function forward(
  isolate: Isolate,
  decision: ForwardDecision,
  facts: DoorFacts,
  request: Request,
  draw: Draw,
  context: ExecutionContext,
): Promise<Outcome> {
  const ledger = openLedger(facts.subrequests)
  const tried = await tryEndpoints(isolate, decision, facts, request, draw, context, ledger, undefined)
  if (isolate.hasCache) await invalidate(isolate, facts, request, tried.response)
  return finished(isolate, decision, facts, request, tried)
}

/** A decision that found no endpoint comes here too: what is stored may still be given. */
async function forwardThroughCache(
  isolate: Isolate,
  decision: ForwardDecision | ReplyDecision,
  facts: DoorFacts,
  request: Request,
  draw: Draw,
  context: ExecutionContext,
): Promise<Outcome> {
  const ledger = openLedger(facts.subrequests)
  const attempts: Attempt[] = []
  const ask = async (edit: ((headers: Headers) => void) | undefined): Promise<Tried> => {
    if (decision.do === 'reply') return ownAnswer(decision, facts, decision.reason!, NONE, NONE)
    const tried = await tryEndpoints(isolate, decision, facts, request, draw, context, ledger, edit)
    attempts.push(...tried.attempts)
    return tried
  }
  if (ledger.left <= SUBREQUESTS_OF_CACHE) return finished(isolate, decision, facts, request, await ask(undefined))
  ledger.left -= SUBREQUESTS_OF_CACHE
  const cached = { rule: decision.rule!, variant: decision.variant! }
  const through = await answerThroughCache(isolate, cached, facts, request, ask, work => context.waitUntil(work))
  if (through === 'only-if-cached') {
    return finished(isolate, decision, facts, request, ownAnswer(decision, facts, 'not_in_cache', NONE, NONE))
  }
  const { response, answered, status, word } = through
  if (answered !== undefined) await invalidate(isolate, facts, request, answered.response)
  const stored: Tried = { ...NOT_TRIED, ...answered, response, isFromEndpoint: true, isRaw: false }
  const outcome = finished(isolate, decision, facts, request, answered?.response === response ? answered : stored)
  outcome.response.headers.append('cache-status', status)
  return { ...outcome, attempts: [...attempts], cache: word }
}

/** What the tries came to: an endpoint's answer as it came, or our own. */
interface Tried extends Omit<Outcome, 'cache'> {
  readonly isFromEndpoint: boolean
  /** The body was read without decoding. */
  readonly isRaw: boolean
}

/** All tries of one request, and its copies. */
async function tryEndpoints(
  isolate: Isolate,
  decision: ForwardDecision,
  facts: DoorFacts,
  request: Request,
  draw: Draw,
  context: ExecutionContext,
  ledger: Ledger,
  edit: ((headers: Headers) => void) | undefined,
): Promise<Tried> {
  const { rule, pool } = decision
  const { seen } = isolate
  const upload = await readUpload(request, rule.retry)
  if (upload === 'client-gone') return ownAnswer(decision, facts, 'client_gone', NONE, NONE)
  const headers = new Headers(request.headers)
  editRequest(headers, decision, facts, isolate.table.instance)
  edit?.(headers)
  const isRaw = rule.cache !== undefined
  const sent: Sent = {
    request,
    headers,
    upload,
    isRaw,
    path: pathFor(decision, facts),
    host: decision.variant.filters.host,
  }
  const hedge = mayHedge(rule.hedge, facts.method, upload.body, headers.has('upgrade')) ? rule.hedge : undefined
  const hedgeMs = hedge === undefined ? undefined : hedgeAfterMs(hedge, seen.sketches[pool.index]!)
  const plan = planHttp(rule.retry, rule.timeouts, facts.method, upload.body, draw, hedgeMs)
  countRequest(seen.budgets[pool.index]!, facts.now)

  const carrier = new EdgeCarrier(isolate, decision, facts, sent)
  const isSampled = hedge?.by === 'percentile'
  const tries = openTries(carrier, seen, decision, draw, plan, ledger, retriesPerSecond.edge, isSampled)
  let mirrors: readonly Mirrored[] = NONE
  const held = await tryUntilAnswered(tries, facts.now, () => {
    if (rule.mirrors.length === 0) return
    mirrors = sendMirrors(isolate, decision, facts, sent, draw, ledger, plan.attempts, context)
  })
  const { attempts } = tries
  if (typeof held === 'string') return ownAnswer(decision, facts, held, attempts, mirrors)
  const { response, endpoint } = held
  const reason = tries.isOut ? 'subrequests_exhausted' : undefined
  return { response, isFromEndpoint: true, isRaw, reason, endpoint, attempts, mirrors }
}

/** As it was matched, so that the endpoint is asked for the path that the rule was found for. */
function pathFor(decision: ForwardDecision, facts: DoorFacts): string {
  return endpointPath(facts, decision.variant.filters.rewrite, matchedPrefix(decision.match, facts.path))
}

/** Why the rule takes no body of this length; the body itself is not looked at. */
function bodyRefusal(request: Request, rule: HttpRule): Refusal | undefined {
  if (rule.maxBodyBytes === Number.POSITIVE_INFINITY || request.body === null) return undefined
  return overBody(rule.maxBodyBytes, lengthOf(request.headers))
}

/** No endpoint answered: we do. */
function ownAnswer(
  decision: ForwardDecision | ReplyDecision,
  facts: DoorFacts,
  reason: Reason,
  attempts: readonly Attempt[],
  mirrors: readonly Mirrored[],
  refusal?: Refusal,
): Tried {
  const status = refusal?.status ?? reasons[reason].status
  const page = pageText(facts, decision.rule, status)
  const response = responseOf(answerOurselves(facts.method, reason, status, refusal?.details, page))
  return { response, isFromEndpoint: false, isRaw: false, reason, endpoint: undefined, attempts, mirrors }
}

/** As the client shall see it. */
function finished(
  isolate: Isolate,
  decision: ForwardDecision | ReplyDecision,
  facts: DoorFacts,
  request: Request,
  tried: Tried,
): Outcome {
  const { reason, endpoint, attempts, mirrors } = tried
  const response = tried.isFromEndpoint
    ? editAnswer(tried.response, isolate, decision, endpoint, facts, request, tried.isRaw)
    : editReply(tried.response, decision, facts, isolate)
  return { response, reason, endpoint, attempts, mirrors, cache: undefined }
}

const NONE: readonly never[] = []
const NOT_TRIED = { isRaw: false, reason: undefined, endpoint: undefined, attempts: NONE, mirrors: NONE }
