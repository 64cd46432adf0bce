// A pool as the machine reads it: endpoints with their slots, and how to choose among them.

import type { EndpointAddress } from '../config/endpoint-address.ts'
import type { Balance, OutlierConfig, PoolConfig } from '../config/parse.ts'
import { hash32 } from './hash.ts'

export interface Pool {
  /** Dense index in the table; `observed` keeps a turn and an open count under it. */
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
}

export interface Endpoint {
  /** `pool/name`: stable across reloads; slots, ejections and drains are keyed by it. */
  readonly id: string
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
 */
export function compilePool(
  config: PoolConfig,
  index: number,
  resolve: (addressTemplate: string) => EndpointAddress,
  slotOf: (id: string) => number,
): Pool {
  const endpoints = config.endpoints.map((endpoint): Endpoint => {
    const address = resolve(endpoint.address)
    const name = endpoint.name ?? address.origin + address.base
    const id = `${config.name}/${name}`
    const { weight, priority } = endpoint
    return { id, slot: slotOf(id), name, address, weight, priority, hash: hash32(id) }
  })
  return {
    index,
    name: config.name,
    endpoints,
    balance: config.balance,
    panicPercent: config.panicPercent,
    overprovisioning: config.overprovisioning,
    slowStartMs: config.slowStartMs,
    affinity: config.affinity,
    outlier: config.outlier,
    maxRequests: config.maxRequests ?? Number.POSITIVE_INFINITY,
    maxRequestsPerEndpoint: config.maxRequestsPerEndpoint ?? Number.POSITIVE_INFINITY,
    retryBudget: config.retryBudget,
  }
}
