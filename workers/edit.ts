// What is changed on the headers: the request's on the way to the endpoint, the answer's on the way back.

import type { TemplateValues } from '../shared/config/template.ts'
import { affinityCookie } from '../shared/decide/affinity.ts'
import type { CookieOut, ForwardDecision, HttpDecision } from '../shared/decide/decision.ts'
import { serializeCookie } from '../shared/http/cookies.ts'
import { applyEdits } from '../shared/http/edits.ts'
import { setForwarded } from '../shared/http/forwarded.ts'
import { removeHopByHop } from '../shared/http/hop-by-hop.ts'
import { sign } from '../shared/http/signing.ts'
import type { Endpoint } from '../shared/pool/pool.ts'
import type { CompiledEdits } from '../shared/table/edits.ts'
import type { EdgeFacts } from './facts.ts'
import type { Isolate } from './isolate.ts'

/** The request as the endpoint shall see it. The order matters: nobody may name ours in `Connection`. */
export function editRequest(headers: Headers, decision: ForwardDecision, facts: EdgeFacts): void {
  removeHopByHop(headers, true)
  setForwarded(headers, facts.client, facts.scheme, facts.host, facts.port)
  headers.set('x-request-id', facts.requestId)
  headers.set(ROUTE, decision.rule.route)
  headers.set(VARIANT, decision.variant.name)
  applyTo(headers, decision.variant.requestEdits, decision, facts)
}

/** An endpoint's answer as the client shall see it; the body as it came. A WebSocket is passed on untouched. */
export function editAnswer(
  answer: Response,
  isolate: Isolate,
  decision: ForwardDecision,
  endpoint: Endpoint,
  facts: EdgeFacts,
): Response {
  if (answer.status === 101) return answer
  const edited = new Response(answer.body, answer)
  const { headers } = edited
  removeHopByHop(headers, false)
  finish(headers, decision.variant.responseEdits, decision, facts, isolate.cookieKeys)
  const { cookieKeys, table } = isolate
  const kept = affinityCookie(decision.pool, endpoint, table.needs, facts)
  if (kept !== undefined) setCookie(headers, kept, facts, cookieKeys)
  return edited
}

/** The same for an answer of ours. Gives the response back. */
export function editReply(
  own: Response,
  decision: HttpDecision,
  facts: EdgeFacts,
  cookieKeys: readonly string[],
): Response {
  const variant = decision.do === 'redirect' ? undefined : decision.variant
  const edits = variant === undefined ? decision.rule?.responseEdits : variant.responseEdits
  finish(own.headers, edits, decision, facts, cookieKeys)
  return own
}

/** The rule's edits, then what the split says and sets: a rule cannot remove a cookie that is not there yet. */
function finish(
  headers: Headers,
  edits: CompiledEdits | undefined,
  decision: HttpDecision,
  facts: EdgeFacts,
  cookieKeys: readonly string[],
): void {
  applyTo(headers, edits, decision, facts)
  if (decision.do === 'redirect') return
  const action = decision.rule?.action
  if (action?.do === 'forward' && action.split?.isExposed) {
    headers.set(ROUTE, decision.rule!.route)
    headers.set(VARIANT, decision.variant!.name)
  }
  for (const cookie of decision.cookies) setCookie(headers, cookie, facts, cookieKeys)
}

function applyTo(headers: Headers, edits: CompiledEdits | undefined, decision: HttpDecision, facts: EdgeFacts): void {
  if (edits === undefined) return
  const { rule } = decision
  const values: TemplateValues = {
    clientAddress: facts.clientAddress,
    route: rule?.route ?? '',
    rule: rule?.name ?? '',
    variant: decision.do === 'redirect' ? undefined : decision.variant?.name,
    requestId: facts.requestId,
    country: facts.country,
  }
  applyEdits(headers, edits, values)
}

function setCookie(headers: Headers, cookie: CookieOut, facts: EdgeFacts, cookieKeys: readonly string[]): void {
  const { name, value, maxAgeS } = cookie
  const signed = { name, value: sign(cookieKeys, name, value), maxAgeS }
  headers.append('set-cookie', serializeCookie(signed, facts.scheme === 'https'))
}

const ROUTE = 'x-fourseven-route'
const VARIANT = 'x-fourseven-variant'
