// A pool as the machine reads it: endpoints with their slots, and how to choose among them.

import type { EndpointAddress } from '../config/endpoint-address.ts'
import type {
  Balance,
  EndpointTlsConfig,
  OutlierConfig,
  PoolConfig,
  ProbeConfig,
  QueueConfig,
  SendProxyConfig,
} from '../config/parsed.ts'
import { hash32 } from './hash.ts'

export interface Pool {
  /** `observed` keeps a turn and an open count under it. */
  readonly index: number
  readonly name: string
  /** In the order of the config. */
  readonly endpoints: readonly Endpoint[]
  readonly balance: Balance
  readonly panicPercent: number
  readonly overprovisioning: number
  readonly slowStartMs: number
  readonly affinity: { readonly cookie: string; readonly maxAgeS: number } | undefined
  readonly outlier: OutlierConfig | undefined
  /** Infinity when not limited. */
  readonly maxRequests: number
  readonly maxRequestsPerEndpoint: number
  readonly retryBudget: { readonly percent: number; readonly perSecond: number | undefined }
  /** How `tls://` endpoints are spoken with; undefined: as the system's authorities have it. */
  readonly tls: EndpointTlsConfig | undefined
  /** The PROXY header that endpoints get; undefined for none. */
  readonly sendProxy: SendProxyConfig | undefined
  readonly probe: ProbeConfig | undefined
  /** Where flows wait for a place when a limit is reached; undefined: they do not. */
  readonly queue: QueueConfig | undefined
}

/** By the host of an endpoint, a name: the IP addresses it was resolved to, none when it could not be. */
export type Addresses = ReadonlyMap<string, readonly string[]>

export interface Endpoint {
  /** `pool/name`: stable across reloads; slots, ejections and drains are keyed by it. Of a resolved name `pool/name@ip`. */
  readonly id: string
  /** `pool/name` as the config has it: the same for all addresses of one name. */
  readonly of: string
  /** Dense index into the columns of `observed`. */
  readonly slot: number
  /** As the operator calls it; the resolved address when not named. */
  readonly name: string
  readonly address: EndpointAddress
  readonly weight: number
  readonly priority: number
  /** hash32 of `id`, for rendezvous and Maglev. */
  readonly hash: number
}

/**
 * Makes a pool from its config: addresses resolved, names and ids given, hashes taken.
 *
 * `index` and the slots must be as stable as the names they stand for: `observed` counts under them, and a flow that
 * began before a reload is settled after it. Give neither to another pool or endpoint while something is open on the old.
 *
 * @param resolve `${NAME}` filled in and the address parsed.
 * @param slotOf the slot that belongs to an endpoint id, a new one when the id is new.
 * @param addresses an endpoint whose host stands here is one endpoint for each of its addresses, each with its weight
 * (as in Envoy's STRICT_DNS); one without an address is left out, unless the pool would then have none.
 */
export function compilePool(
  config: PoolConfig,
  index: number,
  resolve: (addressTemplate: string) => EndpointAddress,
  slotOf: (id: string) => number,
  addresses: Addresses = new Map(),
): Pool {
  const unresolved: Endpoint[] = []
  const endpoints = config.endpoints.flatMap((endpoint): Endpoint[] => {
    const address = resolve(endpoint.address)
    const name = endpoint.name ?? address.origin + address.base
    const id = `${config.name}/${name}`
    const { weight, priority } = endpoint
    const ips = addresses.get(address.host)
    if (ips === undefined || ips.length === 0) {
      const whole = { id, of: id, slot: slotOf(id), name, address, weight, priority, hash: hash32(id) }
      if (ips === undefined) return [whole]
      unresolved.push(whole)
      return []
    }
    return ips.map(ip => {
      const one = `${id}@${ip}`
      const place = { ...address, ip }
      return {
        id: one,
        of: id,
        slot: slotOf(one),
        name: `${name}@${ip}`,
        address: place,
        weight,
        priority,
        hash: hash32(one),
      }
    })
  })
  return {
    index,
    name: config.name,
    endpoints: endpoints.length === 0 ? unresolved : endpoints,
    balance: config.balance,
    panicPercent: config.panicPercent,
    overprovisioning: config.overprovisioning,
    slowStartMs: config.slowStartMs,
    affinity: config.affinity,
    outlier: config.outlier,
    maxRequests: config.maxRequests ?? Number.POSITIVE_INFINITY,
    maxRequestsPerEndpoint: config.maxRequestsPerEndpoint ?? Number.POSITIVE_INFINITY,
    retryBudget: config.retryBudget,
    tls: config.tls,
    sendProxy: config.sendProxy,
    probe: config.probe,
    queue: config.queue,
  }
}
