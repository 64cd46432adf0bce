// The words of cases: what a request or flow is to get by this config. `fourseven check` asks each of them of the same
// functions that decide for real traffic; no plane is ever told of them.

import type { ValueMatchInput } from './config-http.ts'

/** The names that a case may speak of. */
export interface ExpectNames {
  listener: string
  pool: string
  route: string
  rule: string
  variant: string
}

/** One request or one flow. */
export type ExpectInput<Names extends ExpectNames = ExpectNames> =
  | {
      /** The promise in words, for messages. */
      name?: string
      /** A URL alone is a GET of it. */
      request: string | ExpectRequestInput<Names['listener']>
      gets: HttpGetsInput<Names>
      flow?: never
    }
  | { name?: string; flow: ExpectFlowInput<Names['listener']>; gets: FlowGetsInput<Names>; request?: never }

export interface ExpectRequestInput<Listener extends string = string> {
  /** `https://app.example.com/api?page=2`. */
  url: string
  /** Default `GET`. */
  method?: string
  headers?: Readonly<Record<string, string>>
  cookies?: Readonly<Record<string, string>>
  /** The client's. Default: none that the listener would believe. */
  address?: string
  /** ISO 3166-1 alpha-2 code as the edge knows it. */
  country?: string
  /** Which listener takes it. At the edge the hostname decides, and the case fails where that is another one. */
  listener?: Listener
}

export interface ExpectFlowInput<Listener extends string = string> {
  listener: Listener
  /** The client's address, with or without port. Default `192.0.2.1:50000`. */
  from?: string
  /** At `tls` listeners: the server name asked for. Default: none. */
  sni?: string
  /** At `tls` listeners: the protocols offered. Default: none. */
  alpn?: string | readonly string[]
}

/** Of a list any will do: what is left to chance has to be in it whole. */
export interface FlowGetsInput<Names extends ExpectNames = ExpectNames> {
  route?: Names['route'] | readonly Names['route'][]
  rule?: Names['rule'] | readonly Names['rule'][]
  variant?: Names['variant'] | readonly Names['variant'][]
  pool?: Names['pool'] | readonly Names['pool'][]
  /** By name or address. */
  endpoint?: string | readonly string[]
  /** Why it is turned away, a word of docs/reasons.md. */
  reason?: string
}

export interface HttpGetsInput<Names extends ExpectNames = ExpectNames> extends FlowGetsInput<Names> {
  /** Of an answer of ours: a reply, a redirect, a refusal. */
  status?: number
  /** Where a redirect sends the client. */
  location?: string
  /** The body of an answer of ours. */
  body?: string
  /** What the endpoint is asked for: path and query after the rewrite. */
  path?: string
  /** As the endpoint sees them. */
  requestHeaders?: Readonly<Record<string, ValueMatchInput>>
  /** As the client sees them, when the endpoint itself sends none. */
  responseHeaders?: Readonly<Record<string, ValueMatchInput>>
}
