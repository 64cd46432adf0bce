// The swap of a reload: doors that are new are opened, the pointer is replaced, doors that left are closed, and flows that
// lost what they stand on are drained. Nothing has happened when a door cannot be opened.

import type { Problem } from '../shared/config/problem.ts'
import { markNew } from '../shared/pool/health.ts'
import { forget, grow, type Observed } from '../shared/pool/observed.ts'
import { type Difference, difference, isGone } from '../shared/table/difference.ts'
import type { FlowListener, Table } from '../shared/table/table.ts'
import type { Door, Plane } from './door.ts'
import type { Flow } from './flow.ts'
import { closeDoor } from './listen.ts'

export interface Reloaded {
  readonly difference: Difference
  /** Flows that have lost their listener, rule, variant or endpoint: they have until the drain timeout. */
  readonly drained: number
}

/** How doors are made and opened; a Problem says why one cannot be. */
export type OpenDoor = (listener: FlowListener) => Promise<Door | Problem>

/** What a reload to this table would do; nothing is changed. */
export function foresee(plane: Plane, after: Table): Reloaded {
  return { difference: difference(plane.table, after), drained: goneFlows(plane, after).length }
}

/**
 * Opens what `after` has and the doors have not, closes what it has no more, and gives the doors from then on. With
 * problems one could not be opened, and the doors are as they were. A listener whose new place is still held by one that
 * leaves is opened after that one is closed, so that for a moment nobody listens there.
 */
export async function exchangeDoors(
  doors: ReadonlyMap<string, Door>,
  before: Table,
  after: Table,
  open: OpenDoor,
): Promise<{ readonly doors: Map<string, Door>; readonly problems: readonly Problem[] }> {
  const { added, removed, moved } = difference(before, after).listeners
  const leaving = [...removed, ...moved]
  const opened = new Map<string, Door>()
  const problems: Problem[] = []
  const closedEarly: string[] = []
  for (const name of [...added, ...moved]) {
    const listener = after.flowListeners.get(name)!
    let door = await open(listener)
    if ('severity' in door) {
      const holder = leaving.find(other => isSamePlace(before.flowListeners.get(other)!, listener))
      if (holder !== undefined && !closedEarly.includes(holder)) {
        await close(doors.get(holder)!)
        closedEarly.push(holder)
        door = await open(listener)
      }
    }
    if ('severity' in door) problems.push(door)
    else opened.set(name, door)
  }
  const now = new Map(doors)
  if (problems.length > 0) {
    for (const door of opened.values()) await close(door)
    for (const name of closedEarly) {
      const door = await open(before.flowListeners.get(name)!)
      if ('severity' in door) problems.push(door)
      else now.set(name, door)
    }
    return { doors: now, problems }
  }
  for (const name of leaving) {
    if (!closedEarly.includes(name)) await close(doors.get(name)!)
    now.delete(name)
  }
  for (const [name, door] of opened) now.set(name, door)
  return { doors: now, problems }
}

/** One address may stand for all of the machine. */
function isSamePlace(a: FlowListener, b: FlowListener): boolean {
  return a.port === b.port && (a.port !== 0 || a.host === b.host)
}

/** Puts the new table in place. Counts, ejections and turns stay; an endpoint new to a pool that served ramps up. */
export function swap(plane: Plane, after: Table): void {
  const before = plane.table
  const { observed } = plane
  // In place: whoever holds it settles into the new columns.
  Object.assign(observed, grow(observed, highest(after.slots) + 1, highest(after.poolIndexes) + 1))
  plane.table = after
  const now = plane.host.now()
  for (const pool of after.pools) {
    const old = before.pools.find(({ name }) => name === pool.name)
    if (old === undefined) continue
    const known = new Set(old.endpoints.map(({ id }) => id))
    for (const endpoint of pool.endpoints) if (!known.has(endpoint.id)) markNew(observed, pool, endpoint, now)
  }
}

/**
 * The numbers of the table in force without those of endpoints and pools that are gone and have nothing open any more:
 * others may have them. Their columns are wiped.
 */
export function numbersInUse({ table, observed }: Plane): Pick<Table, 'slots' | 'poolIndexes'> {
  const ids = new Set(table.pools.flatMap(({ endpoints }) => endpoints.map(({ id }) => id)))
  const names = new Set(table.pools.map(({ name }) => name))
  const slots = new Map(table.slots)
  for (const [id, slot] of slots) {
    if (ids.has(id) || isUsed(observed.open, slot)) continue
    if (slot < observed.slots) forget(observed, slot)
    slots.delete(id)
  }
  const poolIndexes = new Map(table.poolIndexes)
  for (const [name, index] of poolIndexes) {
    if (!names.has(name) && !isUsed(observed.poolOpen, index)) poolIndexes.delete(name)
  }
  return { slots, poolIndexes }
}

/**
 * Ends in `drainMs` every flow of now that has then lost what it stands on, with the reason `drained`. One whose endpoint
 * has come back by then goes on. Gives the timer.
 */
export function drainGone(plane: Plane, drainMs: number): NodeJS.Timeout {
  const flows = new Set(goneFlows(plane, plane.table))
  const cut = () => {
    for (const flow of goneFlows(plane, plane.table)) if (flows.has(flow)) flow.cut('drained')
  }
  return setTimeout(cut, drainMs).unref()
}

export function goneFlows(plane: Plane, table: Table): Flow[] {
  const gone: Flow[] = []
  for (const flow of plane.flows) {
    const { decision, endpoint, facts } = flow
    if (decision?.do !== 'forward') continue
    const { rule, variant } = decision
    if (isGone({ listener: facts.listener, rule, variant, endpoint }, table)) gone.push(flow)
  }
  return gone
}

async function close(door: Door): Promise<void> {
  if (!door.server.listening) return
  closeDoor(door, false)
  // The descriptor is closed by then; flows that came through the door go on.
  await new Promise(resolve => setImmediate(resolve))
}

function isUsed(column: Observed['open'], index: number): boolean {
  return index < column.length && column[index] !== 0
}

export function highest(numbers: ReadonlyMap<string, number>): number {
  let most = -1
  for (const number of numbers.values()) if (number > most) most = number
  return most
}
