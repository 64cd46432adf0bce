// What one isolate has seen of its endpoints: the columns of the core, a retry budget for each pool, and who asked to be
// left alone. Plain numbers only, since requests of one isolate may share nothing else.

import { openBudget, type RetryBudget } from '../shared/attempt/budget.ts'
import { type LatencySketch, openSketch } from '../shared/attempt/latency-sketch.ts'
import { next } from '../shared/pool/balance.ts'
import type { Draw } from '../shared/pool/draw.ts'
import { createObserved, type Observed } from '../shared/pool/observed.ts'
import type { Endpoint, Pool } from '../shared/pool/pool.ts'
import type { Table } from '../shared/table/table.ts'

export interface Seen {
  readonly observed: Observed
  /** By pool index. */
  readonly budgets: readonly RetryBudget[]
  /** By pool index: how long answers took to requests that might have been hedged. */
  readonly sketches: readonly LatencySketch[]
  /** By endpoint slot: until when `Retry-After` asked for quiet, in milliseconds since 1970. */
  readonly quietUntil: Float64Array
  /** The latest of those: once it has passed nobody looks at the column. */
  lastQuiet: number
}

/** Each isolate starts its round robin elsewhere: a thousand fresh ones must not all begin with the first endpoint. */
export function openSeen(table: Table): Seen {
  const size = { slots: table.slots.size, pools: table.pools.length }
  const firstTurn = Math.floor(Math.random() * 0x1_0000_0000)
  return {
    observed: createObserved({ ...size, shared: false, firstTurn }),
    budgets: table.pools.map(() => openBudget()),
    sketches: table.pools.map(() => openSketch()),
    quietUntil: new Float64Array(size.slots),
    lastQuiet: 0,
  }
}

export function keepQuiet(seen: Seen, endpoint: Endpoint, until: number): void {
  seen.quietUntil[endpoint.slot] = until
  if (until > seen.lastQuiet) seen.lastQuiet = until
}

export function isQuiet(seen: Seen, endpoint: Endpoint, now: number): boolean {
  return seen.lastQuiet > now && seen.quietUntil[endpoint.slot]! > now
}

/** `next`, but rather an endpoint that has not asked to be left alone. When all that are left did, one of those. */
export function choose(
  seen: Seen,
  pool: Pool,
  tried: readonly Endpoint[],
  now: number,
  draw: Draw,
  key: string | undefined,
): Endpoint | undefined {
  if (seen.lastQuiet > now) {
    const avoided = [...tried, ...pool.endpoints.filter(endpoint => isQuiet(seen, endpoint, now))]
    const endpoint = next(pool, avoided, seen.observed, now, draw, key)
    if (endpoint !== undefined) return endpoint
  }
  return next(pool, tried, seen.observed, now, draw, key)
}
