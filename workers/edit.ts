// What is changed on the headers: the request's on the way to the endpoint, the answer's on the way back.

import type { CompressConfig } from '../shared/config/parse-cache.ts'
import type { TemplateValues } from '../shared/config/template.ts'
import { affinityCookie } from '../shared/decide/affinity.ts'
import type { CookieOut, ForwardDecision, HttpDecision, ReplyDecision } from '../shared/decide/decision.ts'
import { isSampled } from '../shared/decide/sample.ts'
import { encodingFor, setEncoded, setVaryEncoding } from '../shared/http/compress.ts'
import { privately, serializeCookie } from '../shared/http/cookies.ts'
import { setCors } from '../shared/http/cors.ts'
import { applyEdits } from '../shared/http/edits.ts'
import { setForwarded } from '../shared/http/forwarded.ts'
import { removeHopByHop } from '../shared/http/hop-by-hop.ts'
import { INSTANCES, withInstance } from '../shared/http/instances.ts'
import { sign } from '../shared/http/signing.ts'
import { setTrace } from '../shared/http/trace-context.ts'
import { appendVia } from '../shared/http/via.ts'
import type { Endpoint } from '../shared/pool/pool.ts'
import type { CompiledEdits } from '../shared/table/edits.ts'
import type { HttpVariant } from '../shared/table/table.ts'
import type { EdgeFacts } from './facts.ts'
import type { Isolate } from './isolate.ts'
import { replaceByPage } from './reply.ts'

/** The request as the endpoint shall see it. The order matters: nobody may name ours in `Connection`. */
export function editRequest(headers: Headers, decision: ForwardDecision, facts: EdgeFacts, instance: string): void {
  removeHopByHop(headers, true)
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
}

/**
 * An endpoint's answer as the client shall see it; the body as it came. A WebSocket is passed on untouched. Without an
 * endpoint it is a stored answer, which may be given even where the decision found nobody to ask.
 *
 * @param isRaw it was read without decoding
 */
export function editAnswer(
  answer: Response,
  isolate: Isolate,
  decision: ForwardDecision | ReplyDecision,
  endpoint: Endpoint | undefined,
  facts: EdgeFacts,
  request: Request,
  isRaw: boolean,
): Response {
  if (answer.status === 101) return answer
  const { cookieKeys, table } = isolate
  const edited = replaceByPage(answer, decision.rule!, facts) ?? copyOf(answer, isRaw)
  const { headers } = edited
  removeHopByHop(headers, false)
  headers.delete(INSTANCES)
  if (facts.httpListener?.hasVia === true) appendVia(headers, undefined)
  finish(headers, decision.variant?.responseEdits, decision, facts, isolate)
  compress(edited, decision.rule!.compress, request)
  if (decision.do === 'reply' || endpoint === undefined) return edited
  const kept = affinityCookie(decision.pool, endpoint, table.needs, facts)
  if (kept !== undefined) setCookie(headers, kept, facts, cookieKeys)
  return edited
}

/** The same for an answer of ours. Gives the response back. */
export function editReply(own: Response, decision: HttpDecision, facts: EdgeFacts, isolate: Isolate): Response {
  const edits = variantOf(decision)?.responseEdits ?? decision.rule?.responseEdits
  finish(own.headers, edits, decision, facts, isolate)
  return own
}

/** @param isRaw the body is bytes as they came: what is encoded must not be encoded once more */
function copyOf(answer: Response, isRaw: boolean): Response {
  if (!isRaw) return new Response(answer.body, answer)
  const { status, statusText, headers } = answer
  const encodeBody = headers.has('content-encoding') ? 'manual' : 'automatic'
  return new Response(answer.body, { status, statusText, headers, encodeBody })
}

/**
 * The runtime encodes a plain body by the `Content-Encoding` that stands over it. It knows gzip and br; what it does not
 * know it labels and sends plain.
 */
function compress({ status, headers }: Response, rule: CompressConfig | undefined, request: Request): void {
  if (rule === undefined) return
  const encoding = encodingFor(rule, request.method, status, headers, acceptedBy(request), ['br', 'gzip'])
  if (encoding === undefined) return
  if (encoding !== 'vary') setEncoded(headers, encoding)
  setVaryEncoding(headers)
}

/** Cloudflare's front replaces `Accept-Encoding` and keeps the client's own beside it. */
function acceptedBy(request: Request): string | null {
  const own = request.cf?.['clientAcceptEncoding']
  return typeof own === 'string' && own !== '' ? own : request.headers.get('accept-encoding')
}

/** CORS, the rule's edits, then what the split says and sets: a rule cannot remove a cookie that is not there yet. */
function finish(
  headers: Headers,
  edits: CompiledEdits | undefined,
  decision: HttpDecision,
  facts: EdgeFacts,
  isolate: Isolate,
): void {
  const cors = decision.do === 'preflight' ? undefined : decision.rule?.cors
  if (cors !== undefined) setCors(headers, cors, facts.headers[isolate.table.needs.cors!.origin])
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
  for (const cookie of decision.cookies) setCookie(headers, cookie, facts, isolate.cookieKeys)
}

function variantOf(decision: HttpDecision): HttpVariant | undefined {
  return decision.do === 'preflight' ? undefined : decision.variant
}

function applyTo(headers: Headers, edits: CompiledEdits | undefined, decision: HttpDecision, facts: EdgeFacts): void {
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

function setCookie(headers: Headers, cookie: CookieOut, facts: EdgeFacts, cookieKeys: readonly string[]): void {
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
