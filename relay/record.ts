// What is written down of a connection: one line for each one accepted, when it is over.

import type { FlowDecision } from '../shared/decide/decision.ts'
import type { FlowFacts } from '../shared/decide/facts.ts'
import type { Reason } from '../shared/decide/reason.ts'
import { findTlv, tlvTypes } from '../shared/wire/tlv.ts'
import { type Attempt, roundMs } from './forward.ts'
import { idText } from './opening.ts'
import type { FlowEnd } from './pipe.ts'

export interface FlowRecord {
  /** When it was accepted, ISO 8601 in UTC. */
  readonly time: string
  readonly listener: string
  /** Null where the flow did not get so far. */
  readonly route: string | null
  readonly rule: string | null
  readonly variant: string | null
  /** The one that was connected, by its name. */
  readonly endpoint: string | null
  readonly attempts: readonly Attempt[]
  readonly reason: FlowEnd
  /** From the client towards the endpoint. */
  readonly bytesIn: number
  /** From the endpoint towards the client. */
  readonly bytesOut: number
  /** Until an endpoint was connected, all tries and waits together. */
  readonly connectMs: number | null
  readonly totalMs: number
  /** The same of datagrams; null for a connection. */
  readonly datagramsIn: number | null
  readonly datagramsOut: number | null
  /** As a PROXY header carried it, where the listener takes one from this peer. */
  readonly clientAddress: string
  readonly clientPort: number
  /** Who is at the other end of the connection; the client itself unless a PROXY header said otherwise. */
  readonly peerAddress: string
  readonly peerPort: number
  /** The server name that the client asked for in its ClientHello; null where none was read or it named none. */
  readonly sni: string | null
  /** The protocols that it offered, the first eight; null where no ClientHello was read. */
  readonly alpn: readonly string[] | null
  /** Of the PROXY header that came in or went out; null when neither has one. */
  readonly uniqueId: string | null
}

/** How a flow went, as far as it got. */
export interface FlowOutcome {
  readonly endpoint: string | null
  readonly attempts: readonly Attempt[]
  readonly reason: FlowEnd
  readonly bytesIn: number
  readonly bytesOut: number
  readonly connectMs: number | null
  readonly uniqueId: string | null
  /** Of a session. */
  readonly datagrams?: { readonly in: number; readonly out: number }
}

/** @param decision undefined when none was made */
export function flowRecord(
  facts: FlowFacts,
  decision: FlowDecision | undefined,
  outcome: FlowOutcome,
  totalMs: number,
): FlowRecord {
  const rule = decision?.rule
  return {
    time: new Date(facts.now).toISOString(),
    listener: facts.listener,
    route: rule?.route ?? null,
    rule: rule?.name ?? null,
    variant: decision?.do === 'forward' ? decision.variant.name : null,
    endpoint: outcome.endpoint,
    attempts: outcome.attempts,
    reason: outcome.reason,
    bytesIn: outcome.bytesIn,
    bytesOut: outcome.bytesOut,
    connectMs: outcome.connectMs === null ? null : roundMs(outcome.connectMs),
    totalMs: roundMs(totalMs),
    datagramsIn: outcome.datagrams?.in ?? null,
    datagramsOut: outcome.datagrams?.out ?? null,
    clientAddress: facts.clientAddress,
    clientPort: facts.clientPort,
    peerAddress: facts.peerAddress,
    peerPort: facts.peerPort,
    sni: facts.sni ?? null,
    alpn: facts.peeked === 'hello' ? facts.alpn.slice(0, 8) : null,
    uniqueId: outcome.uniqueId ?? idCarried(facts),
  }
}

/** The outcome of a flow that never got to an endpoint. */
export function refusal(reason: Reason): FlowOutcome {
  return { endpoint: null, attempts: [], reason, bytesIn: 0, bytesOut: 0, connectMs: null, uniqueId: null }
}

function idCarried({ proxyHeader }: FlowFacts): string | null {
  const id = proxyHeader === undefined ? undefined : findTlv(proxyHeader.tlvs, tlvTypes.uniqueId)
  return id === undefined ? null : idText(id)
}

/** One line of JSON, without its line end. */
export function formatRecord(record: FlowRecord): string {
  return JSON.stringify(record)
}
