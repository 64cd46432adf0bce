// What was counted of late, put to the names of a table: shares of variants, errors of endpoints, times of routes.

import { endpointsOf, splitsOf } from '../overlay/base.ts'
import type { Voices } from '../overlay/evidence.ts'
import type { Table } from '../table/table.ts'
import type { EndpointCount, SeriesCount } from './since.ts'

export interface Counted {
  readonly splits: readonly {
    readonly split: string
    readonly variants: readonly {
      readonly name: string
      readonly requests: number
      readonly errors: number
      /** Of the split's requests, 0 to 1; null without any. Rules of one route with such variants count together. */
      readonly share: number | null
    }[]
  }[]
  readonly endpoints: readonly {
    readonly endpoint: string
    /** Tries. */
    readonly requests: number
    readonly errors: number
    /** As those of a route. */
    readonly medianMs: number | null
    readonly p99Ms: number | null
    /** Data centres that have ejected it, of those that have asked it lately. */
    readonly places: Voices
  }[]
  /** By route and variant. */
  readonly routes: readonly {
    readonly route: string
    readonly variant: string
    readonly requests: number
    readonly errors: number
    /** Upper bounds of the buckets that hold them; null without a request, or beyond the last bound. */
    readonly medianMs: number | null
    readonly p99Ms: number | null
  }[]
}

/** @param bounds of the buckets, in milliseconds */
export function countedOf(
  table: Table,
  { series, endpoints }: { readonly series: readonly SeriesCount[]; readonly endpoints: readonly EndpointCount[] },
  placesOf: (endpoint: string) => Voices,
  bounds: readonly number[],
): Counted {
  const splits = [...splitsOf(table)].map(([split, { rule, variants }]) => {
    const route = rule.slice(0, rule.lastIndexOf('/'))
    const counted = variants.map(({ name }) => {
      const own = series.filter(each => each.route === route && each.variant === name)
      return { name, requests: sum(own, each => each.requests), errors: sum(own, each => each.errors) }
    })
    const all = sum(counted, each => each.requests)
    return { split, variants: counted.map(each => ({ ...each, share: all === 0 ? null : each.requests / all })) }
  })
  const byEndpoint = new Map(endpoints.map(each => [each.endpoint, each]))
  return {
    splits,
    endpoints: [...endpointsOf(table).keys()].map(endpoint => {
      const { requests, errors, buckets } = byEndpoint.get(endpoint) ?? { requests: 0, errors: 0, buckets: [] }
      const medianMs = quantile(buckets, bounds, 0.5)
      return {
        endpoint,
        requests,
        errors,
        medianMs,
        p99Ms: quantile(buckets, bounds, 0.99),
        places: placesOf(endpoint),
      }
    }),
    routes: series.map(({ buckets, ...rest }) => ({
      ...rest,
      medianMs: quantile(buckets, bounds, 0.5),
      p99Ms: quantile(buckets, bounds, 0.99),
    })),
  }
}

function quantile(buckets: readonly number[], bounds: readonly number[], part: number): number | null {
  const all = sum(buckets, count => count)
  let below = 0
  for (const [i, bound] of bounds.entries()) {
    below += buckets[i] ?? 0
    if (all > 0 && below >= all * part) return bound
  }
  return null
}

function sum<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((total, item) => total + of(item), 0)
}
