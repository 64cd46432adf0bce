// What runs in a thread of the relay: its doors, and answers to the main thread, which asks for everything else.

import { parentPort, workerData } from 'node:worker_threads'
import type { Ban } from '../shared/cache/purge.ts'
import type { HttpCounts } from '../shared/metrics/http-metrics.ts'
import { attachObserved } from '../shared/pool/observed.ts'
import type { Table } from '../shared/table/table.ts'
import { type Doors, type GivenSession, openDoors } from './doors.ts'
import { shareFlowIds } from './flow.ts'
import { thisHost } from './forward.ts'
import type { GateMemory } from './gate.ts'
import type { DiskPlace } from './http/disk-store.ts'
import type { RelayRequestRecord } from './http/plane.ts'
import { liveFlows, passedOf } from './live.ts'
import type { BoundHandle } from './place.ts'
import type { FlowRecord } from './record.ts'
import { joinLink, type Link, type LinkAddress } from './thread-link.ts'
import type { OwnWaiter } from './waiting.ts'

/** What a thread is born with. */
export interface ThreadBirth {
  readonly thread: number
  readonly threads: number
  readonly table: Table
  readonly observed: SharedArrayBuffer
  readonly held: SharedArrayBuffer
  readonly firstTurn: number
  readonly flowIds: SharedArrayBuffer
  readonly ticketSecret: Uint8Array
  readonly cookieKeys: readonly string[]
  readonly bans: readonly Ban[]
  /** Somebody reads the records of requests. */
  readonly tellsRequests: boolean
  /** Where stored answers stand on disk, for a thread that takes the place of one that had them. */
  readonly disk: DiskPlace | undefined
  readonly queueLengths: SharedArrayBuffer
  readonly link: LinkAddress
}

/** What the main thread may ask, by name, and what it is answered. */
export type ThreadWork = ReturnType<typeof workOf>

export interface Question {
  readonly ask: number
  readonly work: keyof ThreadWork
  readonly with: readonly unknown[]
}

export interface Answer {
  readonly answer: number
  readonly value: unknown
}

/** A session whose socket goes over the link, under this number. */
export interface SessionOnItsWay extends Omit<GivenSession, 'handle'> {
  readonly number: number
}

/** The system's error, as it can be sent. */
export interface Fault {
  readonly code: string
  readonly message: string
}

/** Sockets given and not used yet. */
const sockets = new Map<number, object>()

// A file that is loaded by anybody else has nothing to do.
if (parentPort !== null && isBirth(workerData)) await live(workerData, parentPort)

async function live(birth: ThreadBirth, port: NonNullable<typeof parentPort>): Promise<void> {
  const waiters = new Map<number, OwnWaiter>()
  const records = gather<FlowRecord>(records => port.postMessage({ records }))
  const requests = gather<RelayRequestRecord>(requests => port.postMessage({ requests }))
  shareFlowIds(birth.flowIds)
  const doors = openDoors({
    table: birth.table,
    observed: attachObserved(birth.observed, birth.firstTurn, birth.held),
    host: thisHost,
    draw: () => Math.floor(Math.random() * 2 ** 53),
    onRecord: records.add,
    onRequest: birth.tellsRequests ? requests.add : undefined,
    cookieKeys: birth.cookieKeys,
    // The main thread reads the same files and says what is wrong with them.
    onProblem: () => {},
    onDiskProblem: problem => port.postMessage({ problem }),
    ticketSecret: birth.ticketSecret,
    thread: birth.thread,
    threads: birth.threads,
    far: { lengths: new Int32Array(birth.queueLengths), tell: wish => port.postMessage(wish), waiters },
  })
  if ('length' in doors) throw new Error(doors.map(({ message }) => message).join('; '))
  doors.ban(birth.bans)
  if (birth.disk !== undefined) void doors.useDisk(birth.disk)
  const link = joinLink(birth.link, (number, handle) => void sockets.set(number, handle))
  const work = workOf(doors, link, () => {
    records.flush()
    requests.flush()
  })
  port.on('message', async (message: Question | { readonly turn: number; readonly outcome: 'turn' }) => {
    if ('turn' in message) return waiters.get(message.turn)?.resolve(message.outcome)
    const answer = work[message.work] as (...given: readonly unknown[]) => unknown
    const value = await answer(...message.with)
    port.postMessage({ answer: message.ask, value })
  })
  await link
  port.postMessage({ isReady: true })
}

function workOf(doors: Doors, link: Promise<Link>, flushRecords: () => void) {
  return {
    accept: async (
      name: string,
      gate: GateMemory,
      numbers: readonly number[],
      isHeld: boolean,
    ): Promise<Fault | undefined> => {
      const error = await doors.accept(name, gate, numbers.map(takeSocket) as BoundHandle[], isHeld)
      return error === undefined ? undefined : { code: error.code ?? '', message: error.message }
    },
    close: (name: string) => doors.close(name),
    prepare: (table: Table) => doors.prepare(table),
    discard: () => doors.discard(),
    commit: () => doors.commit(),
    drainGone: (drainMs: number) => doors.drainGone(drainMs),
    useDisk: (place: DiskPlace) => doors.useDisk(place),
    leaveDisk: () => doors.leaveDisk(),
    ban: (bans: readonly Ban[]) => doors.ban(bans),
    cut: (endpointId: string) => doors.cut(endpointId),
    stopAccepting: () => doors.stopAccepting(),
    finish: (drainMs: number) => doors.finish(drainMs),
    end: async () => {
      await doors.end()
      flushRecords()
    },
    pauseSessions: async (): Promise<readonly SessionOnItsWay[]> => {
      const paused = doors.pauseSessions()
      const { give } = await link
      await Promise.all(paused.map(({ handle }, number) => give(number, handle)))
      return paused.map(({ handle: _, ...session }, number) => ({ ...session, number }))
    },
    resumeSessions: () => doors.resumeSessions(),
    leaveSessions: () => doors.leaveSessions(),
    adoptSessions: (sessions: readonly SessionOnItsWay[]) =>
      doors.adoptSessions(sessions.map(({ number, ...session }) => ({ ...session, handle: takeSocket(number) }))),
    flows: (after: number, limit: number) => liveFlows(doors.plane, after, limit),
    passed: () => passedOf(doors.plane),
    httpCounts: (): HttpCounts => doors.http.counts,
  }
}

function takeSocket(number: number): object {
  const socket = sockets.get(number)!
  sockets.delete(number)
  return socket
}

/** What comes in one turn of the event loop goes in one message. */
function gather<Item>(send: (items: readonly Item[]) => void): { add: (item: Item) => void; flush: () => void } {
  let items: Item[] = []
  const flush = () => {
    if (items.length === 0) return
    send(items)
    items = []
  }
  return {
    add: item => {
      if (items.length === 0) setImmediate(flush)
      items.push(item)
    },
    flush,
  }
}

function isBirth(value: unknown): value is ThreadBirth {
  return typeof value === 'object' && value !== null && 'thread' in value && 'queueLengths' in value
}
