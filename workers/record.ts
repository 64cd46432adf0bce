// The line of a request in the Worker's log.

import type { HttpDecision } from '../shared/decide/decision.ts'
import type { DoorFacts } from '../shared/http/request-facts.ts'
import { isRecorded, requestRecord } from '../shared/http/request-record.ts'
import type { Outcome } from './forward.ts'
import { lengthOf } from './try.ts'

/**
 * Writes a JSON object in one line to the Worker's log. Bytes are what `Content-Length` says, null when it says nothing
 * (bodies are not read here). `durationMs` ends with the response headers.
 *
 * @param facts undefined when there was no table to read them for
 */
export function record(
  request: Request,
  began: number,
  facts: DoorFacts | undefined,
  decision: HttpDecision | undefined,
  outcome: Outcome,
): void {
  const { response, attempts, mirrors, reason } = outcome
  if (!isRecorded(facts, decision, response.status, reason)) return
  const went = {
    door: 'edge' as const,
    status: response.status,
    reason,
    cache: outcome.cache,
    endpoint: outcome.endpoint?.name,
    attempts,
    mirrors,
    bytesIn: lengthOf(request.headers) ?? null,
    bytesOut: lengthOf(response.headers) ?? null,
    durationMs: Date.now() - began,
  }
  console.log(JSON.stringify(requestRecord(request.method, began, facts, decision, went)))
}
