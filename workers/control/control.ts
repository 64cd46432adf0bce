// The control object: one in the world for a deployment. It keeps the overlay and its history in SQLite, puts writers in
// order, and answers the isolates that ask what holds now.

import { DurableObject } from 'cloudflare:workers'
import packedConfig from 'fourseven:config'
import { unpackConfig } from '../../shared/config/packed.ts'
import type { Problem } from '../../shared/config/problem.ts'
import { type Counted, countedOf } from '../../shared/metrics/counted.ts'
import { boundsMs } from '../../shared/metrics/http-metrics.ts'
import { apply, type Unused } from '../../shared/overlay/apply.ts'
import { endpointsOf } from '../../shared/overlay/base.ts'
import { type Changed, type Command, change, type Report, undo } from '../../shared/overlay/command.ts'
import { type Evidence, noteSeen, voices } from '../../shared/overlay/evidence.ts'
import { emptyOverlay, type Overlay } from '../../shared/overlay/overlay.ts'
import { type Status, statusOf } from '../../shared/overlay/status.ts'
import { ejectionMs, ejectionsLeft, mayEjectMore } from '../../shared/pool/outlier.ts'
import { compile } from '../../shared/table/compile.ts'
import type { Table } from '../../shared/table/table.ts'
import { variablesOf } from '../env.ts'
import { openBucket, take } from './bucket.ts'
import { addFlush, type Counts, type Flush, openWindow, packWindow, sumWindows, windowMs } from './counts.ts'
import { beginProbes } from './find.ts'
import { Pace } from './pace.ts'
import { type Change, kept, Store } from './store.ts'

/** What an isolate or a relay is told. */
export interface Told {
  /** Another one when the store was made anew: versions of two lives do not compare. */
  readonly birth: string
  readonly version: number
  /** The object's clock, in milliseconds since 1970. */
  readonly at: number
  /** The overlay as JSON; undefined when the asker has this version, empty before the first change. */
  readonly text: string | undefined
}

export interface Asked {
  readonly author: string
  readonly reason: string
  /** Refused when another version holds by then; undefined: whatever holds. */
  readonly ifVersion: number | undefined
  /** The same key again gives the first answer and changes nothing. */
  readonly idempotencyKey: string | undefined
}

export type Answer =
  | {
      readonly ok: true
      /** What holds now; the version before it when nothing was to change. */
      readonly version: number
      readonly isChanged: boolean
      readonly moved: Changed['moved'] | undefined
      /** Of an undo: the change that was taken back. */
      readonly undone: number | undefined
      readonly retired: readonly Unused[]
      readonly ignored: readonly Unused[]
    }
  | Refused

export interface Refused {
  readonly ok: false
  readonly problem: Problem
  /** What holds now. */
  readonly version: number
}

export interface WholeStatus extends Status {
  /** The object's clock. */
  readonly at: number
  readonly counted: Counted & { readonly from: number; readonly to: number }
  /** Of operators and planes, newest first. */
  readonly lastChanges: readonly Change[]
  /** How often isolates ask the object, and tell it what they counted. */
  readonly readsPerSecond: number
  readonly flushesPerSecond: number
}

export class Control extends DurableObject<Cloudflare.Env> {
  readonly #store: Store
  readonly #writes = openBucket(writesAtOnce, writesPerSecond, Date.now())
  readonly #reads = new Pace()
  readonly #flushes = new Pace()
  readonly #evidence: Evidence = new Map()
  /** By endpoint: those for everybody, for the length of the next. */
  readonly #ejections = new Map<string, { readonly times: number; readonly until: number }>()
  #window = openWindow(0)
  #table: Table | undefined
  #probesSeenAt = Number.NEGATIVE_INFINITY
  /** Undefined: what is stored cannot be read by this version of the program. */
  #overlay: Overlay | undefined

  constructor(state: DurableObjectState, env: Cloudflare.Env) {
    super(state, env)
    this.#store = new Store(state.storage, crypto.randomUUID())
    state.blockConcurrencyWhile(() => this.#load())
  }

  /** What holds now, without its text for who has `known` of this `birth`. */
  read(birth: string | undefined, known: number): Told {
    this.#reads.count(Date.now())
    const { text, ...now } = this.#store.overlay()
    this.#keepProbing(Date.now())
    const has = now.birth === birth && now.version === known
    return { ...now, at: Date.now(), text: has ? undefined : text }
  }

  /** Carries out a command. */
  command(command: Command, asked: Asked): Answer {
    return this.#write(command, asked, (overlay, now) => ({ command, by: change(this.#base(), overlay, command, now) }))
  }

  /** Takes a change back: the one that made `version`, or the newest of an operator that stands. */
  undo(version: number | undefined, asked: Asked): Answer {
    return this.#write(['undo', version], asked, (overlay, now) => {
      const found = version === undefined ? this.#store.lastStanding() : this.#store.change(version)
      if (found === undefined) {
        const message = version === undefined ? 'there is no change to undo' : `no change made version ${version}`
        return problem('unknown-version', 'version', message, 'Ask for the history: it says which there are.')
      }
      if (found.undoneBy !== null) {
        const message = `version ${found.version} was undone by version ${found.undoneBy}`
        return problem('already-undone', 'version', message, 'Name another one, or undo that undo.')
      }
      return { command: { do: 'undo', version: found.version }, by: undo(overlay, found.touched, now) }
    })
  }

  /** What planes found by themselves; those that are refused are left out. */
  report(reports: readonly Report[], author: string, reason: string): { readonly version: number } {
    for (const report of reports.slice(0, mostReports)) {
      const overlay = this.#overlay
      if (overlay === undefined) break
      const now = Date.now()
      const changed = change(this.#base(), overlay, report, now)
      if ('code' in changed || changed.touched.length === 0) continue
      this.#keep(changed, { at: now, author, reason, command: report, touched: changed.touched, isAutomatic: true })
    }
    return { version: this.#store.overlay().version }
  }

  /** What an isolate has counted and seen. Says when it may come again. */
  async flush(flush: Flush): Promise<{ readonly againInMs: number }> {
    const now = Date.now()
    this.#flushes.count(now)
    await this.#turnWindow(now)
    addFlush(this.#window, flush)
    const known = endpointsOf(this.#base())
    const seen = flush.endpoints.filter(({ endpoint }) => known.has(endpoint))
    for (const endpoint of noteSeen(this.#evidence, flush, seen, now, known.size)) this.#ejectForAll(endpoint, now)
    return { againInMs: this.#flushes.paceMs }
  }

  /** The sums of the last `ms`, an hour at most, with the window that is under way. */
  counts(ms: number): Counts {
    const now = Date.now()
    const from = now - Math.min(ms, kept.countsForMs)
    const texts = this.#store.counts(from - (from % windowMs), this.#window.began)
    return sumWindows([...texts, { began: this.#window.began, text: packWindow(this.#window) }], from, now)
  }

  /** What holds now, told for a person, with what was counted in the last `ms`; undefined when it cannot be read. */
  status(ms: number): WholeStatus | undefined {
    const at = Date.now()
    if (this.#overlay === undefined) return undefined
    const counts = this.counts(ms)
    const places = (endpoint: string) => voices(this.#evidence, endpoint, at)
    return {
      at,
      ...statusOf(this.#base(), this.#overlay, at),
      counted: { ...countedOf(this.#base(), counts, places, boundsMs), from: counts.from, to: counts.to },
      lastChanges: this.#store.changes(Number.MAX_SAFE_INTEGER, 5, true),
      readsPerSecond: this.#reads.perSecond(at),
      flushesPerSecond: this.#flushes.perSecond(at),
    }
  }

  override async alarm(): Promise<void> {
    await this.#turnWindow(Date.now())
  }

  /** Within the pool's share, for as long as its outlier rules say. */
  #ejectForAll(endpoint: string, now: number): void {
    const base = endpointsOf(this.#base()).get(endpoint)
    const outlier = base?.pool.outlier
    const overlay = this.#overlay
    if (base === undefined || outlier === undefined || overlay === undefined) return
    const inPool = overlay.ejections.filter(each => each.until > now && each.endpoint.startsWith(`${base.pool.name}/`))
    if (inPool.some(each => each.endpoint === endpoint)) return
    if (!mayEjectMore(outlier, base.pool.endpoints.length, inPool.length)) return
    const before = this.#ejections.get(endpoint)
    const times = 1 + (before === undefined ? 0 : ejectionsLeft(outlier, before.times, now - before.until))
    const forMs = ejectionMs(outlier, times)
    this.#ejections.set(endpoint, { times, until: now + forMs })
    const { against, of } = voices(this.#evidence, endpoint, now)
    const reason = `${against} of ${of} data centres have ejected it`
    this.report([{ do: 'eject by traffic', endpoint, forMs }], 'traffic', reason)
  }

  /** Keeps what a window has counted once it is over; an alarm does so when nobody comes any more. */
  async #turnWindow(now: number): Promise<void> {
    const isOver = now >= this.#window.began + windowMs
    if (isOver && this.#window.series.size + this.#window.endpoints.size > 0) {
      this.#store.keepCounts(this.#window.began, packWindow(this.#window))
    }
    if (!isOver) return
    this.#window = openWindow(now)
    await this.ctx.storage.setAlarm(this.#window.began + windowMs + 1_000)
  }

  /** Newest first; those that made a version below `before`. */
  history(before: number, most: number, withAutomatic: boolean): readonly Change[] {
    return this.#store.changes(before, Math.min(most, mostHistory), withAutomatic)
  }

  /** @param form what was asked, for telling a repetition from another write under the same key */
  #write(
    form: unknown,
    asked: Asked,
    decide: (overlay: Overlay, now: number) => { command: Change['command']; by: Changed | Problem } | Problem,
  ): Answer {
    const now = Date.now()
    const { author, reason, ifVersion, idempotencyKey: key } = asked
    const whole = JSON.stringify([form, author, reason])
    const before = key === undefined ? undefined : this.#store.answerTo(key, now)
    if (before?.asked === whole) return JSON.parse(before.answer)
    if (before !== undefined) {
      const mend = 'Give each change a key of its own.'
      return this.#refuse(problem('key-reused', 'idempotency-key', 'this key was used for another change', mend))
    }
    if (!take(this.#writes, now)) {
      return this.#refuse(problem('too-many-changes', '', 'changes come too fast', 'Try again in some seconds.'))
    }
    const overlay = this.#overlay
    if (overlay === undefined) {
      const message = 'what is stored was written by another version of this program'
      return this.#refuse(problem('unreadable-overlay', '', message, 'Deploy that version again, or a newer one.'))
    }
    if (ifVersion !== undefined && ifVersion !== overlay.version) {
      const message = `version ${overlay.version} holds, not ${ifVersion}`
      return this.#refuse(problem('version-conflict', 'ifVersion', message, 'Look at what changed, then decide again.'))
    }
    const decided = decide(overlay, now)
    if ('code' in decided) return this.#refuse(decided)
    const { command, by: changed } = decided
    if ('code' in changed) return this.#refuse(changed)
    const { retired, ignored } = apply(this.#base(), changed.overlay)
    const answer: Answer = {
      ok: true,
      version: changed.overlay.version,
      isChanged: changed.touched.length > 0,
      moved: changed.moved,
      undone: command.do === 'undo' ? command.version : undefined,
      retired,
      ignored,
    }
    const isKept = this.#keep(
      changed,
      { at: now, author, reason, command, touched: changed.touched, isAutomatic: false },
      key === undefined ? undefined : () => this.#store.keepAnswer(key, now, whole, JSON.stringify(answer)),
    )
    if (isKept) return answer
    const message = `the overlay would be longer than ${kept.overlayLength} characters`
    return this.#refuse(problem('overlay-too-large', '', message, 'Take back what is no longer needed.'))
  }

  /** False when it would be too long. */
  #keep({ overlay, touched }: Changed, change: Omit<Change, 'undoneBy' | 'version'>, beside?: () => void): boolean {
    const text = JSON.stringify(overlay)
    if (text.length > kept.overlayLength) return false
    this.#store.together(() => {
      if (touched.length > 0) this.#store.write(overlay, text, change)
      beside?.()
    })
    this.#overlay = overlay
    return true
  }

  /** An alarm that was lost begins again: whoever reads keeps this object awake. */
  #keepProbing(now: number): void {
    if (now - this.#probesSeenAt < LOOK_AFTER_PROBES_MS) return
    this.#probesSeenAt = now
    const begun = beginProbes({ ...this.env }, this.#base(), this.#store.overlay().birth)
    this.ctx.waitUntil(begun.catch(error => console.error(`fourseven: probes did not begin: ${error}`)))
  }

  #refuse(problem: Problem): Refused {
    return { ok: false, problem, version: this.#store.overlay().version }
  }

  /** The table of the deployment that this object runs in, without the overlay. */
  #base(): Table {
    this.#table ??= compile(unpackConfig(packedConfig), variablesOf({ ...this.env }))
    return this.#table
  }

  async #load(): Promise<void> {
    const { text } = this.#store.overlay()
    if (text === '') {
      this.#overlay = emptyOverlay
      return
    }
    // Only now: schemas take time to make, and an isolate that is not the object's needs none of them at its start.
    const { parseOverlay } = await import('../../shared/overlay/parse.ts')
    const parsed = parseOverlay(JSON.parse(text))
    if ('problems' in parsed) {
      console.error(
        `fourseven: the overlay cannot be read: ${parsed.problems.map(({ message }) => message).join('; ')}`,
      )
    } else this.#overlay = parsed
  }
}

function problem(code: string, path: string, message: string, mend: string): Problem {
  return { severity: 'error', code, path, message, mend }
}

const writesAtOnce = 30
const writesPerSecond = 5
const mostReports = 1_000
const mostHistory = 200
const LOOK_AFTER_PROBES_MS = 60_000
