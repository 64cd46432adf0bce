// Which feature works at which door: the one place. Types, `check`, docs and explain read it.

import type { EndpointAddress } from './endpoint-address.ts'

/** Where traffic comes in. */
export const doors = {
  edge: { layer: 7, plane: 'workers', says: 'the Worker at the edge' },
  http: { layer: 7, plane: 'relay', says: 'the relay, HTTP/1.1, HTTP/2 and gRPC per request' },
  tcp: { layer: 4, plane: 'relay', says: 'the relay, any TCP' },
  tls: { layer: 4, plane: 'relay', says: 'the relay, TLS by SNI and ALPN' },
  udp: { layer: 4, plane: 'relay', says: 'the relay, UDP sessions' },
  /** No kind of its own: a `tcp` or `udp` listener with mode `nat` or `dsr`. */
  kernel: { layer: 4, plane: 'relay', says: 'the kernel, NAT and direct server return' },
} as const

export type Door = keyof typeof doors

/** What a listener's `kind` may be. */
export const kinds: readonly Door[] = (Object.keys(doors) as Door[]).filter(door => door !== 'kernel')

const L7 = ['edge', 'http'] as const
const L4 = ['tcp', 'tls', 'udp', 'kernel'] as const
const ALL = [...L7, ...L4] as const

/** A feature by its key in a rule, match, split or pool, and the doors that can keep it. */
export const features: Readonly<Record<string, readonly Door[]>> = {
  'route.hostnames': L7,
  'match.path': L7,
  'match.method': L7,
  // Workers have no trailers and no HTTP/2 to endpoints: no call can pass there.
  'match.grpc': ['http'],
  'match.header': L7,
  'match.query': L7,
  'match.cookie': L7,
  'match.country': ['edge'],
  'match.address': ALL,
  'match.sni': ['tls'],
  'match.alpn': ['tls'],
  'rule.variants': ALL,
  'rule.redirect': L7,
  'rule.reply': L7,
  'rule.filters': L7,
  'rule.retry': ['edge', 'http', 'tcp', 'tls'],
  'rule.retry.on': L7,
  'rule.retry.unsafe': L7,
  'rule.retry.maxBuffer': L7,
  'rule.retry.sameEndpoint': L7,
  'rule.retry.backoff': L7,
  'rule.hedge': L7,
  'rule.mirrors': L7,
  // At the edge only for some endpoints: `check` names those that keep their own (`host-rewrite-at-edge`).
  'rule.filters.rewrite.host': L7,
  'rule.cors': L7,
  'rule.errorPages': L7,
  'rule.limits.maxBody': L7,
  'rule.record': L7,
  'rule.cache': L7,
  'rule.compress': L7,
  'rule.timeouts.request': L7,
  'rule.timeouts.try': L7,
  'rule.timeouts.connect': ['http', 'tcp', 'tls'],
  'rule.timeouts.call': ['http'],
  'rule.timeouts.idle': ['http', 'tcp', 'tls', 'udp', 'kernel'],
  'variant.redirect': L7,
  'rule.session': ['udp'],
  'variant.reply': L7,
  'variant.filters': L7,
  'split.by.cookie': L7,
  'split.by.header': L7,
  'split.by.address': ALL,
  'split.by.draw': ['edge', 'http', 'tcp', 'tls', 'udp'],
  'split.fallback': L7,
  'split.pin.first': L7,
  'split.force': L7,
  'split.expose': L7,
  'pool.affinity': L7,
  'pool.tls': ['http', 'tcp', 'tls'],
  'listener.subrequests': ['edge'],
  'listener.errorPages': L7,
  'listener.limits': L7,
  'listener.via': L7,
  'listener.interface': ['kernel'],
  'listener.source': ['kernel'],
  'listener.seed': ['kernel'],
  'listener.certificates': ['http', 'tls'],
  'listener.headerTimeout': ['http'],
  'listener.keepAliveTimeout': ['http'],
  'listener.maxConnectionAge': ['http'],
  'listener.socketMode': ['http', 'tcp', 'tls'],
  'listener.maxConnections': ['http', 'tcp', 'tls'],
  'listener.proxyProtocol': ['http', 'tcp', 'tls', 'udp'],
  'listener.maxConnectionsPerAddress': ['http', 'tcp', 'tls'],
  'listener.acceptRate': ['http', 'tcp', 'tls'],
  'listener.allow': ['http', 'tcp', 'tls', 'udp', 'kernel'],
  'listener.deny': ['http', 'tcp', 'tls', 'udp', 'kernel'],
  'listener.key': ['udp', 'kernel'],
  'listener.key.quic': ['udp'],
  'listener.maxSessions': ['udp'],
  'listener.maxSessionsPerAddress': ['udp'],
  'listener.sessionRate': ['udp'],
  'pool.sendProxy': ['http', 'tcp', 'tls', 'udp'],
  'pool.sendProxy.version.1': ['http', 'tcp', 'tls'],
  'pool.sendProxy.datagrams.each': ['udp'],
  'pool.probe': ALL,
  // At the edge objects probe by `fetch`.
  'pool.probe.tcp': ['http', 'tcp', 'tls', 'udp', 'kernel'],
  'pool.probe.tls': ['http', 'tcp', 'tls', 'udp', 'kernel'],
  'pool.probe.redis': ['http', 'tcp', 'tls', 'udp', 'kernel'],
  'pool.probe.postgres': ['http', 'tcp', 'tls', 'udp', 'kernel'],
  'pool.probe.grpc': ['http', 'tcp', 'tls', 'udp', 'kernel'],
  'pool.probe.udp': ['udp', 'kernel'],
  'pool.limits': ['edge', 'http', 'tcp', 'tls', 'udp'],
  'pool.queue': ['http', 'tcp', 'tls'],
  'pool.balance.hash.cookie': L7,
  'pool.balance.hash.header': L7,
  'pool.balance.hash.address': ALL,
  'pool.balance.hash.flow': L4,
  'pool.balance.least-requests': ['edge', 'http', 'tcp', 'tls', 'udp'],
  'pool.balance.latency': ['edge', 'http', 'tcp', 'tls'],
  'pool.balance.boundedLoad': ['edge', 'http', 'tcp', 'tls'],
}

/** The schemes of endpoints, and the doors that can speak them. `binding:` is another Worker, which only a Worker reaches. */
export const schemes: Readonly<Record<EndpointAddress['scheme'], readonly Door[]>> = {
  https: L7,
  http: L7,
  // HTTP/2 in the clear, both sides knowing (RFC 9113 section 3.3).
  h2c: ['http'],
  // The same, and the same inside TLS: what gRPC is spoken over.
  grpc: ['http'],
  grpcs: ['http'],
  binding: ['edge'],
  tcp: ['tcp', 'tls', 'kernel'],
  tls: ['tcp', 'tls'],
  udp: ['udp', 'kernel'],
  unix: ['http', 'tcp', 'tls'],
}
