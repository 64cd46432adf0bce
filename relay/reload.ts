// What a reload has to do beside the swap: places that are new are taken and others are left, numbers in what is observed
// are given to new endpoints, and flows that lost what they stand on are found. A place that cannot be taken changes nothing.

import type { Problem } from '../shared/config/problem.ts'
import { markNew } from '../shared/pool/health.ts'
import { forget, grow, type Observed } from '../shared/pool/observed.ts'
import { type Difference, difference, isGone, isRequestGone, pathIn } from '../shared/table/difference.ts'
import type { FlowListener, Table } from '../shared/table/table.ts'
import type { Plane } from './door.ts'
import type { Flow } from './flow.ts'
import type { LiveRequest } from './http/request.ts'
import { leavePlace, type Place } from './place.ts'

export interface Reloaded {
  readonly difference: Difference
  /**
   * Connections that have lost their listener, rule, variant or endpoint: they have until the drain timeout. And
   * sessions that have lost their listener: they are over.
   */
  readonly drained: number
  /** Sessions that have lost their rule, variant or endpoint: their next datagram moves them. */
  readonly moving: readonly Moving[]
}

/** Sessions of one rule that are on one endpoint. */
export interface Moving {
  readonly listener: string
  /** `route/rule` */
  readonly rule: string
  readonly endpoint: string
  readonly sessions: number
  /** As `/flows` has them; the first thousand. */
  readonly ids: readonly number[]
}

/** What becomes of the flows of now under another table. */
export function fatesUnder(plane: Plane, after: Table): Pick<Reloaded, 'drained' | 'moving'> {
  const { removed, moved } = difference(plane.table, after).listeners
  const closing = new Set([...removed, ...moved])
  const moving = new Map<string, Moving & { readonly ids: number[] }>()
  let ended = 0
  for (const { transport, id, facts, decision, endpoint } of plane.flows) {
    if (transport !== 'udp' || decision?.do !== 'forward') continue
    const { listener } = facts
    const { rule, variant } = decision
    if (closing.has(listener)) ended += 1
    else if (pathIn({ listener, rule, variant, endpoint }, after)?.endpoint === undefined) {
      const group = { listener, rule: rule.id, endpoint: endpoint?.name ?? '' }
      const key = JSON.stringify(group)
      const { sessions, ids } = moving.get(key) ?? { sessions: 0, ids: [] as number[] }
      if (ids.length < mostIds) ids.push(id)
      moving.set(key, { ...group, sessions: sessions + 1, ids })
    }
  }
  return { drained: goneFlows(plane, after).length + ended, moving: [...moving.values()] }
}

/** Those of several threads as one list. */
export function mergeMoving(parts: readonly Moving[]): readonly Moving[] {
  const groups = new Map<string, Moving>()
  for (const part of parts) {
    const { listener, rule, endpoint } = part
    const key = JSON.stringify([listener, rule, endpoint])
    const before = groups.get(key) ?? { listener, rule, endpoint, sessions: 0, ids: [] }
    const ids = [...before.ids, ...part.ids].sort((a, b) => a - b).slice(0, mostIds)
    groups.set(key, { ...before, sessions: before.sessions + part.sessions, ids })
  }
  return [...groups.values()]
}

/** How places are taken and left. */
export interface PlaceKeeping {
  /** A Problem says why it cannot be. */
  readonly take: (listener: FlowListener) => Promise<Place | Problem>
  /** Nobody listens there when this resolves. */
  readonly leave: (name: string, place: Place) => Promise<void>
  /** Undoes a leave: takes the place again and listens there. */
  readonly comeBack: (listener: FlowListener) => Promise<Place | Problem>
}

/**
 * Takes the places that `after` has and the listeners have not, and gives all from then on, beside those to be left when
 * the table is in force. With problems one could not be taken, and everything is as it was. A listener whose new place
 * is still held by one that leaves takes it after that one has left, so that for a moment nobody listens there.
 */
export async function exchangePlaces(
  places: ReadonlyMap<string, Place>,
  before: Table,
  after: Table,
  keeping: PlaceKeeping,
): Promise<Exchanged> {
  const { added, removed, moved } = difference(before, after).listeners
  const leaving = [...removed, ...moved]
  const taken = new Map<string, Place>()
  const problems: Problem[] = []
  const leftEarly: string[] = []
  for (const name of [...added, ...moved]) {
    const listener = after.flowListeners.get(name)!
    let place = await keeping.take(listener)
    if ('severity' in place) {
      const holder = leaving.find(other => isSamePlace(before.flowListeners.get(other)!, listener))
      if (holder !== undefined && !leftEarly.includes(holder)) {
        await keeping.leave(holder, places.get(holder)!)
        leftEarly.push(holder)
        place = await keeping.take(listener)
      }
    }
    if ('severity' in place) problems.push(place)
    else taken.set(name, place)
  }
  const now = new Map(places)
  const undo = async () => {
    for (const place of taken.values()) leavePlace(place)
    for (const name of leftEarly) {
      const place = await keeping.comeBack(before.flowListeners.get(name)!)
      if ('severity' in place) problems.push(place)
      else now.set(name, place)
    }
  }
  if (problems.length > 0) {
    await undo()
    return { places: now, taken: new Map(), leaving: new Map(), problems, undo: async () => {} }
  }
  const stillToLeave = new Map<string, Place>()
  for (const name of leaving) {
    if (!leftEarly.includes(name)) stillToLeave.set(name, places.get(name)!)
    now.delete(name)
  }
  for (const [name, place] of taken) now.set(name, place)
  return { places: now, taken, leaving: stillToLeave, problems, undo }
}

export interface Exchanged {
  /** By listener name. */
  readonly places: ReadonlyMap<string, Place>
  readonly taken: ReadonlyMap<string, Place>
  readonly leaving: ReadonlyMap<string, Place>
  readonly problems: readonly Problem[]
  readonly undo: () => Promise<void>
}

/** One address may stand for all of the machine. */
function isSamePlace(a: FlowListener, b: FlowListener): boolean {
  if ((a.kind === 'udp') !== (b.kind === 'udp')) return false
  return a.port === b.port && (a.port !== 0 || a.host === b.host)
}

/** Whether what is observed has room for a table as it is. */
export function hasRoom({ slots, pools }: Observed, after: Table): boolean {
  return highest(after.slots) < slots && highest(after.poolIndexes) < pools
}

/** Makes room for a table in what is observed; an endpoint new to a pool that served ramps up. Right before the swap. */
export function makeRoom(plane: Plane, after: Table): void {
  const before = plane.table
  const { observed } = plane
  // In place: whoever holds it settles into the new columns.
  Object.assign(observed, grow(observed, highest(after.slots) + 1, highest(after.poolIndexes) + 1))
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

/** Connections that would have lost their listener, rule, variant or endpoint under this table. */
export function goneFlows(plane: Plane, table: Table): Flow[] {
  const gone: Flow[] = []
  for (const flow of plane.flows) {
    const { transport, decision, endpoint, facts } = flow
    // A session moves, or ends with its door.
    if (transport === 'udp' || decision?.do !== 'forward') continue
    const { rule, variant } = decision
    if (isGone({ listener: facts.listener, rule, variant, endpoint }, table)) gone.push(flow)
  }
  return gone
}

/** The same of requests. */
export function goneRequests(requests: Iterable<LiveRequest>, table: Table): LiveRequest[] {
  const gone: LiveRequest[] = []
  for (const request of requests) {
    const { decision, endpoint, listener } = request
    if (decision?.do !== 'forward') continue
    const { rule, variant } = decision
    if (isRequestGone({ listener, rule, variant, endpoint }, table)) gone.push(request)
  }
  return gone
}

function isUsed(column: Observed['open'], index: number): boolean {
  return index < column.length && column[index] !== 0
}

export function highest(numbers: ReadonlyMap<string, number>): number {
  let most = -1
  for (const number of numbers.values()) if (number > most) most = number
  return most
}

/** Of each group. */
const mostIds = 1_000
