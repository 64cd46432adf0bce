// The words an operator may write. `defineConfig` gives them types: names of pools and listeners are
// checked by the compiler, and what a layer cannot do does not compile on a route of that layer.
// The same shape is accepted as JSON or YAML; `parse.ts` turns any of them into a `Config`.

/** A length of time: `"250ms"`, `"2s"`, `"5m"`, `"1h"`, `"30d"`. */
export type Duration = `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`
/** A size in bytes: `"512B"`, `"64KiB"`, `"10MiB"`, `"1GiB"`. */
export type Size = `${number}${'B' | 'KiB' | 'MiB' | 'GiB'}`

/** How one value is compared. A plain string means exact. A regex has to match the whole value. */
export type ValueMatchInput = string | { exact: string } | { regex: string } | { present: true } | { absent: true }
/** A plain string means prefix, by whole path elements: `/api` takes `/api`, `/api/` and `/api/v1`, never `/apis`. */
export type PathMatchInput = string | { prefix: string } | { exact: string } | { regex: string }

/** Inside one match all conditions must hold; a list of matches means any of them. */
export interface HttpMatchInput {
  path?: PathMatchInput
  method?: string | readonly string[]
  header?: Readonly<Record<string, ValueMatchInput>>
  query?: Readonly<Record<string, ValueMatchInput>>
  cookie?: Readonly<Record<string, ValueMatchInput>>
  /** Client address in any of these CIDRs. */
  address?: string | readonly string[]
  /** ISO 3166-1 alpha-2 code as the edge knows it. */
  country?: string | readonly string[]
}

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

export interface HeaderEditsInput {
  /** Replace the field; values may hold `{client.address}`, `{route}`, `{rule}`, `{variant}`, `{request.id}`, `{country}`. */
  set?: Readonly<Record<string, string>>
  add?: Readonly<Record<string, string>>
  remove?: readonly string[]
}

/** What is changed on the way to the endpoint and back. */
export interface FiltersInput {
  requestHeaders?: HeaderEditsInput
  responseHeaders?: HeaderEditsInput
  rewrite?: {
    /** The whole path. Not together with `prefix`. */
    path?: string
    /** What replaces the prefix that the match consumed. */
    prefix?: string
    /** The Host that the endpoint sees. At the edge only for `binding:` endpoints and those of the same zone. */
    host?: string
  }
}

/** Which pages of other origins may read the answers. The words are those of Gateway API's HTTPCORSFilter. */
export interface CorsInput {
  /** `https://app.example.com`, `https://*.example.com` (one or more labels), `*`. */
  origins: readonly string[]
  /** Default `["GET", "HEAD", "POST"]`, which browsers send unasked. `*` means any. */
  methods?: readonly string[]
  /** Request headers beyond those that browsers send unasked. Default none; `*` means any. */
  headers?: readonly string[]
  /** Answer headers that the page may read. Default none. */
  expose?: readonly string[]
  /** Cookies and authorization may be sent. Default false. */
  credentials?: boolean
  /** How long a browser may keep the answer to a preflight. Default `5s`. */
  maxAge?: Duration
}

/** By status: `"404"`, or `"4xx"` and `"5xx"`. A status comes before its class. */
export type ErrorPagesInput = Readonly<Record<string, ErrorPageInput>>

export interface ErrorPageInput {
  /** May hold `{request.id}` and `{route}`. */
  body: string
  /** Default `text/html; charset=utf-8`. */
  contentType?: string
  /** For the endpoint's own answers of that status too. Default false. */
  replace?: boolean
}

export interface RecordInput {
  /** The part of requests that are written down, 0 to 1. Default 1. Failures always are. */
  sample?: number
}

export interface RedirectInput {
  scheme?: 'http' | 'https'
  host?: string
  port?: number
  path?: string
  prefix?: string
  /** Default 302. */
  status?: 301 | 302 | 303 | 307 | 308
}

export interface ReplyInput {
  /** 200 to 599. */
  status: number
  body?: string
  /** Default `text/plain; charset=utf-8` when there is a body. */
  contentType?: string
  headers?: Readonly<Record<string, string>>
}

/** Who decides a user's variant, and whether they keep it. Only beside `variants`. */
export interface SplitInput {
  /** Default: the route's name, or `route/rule` for a named rule. Two rules with the same split name and salt agree on every user. */
  name?: string
  /** Changes who lands where without renaming. Default empty. */
  salt?: string
  /**
   * What stands for the user. Default `{ cookie: "fs_id" }`, an anonymous random id that we set. For a cookie that the
   * application sets itself say `issue: false`: it is read as it is and never set.
   */
  by?: { cookie: string; issue?: boolean } | { header: string } | 'address'
  /** For clients without the cookie or header: `address` keys them by client address, `draw` (default) draws anew. */
  fallback?: 'address' | 'draw'
  /** `weight` (default): users follow the weights. `first`: users keep their first variant until `epoch` changes. */
  pin?: 'weight' | 'first'
  /** Raising it releases every pinned user. Default 0. */
  epoch?: number
  /** `always`, `never` or a variant's name in this header or cookie decides, header before cookie before weight. */
  force?: { header?: string; cookie?: string; to: string }
  /** Say route and variant in the answer's `x-fourseven-route` and `x-fourseven-variant`. Default false. */
  expose?: boolean
}

export interface HttpVariantInput<Pool extends string = string> {
  name: string
  /** A whole number from 0 to 1,000,000. */
  weight: number
  /** Exactly one of `pool` and `reply`. */
  pool?: Pool
  reply?: ReplyInput
  filters?: FiltersInput
}

export interface FlowVariantInput<Pool extends string = string> {
  name: string
  weight: number
  pool: Pool
}

export type RetryOn =
  | 'connect-failure'
  | 'ambiguous'
  | 'sent'
  | 'timeout'
  | 'reset'
  | `${number}`
  | '5xx'
  | 'gateway-error'

export interface RetryInput {
  /** Tries in all, the first one too: 1 to 10. Default 2. */
  attempts?: number
  /** Default `["connect-failure", "502", "503"]`. */
  on?: readonly RetryOn[]
  /** Retry POST and PATCH like PUT. Default false. */
  unsafe?: boolean
  /** The largest body kept for a second try. Default `64KiB`. */
  maxBuffer?: Size
}

/** A second try beside the first, for GET, HEAD, OPTIONS and TRACE. It counts as one of `retry.attempts`. */
export interface HedgeInput {
  /** How long the first try may take: a length of time, or the part of the pool's answers that came within it. */
  after: 'p50' | 'p95' | 'p99' | Duration
}

/** A copy of requests sent aside; its answer is dropped. */
export interface MirrorInput<Pool extends string = string> {
  pool: Pool
  /** Of requests, 0 to 100. Default 100. */
  percent?: number
}

export interface HttpTimeoutsInput {
  /** All tries, to response headers. Default `30s`. */
  request?: Duration
  /** One try, to response headers. Default `15s`. */
  try?: Duration
}

export interface FlowTimeoutsInput {
  /** All tries together, until an endpoint is connected. Default `2s`. */
  connect?: Duration
  /** No byte either way. Default `1h`. */
  idle?: Duration
}

export interface HttpRuleInput<Pool extends string = string> {
  name?: string
  match?: HttpMatchInput | readonly HttpMatchInput[]
  /** Exactly one of `pool`, `variants`, `redirect`, `reply`. */
  pool?: Pool
  variants?: readonly HttpVariantInput<Pool>[]
  redirect?: RedirectInput
  reply?: ReplyInput
  split?: SplitInput
  filters?: FiltersInput
  retry?: RetryInput | false
  /** Only beside `pool` or `variants`, as are `mirrors`. */
  hedge?: HedgeInput
  mirrors?: readonly MirrorInput<Pool>[]
  timeouts?: HttpTimeoutsInput
  cors?: CorsInput
  /** Before those of the listener. */
  errorPages?: ErrorPagesInput
  limits?: {
    /** A larger request body is answered 413. Off by default. */
    maxBody?: Size
  }
  record?: RecordInput
}

export interface FlowRuleInput<Pool extends string = string, Match = TlsMatchInput> {
  name?: string
  match?: Match | readonly Match[]
  /** Exactly one of `pool` and `variants`. */
  pool?: Pool
  variants?: readonly FlowVariantInput<Pool>[]
  /** Flows are split by client address. */
  split?: Pick<SplitInput, 'name' | 'salt'>
  /** Tries in all, within the connect timeout. Default 3. */
  retry?: { attempts?: number } | false
  timeouts?: FlowTimeoutsInput
}

interface HttpRouteHead<Listener extends string> {
  name: string
  /** Default: every `edge` listener. */
  listener?: Listener | readonly Listener[]
  /** `app.example.com` or `*.example.com`; none means any host. */
  hostnames?: readonly string[]
}

interface FlowRouteHead<Listener extends string> {
  name: string
  listener: Listener | readonly Listener[]
}

/** A route with one rule may carry the rule's fields itself. */
export type HttpRouteInput<Listener extends string = string, Pool extends string = string> =
  | (HttpRouteHead<Listener> & {
      rules: readonly HttpRuleInput<Pool>[]
      /** For every rule that does not say otherwise. */
      record?: RecordInput
    } & {
      [Field in Exclude<keyof HttpRuleInput, 'name' | 'record'>]?: never
    })
  | (HttpRouteHead<Listener> & Omit<HttpRuleInput<Pool>, 'name'> & { rules?: never })

type HttpOnly = Exclude<keyof HttpRuleInput | 'hostnames', keyof FlowRuleInput>
export type FlowRouteInput<Listener extends string = string, Pool extends string = string, Match = TlsMatchInput> =
  | (FlowRouteHead<Listener> & { rules: readonly FlowRuleInput<Pool, Match>[] } & {
      [Field in HttpOnly | Exclude<keyof FlowRuleInput, 'name'>]?: never
    })
  | (FlowRouteHead<Listener> &
      Omit<FlowRuleInput<Pool, Match>, 'name'> & { rules?: never } & {
        [Field in HttpOnly]?: never
      })

/** Where the truth about the client's address comes from. */
export type ClientAddressInput = 'cloudflare' | 'none' | { trustedProxies: readonly string[] }

export interface EdgeListenerInput {
  kind: 'edge'
  /** A request is served by the listener with the most specific hostname only. None means any host. */
  hostnames?: readonly string[]
  /** Default `cloudflare`. */
  clientAddress?: ClientAddressInput
  /** How many requests a Worker may make for one of a client: tries, hedges and mirrors together. Default 50, as the free plan has it; up to 10,000. */
  subrequests?: number
  /** For our own answers, the 404 without a route too. */
  errorPages?: ErrorPagesInput
  limits?: {
    /** A longer URL is answered 414. Default `16KiB`. */
    maxUrl?: Size
    /** More header fields are answered 431. Default 128. */
    maxHeaders?: number
    /** A larger header is answered 431. Default `32KiB`. */
    maxHeaderBytes?: Size
  }
  /** Add `Via` both ways. Default false: some endpoints stop compressing when they see it. */
  via?: boolean
}

/** What listeners of flows have in common. */
interface FlowListenerInput {
  /** `127.0.0.1:5432`, `[::1]:5432`, `unix:/run/app.sock`. */
  address: string
  /** Permissions of a `unix:` socket in octal: `"0660"`. Default: as the umask has it. */
  socketMode?: string
  /** Connections open at once; one more is closed at once and counted. Default 10,000. */
  maxConnections?: number
  /** Of these, open from one client address (IPv6: from one /64). Off by default. */
  maxConnectionsPerAddress?: number
  /** New connections a second, and as many at once; one more is closed at once and counted. Off by default. */
  acceptRate?: number
  /** Clients in any of these CIDRs and no others. Off by default. */
  allow?: readonly string[]
  /** Not clients in any of these CIDRs, even when `allow` has them. */
  deny?: readonly string[]
  /** Whose connections begin with a PROXY header. From everyone else it is payload like any other bytes. */
  proxyProtocol?: readonly ProxySourceInput[]
}

export interface TcpListenerInput extends FlowListenerInput {
  kind: 'tcp'
}

export interface TlsListenerInput extends FlowListenerInput {
  kind: 'tls'
  /** Until the ClientHello is there; and as long again for the handshake where TLS ends here. Default `3s`. */
  peekTimeout?: Duration
  /** The longest beginning that is looked at. Default `16KiB`. */
  maxPeek?: Size
  /** Clients ask in their own protocol before they speak TLS. */
  startTls?: 'postgres'
  /** TLS ends here, with the first certificate that has the name asked for, else the first of all. None: it passes through. */
  certificates?: readonly CertificateInput[]
  /** Protocols to agree on where TLS ends here, the favourite first; those of the rule's `alpn` come before. */
  alpn?: readonly string[]
  /** A PEM file: clients show a certificate that one of these authorities signed. Only with `certificates`. */
  clientCa?: string
  /** `false`: a client without a certificate is let in too. Default true. */
  requireClientCertificate?: boolean
}

/** PEM files, read again when they change. */
export interface CertificateInput {
  /** The certificate and behind it those that lead to its authority. */
  cert: string
  key: string
}

export interface ProxySourceInput {
  /** The peer's address in any of these CIDRs; of several entries the narrowest CIDR decides. */
  from: readonly string[]
  /** `require`: a connection without a header that can be read is refused. `off`: nothing is looked at. */
  mode: 'require' | 'off'
}

export type ListenerInput = EdgeListenerInput | TcpListenerInput | TlsListenerInput

export type BalanceInput =
  | 'round-robin'
  | 'random'
  | 'least-requests'
  | 'latency'
  | {
      hash: 'address' | 'flow' | { header: string } | { cookie: string }
      /** No endpoint takes more than this many times its share of what is open: 1.01 to 10. Off by default. */
      boundedLoad?: number
    }

export interface EndpointInput {
  /** `https://host[:port][/base]`, `http://…` or `binding:NAME` (another Worker) at the edge; `tcp://host:port`, `tls://host:port` or `unix:/path` at the relay. May hold `${NAME}` or `${NAME:-default}`. */
  address: string
  /** A stable name for logs and drains. Default: the address. */
  name?: string
  /** 1 to 1,000; 0 takes no traffic. Default 1. */
  weight?: number
  /** Group 0 is used first, then 1, … Default 0. */
  priority?: number
}

export interface OutlierInput {
  /** Failures in a row (502, 503, 504, connect failure, try timeout) that eject. Default 5; 0 turns this judge off. */
  consecutiveFailures?: number
  /** Eject below mean minus this many standard deviations of the pool's success rates. Default 1.9; 0 turns this judge off. */
  successRateFactor?: number
  /** First ejection; the n-th lasts n times as long. Default `30s`. */
  baseEjection?: Duration
  /** Default `300s`. */
  maxEjection?: Duration
  /** Never more of the pool than this (but at least one endpoint). Default 10. */
  maxEjectedPercent?: number
}

/** Which values go along in a PROXY header of version 2. */
export interface ProxyTlvsInput {
  /** `true`: the host name the client asked for, by its TLS or by a header that came in. Or this one. */
  authority?: boolean | string
  /** The same for the protocol inside TLS. */
  alpn?: boolean | string
  /** The id of the flow, which the record has too. One that came in is kept. */
  uniqueId?: boolean
  /** What is known of the client's TLS, where it ends here or a header that came in says it. */
  ssl?: boolean
  /** A checksum over the header. */
  crc32c?: boolean
  /** `E0` to `EF`. Values may hold `{client.address}`, `{route}`, `{rule}`, `{variant}`. */
  custom?: Readonly<Record<string, string>>
}

export interface SendProxyInput {
  version: 1 | 2
  /** Version 2 only. */
  tlvs?: ProxyTlvsInput
}

/** Asking endpoints on a timer whether they are up. */
export interface ProbeInput {
  /** `tcp` connects, `tls` shakes hands, `http` asks for `path`, `redis` sends PING, `postgres` an SSLRequest. */
  kind: 'tcp' | 'tls' | 'http' | 'redis' | 'postgres'
  /** Default `/healthz`. Of `http` only, as are `status` and `body`. */
  path?: string
  /** A status or a range of them. Default `"200-399"`. */
  status?: number | `${number}-${number}`
  /** A text that has to stand in the first 10 KiB of the body. */
  body?: string
  /** From the end of one probe to the next, give or take 10 %. Default `2s`. */
  interval?: Duration
  /** For the whole of one probe. Default `1s`. */
  timeout?: Duration
  /** Failed probes in a row that take an endpoint down. Default 3. */
  fall?: number
  /** Passed probes in a row that bring it back. Default 2. */
  rise?: number
  /** An endpoint is down until a probe says otherwise. Default false. */
  startDown?: boolean
}

export interface QueueInput {
  /** Flows that wait at once; one more is refused. Default 100. */
  max?: number
  /** How long one waits. Default `5s`. */
  timeout?: Duration
}

export interface PoolInput {
  endpoints: readonly (string | EndpointInput)[]
  /** Default `round-robin`. */
  balance?: BalanceInput
  /** Below this share of endpoints that are up, all are used rather than none (last priority group). Default 50; 0 turns it off. */
  panicPercent?: number
  /** How far up a priority group may be loaded before the next one helps. Default 1.4. */
  overprovisioning?: number
  /** A returning endpoint is ramped up from 10 % over this time. Off by default. */
  slowStart?: Duration
  /** The client keeps its endpoint by a cookie. HTTP only. */
  affinity?: { cookie?: string; maxAge?: Duration }
  outlier?: OutlierInput | false
  limits?: {
    /** Open requests or flows over the whole pool. Off by default. */
    maxRequests?: number
    /** Open requests or flows on each endpoint. Off by default. */
    maxRequestsPerEndpoint?: number
  }
  /** A flow that meets one of the limits waits for a place, first come first served. At the relay only. */
  queue?: QueueInput
  /** Tell endpoints the client's address in a PROXY header ahead of the bytes. At the relay only. */
  sendProxy?: 1 | 2 | SendProxyInput
  /** Off by default. At the relay only. */
  probe?: ProbeInput
  /** How TLS is spoken with `tls://` endpoints. */
  tls?: EndpointTlsInput
  /** Retries over the last 10 s may be this share of requests, plus `perSecond` (1 for each isolate at the edge). Default 20. HTTP only. */
  retryBudget?: { percent?: number; perSecond?: number }
}

/** PEM files are read again when they change. */
export interface EndpointTlsInput {
  /** A file of authorities that are believed. Default: those of the system's Node. */
  ca?: string
  /** The certificate we show, and its key. */
  cert?: string
  key?: string
  /** The name asked for and verified. Default: the host of the endpoint. */
  serverName?: string
  /** `false` believes any certificate. Default true. */
  verify?: boolean
}

/** What a config file holds, with names as plain strings: the shape of JSON and YAML files. */
export interface ConfigInput {
  listeners: Readonly<Record<string, ListenerInput>>
  pools: Readonly<Record<string, PoolInput>>
  routes: readonly (HttpRouteInput | FlowRouteInput)[]
}

type TcpMatchInput = FlowMatchInput & { sni?: never; alpn?: never }

type ListenersOf<Listeners, Kind> = {
  [Name in keyof Listeners & string]: Listeners[Name] extends { kind: Kind } ? Name : never
}[keyof Listeners & string]

/**
 * Gives a config its types and returns it unchanged.
 * A pool or listener that is not there, or a path match on a `tcp` route, does not compile.
 */
export function defineConfig<
  const Listeners extends Readonly<Record<string, ListenerInput>>,
  const Pools extends Readonly<Record<string, PoolInput>>,
>(config: {
  listeners: Listeners
  pools: Pools
  routes: readonly (
    | HttpRouteInput<ListenersOf<Listeners, 'edge'>, keyof Pools & string>
    | FlowRouteInput<ListenersOf<Listeners, 'tcp' | 'tls'>, keyof Pools & string, TcpMatchInput>
    | FlowRouteInput<ListenersOf<Listeners, 'tls'>, keyof Pools & string>
  )[]
}): ConfigInput {
  return config as ConfigInput
}
