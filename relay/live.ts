// What a running relay looks like right now, as plain data for the operator: its flows page by page, its pools.

import { emptyOverlay, type Overlay } from '../shared/overlay/overlay.ts'
import { stateOf } from '../shared/pool/health.ts'
import { isDown, isDraining, latencyNow } from '../shared/pool/observed.ts'
import { ramp, view } from '../shared/pool/view.ts'
import type { Plane } from './door.ts'
import type { Flow } from './flow.ts'
import type { LiveRequest } from './http/request.ts'

export interface LiveFlow {
  readonly id: number
  readonly transport: 'tcp' | 'udp' | 'http'
  readonly listener: string
  readonly clientAddress: string
  readonly clientPort: number
  /** Null as long as nothing is decided. */
  readonly route: string | null
  readonly rule: string | null
  readonly variant: string | null
  /** Null as long as none is connected. */
  readonly endpoint: string | null
  readonly bytesIn: number
  readonly bytesOut: number
  readonly ageMs: number
  /** Of a request. */
  readonly method?: string
  readonly host?: string
  readonly path?: string
  readonly protocol?: string
}

export interface FlowPage {
  readonly total: number
  readonly flows: readonly LiveFlow[]
  /** Ask for the flows after this one; null when these were the last. */
  readonly next: number | null
}

export interface LivePool {
  readonly name: string
  readonly open: number
  /** Flows that wait for a place. */
  readonly waiting: number
  readonly isPanic: boolean
  readonly endpoints: readonly LiveEndpoint[]
}

export interface LiveEndpoint {
  readonly id: string
  readonly name: string
  readonly state: 'up' | 'down' | 'draining' | 'ejected'
  /** Every cause that keeps it from being used, in words; null for none. */
  readonly why: string | null
  readonly open: number
  readonly weight: number
  readonly priority: number
  /** The part of its weight that counts now, in slow start. */
  readonly rampedTo: number
  /** ISO 8601; null unless it is ejected now. */
  readonly ejectedUntil: string | null
  readonly failuresInRow: number
  /** Time to connect, as the latency balance sees it; null without a sample. */
  readonly latencyMs: number | null
}

/** Oldest first, those with an id above `after`, at most `limit`. */
export function liveFlows(
  { flows, requests }: Pick<Plane, 'flows' | 'requests'>,
  after: number,
  limit: number,
): FlowPage {
  const now = performance.now()
  const page: LiveFlow[] = []
  let hasMore = false
  for (const flow of byAge(flows, requests)) {
    if (flow.id <= after) continue
    if (page.length === limit) {
      hasMore = true
      break
    }
    if ('exchange' in flow) {
      page.push(liveRequest(flow, now))
      continue
    }
    const { id, facts, decision, endpoint, acceptedAt } = flow
    const passed = flow.passed()
    page.push({
      id,
      transport: flow.transport,
      listener: facts.listener,
      clientAddress: facts.clientAddress,
      clientPort: facts.clientPort,
      route: decision?.rule?.route ?? null,
      rule: decision?.rule?.name ?? null,
      variant: decision?.do === 'forward' ? decision.variant.name : null,
      endpoint: endpoint?.name ?? null,
      bytesIn: passed.in,
      bytesOut: passed.out,
      ageMs: Math.round(now - acceptedAt),
    })
  }
  return { total: flows.size + requests.size, flows: page, next: hasMore ? page.at(-1)!.id : null }
}

/** Both in one order; each is in the order of its ids. */
function* byAge(flows: ReadonlySet<Flow>, requests: Iterable<LiveRequest>): Generator<Flow | LiveRequest> {
  const later = requests[Symbol.iterator]()
  let request = later.next()
  for (const flow of flows) {
    for (; request.done !== true && request.value.id < flow.id; request = later.next()) yield request.value
    yield flow
  }
  for (; request.done !== true; request = later.next()) yield request.value
}

function liveRequest(request: LiveRequest, now: number): LiveFlow {
  const { id, listener, facts, decision, endpoint, acceptedAt, exchange } = request
  const { connection, version } = exchange
  return {
    id,
    transport: 'http',
    listener,
    clientAddress: facts.clientAddress ?? connection.facts.clientAddress,
    clientPort: connection.facts.clientPort,
    route: decision?.rule?.route ?? null,
    rule: decision?.rule?.name ?? null,
    variant: decision?.do === 'forward' ? decision.variant.name : null,
    endpoint: endpoint?.name ?? null,
    bytesIn: request.bytesIn,
    bytesOut: request.bytesOut,
    ageMs: Math.round(now - acceptedAt),
    method: facts.method,
    host: facts.host,
    path: facts.path,
    protocol: version,
  }
}

/** The pages of several threads as one. */
export function mergePages(pages: readonly FlowPage[], limit: number): FlowPage {
  const all = pages.flatMap(({ flows }) => flows).sort((a, b) => a.id - b.id)
  const flows = all.slice(0, limit)
  const hasMore = all.length > limit || pages.some(({ next }) => next !== null)
  const total = pages.reduce((sum, page) => sum + page.total, 0)
  return { total, flows, next: hasMore ? (flows.at(-1)?.id ?? null) : null }
}

/** Sums over flows. */
export interface OpenPassed {
  readonly bytesIn: number
  readonly bytesOut: number
  readonly datagramsIn: number
  readonly datagramsOut: number
}

/** Passed on so far by the flows that are open. */
export function passedOf({ flows }: Pick<Plane, 'flows'>): OpenPassed {
  const sums = { bytesIn: 0, bytesOut: 0, datagramsIn: 0, datagramsOut: 0 }
  for (const flow of flows) {
    const passed = flow.passed()
    sums.bytesIn += passed.in
    sums.bytesOut += passed.out
    sums.datagramsIn += passed.datagrams?.in ?? 0
    sums.datagramsOut += passed.datagrams?.out ?? 0
  }
  return sums
}

export function sumPassed(parts: readonly OpenPassed[]): OpenPassed {
  const sums = { bytesIn: 0, bytesOut: 0, datagramsIn: 0, datagramsOut: 0 }
  for (const part of parts) for (const name of Object.keys(sums) as (keyof OpenPassed)[]) sums[name] += part[name]
  return sums
}

/** @param overlay what is in force of it: says who is behind a state */
export function livePools(
  { table, observed, waiting, host }: Pick<Plane, 'table' | 'observed' | 'waiting' | 'host'>,
  overlay: Overlay = emptyOverlay,
) {
  const now = host.now()
  const drained = new Set(overlay.drains.map(({ endpoint }) => endpoint))
  const ejections = new Map(overlay.ejections.map(entry => [entry.endpoint, entry]))
  const downAtEdge = new Set(overlay.verdicts.filter(({ is }) => is === 'down').map(({ endpoint }) => endpoint))
  return table.pools.map((pool): LivePool => {
    const { isPanic } = view(pool, observed, now)
    return {
      name: pool.name,
      open: observed.poolOpen[pool.index]!,
      waiting: waiting.queues.get(pool.name)?.length ?? 0,
      isPanic,
      endpoints: pool.endpoints.map((endpoint): LiveEndpoint => {
        const { id, name, slot, weight, priority } = endpoint
        const until = observed.ejectedUntil[slot]!
        const latency = latencyNow(observed, slot, now)
        const causes = [
          (observed.flags[slot]! & isDraining) !== 0
            ? `drained by an operator${drained.has(endpoint.of) ? ' (overlay)' : ''}`
            : undefined,
          (observed.flags[slot]! & isDown) === 0
            ? undefined
            : pool.probe === undefined && downAtEdge.has(endpoint.of)
              ? 'a probe at the edge says down (overlay)'
              : 'its probe says down',
          until > now ? whyEjected(observed.ejections[slot]!, ejections.get(endpoint.of)?.by) : undefined,
          weight === 0 ? 'its weight is 0' : undefined,
        ].filter(cause => cause !== undefined)
        return {
          id,
          name,
          state: stateOf(endpoint, observed, now),
          why: causes.length === 0 ? null : causes.join('; '),
          open: observed.open[slot]!,
          weight,
          priority,
          rampedTo: ramp(pool, endpoint, observed, now),
          ejectedUntil: until > now ? new Date(Math.min(until, lastDate)).toISOString() : null,
          failuresInRow: observed.failuresInRow[slot]!,
          latencyMs: latency < 0 ? null : Math.round(latency * 1000) / 1000,
        }
      }),
    }
  })
}

/** @param times by what this relay saw itself, in a row */
function whyEjected(times: number, by: 'operator' | 'traffic' | undefined): string {
  if (by === 'operator') return 'ejected by an operator (overlay)'
  if (times > 0) return `ejected ${times} in a row for what traffic saw`
  return 'ejected for what the edge saw of it (overlay)'
}

/** ECMA-262 section 21.4.1.1 */
const lastDate = 8.64e15
