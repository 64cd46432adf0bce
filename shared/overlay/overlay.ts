// What may change without a deploy, as plain data. Control objects keep it; every isolate and relay lays it over its table.

import type { Ban } from '../cache/purge.ts'
import type { Slots } from '../table/slots.ts'

export interface Overlay {
  /** One more with every change. 0: nothing was ever changed. */
  readonly version: number
  /** One for a split at most, as below one for an endpoint. */
  readonly splits: readonly SplitEntry[]
  readonly drains: readonly DrainEntry[]
  readonly ejections: readonly EjectionEntry[]
  readonly verdicts: readonly VerdictEntry[]
  /** Purges in force, oldest first. */
  readonly bans: readonly Ban[]
}

/** Other weights than the config's. */
export interface SplitEntry {
  readonly split: string
  /** `splitBase` of what it was made for: with another one it is retired. */
  readonly base: string
  /** In the order of the config; `weights` and the owners of `slots` go by it. */
  readonly variants: readonly string[]
  readonly weights: readonly number[]
  /** Dealt from the slots before, so they hold what the weights alone do not tell. */
  readonly slots: Slots
  /** The version that released pinned users last, 0 for none: added to the config's `epoch`. */
  readonly releases: number
}

/** Nothing new goes to the endpoint. */
export interface DrainEntry {
  /** `pool/name`, as the config has it. */
  readonly endpoint: string
  /** `endpointBase` of what it was made for. */
  readonly base: string
  /** By the control object's clock, in milliseconds since 1970, as `until` and `at` below. */
  readonly since: number
}

export interface EjectionEntry {
  readonly endpoint: string
  readonly base: string
  readonly until: number
  /** Who says so: an operator, or data centres that agree. */
  readonly by: 'operator' | 'traffic'
}

/** What probes found; an endpoint without one is up, or with `startDown` down. */
export interface VerdictEntry {
  readonly endpoint: string
  readonly base: string
  readonly is: 'up' | 'down'
  readonly at: number
}

export const emptyOverlay: Overlay = { version: 0, splits: [], drains: [], ejections: [], verdicts: [], bans: [] }

/** How many entries of each kind there may be, and how long a name. */
export const overlayBounds = {
  splits: 1_000,
  variants: 64,
  endpoints: 4_000,
  bans: 200,
  /** Each deal cuts ranges: so many at most for one split. */
  ranges: 4_096,
  nameLength: 300,
} as const
