// What the relay counts, in the form of Prometheus. Records are counted as they are written; everything else is read when
// somebody asks. No value that a client chooses is a label.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { stateOf } from '../shared/pool/health.ts'
import type { ListenerCounts, Plane } from './door.ts'
import type { KernelCounts } from './kernel/kernel.ts'
import { addKernelMetrics } from './kernel/metrics.ts'
import type { OpenPassed } from './live.ts'
import type { FlowRecord } from './record.ts'
import type { OverlayState } from './relay-api.ts'

export interface Metrics {
  readonly countRecord: (record: FlowRecord) => void
  readonly countReload: (outcome: 'ok' | 'failed') => void
  /** What is collected from then on is of this relay. */
  readonly watch: (relay: Watched) => void
  /** The text of `/metrics`. */
  readonly text: () => Promise<string>
  readonly contentType: string
}

/** What is looked at when somebody asks. */
export interface Watched {
  readonly plane: Pick<Plane, 'table' | 'observed' | 'waiting' | 'host'>
  readonly counts: ReadonlyMap<string, Pick<ListenerCounts, 'open' | 'failedAccepts' | 'moved' | 'dropped'>>
  readonly kernelCounts: () => Promise<KernelCounts>
  readonly requestMetrics: () => Promise<string>
  readonly passed: () => Promise<OpenPassed>
  readonly threads: { readonly count: number; readonly lost: number }
  readonly overlay: () => Pick<OverlayState, 'version' | 'source'>
}

export function openMetrics(): Metrics {
  const registers = [new Registry()]
  const [register] = registers as [Registry]
  let watched: Watched | undefined
  /** Of flows that are over. */
  const ended = { in: 0, out: 0, datagramsIn: 0, datagramsOut: 0 }

  const isUdp = (listener: string) => watched?.plane.table.flowListeners.get(listener)?.kind === 'udp'
  const connections = new Counter({
    name: 'fourseven_connections_total',
    help: 'Connections that are over, by how they ended.',
    labelNames: ['listener', 'route', 'variant', 'reason'],
    registers,
  })
  const sessions = new Counter({
    name: 'fourseven_sessions_total',
    help: 'Sessions of datagrams that are over, by how they ended.',
    labelNames: ['listener', 'route', 'variant', 'reason'],
    registers,
  })
  const attempts = new Counter({
    name: 'fourseven_attempts_total',
    help: 'Tries to connect an endpoint, by what came of them.',
    labelNames: ['route', 'endpoint', 'outcome'],
    registers,
  })
  const connectSeconds = new Histogram({
    name: 'fourseven_connect_duration_seconds',
    help: 'From the decision until an endpoint was connected, with all tries and waits.',
    labelNames: ['route'],
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers,
  })
  const reloads = new Counter({
    name: 'fourseven_reloads_total',
    help: 'Reloads of the config.',
    labelNames: ['outcome'],
    registers,
  })
  reloads.inc({ outcome: 'ok' }, 0)
  reloads.inc({ outcome: 'failed' }, 0)
  new Counter({
    name: 'fourseven_bytes_total',
    help: 'Bytes of connections and sessions passed on: in from clients, out to them.',
    labelNames: ['direction'],
    registers,
    async collect() {
      const open = await watched?.passed()
      this.reset()
      this.inc({ direction: 'in' }, ended.in + (open?.bytesIn ?? 0))
      this.inc({ direction: 'out' }, ended.out + (open?.bytesOut ?? 0))
    },
  })
  new Counter({
    name: 'fourseven_datagrams_total',
    help: 'Datagrams passed on: in from clients, out to them.',
    labelNames: ['direction'],
    registers,
    async collect() {
      const open = await watched?.passed()
      this.reset()
      this.inc({ direction: 'in' }, ended.datagramsIn + (open?.datagramsIn ?? 0))
      this.inc({ direction: 'out' }, ended.datagramsOut + (open?.datagramsOut ?? 0))
    },
  })
  new Counter({
    name: 'fourseven_datagrams_dropped_total',
    help: 'Datagrams that went nowhere, since the listener was opened.',
    labelNames: ['listener', 'reason'],
    registers,
    collect() {
      this.reset()
      for (const [listener, { dropped }] of watched?.counts ?? []) {
        for (const [reason, count] of Object.entries(dropped)) this.inc({ listener, reason }, count)
      }
    },
  })
  new Counter({
    name: 'fourseven_session_moves_total',
    help: 'Sessions that went on on another endpoint, since the listener was opened.',
    labelNames: ['listener'],
    registers,
    collect() {
      this.reset()
      for (const [listener, { moved }] of watched?.counts ?? []) if (isUdp(listener)) this.inc({ listener }, moved)
    },
  })
  new Gauge({
    name: 'fourseven_sessions_open',
    help: 'Sessions begun and not over.',
    labelNames: ['listener'],
    registers,
    collect() {
      this.reset()
      for (const [listener, { open }] of watched?.counts ?? []) if (isUdp(listener)) this.set({ listener }, open)
    },
  })
  new Gauge({
    name: 'fourseven_connections_open',
    help: 'Connections accepted and not over.',
    labelNames: ['listener'],
    registers,
    collect() {
      this.reset()
      for (const [listener, { open }] of watched?.counts ?? []) if (!isUdp(listener)) this.set({ listener }, open)
    },
  })
  new Counter({
    name: 'fourseven_failed_accepts_total',
    help: 'Connections lost before we had them, since the listener was opened: the system gave an error instead.',
    labelNames: ['listener'],
    registers,
    collect() {
      this.reset()
      for (const [listener, { failedAccepts }] of watched?.counts ?? []) this.inc({ listener }, failedAccepts)
    },
  })
  new Gauge({
    name: 'fourseven_connections_waiting',
    help: 'Connections that wait for a place in a pool at its limit.',
    labelNames: ['pool'],
    registers,
    collect() {
      this.reset()
      for (const { name, queue } of watched?.plane.table.pools ?? []) {
        if (queue !== undefined) this.set({ pool: name }, watched!.plane.waiting.queues.get(name)?.length ?? 0)
      }
    },
  })
  new Gauge({
    name: 'fourseven_endpoint_state',
    help: '1 for the state that the endpoint is in.',
    labelNames: ['pool', 'endpoint', 'state'],
    registers,
    collect() {
      this.reset()
      if (watched === undefined) return
      const { table, observed, host } = watched.plane
      for (const pool of table.pools) {
        for (const endpoint of pool.endpoints) {
          const now = stateOf(endpoint, observed, host.now())
          for (const state of states)
            this.set({ pool: pool.name, endpoint: endpoint.name, state }, state === now ? 1 : 0)
        }
      }
    },
  })
  new Gauge({
    name: 'fourseven_endpoint_connections_open',
    help: 'Connections open on the endpoint, tries included.',
    labelNames: ['pool', 'endpoint'],
    registers,
    collect() {
      this.reset()
      for (const pool of watched?.plane.table.pools ?? []) {
        for (const { name, slot } of pool.endpoints) {
          this.set({ pool: pool.name, endpoint: name }, watched!.plane.observed.open[slot]!)
        }
      }
    },
  })
  addKernelMetrics(registers, async () => watched?.kernelCounts())
  new Gauge({
    name: 'fourseven_threads',
    help: 'Threads that have the listeners; 1 is the main thread itself.',
    registers,
    collect() {
      this.set(watched?.threads.count ?? 0)
    },
  })
  new Counter({
    name: 'fourseven_threads_lost_total',
    help: 'Threads that died and were replaced.',
    registers,
    collect() {
      this.reset()
      this.inc(watched?.threads.lost ?? 0)
    },
  })
  new Gauge({
    name: 'fourseven_overlay_version',
    help: 'The version of the overlay in force; 0 before the first change. Of a relay that follows an edge.',
    registers,
    collect() {
      const overlay = watched?.overlay()
      if (overlay?.source) this.set(overlay.version)
      else this.remove()
    },
  })
  new Gauge({
    name: 'fourseven_overlay_read_age_seconds',
    help: 'Since the overlay was last known to be the newest; +Inf when it never was. Of a relay that follows an edge.',
    registers,
    collect() {
      const source = watched?.overlay().source
      if (!source) this.remove()
      else if (source.readAt === null) this.set(Number.POSITIVE_INFINITY)
      else this.set(Math.max(0, watched!.plane.host.now() - Date.parse(source.readAt)) / 1000)
    },
  })
  collectDefaultMetrics({ register })

  return {
    countRecord: record => {
      const { listener, route, variant, reason, bytesIn, bytesOut, connectMs } = record
      const counter = record.datagramsIn === null ? connections : sessions
      counter.inc({ listener, route: route ?? '', variant: variant ?? '', reason })
      for (const { endpoint, outcome } of record.attempts) attempts.inc({ route: route ?? '', endpoint, outcome })
      if (connectMs !== null) connectSeconds.observe({ route: route ?? '' }, connectMs / 1000)
      // What no session was begun for was not passed on.
      if (record.endpoint === null) return
      ended.in += bytesIn
      ended.out += bytesOut
      ended.datagramsIn += record.datagramsIn ?? 0
      ended.datagramsOut += record.datagramsOut ?? 0
    },
    countReload: outcome => reloads.inc({ outcome }),
    watch: relay => {
      watched = relay
    },
    text: async () => (await register.metrics()) + (await requestText(watched)),
    contentType: register.contentType,
  }
}

/** Only of a relay that has an `http` listener: elsewhere every series would be of nothing. */
async function requestText(watched: Watched | undefined): Promise<string> {
  if (watched === undefined || watched.plane.table.httpDoors.size === 0) return ''
  return `\n${await watched.requestMetrics()}`
}

const states = ['up', 'down', 'draining', 'ejected'] as const
