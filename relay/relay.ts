// Starts the L4 plane of a config and stops it again. All listeners open or none does.

import type { Server } from 'node:net'
import type { Variables } from '../shared/config/endpoint-address.ts'
import type { Config } from '../shared/config/parse.ts'
import { partFor } from '../shared/config/part.ts'
import { ConfigError, formatProblem, type Problem } from '../shared/config/problem.ts'
import type { Draw } from '../shared/pool/draw.ts'
import { createObserved } from '../shared/pool/observed.ts'
import type { Pool } from '../shared/pool/pool.ts'
import { compile } from '../shared/table/compile.ts'
import type { FlowListener, Table } from '../shared/table/table.ts'
import { formatHostPort } from '../shared/wire/address.ts'
import { type Door, type DoorKind, type ListenerCounts, openDoor, type Plane } from './door.ts'
import { createDrains } from './drain.ts'
import type { RelayEvent } from './event.ts'
import { type Host, thisHost } from './forward.ts'
import { addressOf, closeDoor, type ListenAddress, type ListeningHandle, listen } from './listen.ts'
import { type NameEvent, Names, namesIn, type ResolveName, resolveBy } from './names.ts'
import { describeFault } from './pem-files.ts'
import { PoolTls } from './pool-tls.ts'
import { startProbes } from './probe.ts'
import type { FlowRecord } from './record.ts'
import { drainGone, exchangeDoors, foresee, numbersInUse, type Reloaded, swap } from './reload.ts'
import { blind } from './tcp.ts'
import { tlsKind } from './tls.ts'
import { TlsEnding } from './tls-ending.ts'
import { callAll, openWaitingRooms } from './waiting.ts'

export interface RelayOptions {
  /** May hold the edge's part too; it is left aside. */
  readonly config: Config
  /** Values for `${NAME}` in endpoint addresses. */
  readonly variables: Variables
  /** Called once for each connection accepted, when it is over. */
  readonly onRecord: (record: FlowRecord) => void
  /** Called when a probe or an operator changes the state of an endpoint. */
  readonly onEvent?: (event: RelayEvent) => void
  /** Called when a name of endpoints has other addresses, or stops resolving. */
  readonly onName?: (event: NameEvent) => void
  /** How names of endpoints become addresses. Default: DNS, then the system. */
  readonly resolveName?: ResolveName
  /** Listening sockets that another relay hands over, by `placeKey`; what a listener uses is taken out. */
  readonly inherited?: Map<string, ListeningHandle>
  /** Called when changed files cannot be used; what was there before stays in use. Default: a warning of the process. */
  readonly onProblem?: (problem: Problem) => void
  readonly draw?: () => Draw
  readonly host?: Partial<Host>
}

export interface Relay {
  /** Says that the inherited sockets are this relay's alone from now on: the one before will not go on with them. */
  readonly keepInherited: () => void
  /** What it holds, to be looked at. */
  readonly plane: Readonly<Plane>
  /** Listening sockets with their `placeKey`, to be handed over. */
  readonly listening: () => readonly (readonly [place: string, server: Server])[]
  /**
   * Replaces the config: listeners are opened and closed, everything else changes by one pointer. Flows that have lost
   * their listener, rule, variant or endpoint may go on for `drainMs` (default 30 s), then they end with the reason
   * `drained`; nothing else is touched. Rejects with ConfigError, and then everything is as it was.
   */
  readonly reload: (config: Config, variables: Variables, drainMs?: number) => Promise<Reloaded>
  /** What that would do. Rejects with ConfigError as `reload` would, but for places that cannot be listened on. */
  readonly foresee: (config: Config, variables: Variables) => Promise<Reloaded>
  /** What each listener listens on, by its name; the port as the system gave it where the config says 0. */
  readonly addresses: ReadonlyMap<string, ListenAddress>
  /** By listener name; live. */
  readonly counts: ReadonlyMap<string, Readonly<ListenerCounts>>
  /**
   * Sends nothing new to the endpoint (`pool/name`). What is open goes on, and is reset after `drainMs` (default 30 s,
   * reason `drained`). False when the table has no such endpoint.
   */
  readonly drain: (endpointId: string, drainMs?: number) => boolean
  /** Takes a drain back; what its probes say holds again. False when the table has no such endpoint. */
  readonly undrain: (endpointId: string) => boolean
  /**
   * Stops accepting, lets open flows finish, and resets after `drainMs` what is still open (reason `drained`). Resolves
   * when every flow has left its record. A second call waits for the first, and may be more impatient.
   *
   * With `isHandedOver` another relay has the listening sockets: the files of those on unix sockets stay.
   */
  readonly stop: (options: { readonly drainMs: number; readonly isHandedOver?: boolean }) => Promise<void>
}

/**
 * Resolves when every listener of the config listens. Rejects with ConfigError: a variable is missing, certificates cannot
 * be used (`bad-certificate`), or a listener cannot listen (`port-in-use`, `socket-in-use`, `port-privileged`,
 * `address-not-local`, `cannot-listen`); all of them are named and those that could listen are closed again.
 */
export async function startRelay(options: RelayOptions): Promise<Relay> {
  const draw = options.draw ?? randomDraw
  const onProblem = options.onProblem ?? (problem => process.emitWarning(formatProblem(problem)))
  const onEvent = options.onEvent ?? nothing
  let { variables } = options
  let part = partFor(options.config, 'relay')
  let isRunning = false

  const names = new Names(options.resolveName ?? resolveBy(), (event, isOther) => {
    options.onName?.(event)
    if (isOther && isRunning) renew()
  })
  await names.follow(namesIn(compile(part, variables)))
  const table = compile(part, variables, undefined, names.addresses)
  let tls = openTls(table, onProblem)
  const plane: Plane = {
    table,
    observed: createObserved({
      slots: Math.max(table.slots.size, roomForEndpoints),
      pools: Math.max(table.pools.length, roomForPools),
      shared: false,
      firstTurn: draw() % 2 ** 32,
    }),
    host: { ...thisHost, ...options.host },
    draw,
    poolTls: tls.poolTls,
    onRecord: options.onRecord,
    flows: new Set(),
    waiting: openWaitingRooms(),
    descriptors: { areShort: false },
    onceOver: new Set(),
  }
  const addresses = new Map<string, ListenAddress>()
  const counts = new Map<string, Readonly<ListenerCounts>>()
  let doors: ReadonlyMap<string, Door> = new Map()

  const openWith = (opened: OpenTls) => async (listener: FlowListener) => {
    const door = openDoor(plane, listener, kindOf(listener, opened))
    const key = placeKey(listener)
    const handle = options.inherited?.get(key)
    options.inherited?.delete(key)
    const problem = await listen(door, listener, handle)
    return problem ?? door
  }
  const keep = (now: ReadonlyMap<string, Door>) => {
    doors = now
    for (const name of addresses.keys()) if (!now.has(name)) forgetDoor(name)
    for (const [name, door] of now) {
      addresses.set(name, addressOf(door, plane.table.flowListeners.get(name)!))
      counts.set(name, door.counts)
    }
  }
  const forgetDoor = (name: string) => {
    addresses.delete(name)
    counts.delete(name)
  }
  const first = await exchangeDoors(doors, { ...table, flowListeners: new Map() }, table, openWith(tls))
  if (first.problems.length > 0) {
    names.stop()
    tls.close()
    throw new ConfigError(first.problems)
  }
  keep(first.doors)

  const tlsOf = (pool: Pool) => {
    const { context, config } = plane.poolTls.of(pool, undefined)
    return { context: context.now, serverName: config?.serverName }
  }
  const probes = startProbes({ observed: plane.observed, now: plane.host.now, draw, onEvent, tlsOf }, table.pools)
  const drains = createDrains(plane, onEvent)
  const looking = setInterval(() => {
    for (const flow of plane.flows) flow.look()
    callAll(plane.waiting)
  }, lookMs).unref()
  const draining = new Set<NodeJS.Timeout>()
  /** The same config, with the addresses that its names have now. No flow is ended: DNS speaks of new ones. */
  const renew = () => {
    swap(plane, compile(part, variables, numbersInUse(plane), names.addresses))
    probes.follow(plane.table.pools)
  }
  /** Those that are not resolved too, which the table may have left out. */
  const wanted = () => namesIn(compile(part, variables))
  const prepare = async (config: Config, given: Variables): Promise<{ part: Config; table: Table }> => {
    const next = partFor(config, 'relay')
    await names.follow(new Set([...wanted(), ...namesIn(compile(next, given))]))
    return { part: next, table: compile(next, given, numbersInUse(plane), names.addresses) }
  }
  const reload = async (config: Config, given: Variables, drainMs: number): Promise<Reloaded> => {
    const prepared = await prepare(config, given)
    const after = prepared.table
    const opened = openTls(after, onProblem)
    const exchanged = await exchangeDoors(doors, plane.table, after, openWith(opened))
    if (exchanged.problems.length > 0) {
      opened.close()
      keep(exchanged.doors)
      throw new ConfigError(exchanged.problems)
    }
    const foreseen = foresee(plane, after)
    for (const [name, door] of exchanged.doors) door.kind = kindOf(after.flowListeners.get(name)!, opened)
    swap(plane, after)
    plane.poolTls = opened.poolTls
    tls.close()
    tls = opened
    part = prepared.part
    variables = given
    keep(exchanged.doors)
    probes.follow(after.pools)
    callAll(plane.waiting)
    if (foreseen.drained > 0) draining.add(drainGone(plane, drainMs))
    return foreseen
  }
  let turn: Promise<unknown> = Promise.resolve()
  /** One after the other: two reloads at once would open the same doors. */
  const inTurn = <Result>(action: () => Promise<Result>): Promise<Result> => {
    const result = turn.then(action)
    turn = result.catch(nothing).then(() => (isRunning ? names.follow(wanted()) : undefined))
    return result
  }
  isRunning = true
  return {
    keepInherited: () => {
      for (const { file } of doors.values()) if (file !== undefined) file.isShared = false
    },
    plane,
    addresses,
    counts,
    listening: () => [...doors].map(([name, { server }]) => [placeKey(plane.table.flowListeners.get(name)!), server]),
    reload: (config, given, drainMs = defaultDrainMs) => inTurn(() => reload(config, given, drainMs)),
    foresee: (config, given) => inTurn(async () => foresee(plane, (await prepare(config, given)).table)),
    drain: drains.drain,
    undrain: drains.undrain,
    stop: async ({ drainMs, isHandedOver = false }) => {
      isRunning = false
      names.stop()
      probes.stop()
      for (const door of doors.values()) closeDoor(door, isHandedOver)
      await drain(plane, drainMs)
      clearInterval(looking)
      drains.stop()
      for (const timer of draining) clearTimeout(timer)
      tls.close()
    },
  }
}

/** Under which a listening socket is handed over: its place, and its name where the system chose the port. */
export function placeKey({ name, host, port }: FlowListener): string {
  const place = formatHostPort(host, port)
  return port === 0 && !host.startsWith('/') ? `${name} ${place}` : place
}

function kindOf(listener: FlowListener, { endings }: OpenTls): DoorKind {
  return listener.kind === 'tls' ? tlsKind(endings.get(listener.name)) : blind
}

interface OpenTls {
  readonly poolTls: PoolTls
  readonly endings: ReadonlyMap<string, TlsEnding>
  readonly close: () => void
}

/** @throws ConfigError with all certificates that cannot be used */
function openTls(table: Table, onProblem: (problem: Problem) => void): OpenTls {
  const problems: Problem[] = []
  const attempt = (path: string, open: () => void) => {
    try {
      open()
    } catch (error) {
      problems.push(certificateProblem(path, describeFault(error), 'error'))
    }
  }
  const poolTls = new PoolTls((pool, fault) => onProblem(certificateProblem(`pools.${pool}.tls`, fault, 'warning')))
  const endings = new Map<string, TlsEnding>()
  const close = () => {
    poolTls.close()
    for (const ending of endings.values()) ending.close()
  }
  for (const pool of table.pools) attempt(`pools.${pool.name}.tls`, () => poolTls.add(pool))
  for (const { name, ending, peek } of table.flowListeners.values()) {
    if (ending === undefined) continue
    const path = `listeners.${name}.certificates`
    const say = (fault: string) => onProblem(certificateProblem(path, fault, 'warning'))
    attempt(path, () => endings.set(name, new TlsEnding(ending, peek!.timeoutMs, say)))
  }
  if (problems.length === 0) return { poolTls, endings, close }
  close()
  throw new ConfigError(problems)
}

function certificateProblem(path: string, message: string, severity: Problem['severity']): Problem {
  const mend = 'Name PEM files that this user may read: a certificate, and the key that belongs to it.'
  return { severity, code: 'bad-certificate', path, message, mend }
}

async function drain(plane: Plane, drainMs: number): Promise<void> {
  await untilOver(plane, drainMs)
  for (const flow of plane.flows) flow.cut('drained')
  await untilOver(plane, lastMs)
}

/** Until every flow is over, at most so long. */
function untilOver(plane: Plane, ms: number): Promise<void> {
  const { flows } = plane
  if (flows.size === 0) return Promise.resolve()
  return new Promise(resolve => {
    const done = () => {
      clearTimeout(timer)
      plane.onceOver.delete(done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    plane.onceOver.add(done)
  })
}

function randomDraw(): Draw {
  return Math.floor(Math.random() * 2 ** 53)
}

function nothing(): void {}

/** Pages that nobody has touched cost nothing; with these no reload in practice has to move what is counted. */
const roomForEndpoints = 16_384
const roomForPools = 1_024
const defaultDrainMs = 30_000
/** How often flows are looked at that wait for one side: a walk over ten thousand takes less than a millisecond. */
const lookMs = 1000
/** Sockets that were reset close in the next turns of the event loop. */
const lastMs = 1000
