// The sessions of one UDP listener: found by who sends, and in the order in which they were last heard of, so that the one
// idle for longest is known at once. The object lists itself, for whoever looks at the flows or hands them over.

import type { FlowDecision } from '../shared/decide/decision.ts'
import type { FlowFacts } from '../shared/decide/facts.ts'
import type { Reason } from '../shared/decide/reason.ts'
import type { Endpoint } from '../shared/pool/pool.ts'
import type { Table } from '../shared/table/table.ts'
import type { Counted } from './address-counts.ts'
import { type Flow, nextFlowId, type Passed } from './flow.ts'
import type { Attempt } from './forward.ts'
import type { UdpSocket } from './udp-socket.ts'

export type ForwardDecision = FlowDecision & { readonly do: 'forward' }

/** Under which a session is found: a text and a number, so that no text has to be made of each datagram's sender. */
export interface SessionPlace {
  readonly name: string
  readonly port: number
}

/** Who sent a datagram, as the system writes it, and the socket that it came in by. */
export interface Sender {
  readonly address: string
  readonly port: number
  readonly socket: UdpSocket
}

export class Session implements Flow {
  readonly id = nextFlowId()
  readonly transport = 'udp'
  acceptedAt = performance.now()
  facts: FlowFacts
  decision: ForwardDecision
  endpoint: Endpoint | undefined
  place: SessionPlace
  /** QUIC connection ids that it goes by too, the latest. */
  readonly ids: string[] = []
  /** Where answers go. */
  sender: Sender

  /** Connected to the endpoint, and nobody else's. */
  upstream: UdpSocket | undefined
  /** The PROXY header that the next datagram has to have. */
  ahead: Uint8Array | undefined
  uniqueId: string | null = null
  /** Its first datagram, as long as that may have to be sent again. */
  first: Uint8Array | undefined
  /** Endpoints that refused it. */
  refused: readonly Endpoint[] = nobody
  /** The endpoint has answered since the session is on it. */
  hasAnswer = false
  /** Why the next datagram has to look for another endpoint. */
  lost: Reason | undefined
  /** What the endpoint was judged under: another table or generation of its pool has to be looked at. */
  table: Table
  generation = 0
  /** Of its client's address, where the listener limits sessions by it. */
  counted: Counted | undefined
  pinnedAt = 0
  readonly attempts: Attempt[] = []

  bytesIn = 0
  bytesOut = 0
  datagramsIn = 0
  datagramsOut = 0
  /** When a datagram last went either way, by the door's clock. */
  seenAt: number
  older: Session | undefined
  newer: Session | undefined

  cut: (reason: Reason) => void = nothing

  constructor(
    facts: FlowFacts,
    decision: ForwardDecision,
    place: SessionPlace,
    sender: Sender,
    table: Table,
    now: number,
  ) {
    this.facts = facts
    this.decision = decision
    this.place = place
    this.sender = sender
    this.table = table
    this.seenAt = now
  }

  passed(): Passed {
    const datagrams = { in: this.datagramsIn, out: this.datagramsOut }
    return { in: this.bytesIn, out: this.bytesOut, datagrams }
  }

  look(): void {}
}

export class Sessions implements Iterable<Session> {
  size = 0
  oldest: Session | undefined
  private newest: Session | undefined
  private readonly byPlace = new Map<string, Map<number, Session>>()
  private readonly byId = new Map<string, Session>()

  find(name: string, port: number): Session | undefined {
    return this.byPlace.get(name)?.get(port)
  }

  /** One that stood at its place before is not found any more, and goes on. */
  add(session: Session): void {
    this.put(session)
    this.size += 1
    this.append(session)
  }

  /** It is found there from now on. */
  move(session: Session, place: SessionPlace): void {
    this.take(session)
    session.place = place
    this.put(session)
  }

  withId(id: string): Session | undefined {
    return this.byId.get(id)
  }

  /** An id that another session has stays with that one. The oldest of too many is forgotten. */
  addId(session: Session, id: string): void {
    if (id === '' || this.byId.has(id)) return
    if (session.ids.length === mostIds) this.byId.delete(session.ids.shift()!)
    session.ids.push(id)
    this.byId.set(id, session)
  }

  /** Nobody finds it any more; it goes on. */
  hide(session: Session): void {
    this.take(session)
    for (const id of session.ids.splice(0)) this.byId.delete(id)
  }

  remove(session: Session): void {
    this.hide(session)
    this.size -= 1
    this.unlink(session)
  }

  /** A datagram went either way. */
  touch(session: Session, now: number): void {
    if (session.seenAt === now) return
    session.seenAt = now
    if (session === this.newest) return
    this.unlink(session)
    this.append(session)
  }

  /** Idle for longest first. The one given may be removed meanwhile. */
  *[Symbol.iterator](): Iterator<Session> {
    let session = this.oldest
    while (session !== undefined) {
      const { newer } = session
      yield session
      session = newer
    }
  }

  private put(session: Session): void {
    const { name, port } = session.place
    const ports = this.byPlace.get(name)
    if (ports === undefined) this.byPlace.set(name, new Map([[port, session]]))
    else ports.set(port, session)
  }

  private take(session: Session): void {
    const { name, port } = session.place
    const ports = this.byPlace.get(name)
    if (ports?.get(port) !== session) return
    ports.delete(port)
    if (ports.size === 0) this.byPlace.delete(name)
  }

  private append(session: Session): void {
    session.older = this.newest
    session.newer = undefined
    if (this.newest === undefined) this.oldest = session
    else this.newest.newer = session
    this.newest = session
  }

  private unlink(session: Session): void {
    const { older, newer } = session
    if (older === undefined) this.oldest = newer
    else older.newer = newer
    if (newer === undefined) this.newest = older
    else newer.older = older
  }
}

function nothing(): void {}

const nobody: readonly Endpoint[] = []

/** An endpoint gives a client up to eight at a time by most implementations' defaults (active_connection_id_limit). */
const mostIds = 8
