// Answers without an endpoint: redirects, fixed replies, and our own when there is nothing else to give.

import type { ReplyConfig } from '../shared/config/parse.ts'
import type { RedirectDecision } from '../shared/decide/decision.ts'
import type { RequestFacts } from '../shared/decide/facts.ts'
import { type Reason, reasons } from '../shared/decide/reason.ts'
import { redirectLocation } from '../shared/http/paths.ts'
import { proxyStatus } from '../shared/http/proxy-status.ts'

/** `404 destination_not_found: No route matches the request.` in one line, with `Proxy-Status` (RFC 9209). */
export function answerOurselves(method: string, reason: Reason, status: number): Response {
  const text = `${status} ${reason}: ${reasons[reason].says}\n`
  return new Response(method === 'HEAD' ? null : text, {
    status,
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      // A cache may keep a 404 that says nothing else (RFC 9111 section 4.2.2); the route may be there in a minute.
      'cache-control': 'no-store',
      'proxy-status': proxyStatus(reason),
    },
  })
}

export function redirectTo(decision: RedirectDecision, facts: RequestFacts): Response {
  const { redirect, match } = decision
  const prefix = match.path.kind === 'prefix' ? match.path.value : facts.path
  const location = redirectLocation(redirect, facts, prefix)
  const headers = { location, 'proxy-status': proxyStatus('proxy_internal_response') }
  return new Response(null, { status: redirect.status, headers })
}

export function replyAsConfigured(method: string, reply: ReplyConfig): Response {
  const { status, body } = reply
  const hasBody = body !== '' && method !== 'HEAD' && status !== 204 && status !== 205 && status !== 304
  const response = new Response(hasBody ? body : null, { status })
  response.headers.delete('content-type')
  for (const [name, value] of reply.headers) response.headers.append(name, value)
  response.headers.append('proxy-status', proxyStatus('proxy_internal_response'))
  return response
}
