// An operator takes endpoints out of use by hand: nothing new goes there, and what is open has a while to finish.

import { markDraining, unmarkDraining } from '../shared/pool/health.ts'
import type { Endpoint, Pool } from '../shared/pool/pool.ts'
import type { Plane } from './door.ts'
import { type RelayEvent, relayEvent } from './event.ts'

export interface Drains {
  readonly drain: (endpointId: string, drainMs?: number) => boolean
  readonly undrain: (endpointId: string) => boolean
  /** Those that the overlay drains: by their ids, all of them. One drained by hand too stays so until both are taken back. */
  readonly follow: (endpointIds: ReadonlySet<string>) => void
  readonly stop: () => void
}

/** @param cut ends the flows that are on an endpoint, in every thread */
export function createDrains(
  plane: Pick<Plane, 'table' | 'observed' | 'host'>,
  cut: (endpointId: string) => void,
  onEvent: (event: RelayEvent) => void,
): Drains {
  /** By endpoint id: ends its flows when the time is up. */
  const draining = new Map<string, NodeJS.Timeout>()
  const byHand = new Set<string>()
  let byOverlay: ReadonlySet<string> = new Set()
  const find = (id: string): { pool: Pool; endpoint: Endpoint } | undefined => {
    for (const pool of plane.table.pools) {
      const endpoint = pool.endpoints.find(each => each.id === id)
      if (endpoint !== undefined) return { pool, endpoint }
    }
    return undefined
  }
  const begin = (id: string, drainMs: number): boolean => {
    const found = find(id)
    if (found === undefined) return false
    const { pool, endpoint } = found
    const isNew = !draining.has(id)
    clearTimeout(draining.get(id))
    draining.set(id, setTimeout(cut, drainMs, id).unref())
    markDraining(plane.observed, pool, endpoint)
    if (isNew) onEvent(relayEvent('endpoint_draining', pool, endpoint, null, plane.host.now()))
    return true
  }
  const end = (id: string): boolean => {
    const found = find(id)
    const timer = draining.get(id)
    if (timer === undefined || byHand.has(id) || byOverlay.has(id)) return found !== undefined
    clearTimeout(timer)
    draining.delete(id)
    if (found === undefined) return false
    const now = plane.host.now()
    unmarkDraining(plane.observed, found.pool, found.endpoint, now)
    onEvent(relayEvent('endpoint_undrained', found.pool, found.endpoint, null, now))
    return true
  }
  return {
    drain: (id, drainMs = defaultMs) => {
      const isThere = begin(id, drainMs)
      if (isThere) byHand.add(id)
      return isThere
    },
    undrain: id => {
      byHand.delete(id)
      return end(id)
    },
    follow: ids => {
      const before = byOverlay
      byOverlay = ids
      for (const id of before) if (!ids.has(id)) end(id)
      for (const id of ids) if (!draining.has(id)) begin(id, defaultMs)
    },
    stop: () => {
      for (const timer of draining.values()) clearTimeout(timer)
    },
  }
}

const defaultMs = 30_000
