// A shard of the probes at the edge: an object that asks its endpoints by alarm, wherever isolates come and go, and tells
// the control object when one goes down or comes up. The control object begins it and looks now and then that it goes on.

import { DurableObject } from 'cloudflare:workers'
import packedConfig from 'fourseven:config'
import { unpackConfig } from '../../shared/config/packed.ts'
import type { Overlay } from '../../shared/overlay/overlay.ts'
import { compile } from '../../shared/table/compile.ts'
import type { Table } from '../../shared/table/table.ts'
import { variablesOf } from '../env.ts'
import { findControl } from './find.ts'
import { askTarget } from './probe-endpoint.ts'
import {
  due,
  nextAlarm,
  type Target,
  type Turn,
  type Turns,
  targetsOf,
  targetsOfShard,
  turnAfter,
  turnsFor,
} from './probe-plan.ts'

export class Probes extends DurableObject<Cloudflare.Env> {
  readonly #draw = Math.floor(Math.random() * 2 ** 53)
  #targets: readonly Target[] = []
  #turns: Turns = new Map()
  #shard = 0
  #isLoaded = false

  /** Goes on as this shard; nothing happens when it does already. */
  async begin(shard: number, birth: string): Promise<void> {
    const { storage } = this.ctx
    if ((await storage.get('shard')) !== shard) await storage.put('shard', shard)
    if ((await storage.get('birth')) !== birth) {
      // Who keeps the overlay has forgotten what it was told.
      await storage.put('birth', birth)
      this.#isLoaded = false
    }
    if ((await storage.getAlarm()) === null) await storage.setAlarm(Date.now())
  }

  override async alarm(): Promise<void> {
    const { storage } = this.ctx
    const begunAt = Date.now()
    // Whatever goes wrong below, it rings again.
    await storage.setAlarm(begunAt + RETRY_MS)
    if (!this.#isLoaded) await this.#load()
    const turns = new Map(this.#turns)
    await Promise.all(
      due(this.#targets, turns, begunAt).map(async target => {
        const why = await this.#ask(target)
        const outcome = why === null ? 'unasked' : why === undefined ? 'passed' : 'failed'
        const turn = turnAfter(turns.get(target.endpoint)!, target, outcome, Date.now(), this.#draw)
        turns.set(target.endpoint, await this.#tell(target, turn, why))
      }),
    )
    this.#turns = turns
    await storage.put('turns', [...turns])
    const next = nextAlarm(turns, begunAt)
    if (next === undefined) await storage.deleteAlarm()
    else await storage.setAlarm(next)
  }

  /** One probe of one endpoint from here; for the shard that wants it from this region. */
  ask(target: Target): Promise<string | undefined> {
    return askTarget(target, { ...this.env })
  }

  /**
   * From here, or from each region: more than half of those that answered have to say that it failed. Null when no region
   * answered.
   */
  async #ask(target: Target): Promise<string | undefined | null> {
    const { regions } = target.probe.edge
    const namespace = this.env.FOURSEVEN_PROBES
    if (regions.length === 0) return this.ask(target)
    const answers = await Promise.allSettled(
      regions.map(region =>
        namespace.getByName(`probes-${this.#shard}-${region}`, { locationHint: region }).ask(target),
      ),
    )
    const said = answers.filter(answer => answer.status === 'fulfilled').map(({ value }) => value)
    if (said.length === 0) return null
    const failures = said.filter(why => why !== undefined)
    // A region that says nothing says nothing about the endpoint.
    if (failures.length * 2 <= said.length) return undefined
    return `${failures.length} of ${said.length} regions: ${failures[0]}`
  }

  /** Tells the control object of a verdict that it does not know; when it cannot be reached, after the next probe. */
  async #tell({ endpoint }: Target, turn: Turn, why: string | undefined | null): Promise<Turn> {
    const { verdict } = turn.state
    if (verdict === turn.told) return turn
    try {
      const reason = verdict === 'up' ? 'the probe passed' : (why ?? 'not asked yet')
      await findControl({ ...this.env })!.report([{ do: 'verdict', endpoint, is: verdict }], 'probe', reason)
      return { ...turn, told: verdict }
    } catch (error) {
      console.error(`fourseven: a verdict was not told: ${error instanceof Error ? error.message : error}`)
      return turn
    }
  }

  async #load(): Promise<void> {
    const { storage } = this.ctx
    const table = compile(unpackConfig(packedConfig), variablesOf({ ...this.env }))
    const all = targetsOf(table)
    this.#shard = (await storage.get<number>('shard')) ?? 0
    this.#targets = targetsOfShard(all, this.#shard)
    const known: Turns = new Map((await storage.get<[string, Turn][]>('turns')) ?? [])
    const control = findControl({ ...this.env })!
    const { text } = await control.read(undefined, -1)
    const { verdicts } = text === undefined || text === '' ? { verdicts: [] } : (JSON.parse(text) as Overlay)
    await this.#forget(known, all, table)
    const said = new Map(verdicts.map(each => [each.endpoint, each]))
    this.#turns = turnsFor(this.#targets, known, said, Date.now(), this.#draw)
    this.#isLoaded = true
  }

  /** Of what nobody probes any more, what the last probe said must not hold for ever. */
  async #forget(known: Turns, all: readonly Target[], table: Table): Promise<void> {
    const probed = new Set(all.map(({ endpoint }) => endpoint))
    const there = new Set(table.pools.flatMap(({ endpoints }) => endpoints.map(({ of }) => of)))
    const left = [...known].filter(([name, { told }]) => told === 'down' && !probed.has(name) && there.has(name))
    const reports = left.map(([endpoint]) => ({ do: 'verdict', endpoint, is: 'up' }) as const)
    if (reports.length > 0) await findControl({ ...this.env })!.report(reports, 'probe', 'it is not probed any more')
  }
}

const RETRY_MS = 30_000
