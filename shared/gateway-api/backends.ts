// What routes send to, as pools: a Service and its port, in the protocol that route and Service say. A reference that
// leads nowhere is no pool but a word on why.

import type { EndpointTlsInput, PoolInput } from '../config/config-pool.ts'
import type { Duration } from '../config/config-values.ts'
import type { Grants } from './grants.ts'
import type { Manifest } from './manifests.ts'
import { configName } from './names.ts'
import type { Notes, Spot } from './notes.ts'
import type { Services } from './services.ts'
import type { TlsPolicies } from './tls-policies.ts'
import { type BackendRef, GATEWAY_GROUP } from './words.ts'

/** What the route speaks. */
export type Use = 'http' | 'grpc' | 'tcp' | 'udp'

export type Backend =
  | { readonly pool: string; readonly name: string }
  /** `invalid`: the standard asks for a 500. `empty`: it is there and has no endpoint. */
  | { readonly pool: undefined; readonly name: string; readonly is: 'invalid' | 'empty'; readonly why: string }

export interface Affinity {
  readonly cookie: string
  readonly maxAge: Duration | undefined
}

export interface Backends {
  readonly pools: Readonly<Record<string, PoolInput>>
  find(route: Manifest, ref: BackendRef, use: Use, spot: Spot, affinity?: Affinity): Backend
  /** The route asks for retries itself: the pool's budget is not to stand in the way. */
  allowRetries(pool: string): void
  /** A pool that refuses every flow, for what leads nowhere. */
  refusing(name: string): string
}

export function makeBackends(
  services: Services,
  policies: TlsPolicies,
  grants: Grants,
  isEdge: boolean,
  notes: Notes,
): Backends {
  const pools: Record<string, PoolInput> = {}
  return {
    pools,
    find(route, ref, use, spot, affinity) {
      const namespace = ref.namespace ?? route.namespace
      const name = configName(namespace, ref.name, ...(ref.port === undefined ? [] : [ref.port]))
      const invalid = (code: string, why: string, mend: string): Backend => {
        const severity =
          code === 'unsupported-kind' || code === 'backend-tls' || code === 'edge-protocol' ? 'not-carried' : 'warning'
        notes.add(severity, code, spot, `${why}: ${consequence[use]}`, mend)
        return { pool: undefined, name, is: 'invalid', why }
      }
      if ((ref.group ?? '') !== '' || (ref.kind ?? 'Service') !== 'Service') {
        return invalid('unsupported-kind', `a ${ref.kind} is no backend here`, 'Name a Service.')
      }
      if (ref.port === undefined) return invalid('missing-field', 'a Service is named without a port', 'Add "port".')
      const to = { group: '', kind: 'Service', namespace, name: ref.name }
      if (!grants.allows({ group: GATEWAY_GROUP, kind: route.kind, namespace: route.namespace }, to)) {
        const why = `no ReferenceGrant lets a ${route.kind} of ${route.namespace} send to Services of ${namespace}`
        return invalid('not-granted', why, `Add a ReferenceGrant in ${namespace}.`)
      }
      const found = services.find(namespace, ref.name, ref.port, use === 'udp' ? 'UDP' : 'TCP')
      if (typeof found === 'string')
        return invalid('unknown-service', found, 'Add its manifest, or name it in the map of endpoints.')
      const policy = use === 'udp' ? undefined : policies.find(namespace, ref.name, found.name)
      if (typeof policy === 'string') return invalid('backend-tls', policy, 'Mend the policy.')
      const scheme = schemeOf(use, found.appProtocol, policy)
      const isAtEdge = isEdge && (use === 'http' || use === 'grpc')
      if (isAtEdge && (scheme === 'h2c' || policy !== undefined)) {
        const what = scheme === 'h2c' ? 'HTTP/2 in the clear' : 'TLS with authorities or names of its own'
        return invalid('edge-protocol', `a Worker cannot speak ${what}`, 'Leave --edge out: the relay can.')
      }
      if (scheme === undefined) {
        const why = `the Service speaks ${found.appProtocol}, which a ${route.kind} cannot`
        return invalid('unsupported-protocol', why, 'Mend "appProtocol", or use a route of that protocol.')
      }
      if (found.addresses.length === 0) {
        notes.add(
          'warning',
          'no-endpoints',
          spot,
          'the Service has no endpoints: it is answered 503 or refused',
          'Name some in the map of endpoints.',
        )
        return { pool: undefined, name, is: 'empty', why: 'it has no endpoints' }
      }
      const sticky = affinity === undefined ? [] : [`sticky-${affinity.cookie}`]
      const suffix = scheme === 'http' ? sticky : [scheme, ...sticky]
      const pool = configName(namespace, ref.name, ref.port, ...suffix)
      pools[pool] ??= {
        endpoints: found.addresses.map(address => `${scheme}://${address}`),
        ...(policy === undefined ? {} : { tls: policy }),
        ...(affinity === undefined
          ? {}
          : {
              affinity: {
                cookie: affinity.cookie,
                ...(affinity.maxAge === undefined ? {} : { maxAge: affinity.maxAge }),
              },
            }),
      }
      return { pool, name: pool }
    },
    allowRetries(pool) {
      pools[pool] = { ...pools[pool]!, retryBudget: { percent: 100, perSecond: 1_000 } }
    },
    refusing(name) {
      const pool = configName('default', ...name.split(':'), 'refused')
      pools[pool] ??= { endpoints: [], closed: true }
      return pool
    },
  }
}

/** KEP-3726 has the names that begin with kubernetes.io; the others are those of IANA and of common use. */
function schemeOf(use: Use, appProtocol: string | undefined, policy: EndpointTlsInput | undefined): string | undefined {
  if (use === 'udp') return 'udp'
  if (use === 'tcp') return policy === undefined ? 'tcp' : 'tls'
  const isTls = policy !== undefined || tlsProtocols.has(appProtocol?.toLowerCase() ?? '')
  if (use === 'grpc') return isTls ? 'https' : 'h2c'
  if (appProtocol !== undefined && otherProtocols.has(appProtocol.toLowerCase())) return undefined
  if (isTls) return 'https'
  return h2Protocols.has(appProtocol?.toLowerCase() ?? '') ? 'h2c' : 'http'
}

const tlsProtocols: ReadonlySet<string> = new Set(['https', 'kubernetes.io/wss', 'wss', 'grpcs', 'tls'])
const h2Protocols: ReadonlySet<string> = new Set(['kubernetes.io/h2c', 'h2c', 'http2', 'grpc'])
const otherProtocols: ReadonlySet<string> = new Set([
  'tcp',
  'udp',
  'redis',
  'mysql',
  'postgres',
  'postgresql',
  'mongo',
  'amqp',
  'smtp',
  'ssh',
  'dns',
])
const consequence: Readonly<Record<Use, string>> = {
  http: 'its share of requests is answered 500',
  grpc: 'its share of calls is answered UNAVAILABLE',
  tcp: 'its share of connections is refused',
  udp: 'its share of sessions is refused',
}
