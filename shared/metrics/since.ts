// What an HTTP door has counted since it was last asked, by route and variant and by endpoint: small enough to be sent
// every second.

import type { Observed } from '../pool/observed.ts'
import type { Table } from '../table/table.ts'
import { endpointTimes, endpointTries, type HttpMetrics } from './http-metrics.ts'

/** Of requests of one route and variant. */
export interface SeriesCount {
  readonly route: string
  /** Empty for redirects and replies. */
  readonly variant: string
  readonly requests: number
  /** Answered with 5xx, by an endpoint or by us. */
  readonly errors: number
  /** By the bounds of `fourseven_request_duration_seconds`, one more than those. */
  readonly buckets: readonly number[]
}

/** Of tries at one endpoint. */
export interface EndpointCount {
  /** `pool/name`, as the config has it. */
  readonly endpoint: string
  readonly requests: number
  readonly errors: number
  /** Of those that were answered, as those of a series. */
  readonly buckets: readonly number[]
  readonly isEjected: boolean
}

/** What was counted up to the last time; changed in place. */
export interface Counted {
  readonly series: Map<number, { requests: number; errors: number; buckets: Float64Array }>
  readonly tries: Map<number, { requests: number; errors: number; buckets: Float64Array }>
}

export function openCounted(): Counted {
  return { series: new Map(), tries: new Map() }
}

/**
 * The difference to the last time, without what did not move.
 *
 * @param toldUntil until when others have an endpoint ejected, by `pool/name`: what was only told is nothing seen here, and
 *   said again it would eject the endpoint for ever
 */
export function countedSince(
  counted: Counted,
  metrics: HttpMetrics,
  table: Table,
  observed: Observed,
  now: number,
  toldUntil: ReadonlyMap<string, number> = NOTHING_TOLD,
): { readonly series: readonly SeriesCount[]; readonly endpoints: readonly EndpointCount[] } {
  const series: SeriesCount[] = []
  for (const [index, { route, variant, codes, buckets }] of metrics.series.entries()) {
    if (codes === undefined || buckets === undefined) continue
    let requests = 0
    let errors = 0
    for (const [status, count] of codes) {
      requests += count
      if (status >= 500) errors += count
    }
    const before = counted.series.get(index)
    if (before?.requests === requests) continue
    series.push({
      route,
      variant,
      requests: requests - (before?.requests ?? 0),
      errors: errors - (before?.errors ?? 0),
      buckets: Array.from(buckets, (count, i) => count - (before?.buckets[i] ?? 0)),
    })
    counted.series.set(index, { requests, errors, buckets: buckets.slice() })
  }
  const endpoints: EndpointCount[] = []
  for (const { endpoints: all } of table.pools) {
    for (const { of: endpoint, slot } of all) {
      const { requests, errors } = endpointTries(metrics, slot)
      const before = counted.tries.get(slot)
      const isEjected = observed.ejectedUntil[slot]! > Math.max(now, toldUntil.get(endpoint) ?? 0)
      if (requests === (before?.requests ?? 0) && !isEjected) continue
      const since = { requests: requests - (before?.requests ?? 0), errors: errors - (before?.errors ?? 0) }
      const times = endpointTimes(metrics, slot)
      const buckets = Array.from(times, (count, i) => count - (before?.buckets[i] ?? 0))
      endpoints.push({ endpoint, ...since, buckets, isEjected })
      counted.tries.set(slot, { requests, errors, buckets: times.slice() })
    }
  }
  return { series, endpoints }
}

const NOTHING_TOLD: ReadonlyMap<string, number> = new Map()
