// What an operator or a plane asks of the overlay, and what comes of it: another overlay and a note of what it touched,
// from which it can be undone. Pure: whoever keeps the overlay gives the time and orders the writers.

import { addBan, type Ban, type PurgeOf } from '../cache/purge.ts'
import { didYouMean, listNames, show } from '../config/findings.ts'
import { nearest } from '../config/near.ts'
import type { Problem } from '../config/problem.ts'
import { deal, dealFresh, leastMoves, movedSlots } from '../table/slots.ts'
import type { Table } from '../table/table.ts'
import { endpointBase, endpointsOf, splitBase, splitsOf, verdictOf } from './base.ts'
import {
  type DrainEntry,
  type EjectionEntry,
  type Overlay,
  overlayBounds,
  type SplitEntry,
  type VerdictEntry,
} from './overlay.ts'

export type Command =
  | {
      readonly do: 'weight'
      readonly split: string
      /** By variant, all of them. */
      readonly weights: Readonly<Record<string, number>>
      /** Pinned users are released too. */
      readonly release?: boolean | undefined
      /** As a relay's config has it, which the asked plane's may lack. */
      readonly declared?: DeclaredSplit | undefined
    }
  /** `base`: of an endpoint as a relay's config has it, which the asked plane's may lack, by `endpointBase`. */
  | { readonly do: 'drain'; readonly endpoint: string; readonly base?: string | undefined }
  | { readonly do: 'undrain'; readonly endpoint: string }
  | { readonly do: 'eject'; readonly endpoint: string; readonly forMs: number; readonly base?: string | undefined }
  | { readonly do: 'uneject'; readonly endpoint: string }
  | { readonly do: 'purge'; readonly of: PurgeOf }

/** What planes say by themselves. */
export type Report =
  | {
      readonly do: 'verdict'
      readonly endpoint: string
      readonly is: 'up' | 'down'
      readonly base?: string | undefined
    }
  | { readonly do: 'eject by traffic'; readonly endpoint: string; readonly forMs: number }

export interface DeclaredSplit {
  readonly base: string
  readonly variants: readonly { readonly name: string; readonly weight: number }[]
}

export interface Changed {
  /** One version on, unless nothing was touched: then the overlay given. */
  readonly overlay: Overlay
  readonly touched: readonly Touched[]
  /** Of a change of weights: slots of 65,536 that went to another variant, and the least that any deal could move. */
  readonly moved?: { readonly slots: number; readonly least: number }
}

/** One entry before and after; null where there was or is none. */
export type Touched =
  | {
      readonly list: 'splits'
      readonly name: string
      readonly before: SplitEntry | null
      readonly after: SplitEntry | null
    }
  | {
      readonly list: 'drains'
      readonly name: string
      readonly before: DrainEntry | null
      readonly after: DrainEntry | null
    }
  | {
      readonly list: 'ejections'
      readonly name: string
      readonly before: EjectionEntry | null
      readonly after: EjectionEntry | null
    }
  | {
      readonly list: 'verdicts'
      readonly name: string
      readonly before: VerdictEntry | null
      readonly after: VerdictEntry | null
    }
  | { readonly list: 'bans'; readonly name: string; readonly before: null; readonly after: Ban }

/** @param table as compiled, without an overlay */
export function change(table: Table, overlay: Overlay, command: Command | Report, now: number): Changed | Problem {
  switch (command.do) {
    case 'weight':
      return weigh(table, overlay, command)
    case 'purge': {
      const ban = { of: command.of, at: now }
      const name = JSON.stringify(command.of)
      return touch(overlay, [{ list: 'bans', name, before: null, after: ban }], now)
    }
    default:
      return changeEndpoint(table, overlay, command, now)
  }
}

/**
 * Puts back what a change has touched. Refused when one of those entries is another one since: then what to go back to
 * is for a person to say.
 */
export function undo(overlay: Overlay, touched: readonly Touched[], now: number): Changed | Problem {
  if (touched.some(({ list }) => list === 'bans')) {
    return problem('not-undoable', 'version', 'a purge cannot be undone', 'What was forgotten is asked for again.')
  }
  for (const { list, name, after } of touched) {
    const current = entryOf(overlay, list, name)
    const isOver = list === 'ejections' && after !== null && after.until <= now && current === null
    if (JSON.stringify(current) === JSON.stringify(after) || isOver) continue
    const message = `${name} was changed again since`
    return problem('changed-since', 'version', message, 'Undo the later change first, or say what it is to be now.')
  }
  const back = touched.map(({ list, name, before, after }) => ({ list, name, before: after, after: before }) as Touched)
  return touch(overlay, back, now)
}

function weigh(
  table: Table,
  overlay: Overlay,
  { split: name, weights, release, declared }: Extract<Command, { do: 'weight' }>,
): Changed | Problem {
  const splits = splitsOf(table)
  const own = splits.get(name)
  if (own === undefined && declared === undefined) {
    const mend = didYouMean(nearest(name, splits.keys()), namesOr(splits.keys(), 'The config has no split.'))
    return problem('unknown-split', 'split', `no split is named ${show(name)}`, mend)
  }
  const variants = own?.variants ?? declared!.variants
  const base = own === undefined ? declared!.base : splitBase(own)
  if (declared !== undefined && declared.base !== base) return anotherBase('split', name)
  const names = variants.map(variant => variant.name)
  const wrong = wrongWeights(names, weights)
  if (wrong !== undefined) return wrong
  const wanted = names.map(each => weights[each]!)

  const known = entryOf(overlay, 'splits', name) as SplitEntry | null
  const before = known !== null && known.base === base ? known : null
  const slots = before?.slots ?? own?.split.slots ?? dealFresh(variants.map(({ weight }) => weight))
  const dealt = deal(slots, wanted)
  // Many small changes cut ever smaller ranges: then all are dealt anew, which moves more users, and is said.
  const after = dealt.starts.length > overlayBounds.ranges ? dealFresh(wanted) : dealt
  // A number that no release had before, not even one that was undone or retired: its pins may still be about.
  const releases = release === true ? overlay.version + 1 : (before?.releases ?? 0)
  const moved = { slots: movedSlots(slots, after), least: leastMoves(slots, wanted) }
  const entry: SplitEntry = { split: name, base, variants: names, weights: wanted, slots: after, releases }
  if (moved.slots === 0 && release !== true && JSON.stringify(before?.weights ?? null) === JSON.stringify(wanted)) {
    return { overlay, touched: [], moved }
  }
  const changed = touch(overlay, [{ list: 'splits', name, before: known, after: entry }], undefined)
  return 'overlay' in changed ? { ...changed, moved } : changed
}

function wrongWeights(names: readonly string[], weights: Readonly<Record<string, number>>): Problem | undefined {
  const all = `The variants are ${listNames(names, 'and')}.`
  for (const [name, weight] of Object.entries(weights)) {
    if (!names.includes(name)) {
      const mend = didYouMean(nearest(name, names), all)
      return problem('unknown-variant', `weights.${name}`, `the split has no variant ${show(name)}`, mend)
    }
    if (!Number.isInteger(weight) || weight < 0 || weight > HEAVIEST) {
      const mend = 'Write a whole number from 0 to 1,000,000.'
      return problem('bad-weight', `weights.${name}`, `${weight} is not a weight`, mend)
    }
  }
  const missing = names.find(name => !Object.hasOwn(weights, name))
  if (missing !== undefined) {
    return problem('missing-field', 'weights', `the variant ${show(missing)} has no weight`, `Name all. ${all}`)
  }
  if (names.every(name => weights[name] === 0)) {
    return problem('zero-weights', 'weights', 'every variant has weight 0', 'Give at least one of them a weight.')
  }
  return undefined
}

function changeEndpoint(
  table: Table,
  overlay: Overlay,
  command: Exclude<Command | Report, { do: 'weight' | 'purge' }>,
  now: number,
): Changed | Problem {
  const { endpoint: name } = command
  const endpoints = endpointsOf(table)
  const own = endpoints.get(name)
  const said = 'base' in command ? command.base : undefined
  const base = own === undefined ? said : endpointBase(own)
  if (said !== undefined && said !== base) return anotherBase('endpoint', name)
  if (command.do === 'undrain' || command.do === 'uneject') {
    const list = command.do === 'undrain' ? 'drains' : 'ejections'
    const before = entryOf(overlay, list, name)
    if (before !== null) return touch(overlay, [{ list, name, before, after: null } as Touched], now)
    return base === undefined ? unknownEndpoint(name, endpoints.keys()) : { overlay, touched: [] }
  }
  if (base === undefined) return unknownEndpoint(name, endpoints.keys())
  switch (command.do) {
    case 'drain': {
      const before = entryOf(overlay, 'drains', name) as DrainEntry | null
      if (before?.base === base) return { overlay, touched: [] }
      return touch(overlay, [{ list: 'drains', name, before, after: { endpoint: name, base, since: now } }], now)
    }
    case 'verdict': {
      const before = entryOf(overlay, 'verdicts', name) as VerdictEntry | null
      const known = before?.base === base ? before : undefined
      if (verdictOf(known, own?.pool.probe) === command.is) return { overlay, touched: [] }
      const after: VerdictEntry = { endpoint: name, base, is: command.is, at: now }
      return touch(overlay, [{ list: 'verdicts', name, before, after }], now)
    }
    default: {
      const before = entryOf(overlay, 'ejections', name) as EjectionEntry | null
      const by = command.do === 'eject' ? 'operator' : 'traffic'
      // What an operator said is not shortened by what traffic says.
      const until = now + command.forMs
      if (by === 'traffic' && before !== null && before.base === base && before.until >= until) {
        return { overlay, touched: [] }
      }
      const after: EjectionEntry = { endpoint: name, base, until, by }
      return touch(overlay, [{ list: 'ejections', name, before, after }], now)
    }
  }
}

/** Entries changed, those that time has ended taken out, one version on. `now` undefined: none is taken out. */
function touch(overlay: Overlay, touched: readonly Touched[], now: number | undefined): Changed | Problem {
  let next: Overlay = { ...overlay, version: overlay.version + 1 }
  if (now !== undefined) next = { ...next, ejections: next.ejections.filter(({ until }) => until > now) }
  for (const each of touched) {
    if (each.list === 'bans') {
      next = { ...next, bans: addBan(next.bans, each.after, overlayBounds.bans) }
      continue
    }
    const rest = (next[each.list] as readonly Entry[]).filter(entry => nameOf(entry) !== each.name)
    if (each.after !== null) rest.push(each.after)
    const most = each.list === 'splits' ? overlayBounds.splits : overlayBounds.endpoints
    if (rest.length > most) {
      const mend = 'Take back what is no longer needed.'
      return problem('too-many-entries', '', `there are ${most} ${each.list} already`, mend)
    }
    next = { ...next, [each.list]: rest }
  }
  return { overlay: next, touched }
}

type Entry = SplitEntry | DrainEntry | EjectionEntry | VerdictEntry

/** null where there is none. */
export function entryOf(overlay: Overlay, list: Touched['list'], name: string): Entry | null {
  if (list === 'bans') return null
  return (overlay[list] as readonly Entry[]).find(entry => nameOf(entry) === name) ?? null
}

function nameOf(entry: Entry): string {
  return 'split' in entry ? entry.split : entry.endpoint
}

function unknownEndpoint(name: string, known: Iterable<string>): Problem {
  const names = [...known]
  const mend = didYouMean(nearest(name, names), namesOr(names, 'The config has no endpoint.'))
  return problem('unknown-endpoint', 'endpoint', `no endpoint is ${show(name)}`, mend)
}

/** There is one entry for a name: made for the one it would be retired at the other. */
function anotherBase(kind: 'split' | 'endpoint', name: string): Problem {
  const differs = kind === 'split' ? 'other variants or weights' : 'another address'
  const message = `the edge's config has ${kind} ${show(name)} with ${differs}`
  return problem('another-base', kind, message, 'Give one of the two another name.')
}

function namesOr(names: Iterable<string>, otherwise: string): string {
  const all = [...names]
  return all.length === 0 ? otherwise : `There is ${listNames(all)}.`
}

function problem(code: string, path: string, message: string, mend: string): Problem {
  return { severity: 'error', code, path, message, mend }
}

const HEAVIEST = 1_000_000
