// Asks every endpoint of the pools that have a probe, each on its own timer, and marks it up or down in what is observed.

import type { EndpointAddress } from '../shared/config/endpoint-address.ts'
import { type Draw, subDraw } from '../shared/pool/draw.ts'
import { markDown, markUp, type ProbeState, startProbe, stepProbe } from '../shared/pool/health.ts'
import type { Observed } from '../shared/pool/observed.ts'
import type { Endpoint, Pool } from '../shared/pool/pool.ts'
import { askEndpoint, type ProbeTls } from './ask-endpoint.ts'
import { type RelayEvent, relayEvent } from './event.ts'
import { probeOpening } from './opening.ts'

export interface ProbeHost {
  readonly observed: Observed
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly draw: () => Draw
  readonly onEvent: (event: RelayEvent) => void
  readonly tlsOf?: (pool: Pool) => ProbeTls
  /** The address of this machine to ask from; undefined leaves it to the system. */
  readonly sourceOf?: (address: EndpointAddress) => string | undefined
}

export interface Probes {
  /**
   * Probes the pools of this table and no others. An endpoint whose address, probe and PROXY header stay keeps what was
   * counted of it; one that is not probed any more is up.
   */
  readonly follow: (pools: readonly Pool[]) => void
  /** No probe is begun any more, and those under way are broken off. What was marked stays. */
  readonly stop: () => void
}

export function startProbes(host: ProbeHost, pools: readonly Pool[]): Probes {
  const turns = createTurns()
  const probers = new Map<string, Prober>()
  const follow = (now: readonly Pool[]) => {
    const wanted = new Map(now.flatMap(pool => probed(pool).map(endpoint => [endpoint.id, { pool, endpoint }])))
    for (const [id, prober] of probers) {
      const still = wanted.get(id)
      if (still !== undefined && prober.keep(still.pool, still.endpoint)) continue
      prober.stop()
      prober.release()
      probers.delete(id)
    }
    for (const [id, { pool, endpoint }] of wanted) {
      if (!probers.has(id)) probers.set(id, new Prober(host, turns, pool, endpoint))
    }
  }
  follow(pools)
  return {
    follow,
    stop: () => {
      for (const prober of probers.values()) prober.stop()
      probers.clear()
    },
  }
}

function probed(pool: Pool): readonly Endpoint[] {
  return pool.probe === undefined ? [] : pool.endpoints
}

class Prober {
  private readonly host: ProbeHost
  private readonly turns: Turns
  private readonly draw: Draw
  private readonly stopping = new AbortController()
  private pool: Pool
  private endpoint: Endpoint
  private state: ProbeState
  private count = 0
  private timer: NodeJS.Timeout

  constructor(host: ProbeHost, turns: Turns, pool: Pool, endpoint: Endpoint) {
    this.host = host
    this.turns = turns
    this.pool = pool
    this.endpoint = endpoint
    this.draw = host.draw()
    const { startsDown, intervalMs } = pool.probe!
    this.state = startProbe(startsDown, host.now())
    if (startsDown) markDown(host.observed, pool, endpoint)
    // Spread, so that they do not all ask at once, then and later.
    const firstMs = subDraw(this.draw, 'jitter') * Math.min(intervalMs, longestFirstMs)
    this.timer = setTimeout(() => void this.ask(), firstMs)
  }

  /** Goes on under a new table when nothing that a probe depends on has changed. */
  keep(pool: Pool, endpoint: Endpoint): boolean {
    if (formOf(pool, endpoint.address) !== formOf(this.pool, this.endpoint.address)) return false
    this.pool = pool
    this.endpoint = endpoint
    return true
  }

  stop(): void {
    clearTimeout(this.timer)
    this.stopping.abort()
  }

  /** Nobody asks any more: what the last probe said must not hold for ever. */
  release(): void {
    markUp(this.host.observed, this.pool, this.endpoint, this.host.now())
  }

  private async ask(): Promise<void> {
    const { signal } = this.stopping
    await this.turns.take()
    try {
      if (signal.aborted) return
      const { probe, sendProxy } = this.pool
      const opening = sendProxy === undefined ? undefined : probeOpening(sendProxy)
      const { address } = this.endpoint
      const { tlsOf, sourceOf } = this.host
      const why = await askEndpoint(address, probe!, opening, signal, tlsOf?.(this.pool), sourceOf?.(address))
      if (signal.aborted) return
      this.note(why)
    } finally {
      this.turns.give()
    }
    this.count += 1
    const jitter = 1 + spread * (2 * subDraw(this.draw, 'jitter', this.count) - 1)
    this.timer = setTimeout(() => void this.ask(), this.pool.probe!.intervalMs * jitter)
  }

  private note(why: string | undefined): void {
    const { pool, endpoint, host } = this
    const now = host.now()
    const { verdict } = this.state
    this.state = stepProbe(this.state, why === undefined ? 'passed' : 'failed', pool.probe!, now)
    if (this.state.verdict === verdict) return
    if (this.state.verdict === 'up') markUp(host.observed, pool, endpoint, now)
    else markDown(host.observed, pool, endpoint)
    const event = this.state.verdict === 'up' ? 'endpoint_up' : 'endpoint_down'
    host.onEvent(relayEvent(event, pool, endpoint, why ?? 'the probe passed', now))
  }
}

function formOf({ probe, sendProxy }: Pool, { origin }: EndpointAddress): string {
  return JSON.stringify([origin, probe, sendProxy])
}

/** Lets so many go at once; the others in the order in which they came. */
interface Turns {
  readonly take: () => Promise<void>
  readonly give: () => void
}

function createTurns(): Turns {
  const waiting: (() => void)[] = []
  let left = mostAtOnce
  return {
    take: () => {
      if (left > 0) {
        left -= 1
        return Promise.resolve()
      }
      return new Promise(resolve => waiting.push(resolve))
    },
    give: () => {
      const next = waiting.shift()
      if (next === undefined) left += 1
      else next()
    },
  }
}

/** A tenth earlier or later. */
const spread = 0.1
/** Open probes of the whole relay: each holds a descriptor for up to its timeout. */
const mostAtOnce = 64
/** An endpoint that starts down waits no longer than this for its first probe. */
const longestFirstMs = 1_000
