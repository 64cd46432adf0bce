// What an HTTP door counts. While a request is served only numbers in arrays move; names and labels are put to them when
// somebody asks. How many series there can be follows from the config: no value a client chooses is a label.

import { classOfStatus, type FailureClass } from '../attempt/classes.ts'
import type { HttpDecision } from '../decide/decision.ts'
import { grpcStatusNames } from '../http/grpc-status.ts'
import { isDown, isDraining, type Observed } from '../pool/observed.ts'
import type { Endpoint, Pool } from '../pool/pool.ts'
import type { HttpRule, HttpVariant, Table } from '../table/table.ts'
import { familyHead, histogramLines, sampleLine } from './prometheus.ts'

export interface HttpMetrics {
  /**
   * Series of requests by what served them; rules of one route with variants of one name share theirs. Weak: of a table
   * that was replaced nothing is held once its last request is over.
   */
  readonly seriesOf: WeakMap<HttpRule | HttpVariant, number>
  readonly series: Series[]
  /** Beyond the first try, by pool index. */
  readonly retries: Float64Array
  /** By endpoint slot and outcome. */
  readonly tries: Float64Array
  /** By endpoint slot: until the headers of tries that were answered, by `boundsMs` and one more. */
  readonly tryTimes: Float64Array
}

interface Series {
  readonly route: string
  readonly variant: string
  /** By status; made with the first request. */
  codes: Map<number, number> | undefined
  /** gRPC calls by their status; made with the first call. */
  calls: Map<number, number> | undefined
  /** What the cache did: a series of a rule without a cache has none. */
  cache: Map<string, number> | undefined
  /** One more than the bounds. */
  buckets: Float64Array | undefined
  /** Of all its requests together. */
  ms: number
  /** Of bodies, and of what followed an upgrade; 0 where the door cannot know. */
  bytesIn: number
  bytesOut: number
}

/** Nothing counted yet. The first series is for requests that no rule took. */
export function openHttpMetrics(table: Table): HttpMetrics {
  const metrics: HttpMetrics = {
    seriesOf: new WeakMap(),
    series: [newSeries('', '')],
    retries: new Float64Array(most(table.poolIndexes)),
    tries: new Float64Array(most(table.slots) * outcomes.length),
    tryTimes: new Float64Array(most(table.slots) * (boundsMs.length + 1)),
  }
  followTable(metrics, table)
  return metrics
}

/** The rules of another table with the same pools count on where those of the same route and variant are. */
export function followTable({ seriesOf, series }: HttpMetrics, table: Table): void {
  const keyOf = (route: string, variant: string) => `${route}\0${variant}`
  const known = new Map(series.map(({ route, variant }, index) => [keyOf(route, variant), index]))
  const indexOf = (route: string, variant: string): number => {
    const key = keyOf(route, variant)
    let index = known.get(key)
    if (index === undefined) {
      index = series.push(newSeries(route, variant)) - 1
      known.set(key, index)
    }
    return index
  }
  for (const rule of rulesOf(table)) {
    seriesOf.set(rule, indexOf(rule.route, ''))
    if (rule.action.do !== 'forward') continue
    for (const variant of rule.action.variants) seriesOf.set(variant, indexOf(rule.route, variant.name))
  }
}

/** The same counts under another table: what has the same name goes on, and what is gone keeps its numbers. */
export function carryHttpMetrics(before: HttpMetrics, table: Table): HttpMetrics {
  followTable(before, table)
  const after = openHttpMetrics(table)
  return {
    ...before,
    retries: widened(before.retries, after.retries),
    tries: widened(before.tries, after.tries),
    tryTimes: widened(before.tryTimes, after.tryTimes),
  }
}

/** What was counted, without the objects of a table: it may be sent to another thread. */
export type HttpCounts = Pick<HttpMetrics, 'series' | 'retries' | 'tries'>

/** These counts together under this table; the parts stay as they are. */
export function sumHttpMetrics(parts: readonly HttpCounts[], table: Table): HttpMetrics {
  const sum = openHttpMetrics(table)
  const known = new Map(sum.series.map(one => [`${one.route}\0${one.variant}`, one]))
  for (const { series, retries, tries } of parts) {
    for (const one of series) {
      const key = `${one.route}\0${one.variant}`
      const into = known.get(key) ?? newSeries(one.route, one.variant)
      if (!known.has(key)) (sum.series as Series[]).push(into)
      known.set(key, into)
      into.ms += one.ms
      into.bytesIn += one.bytesIn
      into.bytesOut += one.bytesOut
      into.codes = summed(into.codes, one.codes)
      into.calls = summed(into.calls, one.calls)
      into.cache = summed(into.cache, one.cache)
      if (one.buckets !== undefined) {
        into.buckets ??= new Float64Array(one.buckets.length)
        for (const [at, count] of one.buckets.entries()) into.buckets[at]! += count
      }
    }
    addTo(sum.retries, retries)
    addTo(sum.tries, tries)
  }
  return sum
}

function summed<Key>(into: Map<Key, number> | undefined, more: ReadonlyMap<Key, number> | undefined) {
  if (more === undefined) return into
  const sum = into ?? new Map<Key, number>()
  for (const [key, count] of more) sum.set(key, (sum.get(key) ?? 0) + count)
  return sum
}

function addTo(sums: Float64Array, numbers: Float64Array): void {
  for (const [at, number] of numbers.entries()) if (at < sums.length) sums[at]! += number
}

/** The same numbers with room for as many as the other has. */
function widened(numbers: Float64Array, other: Float64Array): Float64Array {
  if (numbers.length >= other.length) return numbers
  other.set(numbers)
  return other
}

/** @param ms until the response headers */
export function countRequest(
  metrics: HttpMetrics,
  decision: HttpDecision | undefined,
  status: number,
  ms: number,
): void {
  const series = seriesFor(metrics, decision)
  series.codes ??= new Map()
  series.codes.set(status, (series.codes.get(status) ?? 0) + 1)
  series.buckets ??= new Float64Array(boundsMs.length + 1)
  series.buckets[bucketOf(ms)]! += 1
  series.ms += ms
}

/** Counts the bytes of bodies, from the client and to it, of a request that `countRequest` counts too. */
export function countBytes(metrics: HttpMetrics, decision: HttpDecision | undefined, into: number, out: number): void {
  const series = seriesFor(metrics, decision)
  series.bytesIn += into
  series.bytesOut += out
}

/** Counts a gRPC call that `countRequest` counts too. */
export function countCall(metrics: HttpMetrics, decision: HttpDecision | undefined, grpcStatus: number): void {
  const series = seriesFor(metrics, decision)
  // What nobody knows is UNKNOWN, as gRPC says: an endpoint must not make up series.
  const status = grpcStatus in grpcStatusNames ? grpcStatus : UNKNOWN
  series.calls ??= new Map()
  series.calls.set(status, (series.calls.get(status) ?? 0) + 1)
}

function seriesFor(metrics: HttpMetrics, decision: HttpDecision | undefined): Series {
  const rule = decision?.rule
  const variant = decision?.do === 'forward' || decision?.do === 'reply' ? decision.variant : undefined
  const index = rule === undefined ? 0 : metrics.seriesOf.get(variant ?? rule)
  return metrics.series[index ?? 0]!
}

/** Counts what the cache did with a request that `countRequest` counts too. */
export function countCache(metrics: HttpMetrics, decision: HttpDecision | undefined, word: string): void {
  const variant = decision !== undefined && 'variant' in decision ? decision.variant : undefined
  const series = metrics.series[metrics.seriesOf.get(variant ?? decision!.rule!) ?? 0]!
  series.cache ??= new Map()
  series.cache.set(word, (series.cache.get(word) ?? 0) + 1)
}

/**
 * Counts a try that has ended, after it was settled. `isRetry`: it was not the first of its request. `ms`: until its headers,
 * where it is known.
 */
export function countTry(
  metrics: HttpMetrics,
  pool: Pool,
  endpoint: Endpoint,
  outcome: number | FailureClass | 'cancelled',
  isRetry: boolean,
  ms = -1,
): void {
  metrics.tries[endpoint.slot * outcomes.length + outcomeIndex(outcome)]! += 1
  if (ms >= 0 && typeof outcome === 'number')
    metrics.tryTimes[endpoint.slot * (boundsMs.length + 1) + bucketOf(ms)]! += 1
  if (isRetry) metrics.retries[pool.index]! += 1
}

/** How long answered tries at one endpoint took, by `boundsMs` and one more. */
export function endpointTimes({ tryTimes }: HttpMetrics, slot: number): Float64Array {
  return tryTimes.subarray(slot * (boundsMs.length + 1), (slot + 1) * (boundsMs.length + 1))
}

function bucketOf(ms: number): number {
  let bucket = 0
  while (bucket < boundsMs.length && ms > boundsMs[bucket]!) bucket += 1
  return bucket
}

/** Tries at one endpoint that were not given up by us, and those of them that the outlier judge takes for failures. */
export function endpointTries({ tries }: HttpMetrics, slot: number): { requests: number; errors: number } {
  const found = { requests: 0, errors: 0 }
  for (const [index, outcome] of outcomes.entries()) {
    const count = tries[slot * outcomes.length + index]!
    if (outcome === 'cancelled') continue
    found.requests += count
    if (!/^[1-4]xx$/.test(outcome)) found.errors += count
  }
  return found
}

/** The whole as Prometheus text. Series that have counted nothing are left out, states of endpoints are not. */
export function renderHttpMetrics(metrics: HttpMetrics, table: Table, observed: Observed, now: number): string {
  return renderRequests(metrics, table) + renderEndpoints(table, observed, now)
}

/** Without the endpoints: for a plane that tells of those itself. */
export function renderRequests(metrics: HttpMetrics, table: Table): string {
  const used = metrics.series.filter(({ codes }) => codes !== undefined)
  let text = familyHead('fourseven_requests_total', 'counter', 'Requests answered, by route, variant and status.')
  for (const { route, variant, codes } of used) {
    for (const [code, count] of codes!) {
      text += sampleLine('fourseven_requests_total', { route, variant, code: String(code) }, count)
    }
  }
  const called = used.filter(({ calls }) => calls !== undefined)
  if (called.length > 0) {
    text += familyHead('fourseven_grpc_calls_total', 'counter', 'gRPC calls ended, by route, variant and grpc-status.')
    for (const { route, variant, calls } of called) {
      for (const [status, count] of calls!) {
        const labels = { route, variant, status: grpcStatusNames[status]! }
        text += sampleLine('fourseven_grpc_calls_total', labels, count)
      }
    }
  }
  const cached = used.filter(({ cache }) => cache !== undefined)
  if (cached.length > 0) {
    text += familyHead('fourseven_cache_requests_total', 'counter', 'What the cache did, by route and variant.')
    for (const { route, variant, cache } of cached) {
      for (const [result, count] of cache!) {
        text += sampleLine('fourseven_cache_requests_total', { route, variant, result }, count)
      }
    }
  }
  const carried = used.filter(({ bytesIn, bytesOut }) => bytesIn + bytesOut > 0)
  if (carried.length > 0) {
    text += familyHead('fourseven_request_bytes_total', 'counter', 'Bytes of bodies: in from clients, out to them.')
    for (const { route, variant, bytesIn, bytesOut } of carried) {
      text += sampleLine('fourseven_request_bytes_total', { route, variant, direction: 'in' }, bytesIn)
      text += sampleLine('fourseven_request_bytes_total', { route, variant, direction: 'out' }, bytesOut)
    }
  }
  const duration = 'fourseven_request_duration_seconds'
  text += familyHead(duration, 'histogram', 'Time from a request to the headers of its answer.')
  for (const { route, variant, buckets, ms } of used) {
    text += histogramLines(duration, { route, variant }, boundsS, buckets!, ms / 1_000)
  }
  text += familyHead('fourseven_retries_total', 'counter', 'Tries beyond the first of a request.')
  for (const pool of table.pools) {
    text += sampleLine('fourseven_retries_total', { pool: pool.name }, metrics.retries[pool.index]!)
  }
  text += familyHead('fourseven_tries_total', 'counter', 'Tries by endpoint and how they ended.')
  for (const [{ name: pool }, endpoint] of endpointsOf(table)) {
    for (const [index, outcome] of outcomes.entries()) {
      const count = metrics.tries[endpoint.slot * outcomes.length + index]!
      if (count > 0) text += sampleLine('fourseven_tries_total', { pool, endpoint: endpoint.name, outcome }, count)
    }
  }
  return text
}

function renderEndpoints(table: Table, observed: Observed, now: number): string {
  let state = familyHead('fourseven_endpoint_state', 'gauge', 'Whether an endpoint is in this state: 1 or 0.')
  let open = familyHead('fourseven_open_requests', 'gauge', 'Tries that wait for the headers of an answer.')
  let ejections = familyHead('fourseven_ejections_total', 'counter', 'How often an endpoint was ejected.')
  for (const [{ name: pool }, { name: endpoint, slot }] of endpointsOf(table)) {
    const is = stateOf(observed, slot, now)
    for (const each of states) {
      state += sampleLine('fourseven_endpoint_state', { pool, endpoint, state: each }, each === is ? 1 : 0)
    }
    open += sampleLine('fourseven_open_requests', { pool, endpoint }, observed.open[slot]!)
    ejections += sampleLine('fourseven_ejections_total', { pool, endpoint }, observed.ejected[slot]!)
  }
  return state + open + ejections
}

function stateOf(observed: Observed, slot: number, now: number): (typeof states)[number] {
  const flags = observed.flags[slot]!
  if ((flags & isDraining) !== 0) return 'draining'
  if ((flags & isDown) !== 0) return 'down'
  return observed.ejectedUntil[slot]! > now ? 'ejected' : 'up'
}

/** Numbers are given over reloads, so with gaps. */
function most(numbers: ReadonlyMap<string, number>): number {
  let found = 0
  for (const number of numbers.values()) found = Math.max(found, number + 1)
  return found
}

function newSeries(route: string, variant: string): Series {
  const uncounted = { codes: undefined, calls: undefined, cache: undefined, buckets: undefined }
  return { route, variant, ...uncounted, ms: 0, bytesIn: 0, bytesOut: 0 }
}

function rulesOf(table: Table): Set<HttpRule> {
  const rules = new Set<HttpRule>()
  for (const { listeners } of table.httpDoors.values()) {
    for (const { index } of listeners) {
      for (const { matches } of index.hosts) for (const match of matches) rules.add(match.rule)
    }
  }
  return rules
}

function endpointsOf(table: Table): (readonly [Pool, Endpoint])[] {
  return table.pools.flatMap(pool => pool.endpoints.map(endpoint => [pool, endpoint] as const))
}

/** A 52x of Cloudflare's front is named by what it says of the endpoint. */
function outcomeIndex(outcome: number | FailureClass | 'cancelled'): number {
  const failure = typeof outcome === 'number' ? classOfStatus(outcome) : outcome
  if (failure !== undefined) return outcomes.indexOf(failure)
  return Math.min(Math.max(Math.floor((outcome as number) / 100), 1), 5) - 1
}

const outcomes = [
  '1xx',
  '2xx',
  '3xx',
  '4xx',
  '5xx',
  'connect-failure',
  'ambiguous',
  'sent',
  'timeout',
  'reset',
  'cancelled',
] as const
/** gRPC, "Status codes and their use in gRPC". */
const UNKNOWN = 2
const states = ['up', 'down', 'draining', 'ejected'] as const
/** The default buckets of Prometheus' client libraries, and one more for the request timeout of 30 s. */
export const boundsMs: readonly number[] = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000]
const boundsS: readonly number[] = boundsMs.map(ms => ms / 1_000)
