// The words of HTTP routes: what a rule may ask of a request, and what is done with it.

import type { Duration, Size } from './config-values.ts'

/** How one value is compared. A plain string means exact. A regex has to match the whole value. */
export type ValueMatchInput = string | { exact: string } | { regex: string } | { present: true } | { absent: true }
/** A plain string means prefix, by whole path elements: `/api` takes `/api`, `/api/` and `/api/v1`, never `/apis`. */
export type PathMatchInput = string | { prefix: string } | { exact: string } | { regex: string }

/** How the name of a gRPC service or method is compared. A plain string means exact. A regex has to match the whole name. */
export type NameMatchInput = string | { exact: string } | { regex: string }

/** gRPC calls; without any field all of them. */
export interface GrpcMatchInput {
  /** With its package: `helloworld.Greeter`. */
  service?: NameMatchInput
  method?: NameMatchInput
}

/** Inside one match all conditions must hold; a list of matches means any of them. */
export interface HttpMatchInput {
  path?: PathMatchInput
  method?: string | readonly string[]
  /** In place of `path` and `method`, at `http` listeners. */
  grpc?: GrpcMatchInput
  header?: Readonly<Record<string, ValueMatchInput>>
  query?: Readonly<Record<string, ValueMatchInput>>
  cookie?: Readonly<Record<string, ValueMatchInput>>
  /** Client address in any of these CIDRs. */
  address?: string | readonly string[]
  /** ISO 3166-1 alpha-2 code as the edge knows it. */
  country?: string | readonly string[]
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
    /**
     * The Host that the endpoint sees; `endpoint` is its own. Default at the relay: the client's. At the edge only for
     * `binding:` endpoints and those of the same zone, all others see their own.
     */
    host?: string
  }
}

/** Which pages of other origins may read the answers. The words are those of Gateway API's HTTPCORSFilter. */
export interface CorsInput {
  /** `https://app.example.com`, `https://*.example.com` (one or more labels), `https://*`, `*`. */
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
  /** `listener`: the port the request came in by. Default: that of the new scheme, else the one the client named. */
  port?: number | 'listener'
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
   * application sets itself say `issue: false`: it is read as it is and never set. `draw`: nothing does, each request is
   * dealt anew.
   */
  by?: { cookie: string; issue?: boolean } | { header: string } | 'address' | 'draw'
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

export interface HttpVariantInput<Pool extends string = string, Name extends string = string> {
  name: Name
  /** A whole number from 0 to 1,000,000. */
  weight: number
  /** Exactly one of `pool`, `redirect` and `reply`. */
  pool?: Pool
  redirect?: RedirectInput
  reply?: ReplyInput
  filters?: FiltersInput
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
  /** When no other endpoint is left, one that was tried is tried again. Default false. */
  sameEndpoint?: boolean
  /** Wait at least so long before a retry. Default `0ms`. */
  backoff?: Duration
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
  /** Until an endpoint is connected, for each try that needs a new connection. Default `2s`. At the relay only. */
  connect?: Duration
  /** No byte either way once the answer has begun; WebSockets too. Default `1h`. At the relay only. */
  idle?: Duration
  /** A gRPC call in all: for those whose clients name no deadline, or a later one. Off by default. At the relay only. */
  call?: Duration
}

export interface HttpRuleInput<
  Pool extends string = string,
  Name extends string = string,
  Variant extends string = string,
> {
  name?: Name
  match?: HttpMatchInput | readonly HttpMatchInput[]
  /** Exactly one of `pool`, `variants`, `redirect`, `reply`. */
  pool?: Pool
  variants?: readonly HttpVariantInput<Pool, Variant>[]
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
  /** Only beside `pool` or `variants`. `true`: all defaults. */
  cache?: CacheInput | boolean
  compress?: CompressInput | boolean
}

/** A shared cache for the rule's answers (RFC 9111). What an answer says of itself goes before what stands here. */
export interface CacheInput {
  key?: {
    /** Which parameters of the query tell answers apart. Default `all`. */
    query?: 'all' | { only?: readonly string[]; except?: readonly string[] }
    /** Request headers that tell answers apart, beside those that `Vary` names. */
    headers?: readonly string[]
  }
  /** By status, for answers that do not say how long they are fresh: `{ "404": "10s" }`. */
  ttl?: Readonly<Record<string, Duration>>
  /** Answers with `Last-Modified` alone are fresh for a tenth of their age, at most a day. Default false. */
  heuristic?: boolean
  /** So long after it went stale an answer is given at once, while a new one is fetched. Default none. */
  staleWhileRevalidate?: Duration
  /** So long after it went stale an answer is given when no endpoint can. Default none. */
  staleIfError?: Duration
  /** Larger answers are passed on and not stored. Default `8MiB`. */
  maxBody?: Size
  /** Requests for an answer that is being fetched wait for it. Default true. */
  collapse?: boolean
  /** The answer's field with its tags, for purges. Default `cache-tag`. */
  tagHeader?: string
}

/** Where a relay keeps stored answers, of all rules together. The edge has the cache of its data centre. */
export interface CacheStoreInput {
  /** Heads and bodies together; those go first that were not asked for the longest. Default `64MiB`. */
  memory?: Size
  /** Behind memory: what is stored survives a restart. Default: none. */
  disk?: {
    /** An absolute path; a folder that no other relay has. */
    path: string
    /** Of the files there; those go first that were not asked for the longest. */
    size: Size
  }
}

/** Answers of these types are compressed for clients that take it, unless they are encoded already. */
export interface CompressInput {
  /** Default: text, JSON, JavaScript, XML, SVG and WebAssembly. */
  types?: readonly string[]
  /** Shorter answers stay as they are. Default `1KiB`. */
  minSize?: Size
}

interface HttpRouteHead<Listener extends string, Name extends string> {
  name: Name
  /** Default: every `edge` listener; where there is none, every `http` listener. */
  listener?: Listener | readonly Listener[]
  /** `app.example.com` or `*.example.com`; none means any host. */
  hostnames?: readonly string[]
}

/** A route with one rule may carry the rule's fields itself. */
export type HttpRouteInput<
  Listener extends string = string,
  Pool extends string = string,
  Name extends string = string,
  Rule extends string = string,
  Variant extends string = string,
> =
  | (HttpRouteHead<Listener, Name> & {
      rules: readonly HttpRuleInput<Pool, Rule, Variant>[]
      /** For every rule that does not say otherwise. */
      record?: RecordInput
    } & {
      [Field in Exclude<keyof HttpRuleInput, 'name' | 'record'>]?: never
    })
  | (HttpRouteHead<Listener, Name> & Omit<HttpRuleInput<Pool, string, Variant>, 'name'> & { rules?: never })
