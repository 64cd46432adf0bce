// Which endpoint to try next. A function of pool, what was tried, what is observed, time, chance and key: nothing is
// counted here (`claim` does that), so asking twice gives the same answer twice.

import { type Draw, subDraw } from './draw.ts'
import { combine, hash32, unit } from './hash.ts'
import { latencyNow, type Observed } from './observed.ts'
import type { Endpoint, Pool } from './pool.ts'
import { maglevOf } from './pool-maglev.ts'
import { type Level, ramp, sequenceOf, type View, view } from './view.ts'

/**
 * The endpoint to try next, or undefined: nothing may be used, everything that may was tried, or a limit is reached
 * (`whyNone` says which). Priority groups without load are tried last and only by retries: a failover that is up beats
 * an error.
 *
 * round-robin     the pool's smooth sequence at its turn; a retry takes the next seat it has not tried.
 * random          by weight.
 * least-requests  two distinct endpoints drawn by weight; the one with fewer open for its weight, the first when equal.
 *                 (Comparing open + 1 would send everything to the heavier of two as long as there is no load.)
 * latency         the same, by peak-EWMA × (open for its weight + 1). An endpoint without a sample counts as fast as the
 *                 other one: neither shunned nor flooded.
 * hash            weighted rendezvous, and Maglev in a priority group of 64 endpoints and more. An endpoint that leaves
 *                 moves its own keys only and finds them again. Without a key: at random by weight.
 *
 * In slow start an endpoint's weight counts only in part: `ramp`.
 */
export function next(
  pool: Pool,
  tried: readonly Endpoint[],
  observed: Observed,
  now: number,
  draw: Draw,
  key: string | undefined,
): Endpoint | undefined {
  const seen = view(pool, observed, now)
  if (seen.loaded === 0 || observed.poolOpen[pool.index]! >= pool.maxRequests) return undefined
  const { balance } = pool
  const isPlain = tried.length === 0 && !seen.isRamping && pool.maxRequestsPerEndpoint === Number.POSITIVE_INFINITY
  let place = -1
  switch (balance.by) {
    case 'round-robin': {
      const sequence = seen.sequence ?? sequenceOf(seen)
      const turn = observed.turns[pool.index]!
      if (isPlain) return seen.endpoints[sequence[turn % sequence.length]!]
      place = takeSeat(seen, sequence, turn, tried, observed, now, draw)
      break
    }
    case 'random':
      place = takeRandom(seen, isPlain, tried, observed, now, draw)
      break
    case 'hash':
      if (key === undefined) place = takeRandom(seen, isPlain, tried, observed, now, draw)
      else return takeByHash(seen, balance.boundedLoad, tried, observed, now, hash32(key))
      break
    default:
      return takeBetter(seen, balance.by === 'latency', isPlain, tried, observed, now, draw)
  }
  if (place === -1 && tried.length > 0) place = takeReserve(seen, tried, observed, now, draw)
  return seen.endpoints[place]
}

/**
 * Why `next` gave nothing: a limit is reached where an untried endpoint could have been used, or there is none.
 * The words of RFC 9209 section 2.3.
 */
export function whyNone(
  pool: Pool,
  tried: readonly Endpoint[],
  observed: Observed,
  now: number,
): 'destination_unavailable' | 'connection_limit_reached' {
  const isLimited = Math.min(pool.maxRequests, pool.maxRequestsPerEndpoint) < Number.POSITIVE_INFINITY
  // The counts are not asked again: another thread may have made room since, and it was for want of room all the same.
  const isLeft = isLimited && view(pool, observed, now).endpoints.some(endpoint => !wasTried(endpoint, tried))
  return isLeft ? 'connection_limit_reached' : 'destination_unavailable'
}

/** Every endpoint in the order in which a request that fails everywhere would try them: what explain shows. */
export function order(pool: Pool, observed: Observed, now: number, draw: Draw, key: string | undefined): Endpoint[] {
  const tried: Endpoint[] = []
  for (;;) {
    const endpoint = next(pool, tried, observed, now, draw, key)
    if (endpoint === undefined) return tried
    tried.push(endpoint)
  }
}

/**
 * Round robin off the fast path: the first seat from the turn on that may be taken. An endpoint in slow start lets go of
 * part of its turns; who takes such a turn is drawn, not the next in line, so that nobody carries it all.
 */
function takeSeat(
  seen: View,
  sequence: Int32Array,
  turn: number,
  tried: readonly Endpoint[],
  observed: Observed,
  now: number,
  draw: Draw,
): number {
  const seats = Math.min(sequence.length, longestWalk)
  for (let step = 0; step < seats; step++) {
    const place = sequence[(turn + step) % sequence.length]!
    if (!mayTake(seen, place, tried, observed)) continue
    if (!seen.isRamping || ballot(draw, tried, 0) < ramp(seen.pool, seen.endpoints[place]!, observed, now)) return place
    break
  }
  return drawAmong(seen, 0, seen.loaded, -1, tried, observed, now, ballot(draw, tried, 1))
}

function takeRandom(
  seen: View,
  isPlain: boolean,
  tried: readonly Endpoint[],
  observed: Observed,
  now: number,
  draw: Draw,
): number {
  const chance = ballot(draw, tried, 1)
  if (isPlain) return placeAt(seen.cumulative, 0, seen.loaded, chance)
  return drawAmong(seen, 0, seen.loaded, -1, tried, observed, now, chance)
}

/** By weight from the first reserve group that has one left. */
function takeReserve(seen: View, tried: readonly Endpoint[], observed: Observed, now: number, draw: Draw): number {
  for (const level of seen.levels) {
    if (level.from < seen.loaded) continue
    const place = drawAmong(seen, level.from, level.to, -1, tried, observed, now, ballot(draw, tried, 1))
    if (place !== -1) return place
  }
  return -1
}

/** Two choices (Mitzenmacher 2001) inside a group, which is drawn by its load; other groups when it has none to give. */
function takeBetter(
  seen: View,
  byLatency: boolean,
  isPlain: boolean,
  tried: readonly Endpoint[],
  observed: Observed,
  now: number,
  draw: Draw,
): Endpoint | undefined {
  const { levels } = seen
  const chosen = levels[0]!.loadUpTo === 1 ? 0 : levelAt(seen, ballot(draw, tried, 0))
  let place = betterOfTwo(seen, levels[chosen]!, byLatency, isPlain, tried, observed, now, draw)
  for (let other = 0; place === -1 && other < levels.length; other++) {
    if (mayFallTo(seen, other, chosen, tried)) {
      place = betterOfTwo(seen, levels[other]!, byLatency, isPlain, tried, observed, now, draw)
    }
  }
  return seen.endpoints[place]
}

function betterOfTwo(
  seen: View,
  level: Level,
  byLatency: boolean,
  isPlain: boolean,
  tried: readonly Endpoint[],
  observed: Observed,
  now: number,
  draw: Draw,
): number {
  const { from, to } = level
  const chance = ballot(draw, tried, 1)
  let one: number
  let two: number
  if (!isPlain) {
    one = drawAmong(seen, from, to, -1, tried, observed, now, chance)
    if (one === -1) return -1
    two = drawAmong(seen, from, to, one, tried, observed, now, ballot(draw, tried, 2))
    if (two === -1) return one
  } else {
    if (to - from === 1) return from
    const { cumulative } = seen
    const floor = from === 0 ? 0 : cumulative[from - 1]!
    const width = cumulative[to - 1]! - floor
    one = placeAt(cumulative, from, to, floor + chance * width)
    // Distinct: the first one's stretch is cut out, and what lies behind it moves up.
    const start = one === 0 ? 0 : cumulative[one - 1]!
    const cut = cumulative[one]! - start
    let at = floor + ballot(draw, tried, 2) * (width - cut)
    if (at >= start) at += cut
    two = placeAt(cumulative, from, to, at)
  }
  const oneLoad = openForWeight(seen, one, observed, now)
  const twoLoad = openForWeight(seen, two, observed, now)
  if (!byLatency) return twoLoad < oneLoad ? two : one
  const oneLatency = latencyNow(observed, seen.endpoints[one]!.slot, now)
  const twoLatency = latencyNow(observed, seen.endpoints[two]!.slot, now)
  if (oneLatency < 0 || twoLatency < 0) return twoLoad < oneLoad ? two : one
  return twoLatency * (twoLoad + 1) < oneLatency * (oneLoad + 1) ? two : one
}

function openForWeight(seen: View, place: number, observed: Observed, now: number): number {
  const endpoint = seen.endpoints[place]!
  const part = seen.isRamping ? ramp(seen.pool, endpoint, observed, now) : 1
  return observed.open[endpoint.slot]! / (seen.relative[place]! * part)
}

/** The group is chosen by the key too, so that every relay agrees on it. */
function takeByHash(
  seen: View,
  boundedLoad: number | undefined,
  tried: readonly Endpoint[],
  observed: Observed,
  now: number,
  hash: number,
): Endpoint | undefined {
  const { levels } = seen
  const chosen = levels[0]!.loadUpTo === 1 ? 0 : levelAt(seen, unit(hash))
  let place = ownerOf(seen, levels[chosen]!, boundedLoad, tried, observed, now, hash)
  for (let other = 0; place === -1 && other < levels.length; other++) {
    if (mayFallTo(seen, other, chosen, tried)) {
      place = ownerOf(seen, levels[other]!, boundedLoad, tried, observed, now, hash)
    }
  }
  return seen.endpoints[place]
}

function ownerOf(
  seen: View,
  level: Level,
  boundedLoad: number | undefined,
  tried: readonly Endpoint[],
  observed: Observed,
  now: number,
  hash: number,
): number {
  const maglev = maglevOf(seen.pool, level.priority)
  if (maglev === undefined) return highest(seen, level, boundedLoad, -1, tried, observed, now, hash)
  const owner = seen.places[maglev.members[maglev.table[hash % maglev.table.length]!]!]!
  if (
    owner !== -1 &&
    mayTake(seen, owner, tried, observed) &&
    isWithin(seen, owner, boundedLoad, observed) &&
    keepsInRamp(seen, owner, observed, now, hash)
  ) {
    return owner
  }
  // Only this owner's keys come here; rendezvous, which shares nothing with the table, spreads them over the rest.
  return highest(seen, level, boundedLoad, owner, tried, observed, now, hash)
}

/**
 * Weighted rendezvous (Thaler and Ravishankar 1998; weights as in Schindelhauer and Schomaker 2005): each endpoint
 * scores -weight / ln(u) with u in (0, 1) from key and endpoint, the highest score owns the key. With equal weights the
 * greatest u does. When the load bound leaves nobody, it is dropped.
 */
function highest(
  seen: View,
  level: Level,
  boundedLoad: number | undefined,
  without: number,
  tried: readonly Endpoint[],
  observed: Observed,
  now: number,
  hash: number,
): number {
  const isEven = level.hasEqualWeights && !seen.isRamping
  let best = -1
  let bestScore = 0
  for (let place = level.from; place < level.to; place++) {
    if (place === without || !mayTake(seen, place, tried, observed)) continue
    if (!isWithin(seen, place, boundedLoad, observed)) continue
    const endpoint = seen.endpoints[place]!
    const chance = unit(combine(hash, endpoint.hash))
    const score = isEven ? chance : (-endpoint.weight * ramp(seen.pool, endpoint, observed, now)) / Math.log(chance)
    if (score > bestScore) {
      best = place
      bestScore = score
    }
  }
  if (best !== -1 || boundedLoad === undefined) return best
  return highest(seen, level, undefined, -1, tried, observed, now, hash)
}

/**
 * Consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam 2016): with this request no endpoint has more
 * than ceil(bound × its share of everything open).
 */
function isWithin(seen: View, place: number, boundedLoad: number | undefined, observed: Observed): boolean {
  if (boundedLoad === undefined) return true
  const open = observed.poolOpen[seen.pool.index]! + 1
  return observed.open[seen.endpoints[place]!.slot]! < Math.ceil(boundedLoad * open * seen.shares[place]!)
}

/** In slow start a Maglev owner keeps a growing part of its keys; a key it has got back it does not lose again. */
function keepsInRamp(seen: View, place: number, observed: Observed, now: number, hash: number): boolean {
  if (!seen.isRamping) return true
  const endpoint = seen.endpoints[place]!
  return unit(combine(hash, endpoint.hash)) < ramp(seen.pool, endpoint, observed, now)
}

/**
 * A place from `from` up to `to` by weight and ramp, among those that may be taken; -1 when there is none. Walks twice
 * instead of making a list. Another thread may change open counts between the walks: then the last that fitted.
 */
function drawAmong(
  seen: View,
  from: number,
  to: number,
  without: number,
  tried: readonly Endpoint[],
  observed: Observed,
  now: number,
  chance: number,
): number {
  let sum = 0
  let last = -1
  for (let place = from; place < to; place++) {
    if (place === without || !mayTake(seen, place, tried, observed)) continue
    sum += seen.shares[place]! * ramp(seen.pool, seen.endpoints[place]!, observed, now)
    last = place
  }
  let left = chance * sum
  for (let place = from; place < last; place++) {
    if (place === without || !mayTake(seen, place, tried, observed)) continue
    left -= seen.shares[place]! * ramp(seen.pool, seen.endpoints[place]!, observed, now)
    if (left < 0) return place
  }
  return last
}

function mayTake(seen: View, place: number, tried: readonly Endpoint[], observed: Observed): boolean {
  const endpoint = seen.endpoints[place]!
  return observed.open[endpoint.slot]! < seen.pool.maxRequestsPerEndpoint && !wasTried(endpoint, tried)
}

/** By slot: a reload in between makes new objects for the same endpoints. */
function wasTried(endpoint: Endpoint, tried: readonly Endpoint[]): boolean {
  for (let index = 0; index < tried.length; index++) if (tried[index]!.slot === endpoint.slot) return true
  return false
}

/** Groups without load only help retries. */
function mayFallTo(seen: View, other: number, chosen: number, tried: readonly Endpoint[]): boolean {
  return other !== chosen && (tried.length > 0 || seen.levels[other]!.from < seen.loaded)
}

function levelAt(seen: View, chance: number): number {
  const { levels } = seen
  let level = 0
  while (chance >= levels[level]!.loadUpTo && level + 1 < levels.length && levels[level + 1]!.from < seen.loaded) {
    level += 1
  }
  return level
}

/** The first place whose sum is above `at`. */
function placeAt(cumulative: Float64Array, from: number, to: number, at: number): number {
  let low = from
  let high = to - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (cumulative[middle]! > at) high = middle
    else low = middle + 1
  }
  return low
}

/** Up to four ballots for each try, none used twice. */
function ballot(draw: Draw, tried: readonly Endpoint[], index: number): number {
  return subDraw(draw, 'balance', tried.length * 4 + index)
}

/** Two endpoints of weights 8,000 and 1: whoever looks for the second would else walk 8,000 seats. */
const longestWalk = 32
