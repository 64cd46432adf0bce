// When a second try is begun beside the first.

import type { HedgeConfig } from '../config/parsed.ts'
import { type LatencySketch, quantile } from './latency-sketch.ts'
import type { Body } from './plan.ts'

/**
 * Whether a request may be sent to two endpoints at once. Only with a safe method (RFC 9110 section 9.2.1): an idempotent
 * one does no harm twice in a row, but two of them side by side may end in either order. A body must be kept whole, and a
 * switch of protocols would leave the loser with an open connection.
 */
export function mayHedge(hedge: HedgeConfig | undefined, method: string, body: Body, isUpgrade: boolean): boolean {
  return hedge !== undefined && !isUpgrade && body !== 'streamed' && safeMethods.has(method)
}

/** Milliseconds to wait for the first try; undefined while too little is known of the pool. */
export function hedgeAfterMs(hedge: HedgeConfig, sketch: LatencySketch): number | undefined {
  return hedge.by === 'time' ? hedge.ms : quantile(sketch, hedge.percentile)
}

export const safeMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])
