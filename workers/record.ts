// One line for each request: what it was, what was decided, how it ended. Never a cookie, never a query.

import type { HttpDecision } from '../shared/decide/decision.ts'
import { isAlwaysRecorded, isSampled } from '../shared/decide/sample.ts'
import type { EdgeFacts } from './facts.ts'
import type { Outcome } from './forward.ts'
import { lengthOf } from './try.ts'

/**
 * Writes a JSON object in one line to the Worker's log. Bytes are what `Content-Length` says, null when it says nothing
 * (bodies are not read here). `durationMs` ends with the response headers. Of a rule that has a sample only that part is
 * written, and all that failed.
 *
 * @param facts undefined when there was no table to read them for
 */
export function record(
  request: Request,
  began: number,
  facts: EdgeFacts | undefined,
  decision: HttpDecision | undefined,
  outcome: Outcome,
): void {
  const { response, attempts, mirrors, reason } = outcome
  const rule = decision?.rule
  const sample = rule?.sample ?? 1
  if (sample < 1 && !isAlwaysRecorded(response.status, reason) && !isSampled(sample, facts!.requestId)) return
  console.log(
    JSON.stringify({
      time: new Date(began).toISOString(),
      door: 'edge',
      listener: facts?.listener ?? null,
      route: rule?.route ?? null,
      rule: rule?.name ?? null,
      variant: (decision !== undefined && 'variant' in decision ? decision.variant?.name : undefined) ?? null,
      endpoint: outcome.endpoint?.name ?? null,
      attempts,
      mirrors: mirrors.length === 0 ? undefined : mirrors,
      status: response.status,
      reason: reason ?? null,
      cache: outcome.cache,
      details: decision?.do === 'reply' ? decision.details : undefined,
      bytesIn: lengthOf(request.headers) ?? null,
      bytesOut: lengthOf(response.headers) ?? null,
      durationMs: Date.now() - began,
      clientAddress: facts?.clientAddress ?? null,
      requestId: facts?.requestId ?? null,
      traceId: facts?.trace.traceId ?? null,
      method: request.method,
      host: facts?.host ?? null,
      path: facts?.path ?? null,
    }),
  )
}
