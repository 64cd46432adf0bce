// What all http doors of a thread share beside what all doors share.

import { growSeen, openSeen, type Seen } from '../../shared/attempt/seen.ts'
import { openCacheSeen } from '../../shared/cache/exchange.ts'
import type { Ban } from '../../shared/cache/purge.ts'
import type { RequestRecord } from '../../shared/http/request-record.ts'
import {
  carryHttpMetrics,
  type HttpCounts,
  type HttpMetrics,
  openHttpMetrics,
  renderRequests,
  sumHttpMetrics,
} from '../../shared/metrics/http-metrics.ts'
import type { Table } from '../../shared/table/table.ts'
import { mayConnect } from '../descriptors.ts'
import type { Plane } from '../door.ts'
import { highest } from '../reload.ts'
import type { Roll } from '../roll.ts'
import { callNext } from '../waiting.ts'
import { AnswerStore } from './answer-store.ts'
import type { Carriage } from './carrier.ts'
import { Connections } from './connections.ts'
import type { DiskPlace } from './disk-store.ts'
import type { HttpConnection } from './exchange.ts'
import type { LiveRequest } from './request.ts'

/** The line of a request at the relay. */
export type RelayRequestRecord = RequestRecord & {
  readonly protocol: string
  /** Of a gRPC call. */
  readonly grpcStatus: number | undefined
  /** Until the answer had left. */
  readonly totalMs: number
}

export class HttpPlane {
  readonly shared: Plane
  readonly seen: Seen
  metrics: HttpMetrics
  readonly connections: Connections
  readonly carriage: Carriage
  /** Clients' connections. */
  readonly clients = new Set<HttpConnection>()
  /** Stored answers. Each thread has its own, and the first one those on disk. */
  readonly store: AnswerStore
  /** Where they stand on disk, once that may be used. */
  disk: DiskPlace | undefined
  readonly cached = openCacheSeen()
  /** Purges in force. */
  bans: readonly Ban[] = []
  readonly cookieKeys: readonly string[]
  /** Undefined: nobody reads them. */
  readonly onRequest: ((record: RelayRequestRecord) => void) | undefined

  /** @param isFirst this is the thread that stored answers on disk are of */
  constructor(
    shared: Plane,
    cookieKeys: readonly string[],
    onRequest: ((record: RelayRequestRecord) => void) | undefined,
    isFirst: boolean,
  ) {
    this.shared = shared
    this.cookieKeys = cookieKeys
    this.onRequest = onRequest
    const { memoryBytes, disk } = shared.table.cacheStore
    this.store = new AnswerStore(memoryBytes, disk !== undefined && isFirst)
    this.seen = openSeen(shared.observed, sizeOf(shared.table))
    this.metrics = openHttpMetrics(shared.table)
    this.connections = new Connections(
      () => shared.poolTls,
      () => mayConnect(shared.descriptors),
    )
    this.carriage = {
      observed: shared.observed,
      metrics: () => this.metrics,
      connections: this.connections,
      now: shared.host.now,
      onFree: pool => callNext(shared.waiting, pool),
    }
  }

  /** Not answered yet. */
  get requests(): Roll<LiveRequest> {
    return this.shared.requests
  }

  /** What was counted, as Prometheus reads it. */
  /** @param others what was counted in other threads */
  metricsText(others: readonly HttpCounts[] = []): string {
    const { metrics, shared } = this
    if (others.length === 0) return renderRequests(metrics, shared.table)
    return renderRequests(sumHttpMetrics([this.counts, ...others], shared.table), shared.table)
  }

  get counts(): HttpCounts {
    const { series, retries, tries } = this.metrics
    return { series, retries, tries }
  }

  /** Another table is in force. */
  follow(table: Table): void {
    growSeen(this.seen, sizeOf(table))
    this.metrics = carryHttpMetrics(this.metrics, table)
    this.connections.follow(table.pools)
    this.store.resize(table.cacheStore.memoryBytes)
  }

  /** Of a request or a connection: who waits for all of them to be over is told when they are. */
  onEnded(): void {
    if (this.isOver) this.shared.onEnded()
  }

  get isOver(): boolean {
    return this.clients.size === 0 && this.requests.size === 0
  }
}

function sizeOf({ slots, poolIndexes }: Table): { slots: number; pools: number } {
  return { slots: highest(slots) + 1, pools: highest(poolIndexes) + 1 }
}
