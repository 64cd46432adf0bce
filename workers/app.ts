// The door of the edge. Each request walks through the rooms: facts, decide, forward (or reply), record.

import type { HttpDecision } from '../shared/decide/decision.ts'
import { decideHttp } from '../shared/decide/http.ts'
import { reasons } from '../shared/decide/reason.ts'
import { answerOurselves, pageText } from '../shared/http/own-answer.ts'
import { refusalOf } from '../shared/http/refuse.ts'
import type { DoorFacts } from '../shared/http/request-facts.ts'
import { countCache, countRequest } from '../shared/metrics/http-metrics.ts'
import type { Draw } from '../shared/pool/draw.ts'
import { look } from './control/follow.ts'
import { readFacts } from './facts.ts'
import { carryOut, type Outcome, withoutEndpoint } from './forward.ts'
import type { Isolate } from './isolate.ts'
import { OPERATOR_PATH } from './operator.ts'
import { record, recordOperator } from './record.ts'
import { responseOf } from './reply.ts'

/**
 * Answers every request, and writes one record of each that is a client's. Never rejects: a bug is answered 500
 * `proxy_internal_error`.
 */
export async function serve(
  isolate: Isolate | 'broken',
  request: Request,
  context: ExecutionContext,
): Promise<Response> {
  const now = Date.now()
  let facts: DoorFacts | undefined
  let decision: HttpDecision | undefined
  let outcome: Outcome
  let isOperators = false
  try {
    if (isolate === 'broken') outcome = giveUp(request, 'proxy_configuration_error', undefined)
    else {
      if (now >= isolate.lookAt) await look(isolate, isolate.follow!, request, now, context)
      facts = readFacts(request, isolate.table, isolate.cookieKeys, now)
      const refusal = refusalOf(request.url.length, request.headers, facts, isolate.table.instance)
      if (isolate.operator !== undefined && facts.path.startsWith(OPERATOR_PATH) && refusal === undefined) {
        isOperators = true
        outcome = withoutEndpoint(await isolate.operator.fetch(request), undefined)
      } else {
        const draw: Draw = Math.floor(Math.random() * 2 ** 53)
        decision = refusal ?? decideHttp(isolate.table, facts, isolate.seen.observed, draw)
        outcome = await carryOut(isolate, decision, facts, request, draw, context)
      }
    }
  } catch (bug) {
    console.error(`fourseven: a bug: ${bug instanceof Error ? bug.stack : bug}`)
    outcome = giveUp(request, 'proxy_internal_error', facts)
  }
  if (isOperators) {
    recordOperator(request, now, facts!, outcome.response.status)
    return outcome.response
  }
  if (isolate !== 'broken') {
    countRequest(isolate.metrics, decision, outcome.response.status, Date.now() - now)
    if (outcome.cache !== undefined) countCache(isolate.metrics, decision, outcome.cache)
  }
  record(request, now, facts, decision, outcome)
  return outcome.response
}

function giveUp(
  request: Request,
  reason: 'proxy_configuration_error' | 'proxy_internal_error',
  facts: DoorFacts | undefined,
): Outcome {
  const page = pageText(facts, undefined, reasons[reason].status)
  const own = answerOurselves(request.method, reason, reasons[reason].status, undefined, page)
  return withoutEndpoint(responseOf(own), reason)
}
