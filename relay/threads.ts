// Who has the doors of a relay: the main thread alone, or threads that it starts, looks after and replaces. The main thread
// keeps everything else: the places, the table, probes, names, drains, queues, records and the operator's port.

import type { Ban } from '../shared/cache/purge.ts'
import { hash32 } from '../shared/pool/hash.ts'
import type { Observed } from '../shared/pool/observed.ts'
import type { FlowListener, Table } from '../shared/table/table.ts'
import type { ListenerCounts } from './door.ts'
import type { Doors, GivenSession, Prepared } from './doors.ts'
import type { ThreadEvent } from './event.ts'
import { countsOf, createGate, type GateMemory } from './gate.ts'
import type { DiskFound, DiskPlace } from './http/disk-store.ts'
import { type FlowPage, liveFlows, mergePages, type OpenPassed, passedOf, sumPassed } from './live.ts'
import type { Place } from './place.ts'
import { mergeMoving } from './reload.ts'
import { type Surroundings, Thread } from './thread-life.ts'
import { openLinks } from './thread-link.ts'
import { callAll } from './waiting.ts'

/** The doors of a relay, wherever they are. What is asked of it is asked of all. */
export interface Crew {
  /** How many threads have doors. */
  readonly threads: number
  /** How many have died so far. */
  readonly lost: () => number
  readonly counts: () => ReadonlyMap<string, ListenerCounts>
  /** As `Doors` have it. */
  readonly accept: (
    listener: FlowListener,
    place: Place,
    isHeld?: boolean,
  ) => Promise<NodeJS.ErrnoException | undefined>
  readonly close: (name: string) => Promise<void>
  readonly prepare: (table: Table) => Promise<Prepared>
  readonly discard: () => void
  /** Resolves when every thread has the table. */
  readonly commit: () => Promise<void>
  readonly drainGone: (drainMs: number) => void
  /** These purges, and no others, are in force in every thread when it resolves. */
  readonly ban: (bans: readonly Ban[]) => Promise<void>
  /** Stored answers stand there too from now on; resolves with those that are there. Undefined: a thread has died. */
  readonly useDisk: (place: DiskPlace) => Promise<DiskFound | undefined>
  /** Another relay may have it when this resolves. */
  readonly leaveDisk: () => Promise<void>
  readonly cut: (endpointId: string) => void
  /** Asked at once; resolves when no thread accepts any more. */
  readonly stopAccepting: () => Promise<void>
  readonly stop: (drainMs: number) => Promise<void>
  readonly flows: (after: number, limit: number) => Promise<FlowPage>
  /** Of the flows that are open. */
  readonly passed: () => Promise<OpenPassed>
  /** What was counted of the requests of `http` listeners, as Prometheus reads it. */
  readonly requestMetrics: () => Promise<string>
  /** As `Doors` have it; sockets are numbered as the listener's place has them, over all threads. */
  readonly pauseSessions: () => Promise<readonly GivenSession[]>
  readonly resumeSessions: () => void
  readonly leaveSessions: () => Promise<void>
  readonly adoptSessions: (sessions: readonly GivenSession[]) => Promise<number>
  /** Ends a thread as a crash would. False when there is none of this number, or it is the only one. */
  readonly endThread: (number: number) => boolean
}

/** The main thread has the doors itself. */
export function aloneWith(home: Doors): Crew {
  const gates = new Map<string, GateMemory>()
  return {
    threads: 1,
    lost: () => 0,
    counts: () => countsByName(gates),
    accept: async (listener, place, isHeld) => {
      const gate = createGate(listener.maxConnections, 1)
      const error = await home.accept(listener.name, gate, place.handles, isHeld)
      if (error === undefined) gates.set(listener.name, gate)
      return error
    },
    close: async name => {
      gates.delete(name)
      await home.close(name)
    },
    prepare: async table => home.prepare(table),
    discard: () => home.discard(),
    commit: async () => home.commit(),
    drainGone: drainMs => home.drainGone(drainMs),
    ban: async bans => home.ban(bans),
    useDisk: place => home.useDisk(place),
    leaveDisk: () => home.leaveDisk(),
    cut: id => home.cut(id),
    stopAccepting: async () => home.stopAccepting(),
    stop: async drainMs => {
      await home.finish(drainMs)
      await home.end()
    },
    flows: async (after, limit) => liveFlows(home.plane, after, limit),
    passed: async () => passedOf(home.plane),
    requestMetrics: async () => home.http.metricsText(),
    pauseSessions: async () => home.pauseSessions(),
    resumeSessions: () => home.resumeSessions(),
    leaveSessions: () => home.leaveSessions(),
    adoptSessions: async sessions => home.adoptSessions(sessions),
    endThread: () => false,
  }
}

/**
 * Threads have the doors; resolves when they are there.
 *
 * @param home has the table, certificates and queues of the main thread, and no doors
 */
export async function openThreads(
  home: Doors,
  count: number,
  observed: Observed,
  shared: Pick<Surroundings, 'ticketSecret' | 'cookieKeys' | 'onEvent' | 'onProblem'>,
): Promise<Crew> {
  const { plane } = home
  const links = await openLinks()
  const gates = new Map<string, GateMemory>()
  /** Those of doors that have closed too, as long as a flow of theirs is open. */
  const gatesInUse = new Set<GateMemory>()
  /** By listener: how many sockets its place has. */
  const sockets = new Map<string, { readonly listener: FlowListener; readonly count: number }>()
  const placesOf = (thread: Thread, name: string) => {
    const known = sockets.get(name)
    return known === undefined ? [] : socketsOf(thread.number, count, known.count, known.listener)
  }
  let lost = 0
  const surroundings = {
    home,
    observed,
    count,
    links,
    gatesInUse,
    flowIds: new SharedArrayBuffer(8),
    ...shared,
    queueLengths: new SharedArrayBuffer(4 * observed.pools),
    onRecord: plane.onRecord,
    onRequest: home.http.onRequest,
    onEvent: (event: ThreadEvent) => {
      if (event.event === 'thread_lost') lost += 1
      shared.onEvent(event)
    },
  }
  const threads = Array.from({ length: count }, (_, number) => new Thread(number, surroundings))
  const ofAll = <Value>(work: (thread: Thread) => Promise<Value>) => Promise.all(threads.map(work))
  try {
    await ofAll(thread => thread.begin())
  } catch (error) {
    await ofAll(thread => thread.end())
    links.close()
    throw error
  }
  let isStopping = false
  return {
    threads: count,
    lost: () => lost,
    counts: () => countsByName(gates),
    accept: async (listener, place, isHeld) => {
      const gate = createGate(listener.maxConnections, count)
      sockets.set(listener.name, { listener, count: place.handles.length })
      for (const old of gatesInUse) if (countsOf(old).open === 0) gatesInUse.delete(old)
      gatesInUse.add(gate)
      const errors = await ofAll(thread => {
        const mine = socketsOf(thread.number, count, place.handles.length, listener)
        const handles = mine.map(at => place.handles[at]!)
        return thread.accept(listener.name, gate, handles, isHeld)
      })
      const error = errors.find(each => each !== undefined)
      if (error === undefined) gates.set(listener.name, gate)
      else await ofAll(thread => thread.close(listener.name))
      return error
    },
    close: async name => {
      gates.delete(name)
      sockets.delete(name)
      await ofAll(thread => thread.close(name))
    },
    prepare: async table => {
      const all = [home.prepare(table), ...(await ofAll(thread => thread.prepare(table)))]
      const drained = all.reduce((sum, each) => sum + each.drained, 0)
      const moving = mergeMoving(all.flatMap(each => each.moving))
      return { problems: all.find(({ problems }) => problems.length > 0)?.problems ?? [], drained, moving }
    },
    discard: () => {
      home.discard()
      for (const thread of threads) void thread.ask('discard')
    },
    commit: async () => {
      home.commit()
      await ofAll(thread => thread.commit(plane.table))
      callAll(plane.waiting)
    },
    drainGone: drainMs => {
      for (const thread of threads) void thread.ask('drainGone', drainMs)
    },
    ban: async bans => {
      home.ban(bans)
      await ofAll(thread => thread.ask('ban', bans))
    },
    // Of all that have a store, the first serves every listener whose answers are stored.
    useDisk: place => {
      home.http.disk = place
      return threads[0]!.ask('useDisk', place)
    },
    leaveDisk: async () => {
      home.http.disk = undefined
      await threads[0]!.ask('leaveDisk')
    },
    cut: id => {
      for (const thread of threads) void thread.ask('cut', id)
    },
    stopAccepting: async () => {
      await ofAll(thread => thread.ask('stopAccepting'))
    },
    stop: async drainMs => {
      for (const thread of threads) thread.isEnding = true
      // All together: a socket that leaves its port moves the sessions of the others, and theirs may go on.
      await ofAll(thread => thread.ask('finish', drainMs))
      if (isStopping) return
      isStopping = true
      await ofAll(thread => thread.ask('end'))
      await home.end()
      await ofAll(thread => thread.end())
      links.close()
    },
    flows: async (after, limit) => {
      const pages = await ofAll(thread => thread.ask('flows', after, limit))
      return mergePages(
        pages.filter(page => page !== undefined),
        limit,
      )
    },
    passed: async () => {
      const parts = await ofAll(thread => thread.ask('passed'))
      return sumPassed(parts.filter(part => part !== undefined))
    },
    requestMetrics: async () => {
      const counts = await ofAll(thread => thread.ask('httpCounts'))
      return home.http.metricsText(counts.filter(each => each !== undefined))
    },
    pauseSessions: async () => {
      const all = await ofAll(async thread => {
        const sessions = await thread.pauseSessions()
        return sessions.map(each => ({ ...each, socket: placesOf(thread, each.listener)[each.socket] ?? 0 }))
      })
      return all.flat()
    },
    resumeSessions: () => {
      for (const thread of threads) void thread.ask('resumeSessions')
    },
    leaveSessions: async () => {
      await ofAll(thread => thread.ask('leaveSessions'))
    },
    adoptSessions: async sessions => {
      const adopted = await ofAll(thread => {
        const mine = sessions.flatMap(each => {
          const socket = placesOf(thread, each.listener).indexOf(each.socket)
          return socket === -1 ? [] : [{ ...each, socket }]
        })
        return thread.adoptSessions(mine)
      })
      return adopted.reduce((sum, each) => sum + each, 0)
    },
    endThread: number => threads[number]?.crash() ?? false,
  }
}

/**
 * Which sockets of a place a thread reads: its own where there is one for each, several where there are more, and one that
 * it shares where there are fewer. Datagrams of one client must come to one thread, so those are never shared; nor are the
 * requests that one store answers.
 */
function socketsOf(thread: number, threads: number, sockets: number, listener: FlowListener): readonly number[] {
  const { kind, name, http } = listener
  // However many there are, after a reload or a takeover.
  if (http?.hasCache === true) return thread === 0 ? Array.from({ length: sockets }, (_, at) => at) : []
  if (kind !== 'udp' && sockets < threads) return [thread % sockets]
  // Those that one thread has alone are not all the first one's.
  const first = kind === 'udp' ? hash32(name) : 0
  return Array.from({ length: sockets }, (_, at) => at).filter(at => (first + at) % threads === thread)
}

function countsByName(gates: ReadonlyMap<string, GateMemory>): ReadonlyMap<string, ListenerCounts> {
  return new Map([...gates].map(([name, gate]) => [name, countsOf(gate)]))
}
