// What to do now. A decision points into the table and copies nothing: later tries ask `next` of the pool.

import type { RedirectConfig, ReplyConfig } from '../config/parsed.ts'
import type { Endpoint, Pool } from '../pool/pool.ts'
import type { FlowMatch, FlowRule, FlowVariant, HttpMatch, HttpRule, HttpVariant } from '../table/table.ts'
import type { Reason } from './reason.ts'

export type HttpDecision = ForwardDecision | RedirectDecision | PreflightDecision | ReplyDecision

export interface ForwardDecision {
  readonly do: 'forward'
  readonly rule: HttpRule
  /** The match that held: a prefix rewrite wants to know what it consumed. */
  readonly match: HttpMatch
  readonly variant: HttpVariant
  /** Asked in order before any try; each passes or answers. */
  readonly gates: readonly Gate[]
  readonly pool: Pool
  readonly first: Endpoint
  /** What the pool's hash balance or affinity goes by, for later tries. */
  readonly key: string | undefined
  readonly cookies: readonly CookieOut[]
}

export interface RedirectDecision {
  readonly do: 'redirect'
  readonly rule: HttpRule
  readonly match: HttpMatch
  /** Whose redirect it is; undefined when it is the rule's own. */
  readonly variant: HttpVariant | undefined
  /** With the port of the listener filled in. */
  readonly redirect: Redirect
  readonly cookies: readonly CookieOut[]
}

export type Redirect = Omit<RedirectConfig, 'port'> & { readonly port: number | undefined }

/** A browser asks what it may send: answered 204 by us, with what the rule's CORS says. */
export interface PreflightDecision {
  readonly do: 'preflight'
  /** It has CORS. */
  readonly rule: HttpRule
  readonly match: HttpMatch
}

export interface ReplyDecision {
  readonly do: 'reply'
  readonly rule: HttpRule | undefined
  readonly variant: HttpVariant | undefined
  /** Why we answer ourselves; undefined when the config asks for this reply. */
  readonly reason: Reason | undefined
  readonly status: number
  /** More of the reason, for the answer and `Proxy-Status`. */
  readonly details: string | undefined
  /** As the config wrote it; undefined for an answer of our own. */
  readonly reply: ReplyConfig | undefined
  /** Where there was no endpoint to be had; undefined when it did not come so far. */
  readonly pool: Pool | undefined
  readonly cookies: readonly CookieOut[]
}

/** No kind of gate is built yet (access, rate limit and forward-auth will be); the list is there so that planes ask it. */
export type Gate = never

/** A cookie for the answer. The plane signs the value and adds `Secure` when the scheme is https. */
export interface CookieOut {
  readonly name: string
  readonly value: string
  readonly maxAgeS: number
}

export type FlowDecision =
  | {
      readonly do: 'forward'
      readonly rule: FlowRule
      readonly match: FlowMatch
      readonly variant: FlowVariant
      readonly pool: Pool
      readonly first: Endpoint
      readonly key: string | undefined
    }
  | {
      readonly do: 'refuse'
      readonly rule: FlowRule | undefined
      readonly reason: Reason
      /** Where there was no endpoint to be had; undefined when it did not come so far. */
      readonly pool: Pool | undefined
    }
