// The udp door: datagrams of one client are a session, which is pinned to an endpoint and has a socket of its own towards
// it. What a datagram costs is looked at here as nowhere else: of an open session it makes no object and no closure.

import type { FlowFacts } from '../shared/decide/facts.ts'
import { decideFlow } from '../shared/decide/flow.ts'
import type { Reason } from '../shared/decide/reason.ts'
import type { FlowListener } from '../shared/table/table.ts'
import { readProxyHeader } from '../shared/wire/proxy-header.ts'
import { quicIdsOf } from '../shared/wire/quic.ts'
import { admitAddress, admitPace, leaveAddress } from './admission.ts'
import { proxySourceOf, refusals, withHeader } from './carried.ts'
import { mayBegin } from './descriptors.ts'
import type { Door, Plane } from './door.ts'
import { Dropped } from './dropped.ts'
import { factsOf } from './facts.ts'
import type { Gate } from './gate.ts'
import { type Ears, isStale, learnOf, pin, pinAgain, renew, unpin } from './pin.ts'
import type { FlowEnd } from './pipe.ts'
import type { BoundHandle } from './place.ts'
import { reasonOfCode } from './reach.ts'
import { flowRecord } from './record.ts'
import { restoreSession, type SavedSession, saveSession } from './saved-session.ts'
import { type Sender, Session, type SessionPlace, Sessions } from './sessions.ts'
import { UdpSocket } from './udp-socket.ts'

/** A session that has been paused, to be given away. */
export interface PausedSession {
  readonly saved: SavedSession
  /** Which of the door's sockets it came to. */
  readonly socket: number
  readonly handle: object
}

export class UdpDoor implements Door {
  readonly name: string
  readonly sessions = new Sessions()
  private readonly plane: Plane
  private readonly sockets: UdpSocket[] = []
  private local: { readonly address: string; readonly port: number }
  private readonly gate: Gate
  private readonly dropped: Dropped
  private readonly ears: Ears
  /** Sockets to endpoints that sessions have left, and when to close them; the oldest first. */
  private readonly lingering = new Map<UdpSocket, number>()
  private readonly clock: NodeJS.Timeout
  private listener: FlowListener
  /** Nothing has to be looked at in a datagram to know its session. */
  private isPlain: boolean
  private leastIdleMs: number
  /** `performance.now()` of the last tick. */
  private now = performance.now()
  private ticks = 0
  private isClosing = false
  private isPaused = false

  constructor(plane: Plane, listener: FlowListener, gate: Gate) {
    this.plane = plane
    this.gate = gate
    this.name = listener.name
    this.listener = listener
    this.local = { address: listener.host, port: listener.port }
    this.dropped = new Dropped(gate, plane.onRecord)
    this.ears = {
      onAnswer: (session, bytes) => this.answer(session, bytes),
      onTrouble: (session, error) => this.hearRefusal(session, error),
      onLeft: (session, upstream) => this.linger(session, upstream),
    }
    this.isPlain = isPlain(listener)
    this.leastIdleMs = leastIdle(listener)
    this.clock = setInterval(() => this.tick(), tickMs).unref()
  }

  listen(handle: BoundHandle): Promise<NodeJS.ErrnoException | undefined> {
    const socket = UdpSocket.of(handle)
    this.local = socket.local()
    this.sockets.push(socket)
    socket.makeRoom(receiveBytes)
    socket.onDatagram = (bytes, address, port) => this.hear(bytes, address, port, socket)
    // What ICMP says of an answer: its client has gone, and its session will be idle.
    socket.onTrouble = () => {
      this.gate.failAccept()
    }
    const code = this.isPaused ? undefined : socket.listen()
    return Promise.resolve(code === undefined ? undefined : Object.assign(new Error(code), { code }))
  }

  /** A reload brings the listener in another form. */
  renew(listener: FlowListener): void {
    this.listener = listener
    this.isPlain = isPlain(listener)
    // Sessions that go by a rule of before may have to end sooner than any of now.
    this.leastIdleMs = Math.min(this.leastIdleMs, leastIdle(listener))
  }

  /** No session begins any more. Those that are open go on, until they are idle or cut. */
  stopAccepting(): void {
    this.isClosing = true
    this.leastIdleMs = Math.min(this.leastIdleMs, activeMs)
  }

  /** Ends every session, and hears no more. */
  async close(): Promise<void> {
    this.isClosing = true
    for (const session of this.sessions) this.end(session, 'drained')
    clearInterval(this.clock)
    for (const upstream of this.lingering.keys()) upstream.close()
    this.lingering.clear()
    this.dropped.write()
    for (const socket of this.sockets) socket.close()
  }

  /**
   * Hears nothing from now on, and gives every session with its socket, for another thread or process to adopt. What
   * arrives in between waits in the system for whoever has the sockets. Then `resume` takes it all back, or `leave` ends it.
   */
  pause(): PausedSession[] {
    this.isPaused = true
    for (const socket of this.sockets) socket.pause()
    for (const session of this.sessions) session.upstream?.pause()
    return [...this.sessions].flatMap(session => {
      const saved = saveSession(session)
      const socket = Math.max(0, this.sockets.indexOf(session.sender.socket))
      return saved === undefined ? [] : [{ saved, socket, handle: session.upstream!.raw }]
    })
  }

  /** Before it listens: it hears nothing until `resume`. */
  hold(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
    for (const socket of this.sockets) socket.listen()
    for (const session of this.sessions) session.upstream?.listen()
  }

  /** Another has the sessions: they end here without a record. */
  async leave(): Promise<void> {
    for (const session of this.sessions) this.forget(session)
    await this.close()
  }

  /**
   * Takes up a session that another thread or process had on this listener. False when that cannot be: its next datagram
   * begins a new one.
   *
   * @param handle its socket there; undefined: it gets a new one to the same endpoint
   * @param at which of the sockets of this door it came to
   */
  adopt(saved: SavedSession, handle?: object, at = 0): boolean {
    const { plane, listener, sessions, gate } = this
    const socket = this.sockets[at] ?? this.sockets[0]
    if (socket === undefined || this.isClosing || sessions.find(saved.place.name, saved.place.port) !== undefined)
      return false
    const restored = restoreSession(saved, plane.table, listener, socket, performance.now())
    if (restored === undefined) return false
    const { session, endpoint } = restored
    const ahead = saved.ahead === null ? undefined : Buffer.from(saved.ahead, 'base64')
    if (!pinAgain(plane, session, endpoint, handle, ahead, this.ears)) return false
    for (const id of saved.ids) sessions.addId(session, id)
    // Limits are for those that come: it has been let in before.
    gate.enter(Number.POSITIVE_INFINITY)
    const counted = admitAddress(gate, listener, session.facts)
    session.counted = typeof counted === 'string' ? undefined : counted
    gate.come()
    this.enter(session)
    return true
  }

  private hear(bytes: Uint8Array, address: string, port: number, socket: UdpSocket): void {
    if (!this.isPlain) {
      this.hearWithKey(bytes, { address, port, socket })
      return
    }
    const session = this.sessions.find(address, port)
    if (session === undefined) this.beginAt(bytes, { address, port, socket })
    else this.forward(session, bytes)
  }

  /** A datagram whose session is known by more than its sender, or that has a PROXY header. */
  private hearWithKey(datagram: Uint8Array, sender: Sender): void {
    const { address, port } = sender
    const { sessions, listener } = this
    const key = listener.sessionKey!
    let bytes = datagram
    let facts: FlowFacts | undefined
    let place: SessionPlace = { name: address, port: key.by === 'address' ? 0 : port }
    const source =
      listener.proxySources.length === 0 ? undefined : proxySourceOf(listener, this.factsOf(sender).address)
    if (source?.isRequired === true && source.isInEach) {
      const carried = this.readCarried(bytes, sender)
      if (carried === undefined) return
      ;({ facts, bytes } = carried)
      const { clientAddress, clientPort } = facts
      place = { name: `${clientAddress} ${key.by === 'address' ? 0 : clientPort} ${address}`, port }
    }
    let session = key.by === 'quic' ? this.findByIds(bytes, key.idLength, place) : sessions.find(place.name, place.port)
    if (session === undefined && source?.isRequired === true && facts === undefined) {
      const carried = this.readCarried(bytes, sender)
      if (carried === undefined) return
      ;({ facts, bytes } = carried)
      // What stands behind the header may know its session.
      if (key.by === 'quic') session = this.findByIds(bytes, key.idLength, place)
    }
    if (session === undefined) {
      const begun = this.begin(bytes, facts ?? this.factsOf(sender), place, sender)
      if (begun !== undefined && key.by === 'quic') this.learnIds(begun, bytes, key.idLength)
      return
    }
    session.sender = sender
    this.forward(session, bytes)
  }

  /**
   * The session that a QUIC datagram is of: by its connection id, whatever its sender; else by its sender, who then has
   * taken another id. A long header with an id that nobody knows begins a connection.
   */
  private findByIds(bytes: Uint8Array, idLength: number, place: SessionPlace): Session | undefined {
    const { sessions } = this
    const ids = quicIdsOf(bytes, idLength)
    const bySender = sessions.find(place.name, place.port)
    if (ids === 'absent') return bySender
    const session = sessions.withId(ids.destination)
    if (session !== undefined) {
      if (session !== bySender) sessions.move(session, place)
      return session
    }
    if (ids.isLong || bySender === undefined) return undefined
    sessions.addId(bySender, ids.destination)
    return bySender
  }

  private learnIds(session: Session, bytes: Uint8Array, idLength: number): void {
    const ids = quicIdsOf(bytes, idLength)
    if (ids !== 'absent') this.sessions.addId(session, ids.destination)
  }

  /** The facts as the PROXY header has them, and what stands behind it; undefined when the datagram was refused. */
  private readCarried(
    bytes: Uint8Array,
    sender: Sender,
  ): { readonly facts: FlowFacts; readonly bytes: Uint8Array } | undefined {
    const facts = this.factsOf(sender)
    const read = readProxyHeader(bytes)
    // A datagram does not go on in the next one.
    const problem = read === 'more' ? 'malformed' : 'reason' in read ? read.reason : undefined
    if (problem !== undefined || read === 'more' || 'reason' in read) {
      this.refuse(refusals[problem!], facts, undefined, bytes)
      return undefined
    }
    if (read.header.version === 1) {
      this.refuse('proxy_header_malformed', facts, undefined, bytes)
      return undefined
    }
    return { facts: withHeader(facts, read.header), bytes: bytes.subarray(read.length) }
  }

  private factsOf({ address, port }: Sender): FlowFacts {
    return factsOf(this.name, address, port, this.local.address, this.local.port, this.plane.host.now())
  }

  private beginAt(bytes: Uint8Array, sender: Sender): void {
    this.begin(bytes, this.factsOf(sender), { name: sender.address, port: sender.port }, sender)
  }

  /** The first datagram of a session. Undefined when none was begun; that is counted and written down. */
  private begin(bytes: Uint8Array, facts: FlowFacts, place: SessionPlace, sender: Sender): Session | undefined {
    const { plane, listener, gate } = this
    if (this.isClosing) return this.refuse('drained', facts, undefined, bytes)
    const counted = admitAddress(gate, listener, facts)
    if (typeof counted === 'string') return this.refuse(counted, facts, undefined, bytes)
    const decision = decideFlow(listener, facts, plane.observed, plane.draw())
    const refused = decision.do === 'refuse' ? decision.reason : this.findRoom(facts.now)
    if (decision.do === 'refuse' || refused !== undefined) {
      leaveAddress(gate, counted)
      return this.refuse(refused!, facts, decision, bytes)
    }
    const session = new Session(facts, decision, place, sender, plane.table, this.now)
    const failed = pin(plane, session, [], this.ears)
    if (failed !== undefined) {
      leaveAddress(gate, counted)
      gate.leave()
      return this.refuse(failed, facts, decision, bytes)
    }
    session.counted = counted
    gate.come()
    this.enter(session)
    this.forward(session, bytes)
    return session
  }

  /** It has its room at the gate. */
  private enter(session: Session): void {
    session.cut = reason => this.cut(session, reason)
    this.sessions.add(session)
    this.plane.flows.add(session)
  }

  /**
   * Takes room for one more session unless it gives a Reason. Of those that came to this thread, the one idle for longest
   * may have to make it.
   */
  private findRoom(now: number): Reason | undefined {
    const { listener, gate, sessions } = this
    const paced = admitPace(gate, listener, now)
    if (paced !== undefined) return paced
    if (!gate.enter(listener.maxConnections)) {
      const { oldest } = sessions
      if (oldest === undefined || this.now - oldest.seenAt < activeMs) return 'session_limit'
      this.end(oldest, 'session_evicted')
      if (!gate.enter(listener.maxConnections)) return 'session_limit'
    }
    if (mayBegin(this.plane.descriptors, this.plane.flows)) return undefined
    gate.leave()
    return 'relay_exhausted'
  }

  private refuse(
    reason: Reason,
    facts: FlowFacts,
    decision: Parameters<Dropped['refuse']>[2],
    bytes: Uint8Array,
  ): undefined {
    if (limits.includes(reason)) this.gate.refuse()
    this.dropped.refuse(reason, facts, decision, bytes.length)
  }

  /** One datagram towards the endpoint. */
  private forward(session: Session, bytes: Uint8Array): void {
    const { requests } = session.decision.rule.session
    if (requests !== undefined && session.datagramsIn >= requests) {
      // The session waits for its last answers; the client goes on in another one.
      const { facts, place, sender } = session
      this.sessions.hide(session)
      this.begin(bytes, { ...facts, now: this.plane.host.now() }, place, sender)
      return
    }
    if (isStale(this.plane, session) && !this.lookAgain(session)) return
    this.sessions.touch(session, this.now)
    let error = send(session, bytes)
    if (error !== undefined && isWordOfBefore(error)) {
      // That was of an earlier datagram, and this one has not been sent.
      this.hearTrouble(session, error)
      if (!this.lookAgain(session)) return
      error = send(session, bytes)
    }
    if (error !== undefined) {
      this.dropped.drop(dropReason(error))
      return
    }
    session.first = session.datagramsIn === 0 && bytes.length <= longestFirst ? bytes : undefined
    session.bytesIn += bytes.length
    session.datagramsIn += 1
    spendHeader(session)
    if (session.decision.rule.session.responses === 0) this.endWhenAnswered(session)
  }

  /** False when the session is over. */
  private lookAgain(session: Session): boolean {
    const outcome = renew(this.plane, session, this.ears)
    if (outcome === 'moved') this.gate.move()
    if (outcome === 'moved' || outcome === 'stayed') return true
    this.dropped.drop(outcome)
    this.end(session, outcome)
    return false
  }

  /** One datagram from the endpoint. */
  private answer(session: Session, bytes: Uint8Array): void {
    const { plane } = this
    this.sessions.touch(session, this.now)
    if (!session.hasAnswer || plane.observed.failuresInRow[session.endpoint!.slot] !== 0) {
      session.hasAnswer = true
      session.first = undefined
      if (session.refused.length > 0) session.refused = []
      learnOf(plane, session, 'success')
    }
    const key = this.listener.sessionKey!
    if (key.by === 'quic' && (bytes[0]! & 0x80) !== 0) {
      const ids = quicIdsOf(bytes, key.idLength)
      if (ids !== 'absent') this.sessions.addId(session, ids.source)
    }
    const { socket, address, port } = session.sender
    const error = socket.sendTo(bytes, address, port)
    if (error !== undefined) {
      this.dropped.drop(dropReason(error))
      return
    }
    session.bytesOut += bytes.length
    session.datagramsOut += 1
    if (session.decision.rule.session.responses !== undefined) this.endWhenAnswered(session)
  }

  /** Answers that were on their way when the session moved still reach its client, for a while. */
  private linger(session: Session, upstream: UdpSocket): void {
    if (this.lingering.size >= mostLingering) {
      upstream.close()
      return
    }
    this.lingering.set(upstream, this.now + lingerMs)
    upstream.onTrouble = nothing
    upstream.onDatagram = bytes => {
      const { socket, address, port } = session.sender
      const error = socket.sendTo(bytes, address, port)
      if (error !== undefined) {
        this.dropped.drop(dropReason(error))
        return
      }
      session.bytesOut += bytes.length
      session.datagramsOut += 1
    }
  }

  /** Over once the answers are there that its datagrams have, and no datagram is to come. */
  private endWhenAnswered(session: Session): void {
    const { requests = 1, responses } = session.decision.rule.session
    const isAsked = session.datagramsIn >= requests
    if (isAsked && session.datagramsOut >= session.datagramsIn * responses!) this.end(session, 'done')
  }

  /**
   * ICMP, outside of any datagram. Where the first one of a session met it, nobody has got that one: it goes to another
   * endpoint at once, if there is one.
   */
  private hearRefusal(session: Session, error: string): void {
    this.hearTrouble(session, error)
    const { first, upstream, endpoint, refused } = session
    session.first = undefined
    if (first === undefined || refused.length + 1 >= mostTries) return
    session.refused = [...refused, endpoint!]
    if (!this.lookAgain(session) || session.upstream === upstream) return
    if (send(session, first) !== undefined) return
    spendHeader(session)
    session.first = first
  }

  /** ICMP: a failure of the endpoint, and the next datagram of the session looks for another one. */
  private hearTrouble(session: Session, error: string): void {
    learnOf(this.plane, session, 'failure')
    session.lost = reasonOfCode(error)
  }

  /** From outside: to another endpoint with the next datagram; over when the door closes. */
  private cut(session: Session, reason: Reason): void {
    if (this.isClosing) this.end(session, reason)
    else session.lost = reason
  }

  /** Where answers are counted on, none at all is a failure of the endpoint: silence is all that a dead machine says. */
  private endIdle(session: Session): void {
    const { responses } = session.decision.rule.session
    if (responses !== undefined && responses > 0 && !session.hasAnswer && session.endpoint !== undefined) {
      learnOf(this.plane, session, 'failure')
    }
    this.end(session, 'idle_timeout')
  }

  private end(session: Session, reason: FlowEnd): void {
    const { plane } = this
    const endpoint = session.endpoint?.name ?? session.attempts.at(-1)?.endpoint ?? null
    this.forget(session)
    const { facts, decision, attempts, bytesIn, bytesOut, uniqueId } = session
    const datagrams = { in: session.datagramsIn, out: session.datagramsOut }
    const outcome = { endpoint, attempts, reason, bytesIn, bytesOut, connectMs: null, uniqueId, datagrams }
    plane.onRecord(flowRecord(facts, decision, outcome, performance.now() - session.acceptedAt))
    if (plane.flows.size === 0) for (const done of plane.onceOver) done()
  }

  private forget(session: Session): void {
    unpin(this.plane, session)
    this.sessions.remove(session)
    this.gate.leave()
    leaveAddress(this.gate, session.counted)
    this.plane.flows.delete(session)
  }

  private tick(): void {
    this.now = performance.now()
    this.ticks += 1
    if (this.ticks % ticksPerSecond === 0) this.dropped.write()
    for (const [upstream, until] of this.lingering) {
      if (until > this.now) break
      upstream.close()
      this.lingering.delete(upstream)
    }
    if (this.isPaused) return
    for (const session of this.sessions) {
      const idleMs = this.now - session.seenAt
      // The rest was heard of later.
      if (idleMs < this.leastIdleMs) break
      if (idleMs >= session.decision.rule.timeouts.idleMs) this.endIdle(session)
      else if (this.isClosing && idleMs >= activeMs) this.end(session, 'drained')
    }
  }
}

function send(session: Session, bytes: Uint8Array): string | undefined {
  const { upstream, ahead } = session
  if (ahead === undefined) return upstream!.send(bytes)
  if (ahead.length + bytes.length > longest[upstream!.family]) return 'EMSGSIZE'
  return upstream!.sendBehind(ahead, bytes)
}

function spendHeader(session: Session): void {
  if (session.decision.pool.sendProxy?.isInEach !== true) session.ahead = undefined
}

function isPlain({ sessionKey, proxySources }: FlowListener): boolean {
  return sessionKey!.by === 'flow' && proxySources.length === 0
}

function leastIdle({ matches }: FlowListener): number {
  return Math.min(...matches.map(({ rule }) => rule.timeouts.idleMs))
}

/** A connected socket tells with the next call what ICMP said in between. */
function isWordOfBefore(error: string): boolean {
  return error === 'ECONNREFUSED' || error === 'EHOSTUNREACH' || error === 'ENETUNREACH'
}

function dropReason(error: string): Reason {
  if (error === 'EMSGSIZE') return 'datagram_too_long'
  return error === 'ENOBUFS' || error === 'EAGAIN' ? 'send_backlog' : 'send_failed'
}

function nothing(): void {}

const limits: readonly Reason[] = ['session_limit', 'address_limit', 'accept_rate', 'relay_exhausted']
/** Of the payload: 65,535 without the headers of UDP and of IPv4, which IPv6 does not count. */
const longest = { 4: 65_507, 6: 65_527 } as const
/** A session with a datagram within this time is never ended to make room. */
const activeMs = 5_000
/** So often at most a first datagram is sent, as often as a connection is tried. */
const mostTries = 3
/** A longer first datagram is not kept until its answer: what fits one Ethernet frame is. */
const longestFirst = 1_472
/** How long an answer may take that was asked for before the session moved, and for how many sessions at once it is waited for. */
const lingerMs = 2_000
const mostLingering = 1_024
const tickMs = 250
const ticksPerSecond = 4
/** Asked of the system for datagrams that wait for us: the default of 208 KiB is some 250 small ones. It may give less. */
const receiveBytes = 4_194_304
