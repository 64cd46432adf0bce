// What the machine reads: plain data without closures, so that it can be cloned to a thread. One table, one pointer:
// a reload builds a new one and replaces a single reference.

import type { CacheConfig, CompressConfig } from '../config/parse-cache.ts'
import type { CacheStoreConfig } from '../config/parse-cache-store.ts'
import type {
  ClientAddressSource,
  DoorLimits,
  Filters,
  HedgeConfig,
  HttpTimeouts,
  KernelConfig,
  PeekConfig,
  RedirectConfig,
  ReplyConfig,
  RetryConfig,
  SessionCounts,
  SessionKey,
  TlsEndingConfig,
} from '../config/parsed.ts'
import type { SubrequestPlan } from '../config/subrequests.ts'
import type { Pool } from '../pool/pool.ts'
import type { Cidr } from '../wire/address.ts'
import type { Cors } from './cors.ts'
import type { CompiledEdits } from './edits.ts'
import type { ErrorPage } from './pages.ts'
import type { Rank } from './precedence.ts'
import type { RouteIndex } from './route-index.ts'
import type { Slots } from './slots.ts'

export interface Table {
  /** Names who runs this config with these endpoints: a request that comes back with it is in a loop. */
  readonly instance: string
  readonly needs: Needs
  readonly pools: readonly Pool[]
  /** Endpoint id to its column in `observed`; kept over reloads. */
  readonly slots: ReadonlyMap<string, number>
  /** Pool name to its index in `observed`; kept over reloads, so with gaps. */
  readonly poolIndexes: ReadonlyMap<string, number>
  /** By the name a plane gives its door in the facts: `edge`, or `httpDoorName` of a listener of the relay. */
  readonly httpDoors: ReadonlyMap<string, HttpDoor>
  /** By listener name. */
  readonly flowListeners: ReadonlyMap<string, FlowListener>
  /** Of a relay. */
  readonly cacheStore: CacheStoreConfig
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
  /** A match or a header value asks for it. */
  readonly country: boolean
  /** Where CORS finds its request headers; undefined when no rule has it. */
  readonly cors: CorsNeeds | undefined
}

/** Into `headers`. */
export interface CorsNeeds {
  readonly origin: number
  readonly method: number
  readonly headers: number
}

export interface HttpDoor {
  readonly listeners: readonly HttpListener[]
}

export interface HttpListener {
  readonly name: string
  /** Where it listens; 0 where that is not for the config to say. */
  readonly port: number
  readonly hostnames: readonly string[]
  readonly clientAddress: ClientAddressSource
  /** How many requests may be made for one of a client; Infinity at the relay. */
  readonly subrequests: number
  readonly pages: readonly ErrorPage[] | undefined
  readonly limits: DoorLimits
  readonly hasVia: boolean
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
  readonly hedge: HedgeConfig | undefined
  readonly mirrors: readonly Mirror[]
  /** What it may take at worst. */
  readonly subrequests: SubrequestPlan
  readonly timeouts: { readonly [Each in keyof HttpTimeouts]: number }
  readonly cors: Cors | undefined
  readonly pages: readonly ErrorPage[] | undefined
  /** Infinity when not limited. */
  readonly maxBodyBytes: number
  /** The part of its requests that are recorded, 0 to 1. */
  readonly sample: number
  readonly cache: CacheConfig | undefined
  readonly compress: CompressConfig | undefined
}

export interface Mirror {
  readonly pool: Pool
  /** Of requests, 0 to 1. */
  readonly share: number
}

export interface HttpVariant {
  readonly name: string
  readonly weight: number
  /** Either this, `redirect` or `reply`. */
  readonly pool: Pool | undefined
  readonly redirect: RedirectConfig | undefined
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
  | { readonly from: 'draw' }

export interface ForceRule {
  readonly header: { readonly name: string; readonly index: number } | undefined
  readonly cookie: { readonly name: string; readonly index: number } | undefined
  /** Index of the variant that `always` means. */
  readonly to: number
}

/** How long connections of HTTP may take for what. */
export interface HttpTerms {
  /** Some rule at it stores answers: they stand in the memory of one thread, so one thread serves it. */
  readonly hasCache: boolean
  readonly headerTimeoutMs: number
  readonly keepAliveTimeoutMs: number
  /** Infinity where the config says nothing. */
  readonly age: { readonly maxMs: number; readonly graceMs: number }
}

/** A place at the relay where connections come in. */
export interface FlowListener {
  readonly kind: 'http' | 'tcp' | 'tls' | 'udp'
  readonly name: string
  /** An address, a name, or the path of a unix socket. */
  readonly host: string
  readonly port: number
  readonly socketMode: number | undefined
  readonly maxConnections: number
  /** Infinity when not limited, as is `acceptRate`. */
  readonly maxConnectionsPerAddress: number
  readonly acceptRate: number
  /** Empty: everybody. */
  readonly allow: readonly Cidr[]
  readonly deny: readonly Cidr[]
  /** What a `tls` listener looks at before it decides. */
  readonly peek: PeekConfig | undefined
  /** Undefined: bytes pass through as they are. */
  readonly ending: TlsEndingConfig | undefined
  /** What makes datagrams one session; of `udp` listeners only. */
  readonly sessionKey: SessionKey | undefined
  /** Narrowest first: the first that holds the peer says whether its connections begin with a PROXY header. */
  readonly proxySources: readonly { readonly cidr: Cidr; readonly isRequired: boolean; readonly isInEach: boolean }[]
  /** Undefined: this program carries the bytes. */
  readonly kernel: KernelConfig | undefined
  /** Of an `http` listener. */
  readonly http: HttpTerms | undefined
  /** In rank order: see `flowSteps`. None at an `http` listener, whose requests are matched one by one. */
  readonly matches: readonly FlowMatch[]
  /** The same by server name, whole or wildcard, each in rank order. */
  readonly byName: ReadonlyMap<string, readonly FlowMatch[]>
  /** Those that ask for no name. */
  readonly anyName: readonly FlowMatch[]
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
  /** Of `udp` listeners. */
  readonly session: SessionCounts
}

export interface FlowVariant {
  readonly name: string
  readonly weight: number
  readonly pool: Pool
}

/** One match of one rule under one of its server names. */
export interface FlowMatch {
  readonly rule: FlowRule
  readonly place: number
  /** Lower case, `*.` may stand in front; undefined: any client, also one that names none or speaks no TLS. */
  readonly sni: string | undefined
  /** Empty: any client. */
  readonly alpn: readonly string[]
  /** Empty: any client. */
  readonly cidrs: readonly Cidr[]
}
