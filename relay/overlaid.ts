// The overlay at the relay: laid over each table before it is put in force, and its drains, ejections, verdicts and
// purges brought to where they count. Whatever this relay finds or is told itself stands beside it.

import { addBan, type Ban, type PurgeOf } from '../shared/cache/purge.ts'
import { apply, type Unused } from '../shared/overlay/apply.ts'
import { endpointsOf } from '../shared/overlay/base.ts'
import { markEndpoints } from '../shared/overlay/mark.ts'
import { emptyOverlay, type Overlay, overlayBounds } from '../shared/overlay/overlay.ts'
import { stateOf } from '../shared/pool/health.ts'
import type { Observed } from '../shared/pool/observed.ts'
import type { Table } from '../shared/table/table.ts'
import type { Drains } from './drain.ts'
import { type RelayEvent, relayEvent } from './event.ts'

export interface OverlaidHost {
  readonly observed: Observed
  readonly now: () => number
  readonly drains: Drains
  readonly onEvent: (event: RelayEvent) => void
  /** All purges that are in force, by this clock. */
  readonly onBans: (bans: readonly Ban[]) => Promise<void>
}

export class Overlaid {
  overlay: Overlay = emptyOverlay
  private skewMs = 0
  /** The table in force, as compiled. */
  private base: Table
  private readonly host: OverlaidHost
  private unused: { readonly retired: readonly Unused[]; readonly ignored: readonly Unused[] } = NOTHING
  /** Asked of this relay alone. */
  private ownBans: readonly Ban[] = []

  constructor(base: Table, host: OverlaidHost) {
    this.base = base
    this.host = host
  }

  /** The table in force without the overlay: what reloads are compared with. */
  get table(): Table {
    return this.base
  }

  get retired(): readonly Unused[] {
    return this.unused.retired
  }

  get ignored(): readonly Unused[] {
    return this.unused.ignored
  }

  /** A table as it is to be put in force. Nothing has changed yet. */
  over(base: Table): Table {
    return apply(base, this.overlay).table
  }

  /** The table `over` gave for this one is in force: its endpoints are marked, also those that are new. */
  follow(base: Table): void {
    const before = this.marked()
    this.base = base
    this.mark(before)
  }

  /** Another overlay. True when what `over` gives for the table in force is another one now, and to be put in force. */
  take(overlay: Overlay, skewMs: number): boolean {
    const before = this.marked()
    const isOther = JSON.stringify(overlay.splits) !== JSON.stringify(this.overlay.splits)
    this.overlay = overlay
    this.skewMs = skewMs
    this.mark(before)
    // What goes wrong with it is said there.
    this.host.onBans(this.bans()).catch(() => {})
    return isOther
  }

  /** Forgets answers that this relay has stored; resolves when every thread has. */
  purge(of: PurgeOf): Promise<void> {
    this.ownBans = addBan(this.ownBans, { of, at: this.host.now() }, overlayBounds.bans)
    return this.host.onBans(this.bans())
  }

  /** Purges that were in force here before. */
  recall(bans: readonly Ban[]): Promise<void> {
    for (const ban of bans) this.ownBans = addBan(this.ownBans, ban, overlayBounds.bans)
    return this.host.onBans(this.bans())
  }

  private bans(): readonly Ban[] {
    // Rather too much is forgotten than too little: clocks are compared to a second.
    const theirs = this.overlay.bans.map(({ of, at }) => ({ of, at: at + this.skewMs + skewErrorMs }))
    return [...theirs, ...this.ownBans]
  }

  private mark(before: Overlay): void {
    const { observed, now, drains } = this.host
    const { retired, ignored } = apply(this.base, this.overlay)
    this.unused = { retired, ignored }
    const endpoints = endpointsOf(this.base)
    const after = this.marked()
    const judged = new Set([...before.verdicts, ...after.verdicts].map(({ endpoint }) => endpoint))
    const states = () =>
      new Map(
        [...judged].flatMap(name =>
          (endpoints.get(name)?.endpoints ?? []).map(each => [each, stateOf(each, observed, now())] as const),
        ),
      )
    const were = states()
    markEndpoints(observed, this.base, after, before, now(), { skewMs: this.skewMs, probes: 'here' })
    for (const [endpoint, is] of states()) {
      const was = were.get(endpoint)
      if (was === is || (was !== 'down' && is !== 'down')) continue
      const { pool } = endpoints.get(endpoint.of)!
      const event = is === 'down' ? 'endpoint_down' : 'endpoint_up'
      this.host.onEvent(relayEvent(event, pool, endpoint, 'a probe at the edge says so', now()))
    }
    const retiredDrains = new Set(
      [...retired, ...ignored].filter(({ kind }) => kind === 'drain').map(({ name }) => name),
    )
    const wanted = this.overlay.drains.map(({ endpoint }) => endpoint).filter(name => !retiredDrains.has(name))
    drains.follow(new Set(wanted.flatMap(name => endpoints.get(name)?.endpoints.map(({ id }) => id) ?? [])))
  }

  /** What is marked here of the overlay: drains go through `drains`. */
  private marked(): Overlay {
    return { ...this.overlay, drains: [] }
  }
}

const NOTHING = { retired: [], ignored: [] }
const skewErrorMs = 1_000
