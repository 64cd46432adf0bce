// What holds now, told for a person: each pool's endpoints and each split of a table under an overlay.

import { ownedCounts, SLOT_COUNT, type Slots } from '../table/slots.ts'
import type { Table } from '../table/table.ts'
import { apply, standing, type Unused } from './apply.ts'
import { endpointsOf, splitBase, splitsOf, verdictOf } from './base.ts'
import type { Overlay, SplitEntry } from './overlay.ts'

export interface Status {
  readonly version: number
  readonly pools: readonly {
    readonly name: string
    readonly endpoints: readonly EndpointStatus[]
  }[]
  readonly splits: readonly SplitStatus[]
  /** Entries whose base a deploy has changed, and those for what this config does not have. */
  readonly retired: readonly Unused[]
  readonly ignored: readonly Unused[]
  /** Purges in force. */
  readonly purges: number
}

export interface EndpointStatus {
  /** `pool/name` */
  readonly endpoint: string
  /** What the overlay says; an isolate may know more for itself. */
  readonly state: 'up' | 'down' | 'draining' | 'ejected'
  /** Every cause, in words; null for none. */
  readonly why: string | null
  readonly weight: number
  readonly priority: number
}

export interface SplitStatus {
  readonly split: string
  /** The first rule that has it, `route/rule`. */
  readonly rule: string
  /** Users keep the variant they had first, or follow the weights. */
  readonly pin: 'first' | 'weight'
  readonly epoch: number
  readonly variants: readonly {
    readonly name: string
    /** Of the config. */
    readonly configured: number
    /** In force. */
    readonly weight: number
    /** Slots of 65,536. */
    readonly slots: number
  }[]
  /** Who owns which slot, for telling beforehand what a change would move. */
  readonly slots: Slots
}

/** @param table as compiled, without an overlay */
export function statusOf(table: Table, overlay: Overlay, now: number): Status {
  const { retired, ignored } = apply(table, overlay)
  return {
    version: overlay.version,
    pools: poolsOf(table, overlay, now),
    splits: splitStatusesOf(table, overlay),
    retired,
    ignored,
    purges: overlay.bans.length,
  }
}

function poolsOf(table: Table, overlay: Overlay, now: number): Status['pools'] {
  const endpoints = endpointsOf(table)
  const holds = <Entry extends { readonly endpoint: string; readonly base: string }>(entries: readonly Entry[]) =>
    new Map(entries.filter(entry => typeof standing(entry, endpoints) === 'object').map(each => [each.endpoint, each]))
  const drains = holds(overlay.drains)
  const verdicts = holds(overlay.verdicts)
  const ejections = holds(overlay.ejections)
  const pools = new Map<string, EndpointStatus[]>(table.pools.map(({ name }) => [name, []]))
  for (const [endpoint, { pool, endpoints: all }] of endpoints) {
    const drain = drains.get(endpoint)
    const verdict = verdicts.get(endpoint)
    const ejection = ejections.get(endpoint)
    const isDown = verdictOf(verdict, pool.probe) === 'down'
    const sinceWhen =
      verdict === undefined ? 'no probe has passed yet' : `its probe says down since ${timeText(verdict.at)}`
    const isEjected = ejection !== undefined && ejection.until > now
    const causes = [
      drain === undefined ? undefined : `drained since ${timeText(drain.since)}`,
      isDown ? sinceWhen : undefined,
      isEjected ? `ejected by ${whoText[ejection.by]} until ${timeText(ejection.until)}` : undefined,
      all[0]!.weight === 0 ? 'its weight is 0' : undefined,
    ].filter(cause => cause !== undefined)
    pools.get(pool.name)!.push({
      endpoint,
      state: drain !== undefined ? 'draining' : isDown ? 'down' : isEjected ? 'ejected' : 'up',
      why: causes.length === 0 ? null : causes.join('; '),
      weight: all[0]!.weight,
      priority: all[0]!.priority,
    })
  }
  return [...pools].map(([name, endpoints]) => ({ name, endpoints }))
}

/** The weights in force of each split. @param table as compiled, without an overlay */
export function splitStatusesOf(table: Table, overlay: Overlay): readonly SplitStatus[] {
  const entries = new Map<string, SplitEntry>(overlay.splits.map(entry => [entry.split, entry]))
  return [...splitsOf(table)].map(([name, base]): SplitStatus => {
    const given = entries.get(name)
    const entry = given?.base === splitBase(base) ? given : undefined
    const slots = entry?.slots ?? base.split.slots
    const counts = ownedCounts(slots, base.variants.length)
    return {
      split: name,
      rule: base.rule,
      pin: base.split.pin === undefined ? 'weight' : 'first',
      epoch: base.split.epoch + (entry?.releases ?? 0),
      variants: base.variants.map((variant, i) => ({
        name: variant.name,
        configured: variant.weight,
        weight: entry?.weights[i] ?? variant.weight,
        slots: counts[i]!,
      })),
      slots,
    }
  })
}

/** `12.5 %` of the slots. */
export function shareText(slots: number): string {
  return `${Math.round((slots / SLOT_COUNT) * 10_000) / 100} %`
}

function timeText(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19)}Z`
}

const whoText = { operator: 'an operator', traffic: 'what traffic saw' } as const
