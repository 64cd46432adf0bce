// The line of a request in the Worker's log: one for each of a client, and of an operator one where something was changed.

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

/**
 * An operator's request is no client's: it is in no count and has no record. What wants to change something has a line of
 * its own, and so has what was refused, whoever asked: the history tells what was changed, this who tried to.
 */
export function recordOperator(request: Request, began: number, facts: DoorFacts, status: number): void {
  if (isReading(request.method) && status < 400) return
  const { clientAddress, requestId, path } = facts
  const line: OperatorLine = {
    time: new Date(began).toISOString(),
    event: 'operator_request',
    method: request.method,
    path,
    status,
    clientAddress: clientAddress ?? null,
    requestId,
    durationMs: Date.now() - began,
  }
  console.log(JSON.stringify(line))
}

export interface OperatorLine {
  /** ISO 8601 in UTC. */
  readonly time: string
  readonly event: 'operator_request'
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly status: number
  /** Null: nobody knows. */
  readonly clientAddress: string | null
  readonly requestId: string
  readonly durationMs: number
}

function isReading(method: string): boolean {
  return method === 'GET' || method === 'HEAD'
}
