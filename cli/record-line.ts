// A record or an event as it scrolls by in `dev`: one line for people, or the thing itself as JSON.

import type { RelayEvent } from '../relay/event.ts'
import type { FlowRecord } from '../relay/record.ts'
import type { OperatorLine } from '../workers/record.ts'
import { paint } from './paint.ts'

/** What the edge writes of a request, as far as the line shows it. */
interface RequestRecord {
  readonly time: string
  readonly method: string
  readonly host: string | null
  readonly path: string | null
  readonly status: number
  readonly route: string | null
  readonly rule: string | null
  readonly variant: string | null
  readonly endpoint: string | null
  readonly attempts: readonly unknown[]
  readonly reason: string | null
  readonly durationMs: number
}

export function recordLine(record: object, asJson: boolean): string {
  if (asJson) return JSON.stringify(record)
  if ('event' in record) {
    const line = record as RelayEvent | OperatorLine
    return line.event === 'operator_request' ? operatorLine(line) : eventLine(line)
  }
  return 'status' in record ? requestLine(record as RequestRecord) : flowLine(record as FlowRecord)
}

/** `12:30:01 GET app.localhost/ 200 app/all canary -> http://127.0.0.1:9103 (4 ms)` */
function requestLine(record: RequestRecord): string {
  const { method, host, path, status, attempts, durationMs } = record
  const shown = paint(status < 400 ? 'green' : status < 500 ? 'yellow' : 'red', String(status))
  return `${clock(record.time)} ${method} ${host ?? ''}${path ?? ''} ${shown}${way(record)} (${measure(durationMs, attempts.length)})`
}

/** `12:30:01 tcp echo 127.0.0.1:40000 echo/0 -> tcp://127.0.0.1:9105, 6 B in, 6 B out (12 ms)` */
function flowLine(record: FlowRecord): string {
  const { listener, clientAddress, clientPort, bytesIn, bytesOut, datagramsIn, datagramsOut, totalMs, attempts } =
    record
  const from = `${clientAddress.includes(':') ? `[${clientAddress}]` : clientAddress}:${clientPort}`
  const isSession = datagramsIn !== null
  const bytes = isSession
    ? `${datagramsIn} datagrams (${bytesIn} B) in, ${datagramsOut} (${bytesOut} B) out`
    : `${bytesIn} B in, ${bytesOut} B out`
  return `${clock(record.time)} ${isSession ? 'udp' : 'tcp'} ${listener} ${from}${way(record)}, ${bytes} (${measure(totalMs, attempts.length)})`
}

/** `12:30:01 endpoint down: db/tcp://10.0.0.5:5432 (ECONNREFUSED)` */
function eventLine({ time, event, pool, endpoint, why }: RelayEvent): string {
  return `${clock(time)} ${event.replace('_', ' ')}: ${pool}/${endpoint}${why === null ? '' : ` (${why})`}`
}

/** `12:30:01 operator: POST /.fourseven/changes 200 by 192.0.2.1 (4 ms)` */
function operatorLine({ time, method, path, status, clientAddress, durationMs }: OperatorLine): string {
  const shown = paint(status < 400 ? 'green' : 'red', String(status))
  const by = clientAddress === null ? '' : ` by ${clientAddress}`
  return `${clock(time)} operator: ${method} ${path} ${shown}${by} (${measure(durationMs, 1)})`
}

type Way = Pick<RequestRecord, 'route' | 'rule' | 'variant' | 'endpoint' | 'reason'>

function way({ route, rule, variant, endpoint, reason }: Way): string {
  const chosen = route === null ? '' : ` ${route}/${rule}${variant === null ? '' : ` ${variant}`}`
  return `${chosen}${endpoint === null ? '' : ` -> ${endpoint}`}${reason === null ? '' : ` ${paint('dim', reason)}`}`
}

function measure(ms: number, attempts: number): string {
  return `${Math.round(ms)} ms${attempts > 1 ? `, ${attempts} tries` : ''}`
}

/** The time of day where the reader is. */
function clock(time: string): string {
  return paint('dim', new Date(time).toTimeString().slice(0, 8))
}
