// Which endpoints are probed at the edge, by which object, and when: pure, so that a simulation can run a thousand of them.
// A shard probes six at once at most, never more than six in a second, and no endpoint before its interval is over.

import type { ProbeConfig } from '../../shared/config/parsed.ts'
import { endpointBase, endpointsOf, verdictOf } from '../../shared/overlay/base.ts'
import type { VerdictEntry } from '../../shared/overlay/overlay.ts'
import { type Draw, subDraw } from '../../shared/pool/draw.ts'
import { type ProbeEvent, type ProbeState, startProbe, stepProbe } from '../../shared/pool/health.ts'
import type { Table } from '../../shared/table/table.ts'

export interface Target {
  /** `pool/name` */
  readonly endpoint: string
  readonly base: string
  readonly url: string
  /** The Worker that is asked; undefined: over the network. */
  readonly binding: string | undefined
  readonly probe: ProbeConfig
}

/** What is known of a target. Plain data: it outlives the object's memory. */
export interface Turn {
  /** Of `endpointBase`: another endpoint under the same name begins anew. */
  readonly base: string
  readonly state: ProbeState
  /** What the overlay says, as far as we know. */
  readonly told: 'up' | 'down'
  readonly nextAt: number
  /** How often it was probed. */
  readonly count: number
}

export type Turns = ReadonlyMap<string, Turn>

/** Endpoints of pools with a probe by HTTP, in the order of the config. */
export function targetsOf(table: Table): readonly Target[] {
  const targets: Target[] = []
  for (const [endpoint, base] of endpointsOf(table)) {
    const { probe } = base.pool
    const { address } = base.endpoints[0]!
    if (probe?.kind !== 'http') continue
    const binding = address.scheme === 'binding' ? address.host : undefined
    const origin = binding === undefined ? address.origin : `https://${binding.toLowerCase()}`
    targets.push({ endpoint, base: endpointBase(base), url: origin + probe.path, binding, probe })
  }
  return targets
}

/** How many objects share so many targets: each is through with its own in an interval even when all time out. */
export function shardsFor(targets: number): number {
  return Math.ceil(targets / perShard)
}

export function targetsOfShard(targets: readonly Target[], shard: number): readonly Target[] {
  const shards = shardsFor(targets.length)
  return shards === 0 ? [] : targets.filter((_, at) => at % shards === shard)
}

/**
 * The turns of these targets: those known go on, others begin within a second or an interval, whichever is shorter.
 *
 * @param verdicts what the overlay says: an endpoint that another shard has found down is down here too, and one that nobody
 *   has told of is what it starts as
 */
export function turnsFor(
  targets: readonly Target[],
  known: Turns,
  verdicts: ReadonlyMap<string, VerdictEntry>,
  now: number,
  draw: Draw,
): Turns {
  return new Map(
    targets.map(({ endpoint, base, probe }, at): [string, Turn] => {
      const before = known.get(endpoint)
      const verdict = verdicts.get(endpoint)
      const told = verdictOf(verdict?.base === base ? verdict : undefined, probe)
      if (before?.base === base) return [endpoint, { ...before, told }]
      const firstMs = subDraw(draw, 'jitter', at) * Math.min(probe.edge.intervalMs, longestFirstMs)
      return [endpoint, { base, state: startProbe(told === 'down', now), told, nextAt: now + firstMs, count: 0 }]
    }),
  )
}

/** Those whose time has come, the longest due first, six at most. */
export function due(targets: readonly Target[], turns: Turns, now: number): readonly Target[] {
  return targets
    .filter(({ endpoint }) => turns.get(endpoint)!.nextAt <= now)
    .sort((a, b) => turns.get(a.endpoint)!.nextAt - turns.get(b.endpoint)!.nextAt)
    .slice(0, mostAtOnce)
}

/** After one more probe. `unasked`: nobody could ask, which says nothing of the endpoint. */
export function turnAfter(
  turn: Turn,
  { probe }: Target,
  outcome: ProbeEvent | 'unasked',
  now: number,
  draw: Draw,
): Turn {
  const count = turn.count + 1
  const jitter = 1 + spread * (2 * subDraw(draw, 'jitter', count) - 1)
  const state = outcome === 'unasked' ? turn.state : stepProbe(turn.state, outcome, probe, now)
  return { ...turn, state, count, nextAt: now + probe.edge.intervalMs * jitter }
}

/** When the alarm has to ring; undefined: there is nothing to probe. */
export function nextAlarm(turns: Turns, begunAt: number): number | undefined {
  if (turns.size === 0) return undefined
  const first = Math.min(...[...turns.values()].map(({ nextAt }) => nextAt))
  return Math.max(first, begunAt + leastPauseMs)
}

export const mostAtOnce = 6
/** Six at a time, three times in the default interval of 15 s, with the default timeout of 5 s. */
export const perShard = 18
const leastPauseMs = 1_000
const longestFirstMs = 1_000
/** A tenth earlier or later. */
const spread = 0.1
