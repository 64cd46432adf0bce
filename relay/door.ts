// What all doors of the relay have in common: a connection comes in, one decision is made, its bytes go to an endpoint, and
// one record is left. What a kind of door does between these steps it brings along.

import { createServer, type OnReadOpts, type Server, Socket } from 'node:net'
import type { FlowDecision } from '../shared/decide/decision.ts'
import type { FlowFacts } from '../shared/decide/facts.ts'
import { decideFlow } from '../shared/decide/flow.ts'
import type { Reason } from '../shared/decide/reason.ts'
import type { Draw } from '../shared/pool/draw.ts'
import { type Observed, settle } from '../shared/pool/observed.ts'
import type { FlowListener, Table } from '../shared/table/table.ts'
import type { Counted } from './address-counts.ts'
import { admitAddress, admitPace, leaveAddress } from './admission.ts'
import { mustCarry, readCarried } from './carried.ts'
import { type Descriptors, freeDescriptor, mayStay } from './descriptors.ts'
import { readFacts } from './facts.ts'
import { type Connection, type Flow, openConnection } from './flow.ts'
import { type Forwarded, forward, type Host, keepAliveMs } from './forward.ts'
import type { Gate } from './gate.ts'
import type { LiveRequest } from './http/request.ts'
import type { OpenTls } from './open-tls.ts'
import { openingOf } from './opening.ts'
import { pipe } from './pipe.ts'
import type { BoundHandle } from './place.ts'
import type { PoolTls } from './pool-tls.ts'
import type { Approach } from './reach.ts'
import { type FlowOutcome, type FlowRecord, flowRecord, refusal } from './record.ts'
import type { Roll } from './roll.ts'
import { Side } from './side.ts'
import { callNext, isWaitedFor, joinQueue, leaveQueue, untilTurn, type WaitingRooms } from './waiting.ts'

/** What all doors of a relay share. */
export interface Plane {
  /** The one pointer that a reload replaces; flows that began under the old table end under it. */
  table: Table
  readonly observed: Observed
  readonly host: Host
  readonly draw: () => Draw
  /** How `tls://` endpoints of each pool are spoken with. */
  poolTls: PoolTls
  readonly onRecord: (record: FlowRecord) => void
  /** Accepted and not recorded yet. */
  readonly flows: Set<Flow>
  /** Of `http` listeners, not answered yet. */
  readonly requests: Roll<LiveRequest>
  /** Flows that wait for a place in their pool; they are in `flows` too. */
  readonly waiting: WaitingRooms
  readonly descriptors: Descriptors
  /** Called when nothing is open any more. */
  readonly onceOver: Set<() => void>
  /** Of flows or requests, the last for now has ended: calls `onceOver` when all have. */
  onEnded: () => void
}

/**
 * A listener as one thread serves it, made from the plane of that thread, the listener, and sockets bound before: the main
 * thread binds them, and this may be any thread.
 */
export interface Door {
  readonly name: string
  /** Accepts on this socket too, which is the door's from then on. Resolves with the system's error when it cannot. */
  readonly listen: (handle: BoundHandle) => Promise<NodeJS.ErrnoException | undefined>
  /** Takes in nothing new; what came in goes on. */
  readonly stopAccepting: () => void
  /** The same for good. Resolves when its descriptors are closed; connections go on, and sessions end with their socket. */
  readonly close: () => Promise<void>
  /** A reload brings the listener in another form; whoever came in before goes on with the one before. */
  readonly renew: (listener: FlowListener, tls: OpenTls) => void
}

export interface ListenerCounts {
  readonly accepted: number
  readonly open: number
  /** Closed at once because `maxConnections` were open, `acceptRate` came or descriptors ran out; among `accepted`. */
  readonly overLimit: number
  /** Lost before we had them: the system gave an error in place of a connection. */
  readonly failedAccepts: number
  /** Sessions that went on on another endpoint. */
  readonly moved: number
  /** Datagrams that went nowhere, by why. */
  readonly dropped: Readonly<Partial<Record<Reason, number>>>
}

/** What one kind of door does in its own way. A Reason in place of an answer ends the connection. */
export interface DoorKind {
  /** What has to be known before the decision. */
  readonly learn: (
    flow: Connection,
    facts: FlowFacts,
    listener: FlowListener,
  ) => FlowFacts | Reason | Promise<FlowFacts | Reason>
  /** Makes the client ready for an endpoint. */
  readonly admit: (
    flow: Connection,
    facts: FlowFacts,
    listener: FlowListener,
    decision: ForwardDecision,
  ) => Admission | Reason | Promise<Admission | Reason>
  /** The last thing a client hears that is not served. */
  readonly refuse: (flow: Connection, facts: FlowFacts, listener: FlowListener, reason: Reason) => void
}

/** A client that may be connected, and what its endpoint has to know of how it came. */
export interface Admission {
  readonly client: Side
  /** The client asked for TLS in this protocol first, or is served as if it had. */
  readonly startTls: 'postgres' | undefined
  /** Its bytes are TLS. */
  readonly carriesTls: boolean
  /** What was agreed on by ALPN where TLS ended here. */
  readonly protocol: string | undefined
}

type ForwardDecision = FlowDecision & { readonly do: 'forward' }

/** The door of a stream listener; it accepts nothing yet. */
export function openDoor(
  plane: Plane,
  listener: FlowListener,
  gate: Gate,
  tls: OpenTls,
  kindOf: (listener: FlowListener, tls: OpenTls) => DoorKind,
): Door {
  const servers = new Set<Server>()
  const stopAccepting = () => {
    for (const server of servers) if (server.listening) server.close()
  }
  const entry: Entry = { listener, kind: kindOf(listener, tls), gate }
  return {
    name: listener.name,
    listen: handle => {
      const server = createServer({
        pauseOnConnect: true,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: keepAliveMs,
      })
      server.on('connection', accepted => void serve(plane, entry, openAccepted(plane, entry, accepted)))
      servers.add(server)
      return listenOn(server, handle, gate)
    },
    stopAccepting,
    close: async () => {
      stopAccepting()
      // The descriptors are closed by then; flows that came through the door go on.
      await new Promise(resolve => setImmediate(resolve))
    },
    renew: (now, opened) => {
      entry.listener = now
      entry.kind = kindOf(now, opened)
    },
  }
}

/** What a connection that comes in has to know of its door. */
interface Entry {
  /** Of the table in force, or of the last that had it: the door closes a moment later than the table changes. */
  listener: FlowListener
  kind: DoorKind
  readonly gate: Gate
}

/** As Node's cluster does it: `listen` takes no handle of a unix socket but by its number, and then two would own it. */
export function listenOn(server: Server, handle: BoundHandle, gate: Gate): Promise<NodeJS.ErrnoException | undefined> {
  const inner = server as Server & {
    _handle: BoundHandle
    _listen2: (address: null, port: number, kind: number, backlog: number) => void
  }
  return new Promise(resolve => {
    server.once('error', resolve)
    server.once('listening', () => {
      server.off('error', resolve)
      server.on('error', () => {
        gate.failAccept()
      })
      resolve(undefined)
    })
    inner._handle = handle
    inner._listen2(null, -1, -1, longestQueue)
  })
}

/** Apart from `serve`, whose frame lasts as long as the flow and would hold the empty shell of the socket with it. */
function openAccepted(plane: Plane, { listener }: Entry, accepted: Socket): Connection {
  const facts = readFacts(accepted, listener.name, plane.host.now(), pathOf(listener))
  return openConnection(new Side(onread => adopt(accepted, onread)), facts, performance.now())
}

async function serve(plane: Plane, door: Entry, flow: Connection): Promise<void> {
  const { listener, kind, gate } = door
  const { acceptedAt } = flow
  let { facts } = flow
  gate.come()
  const over = overLimit(plane, door, flow)
  if (over !== undefined) {
    gate.refuse()
    flow.client.reset()
    plane.onRecord(flowRecord(facts, undefined, refusal(over), performance.now() - acceptedAt))
    return
  }

  plane.flows.add(flow)
  let admitted: FlowFacts | undefined
  let counted: Counted | undefined
  let outcome: FlowOutcome
  try {
    const carried = mustCarry(listener, facts.address) ? await readCarried(flow, facts) : facts
    const entered = typeof carried === 'string' ? carried : admitAddress(gate, listener, carried)
    if (typeof carried !== 'string' && typeof entered !== 'string') {
      admitted = carried
      counted = entered
    }
    const learned = admitted === undefined ? (entered as Reason) : await kind.learn(flow, admitted, listener)
    if (typeof learned === 'string') {
      if (typeof carried !== 'string') facts = carried
      if (admitted === undefined) flow.client.reset()
      else kind.refuse(flow, admitted, listener, learned)
      outcome = refusal(learned)
    } else {
      facts = learned
      flow.facts = facts
      outcome = await carryOut(plane, kind, listener, flow, plane.draw())
    }
  } catch (bug) {
    // One flow's trouble must not become that of all others.
    process.emitWarning(bug as Error)
    flow.client.reset()
    outcome = refusal('proxy_internal_error')
  }
  gate.leave()
  freeDescriptor(flow)
  leaveAddress(gate, counted)
  plane.flows.delete(flow)
  plane.onRecord(flowRecord(facts, flow.decision, outcome, performance.now() - acceptedAt))
  const pool = flow.decision?.pool
  if (pool?.queue !== undefined) callNext(plane.waiting, pool)
  if (plane.flows.size === 0) plane.onEnded()
}

/** Takes a place at the gate unless it gives a Reason. */
function overLimit(plane: Plane, { listener, gate }: Entry, flow: Connection): Reason | undefined {
  if (!gate.enter(listener.maxConnections)) return 'connection_limit'
  const tooFast = admitPace(gate, listener, flow.facts.now)
  const over = tooFast ?? (mayStay(plane.descriptors, flow, plane.flows) ? undefined : 'relay_exhausted')
  if (over !== undefined) gate.leave()
  return over
}

async function carryOut(
  plane: Plane,
  kind: DoorKind,
  listener: FlowListener,
  flow: Connection,
  draw: Draw,
): Promise<FlowOutcome> {
  const { observed, host } = plane
  const { facts } = flow
  const startedAt = performance.now()
  let decision = decideFlow(listener, facts, observed, draw)
  flow.decision = decision
  if (mustWait(plane, decision)) decision = await decideInTurn(plane, flow, draw)
  if (decision.do === 'refuse') {
    kind.refuse(flow, facts, listener, decision.reason)
    return refusal(decision.reason)
  }
  const admitted = await kind.admit(flow, facts, listener, decision)
  if (typeof admitted === 'string') {
    flow.client.reset()
    return refusal(admitted)
  }
  const { client, startTls, carriesTls, protocol } = admitted
  const { sendProxy } = decision.pool
  const opening = sendProxy === undefined ? undefined : openingOf(sendProxy, decision, facts, client.socket)
  const tls = plane.poolTls.of(decision.pool, protocol)
  const approach = { opening: opening?.bytes, startTls, carriesTls, tls }
  let forwarded = await begin(plane, flow, decision, draw, approach)
  // Another thread took the place since the decision, or another flow did while TLS was agreed on with the client.
  while (
    forwarded.reason === 'connection_limit_reached' &&
    forwarded.attempts.length === 0 &&
    decision.pool.queue !== undefined
  ) {
    const later = await decideInTurn(plane, flow, draw)
    if (later.do === 'refuse') {
      client.reset()
      return refusal(later.reason)
    }
    decision = later
    forwarded = await begin(plane, flow, decision, draw, approach)
  }
  const { attempts, connected, reason } = forwarded
  if (connected === undefined) {
    client.reset()
    return { ...refusal(reason!), attempts }
  }
  const connectMs = performance.now() - startedAt
  const { side, endpoint } = connected
  flow.endpoint = endpoint
  flow.side = side
  const end = await pipe(flow, side, decision.rule.timeouts.idleMs)
  // What it is worth was learned when it was connected; how its flows end says nothing more.
  settle(observed, decision.pool, endpoint, 'neutral', -1, host.now())
  return {
    endpoint: endpoint.name,
    attempts,
    reason: end,
    bytesIn: client.bytes,
    bytesOut: side.bytes,
    connectMs,
    uniqueId: opening?.uniqueId ?? null,
  }
}

function pathOf({ host }: FlowListener): string | undefined {
  return host.startsWith('/') ? host : undefined
}

/** Claims a place before it returns; so who waits behind it may ask whether there is one more. */
function begin(
  plane: Plane,
  flow: Connection,
  decision: ForwardDecision,
  draw: Draw,
  approach: Approach,
): Promise<Forwarded> {
  const forwarding = forward(flow, decision, plane.observed, draw, plane.host, approach)
  if (decision.pool.queue !== undefined) callNext(plane.waiting, decision.pool)
  return forwarding
}

function mustWait(plane: Plane, decision: FlowDecision): boolean {
  const { pool } = decision
  if (pool?.queue === undefined) return false
  return isAtLimit(decision) || (decision.do === 'forward' && isWaitedFor(plane.waiting, pool))
}

/** The decision once there is a place in the pool, by the table of that moment, or why there was none in time. */
async function decideInTurn(plane: Plane, flow: Connection, draw: Draw): Promise<FlowDecision> {
  const { rule, pool } = flow.decision!
  const refuse = (reason: Reason): FlowDecision => ({ do: 'refuse', rule, reason, pool })
  const waiter = joinQueue(plane.waiting, pool!, flow)
  let decision = refuse('queue_full')
  for (let isWaiting = waiter !== undefined; isWaiting; isWaiting = isAtLimit(decision)) {
    const outcome = await untilTurn(waiter!)
    const listener = plane.table.flowListeners.get(flow.facts.listener)
    if (outcome !== 'turn') decision = refuse(outcome)
    else if (listener === undefined) decision = refuse('drained')
    else decision = decideFlow(listener, { ...flow.facts, now: plane.host.now() }, plane.observed, draw)
  }
  if (waiter !== undefined) leaveQueue(plane.waiting, pool!, waiter)
  flow.decision = decision
  return decision
}

function isAtLimit(decision: FlowDecision): boolean {
  return decision.do === 'refuse' && decision.reason === 'connection_limit_reached'
}

/**
 * The accepted connection in a socket that reads into our own memory: `net.Server` has no `onread`, so its handle is
 * taken out and the shell thrown away.
 */
function adopt(accepted: Socket, onread: OnReadOpts): Socket {
  const shell = accepted as Socket & { _handle: unknown }
  const socket = new Socket({ handle: shell._handle as never, allowHalfOpen: true, onread })
  shell._handle = null
  shell.destroy()
  return socket
}

/** Connections the system holds until we take them; it has a bound of its own (`net.core.somaxconn`, often 4,096). */
const longestQueue = 4096
