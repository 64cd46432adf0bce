// Forwarding by the kernel, for as long as the relay runs: what the table, the probes and the segment say is written into
// nftables, and whatever changes is written again. No byte of a client comes here; when the relay dies the kernel goes on.

import type { Problem } from '../../shared/config/problem.ts'
import type { Observed } from '../../shared/pool/observed.ts'
import { view } from '../../shared/pool/view.ts'
import type { Table } from '../../shared/table/table.ts'
import { parseAddress } from '../../shared/wire/address.ts'
import { Addresses } from './addresses.ts'
import { KernelTables, type Refusal } from './apply.ts'
import { sourcesOf } from './ask-from.ts'
import { type Conntrack, calmAgain, fullFrom, readConntrack } from './conntrack.ts'
import { type KernelEvent, kernelEvent } from './event.ts'
import { poke, readInterfaces, readNeighbours } from './ground.ts'
import type { Seen } from './present.ts'
import { problemOf } from './problem.ts'
import { type Ground, type KernelListener, kernelListeners, type Ruleset, ruleset } from './ruleset.ts'
import { type Run, run as runForReal } from './run.ts'
import { endPins, endTracked } from './stale.ts'
import { poolsOf } from './steer.ts'
import { familyOf, type Target, targetsOf } from './targets.ts'

export interface KernelHost {
  readonly observed: Observed
  readonly now: () => number
  readonly onEvent: (event: KernelEvent) => void
  /** A warning: it forwards all the same. */
  readonly onProblem: (problem: Problem) => void
  readonly run?: Run
}

/** What the kernel has counted. */
export interface KernelCounts {
  readonly rows: readonly CountRow[]
  readonly conntrack: Conntrack | undefined
}

export interface CountRow {
  readonly listener: string
  readonly endpoint: string | undefined
  readonly what: Ruleset['counters'][number]['what']
  readonly packets: number
  readonly bytes: number
}

export interface Kernel {
  /** From now on by this table. Endpoints it has no more keep their flows for `drainMs`. Problems: all is as it was. */
  readonly follow: (table: Table, drainMs: number) => Promise<readonly Problem[]>
  /** Something has changed in what is observed: it is looked at now and not in a second. */
  readonly touch: () => void
  readonly counts: () => Promise<KernelCounts>
  /** The address of this machine from which an endpoint is to be asked; undefined leaves it to the system. */
  readonly sourceFor: (ip: string) => string | undefined
  /** Another relay on this machine takes over: while it is at it nothing is written, for what is there is its. */
  readonly standBack: (isBack: boolean) => void
  /** @param leave the rules stay, for another relay to adopt */
  readonly stop: (leave: boolean) => Promise<void>
}

/** Nothing is run as long as no listener is the kernel's. */
export function openKernel(host: KernelHost): Kernel {
  const forwarding = new Forwarding(host)
  return {
    follow: (table, drainMs) => forwarding.inTurn(() => forwarding.follow(table, drainMs)),
    touch: () => forwarding.touch(),
    counts: () => forwarding.counts(),
    sourceFor: ip => forwarding.sources.get(parseAddress(ip)?.text ?? ip),
    standBack: isBack => forwarding.standBack(isBack),
    stop: leave => forwarding.stop(leave),
  }
}

class Forwarding {
  private readonly host: KernelHost
  private readonly run: Run
  private readonly tables: KernelTables
  private turn: Promise<unknown> = Promise.resolve()
  private table: Table | undefined
  private held: Ruleset | undefined
  /** Under what the ruleset was made: while it is the same there is nothing to write. */
  private under = ''
  private until = 0
  private madeFor: Table | undefined
  private macs: ReadonlyMap<string, string> = new Map()
  sources: ReadonlyMap<string, string> = new Map()
  private neighbours: ReadonlyMap<string, string> = new Map()
  /** Asked, and did not answer. */
  private silent: ReadonlySet<string> = new Set()
  private readonly addresses: Addresses
  private leaving: readonly { readonly listener: string; readonly target: Target; readonly until: number }[] = []
  /** The first one is long enough after the first ruleset was written. */
  private looks = 1
  private isFull = false
  private isRefused = false
  private isTouched = false
  private isStopped = false
  /** Until when nothing is looked at: a relay that takes over and never comes to an end is not waited for any longer. */
  private backUntil = 0
  private timer: NodeJS.Timeout | undefined

  constructor(host: KernelHost) {
    this.host = host
    this.run = host.run ?? runForReal
    this.tables = new KernelTables(this.run)
    this.addresses = new Addresses({
      run: this.run,
      say: (event, of, why) => this.say(event, of, why),
      onProblem: host.onProblem,
    })
  }

  /** One after the other: two transactions at once would each speak of what the other changes. */
  inTurn<Result>(action: () => Promise<Result>): Promise<Result> {
    const result = this.turn.then(action)
    this.turn = result.catch(() => {})
    return result
  }

  async follow(table: Table, drainMs: number): Promise<readonly Problem[]> {
    const before = this.table
    const [listeners, old] = [kernelListeners(table), before === undefined ? [] : kernelListeners(before)]
    if (listeners.length === 0 && old.length === 0) {
      this.table = table
      return []
    }
    const kept = this.leaving
    this.table = table
    this.leaving = [...kept, ...this.gone(old, listeners, this.host.now() + drainMs)]
    await this.learnGround(listeners)
    const refusal = await this.write()
    if (refusal !== undefined) {
      this.table = before
      this.leaving = kept
      return [problemOf(refusal, listeners)]
    }
    // Those whose endpoint the relay before saw die, and nobody took away.
    if (before === undefined) for (const listener of listeners) await this.endStale(listener, [])
    this.timer ??= setInterval(() => this.touch(), lookMs).unref()
    return []
  }

  /** At most one look waits: it will see whatever has changed by then. */
  touch(): void {
    if (this.isTouched || this.isStopped || this.table === undefined) return
    this.isTouched = true
    void this.inTurn(async () => {
      this.isTouched = false
      if (!this.mayNotWrite()) await this.look()
    })
  }

  standBack(isBack: boolean): void {
    this.backUntil = isBack ? this.host.now() + longestBackMs : 0
  }

  private mayNotWrite(): boolean {
    return this.isStopped || this.host.now() < this.backUntil
  }

  async counts(): Promise<KernelCounts> {
    if (this.held === undefined || this.held.tables.length === 0) return { rows: [], conntrack: undefined }
    const seen = await this.inTurn(() => this.tables.see())
    const hasNat = this.held.tables.some(({ family }) => family === 'inet')
    return { rows: rowsOf(this.held, seen), conntrack: hasNat ? await readConntrack() : undefined }
  }

  async stop(leave: boolean): Promise<void> {
    if (this.isStopped) return void (await this.turn)
    this.isStopped = true
    clearInterval(this.timer)
    await this.turn
    if (!leave && this.held !== undefined && this.held.tables.length > 0) await this.tables.remove()
  }

  private async look(): Promise<void> {
    const listeners = kernelListeners(this.table!)
    if (listeners.length === 0) return
    await this.learnGround(listeners)
    await this.checkHeld()
    if (this.mayNotWrite()) return
    const refusal = await this.write()
    if (refusal !== undefined && !this.isRefused) this.say('kernel_refused', null, refusal.message)
    this.isRefused = refusal !== undefined
    await this.watchConntrack(listeners)
    this.looks += 1
  }

  /** Writes what is to be, if it is another than before; then ends what remembers endpoints that are live no more. */
  private async write(): Promise<Refusal | undefined> {
    const { observed } = this.host
    const now = this.host.now()
    this.leaving = this.leaving.filter(({ until }) => until > now)
    const table = this.table!
    const under = JSON.stringify([
      [...this.macs],
      [...this.neighbours],
      this.leaving.length,
      table.pools.map(pool => observed.generations[pool.index]),
    ])
    if (this.held !== undefined && this.under === under && now < this.until && this.madeFor === table) return undefined
    const wanted = ruleset(table, observed, now, this.ground())
    const refusal = await this.tables.hold(wanted)
    if (refusal !== undefined) return refusal
    const before = this.held
    this.held = wanted
    this.under = under
    this.madeFor = table
    const views = table.pools.map(pool => view(pool, observed, now))
    // A slow start moves a little with every look.
    this.until = views.some(({ isRamping }) => isRamping) ? 0 : Math.min(...views.map(({ until }) => until))
    if (before !== undefined) await this.endDead(before, wanted)
    return undefined
  }

  private async endDead(before: Ruleset, wanted: Ruleset): Promise<void> {
    for (const listener of kernelListeners(this.table!)) {
      const live = wanted.live.get(listener.name) ?? []
      const isLive = (target: Target) => live.some(each => each.ip === target.ip && each.port === target.port)
      const dead = (before.live.get(listener.name) ?? []).filter(target => !isLive(target))
      if (dead.length > 0) await this.endStale(listener, dead)
    }
  }

  private async endStale(listener: KernelListener, dead: readonly Target[]): Promise<void> {
    const live = this.held?.live.get(listener.name) ?? []
    const failures: (string | undefined)[] = []
    if (listener.kernel.mode === 'dsr') failures.push(await endPins(this.run, listener, live))
    else for (const target of dead) failures.push(await endTracked(this.run, listener, target))
    const why = failures.find(failure => failure !== undefined)
    if (why !== undefined) this.say('flows_not_ended', listener.name, why)
  }

  /** Somebody else may have flushed everything, or a part. */
  private async checkHeld(): Promise<void> {
    if (this.held === undefined || this.looks % checkEvery !== 0) return
    const seen = await this.tables.see()
    const isWhole = seen?.isOurs !== false && (this.looks % deepEvery !== 0 || (await this.tables.hasElements()))
    if (isWhole || this.mayNotWrite()) return
    this.tables.forget()
    const refusal = await this.tables.hold(this.held)
    if (refusal === undefined) this.say('kernel_restored', null, 'somebody else had changed our tables')
  }

  private async learnGround(listeners: readonly KernelListener[]): Promise<void> {
    const interfaces = await readInterfaces(this.run)
    if (interfaces !== undefined) {
      const mine = new Set(listeners.map(({ kernel }) => kernel.interface))
      this.macs = new Map(interfaces.filter(({ name }) => mine.has(name)).map(({ name, mac }) => [name, mac]))
      this.sources = sourcesOf(listeners, interfaces)
      await this.addresses.look(listeners, interfaces)
    }
    const dsr = listeners.filter(({ kernel }) => kernel.mode === 'dsr')
    if (dsr.length === 0) return
    const ips = dsr.flatMap(listener => targetsOf(poolsOf(listener), familyOf(listener)).map(({ ip }) => ip))
    const wanted = new Set([...ips, ...this.leaving.map(({ target }) => target.ip)])
    const fresh = [...wanted].filter(ip => !this.neighbours.has(ip) && !this.silent.has(ip))
    if (fresh.length > 0 || this.looks % pokeEvery === 0) await poke([...wanted])
    let found = await this.readAll(dsr)
    // Without one that is only slow to answer, rules would send its flows elsewhere.
    for (let wait = 0; wait < firstWaits && fresh.some(ip => found?.has(ip) !== true); wait++) {
      await new Promise(later => setTimeout(later, 100))
      found = await this.readAll(dsr)
    }
    // What could not be read has not changed.
    if (found === undefined) return
    this.sayNeighbours(wanted, found)
    this.silent = new Set([...wanted].filter(ip => !found.has(ip)))
    this.neighbours = new Map([...found].filter(([ip]) => wanted.has(ip)).sort())
  }

  private async readAll(listeners: readonly KernelListener[]): Promise<Map<string, string> | undefined> {
    const all = new Map<string, string>()
    for (const device of new Set(listeners.map(({ kernel }) => kernel.interface))) {
      const found = await readNeighbours(this.run, device)
      if (found === undefined) return undefined
      for (const [ip, mac] of found) all.set(ip, mac)
    }
    return all
  }

  private sayNeighbours(wanted: ReadonlySet<string>, found: ReadonlyMap<string, string>): void {
    for (const ip of wanted) {
      const [before, now, wasSilent] = [this.neighbours.get(ip), found.get(ip), this.silent.has(ip)]
      if (now === undefined) {
        if (before !== undefined) this.say('neighbour_lost', ip, 'it does not answer for its address any more')
        else if (!wasSilent) this.say('neighbour_lost', ip, 'it does not answer for its address')
      } else if (wasSilent) this.say('neighbour_found', ip, `at ${now}`)
      else if (before !== undefined && before !== now) this.say('neighbour_moved', ip, `from ${before} to ${now}`)
    }
  }

  private async watchConntrack(listeners: readonly KernelListener[]): Promise<void> {
    if (this.looks % checkEvery !== 0 || !listeners.some(({ kernel }) => kernel.mode === 'nat')) return
    const conntrack = await readConntrack()
    if (conntrack === undefined) return
    const part = conntrack.entries / conntrack.max
    if (!this.isFull && part >= fullFrom) {
      this.say(
        'conntrack_full',
        null,
        `${conntrack.entries} of ${conntrack.max} entries: raise net.netfilter.nf_conntrack_max`,
      )
    }
    this.isFull = this.isFull ? part >= calmAgain : part >= fullFrom
  }

  private gone(before: readonly KernelListener[], after: readonly KernelListener[], until: number) {
    return before.flatMap(old => {
      const now = after.find(({ name }) => name === old.name)
      if (now === undefined || familyOf(now) !== familyOf(old)) return []
      const family = familyOf(old)
      const stay = new Set(targetsOf(poolsOf(now), family).map(({ ip, port }) => `${ip} ${port}`))
      return targetsOf(poolsOf(old), family)
        .filter(({ ip, port }) => !stay.has(`${ip} ${port}`))
        .map(target => ({ listener: old.name, target, until }))
    })
  }

  private ground(): Ground {
    const leaving = new Map<string, Target[]>()
    for (const { listener, target } of this.leaving) leaving.set(listener, [...(leaving.get(listener) ?? []), target])
    return { neighbours: this.neighbours, macs: this.macs, leaving }
  }

  private say(event: KernelEvent['event'], of: string | null, why: string | null): void {
    this.host.onEvent(kernelEvent(event, of, why, this.host.now()))
  }
}

function rowsOf({ counters }: Ruleset, seen: Seen | undefined): CountRow[] {
  return counters.flatMap(({ family, name, listener, endpoint, what }) => {
    const count = seen?.counters.get(`${family} ${name}`)
    return count === undefined ? [] : [{ listener, endpoint, what, ...count }]
  })
}

/** How often everything is looked at: an endpoint's MAC, its ramp, its drain. Probes and operators say so at once. */
const lookMs = 1000
/** In looks. */
const pokeEvery = 2
const checkEvery = 2
const deepEvery = 30
const longestBackMs = 30_000
/** Of a tenth of a second: the kernel asks for a MAC again after one. */
const firstWaits = 20
