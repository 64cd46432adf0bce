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
  }
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
  timeouts?: HttpTimeoutsInput
}

export interface FlowRuleInput<Pool extends string = string> {
  name?: string
  match?: FlowMatchInput | readonly FlowMatchInput[]
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
  | (HttpRouteHead<Listener> & { rules: readonly HttpRuleInput<Pool>[] } & {
      [Field in Exclude<keyof HttpRuleInput, 'name'>]?: never
    })
  | (HttpRouteHead<Listener> & Omit<HttpRuleInput<Pool>, 'name'> & { rules?: never })

type HttpOnly = Exclude<keyof HttpRuleInput | 'hostnames', keyof FlowRuleInput>
export type FlowRouteInput<Listener extends string = string, Pool extends string = string> =
  | (FlowRouteHead<Listener> & { rules: readonly FlowRuleInput<Pool>[] } & {
      [Field in HttpOnly | Exclude<keyof FlowRuleInput, 'name'>]?: never
    })
  | (FlowRouteHead<Listener> & Omit<FlowRuleInput<Pool>, 'name'> & { rules?: never } & { [Field in HttpOnly]?: never })

/** Where the truth about the client's address comes from. */
export type ClientAddressInput = 'cloudflare' | 'none' | { trustedProxies: readonly string[] }

export interface EdgeListenerInput {
  kind: 'edge'
  /** A request is served by the listener with the most specific hostname only. None means any host. */
  hostnames?: readonly string[]
  /** Default `cloudflare`. */
  clientAddress?: ClientAddressInput
}

export interface TcpListenerInput {
  kind: 'tcp'
  /** `127.0.0.1:5432`, `[::1]:5432`. */
  address: string
  /** Connections open at once; one more is closed at once and counted. Default 10,000. */
  maxConnections?: number
}

export type ListenerInput = EdgeListenerInput | TcpListenerInput

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
  /** `https://host[:port][/base]`, `http://…` at the edge; `tcp://host:port` at the relay. May hold `${NAME}` or `${NAME:-default}`. */
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
  /** Retries over the last 10 s may be this share of requests, plus `perSecond` (1 for each isolate at the edge). Default 20. HTTP only. */
  retryBudget?: { percent?: number; perSecond?: number }
}

/** What a config file holds, with names as plain strings: the shape of JSON and YAML files. */
export interface ConfigInput {
  listeners: Readonly<Record<string, ListenerInput>>
  pools: Readonly<Record<string, PoolInput>>
  routes: readonly (HttpRouteInput | FlowRouteInput)[]
}

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
    | FlowRouteInput<ListenersOf<Listeners, 'tcp'>, keyof Pools & string>
  )[]
}): ConfigInput {
  return config as ConfigInput
}
