// Judging endpoints by real traffic: the rules and their numbers, as functions of numbers. `observed.ts` applies them.
// They follow Envoy's outlier detection (docs/root/intro/arch_overview/upstream/outlier.rst).

import type { OutlierConfig } from '../config/parsed.ts'

/** How long the n-th ejection lasts: n times the base, at most the maximum. In milliseconds. */
export function ejectionMs(outlier: OutlierConfig, ejections: number): number {
  return Math.min(outlier.baseEjectionMs * ejections, outlier.maxEjectionMs)
}

/**
 * What is left of an ejection count once the endpoint has been back for a while: each base time without an ejection
 * takes one off, so that a bad day is forgotten. (Envoy takes one off every interval of 10 s; in a quiet pool five
 * failures in a row take longer than that to gather, and the time would never grow.)
 */
export function ejectionsLeft(outlier: OutlierConfig, ejections: number, backForMs: number): number {
  if (ejections === 0) return 0
  return Math.max(0, ejections - Math.floor(backForMs / Math.max(1, outlier.baseEjectionMs)))
}

/** Whether one more of the pool's endpoints may be ejected while `ejected` of them are: never above the cap, but one always. */
export function mayEjectMore(outlier: OutlierConfig, endpoints: number, ejected: number): boolean {
  return ejected < Math.max(1, Math.floor((endpoints * outlier.maxEjectedPercent) / 100))
}

/**
 * The success rate below which an endpoint is an outlier: mean minus `factor` standard deviations of the population.
 * undefined when fewer than 5 endpoints have a rate: a deviation among so few says nothing.
 *
 * @param rates 0 to 1 for each endpoint with at least 100 requests in the window, NaN for the others.
 */
export function successRateFloor(rates: Float64Array, factor: number): number | undefined {
  let counted = 0
  let sum = 0
  for (const rate of rates) {
    if (Number.isNaN(rate)) continue
    counted += 1
    sum += rate
  }
  if (counted < leastEndpoints) return undefined
  const mean = sum / counted
  let squares = 0
  for (const rate of rates) if (!Number.isNaN(rate)) squares += (rate - mean) ** 2
  return mean - factor * Math.sqrt(squares / counted)
}

/** Windows are aligned to the clock, so that threads agree which one it is without talking. */
export const windowMs = 10_000
/** Fewer requests than this in a window give no success rate. */
export const leastRequests = 100
const leastEndpoints = 5
