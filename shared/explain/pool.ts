// Why this endpoint: the pool's balance and key, the order in which endpoints would be tried, and why others are left out.

import { formatDuration } from '../config/units.ts'
import { order } from '../pool/balance.ts'
import type { Draw } from '../pool/draw.ts'
import { isDown, isDraining, type Observed } from '../pool/observed.ts'
import type { Endpoint, Pool } from '../pool/pool.ts'
import { ramp, view } from '../pool/view.ts'

export interface PoolExplanation {
  readonly name: string
  readonly balance: string
  readonly key: string | undefined
  /** How endpoints learn the client's address at layer 4, and how they are asked whether they are up. */
  readonly sendProxy: string | undefined
  readonly probe: string | undefined
  /** Fewer endpoints are up than the panic threshold asks, so all of the last group are used. */
  readonly isPanic: boolean
  /** The order in which a request that fails everywhere would try them. */
  readonly order: readonly string[]
  readonly endpoints: readonly {
    readonly name: string
    readonly state: 'up' | 'down' | 'draining' | 'ejected'
    readonly weight: number
    readonly priority: number
    readonly open: number
    /** Why it would not be tried at all; undefined when it is in the order. */
    readonly leftOut: string | undefined
    /** Slow start: the part of its weight that counts now. */
    readonly rampedTo: number
  }[]
}

/** `first` is the endpoint of the decision: with affinity it may stand before the balance's own order. */
export function explainPool(
  pool: Pool,
  first: Endpoint | undefined,
  observed: Observed,
  now: number,
  draw: Draw,
  key: string | undefined,
): PoolExplanation {
  const tries = order(pool, observed, now, draw, key)
  const inOrder = first === undefined ? tries : [first, ...tries.filter(endpoint => endpoint !== first)]
  return {
    name: pool.name,
    balance: balanceWords(pool),
    key,
    sendProxy: sendProxyWords(pool),
    probe: probeWords(pool),
    isPanic: view(pool, observed, now).isPanic,
    order: inOrder.map(endpoint => endpoint.name),
    endpoints: pool.endpoints.map(endpoint => ({
      name: endpoint.name,
      state: stateOf(endpoint, observed, now),
      weight: endpoint.weight,
      priority: endpoint.priority,
      open: observed.open[endpoint.slot]!,
      leftOut: inOrder.includes(endpoint) ? undefined : whyLeftOut(pool, endpoint, observed, now),
      rampedTo: ramp(pool, endpoint, observed, now),
    })),
  }
}

function balanceWords(pool: Pool): string {
  if (pool.balance.by !== 'hash') return pool.balance.by
  const { key, boundedLoad } = pool.balance
  const of = 'name' in key ? `${key.from} ${key.name}` : key.from
  return boundedLoad === undefined ? `hash of ${of}` : `hash of ${of}, bounded load ${boundedLoad}`
}

function sendProxyWords({ sendProxy }: Pool): string | undefined {
  if (sendProxy === undefined) return undefined
  const { authority, alpn, hasUniqueId, hasSsl, hasChecksum, custom } = sendProxy
  const values = [
    ...(authority === false ? [] : ['authority']),
    ...(alpn === false ? [] : ['alpn']),
    ...(hasUniqueId ? ['uniqueId'] : []),
    ...(hasSsl ? ['ssl'] : []),
    ...(hasChecksum ? ['crc32c'] : []),
    ...custom.map(({ type }) => type.toString(16).toUpperCase()),
  ]
  return `version ${sendProxy.version}${values.length === 0 ? '' : ` with ${values.join(', ')}`}`
}

function probeWords({ probe }: Pool): string | undefined {
  if (probe === undefined) return undefined
  const { kind, path, intervalMs, edge, fall, rise, startsDown } = probe
  const start = startsDown ? ', down until it passes' : ''
  const asks = kind === 'http' ? `http ${path}` : kind
  const apart = kind === 'http' && edge.intervalMs !== intervalMs
  const every = `${formatDuration(intervalMs)}${apart ? ` (at the edge ${formatDuration(edge.intervalMs)})` : ''}`
  return `${asks} every ${every}, down after ${fall}, up after ${rise}${start}`
}

function stateOf(endpoint: Endpoint, observed: Observed, now: number): 'up' | 'down' | 'draining' | 'ejected' {
  const flags = observed.flags[endpoint.slot]!
  if ((flags & isDraining) !== 0) return 'draining'
  if ((flags & isDown) !== 0) return 'down'
  return observed.ejectedUntil[endpoint.slot]! > now ? 'ejected' : 'up'
}

function whyLeftOut(pool: Pool, endpoint: Endpoint, observed: Observed, now: number): string {
  if (endpoint.weight === 0) return 'its weight is 0'
  const state = stateOf(endpoint, observed, now)
  if (state === 'draining') return 'it is draining: no new requests or flows'
  if (state === 'down') return 'its probe says down'
  if (state === 'ejected')
    return `ejected for ${Math.ceil((observed.ejectedUntil[endpoint.slot]! - now) / 1000)} s more`
  if (observed.open[endpoint.slot]! >= pool.maxRequestsPerEndpoint) return 'it is at its limit of open requests'
  if (observed.poolOpen[pool.index]! >= pool.maxRequests) return 'the pool is at its limit of open requests'
  return `its priority group ${endpoint.priority} carries no load`
}
