// Which endpoint each slot of a flow table has, for planes that can only look up: the kernel hashes a flow to a slot and
// takes what stands there. Depends on the config, what is up and the seed alone, so that two relays that see the same
// have the same table.

import { combine, unit } from './hash.ts'
import { buildMaglev, maglevSize } from './maglev.ts'
import type { Observed } from './observed.ts'
import type { Endpoint, Pool } from './pool.ts'
import { type Level, ramp, type View, view } from './view.ts'

/**
 * For each of 65,537 slots a place in `pool.endpoints`, or -1 when nothing may be used.
 *
 * The table over all endpoints of a priority never changes with their health: a slot whose owner may not be used goes to
 * another one, by a draw of its own between those that may, and comes back with its owner. So one endpoint that goes or
 * comes moves its own slots and no others. One in slow start has the part of its slots that its ramp allows.
 *
 * @param mayReach false for endpoints that this relay cannot send to though their probes pass
 */
export function flowSlots(
  pool: Pool,
  observed: Observed,
  now: number,
  seed: number,
  mayReach: (endpoint: Endpoint) => boolean,
): Int32Array {
  const slots = new Int32Array(maglevSize).fill(-1)
  const seen = view(pool, observed, now)
  const groups = seen.levels
    .filter(level => level.from < seen.loaded)
    .map(level =>
      groupOf(pool, seen, level, seed, endpoint => (mayReach(endpoint) ? ramp(pool, endpoint, observed, now) : 0)),
    )
    .filter(group => group.takers.length > 0)
  if (groups.length === 0) return slots
  for (let slot = 0; slot < slots.length; slot++) {
    const group = groups.length === 1 ? groups[0]! : groupFor(groups, unit(combine(slot, seed ^ levelSalt)))
    const owner = group.members[group.table[slot]!]!
    const part = group.parts[owner]!
    slots[slot] =
      part === 1 || (part > 0 && unit(combine(pool.endpoints[owner]!.hash, slot ^ rampSalt)) < part)
        ? owner
        : substitute(pool, group, owner, slot, seed)
  }
  return slots
}

/** One priority group with load. */
interface Group {
  readonly loadUpTo: number
  /** Into `members`, by slot. */
  readonly table: Uint16Array
  /** Places in `pool.endpoints`, as are `takers`. */
  readonly members: readonly number[]
  readonly takers: readonly number[]
  /** By place in `pool.endpoints`: the part of its slots it may have now. */
  readonly parts: Float64Array
}

function groupOf(pool: Pool, now: View, level: Level, seed: number, partOf: (endpoint: Endpoint) => number): Group {
  const parts = new Float64Array(pool.endpoints.length)
  const members: number[] = []
  for (const [place, endpoint] of pool.endpoints.entries()) {
    if (endpoint.priority !== level.priority || endpoint.weight === 0) continue
    members.push(place)
    const at = now.places[place]!
    if (at >= level.from && at < level.to) parts[place] = partOf(endpoint)
  }
  members.sort((a, b) => (pool.endpoints[a]!.id < pool.endpoints[b]!.id ? -1 : 1))
  const takers = members.filter(place => parts[place]! > 0)
  return { loadUpTo: level.loadUpTo, table: tableOf(pool, level.priority, seed, members), members, takers, parts }
}

function groupFor(groups: readonly Group[], drawn: number): Group {
  return groups.find(group => drawn < group.loadUpTo) ?? groups.at(-1)!
}

/** Weighted rendezvous between those that may be used (Schindelhauer and Schomaker, "Weighted Distributed Hash Tables", 2005). */
function substitute(pool: Pool, { takers, parts }: Group, owner: number, slot: number, seed: number): number {
  let best = takers[0]!
  let least = Number.POSITIVE_INFINITY
  for (const place of takers) {
    // One that ramps up has refused the slot; alone it takes it all the same.
    if (place === owner) continue
    const { hash, weight } = pool.endpoints[place]!
    const score = -Math.log(unit(combine(hash, slot ^ seed))) / (weight * parts[place]!)
    if (score < least) {
      least = score
      best = place
    }
  }
  return best
}

function tableOf(pool: Pool, priority: number, seed: number, members: readonly number[]): Uint16Array {
  let tables = made.get(pool)
  if (tables === undefined) {
    tables = new Map()
    made.set(pool, tables)
  }
  const key = `${priority} ${seed}`
  let table = tables.get(key)
  if (table === undefined) {
    table = buildMaglev(
      members.map(place => pool.endpoints[place]!),
      maglevSize,
      seed,
    )
    tables.set(key, table)
  }
  return table
}

const made = new WeakMap<Pool, Map<string, Uint16Array>>()
const levelSalt = 0x6c65766c
const rampSalt = 0x72616d70
