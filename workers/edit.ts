// What is changed on an endpoint's answer and on an answer of ours before the client gets it.

import type { CompressConfig } from '../shared/config/parse-cache.ts'
import type { ForwardDecision, HttpDecision, ReplyDecision } from '../shared/decide/decision.ts'
import { acceptedEncodings, encodingFor, encodingsAt, setEncoded, setVaryEncoding } from '../shared/http/compress.ts'
import * as shared from '../shared/http/edit.ts'
import type { DoorFacts } from '../shared/http/request-facts.ts'
import type { Endpoint } from '../shared/pool/pool.ts'
import type { Isolate } from './isolate.ts'
import { replaceByPage } from './reply.ts'

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
  facts: DoorFacts,
  request: Request,
  isRaw: boolean,
): Response {
  if (answer.status === 101) return answer
  const edited = replaceByPage(answer, decision.rule!, facts) ?? copyOf(answer, isRaw)
  shared.editAnswer(edited.headers, decision, endpoint, facts, isolate.table, isolate.cookieKeys)
  compress(edited, decision.rule!.compress, request)
  return edited
}

/** The same for an answer of ours. Gives the response back. */
export function editReply(own: Response, decision: HttpDecision, facts: DoorFacts, isolate: Isolate): Response {
  shared.editOwn(own.headers, decision, facts, isolate.table, isolate.cookieKeys)
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
  const encoding = encodingFor(rule, request.method, status, headers, acceptedBy(request), encodingsAt.edge)
  if (encoding === undefined) return
  if (encoding !== 'vary') setEncoded(headers, encoding)
  setVaryEncoding(headers)
}

/** Cloudflare's front replaces `Accept-Encoding` and keeps the client's own beside it. */
function acceptedBy(request: Request): string | null {
  const own = request.cf?.['clientAcceptEncoding']
  return acceptedEncodings(request.headers, typeof own === 'string' && own !== '' ? own : undefined)
}
