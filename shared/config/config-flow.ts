// The words of flow routes: what a rule may ask of a connection before its bytes, and where it goes.

import type { HttpRuleInput, SplitInput } from './config-http.ts'
import type { Duration } from './config-values.ts'

export interface FlowMatchInput {
  /** Client address in any of these CIDRs. */
  address?: string | readonly string[]
}

/** At `tls` listeners. */
export interface TlsMatchInput extends FlowMatchInput {
  /** The server name that the client asks for: `app.example.com`, `*.example.com`, or a list of which any. */
  sni?: string | readonly string[]
  /** The client offers any of these protocols: `h2`, `http/1.1`, `postgresql`. */
  alpn?: string | readonly string[]
}

export interface FlowVariantInput<Pool extends string = string, Name extends string = string> {
  name: Name
  weight: number
  pool: Pool
}

export interface FlowTimeoutsInput {
  /** All tries together, until an endpoint is connected. Default `2s`. */
  connect?: Duration
  /** No byte either way. Default `1h`. */
  idle?: Duration
}

export interface FlowRuleInput<
  Pool extends string = string,
  Match = TlsMatchInput,
  Name extends string = string,
  Variant extends string = string,
> {
  name?: Name
  match?: Match | readonly Match[]
  /** Exactly one of `pool` and `variants`. */
  pool?: Pool
  variants?: readonly FlowVariantInput<Pool, Variant>[]
  /** Flows are split by client address, or with `by: "draw"` each anew. */
  split?: Pick<SplitInput, 'name' | 'salt'> & { by?: 'address' | 'draw' }
  /** Tries in all, within the connect timeout. Default 3. */
  retry?: { attempts?: number } | false
  timeouts?: FlowTimeoutsInput
}

/** At `udp` listeners: there is nothing to connect, and a session may end by counts. */
export interface UdpRuleInput<
  Pool extends string = string,
  Name extends string = string,
  Variant extends string = string,
> extends Omit<FlowRuleInput<Pool, FlowMatchInput, Name, Variant>, 'retry' | 'timeouts'> {
  timeouts?: {
    /** No datagram either way. Default `60s`. */
    idle?: Duration
  }
  session?: SessionInput
}

/** Counts that end a session before it is idle. */
export interface SessionInput {
  /** Datagrams that a client sends in one session; the next one begins another. Off by default. */
  requests?: number
  /** Answers to each datagram of the client; with all of them the session is over. 0: none is waited for. Off by default. */
  responses?: number
}

interface FlowRouteHead<Listener extends string, Name extends string> {
  name: Name
  listener: Listener | readonly Listener[]
}

type HttpOnly = Exclude<keyof HttpRuleInput | 'hostnames', keyof FlowRuleInput>
type RouteOf<Listener extends string, Name extends string, Rule, OneRule, Elsewhere extends string> =
  | (FlowRouteHead<Listener, Name> & { rules: readonly Rule[] } & {
      [Field in Elsewhere | Exclude<keyof Rule & string, 'name'>]?: never
    })
  | (FlowRouteHead<Listener, Name> & Omit<OneRule, 'name'> & { rules?: never } & { [Field in Elsewhere]?: never })

export type FlowRouteInput<
  Listener extends string = string,
  Pool extends string = string,
  Match = TlsMatchInput,
  Name extends string = string,
  Rule extends string = string,
  Variant extends string = string,
> = RouteOf<
  Listener,
  Name,
  FlowRuleInput<Pool, Match, Rule, Variant>,
  FlowRuleInput<Pool, Match, string, Variant>,
  HttpOnly | 'session'
>

export type UdpRouteInput<
  Listener extends string = string,
  Pool extends string = string,
  Name extends string = string,
  Rule extends string = string,
  Variant extends string = string,
> = RouteOf<Listener, Name, UdpRuleInput<Pool, Rule, Variant>, UdpRuleInput<Pool, string, Variant>, HttpOnly | 'retry'>
