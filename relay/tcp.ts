// The tcp door: a connection comes in, one decision is made on its addresses, its bytes go to an endpoint, and one record
// is left. Nothing here looks at a byte of payload.

import { createServer, type OnReadOpts, type Server, Socket } from 'node:net'
import type { FlowDecision } from '../shared/decide/decision.ts'
import { decideFlow } from '../shared/decide/flow.ts'
import type { Draw } from '../shared/pool/draw.ts'
import { type Observed, settle } from '../shared/pool/observed.ts'
import type { FlowListener, Table } from '../shared/table/table.ts'
import { readFacts } from './facts.ts'
import { type Flow, openFlow } from './flow.ts'
import { forward, type Host, keepAliveMs } from './forward.ts'
import { pipe } from './pipe.ts'
import { type FlowOutcome, type FlowRecord, flowRecord, refusal } from './record.ts'
import { Side } from './side.ts'

/** What all doors of a relay have in common. */
export interface Plane {
  /** The one pointer that a reload replaces; flows that began under the old table end under it. */
  table: Table
  readonly observed: Observed
  readonly host: Host
  readonly draw: () => Draw
  readonly onRecord: (record: FlowRecord) => void
  /** Accepted and not recorded yet. */
  readonly flows: Set<Flow>
  /** Called when `flows` has become empty. */
  readonly onceOver: Set<() => void>
}

export interface TcpDoor {
  readonly name: string
  readonly server: Server
  readonly counts: ListenerCounts
}

export interface ListenerCounts {
  accepted: number
  open: number
  /** Closed at once because `maxConnections` were open; among `accepted`. */
  overLimit: number
  /** Lost before we had them: the system gave an error in place of a connection. */
  failedAccepts: number
}

/** Makes the server of a listener; nothing listens yet. */
export function tcpDoor(plane: Plane, listener: FlowListener): TcpDoor {
  const counts: ListenerCounts = { accepted: 0, open: 0, overLimit: 0, failedAccepts: 0 }
  const server = createServer({
    pauseOnConnect: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: keepAliveMs,
  })
  const door: TcpDoor = { name: listener.name, server, counts }
  server.on('connection', accepted => void serve(plane, door, accepted))
  return door
}

async function serve(plane: Plane, door: TcpDoor, accepted: Socket): Promise<void> {
  const { counts } = door
  const acceptedAt = performance.now()
  const facts = readFacts(accepted, door.name, plane.host.now())
  const listener = plane.table.flowListeners.get(door.name)!
  counts.accepted += 1
  if (counts.open >= listener.maxConnections) {
    counts.overLimit += 1
    accepted.on('error', nothing).resetAndDestroy()
    plane.onRecord(flowRecord(facts, undefined, refusal('connection_limit'), performance.now() - acceptedAt))
    return
  }

  const flow = openFlow(new Side(onread => adopt(accepted, onread)))
  counts.open += 1
  plane.flows.add(flow)
  let decision: FlowDecision | undefined
  let outcome: FlowOutcome
  try {
    const draw = plane.draw()
    decision = decideFlow(listener, facts, plane.observed, draw)
    outcome = await carryOut(plane, decision, flow, draw)
  } catch (bug) {
    // One flow's trouble must not become that of all others.
    process.emitWarning(bug as Error)
    flow.client.reset()
    outcome = refusal('proxy_internal_error')
  }
  counts.open -= 1
  plane.flows.delete(flow)
  plane.onRecord(flowRecord(facts, decision, outcome, performance.now() - acceptedAt))
  if (plane.flows.size === 0) for (const done of plane.onceOver) done()
}

/** A client that is not served is reset: that is what it would have seen had it asked a closed port. */
async function carryOut(plane: Plane, decision: FlowDecision, flow: Flow, draw: Draw): Promise<FlowOutcome> {
  const { client } = flow
  const { observed, host } = plane
  if (decision.do === 'refuse') {
    client.reset()
    return refusal(decision.reason)
  }
  const startedAt = performance.now()
  const { attempts, connected, reason } = await forward(flow, decision, observed, draw, host)
  if (connected === undefined) {
    client.reset()
    return { ...refusal(reason!), attempts }
  }
  const connectMs = performance.now() - startedAt
  const { side, endpoint } = connected
  const end = await pipe(flow, side, decision.rule.timeouts.idleMs)
  // What it is worth was learned when it was connected; how its flows end says nothing more.
  settle(observed, decision.pool, endpoint, 'neutral', -1, host.now())
  return { endpoint: endpoint.name, attempts, reason: end, bytesIn: client.bytes, bytesOut: side.bytes, connectMs }
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

function nothing(): void {}
