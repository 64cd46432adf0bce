// The words of listeners: where traffic comes in, by which door, and what the door takes.

import type { ErrorPagesInput } from './config-http.ts'
import type { Duration, Size } from './config-values.ts'

/** Where the truth about the client's address comes from. */
export type ClientAddressInput = 'cloudflare' | 'none' | { trustedProxies: readonly string[] }

export interface DoorLimitsInput {
  /** A longer URL is answered 414. Default `16KiB`. */
  maxUrl?: Size
  /** More header fields are answered 431. Default 128. */
  maxHeaders?: number
  /** A larger header is answered 431. Default `32KiB`. */
  maxHeaderBytes?: Size
}

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
  limits?: DoorLimitsInput
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

/** Who carries the bytes of a listener. */
export interface ModeInput {
  /**
   * `proxy` (default): this program. `nat`: the kernel, with the endpoint's address put in and taken out again on the way
   * back. `dsr`: the kernel, on the way in only; endpoints hold the address themselves and answer the client directly.
   */
  mode?: 'proxy' | 'nat' | 'dsr'
  /** `dsr` only, and needed there: where clients' packets come in, with the endpoints on the same segment. */
  interface?: string
  /** `nat` only. `relay` (default): endpoints see the relay's address. `keep`: the client's; the relay is their gateway. */
  source?: 'keep' | 'relay'
  /** `nat` and `dsr`. Relays with the same seed send a flow to the same endpoint: 0 to 2,147,483,647. Default 47. */
  seed?: number
  /** `nat` and `dsr`. What picks the endpoint. Default: `address` for pools with `hash: "address"`, else `flow`. */
  key?: 'flow' | 'address'
}

export interface TcpListenerInput extends FlowListenerInput, ModeInput {
  kind: 'tcp'
}

/** HTTP/1.1 and HTTP/2 at the relay, one decision for each request. */
export interface HttpListenerInput extends FlowListenerInput {
  kind: 'http'
  /** None means any host. */
  hostnames?: readonly string[]
  /** Default `{ trustedProxies: [] }`: the peer, as a PROXY header names it where one is required. */
  clientAddress?: 'none' | { trustedProxies: readonly string[] }
  /** For our own answers, the 404 without a route too. */
  errorPages?: ErrorPagesInput
  limits?: DoorLimitsInput
  /** Add `Via` both ways. Default false. */
  via?: boolean
  /** TLS ends here, with the first certificate that has the name asked for, else the first of all. None: in the clear. */
  certificates?: readonly CertificateInput[]
  /** A PEM file: clients show a certificate that one of these authorities signed. Only with `certificates`. */
  clientCa?: string
  /** `false`: a client without a certificate is let in too. Default true. */
  requireClientCertificate?: boolean
  /** From the first byte of a request until its header is whole, and as long for a handshake. Default `10s`. */
  headerTimeout?: Duration
  /** How long a connection may stay without a request. Default `75s`. */
  keepAliveTimeout?: Duration
  /** How old a connection gets, give or take 10 %: then it takes no more requests and its client opens another. Off by default. */
  maxConnectionAge?: Duration
  /** What is still open on it so long after is cut. Off by default. */
  maxConnectionAgeGrace?: Duration
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

export interface UdpListenerInput extends Omit<ModeInput, 'key'> {
  kind: 'udp'
  /** `0.0.0.0:53`, `[::]:53`. */
  address: string
  /**
   * What makes datagrams one session. `flow` (default): the client's address and port. `address`: its address alone,
   * whatever its port. `quic`: the connection id, so that a client may change its port; `idLength` is how many bytes the
   * endpoints give theirs. With mode `nat` or `dsr`: what picks the endpoint, `flow` or `address`.
   */
  key?: 'flow' | 'address' | { quic: { idLength: number } }
  /** Sessions open at once; one more takes the place of the longest idle one. Default 16,384. */
  maxSessions?: number
  /** Of these, open from one client address (IPv6: from one /64). Off by default. */
  maxSessionsPerAddress?: number
  /** New sessions a second, and as many at once. Off by default. */
  sessionRate?: number
  /** Clients in any of these CIDRs and no others. Off by default. */
  allow?: readonly string[]
  /** Not clients in any of these CIDRs, even when `allow` has them. */
  deny?: readonly string[]
  /** Whose datagrams begin with a PROXY header of version 2. From everyone else it is payload like any other bytes. */
  proxyProtocol?: readonly UdpProxySourceInput[]
}

export interface UdpProxySourceInput extends ProxySourceInput {
  /** Where the header stands: in the `first` datagram of a session (default) or in `each`. */
  datagrams?: 'first' | 'each'
}

export type ListenerInput =
  | EdgeListenerInput
  | HttpListenerInput
  | TcpListenerInput
  | TlsListenerInput
  | UdpListenerInput
