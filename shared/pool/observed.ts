// What a plane has seen of its endpoints: columns of numbers by dense endpoint slot, a few by pool index, over one
// buffer that threads may share. A try claims its endpoint before it starts and settles when its body or flow ends.
//
// Under several threads:
// exact        open, poolOpen (limits hold, nothing drifts), flags, failuresInRow, ejections, generations; a window is
//              judged by one thread only.
// approximate  latency and latencyAt (of two settles in the same microsecond one may be lost), successes and failures
//              (the few requests settled while a window is closed may count for it), the ejection cap (two threads may
//              each eject one endpoint in the same microsecond).
// per thread   turns and views: each thread starts its round robin elsewhere. And what it holds itself of the open counts,
//              so that they can be given back when a thread dies.

import { ejectionMs, ejectionsLeft, leastRequests, mayEjectMore, successRateFloor, windowMs } from './outlier.ts'
import type { Endpoint, Pool } from './pool.ts'
import type { View } from './view.ts'

export interface Observed {
  readonly buffer: ArrayBufferLike
  /** How many slots and pools have room. */
  readonly slots: number
  readonly pools: number

  /** By endpoint slot. Milliseconds since 1970 until which the endpoint is ejected; stays after it has returned; 0 for never. */
  readonly ejectedUntil: Float64Array
  /** Peak-EWMA of the answer time in milliseconds as of `latencyAt`; 0 with `latencyAt` 0 means no sample yet. */
  readonly latency: Float64Array
  readonly latencyAt: Float64Array
  /** When the endpoint last came back up or out of a drain: slow start counts from here. 0 when it was never away. */
  readonly upSince: Float64Array
  /** Requests or flows claimed and not settled. */
  readonly open: Int32Array
  /** `isDown`, `isDraining`: apart, since a probe knows nothing of a drain and a drain nothing of a probe. */
  readonly flags: Int32Array
  /** In a row, as the length of the next one goes by them: they fade with time. */
  readonly ejections: Int32Array
  readonly failuresInRow: Int32Array
  /** In the pool's current window of 10 s. */
  readonly successes: Int32Array
  readonly failures: Int32Array
  /** Ejections ever, for metrics. */
  readonly ejected: Int32Array

  /** By pool index. */
  readonly poolOpen: Int32Array
  /** Number of the window that successes and failures are counted in. */
  readonly window: Int32Array
  /** Moves whenever the availability of one of the pool's endpoints changes. */
  readonly generations: Int32Array

  /** Of this thread, by pool index: round-robin turns, from 0 to 2^31 - 1 and round (beyond it `%` is ten times slower). */
  readonly turns: Int32Array
  readonly views: (View | undefined)[]
  /** Undefined where no other thread could outlive this one. */
  readonly held: Held | undefined
}

/** What one thread has claimed and not settled, by slot and by pool index: its part of `open` and `poolOpen`. */
export interface Held {
  readonly buffer: SharedArrayBuffer
  readonly open: Int32Array
  readonly poolOpen: Int32Array
}

export type Outcome = 'success' | 'failure' | 'neutral'

/** Bits of `flags`. */
export const isDown = 1
export const isDraining = 2

/**
 * Columns with nothing seen yet: every endpoint up. A shared one takes room for 65,536 slots and 4,096 pools at once
 * (pages the system hands out only when touched), so that no reload in practice has to move what other threads are
 * counting in.
 *
 * @param firstTurn where this thread's round robin starts, a whole number drawn at random.
 */
export function createObserved(size: { slots: number; pools: number; shared: boolean; firstTurn: number }): Observed {
  const slots = size.shared ? Math.max(size.slots, sharedSlots) : size.slots
  const pools = size.shared ? Math.max(size.pools, sharedPools) : size.pools
  const bytes = headBytes + slots * slotBytes + pools * poolBytes
  const buffer = size.shared ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes)
  new Int32Array(buffer, 0, 2).set([slots, pools])
  return attachObserved(buffer, size.firstTurn)
}

/**
 * Another thread's columns over the same buffer. `firstTurn` should differ from thread to thread.
 *
 * @param heldBuffer from `createHeld`, for a thread that may die while others go on
 */
export function attachObserved(
  buffer: ArrayBufferLike,
  firstTurn: number,
  heldBuffer?: SharedArrayBuffer | undefined,
): Observed {
  const [slots, pools] = new Int32Array(buffer, 0, 2) as unknown as [number, number]
  // The wide columns come first, so that they are aligned.
  const wide = (column: number) => new Float64Array(buffer, headBytes + column * 8 * slots, slots)
  const afterWide = headBytes + 4 * 8 * slots
  const narrow = (column: number) => new Int32Array(buffer, afterWide + column * 4 * slots, slots)
  const afterSlots = headBytes + slots * slotBytes
  const byPool = (column: number) => new Int32Array(buffer, afterSlots + column * 4 * pools, pools)
  return {
    buffer,
    slots,
    pools,
    ejectedUntil: wide(0),
    latency: wide(1),
    latencyAt: wide(2),
    upSince: wide(3),
    open: narrow(0),
    flags: narrow(1),
    ejections: narrow(2),
    failuresInRow: narrow(3),
    successes: narrow(4),
    failures: narrow(5),
    ejected: narrow(6),
    poolOpen: byPool(0),
    window: byPool(1),
    generations: byPool(2),
    turns: new Int32Array(pools).fill(firstTurn & lastTurn),
    views: [],
    held: heldBuffer === undefined ? undefined : heldIn(heldBuffer, slots),
  }
}

/** Memory for what one thread holds; its owner is another thread, which outlives it. */
export function createHeld({ slots, pools }: Pick<Observed, 'slots' | 'pools'>): SharedArrayBuffer {
  return new SharedArrayBuffer(4 * (slots + pools))
}

/**
 * Takes what a thread that has died held off the open counts, and empties its memory for the next one. Nothing was
 * learned from those tries.
 */
export function giveBack(observed: Observed, heldBuffer: SharedArrayBuffer): void {
  const held = heldIn(heldBuffer, observed.slots)
  for (const column of ['open', 'poolOpen'] as const) {
    for (const [index, count] of held[column].entries()) if (count !== 0) Atomics.sub(observed[column], index, count)
    held[column].fill(0)
  }
}

function heldIn(buffer: SharedArrayBuffer, slots: number): Held {
  return { buffer, open: new Int32Array(buffer, 0, slots), poolOpen: new Int32Array(buffer, 4 * slots) }
}

/**
 * The same columns with room for more slots and pools, for a reload. The same object when there is room already. Else a
 * new buffer with every column copied: when it is shared, the other threads have to attach it, and what they claim or
 * settle in the old one after the copy is not in the new one.
 */
export function grow(observed: Observed, slots: number, pools: number): Observed {
  if (slots <= observed.slots && pools <= observed.pools) return observed
  const grown = createObserved({
    slots: Math.max(slots, observed.slots),
    pools: Math.max(pools, observed.pools),
    shared: !(observed.buffer instanceof ArrayBuffer),
    firstTurn: observed.turns[0] ?? 0,
  })
  for (const column of columns) (grown[column] as Int32Array).set(observed[column] as Int32Array)
  return grown
}

/**
 * Wipes a slot before it is given to another endpoint. Only once `open` is 0 there: what is still open will settle.
 */
export function forget(observed: Observed, slot: number): void {
  for (const column of slotColumns) observed[column][slot] = 0
}

/**
 * Counts a try on its endpoint, so that the next decision sees it, and advances the pool's turn. True on every normal
 * day. False when another thread took the last place under `maxRequests` or `maxRequestsPerEndpoint` since the choice:
 * then nothing was claimed and nothing may be settled; choose again.
 *
 * @param isRetry a later try of the same request takes no turn: else, with one of two endpoints dead, every request and
 *   its retry would use up both turns, and each next request would begin with the dead one again
 */
export function claim(observed: Observed, pool: Pool, endpoint: Endpoint, isRetry = false): boolean {
  if (!takePlace(observed.poolOpen, pool.index, pool.maxRequests)) return false
  if (!takePlace(observed.open, endpoint.slot, pool.maxRequestsPerEndpoint)) {
    Atomics.sub(observed.poolOpen, pool.index, 1)
    return false
  }
  const { held } = observed
  if (held !== undefined) {
    held.open[endpoint.slot]! += 1
    held.poolOpen[pool.index]! += 1
  }
  if (!isRetry) observed.turns[pool.index] = (observed.turns[pool.index]! + 1) & lastTurn
  return true
}

/** Never counts beyond the limit, not for a moment: another thread would take that for a place that is gone. */
function takePlace(counts: Int32Array, at: number, most: number): boolean {
  if (most === Number.POSITIVE_INFINITY) {
    Atomics.add(counts, at, 1)
    return true
  }
  for (let open = Atomics.load(counts, at); open < most; ) {
    const found = Atomics.compareExchange(counts, at, open, open + 1)
    if (found === open) return true
    open = found
  }
  return false
}

/**
 * Ends what `claim` began, exactly once: takes the try off the open counts, learns from it and lets the outlier judge
 * look. `neutral` says nothing about the endpoint (the client went away): only the counts move.
 *
 * @param latencyMs until the first byte of the answer, or until connected; negative when not known. A failure never
 * makes an endpoint look faster than it was.
 */
export function settle(
  observed: Observed,
  pool: Pool,
  endpoint: Endpoint,
  outcome: Outcome,
  latencyMs: number,
  now: number,
): void {
  const { held } = observed
  if (held !== undefined) {
    held.open[endpoint.slot]! -= 1
    held.poolOpen[pool.index]! -= 1
  }
  Atomics.sub(observed.open, endpoint.slot, 1)
  Atomics.sub(observed.poolOpen, pool.index, 1)
  if (outcome !== 'neutral') learn(observed, pool, endpoint, outcome, latencyMs, now)
}

/**
 * The part of `settle` that learns, without ending the claim: a flow is a success once it is connected and may then stay
 * open for hours. It is settled as `neutral` when it ends.
 */
export function learn(
  observed: Observed,
  pool: Pool,
  endpoint: Endpoint,
  outcome: 'success' | 'failure',
  latencyMs: number,
  now: number,
): void {
  const { slot } = endpoint
  const isFailure = outcome === 'failure'
  if (latencyMs >= 0) learnLatency(observed, slot, latencyMs, isFailure, now)
  const { outlier } = pool
  if (outlier === undefined) return
  if (outlier.successRateFactor > 0) {
    const window = Math.floor(now / windowMs) | 0
    const counted = observed.window[pool.index]!
    if (window !== counted && Atomics.compareExchange(observed.window, pool.index, counted, window) === counted) {
      closeWindow(observed, pool, outlier.successRateFactor, window === counted + 1, now)
    }
    Atomics.add(isFailure ? observed.failures : observed.successes, slot, 1)
  }
  if (!isFailure) {
    if (observed.failuresInRow[slot] !== 0) Atomics.store(observed.failuresInRow, slot, 0)
    return
  }
  // What began before the ejection and fails during it was judged already.
  if (outlier.consecutiveFailures === 0 || observed.ejectedUntil[slot]! > now) return
  const inRow = Atomics.add(observed.failuresInRow, slot, 1) + 1
  if (inRow < outlier.consecutiveFailures || !mayEject(observed, pool, now)) return
  // Of several threads that get here only one resets the count, and that one ejects.
  if (Atomics.compareExchange(observed.failuresInRow, slot, inRow, 0) === inRow) eject(observed, pool, endpoint, now)
}

/**
 * The latency estimate at this moment: it fades while nothing is heard (tau 10 s, as Finagle's PeakEwma), so that an
 * endpoint which was slow once is tried again. -1 without a sample.
 */
export function latencyNow(observed: Observed, slot: number, now: number): number {
  const at = observed.latencyAt[slot]!
  if (at === 0) return -1
  return observed.latency[slot]! * Math.exp(Math.min(0, at - now) / latencyTauMs)
}

/** Says that an endpoint became available or stopped being so: every thread's view of the pool is stale from here on. */
export function moveGeneration(observed: Observed, pool: Pool): void {
  Atomics.add(observed.generations, pool.index, 1)
}

/** Peak-EWMA: a peak counts at once and in full, what is below it is approached with e^(-elapsed/tau). */
function learnLatency(observed: Observed, slot: number, latencyMs: number, isFailure: boolean, now: number): void {
  const before = observed.latency[slot]!
  const at = observed.latencyAt[slot]!
  if (at === 0 || latencyMs >= before) observed.latency[slot] = latencyMs
  else if (isFailure) return
  else {
    const kept = Math.exp(Math.min(0, at - now) / latencyTauMs)
    observed.latency[slot] = before * kept + latencyMs * (1 - kept)
  }
  // 0 would say that there is no sample.
  observed.latencyAt[slot] = Math.max(1, now)
}

/**
 * Judges the window that just ended and empties it. One that ended longer ago is only emptied: an ejection now would
 * punish for what is long over.
 */
function closeWindow(observed: Observed, pool: Pool, factor: number, isRecent: boolean, now: number): void {
  const { endpoints } = pool
  const rates = new Float64Array(endpoints.length)
  for (let index = 0; index < endpoints.length; index++) {
    const { slot } = endpoints[index]!
    const successes = Atomics.exchange(observed.successes, slot, 0)
    const requests = successes + Atomics.exchange(observed.failures, slot, 0)
    rates[index] = requests >= leastRequests ? successes / requests : Number.NaN
  }
  const floor = isRecent ? successRateFloor(rates, factor) : undefined
  if (floor === undefined) return
  for (let index = 0; index < endpoints.length; index++) {
    const endpoint = endpoints[index]!
    if (rates[index]! < floor && observed.ejectedUntil[endpoint.slot]! <= now && mayEject(observed, pool, now)) {
      eject(observed, pool, endpoint, now)
    }
  }
}

function mayEject(observed: Observed, pool: Pool, now: number): boolean {
  let ejected = 0
  for (const endpoint of pool.endpoints) if (observed.ejectedUntil[endpoint.slot]! > now) ejected += 1
  return pool.outlier !== undefined && mayEjectMore(pool.outlier, pool.endpoints.length, ejected)
}

function eject(observed: Observed, pool: Pool, endpoint: Endpoint, now: number): void {
  const { slot } = endpoint
  const outlier = pool.outlier!
  const left = ejectionsLeft(outlier, observed.ejections[slot]!, now - observed.ejectedUntil[slot]!)
  Atomics.store(observed.ejections, slot, left + 1)
  Atomics.add(observed.ejected, slot, 1)
  observed.ejectedUntil[slot] = now + ejectionMs(outlier, left + 1)
  moveGeneration(observed, pool)
}

const slotColumns = [
  'ejectedUntil',
  'latency',
  'latencyAt',
  'upSince',
  'open',
  'flags',
  'ejections',
  'failuresInRow',
  'successes',
  'failures',
  'ejected',
] as const
const columns = [...slotColumns, 'poolOpen', 'window', 'generations', 'turns'] as const
const lastTurn = 0x7fff_ffff
const headBytes = 8
const slotBytes = 4 * 8 + 7 * 4
const poolBytes = 3 * 4
const sharedSlots = 65_536
const sharedPools = 4_096
/** Finagle's default decay time (com.twitter.finagle.loadbalancer.Balancers.p2cPeakEwma). */
const latencyTauMs = 10_000
