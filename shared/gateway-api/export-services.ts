// Pools as Services: the port, what it speaks, and where it is.

import type { ConfigInput } from '../config/config.ts'
import type { PoolInput } from '../config/config-pool.ts'
import { secretOf } from './export-listener.ts'
import { type ObjectName, serviceObject } from './export-names.ts'
import { type Notes, type Spot, within } from './notes.ts'
import { GATEWAY_GROUP } from './words.ts'

/** A route that sends to a pool. */
export interface ServiceUse {
  readonly pool: string
  readonly from: { readonly kind: string; readonly namespace: string }
  readonly service: ObjectName & { readonly port: number }
}

/** Only pools that a route sends to; what refuses every flow has no Service. */
export function exportServices(
  config: ConfigInput,
  uses: readonly ServiceUse[],
  whole: Spot,
  notes: Notes,
): { readonly manifests: readonly object[]; readonly endpoints: Readonly<Record<string, readonly string[]>> } {
  const services = new Map<string, { object: ObjectName; ports: Map<string, object> }>()
  const policies = new Map<string, object>()
  const endpoints: Record<string, readonly string[]> = {}
  for (const name of new Set(uses.map(({ pool }) => pool))) {
    const pool = config.pools[name]!
    const spot = within(whole, 'pools', name)
    const object = serviceObject(name)
    const addresses = pool.endpoints.map(endpoint => (typeof endpoint === 'string' ? endpoint : endpoint.address))
    noteSettings(pool, spot, notes)
    const scheme = /^([a-z0-9]+):/.exec(addresses[0] ?? '')?.[1] ?? 'http'
    const key = `${object.namespace}/${object.name}`
    const known = services.get(key) ?? { object, ports: new Map<string, object>() }
    services.set(key, known)
    const protocol = scheme === 'udp' ? 'UDP' : 'TCP'
    const calls = uses.filter(use => use.pool === name).every(({ from }) => from.kind === 'GRPCRoute')
    const appProtocol = pool.tls !== undefined || (isHttp2Clear(scheme) && calls) ? undefined : appProtocols[scheme]
    const before = known.ports.get(`${protocol} ${object.port}`)
    const port = { name: `${protocol.toLowerCase()}-${object.port}`, protocol, port: object.port }
    known.ports.set(`${protocol} ${object.port}`, {
      ...port,
      ...before,
      ...(appProtocol === undefined ? {} : { appProtocol }),
    })
    endpoints[`${key}:${object.port}`] = addresses.map(address => address.replace(/^[a-z0-9]+:\/\//, ''))
    if (pool.tls !== undefined) policies.set(key, policyOf(object, pool.tls))
  }
  const manifests = [...services.values()].map(({ object, ports }) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: object.name, ...(object.namespace === 'default' ? {} : { namespace: object.namespace }) },
    spec: { ports: [...ports.values()] },
  }))
  return { manifests: [...manifests, ...policies.values()], endpoints }
}

function policyOf(object: ObjectName, tls: NonNullable<PoolInput['tls']>): object {
  const { ca, serverName } = tls
  const authority = ca === undefined ? undefined : secretOf(ca, object.namespace)
  return {
    apiVersion: `${GATEWAY_GROUP}/v1`,
    kind: 'BackendTLSPolicy',
    metadata: { name: object.name, ...(object.namespace === 'default' ? {} : { namespace: object.namespace }) },
    spec: {
      targetRefs: [{ group: '', kind: 'Service', name: object.name }],
      validation: {
        ...(authority === undefined
          ? { wellKnownCACertificates: 'System' }
          : { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: authority.name }] }),
        hostname: serverName ?? 'localhost',
      },
    },
  }
}

/** How endpoints are chosen and judged is for each gateway to know. */
function noteSettings(pool: PoolInput, spot: Spot, notes: Notes): void {
  const { endpoints, tls, affinity: _, retryBudget: __, ...rest } = pool
  const weighted = endpoints.some(each => typeof each !== 'string' && (each.weight ?? 1) !== 1)
  const more = {
    ...rest,
    ...(weighted ? { endpoints } : {}),
    ...(tls?.cert === undefined ? {} : { 'tls.cert': tls.cert }),
  }
  for (const field of Object.keys(more)) {
    const message = `the Gateway API has no word for "${field}" of a pool`
    notes.add('not-carried', 'no-word', within(spot, field), message, 'Say it where the manifests will be used.')
  }
}

function isHttp2Clear(scheme: string): boolean {
  return scheme === 'h2c' || scheme === 'grpc'
}

const appProtocols: Readonly<Record<string, string | undefined>> = {
  h2c: 'kubernetes.io/h2c',
  grpc: 'kubernetes.io/h2c',
  https: 'https',
  grpcs: 'https',
}
