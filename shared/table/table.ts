// What the machine reads: plain data without closures, so that it can be cloned to a thread. One table, one pointer:
// a reload builds a new one and replaces a single reference.

import type { ClientAddressSource, Filters, RedirectConfig, ReplyConfig, RetryConfig } from '../config/parse.ts'
import type { Pool } from '../pool/pool.ts'
import type { Cidr } from '../wire/address.ts'
import type { CompiledEdits } from './edits.ts'
import type { Rank } from './precedence.ts'
import type { RouteIndex } from './route-index.ts'
import type { Slots } from './slots.ts'

export interface Table {
  readonly needs: Needs
  readonly pools: readonly Pool[]
  /** Endpoint id to its column in `observed`; kept over reloads. */
  readonly slots: ReadonlyMap<string, number>
  /** By the name a plane gives its door in the facts: `edge`. */
  readonly httpDoors: ReadonlyMap<string, HttpDoor>
  /** By listener name. */
  readonly flowListeners: ReadonlyMap<string, FlowListener>
}

/** What `compile` found to matter. `readFacts` extracts these and nothing else; facts refer to them by index. */
export interface Needs {
  /** Lower case. */
  readonly headers: readonly string[]
  readonly cookies: readonly string[]
  /** Cookies of our own: their signature is checked before anything believes them. */
  readonly signedCookies: readonly string[]
  readonly queries: readonly string[]
  /** A match, a split or a hash asks for the parsed client address. */
  readonly address: boolean
  readonly country: boolean
}

export interface HttpDoor {
  readonly listeners: readonly HttpListener[]
}

export interface HttpListener {
  readonly name: string
  readonly hostnames: readonly string[]
  readonly clientAddress: ClientAddressSource
  readonly index: RouteIndex
}

export interface HttpRule {
  /** `route/rule`, unique: what records and metrics say. */
  readonly id: string
  readonly route: string
  readonly name: string
  /** Where it stands in the config file. */
  readonly path: string
  readonly action:
    | { readonly do: 'forward'; readonly variants: readonly HttpVariant[]; readonly split: Split | undefined }
    | { readonly do: 'redirect'; readonly redirect: RedirectConfig }
    | { readonly do: 'reply'; readonly reply: ReplyConfig }
  readonly filters: Filters
  /** For redirects and replies, which have no variant. */
  readonly responseEdits: CompiledEdits | undefined
  readonly retry: RetryConfig
  readonly timeouts: { readonly requestMs: number; readonly tryMs: number }
}

export interface HttpVariant {
  readonly name: string
  readonly weight: number
  /** Either this or `reply`. */
  readonly pool: Pool | undefined
  readonly reply: ReplyConfig | undefined
  /** The rule's own and then the variant's, as written; the edits are the same compiled. */
  readonly filters: Filters
  readonly requestEdits: CompiledEdits | undefined
  readonly responseEdits: CompiledEdits | undefined
}

/** One match of one rule: all its conditions must hold. */
export interface HttpMatch {
  /** What the index looks for: an exact path, a prefix without its slash at the end (`/` is empty); empty for a regex. */
  readonly text: string
  /** See `asksOf`. */
  readonly asks: number
  /** The rule's variant when it has one and no split: then there is nothing to choose. */
  readonly only: HttpVariant | undefined
  /** The pool of that variant. */
  readonly pool: Pool | undefined
  readonly rule: HttpRule
  /** The rule's split and variants, where a choice needs no further look at memory. */
  readonly split: Split | undefined
  readonly variants: readonly HttpVariant[]
  /** Its place among the rule's matches. */
  readonly place: number
  readonly path: { readonly kind: 'exact' | 'prefix' | 'regex'; readonly value: string }
  /** Of a path regex. */
  readonly regex: RegExp | undefined
  /** Undefined: any method. */
  readonly methods: readonly string[] | undefined
  readonly conditions: readonly Condition[]
  /** Without the hostname steps: sorts the matches of one hostname. */
  readonly rank: Rank
}

export type Condition =
  | {
      readonly on: 'header' | 'cookie' | 'query'
      readonly name: string
      /** Into `needs` and the facts. */
      readonly index: number
      readonly op: 'exact' | 'present' | 'absent' | 'regex'
      readonly value: string
      readonly regex: RegExp | undefined
    }
  | { readonly on: 'address'; readonly cidrs: readonly Cidr[] }
  | { readonly on: 'country'; readonly countries: readonly string[] }

export interface Split {
  readonly name: string
  /** hash32 of name and salt: the seed under which keys are hashed to slots. */
  readonly seed: number
  readonly slots: Slots
  /** The same packed for look-ups: `ownerAt`. */
  readonly ranges: readonly number[]
  readonly by: SplitKey
  readonly fallback: 'address' | 'draw'
  /** The cookie that remembers the first variant; undefined when users follow the weights. */
  readonly pin: { readonly cookie: string; readonly index: number } | undefined
  readonly epoch: number
  readonly force: ForceRule | undefined
  readonly isExposed: boolean
}

export type SplitKey =
  /** `isIssued`: we set it when it is missing, signed when there is a key; else it is the application's own. */
  | { readonly from: 'cookie'; readonly name: string; readonly index: number; readonly isIssued: boolean }
  | { readonly from: 'header'; readonly name: string; readonly index: number }
  | { readonly from: 'address' }

export interface ForceRule {
  readonly header: { readonly name: string; readonly index: number } | undefined
  readonly cookie: { readonly name: string; readonly index: number } | undefined
  /** Index of the variant that `always` means. */
  readonly to: number
}

export interface FlowListener {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly maxConnections: number
  /** In rank order: most specific client address first, then list order. */
  readonly matches: readonly FlowMatch[]
}

export interface FlowRule {
  readonly id: string
  readonly route: string
  readonly name: string
  readonly path: string
  readonly variants: readonly FlowVariant[]
  readonly split: Split | undefined
  readonly attempts: number
  readonly timeouts: { readonly connectMs: number; readonly idleMs: number }
}

export interface FlowVariant {
  readonly name: string
  readonly weight: number
  readonly pool: Pool
}

export interface FlowMatch {
  readonly rule: FlowRule
  readonly place: number
  /** Empty: any client. */
  readonly cidrs: readonly Cidr[]
}
