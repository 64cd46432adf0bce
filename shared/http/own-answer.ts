// Answers without an endpoint: redirects, fixed replies, preflights, and our own when there is nothing else to give.

import type { ReplyConfig } from '../config/parsed.ts'
import type { HttpDecision, PreflightDecision, RedirectDecision } from '../decide/decision.ts'
import type { RequestFacts } from '../decide/facts.ts'
import { matchedPrefix } from '../decide/match.ts'
import { type Reason, reasons } from '../decide/reason.ts'
import type { HttpRule, Needs } from '../table/table.ts'
import { preflightFields } from './cors.ts'
import { dropContentFields, pageFor, renderPage } from './error-pages.ts'
import type { HeaderFields } from './header-fields.ts'
import { redirectLocation } from './paths.ts'
import { proxyStatus, receivedStatus } from './proxy-status.ts'
import type { DoorFacts } from './request-facts.ts'

export interface OwnAnswer {
  readonly status: number
  readonly fields: readonly (readonly [name: string, value: string])[]
  /** Null: none. */
  readonly body: string | null
}

/** An error page with its values filled in. */
export interface PageText {
  readonly contentType: string
  readonly text: string
}

/** The answer that a decision without an endpoint asks for. */
export function answerTo(
  decision: Exclude<HttpDecision, { do: 'forward' }>,
  needs: Needs,
  facts: DoorFacts,
): OwnAnswer {
  switch (decision.do) {
    case 'redirect':
      return redirectTo(decision, facts)
    case 'preflight':
      return answerPreflight(decision, needs, facts)
    case 'reply': {
      const { rule, reply, reason, status, details } = decision
      if (reply !== undefined) return replyAsConfigured(facts.method, reply)
      const page = pageText(facts, rule, status)
      return answerOurselves(facts.method, reason ?? 'proxy_internal_error', status, details, page)
    }
  }
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
): OwnAnswer {
  const more = details === undefined ? '' : ` (${details})`
  const text = page?.text ?? `${status} ${reason}: ${reasons[reason].says}${more}\n`
  return {
    status,
    fields: [
      ['content-type', page?.contentType ?? 'text/plain; charset=utf-8'],
      // A cache may keep a 404 that says nothing else (RFC 9111 section 4.2.2); the route may be there in a minute.
      ['cache-control', 'no-store'],
      ['proxy-status', proxyStatus(reason, details)],
    ],
    body: method === 'HEAD' ? null : text,
  }
}

/** The page of the rule or of the listener for a status of ours; undefined when neither has one. */
export function pageText(
  facts: DoorFacts | undefined,
  rule: HttpRule | undefined,
  status: number,
): PageText | undefined {
  const page = pageFor(status, rule?.pages, facts?.httpListener?.pages)
  if (page === undefined) return undefined
  return { contentType: page.contentType, text: renderPage(page, facts?.requestId ?? '', rule?.route ?? '') }
}

/**
 * The page that stands in for the body of an endpoint's answer; undefined when none does. The fields are changed to fit
 * it; the body itself is the plane's to drop.
 */
export function pageInstead(
  status: number,
  fields: () => HeaderFields,
  rule: HttpRule,
  facts: DoorFacts,
): { readonly text: string | null } | undefined {
  const page = pageFor(status, rule.pages, facts.httpListener?.pages)
  if (page?.replaces !== true) return undefined
  const changed = fields()
  dropContentFields(changed)
  changed.set('content-type', page.contentType)
  changed.append('proxy-status', receivedStatus(status))
  return { text: facts.method === 'HEAD' ? null : renderPage(page, facts.requestId, rule.route) }
}

/** What a browser is told before it asks. */
function answerPreflight(decision: PreflightDecision, needs: Needs, facts: RequestFacts): OwnAnswer {
  const at = needs.cors!
  const said = (index: number) => facts.headers[index]
  const fields = preflightFields(decision.rule.cors!, said(at.origin), said(at.method), said(at.headers))
  return { status: 204, fields: [...fields, ['proxy-status', proxyStatus('proxy_internal_response')]], body: null }
}

function redirectTo(decision: RedirectDecision, facts: RequestFacts): OwnAnswer {
  const { redirect, match } = decision
  const location = redirectLocation(redirect, facts, matchedPrefix(match, facts.path))
  const fields = [['location', location] as const, ['proxy-status', proxyStatus('proxy_internal_response')] as const]
  return { status: redirect.status, fields, body: null }
}

function replyAsConfigured(method: string, reply: ReplyConfig): OwnAnswer {
  const { status, body, headers } = reply
  const hasBody = body !== '' && method !== 'HEAD' && status !== 204 && status !== 205 && status !== 304
  const fields = [...headers, ['proxy-status', proxyStatus('proxy_internal_response')] as const]
  return { status, fields, body: hasBody ? body : null }
}
