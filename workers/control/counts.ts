// What all isolates have counted, in windows of 10 s: those of the last minute in memory, those of the last hour in the
// object's store.

import { boundsMs } from '../../shared/metrics/http-metrics.ts'
import type { EndpointCount, SeriesCount } from '../../shared/metrics/since.ts'

/** What an isolate sends. */
export interface Flush {
  /** The data centre. */
  readonly place: string
  /** Made up by the isolate, so that two of them are not taken for one. */
  readonly isolate: string
  readonly series: readonly SeriesCount[]
  readonly endpoints: readonly EndpointCount[]
}

export interface Counts {
  /** The whole windows that were summed up, in milliseconds since 1970. */
  readonly from: number
  readonly to: number
  readonly series: readonly SeriesCount[]
  readonly endpoints: readonly EndpointCount[]
}

/** Sums of one window; changed in place. */
export interface Window {
  readonly began: number
  readonly series: Map<string, { route: string; variant: string; requests: number; errors: number; buckets: number[] }>
  readonly endpoints: Map<string, { endpoint: string; requests: number; errors: number; buckets: number[] }>
}

export const windowMs = 10_000

export function openWindow(now: number): Window {
  return { began: now - (now % windowMs), series: new Map(), endpoints: new Map() }
}

/** Adds a flush. What is no count is left out, and names beyond the bound are counted together without a name. */
export function addFlush(window: Window, { series, endpoints }: Flush): void {
  for (const each of series.slice(0, mostNames)) {
    const isFull = window.series.size >= mostNames
    const key = `${each.route}\0${each.variant}`
    const [route, variant] = isFull && !window.series.has(key) ? ['', ''] : [each.route, each.variant]
    const sums = window.series.get(`${route}\0${variant}`) ?? emptySeries(route, variant)
    sums.requests += counted(each.requests)
    sums.errors += counted(each.errors)
    for (let i = 0; i < sums.buckets.length; i++) sums.buckets[i]! += counted(each.buckets[i])
    window.series.set(`${route}\0${variant}`, sums)
  }
  for (const { endpoint, requests, errors, buckets } of endpoints.slice(0, mostNames)) {
    const known = window.endpoints.get(endpoint)
    if (known === undefined && window.endpoints.size >= mostNames) continue
    const sums = known ?? { endpoint, requests: 0, errors: 0, buckets: emptyBuckets() }
    sums.requests += counted(requests)
    sums.errors += counted(errors)
    // An isolate of another version of this program may send none.
    for (let i = 0; i < sums.buckets.length; i++) sums.buckets[i]! += counted(buckets?.[i])
    window.endpoints.set(endpoint, sums)
  }
}

export function packWindow({ series, endpoints }: Window): string {
  return JSON.stringify({ series: [...series.values()], endpoints: [...endpoints.values()] })
}

/** All of them as one. */
export function sumWindows(
  texts: readonly { readonly began: number; readonly text: string }[],
  from: number,
  to: number,
): Counts {
  const whole = openWindow(from)
  for (const { text } of texts)
    addFlush(whole, { place: '', isolate: '', ...(JSON.parse(text) as Pick<Flush, 'series' | 'endpoints'>) })
  const endpoints = [...whole.endpoints.values()].map(each => ({ ...each, isEjected: false }))
  return { from, to, series: [...whole.series.values()], endpoints }
}

function emptySeries(route: string, variant: string) {
  return { route, variant, requests: 0, errors: 0, buckets: emptyBuckets() }
}

function emptyBuckets(): number[] {
  return new Array<number>(boundsMs.length + 1).fill(0)
}

function counted(value: number | undefined): number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0
}

const mostNames = 2_000
