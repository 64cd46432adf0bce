// One line for each request: what it was, what was decided, how it ended. Never a cookie, never a query.

import type { HttpDecision } from '../decide/decision.ts'
import type { Reason } from '../decide/reason.ts'
import { isAlwaysRecorded, isSampled } from '../decide/sample.ts'
import type { DoorFacts } from './request-facts.ts'

/** How a request went, as far as every plane knows it. */
export interface Went {
  readonly door: 'edge' | 'http'
  readonly status: number
  /** Undefined when all went as the config says. */
  readonly reason: Reason | undefined
  /** The name of the endpoint that answered. */
  readonly endpoint: string | undefined
  readonly attempts: readonly object[]
  /** What the cache did; undefined when the rule has none. */
  readonly cache?: string | undefined
  readonly mirrors: readonly object[]
  /** Null: nobody knows. */
  readonly bytesIn: number | null
  readonly bytesOut: number | null
  /** Until the response headers. */
  readonly durationMs: number
}

export type RequestRecord = ReturnType<typeof requestRecord>

/** Whether it is written down: of a rule that has a sample only that part is, and all that failed. */
export function isRecorded(
  facts: DoorFacts | undefined,
  decision: HttpDecision | undefined,
  status: number,
  reason: Reason | undefined,
): boolean {
  const sample = decision?.rule?.sample ?? 1
  return sample >= 1 || isAlwaysRecorded(status, reason) || isSampled(sample, facts!.requestId)
}

/** @param facts undefined when there was no table to read them for */
export function requestRecord(
  method: string,
  began: number,
  facts: DoorFacts | undefined,
  decision: HttpDecision | undefined,
  went: Went,
) {
  const rule = decision?.rule
  return {
    time: new Date(began).toISOString(),
    door: went.door,
    listener: facts?.listener ?? null,
    route: rule?.route ?? null,
    rule: rule?.name ?? null,
    variant: (decision !== undefined && 'variant' in decision ? decision.variant?.name : undefined) ?? null,
    endpoint: went.endpoint ?? null,
    attempts: went.attempts,
    mirrors: went.mirrors.length === 0 ? undefined : went.mirrors,
    status: went.status,
    reason: went.reason ?? null,
    cache: went.cache,
    details: decision?.do === 'reply' ? decision.details : undefined,
    bytesIn: went.bytesIn,
    bytesOut: went.bytesOut,
    durationMs: went.durationMs,
    clientAddress: facts?.clientAddress ?? null,
    requestId: facts?.requestId ?? null,
    traceId: facts?.trace.traceId ?? null,
    method,
    host: facts?.host ?? null,
    path: facts?.path ?? null,
  }
}
