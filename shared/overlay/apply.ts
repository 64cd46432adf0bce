// Lays an overlay over a table. Only what it changes is copied: the splits it names, the rules that have them and the
// lists those stand in; trees, pools and all else are the very same objects.

import { replaceMatches } from '../table/route-index.ts'
import { packRanges } from '../table/slots.ts'
import type { FlowListener, FlowMatch, FlowRule, HttpMatch, HttpRule, Split, Table } from '../table/table.ts'
import { type EndpointBase, endpointBase, endpointsOf, splitBase, splitsOf } from './base.ts'
import type { Overlay, SplitEntry } from './overlay.ts'

export interface Applied {
  /** The table given when no split is another one. */
  readonly table: Table
  /** Entries whose base is another one now, and entries for what is not there. */
  readonly retired: readonly Unused[]
  readonly ignored: readonly Unused[]
}

export interface Unused {
  readonly kind: 'split' | 'drain' | 'ejection' | 'verdict'
  /** Of the split, or `pool/name` of the endpoint. */
  readonly name: string
}

/** @param table as compiled: never one that this function gave back */
export function apply(table: Table, overlay: Overlay): Applied {
  const retired: Unused[] = []
  const ignored: Unused[] = []
  const entries = new Map<string, SplitEntry>()
  const splits = overlay.splits.length === 0 ? NO_SPLITS : splitsOf(table)
  for (const entry of overlay.splits) {
    const base = splits.get(entry.split)
    if (base === undefined) ignored.push({ kind: 'split', name: entry.split })
    else if (splitBase(base) !== entry.base) retired.push({ kind: 'split', name: entry.split })
    else entries.set(entry.split, entry)
  }
  const kinds = [
    ['drain', overlay.drains],
    ['ejection', overlay.ejections],
    ['verdict', overlay.verdicts],
  ] as const
  if (kinds.some(([, list]) => list.length > 0)) {
    const endpoints = endpointsOf(table)
    for (const [kind, list] of kinds) {
      for (const entry of list) {
        const is = standing(entry, endpoints)
        if (is === 'gone') ignored.push({ kind, name: entry.endpoint })
        else if (is === 'changed') retired.push({ kind, name: entry.endpoint })
      }
    }
  }
  return { table: entries.size === 0 ? table : withSplits(table, entries), retired, ignored }
}

/** Whether an endpoint's entry holds: its endpoint is there and is what it was when the entry was made. */
export function standing(
  entry: { readonly endpoint: string; readonly base: string },
  endpoints: ReadonlyMap<string, EndpointBase>,
): EndpointBase | 'gone' | 'changed' {
  const base = endpoints.get(entry.endpoint)
  if (base === undefined) return 'gone'
  return endpointBase(base) === entry.base ? base : 'changed'
}

function withSplits(table: Table, entries: ReadonlyMap<string, SplitEntry>): Table {
  const copies: Copies = { entries, splits: new Map(), http: new Map(), flow: new Map() }
  return {
    ...table,
    httpDoors: mapValues(table.httpDoors, door => {
      const listeners = mapAll(door.listeners, listener => {
        const index = replaceMatches(listener.index, match => httpMatch(match, copies))
        return index === listener.index ? listener : { ...listener, index }
      })
      return listeners === door.listeners ? door : { ...door, listeners }
    }),
    flowListeners: mapValues(table.flowListeners, listener => flowListener(listener, copies)),
  }
}

/** What was copied, so that what was one object is one object again. */
interface Copies {
  readonly entries: ReadonlyMap<string, SplitEntry>
  readonly splits: Map<Split, Split>
  readonly http: Map<HttpRule, HttpRule>
  readonly flow: Map<FlowRule, FlowRule>
}

function httpMatch(match: HttpMatch, copies: Copies): HttpMatch {
  if (match.split === undefined || !copies.entries.has(match.split.name)) return match
  const rule = httpRule(match.rule, copies)
  const { split, variants } = rule.action as { split: Split; variants: HttpMatch['variants'] }
  return { ...match, rule, split, variants }
}

function httpRule(rule: HttpRule, copies: Copies): HttpRule {
  const known = copies.http.get(rule)
  if (known !== undefined) return known
  const { split, variants } = rule.action as { split: Split; variants: HttpMatch['variants'] }
  const { weights } = copies.entries.get(split.name)!
  const action = { do: 'forward', variants: weighted(variants, weights), split: splitWith(split, copies) } as const
  const copy: HttpRule = { ...rule, action }
  copies.http.set(rule, copy)
  return copy
}

function flowListener(listener: FlowListener, copies: Copies): FlowListener {
  const made = new Map<FlowMatch, FlowMatch>()
  const matches = mapAll(listener.matches, match => {
    const rule = flowRule(match.rule, copies)
    if (rule === match.rule) return match
    const copy = { ...match, rule }
    made.set(match, copy)
    return copy
  })
  if (matches === listener.matches) return listener
  const again = (list: readonly FlowMatch[]) => mapAll(list, match => made.get(match) ?? match)
  return { ...listener, matches, byName: mapValues(listener.byName, again), anyName: again(listener.anyName) }
}

function flowRule(rule: FlowRule, copies: Copies): FlowRule {
  const { split, variants } = rule
  const entry = split === undefined ? undefined : copies.entries.get(split.name)
  if (entry === undefined) return rule
  let copy = copies.flow.get(rule)
  if (copy === undefined) {
    copy = { ...rule, split: splitWith(split!, copies), variants: weighted(variants, entry.weights) }
    copies.flow.set(rule, copy)
  }
  return copy
}

function splitWith(split: Split, { entries, splits }: Copies): Split {
  const known = splits.get(split)
  if (known !== undefined) return known
  const { slots, releases } = entries.get(split.name)!
  const copy = { ...split, slots, ranges: packRanges(slots), epoch: split.epoch + releases }
  splits.set(split, copy)
  return copy
}

function weighted<Variant extends { readonly weight: number }>(
  variants: readonly Variant[],
  weights: readonly number[],
): Variant[] {
  return variants.map((variant, i) => ({ ...variant, weight: weights[i]! }))
}

/** The very list when nothing in it is another one. */
function mapAll<Item>(list: readonly Item[], change: (item: Item) => Item): readonly Item[] {
  const changed = list.map(change)
  return changed.every((item, i) => item === list[i]) ? list : changed
}

function mapValues<Key, Value>(map: ReadonlyMap<Key, Value>, change: (value: Value) => Value): ReadonlyMap<Key, Value> {
  const changed = [...map].map(([key, value]) => [key, change(value)] as const)
  return changed.every(([key, value]) => map.get(key) === value) ? map : new Map(changed)
}

const NO_SPLITS: ReturnType<typeof splitsOf> = new Map()
