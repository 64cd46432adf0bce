// The shape of cases as zod reads it.

import * as z from 'zod'
import { bounds, defaults } from './defaults.ts'
import { valueMatch } from './schema-http.ts'
import { list, nonEmpty, oneOrMore, record, text, whole } from './schema-values.ts'

const anyOf = (what: string) => oneOrMore(z.string()).meta({ description: `${what}; of a list any.` })

const flowGetsFields = {
  route: anyOf('The route that takes it').exactOptional(),
  rule: anyOf('The rule: its name, or its place in the route from 0').exactOptional(),
  variant: anyOf('The variant; a rule with one pool has one variant, named as the pool').exactOptional(),
  pool: anyOf('The pool').exactOptional(),
  endpoint: anyOf('The endpoint, by name or address').exactOptional(),
  reason: nonEmpty('Why it is turned away: destination_not_found.').exactOptional(),
}
const headers = record(valueMatch)

const flowGets = z
  .strictObject(flowGetsFields)
  .meta({ id: 'FlowGets', description: 'What a flow gets. At least one field.' })
const httpGets = z
  .strictObject({
    ...flowGetsFields,
    status: whole(bounds.replyStatus).meta({ description: 'Of an answer of ours.' }).exactOptional(),
    location: text('Where a redirect sends the client.').exactOptional(),
    body: text('The body of an answer of ours.').exactOptional(),
    path: text('What the endpoint is asked for: path and query after the rewrite.').exactOptional(),
    requestHeaders: headers.meta({ description: 'As the endpoint sees them.' }).exactOptional(),
    responseHeaders: headers
      .meta({ description: 'As the client sees them, when the endpoint itself sends none.' })
      .exactOptional(),
  })
  .meta({ id: 'HttpGets', description: 'What a request gets. At least one field.' })

const request = z
  .strictObject({
    url: nonEmpty('https://app.example.com/api?page=2.'),
    method: z.string().meta({ default: 'GET' }).exactOptional(),
    headers: record(z.string()).exactOptional(),
    cookies: record(z.string()).exactOptional(),
    address: nonEmpty("The client's address.").exactOptional(),
    country: nonEmpty('ISO 3166-1 alpha-2 code, as the edge knows it.').exactOptional(),
    listener: nonEmpty('Which listener takes it; at the edge the hostname decides.').exactOptional(),
  })
  .meta({ id: 'ExpectRequest', description: 'A request to ask about.' })
const flow = z
  .strictObject({
    listener: nonEmpty('The name of a listener of flows.'),
    from: z
      .string()
      .meta({ description: "The client's address, with or without port.", default: defaults.caseFrom })
      .exactOptional(),
    sni: nonEmpty('At tls listeners: the server name asked for.').exactOptional(),
    alpn: oneOrMore(z.string()).meta({ description: 'At tls listeners: the protocols offered.' }).exactOptional(),
  })
  .meta({ id: 'ExpectFlow', description: 'A connection or session to ask about.' })

const name = { name: nonEmpty('The promise in words, for messages.').exactOptional() }
export const requestCase = z
  .strictObject({ ...name, request: z.union([nonEmpty('A GET of this URL.'), request]), gets: httpGets })
  .meta({ id: 'RequestCase' })
export const flowCase = z.strictObject({ ...name, flow, gets: flowGets }).meta({ id: 'FlowCase' })
export const expectedCases = list(z.union([requestCase, flowCase])).meta({
  description: 'What requests and flows are to get; `fourseven check` proves it.',
})
