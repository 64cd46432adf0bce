// A request on a rule with a cache: its answer may be a stored one.

import type { Attempt } from '../../shared/attempt/tries.ts'
import type { ForwardDecision, HttpDecision, ReplyDecision } from '../../shared/decide/decision.ts'
import type { Encoding } from '../../shared/http/compress.ts'
import { editAnswer } from '../../shared/http/edit.ts'
import { pageInstead } from '../../shared/http/own-answer.ts'
import { Body } from './body.ts'
import { answerThroughCache, type ThroughCache } from './cache.ts'
import { encodedBody } from './encode.ts'
import type { Fields } from './fields.ts'
import type { LiveRequest } from './request.ts'
import { tryInTurn } from './request-turn.ts'

/** GET and HEAD of a rule with a cache, also where no endpoint may be asked now: what is stored may be given. */
export function isCached(request: LiveRequest, decision: HttpDecision): boolean {
  if (decision.do !== 'forward' && decision.do !== 'reply') return false
  if (decision.rule?.cache === undefined || decision.pool === undefined) return false
  const { method } = request.facts
  return (
    (method === 'GET' || method === 'HEAD') &&
    request.exchange.body === undefined &&
    !request.exchange.fields.has('upgrade')
  )
}

export async function forwardThroughCache(
  request: LiveRequest,
  decision: ForwardDecision | ReplyDecision,
): Promise<void> {
  const { plane, exchange, facts } = request
  const attempts: Attempt[] = []
  /** What was decided of it in its turn, in place of asking. */
  const instead: Exclude<HttpDecision, ForwardDecision>[] = []
  const through = await answerThroughCache(
    plane,
    decision.rule!,
    decision.variant!,
    facts,
    exchange.fields,
    async edit => {
      const held =
        decision.do === 'reply'
          ? decision.reason!
          : await tryInTurn(request, decision, edit, later => instead.push(later))
      attempts.push(...request.attempts)
      request.attempts = attempts
      return { answer: typeof held === 'object' ? held.response : undefined, result: held }
    },
  )
  if (exchange.isGone) {
    if (through.from === 'tries' && typeof through.tried === 'object') through.tried.response.body?.cancel()
    if (through.from === 'store' && through.body instanceof Body) through.body.cancel()
    return
  }
  if (through.from === 'nowhere') {
    request.giveUp(decision, 'not_in_cache')
    return
  }
  request.cacheWord = through.word
  request.cacheStatus = through.cacheStatus
  if (through.from === 'store') passOnStored(request, through, decision)
  else if (typeof through.tried === 'object') request.passOn(through.tried, request.decision as ForwardDecision)
  else if (through.tried !== undefined) request.giveUp(decision, request.reason ?? through.tried)
  else if (instead.length > 0) request.replyAs(instead[0]!)
}

/** A stored answer, as the client shall see it. */
function passOnStored(
  request: LiveRequest,
  { status, fields, body, length }: Extract<ThroughCache<unknown>, { from: 'store' }>,
  decision: ForwardDecision | ReplyDecision,
): void {
  const { exchange, facts, plane } = request
  request.headers(status)
  request.endpoint = undefined
  const page = pageInstead(status, () => fields, decision.rule!, facts)
  editAnswer(fields, decision, undefined, facts, plane.shared.table, plane.cookieKeys)
  fields.append('cache-status', request.cacheStatus!)
  const encoding = page === undefined ? request.encodingOf(decision, status, fields) : undefined
  if (body instanceof Body && page !== undefined) body.cancel()
  if (page !== undefined) exchange.answer(status, fields, page.text)
  else if (body instanceof Body) passOnFile(request, body, length, status, fields, encoding)
  else if (body === null || encoding === undefined) exchange.answer(status, fields, body)
  else {
    Promise.resolve(plane.store.encoded(body, encoding))
      .then(encoded => exchange.answer(status, fields, encoded))
      .catch(() => exchange.abort())
  }
}

/** One that is read from disk as it goes. */
function passOnFile(
  request: LiveRequest,
  body: Body,
  length: number,
  status: number,
  fields: Fields,
  encoding: Encoding | undefined,
): void {
  request.answerBody = body
  request.isBodyOurs = true
  if (encoding === undefined) fields.set('content-length', String(length))
  request.exchange.begin(status, fields, encoding === undefined ? body : encodedBody(body, encoding))
}
