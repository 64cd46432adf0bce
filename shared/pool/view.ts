// A pool as it is right now: which endpoints may be used, at which priority, and with what share. Made when the pool's
// availability changes and kept until it does again, so that a choice costs a few loads.

import { isDown, isDraining, type Observed } from './observed.ts'
import type { Endpoint, Pool } from './pool.ts'
import { smoothSequence } from './sequence.ts'

export interface View {
  readonly pool: Pool
  readonly generation: number
  /** When time alone changes it: an ejection or a slow start ends. Infinity when nothing is pending. */
  readonly until: number
  /** First those of levels with load, then those kept in reserve for retries; within that by priority, then as in the config. */
  readonly endpoints: readonly Endpoint[]
  /** The first so many of `endpoints` carry load. */
  readonly loaded: number
  readonly levels: readonly Level[]
  /** By place in `endpoints`. Of all requests, the share it should get; those of loaded ones sum to 1. In reserve: of its level. */
  readonly shares: Float64Array
  /** Sums of `shares` up to and with each loaded one; the last is 1 but for rounding. */
  readonly cumulative: Float64Array
  /** Weight over the mean weight of its level: 1 when all weigh the same. */
  readonly relative: Float64Array
  /** From an endpoint's place in `pool.endpoints` to its place here, or -1. */
  readonly places: Int32Array
  /** The last group takes requests with every endpoint it has, since too few are up. */
  readonly isPanic: boolean
  /** One or more endpoints are in slow start. */
  readonly isRamping: boolean
  /** Places in the order round robin visits them; made on first use by `sequenceOf`. */
  sequence: Int32Array | undefined
}

/** One priority group within a view. */
export interface Level {
  readonly priority: number
  /** Its endpoints are `endpoints[from]` up to, not with, `endpoints[to]`. */
  readonly from: number
  readonly to: number
  /** The share of requests up to and with this level; 1, but for rounding, from the last one with load on. */
  readonly loadUpTo: number
  readonly hasEqualWeights: boolean
}

/**
 * The view of this moment, from the memo of this thread when nothing has changed since. The generation is read without
 * Atomics here, which cost more than all the rest: a change of another thread may be seen some nanoseconds later, and
 * `look` reads in order.
 */
export function view(pool: Pool, observed: Observed, now: number): View {
  const memo = observed.views[pool.index]
  if (
    memo !== undefined &&
    memo.pool === pool &&
    memo.generation === observed.generations[pool.index] &&
    now < memo.until
  ) {
    return memo
  }
  const fresh = look(pool, observed, now)
  observed.views[pool.index] = fresh
  return fresh
}

/** Round robin's order over the endpoints with load, as places in `endpoints`. */
export function sequenceOf(view: View): Int32Array {
  view.sequence ??= smoothSequence(weightsForSequence(view))
  return view.sequence
}

/**
 * Whether a client that was on this endpoint may stay there: it is up (or its group is used in panic), not draining or
 * ejected, has a weight, and has room under the limits. Its priority's load does not matter.
 */
export function mayKeep(pool: Pool, endpoint: Endpoint, observed: Observed, now: number): boolean {
  if (observed.open[endpoint.slot]! >= pool.maxRequestsPerEndpoint) return false
  if (observed.poolOpen[pool.index]! >= pool.maxRequests) return false
  const { endpoints } = view(pool, observed, now)
  for (let place = 0; place < endpoints.length; place++) if (endpoints[place]!.slot === endpoint.slot) return true
  return false
}

/**
 * How much of its weight an endpoint has: from 0.1 when it returned to 1 after `slowStartMs`, in a straight line. It
 * returns when a probe finds it up, when a drain is taken back, or when an ejection ends.
 */
export function ramp(pool: Pool, endpoint: Endpoint, observed: Observed, now: number): number {
  if (pool.slowStartMs === 0) return 1
  const since = returnedAt(observed, endpoint.slot, now)
  if (since === 0) return 1
  return Math.min(1, rampFrom + ((1 - rampFrom) * Math.max(0, now - since)) / pool.slowStartMs)
}

function returnedAt(observed: Observed, slot: number, now: number): number {
  const ejectedUntil = observed.ejectedUntil[slot]!
  return Math.max(observed.upSince[slot]!, ejectedUntil <= now ? ejectedUntil : 0)
}

/** Everything of one priority, counted. Endpoints of weight 0 take no part. */
interface Group {
  readonly priority: number
  /** Places in `pool.endpoints`. */
  readonly up: number[]
  /** Up, down or ejected: what panic may use. */
  readonly notDraining: number[]
  total: number
  load: number
}

function look(pool: Pool, observed: Observed, now: number): View {
  // Read first: a change while we look makes the result stale, not wrong for good.
  const generation = Atomics.load(observed.generations, pool.index)
  const groups: Group[] = []
  let until = Number.POSITIVE_INFINITY
  let isRamping = false
  for (const [index, endpoint] of pool.endpoints.entries()) {
    if (endpoint.weight === 0) continue
    const group = groupOf(groups, endpoint.priority)
    group.total += 1
    const flags = Atomics.load(observed.flags, endpoint.slot)
    if ((flags & isDraining) !== 0) continue
    group.notDraining.push(index)
    if ((flags & isDown) !== 0) continue
    const ejectedUntil = observed.ejectedUntil[endpoint.slot]!
    if (ejectedUntil > now) {
      until = Math.min(until, ejectedUntil)
      continue
    }
    group.up.push(index)
    if (ramp(pool, endpoint, observed, now) < 1) {
      isRamping = true
      until = Math.min(until, returnedAt(observed, endpoint.slot, now) + pool.slowStartMs)
    }
  }
  groups.sort((a, b) => a.priority - b.priority)
  const panicking = spreadLoad(groups, pool)
  return arrange(pool, groups, panicking, { generation, until, isRamping })
}

function groupOf(groups: Group[], priority: number): Group {
  let group = groups.find(candidate => candidate.priority === priority)
  if (group === undefined) {
    group = { priority, up: [], notDraining: [], total: 0, load: 0 }
    groups.push(group)
  }
  return group
}

/**
 * Gives each group its load, as Envoy does (load_balancing/priority): a group's health is its share of endpoints that
 * are up times the overprovisioning, at most 1; each group takes up to its health and the rest spills over to the next;
 * when all together have less than 1, each takes its part of that sum. Example with 1.4: groups 50 % and 100 % up take
 * 70 and 30 of 100; groups 25 % and 25 % up take 50 and 50.
 *
 * Gives back the group that panics: when all together have less than 1 and in the last group with load fewer than
 * `panicPercent` of those not draining are up. When nothing at all is up, that is the last group that has endpoints.
 */
function spreadLoad(groups: readonly Group[], pool: Pool): Group | undefined {
  const healthOf = (group: Group) => Math.min(1, (pool.overprovisioning * group.up.length) / group.total)
  const health = groups.reduce((sum, group) => sum + healthOf(group), 0)
  let left = 1
  if (health > 0) {
    for (const group of groups) {
      const load = Math.min(left, healthOf(group) / Math.min(1, health))
      // What is left by rounding is nothing.
      group.load = load < 1e-9 ? 0 : load
      left -= group.load
    }
  }
  if (health >= 1) return undefined
  const last = groups.findLast(group => (health > 0 ? group.load > 0 : group.notDraining.length > 0))
  if (last === undefined || last.up.length * 100 >= pool.panicPercent * last.notDraining.length) return undefined
  if (health === 0) last.load = 1
  return last
}

function arrange(
  pool: Pool,
  groups: readonly Group[],
  panicking: Group | undefined,
  timing: { generation: number; until: number; isRamping: boolean },
): View {
  const endpoints: Endpoint[] = []
  const shares: number[] = []
  const relative: number[] = []
  const levels: Level[] = []
  const places = new Int32Array(pool.endpoints.length).fill(-1)
  let loadUpTo = 0
  const add = (group: Group) => {
    const members = group === panicking ? group.notDraining : group.up
    if (members.length === 0) return
    const from = endpoints.length
    const weights = members.map(index => pool.endpoints[index]!.weight)
    const weight = weights.reduce((sum, one) => sum + one, 0)
    for (const [at, index] of members.entries()) {
      places[index] = endpoints.length
      endpoints.push(pool.endpoints[index]!)
      shares.push((weights[at]! / weight) * (group.load || 1))
      relative.push((weights[at]! * members.length) / weight)
    }
    loadUpTo = Math.min(1, loadUpTo + group.load)
    const hasEqualWeights = weights.every(one => one === weights[0])
    levels.push({ priority: group.priority, from, to: endpoints.length, loadUpTo, hasEqualWeights })
  }
  for (const group of groups) if (group.load > 0) add(group)
  const loaded = endpoints.length
  for (const group of groups) if (group.load === 0) add(group)
  const cumulative = new Float64Array(loaded)
  let sum = 0
  for (let place = 0; place < loaded; place++) {
    sum += shares[place]!
    cumulative[place] = sum
  }
  return {
    pool,
    generation: timing.generation,
    until: timing.until,
    endpoints,
    loaded,
    levels,
    shares: Float64Array.from(shares),
    cumulative,
    relative: Float64Array.from(relative),
    places,
    isPanic: panicking !== undefined,
    isRamping: timing.isRamping,
    sequence: undefined,
  }
}

/** The weights as written when one level carries all, so that the sequence is as short as it can be. */
function weightsForSequence(view: View): Float64Array {
  const isOneLevel = view.levels[0]?.to === view.loaded
  return Float64Array.from({ length: view.loaded }, (_, place) =>
    isOneLevel ? view.endpoints[place]!.weight : view.shares[place]!,
  )
}

/** Envoy's aggression 1 and min_weight_percent 10 (slow_start_config). */
const rampFrom = 0.1
