// What is changed on the headers at every HTTP door: the request's on the way to the endpoint, the answer's on the way
// back.

import type { TemplateValues } from '../config/template.ts'
import { affinityCookie } from '../decide/affinity.ts'
import type { CookieOut, ForwardDecision, HttpDecision, ReplyDecision } from '../decide/decision.ts'
import { isSampled } from '../decide/sample.ts'
import type { Endpoint } from '../pool/pool.ts'
import type { CompiledEdits } from '../table/edits.ts'
import type { HttpVariant, Table } from '../table/table.ts'
import { privately, serializeCookie } from './cookies.ts'
import { setCors } from './cors.ts'
import { applyEdits } from './edits.ts'
import { setForwarded } from './forwarded.ts'
import type { HeaderFields } from './header-fields.ts'
import { removeHopByHop } from './hop-by-hop.ts'
import { INSTANCES, withInstance } from './instances.ts'
import type { DoorFacts } from './request-facts.ts'
import { sign } from './signing.ts'
import { setTrace } from './trace-context.ts'
import { appendVia } from './via.ts'

/**
 * The request as the endpoint shall see it. The order matters: nobody may name ours in `Connection`.
 *
 * @returns whether an upgrade to WebSocket was kept
 */
export function editRequest(
  headers: HeaderFields,
  decision: ForwardDecision,
  facts: DoorFacts,
  instance: string,
): boolean {
  const isUpgrade = removeHopByHop(headers, true)
  // An endpoint may act on it (write nothing, send no mail): no client may say so of its own request.
  if (!facts.client.isTrusted) headers.delete(MIRROR)
  setForwarded(headers, facts.client, facts.scheme, facts.host, facts.port)
  headers.set('x-request-id', facts.requestId)
  headers.set(ROUTE, decision.rule.route)
  headers.set(VARIANT, decision.variant.name)
  setTrace(headers, facts.trace, isSampled(decision.rule.sample, facts.requestId))
  if (facts.httpListener?.hasVia === true) appendVia(headers, facts.protocol)
  applyTo(headers, decision.variant.requestEdits, decision, facts)
  headers.set(INSTANCES, withInstance(facts.instances, instance))
  return isUpgrade
}

/**
 * An endpoint's answer as the client shall see it. Without an endpoint it is a stored answer, which may be given even where
 * the decision found nobody to ask.
 */
export function editAnswer(
  headers: HeaderFields,
  decision: ForwardDecision | ReplyDecision,
  endpoint: Endpoint | undefined,
  facts: DoorFacts,
  table: Table,
  cookieKeys: readonly string[],
): void {
  removeHopByHop(headers, false)
  headers.delete(INSTANCES)
  if (facts.httpListener?.hasVia === true) appendVia(headers, undefined)
  finish(headers, decision.variant?.responseEdits, decision, facts, table, cookieKeys)
  if (decision.do === 'reply' || endpoint === undefined) return
  const kept = affinityCookie(decision.pool, endpoint, table.needs, facts)
  if (kept !== undefined) setCookie(headers, kept, facts, cookieKeys)
}

/** The same for an answer of ours. */
export function editOwn(
  headers: HeaderFields,
  decision: HttpDecision,
  facts: DoorFacts,
  table: Table,
  cookieKeys: readonly string[],
): void {
  const edits = variantOf(decision)?.responseEdits ?? decision.rule?.responseEdits
  finish(headers, edits, decision, facts, table, cookieKeys)
}

/** CORS, the rule's edits, then what the split says and sets: a rule cannot remove a cookie that is not there yet. */
function finish(
  headers: HeaderFields,
  edits: CompiledEdits | undefined,
  decision: HttpDecision,
  facts: DoorFacts,
  table: Table,
  cookieKeys: readonly string[],
): void {
  const cors = decision.do === 'preflight' ? undefined : decision.rule?.cors
  if (cors !== undefined) setCors(headers, cors, facts.headers[table.needs.cors!.origin])
  applyTo(headers, edits, decision, facts)
  if (decision.do === 'preflight') return
  const action = decision.rule?.action
  if (action?.do === 'forward' && action.split?.isExposed) {
    headers.set(ROUTE, decision.rule!.route)
    headers.set(VARIANT, decision.variant!.name)
  } else {
    // An endpoint that answers with what it was told tells nobody else.
    headers.delete(ROUTE)
    headers.delete(VARIANT)
  }
  for (const cookie of decision.cookies) setCookie(headers, cookie, facts, cookieKeys)
}

function variantOf(decision: HttpDecision): HttpVariant | undefined {
  return decision.do === 'preflight' ? undefined : decision.variant
}

function applyTo(
  headers: HeaderFields,
  edits: CompiledEdits | undefined,
  decision: HttpDecision,
  facts: DoorFacts,
): void {
  if (edits === undefined) return
  const { rule } = decision
  const values: TemplateValues = {
    clientAddress: facts.clientAddress,
    route: rule?.route ?? '',
    rule: rule?.name ?? '',
    variant: variantOf(decision)?.name,
    requestId: facts.requestId,
    country: facts.country,
  }
  applyEdits(headers, edits, values)
}

function setCookie(headers: HeaderFields, cookie: CookieOut, facts: DoorFacts, cookieKeys: readonly string[]): void {
  const { name, value, maxAgeS } = cookie
  const signed = { name, value: sign(cookieKeys, name, value), maxAgeS }
  headers.append('set-cookie', serializeCookie(signed, facts.scheme === 'https'))
  const cacheControl = privately(headers.get('cache-control'))
  if (cacheControl !== undefined) headers.set('cache-control', cacheControl)
}

/** Says to an endpoint that nobody waits for its answer. */
export const MIRROR = 'x-fourseven-mirror'
const ROUTE = 'x-fourseven-route'
const VARIANT = 'x-fourseven-variant'
