// The Maglev table of a pool's priority group, made on first use. It is built over all of the group's endpoints, up or
// not, sorted by id: it depends on the config alone, so a restarted or second relay has the same one.

import { buildMaglev } from './maglev.ts'
import type { Pool } from './pool.ts'

export interface PoolMaglev {
  /** Index into `members` by hash modulo its length. */
  readonly table: Uint16Array
  /** Places in `pool.endpoints`. */
  readonly members: Int32Array
}

/** undefined in a group of fewer than 64 endpoints with a weight: there rendezvous is fast enough and exact. */
export function maglevOf(pool: Pool, priority: number): PoolMaglev | undefined {
  if (pool.endpoints.length < leastForMaglev) return undefined
  let groups = made.get(pool)
  if (groups === undefined) {
    groups = new Map()
    made.set(pool, groups)
  }
  if (!groups.has(priority)) groups.set(priority, build(pool, priority))
  return groups.get(priority)
}

function build(pool: Pool, priority: number): PoolMaglev | undefined {
  const { endpoints } = pool
  const members = Array.from(endpoints.keys()).filter(
    index => endpoints[index]!.priority === priority && endpoints[index]!.weight > 0,
  )
  if (members.length < leastForMaglev) return undefined
  members.sort((a, b) => (endpoints[a]!.id < endpoints[b]!.id ? -1 : 1))
  const table = buildMaglev(members.map(index => endpoints[index]!))
  return { table, members: Int32Array.from(members) }
}

const made = new WeakMap<Pool, Map<number, PoolMaglev | undefined>>()
const leastForMaglev = 64
