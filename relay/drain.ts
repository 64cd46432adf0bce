// An operator takes endpoints out of use by hand: nothing new goes there, and what is open has a while to finish.

import { markDraining, unmarkDraining } from '../shared/pool/health.ts'
import type { Endpoint, Pool } from '../shared/pool/pool.ts'
import type { Plane } from './door.ts'
import { type RelayEvent, relayEvent } from './event.ts'

export interface Drains {
  readonly drain: (endpointId: string, drainMs?: number) => boolean
  readonly undrain: (endpointId: string) => boolean
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
  const find = (id: string): { pool: Pool; endpoint: Endpoint } | undefined => {
    for (const pool of plane.table.pools) {
      const endpoint = pool.endpoints.find(each => each.id === id)
      if (endpoint !== undefined) return { pool, endpoint }
    }
    return undefined
  }
  return {
    drain: (id, drainMs = defaultMs) => {
      const found = find(id)
      if (found === undefined) return false
      const { pool, endpoint } = found
      const isNew = !draining.has(id)
      clearTimeout(draining.get(id))
      draining.set(id, setTimeout(cut, drainMs, id).unref())
      markDraining(plane.observed, pool, endpoint)
      if (isNew) onEvent(relayEvent('endpoint_draining', pool, endpoint, null, plane.host.now()))
      return true
    },
    undrain: id => {
      const found = find(id)
      if (found === undefined) return false
      if (!draining.has(id)) return true
      const { pool, endpoint } = found
      clearTimeout(draining.get(id))
      draining.delete(id)
      const now = plane.host.now()
      unmarkDraining(plane.observed, pool, endpoint, now)
      onEvent(relayEvent('endpoint_undrained', pool, endpoint, null, now))
      return true
    },
    stop: () => {
      for (const timer of draining.values()) clearTimeout(timer)
    },
  }
}

const defaultMs = 30_000
