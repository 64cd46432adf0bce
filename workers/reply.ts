// Answers without an endpoint: redirects, fixed replies, and our own when there is nothing else to give.

import type { ReplyConfig } from '../shared/config/parse.ts'
import type { PreflightDecision, RedirectDecision } from '../shared/decide/decision.ts'
import type { RequestFacts } from '../shared/decide/facts.ts'
import { matchedPrefix } from '../shared/decide/match.ts'
import { type Reason, reasons } from '../shared/decide/reason.ts'
import { preflightFields } from '../shared/http/cors.ts'
import { dropContentFields, pageFor, renderPage } from '../shared/http/error-pages.ts'
import { redirectLocation } from '../shared/http/paths.ts'
import { proxyStatus, receivedStatus } from '../shared/http/proxy-status.ts'
import type { HttpRule, Needs } from '../shared/table/table.ts'
import type { EdgeFacts } from './facts.ts'
import { drop } from './try.ts'

/** An error page with its values filled in. */
export interface PageText {
  readonly contentType: string
  readonly text: string
}

/**
 * `404 destination_not_found: No route matches the request.` in one line, or the error page for it, with `Proxy-Status`
 * (RFC 9209).
 *
 * @param details more of the reason
 */
export function answerOurselves(
  method: string,
  reason: Reason,
  status: number,
  details: string | undefined,
  page: PageText | undefined,
): Response {
  const more = details === undefined ? '' : ` (${details})`
  const text = page?.text ?? `${status} ${reason}: ${reasons[reason].says}${more}\n`
  return new Response(method === 'HEAD' ? null : text, {
    status,
    headers: {
      'content-type': page?.contentType ?? 'text/plain; charset=utf-8',
      // A cache may keep a 404 that says nothing else (RFC 9111 section 4.2.2); the route may be there in a minute.
      'cache-control': 'no-store',
      'proxy-status': proxyStatus(reason, details),
    },
  })
}

/** The page of the rule or of the listener for a status of ours; undefined when neither has one. */
export function pageText(
  facts: EdgeFacts | undefined,
  rule: HttpRule | undefined,
  status: number,
): PageText | undefined {
  const page = pageFor(status, rule?.pages, facts?.httpListener?.pages)
  if (page === undefined) return undefined
  return { contentType: page.contentType, text: renderPage(page, facts?.requestId ?? '', rule?.route ?? '') }
}

/** The endpoint's answer with the error page in place of its body; the answer itself when no page replaces it. */
export function replaceByPage(answer: Response, rule: HttpRule, facts: EdgeFacts): Response | undefined {
  const page = pageFor(answer.status, rule.pages, facts.httpListener?.pages)
  if (page?.replaces !== true) return undefined
  drop(answer)
  const headers = new Headers(answer.headers)
  dropContentFields(headers)
  headers.set('content-type', page.contentType)
  headers.append('proxy-status', receivedStatus(answer.status))
  const body = facts.method === 'HEAD' ? null : renderPage(page, facts.requestId, rule.route)
  return new Response(body, { status: answer.status, headers })
}

/** What a browser is told before it asks. */
export function answerPreflight(decision: PreflightDecision, needs: Needs, facts: RequestFacts): Response {
  const at = needs.cors!
  const said = (index: number) => facts.headers[index]
  const response = new Response(null, { status: 204 })
  for (const [name, value] of preflightFields(
    decision.rule.cors!,
    said(at.origin),
    said(at.method),
    said(at.headers),
  )) {
    response.headers.set(name, value)
  }
  response.headers.set('proxy-status', proxyStatus('proxy_internal_response'))
  return response
}

export function redirectTo(decision: RedirectDecision, facts: RequestFacts): Response {
  const { redirect, match } = decision
  const location = redirectLocation(redirect, facts, matchedPrefix(match, facts.path))
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
