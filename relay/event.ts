// What happens to endpoints, one line for each change: a probe's verdict, a drain.

import type { Endpoint, Pool } from '../shared/pool/pool.ts'

export interface RelayEvent {
  /** ISO 8601 in UTC. */
  readonly time: string
  readonly event: 'endpoint_up' | 'endpoint_down' | 'endpoint_draining' | 'endpoint_undrained'
  readonly pool: string
  readonly endpoint: string
  /** What the last probe said; null where an operator said it. */
  readonly why: string | null
}

/** What happens to threads: one died with what it had open, and later another has taken its place. */
export interface ThreadEvent {
  /** ISO 8601 in UTC. */
  readonly time: string
  readonly event: 'thread_lost' | 'thread_replaced'
  /** Its number, from 0, which the one that takes its place has too. */
  readonly thread: number
  /** Lost with it: they have no record of their own. */
  readonly flows: number
  /** What it died of; null for `thread_replaced`. */
  readonly why: string | null
}

/** What was stored on disk is known, and from now on more is stored there. */
export interface DiskEvent {
  /** ISO 8601 in UTC. */
  readonly time: string
  readonly event: 'cache_disk_ready'
  /** Found there, with what divides them, and the room that they take. */
  readonly answers: number
  readonly bytes: number
}

export function relayEvent(
  event: RelayEvent['event'],
  pool: Pool,
  endpoint: Endpoint,
  why: string | null,
  now: number,
): RelayEvent {
  return { time: new Date(now).toISOString(), event, pool: pool.name, endpoint: endpoint.name, why }
}
