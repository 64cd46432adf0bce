// The doors of one thread and the flows that came through them. A relay with one thread has them in the main thread, one
// with more has these in each: nothing here knows which.

import type { Ban } from '../shared/cache/purge.ts'
import type { Problem } from '../shared/config/problem.ts'
import type { Draw } from '../shared/pool/draw.ts'
import type { Observed } from '../shared/pool/observed.ts'
import type { FlowListener, Table } from '../shared/table/table.ts'
import { type Door, openDoor, type Plane } from './door.ts'
import type { Flow } from './flow.ts'
import type { Host } from './forward.ts'
import { Gate, type GateMemory } from './gate.ts'
import type { DiskFound, DiskPlace } from './http/disk-store.ts'
import { HttpPlane, type RelayRequestRecord } from './http/plane.ts'
import type { LiveRequest } from './http/request.ts'
import { openHttpDoor } from './http.ts'
import { type OpenTls, openTls } from './open-tls.ts'
import type { BoundHandle } from './place.ts'
import type { FlowRecord } from './record.ts'
import { fatesUnder, goneFlows, goneRequests, type Reloaded } from './reload.ts'
import { Roll } from './roll.ts'
import { blind } from './tcp.ts'
import { tlsKind } from './tls.ts'
import { type PausedSession, UdpDoor } from './udp.ts'
import { callAll, type FarRooms, openWaitingRooms } from './waiting.ts'

export interface DoorsOptions {
  readonly table: Table
  readonly observed: Observed
  readonly host: Host
  readonly draw: () => Draw
  readonly onRecord: (record: FlowRecord) => void
  /** Undefined: nobody reads them, so none is made. */
  readonly onRequest: ((record: RelayRequestRecord) => void) | undefined
  /** The first signs cookies, all are believed; empty: they are not signed. */
  readonly cookieKeys: readonly string[]
  readonly onProblem: (problem: Problem) => void
  /** What is wrong with the disk that answers are stored on, which this thread alone sees. */
  readonly onDiskProblem: (problem: Problem) => void
  /** The same in every thread: sessions of TLS that began in one are resumed in another. */
  readonly ticketSecret: Uint8Array
  /** The number of this thread, from 0, and how many there are. */
  readonly thread: number
  readonly threads: number
  /** Where flows of all threads wait; undefined: nowhere else than here. */
  readonly far?: FarRooms
}

/** A session of another process, or of another thread, for the door that has its listener here. */
export interface GivenSession extends Omit<PausedSession, 'handle'> {
  readonly listener: string
  readonly handle: object | undefined
}

export interface Prepared extends Pick<Reloaded, 'drained' | 'moving'> {
  /** With any, it cannot be put in force. */
  readonly problems: readonly Problem[]
}

/** Certificates that cannot be used are problems, given back in place of doors. */
export function openDoors(options: DoorsOptions): Doors | readonly Problem[] {
  const tls = openTls(options.table, options.ticketSecret, options.onProblem)
  return 'length' in tls ? tls : new Doors(options, tls)
}

export class Doors {
  readonly plane: Plane
  readonly http: HttpPlane
  readonly thread: number
  /** By listener name. */
  readonly open = new Map<string, Door>()
  private readonly onProblem: (problem: Problem) => void
  private readonly onDiskProblem: (problem: Problem) => void
  private readonly ticketSecret: Uint8Array
  private tls: OpenTls
  private prepared: { readonly table: Table; readonly tls: OpenTls } | undefined
  private readonly timers = new Set<NodeJS.Timeout>()
  private readonly looking: NodeJS.Timeout

  constructor(options: DoorsOptions, tls: OpenTls) {
    const { table, observed, host, draw, onRecord, onProblem, threads } = options
    this.thread = options.thread
    this.ticketSecret = options.ticketSecret
    this.onProblem = onProblem
    this.onDiskProblem = options.onDiskProblem
    this.tls = tls
    const { poolTls } = tls
    const waiting = openWaitingRooms(options.far)
    this.plane = {
      table,
      observed,
      host,
      draw,
      poolTls,
      onRecord,
      flows: new Set(),
      requests: new Roll(),
      waiting,
      descriptors: { areShort: false, threads },
      onceOver: new Set(),
      onEnded: () => {
        if (this.isOver) for (const done of this.plane.onceOver) done()
      },
    }
    this.http = new HttpPlane(this.plane, options.cookieKeys, options.onRequest, options.thread === 0)
    this.looking = setInterval(() => {
      for (const flow of this.plane.flows) flow.look()
      const now = performance.now()
      for (const request of this.http.requests) request.look(now)
      callAll(waiting)
    }, lookMs).unref()
  }

  /**
   * Opens the door of a listener of the table in force; one of that name that was there before closes. Resolves with the
   * system's error when it cannot accept there.
   *
   * @param isHeld datagrams are not heard before `resumeSessions`: the sessions that they are of are still to come
   */
  async accept(
    name: string,
    memory: GateMemory,
    handles: readonly BoundHandle[],
    isHeld = false,
  ): Promise<NodeJS.ErrnoException | undefined> {
    const listener = this.plane.table.flowListeners.get(name)!
    const door = makeDoor(this.http, listener, new Gate(memory, this.thread), this.tls)
    if (isHeld && door instanceof UdpDoor) door.hold()
    for (const handle of handles) {
      const error = await door.listen(handle)
      if (error === undefined) continue
      await door.close()
      return error
    }
    const before = this.open.get(name)
    this.open.set(name, door)
    await before?.close()
    return undefined
  }

  /** Resolves when nothing is accepted there any more. */
  async close(name: string): Promise<void> {
    const door = this.open.get(name)
    this.open.delete(name)
    await door?.close()
  }

  /** Makes ready for another table, and forgets the one that was prepared before. Nothing has changed yet. */
  prepare(table: Table): Prepared {
    this.discard()
    const ofFlows = fatesUnder(this.plane, table)
    const fates = { ...ofFlows, drained: ofFlows.drained + goneRequests(this.http.requests, table).length }
    const tls = openTls(table, this.ticketSecret, this.onProblem)
    if ('length' in tls) return { problems: tls, ...fates }
    this.prepared = { table, tls }
    return { problems: [], ...fates }
  }

  discard(): void {
    this.prepared?.tls.close()
    this.prepared = undefined
  }

  /** The table that was prepared is in force from now on, its certificates too. */
  commit(): void {
    if (this.prepared === undefined) return
    const { plane } = this
    this.tls.close()
    this.tls = this.prepared.tls
    plane.table = this.prepared.table
    plane.poolTls = this.tls.poolTls
    this.http.follow(plane.table)
    this.prepared = undefined
    for (const door of this.open.values()) {
      const listener = plane.table.flowListeners.get(door.name)
      if (listener !== undefined) door.renew(listener, this.tls)
    }
    callAll(plane.waiting)
  }

  /**
   * Ends in `drainMs` every flow of now that has then lost what it stands on, with the reason `drained`. One whose
   * endpoint has come back by then goes on.
   */
  drainGone(drainMs: number): void {
    const flows = new Set<Flow | LiveRequest>(this.gone())
    if (flows.size === 0) return
    const timer = setTimeout(() => {
      this.timers.delete(timer)
      for (const flow of this.gone()) if (flows.has(flow)) flow.cut('drained')
    }, drainMs).unref()
    this.timers.add(timer)
  }

  /** These purges, and no others, are in force from now on. */
  ban(bans: readonly Ban[]): void {
    this.http.bans = bans
  }

  /** Stored answers stand there too from now on; resolves when those that are there are known. */
  useDisk(place: DiskPlace): Promise<DiskFound> {
    this.http.disk = place
    return this.http.store.useDisk(place, this.plane.host.now, error => this.onDiskProblem(diskTrouble(place, error)))
  }

  /** Another relay may have the disk when this resolves. */
  leaveDisk(): Promise<void> {
    return this.http.store.leaveDisk()
  }

  /** Ends the flows that are on this endpoint. */
  cut(endpointId: string): void {
    for (const flow of this.plane.flows) if (flow.endpoint?.id === endpointId) flow.cut('drained')
    for (const request of this.http.requests) if (request.endpoint?.id === endpointId) request.cut('drained')
  }

  /** Hears no datagram any more, and gives every session with its socket. Then `resumeSessions` or `leaveSessions`. */
  pauseSessions(): readonly (PausedSession & { readonly listener: string })[] {
    return this.udpDoors().flatMap(door => door.pause().map(session => ({ ...session, listener: door.name })))
  }

  resumeSessions(): void {
    for (const door of this.udpDoors()) door.resume()
  }

  /** Another has the sessions: they end here without a record. */
  async leaveSessions(): Promise<void> {
    for (const door of this.udpDoors()) await door.leave()
  }

  /** How many of the sessions could be taken up. */
  adoptSessions(sessions: readonly GivenSession[]): number {
    let adopted = 0
    for (const { listener, socket, saved, handle } of sessions) {
      const door = this.open.get(listener)
      if (door instanceof UdpDoor && door.adopt(saved, handle, socket)) adopted += 1
      else (handle as BoundHandle | undefined)?.close()
    }
    return adopted
  }

  private udpDoors(): UdpDoor[] {
    return [...this.open.values()].filter(door => door instanceof UdpDoor)
  }

  /** At once, in this turn of the event loop. */
  stopAccepting(): void {
    for (const door of this.open.values()) door.stopAccepting()
  }

  /** Stops accepting; flows may end, and what is open after `drainMs` is reset. Resolves when every flow has its record. */
  async finish(drainMs: number): Promise<void> {
    this.stopAccepting()
    await this.untilOver(drainMs)
    for (const flow of this.plane.flows) flow.cut('drained')
    for (const request of this.http.requests) request.cut('drained')
    await this.untilOver(leaveMs)
    for (const connection of this.http.clients) connection.cut()
    await this.untilOver(lastMs)
  }

  /** After `finish`: nothing is heard any more, and nothing is held. */
  async end(): Promise<void> {
    this.http.connections.close()
    await this.http.store.settled()
    for (const door of this.open.values()) await door.close()
    clearInterval(this.looking)
    for (const timer of this.timers) clearTimeout(timer)
    this.discard()
    this.tls.close()
  }

  private get isOver(): boolean {
    return this.plane.flows.size === 0 && this.http.isOver
  }

  private gone(): readonly (Flow | LiveRequest)[] {
    const { plane, http } = this
    return [...goneFlows(plane, plane.table), ...goneRequests(http.requests, plane.table)]
  }

  /** Until every flow and request is over, at most so long. */
  private untilOver(ms: number): Promise<void> {
    if (this.isOver) return Promise.resolve()
    const { onceOver } = this.plane
    return new Promise(resolve => {
      const done = () => {
        clearTimeout(timer)
        onceOver.delete(done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      onceOver.add(done)
    })
  }
}

function diskTrouble({ folder }: DiskPlace, { message }: Error): Problem {
  return {
    severity: 'warning',
    code: 'cache-disk-trouble',
    path: 'cacheStore.disk.path',
    message: `an answer could not be kept in ${folder}: ${message}`,
    mend: 'Look at the disk: whether it is full, and whether this user may write there.',
  }
}

function makeDoor(http: HttpPlane, listener: FlowListener, gate: Gate, tls: OpenTls): Door {
  if (listener.kind === 'udp') return new UdpDoor(http.shared, listener, gate)
  const kindOf = ({ kind, name }: FlowListener, { endings }: OpenTls) =>
    kind === 'tls' ? tlsKind(endings.get(name)) : blind
  if (listener.kind === 'http') return openHttpDoor(http, listener, gate, tls)
  return openDoor(http.shared, listener, gate, tls, kindOf)
}

/** How often flows are looked at that wait for one side: a walk over ten thousand takes less than a millisecond. */
const lookMs = 1000
/** Connections of HTTP whose requests were cut say so and close. */
const leaveMs = 200
/** Sockets that were reset close in the next turns of the event loop. */
const lastMs = 1000
