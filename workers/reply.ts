// Answers without an endpoint as the Worker gives them, and pages in place of an endpoint's body.

import { type OwnAnswer, pageInstead } from '../shared/http/own-answer.ts'
import type { DoorFacts } from '../shared/http/request-facts.ts'
import type { HttpRule } from '../shared/table/table.ts'
import { drop } from './try.ts'

export function responseOf(own: OwnAnswer): Response {
  const response = new Response(own.body, { status: own.status })
  // The runtime gives a text one that nobody asked for.
  response.headers.delete('content-type')
  for (const [name, value] of own.fields) response.headers.append(name, value)
  return response
}

/** The endpoint's answer with the error page in place of its body; undefined when no page replaces it. */
export function replaceByPage(answer: Response, rule: HttpRule, facts: DoorFacts): Response | undefined {
  let headers: Headers | undefined
  const fields = () => {
    headers = new Headers(answer.headers)
    return headers
  }
  const page = pageInstead(answer.status, fields, rule, facts)
  if (page === undefined) return undefined
  drop(answer)
  return new Response(page.text, { status: answer.status, headers: headers! })
}
