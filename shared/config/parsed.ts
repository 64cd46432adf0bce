// What parse makes of a config: nothing is missing, and every value is of the kind that its name says.

import type { ProbeRegion } from './config-pool.ts'
import type { CacheConfig, CompressConfig } from './parse-cache.ts'
import type { CacheStoreConfig } from './parse-cache-store.ts'

/** A config with every default filled in: durations in milliseconds, sizes in bytes, shorthands spelled out. */
export interface Config {
  readonly listeners: readonly Listener[]
  readonly pools: readonly PoolConfig[]
  readonly routes: readonly Route[]
  /** Of the relay: how many listen; `auto`: one for each core. */
  readonly threads: 'auto' | number
  readonly cacheStore: CacheStoreConfig
}

export type Listener = EdgeListener | RelayHttpListener | TcpListener | TlsListener | UdpListener

export interface EdgeListener {
  readonly kind: 'edge'
  readonly name: string
  /** Lower case, without trailing dot; empty means any host. */
  readonly hostnames: readonly string[]
  readonly clientAddress: ClientAddressSource
  /** The Worker may make so many requests for one of a client. */
  readonly subrequests: number
  readonly errorPages: readonly ErrorPageConfig[]
  readonly limits: DoorLimits
  readonly hasVia: boolean
}

/** HTTP at the relay. */
export interface RelayHttpListener extends FlowPlace {
  readonly kind: 'http'
  readonly hostnames: readonly string[]
  readonly clientAddress: ClientAddressSource
  readonly errorPages: readonly ErrorPageConfig[]
  readonly limits: DoorLimits
  readonly hasVia: boolean
  /** Undefined: in the clear. */
  readonly ending: TlsEndingConfig | undefined
  /** The listener before it at the same address, which takes the connections of both. */
  readonly shares: string | undefined
  readonly headerTimeoutMs: number
  readonly keepAliveTimeoutMs: number
  /** Undefined: none is ever too old, and nothing is cut. */
  readonly maxConnectionAgeMs: number | undefined
  readonly maxConnectionAgeGraceMs: number | undefined
}

export interface TcpListener extends FlowPlace {
  readonly kind: 'tcp'
}

/** How the kernel carries the bytes of a listener. */
export interface KernelConfig {
  readonly mode: 'nat' | 'dsr'
  /** Of `dsr`; empty for `nat`. */
  readonly interface: string
  /** Of `nat`; with `dsr` the client's is always kept. */
  readonly source: 'keep' | 'relay'
  readonly seed: number
  /** Undefined: as the pool's balance has it. */
  readonly key: 'flow' | 'address' | undefined
}

export interface TlsListener extends FlowPlace {
  readonly kind: 'tls'
  readonly peek: PeekConfig
  /** Undefined: TLS passes through. */
  readonly ending: TlsEndingConfig | undefined
}

/** Its sessions are counted as connections are elsewhere. */
export interface UdpListener extends FlowPlace {
  readonly kind: 'udp'
  readonly key: SessionKey
}

/** What makes datagrams one session. */
export type SessionKey =
  | { readonly by: 'flow' | 'address' }
  /** Connection ids that endpoints give have so many bytes. */
  | { readonly by: 'quic'; readonly idLength: number }

/** What listeners of flows have in common. */
export interface FlowPlace {
  readonly name: string
  /** An address, a name, or the path of a unix socket. */
  readonly host: string
  /** 0 takes a free one; a unix socket has none. */
  readonly port: number
  /** Permissions of a unix socket; undefined leaves them to the umask. */
  readonly socketMode: number | undefined
  readonly maxConnections: number
  /** Undefined when not limited, as is `acceptRate`. */
  readonly maxConnectionsPerAddress: number | undefined
  /** A second. */
  readonly acceptRate: number | undefined
  /** Empty: everybody. */
  readonly allow: readonly string[]
  readonly deny: readonly string[]
  readonly proxyProtocol: readonly ProxySourceConfig[]
  /** Undefined: this program carries the bytes. */
  readonly kernel: KernelConfig | undefined
}

export interface PeekConfig {
  readonly timeoutMs: number
  readonly maxBytes: number
  readonly startTls: 'postgres' | undefined
}

/** TLS ends at the listener. Files are named as written. */
export interface TlsEndingConfig {
  /** At least one. */
  readonly certificates: readonly { readonly cert: string; readonly key: string }[]
  readonly alpn: readonly string[]
  readonly clientCa: string | undefined
  readonly needsClientCertificate: boolean
}

/** TLS begins here, towards `tls://` endpoints. */
export interface EndpointTlsConfig {
  readonly ca: string | undefined
  readonly cert: string | undefined
  readonly key: string | undefined
  readonly serverName: string | undefined
  readonly isVerified: boolean
}

/** Whose connections begin with a PROXY header, or do not though a wider CIDR says so. */
export interface ProxySourceConfig {
  readonly cidrs: readonly string[]
  readonly isRequired: boolean
  /** Every datagram has one, not only the first of a session. */
  readonly isInEach: boolean
}

/** What a door takes of a request; beyond it is refused before any rule is asked. */
export interface DoorLimits {
  readonly maxUrlBytes: number
  readonly maxHeaders: number
  readonly maxHeaderBytes: number
}

export type ClientAddressSource =
  | { readonly from: 'cloudflare' }
  | { readonly from: 'none' }
  | { readonly from: 'peer'; readonly trustedProxies: readonly string[] }

export interface PoolConfig {
  readonly name: string
  readonly endpoints: readonly EndpointConfig[]
  readonly balance: Balance
  readonly panicPercent: number
  readonly overprovisioning: number
  readonly slowStartMs: number
  readonly affinity: { readonly cookie: string; readonly maxAgeS: number } | undefined
  readonly outlier: OutlierConfig | undefined
  /** Undefined when not limited: the edge gets its config as JSON, where Infinity would become null. */
  readonly maxRequests: number | undefined
  readonly maxRequestsPerEndpoint: number | undefined
  readonly retryBudget: { readonly percent: number; readonly perSecond: number | undefined }
  /** For `tls://` endpoints; undefined: the host's name, verified against the system's authorities. */
  readonly tls: EndpointTlsConfig | undefined
  readonly sendProxy: SendProxyConfig | undefined
  readonly probe: ProbeConfig | undefined
  readonly queue: QueueConfig | undefined
}

/** Where flows wait that meet a limit of the pool. */
export interface QueueConfig {
  readonly max: number
  readonly timeoutMs: number
}

export interface SendProxyConfig {
  readonly version: 1 | 2
  /** True: what is known; a text: that one. */
  readonly authority: boolean | string
  readonly alpn: boolean | string
  readonly hasUniqueId: boolean
  readonly hasSsl: boolean
  readonly hasChecksum: boolean
  /** Every datagram has one, not only the first of a session. */
  readonly isInEach: boolean
  /** Types 0xe0 to 0xef; the texts may hold names in braces. */
  readonly custom: readonly { readonly type: number; readonly text: string }[]
}

export interface ProbeConfig {
  readonly kind: 'tcp' | 'tls' | 'http' | 'redis' | 'postgres' | 'grpc' | 'udp'
  readonly path: string
  /** The lowest and the highest that pass. */
  readonly status: readonly [lowest: number, highest: number]
  /** Has to stand in the first 10 KiB; undefined: any body. */
  readonly body: string | undefined
  /** Of gRPC; empty for the server as a whole. */
  readonly service: string
  /** In hex: what a probe by UDP sends, and how its answer has to begin. */
  readonly payload: string
  readonly expect: string
  readonly intervalMs: number
  readonly timeoutMs: number
  /** There a probe comes from far away, and each costs. */
  readonly edge: {
    readonly intervalMs: number
    readonly timeoutMs: number
    /** Each once; empty: from wherever the object is. */
    readonly regions: readonly ProbeRegion[]
  }
  readonly fall: number
  readonly rise: number
  readonly startsDown: boolean
}

export interface EndpointConfig {
  /** As written, `${NAME}` unresolved: `compile` resolves it with the variables of where it runs. */
  readonly address: string
  readonly name: string | undefined
  readonly weight: number
  readonly priority: number
}

export type Balance =
  | { readonly by: 'round-robin' | 'random' | 'least-requests' | 'latency' }
  | { readonly by: 'hash'; readonly key: HashKey; readonly boundedLoad: number | undefined }
export type HashKey =
  | { readonly from: 'address' | 'flow' }
  | { readonly from: 'header' | 'cookie'; readonly name: string }

export interface OutlierConfig {
  readonly consecutiveFailures: number
  readonly successRateFactor: number
  readonly baseEjectionMs: number
  readonly maxEjectionMs: number
  readonly maxEjectedPercent: number
}

export type Route = HttpRoute | FlowRoute

export interface HttpRoute {
  readonly layer: 7
  readonly name: string
  readonly listeners: readonly string[]
  readonly hostnames: readonly string[]
  readonly rules: readonly HttpRule[]
}

export interface FlowRoute {
  readonly layer: 4
  readonly name: string
  readonly listeners: readonly string[]
  readonly rules: readonly FlowRule[]
}

export interface HttpRule {
  /** As written, or its place in the route: `0`, `1`, … */
  readonly name: string
  /** Where it stands in the file, for messages: `routes[2].rules[0]`, or `routes[2]` for the one-rule form. */
  readonly path: string
  /** At least one. */
  readonly matches: readonly HttpMatchConfig[]
  readonly action:
    | {
        readonly do: 'forward'
        readonly variants: readonly HttpVariantConfig[]
        readonly split: SplitConfig | undefined
      }
    | { readonly do: 'redirect'; readonly redirect: RedirectConfig }
    | { readonly do: 'reply'; readonly reply: ReplyConfig }
  readonly filters: Filters
  readonly retry: RetryConfig
  readonly hedge: HedgeConfig | undefined
  readonly mirrors: readonly MirrorConfig[]
  readonly timeouts: HttpTimeouts
  readonly cors: CorsConfig | undefined
  readonly errorPages: readonly ErrorPageConfig[]
  /** Undefined when not limited. */
  readonly maxBodyBytes: number | undefined
  /** The part of its requests that are recorded, 0 to 1. */
  readonly sample: number
  readonly cache: CacheConfig | undefined
  readonly compress: CompressConfig | undefined
}

export interface HttpTimeouts {
  readonly requestMs: number
  readonly tryMs: number
  /** Undefined where it is not written: the default of the relay; the edge has neither. */
  readonly connectMs: number | undefined
  readonly idleMs: number | undefined
  /** Of a gRPC call in all. Undefined: what its client says. */
  readonly callMs: number | undefined
}

export interface FlowRule {
  readonly name: string
  readonly path: string
  readonly matches: readonly FlowMatchConfig[]
  readonly variants: readonly FlowVariantConfig[]
  readonly split: SplitConfig | undefined
  readonly attempts: number
  readonly timeouts: { readonly connectMs: number; readonly idleMs: number }
  readonly session: SessionCounts
}

/** Undefined: without end. */
export interface SessionCounts {
  /** Datagrams of the client. */
  readonly requests: number | undefined
  /** Answers to each of them. */
  readonly responses: number | undefined
}

/** An empty list takes any. */
export interface FlowMatchConfig {
  readonly address: readonly string[]
  /** Lower case; `*.` may stand in front. */
  readonly sni: readonly string[]
  readonly alpn: readonly string[]
}

export interface HttpMatchConfig {
  /** Absent in the file means the prefix `/`. Prefixes end without a slash, but for `/` itself. */
  readonly path: { readonly kind: 'exact' | 'prefix' | 'regex'; readonly value: string }
  /** Upper case; empty means any. */
  readonly methods: readonly string[]
  /** Names in lower case. */
  readonly headers: readonly NamedValueMatch[]
  readonly queries: readonly NamedValueMatch[]
  readonly cookies: readonly NamedValueMatch[]
  readonly addresses: readonly string[]
  readonly countries: readonly string[]
}

export interface NamedValueMatch {
  readonly name: string
  readonly op: 'exact' | 'regex' | 'present' | 'absent'
  /** Empty for `present` and `absent`. */
  readonly value: string
}

/** A rule with one pool is a rule with one variant named as the pool, and no split. */
export interface HttpVariantConfig {
  readonly name: string
  readonly weight: number
  readonly to: { readonly pool: string } | { readonly redirect: RedirectConfig } | { readonly reply: ReplyConfig }
  readonly filters: Filters
}

export interface FlowVariantConfig {
  readonly name: string
  readonly weight: number
  readonly pool: string
}

export interface SplitConfig {
  readonly name: string
  readonly salt: string
  readonly by:
    | { readonly from: 'cookie'; readonly name: string; readonly isIssued: boolean }
    | { readonly from: 'header'; readonly name: string }
    | { readonly from: 'address' }
    | { readonly from: 'draw' }
  readonly fallback: 'address' | 'draw'
  readonly pin: 'weight' | 'first'
  readonly epoch: number
  readonly force:
    | { readonly header: string | undefined; readonly cookie: string | undefined; readonly to: string }
    | undefined
  readonly isExposed: boolean
}

export interface HeaderEdits {
  readonly set: readonly (readonly [name: string, value: string])[]
  readonly add: readonly (readonly [name: string, value: string])[]
  readonly remove: readonly string[]
}

export interface Filters {
  readonly request: HeaderEdits
  readonly response: HeaderEdits
  readonly rewrite: { readonly kind: 'path' | 'prefix'; readonly value: string } | undefined
  /** The Host that the endpoint is to see, `endpoint` for its own; undefined leaves it to the door. */
  readonly host: string | undefined
}

export interface CorsConfig {
  /** `*`, or as browsers write them, with `*.` in front of a host for one or more labels. */
  readonly origins: readonly string[]
  /** Upper case; `*` among them means any. */
  readonly methods: readonly string[]
  /** Lower case; `*` among them means any. */
  readonly headers: readonly string[]
  readonly expose: readonly string[]
  readonly hasCredentials: boolean
  readonly maxAgeS: number
}

export interface ErrorPageConfig {
  /** A status, or 4 and 5 for a whole class. */
  readonly of: number
  readonly contentType: string
  readonly body: string
  /** For the endpoint's answers of that status too. */
  readonly replaces: boolean
}

export interface RedirectConfig {
  readonly scheme: 'http' | 'https' | undefined
  readonly host: string | undefined
  readonly port: number | 'listener' | undefined
  readonly path: { readonly kind: 'path' | 'prefix'; readonly value: string } | undefined
  readonly status: 301 | 302 | 303 | 307 | 308
}

export interface ReplyConfig {
  readonly status: number
  readonly body: string
  /** Lower-case names; `content-type` among them when there is a body. */
  readonly headers: readonly (readonly [name: string, value: string])[]
}

/** When the second try begins: after a time, or when this part of the pool's answers (in percent) would have come. */
export type HedgeConfig =
  | { readonly by: 'time'; readonly ms: number }
  | { readonly by: 'percentile'; readonly percentile: number }

export interface MirrorConfig {
  readonly pool: string
  readonly percent: number
}

export interface RetryConfig {
  /** Tries in all; 1 means no retry. */
  readonly attempts: number
  readonly on: readonly string[]
  readonly isUnsafe: boolean
  readonly maxBufferBytes: number
  /** When no other endpoint is left, one that was tried is tried again. */
  readonly mayRepeat: boolean
  /** The least wait before a retry; 0 for none. */
  readonly backoffMs: number
}
