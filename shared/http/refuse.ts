// What an HTTP door turns away before any rule is asked: malformed requests, those beyond its limits, those in a loop.

import { defaults } from '../config/defaults.ts'
import type { DoorLimits } from '../config/parsed.ts'
import { parseSize } from '../config/units.ts'
import type { ReplyDecision } from '../decide/decision.ts'
import { type Reason, reasons } from '../decide/reason.ts'
import { type CountableFields, overLimit } from './door-limits.ts'
import { isLoop } from './instances.ts'
import type { DoorFacts } from './request-facts.ts'

/** The decision for a request that is turned away; undefined lets it in. */
export function refusalOf(
  urlLength: number,
  fields: CountableFields,
  facts: DoorFacts,
  instance: string,
): ReplyDecision | undefined {
  if (facts.isMalformed) return MALFORMED
  const over = overLimit(urlLength, fields, facts.httpListener?.limits ?? DEFAULT_LIMITS)
  if (over !== undefined) return refuse('http_request_error', over.status, over.details)
  return isLoop(facts.instances, instance) ? LOOP : undefined
}

/** @param details for the answer and `Proxy-Status` */
export function refuse(reason: Reason, status: number, details: string | undefined): ReplyDecision {
  const nothing = { rule: undefined, variant: undefined, reply: undefined, pool: undefined, cookies: NONE }
  return { do: 'reply', ...nothing, reason, status, details }
}

const NONE: readonly never[] = []
const MALFORMED = refuse('http_request_error', reasons.http_request_error.status, undefined)
const LOOP = refuse('proxy_loop_detected', reasons.proxy_loop_detected.status, undefined)
/** Where no listener takes the host. */
const DEFAULT_LIMITS: DoorLimits = {
  maxUrlBytes: parseSize(defaults.maxUrl)!,
  maxHeaders: defaults.maxHeaders,
  maxHeaderBytes: parseSize(defaults.maxHeaderBytes)!,
}
