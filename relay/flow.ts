// A flow as those hold it who look at all of them: a connection from accept to record, or a session of datagrams.

import type { FlowDecision } from '../shared/decide/decision.ts'
import type { FlowFacts } from '../shared/decide/facts.ts'
import type { Reason } from '../shared/decide/reason.ts'
import type { Endpoint } from '../shared/pool/pool.ts'
import type { Side } from './side.ts'

export interface Flow {
  /** Counts the flows of a relay. */
  readonly id: number
  readonly transport: 'tcp' | 'udp'
  /** What is known of it so far. */
  facts: FlowFacts
  /** `performance.now()` */
  readonly acceptedAt: number
  decision: FlowDecision | undefined
  /** The one it is on, as long as it is. */
  endpoint: Endpoint | undefined
  /** Bytes passed on so far, once there is an endpoint. */
  readonly passed: () => Passed
  /** Ends it from outside, wherever it stands. */
  cut: (reason: Reason) => void
  /** Looks for a break that nobody told of; asked every now and then. */
  look: () => void
}

export interface Passed {
  readonly in: number
  readonly out: number
  /** Undefined for a connection. */
  readonly datagrams?: { readonly in: number; readonly out: number }
}

export interface Connection extends Flow {
  readonly transport: 'tcp'
  /** Another one once TLS has ended here. */
  client: Side
  /** The client asked for TLS in this protocol before it spoke it. */
  startTls: 'postgres' | undefined
  /** The connection to the endpoint. */
  side: Side | undefined
  /** A file descriptor for that connection, while there is none and descriptors are short. */
  kept: number | undefined
}

/** Whoever carries it on says what `cut` and `look` mean there. */
export function openConnection(client: Side, facts: FlowFacts, acceptedAt: number): Connection {
  const connection: Connection = {
    id: nextFlowId(),
    transport: 'tcp',
    client,
    startTls: undefined,
    facts,
    acceptedAt,
    decision: undefined,
    endpoint: undefined,
    side: undefined,
    kept: undefined,
    passed: () => ({
      in: connection.side === undefined ? 0 : connection.client.bytes,
      out: connection.side?.bytes ?? 0,
    }),
    cut: () => connection.client.reset(),
    look: () => {},
  }
  return connection
}

export function isConnection(flow: Flow): flow is Connection {
  return flow.transport === 'tcp'
}

/** Of flows and requests together. */
export function nextFlowId(): number {
  if (shared !== undefined) return Number(Atomics.add(shared, 0, 1n)) + 1
  opened += 1
  return opened
}

/** From now on this thread counts its flows together with others. */
export function shareFlowIds(memory: SharedArrayBuffer): void {
  shared = new BigInt64Array(memory)
}

let opened = 0
let shared: BigInt64Array | undefined
