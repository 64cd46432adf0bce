// Starts the L4 plane of a config and stops it again. All listeners open or none does.

import { randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import type { Variables } from '../shared/config/endpoint-address.ts'
import type { Config } from '../shared/config/parsed.ts'
import { partFor } from '../shared/config/part.ts'
import { ConfigError, formatProblem, type Problem } from '../shared/config/problem.ts'
import type { Unused } from '../shared/overlay/apply.ts'
import type { Overlay } from '../shared/overlay/overlay.ts'
import { splitStatusesOf } from '../shared/overlay/status.ts'
import type { Draw } from '../shared/pool/draw.ts'
import { createObserved } from '../shared/pool/observed.ts'
import type { Pool } from '../shared/pool/pool.ts'
import { compile } from '../shared/table/compile.ts'
import { difference } from '../shared/table/difference.ts'
import type { FlowListener, Table } from '../shared/table/table.ts'
import { formatHostPort } from '../shared/wire/address.ts'
import { type CacheDisk, diskInUse, diskStays, openCacheDisk, prepareFolder, unusableDisk } from './cache-disk.ts'
import { openDoors } from './doors.ts'
import { createDrains } from './drain.ts'
import type { RelayEvent } from './event.ts'
import { thisHost } from './forward.ts'
import { openKernel } from './kernel/kernel.ts'
import { listenProblem } from './listen-problem.ts'
import { Names, namesIn, resolveBy } from './names.ts'
import { Overlaid } from './overlaid.ts'
import { startOverlayReader } from './overlay-reader.ts'
import { bindPlace, leavePlace, type Place } from './place.ts'
import { startProbes } from './probe.ts'
import type { OverlayEvent, OverlayState, Relay, RelayOptions } from './relay-api.ts'
import { exchangePlaces, hasRoom, makeRoom, numbersInUse, type PlaceKeeping, type Reloaded } from './reload.ts'
import { aloneWith, openThreads } from './threads.ts'

/**
 * Resolves when every listener of the config listens. Rejects with ConfigError: a variable is missing, certificates cannot
 * be used (`bad-certificate`), or a listener cannot listen (`port-in-use`, `socket-in-use`, `port-privileged`,
 * `address-not-local`, `cannot-listen`); all of them are named and those that could listen are closed again.
 */
export async function startRelay(options: RelayOptions): Promise<Relay> {
  const draw = options.draw ?? randomDraw
  const onProblem = options.onProblem ?? (problem => process.emitWarning(formatProblem(problem)))
  const onEvent = (event: RelayEvent) => {
    options.onEvent?.(event)
    kernel.touch()
  }
  let { variables } = options
  let part = partFor(options.config, 'relay')
  const wantedThreads = part.threads
  let isRunning = false

  const sayName = options.onName ?? nothing
  // Said when every thread goes by it.
  const names = new Names(options.resolveName ?? resolveBy(), (event, isOther) => {
    if (!isRunning) return sayName(event)
    void inTurn(() => (isOther ? renew() : Promise.resolve())).finally(() => sayName(event))
  })
  await names.follow(namesIn(compile(part, variables)))
  const table = compile(part, variables, undefined, names.addresses)
  const host = { ...thisHost, ...options.host }
  const diskWanted = part.cacheStore.disk
  const diskWait = new AbortController()
  let disk: CacheDisk | undefined
  if (diskWanted !== undefined) {
    const opened = await openAtOnce(diskWanted.path, options.inherited !== undefined, host.now)
    if (opened !== undefined && 'code' in opened) {
      names.stop()
      throw new ConfigError([opened])
    }
    disk = opened
  }
  const threads = options.threads ?? threadsOf(part, options)
  const observed = createObserved({
    slots: Math.max(table.slots.size, roomForEndpoints),
    pools: Math.max(table.pools.length, roomForPools),
    shared: threads > 1,
    firstTurn: draw() % 2 ** 32,
  })
  const kernel = openKernel({ observed, now: host.now, onEvent: options.onKernel ?? nothing, onProblem })
  const ticketSecret = randomBytes(48)
  const cookieKeys = options.cookieKeys ?? []
  const home = openDoors({
    table,
    observed,
    host,
    draw,
    onRecord: options.onRecord,
    onRequest: options.onRequest,
    cookieKeys,
    onProblem,
    onDiskProblem: onProblem,
    ticketSecret,
    thread: 0,
    threads,
  })
  if ('length' in home) {
    names.stop()
    disk?.leave()
    throw new ConfigError(home)
  }
  const { plane } = home
  const doors =
    threads === 1
      ? aloneWith(home)
      : await openThreads(home, threads, observed, {
          ticketSecret,
          cookieKeys,
          onEvent: options.onThread ?? nothing,
          onProblem,
        })
  let places: ReadonlyMap<string, Place> = new Map()
  /** Listeners on inherited sockets, until `adoptSessions`. */
  const held = new Set<string>()

  const keeping: PlaceKeeping = {
    take: async listener => {
      const key = placeKey(listener)
      const inherited = options.inherited?.get(key) ?? []
      if (inherited.length > 0) held.add(listener.name)
      const place = await bindPlace(listener, inherited, socketsFor(listener, threads))
      options.inherited?.delete(key)
      return 'handles' in place ? place : listenProblem(listener, place)
    },
    leave: async (name, place) => {
      await doors.close(name)
      leavePlace(place)
    },
    comeBack: async listener => {
      const place = await bindPlace(listener, [], socketsFor(listener, threads))
      if (!('handles' in place)) return listenProblem(listener, place)
      return (await accept(listener, place)) ?? place
    },
  }
  /** On a place that is the listener's; whoever else came to listen there in between is a Problem. */
  const accept = async (listener: FlowListener, place: Place): Promise<Problem | undefined> => {
    const error = await doors.accept(listener, place, held.has(listener.name))
    if (error === undefined) return undefined
    leavePlace(place)
    return listenProblem(listener, error)
  }
  const acceptAll = async (taken: ReadonlyMap<string, Place>): Promise<readonly Problem[]> => {
    const problems: Problem[] = []
    for (const [name, place] of taken) {
      const problem = await accept(plane.table.flowListeners.get(name)!, place)
      if (problem !== undefined) problems.push(problem)
    }
    return problems
  }
  const first = await exchangePlaces(places, { ...table, flowListeners: new Map() }, proxied(table), keeping)
  let problems = first.problems.length > 0 ? first.problems : await acceptAll(first.taken)
  if (problems.length === 0) problems = await kernel.follow(table, 0)
  if (problems.length > 0) {
    names.stop()
    disk?.leave()
    await doors.stop(0)
    await kernel.stop(false)
    for (const place of first.taken.values()) leavePlace(place)
    throw new ConfigError(problems)
  }
  places = first.places

  const tlsOf = (pool: Pool) => {
    const { context, config } = plane.poolTls.of(pool, undefined)
    return { context: context.now, serverName: config?.serverName }
  }
  const probes = startProbes(
    { observed, now: host.now, draw, onEvent, tlsOf, sourceOf: ({ ip, host }) => kernel.sourceFor(ip ?? host) },
    table.pools,
  )
  const drains = createDrains(plane, id => doors.cut(id), onEvent)
  const overlaid = new Overlaid(table, {
    observed,
    now: host.now,
    drains,
    onEvent,
    onBans: async bans => {
      await doors.ban(bans)
      try {
        disk?.remember(bans)
      } catch (error) {
        const { message } = error as Error
        onProblem({ ...unusableDisk(disk!.folder, message), severity: 'warning' })
        throw new Error(`the purge holds until this relay ends and could not be written down: ${message}`)
      }
    },
  })
  /** The same config, with the addresses that its names have now. No flow is ended: DNS speaks of new ones. */
  const renew = async () => {
    if (!isRunning) return
    const after = compile(part, variables, numbersInUse(plane), names.addresses)
    // Certificates that cannot be used now were said when their files changed.
    if (threads > 1 && !hasRoom(observed, after)) return onProblem(tooMany())
    if ((await doors.prepare(overlaid.over(after))).problems.length > 0) return
    makeRoom(plane, after)
    for (const problem of await kernel.follow(overlaid.over(after), defaultDrainMs)) onProblem(problem)
    await swapTo(after)
  }
  /** @param after as compiled; what is put in force is what was prepared: the same with the overlay over it */
  const swapTo = async (after: Table) => {
    await doors.commit()
    overlaid.follow(after)
    probes.follow(after.pools)
  }
  let weighing: NodeJS.Timeout | undefined
  /** Puts the overlay's weights in force. They are said once only, so what is in the way is tried again until it is not. */
  const weigh = async () => {
    clearTimeout(weighing)
    weighing = setTimeout(() => void inTurn(async () => (isRunning ? weigh() : undefined)), weighAgainMs).unref()
    const after = overlaid.over(overlaid.table)
    const problems = [...(await doors.prepare(after)).problems, ...(await kernel.follow(after, defaultDrainMs))]
    for (const problem of problems) onProblem(problem)
    await doors.commit()
    if (problems.length === 0) clearTimeout(weighing)
  }
  const takeOverlay = async (overlay: Overlay, skewMs: number) => {
    if (!isRunning) return
    const isOther = overlaid.take(overlay, skewMs)
    overlayWasRead()
    if (isOther) await weigh()
    kernel.touch()
    sayOverlay('overlay_changed', null)
  }
  const sayOverlay = (event: OverlayEvent['event'], why: string | null) => {
    const { version, retired, ignored } = overlayState()
    options.onOverlay?.({ time: new Date(host.now()).toISOString(), event, version, retired, ignored, why })
  }
  const overlayState = (): OverlayState => ({
    version: overlaid.overlay.version,
    retired: overlaid.retired.map(nameUnused),
    ignored: overlaid.ignored.map(nameUnused),
    source: reader?.reading() ?? null,
    overlay: overlaid.overlay,
  })
  let overlayWasRead = nothing
  const untilOverlayRead =
    options.overlay === undefined
      ? Promise.resolve()
      : new Promise<void>(resolve => {
          overlayWasRead = resolve
        })
  /** What is on disk is given when it is ours alone, and every purge since it was stored is known. */
  const useDisk = async ({ path, bytes }: NonNullable<typeof diskWanted>) => {
    disk ??= await openCacheDisk(path, { isPatient: true, stop: diskWait.signal, now: host.now })
    // It came free just when this one was stopped.
    if (diskWait.signal.aborted) return disk?.leave()
    await untilOverlayRead
    await overlaid.recall(disk!.bans())
    if (diskWait.signal.aborted) return
    const found = await doors.useDisk({ folder: path, maxBytes: bytes })
    if (found !== undefined) {
      options.onDisk?.({ time: new Date(host.now()).toISOString(), event: 'cache_disk_ready', ...found })
    }
  }
  /** Those that are not resolved too, which the table may have left out. */
  const wanted = () => namesIn(compile(part, variables))
  const prepare = async (config: Config, given: Variables): Promise<{ part: Config; table: Table }> => {
    const next = partFor(config, 'relay')
    await names.follow(new Set([...wanted(), ...namesIn(compile(next, given))]))
    const after = compile(next, given, numbersInUse(plane), names.addresses)
    if (threads > 1 && !hasRoom(observed, after)) throw new ConfigError([tooMany()])
    return { part: next, table: after }
  }
  /** What it would do; it is prepared then. */
  const foresee = async (after: Table): Promise<Reloaded> => {
    const prepared = await doors.prepare(overlaid.over(after))
    if (prepared.problems.length > 0) {
      // Another thread may have been able to.
      doors.discard()
      throw new ConfigError(prepared.problems)
    }
    const { drained, moving } = prepared
    return { difference: difference(overlaid.table, after), drained, moving }
  }
  const reload = async (config: Config, given: Variables, drainMs: number): Promise<Reloaded> => {
    const { part: nextPart, table: after } = await prepare(config, given)
    const foreseen = await foresee(after)
    const exchanged = await exchangePlaces(places, proxied(plane.table), proxied(after), keeping)
    places = exchanged.places
    if (exchanged.problems.length > 0) {
      doors.discard()
      throw new ConfigError(exchanged.problems)
    }
    makeRoom(plane, after)
    const refused = await kernel.follow(overlaid.over(after), drainMs)
    if (refused.length > 0) {
      await exchanged.undo()
      doors.discard()
      throw new ConfigError(refused)
    }
    const storing = threads === 1 ? [] : storingFrom(overlaid.table, after).filter(name => !exchanged.taken.has(name))
    await swapTo(after)
    part = nextPart
    variables = given
    if (part.threads !== wantedThreads) onProblem(threadsStay(threads))
    if (JSON.stringify(part.cacheStore.disk) !== JSON.stringify(diskWanted)) onProblem(diskStays())
    const again = new Map(storing.map(name => [name, places.get(name)!]))
    for (const problem of await acceptAll(new Map([...exchanged.taken, ...again]))) onProblem(problem)
    for (const [name, place] of exchanged.leaving) {
      // The door of a listener that moved closed when its new one opened.
      if (exchanged.taken.has(name)) leavePlace(place)
      else await keeping.leave(name, place)
    }
    doors.drainGone(drainMs)
    return foreseen
  }
  const leaveDisk = async () => {
    await doors.leaveDisk()
    disk?.leave()
  }
  let turn: Promise<unknown> = Promise.resolve()
  /** One after the other: two reloads at once would take the same places. */
  const inTurn = <Result>(action: () => Promise<Result>): Promise<Result> => {
    const result = turn.then(action)
    turn = result.catch(nothing).then(() => (isRunning ? names.follow(wanted()) : undefined))
    return result
  }
  isRunning = true
  const reader =
    options.overlay === undefined
      ? undefined
      : startOverlayReader(options.overlay, {
          draw,
          now: host.now,
          onOverlay: (overlay, skewMs) => void inTurn(() => takeOverlay(overlay, skewMs)),
          onTrouble: why => sayOverlay(why === undefined ? 'overlay_read_again' : 'overlay_lost', why ?? null),
        })
  if (diskWanted !== undefined) {
    useDisk(diskWanted).catch(error => {
      if (!diskWait.signal.aborted) onProblem(unusableDisk(diskWanted.path, (error as Error).message))
    })
  }
  return {
    pauseSessions: async () => {
      const sessions = await doors.pauseSessions()
      return sessions.map(({ listener, ...session }) => {
        return { ...session, place: placeKey(plane.table.flowListeners.get(listener)!) }
      })
    },
    resumeSessions: doors.resumeSessions,
    standBack: kernel.standBack,
    adoptSessions: async sessions => {
      const byPlace = new Map([...places.keys()].map(name => [placeKey(plane.table.flowListeners.get(name)!), name]))
      const adopted = await doors.adoptSessions(
        sessions.flatMap(({ place, ...session }) => {
          const listener = byPlace.get(place)
          return listener === undefined ? [] : [{ ...session, listener }]
        }),
      )
      held.clear()
      doors.resumeSessions()
      return adopted
    },
    keepInherited: () => {
      for (const { file } of places.values()) if (file !== undefined) file.isShared = false
    },
    plane,
    get addresses() {
      return new Map([...places].map(([name, { address }]) => [name, address]))
    },
    get counts() {
      return doors.counts()
    },
    listening: () =>
      [...places].flatMap(([name, { handles }]) => {
        const key = placeKey(plane.table.flowListeners.get(name)!)
        return handles.map(handle => [key, handle] as const)
      }),
    kernelCounts: kernel.counts,
    requestMetrics: doors.requestMetrics,
    reload: (config, given, drainMs = defaultDrainMs) => inTurn(() => reload(config, given, drainMs)),
    foresee: (config, given) =>
      inTurn(async () => {
        const foreseen = await foresee((await prepare(config, given)).table)
        doors.discard()
        return foreseen
      }),
    flows: doors.flows,
    passed: doors.passed,
    get threads() {
      return { count: doors.threads, lost: doors.lost() }
    },
    endThread: doors.endThread,
    drain: drains.drain,
    undrain: drains.undrain,
    purge: of => overlaid.purge(of),
    overlay: overlayState,
    splits: () => splitStatusesOf(overlaid.table, overlaid.overlay).map(({ slots: _, ...split }) => split),
    stop: async ({ drainMs, isHandedOver = false, leavesKernel = isHandedOver, onRefusing = nothing }) => {
      isRunning = false
      diskWait.abort()
      // What the kernel holds is the other relay's from now on, however long open flows take.
      if (isHandedOver) void kernel.stop(leavesKernel)
      names.stop()
      reader?.stop()
      probes.stop()
      drains.stop()
      const stopped = doors.stopAccepting()
      if (isHandedOver) void doors.leaveSessions()
      // Sessions are answered by the socket that they came in by: their doors close it.
      for (const [name, place] of places) {
        if (plane.table.flowListeners.get(name)?.kind !== 'udp') leavePlace(place, isHandedOver)
      }
      await stopped
      onRefusing()
      if (isHandedOver) await leaveDisk()
      await doors.stop(drainMs)
      disk?.leave()
      await kernel.stop(leavesKernel)
    },
  }
}

/** Undefined for a relay that takes over: the one before may still have it, and this one need not wait. */
async function openAtOnce(
  folder: string,
  isTakeover: boolean,
  now: () => number,
): Promise<CacheDisk | Problem | undefined> {
  const unusable = prepareFolder(folder)
  if (unusable !== undefined || isTakeover) return unusable
  try {
    const opened = await openCacheDisk(folder, { isPatient: false, stop: AbortSignal.abort(), now })
    return opened ?? diskInUse(folder)
  } catch (error) {
    return unusableDisk(folder, (error as Error).message)
  }
}

/** Under which a listening socket is handed over: its place, and its name where the system chose the port. */
export function placeKey({ kind, name, host, port }: FlowListener): string {
  const place = `${kind === 'udp' ? 'udp ' : ''}${formatHostPort(host, port)}`
  return port === 0 && !host.startsWith('/') ? `${name} ${place}` : place
}

/** Without the listeners that the kernel serves: they take no place and have no door. */
function proxied(table: Table): Table {
  const listeners = [...table.flowListeners].filter(([, { kernel }]) => kernel === undefined)
  return { ...table, flowListeners: new Map(listeners) }
}

/**
 * How many sockets share the listener's place. The system deals datagrams by address and port of their sender: where a
 * session is known by anything else, only one socket sees all of its datagrams.
 */
function socketsFor({ sessionKey, proxySources, http }: FlowListener, threads: number): number {
  // Stored answers stand in the memory of one thread: what one forgot another would still give.
  if (http?.hasCache === true) return 1
  if (sessionKey === undefined) return threads
  const isBySender = sessionKey.by === 'flow' && !proxySources.some(({ isInEach }) => isInEach)
  return isBySender ? threads : 1
}

/** Listeners whose answers are stored from now on: one thread has to take them from those that have them. */
function storingFrom(before: Table, after: Table): readonly string[] {
  const stores = ({ flowListeners }: Table, name: string) => flowListeners.get(name)?.http?.hasCache
  return [...after.flowListeners.keys()].filter(name => stores(after, name) === true && stores(before, name) === false)
}

/** Functions cannot go to another thread: with a draw or a host of the caller's own this one has the doors. */
function threadsOf({ threads }: Config, { draw, host }: RelayOptions): number {
  if (draw !== undefined || host !== undefined) return 1
  if (threads !== 'auto') return threads
  return process.platform === 'linux' ? Math.min(availableParallelism(), mostThreads) : 1
}

/** Columns that several threads count in cannot be moved. */
function tooMany(): Problem {
  return {
    severity: 'error',
    code: 'too-many-endpoints',
    path: 'pools',
    message: 'there are more endpoints or pools than the threads have room for',
    mend: 'Restart the relay, or let a new one take over (`--takeover`), which makes room for them.',
  }
}

function threadsStay(threads: number): Problem {
  return {
    severity: 'warning',
    code: 'threads-stay',
    path: 'threads',
    message: `the relay goes on with ${threads} listening ${threads === 1 ? 'thread' : 'threads'}`,
    mend: 'Restart it, or let a new one take over (`--takeover`): sockets are dealt out to threads at the start.',
  }
}

function nameUnused({ kind, name }: Unused): string {
  return `${kind} ${name}`
}

function randomDraw(): Draw {
  return Math.floor(Math.random() * 2 ** 53)
}

function nothing(): void {}

/** Pages that nobody has touched cost nothing; with these no reload in practice has to move what is counted. */
const roomForEndpoints = 16_384
const roomForPools = 1_024
const mostThreads = 64
const defaultDrainMs = 30_000
const weighAgainMs = 5_000
