// What the door turns away before any rule is asked: malformed requests, those beyond its limits, those in a loop.

import { defaults } from '../shared/config/defaults.ts'
import { parseSize } from '../shared/config/units.ts'
import type { ReplyDecision } from '../shared/decide/decision.ts'
import { type Reason, reasons } from '../shared/decide/reason.ts'
import { overLimit } from '../shared/http/door-limits.ts'
import { isLoop } from '../shared/http/instances.ts'
import type { EdgeFacts } from './facts.ts'

/** The decision for a request that is turned away; undefined lets it in. */
export function refusalOf(request: Request, facts: EdgeFacts, instance: string): ReplyDecision | undefined {
  if (facts.isMalformed) return MALFORMED
  const limits = facts.httpListener?.limits ?? DEFAULT_LIMITS
  const over = overLimit(request.url.length, request.headers, limits)
  if (over !== undefined) return refuse('http_request_error', over.status, over.details)
  return isLoop(facts.instances, instance) ? LOOP : undefined
}

function refuse(reason: Reason, status: number, details: string | undefined): ReplyDecision {
  return { do: 'reply', rule: undefined, variant: undefined, reason, status, details, reply: undefined, cookies: NONE }
}

const NONE: readonly never[] = []
const MALFORMED = refuse('http_request_error', reasons.http_request_error.status, undefined)
const LOOP = refuse('proxy_loop_detected', reasons.proxy_loop_detected.status, undefined)
/** Where no listener takes the host. */
const DEFAULT_LIMITS = {
  maxUrlBytes: parseSize(defaults.maxUrl)!,
  maxHeaders: defaults.maxHeaders,
  maxHeaderBytes: parseSize(defaults.maxHeaderBytes)!,
}
