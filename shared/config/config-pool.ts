// The words of pools: endpoints, in which order they are tried, and how they are judged.

import type { BytesInput } from './bytes-text.ts'
import type { Duration } from './config-values.ts'

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
  /** `https://host[:port][/base]`, `http://…` or `binding:NAME` (another Worker) at the edge; the first two, `h2c://`, `grpc://`, `grpcs://`, `tcp://host:port`, `tls://host:port`, `udp://host:port` or `unix:/path` at the relay. May hold `${NAME}` or `${NAME:-default}`. */
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
  /** At `udp` listeners: in the `first` datagram of a session (default) or in `each`. */
  datagrams?: 'first' | 'each'
}

/** Asking endpoints on a timer whether they are up. */
export interface ProbeInput {
  /** `tcp` connects, `tls` shakes hands, `http` asks for `path`, `redis` sends PING, `postgres` an SSLRequest, `grpc` asks `grpc.health.v1.Health`, `udp` sends `payload` and wants an answer. */
  kind: 'tcp' | 'tls' | 'http' | 'redis' | 'postgres' | 'grpc' | 'udp'
  /** Default `/healthz`. Of `http` only, as are `status` and `body`. */
  path?: string
  /** A status or a range of them. Default `"200-399"`. */
  status?: number | `${number}-${number}`
  /** A text that has to stand in the first 10 KiB of the body. */
  body?: string
  /** The service whose health is asked for. Default: the server as a whole. Of `grpc` only. */
  service?: string
  /** What is sent, of `udp` only: a text, or `{ hex: '…' }` or `{ base64: '…' }`. Required there. */
  payload?: BytesInput
  /** How the answer has to begin. Default: any answer will do. Of `udp` only. */
  expect?: BytesInput
  /** From the end of one probe to the next, give or take 10 %. Default `2s`, at the edge `15s`. */
  interval?: Duration
  /** For the whole of one probe. Default `1s`, at the edge `5s`. */
  timeout?: Duration
  /** At the edge: asked from each of these regions, and most of them decide. Default: from wherever the object is. */
  regions?: readonly ProbeRegion[]
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
  /** It takes nothing: requests are answered 503 and flows refused. Then it may be without endpoints. Default false. */
  closed?: boolean
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

/** Location hints of Durable Objects: North America west and east, South America, Europe west and east, Asia-Pacific, Oceania, Africa, Middle East. */
export type ProbeRegion = (typeof probeRegions)[number]

export const probeRegions = ['wnam', 'enam', 'sam', 'weur', 'eeur', 'apac', 'oc', 'afr', 'me'] as const
