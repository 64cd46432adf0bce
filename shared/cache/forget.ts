// Which stored answers a request has made out of date, by the rule that would serve a GET of them.

import type { RequestFacts } from '../decide/facts.ts'
import { decideHttp } from '../decide/http.ts'
import type { HeaderFields } from '../http/header-fields.ts'
import type { Observed } from '../pool/observed.ts'
import type { Table } from '../table/table.ts'
import { invalidatedBy } from './invalidate.ts'
import { keyOf, urlOf } from './key.ts'

/**
 * After an unsafe method succeeded: the keys of what is stored for the same URL, and for where `Location` and
 * `Content-Location` point, under every variant of the rule that a GET of it would have (RFC 9111 section 4.4).
 */
export function keysToForget(
  table: Table,
  facts: RequestFacts,
  observed: Observed,
  request: HeaderFields,
  status: number,
  answer: HeaderFields,
): readonly string[] {
  return invalidatedBy(facts.method, urlOf(facts), status, answer).flatMap(url => {
    const { pathname: path, search } = new URL(url)
    const decision = decideHttp(table, { ...facts, method: 'GET', path, search }, observed, 0)
    const rule = decision.do === 'forward' || decision.do === 'reply' ? decision.rule : undefined
    if (rule?.cache === undefined || rule.action.do !== 'forward') return []
    return rule.action.variants.map(variant => keyOf(rule, variant, url, request))
  })
}
