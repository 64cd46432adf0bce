// Brings what an overlay says of endpoints into `observed`: drains, ejections, verdicts.

import { markDown, markDraining, markEjected, markUp, unmarkDraining } from '../pool/health.ts'
import type { Observed } from '../pool/observed.ts'
import type { Table } from '../table/table.ts'
import { standing } from './apply.ts'
import { type EndpointBase, endpointsOf, verdictOf } from './base.ts'
import { emptyOverlay, type Overlay } from './overlay.ts'

/**
 * Marks what the overlay says and takes back what the one before said and this one does not. What the plane found itself
 * stays: an ejection of its own is not shortened, a drain or a verdict of its own not ended.
 *
 * @param before the overlay marked last here; undefined for none
 * @param skewMs this plane's clock less the control object's: moves the ends of ejections
 * @param probes `here`: of pools with a probe this plane knows more than any verdict. `elsewhere`: it knows by verdicts only,
 *   and an endpoint that starts down is down until one says otherwise
 */
export function markEndpoints(
  observed: Observed,
  table: Table,
  overlay: Overlay,
  before: Overlay | undefined,
  now: number,
  { skewMs, probes }: { readonly skewMs: number; readonly probes: 'here' | 'elsewhere' },
): void {
  const was = before ?? emptyOverlay
  const isEmpty = (each: Overlay) => each.drains.length + each.ejections.length + each.verdicts.length === 0
  const startsDown = probes === 'elsewhere' && table.pools.some(({ probe }) => probe?.startsDown)
  if (isEmpty(overlay) && isEmpty(was) && !startsDown) return
  const endpoints = endpointsOf(table)
  const draining = inForce(overlay.drains, endpoints)
  for (const [base] of inForce(was.drains, endpoints)) {
    if (!draining.has(base)) for (const each of base.endpoints) unmarkDraining(observed, base.pool, each, now)
  }
  for (const [{ pool, endpoints: all }] of draining) for (const each of all) markDraining(observed, pool, each)

  const ejected = inForce(overlay.ejections, endpoints)
  for (const [base, entry] of inForce(was.ejections, endpoints)) {
    const until = ejected.get(base)?.until ?? 0
    if (until >= entry.until) continue
    for (const each of base.endpoints) {
      const markedUntil = observed.ejectedUntil[each.slot]!
      // One that is over began the endpoint's ramp. What this plane has ejected since is later, and its own.
      if (markedUntil > now && markedUntil <= entry.until + skewMs + SAME_MS) {
        markEjected(observed, base.pool, each, Math.max(now, until + skewMs))
      }
    }
  }
  for (const [{ pool, endpoints: all }, { until }] of ejected) {
    for (const each of all) {
      if (until + skewMs > Math.max(now, observed.ejectedUntil[each.slot]!)) {
        markEjected(observed, pool, each, until + skewMs)
      }
    }
  }

  const judged = inForce(overlay.verdicts, endpoints)
  const judgedBefore = inForce(was.verdicts, endpoints)
  for (const base of endpoints.values()) {
    const { pool, endpoints: all } = base
    if (probes === 'here' && pool.probe !== undefined) continue
    const verdict = judged.get(base)
    if (verdictOf(verdict, pool.probe) === 'down') for (const each of all) markDown(observed, pool, each)
    else if (verdictOf(judgedBefore.get(base), pool.probe) === 'down') {
      // Since then it ramps up, wherever that is heard of: an isolate that begins does not begin anew with it.
      const since = verdict === undefined ? now : Math.min(now, verdict.at + skewMs)
      for (const each of all) markUp(observed, pool, each, since)
    }
  }
}

/** By `pool/name`: until when an ejection of the overlay may last here. What is ejected for longer this plane has ejected itself. */
export function toldUntil({ ejections }: Overlay, skewMs: number): ReadonlyMap<string, number> {
  return new Map(ejections.map(({ endpoint, until }) => [endpoint, until + skewMs + SAME_MS]))
}

function inForce<Entry extends { readonly endpoint: string; readonly base: string }>(
  entries: readonly Entry[],
  endpoints: ReadonlyMap<string, EndpointBase>,
): Map<EndpointBase, Entry> {
  const found = new Map<EndpointBase, Entry>()
  for (const entry of entries) {
    const base = standing(entry, endpoints)
    if (typeof base === 'object') found.set(base, entry)
  }
  return found
}

/** Two readings of a skew differ by the time that a message took. */
const SAME_MS = 2_000
