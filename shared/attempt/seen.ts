// What a plane has seen of its endpoints beside the columns of the core: a retry budget and a sketch of latencies for each
// pool, and who asked to be left alone. Plain numbers only: at the edge requests of one isolate may share nothing else.

import { next } from '../pool/balance.ts'
import type { Draw } from '../pool/draw.ts'
import type { Observed } from '../pool/observed.ts'
import type { Endpoint, Pool } from '../pool/pool.ts'
import { openBudget, type RetryBudget } from './budget.ts'
import { type LatencySketch, openSketch } from './latency-sketch.ts'

export interface Seen {
  readonly observed: Observed
  /** By pool index. */
  readonly budgets: RetryBudget[]
  /** By pool index: how long answers took to requests that might have been hedged. */
  readonly sketches: LatencySketch[]
  /** By endpoint slot: until when `Retry-After` asked for quiet, in milliseconds since 1970. */
  quietUntil: Float64Array
  /** The latest of those: once it has passed nobody looks at the column. */
  lastQuiet: number
}

export function openSeen(observed: Observed, size: { readonly slots: number; readonly pools: number }): Seen {
  const seen: Seen = { observed, budgets: [], sketches: [], quietUntil: new Float64Array(size.slots), lastQuiet: 0 }
  growSeen(seen, size)
  return seen
}

/** Makes room for more, after a reload. What was seen stays. */
export function growSeen(seen: Seen, size: { readonly slots: number; readonly pools: number }): void {
  while (seen.budgets.length < size.pools) seen.budgets.push(openBudget())
  while (seen.sketches.length < size.pools) seen.sketches.push(openSketch())
  if (seen.quietUntil.length >= size.slots) return
  const column = new Float64Array(size.slots)
  column.set(seen.quietUntil)
  seen.quietUntil = column
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
