// What is known about a request or a flow when the decision is made: only what the table needs, so that it stays
// small, private and can be replayed.

import type { Address } from '../wire/address.ts'
import type { ProxyHeader } from '../wire/proxy-header.ts'

export interface RequestFacts {
  /** Which door it came through: `edge`, or the address of a relay listener. */
  readonly door: string
  readonly scheme: 'http' | 'https'
  /** Lower case, no port, no trailing dot. */
  readonly host: string
  /** 0 when the client named none. */
  readonly port: number
  /** The name the client asked for in its TLS, lower case; undefined without TLS or name, and where the platform ends it. */
  readonly serverName: string | undefined
  readonly method: string
  /** After dot-segment removal by the runtime; percent-encoded unreserved characters decoded; never the query. */
  readonly path: string
  /** With its `?`, or empty. Never logged. */
  readonly search: string
  /** By index of `needs.headers`; undefined when absent. */
  readonly headers: readonly (string | undefined)[]
  readonly cookies: readonly (string | undefined)[]
  /** Our own cookies after their signature was checked: forged or truncated ones are undefined. */
  readonly signedCookies: readonly (string | undefined)[]
  readonly queries: readonly (string | undefined)[]
  /** Canonical text, or `undefined` when nobody trusted says. */
  readonly clientAddress: string | undefined
  /** The same parsed, when `needs.address`. */
  readonly address: Address | undefined
  readonly country: string | undefined
  readonly requestId: string
  /** Milliseconds since 1970. */
  readonly now: number
}

export interface FlowFacts {
  /** The listener's name. */
  readonly listener: string
  readonly clientAddress: string
  /** The same parsed; undefined for a peer without an address. */
  readonly address: Address | undefined
  readonly clientPort: number
  /** Where the client connected to; with a PROXY header that came in, what it says of that. */
  readonly localAddress: string
  readonly localPort: number
  /** Who is at the other end of the connection: the client itself, or the proxy that carried its address here. */
  readonly peerAddress: string
  readonly peerPort: number
  /** Undefined when none was asked for. */
  readonly proxyHeader: ProxyHeader | undefined
  /** What a `tls` listener saw first; `nothing` where nothing is looked at. */
  readonly peeked: 'nothing' | 'hello' | 'not-tls' | 'malformed' | 'too-long'
  /** The server name that the client asks for, lower case; undefined when it names none or no hello was read. */
  readonly sni: string | undefined
  /** The protocols that the client offers; empty when none or no hello was read. */
  readonly alpn: readonly string[]
  readonly now: number
}
