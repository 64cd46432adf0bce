// Starts the L4 plane of a config and stops it again. All listeners open or none does.

import type { AddressInfo } from 'node:net'
import type { Variables } from '../shared/config/endpoint-address.ts'
import type { Config } from '../shared/config/parse.ts'
import { partFor } from '../shared/config/part.ts'
import { ConfigError, type Problem } from '../shared/config/problem.ts'
import type { Draw } from '../shared/pool/draw.ts'
import { createObserved } from '../shared/pool/observed.ts'
import { compile } from '../shared/table/compile.ts'
import type { FlowListener } from '../shared/table/table.ts'
import { type Host, thisHost } from './forward.ts'
import type { FlowRecord } from './record.ts'
import { type ListenerCounts, type Plane, type TcpDoor, tcpDoor } from './tcp.ts'

export interface RelayOptions {
  /** May hold the edge's part too; it is left aside. */
  readonly config: Config
  /** Values for `${NAME}` in endpoint addresses. */
  readonly variables: Variables
  /** Called once for each connection accepted, when it is over. */
  readonly onRecord: (record: FlowRecord) => void
  readonly draw?: () => Draw
  readonly host?: Partial<Host>
}

export interface Relay {
  /** What each listener listens on, by its name; the port as the system gave it where the config says 0. */
  readonly addresses: ReadonlyMap<string, ListenAddress>
  /** By listener name; live. */
  readonly counts: ReadonlyMap<string, Readonly<ListenerCounts>>
  /**
   * Stops accepting, lets open flows finish, and resets after `drainMs` what is still open (reason `drained`). Resolves
   * when every flow has left its record. A second call waits for the first, and may be more impatient.
   */
  readonly stop: (options: { readonly drainMs: number }) => Promise<void>
}

export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/**
 * Resolves when every `tcp` listener of the config listens. Rejects with ConfigError: a variable is missing, or a
 * listener cannot listen (`port-in-use`, `port-privileged`, `address-not-local`, `cannot-listen`); all of them are named
 * and those that could listen are closed again.
 */
export async function startRelay(options: RelayOptions): Promise<Relay> {
  const table = compile(partFor(options.config, 'relay'), options.variables)
  const draw = options.draw ?? randomDraw
  const plane: Plane = {
    table,
    observed: createObserved({
      slots: table.slots.size,
      pools: table.pools.length,
      shared: false,
      firstTurn: draw() % 2 ** 32,
    }),
    host: { ...thisHost, ...options.host },
    draw,
    onRecord: options.onRecord,
    flows: new Set(),
    onceOver: new Set(),
  }
  const listeners = [...table.flowListeners.values()]
  const doors = listeners.map(listener => tcpDoor(plane, listener))
  const problems = await Promise.all(doors.map((door, at) => listen(door, listeners[at]!)))
  if (problems.some(problem => problem !== undefined)) {
    await stop(plane, doors, 0)
    throw new ConfigError(problems.filter(problem => problem !== undefined))
  }
  const looking = setInterval(() => {
    for (const flow of plane.flows) flow.look()
  }, lookMs).unref()
  return {
    addresses: new Map(doors.map(door => [door.name, addressOf(door)])),
    counts: new Map(doors.map(door => [door.name, door.counts])),
    stop: async ({ drainMs }) => {
      await stop(plane, doors, drainMs)
      clearInterval(looking)
    },
  }
}

/** Resolves with undefined when the door listens, else with what keeps it from it. */
function listen(door: TcpDoor, listener: FlowListener): Promise<Problem | undefined> {
  const { server } = door
  const { host, port } = listener
  return new Promise(resolve => {
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (server.listening) door.counts.failedAccepts += 1
      else resolve(listenProblem(listener, error))
    })
    server.listen({ host, port, backlog: longestQueue }, () => resolve(undefined))
  })
}

async function stop(plane: Plane, doors: readonly TcpDoor[], drainMs: number): Promise<void> {
  for (const { server } of doors) if (server.listening) server.close()
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

function addressOf(door: TcpDoor): ListenAddress {
  const { address, port } = door.server.address() as AddressInfo
  return { host: address, port }
}

/** Why a listener cannot listen, and what would help. */
export function listenProblem(listener: FlowListener, error: NodeJS.ErrnoException): Problem {
  const { name, host, port } = listener
  const place = `${host.includes(':') ? `[${host}]` : host}:${port}`
  const [code, cause, mend] = ((): [string, string, string] => {
    switch (error.code) {
      case 'EADDRINUSE':
        return [
          'port-in-use',
          `another program listens on port ${port} already`,
          `Stop it (\`ss -ltnp sport = :${port}\` names it), or give the listener another port.`,
        ]
      case 'EACCES':
        return [
          'port-privileged',
          `this user may not open port ${port}`,
          'Use a port from 1024 on, or allow it: `sysctl net.ipv4.ip_unprivileged_port_start`, or CAP_NET_BIND_SERVICE.',
        ]
      case 'EADDRNOTAVAIL':
      case 'ENOTFOUND':
      case 'EAI_AGAIN':
        return [
          'address-not-local',
          `${host} is not an address of this machine`,
          'Use one that `ip address` shows, or 0.0.0.0 or [::] for all of them.',
        ]
      default:
        return ['cannot-listen', error.message, 'Look at the address, and at what the system allows this user.']
    }
  })()
  return {
    severity: 'error',
    code,
    path: `listeners.${name}.address`,
    message: `listener "${name}" cannot listen on ${place}: ${cause}`,
    mend,
  }
}

function randomDraw(): Draw {
  return Math.floor(Math.random() * 2 ** 53)
}

/** Connections the system holds until we take them; it has a bound of its own (`net.core.somaxconn`, often 4,096). */
const longestQueue = 4096
/** How often flows are looked at that wait for one side: a walk over ten thousand takes less than a millisecond. */
const lookMs = 1000
/** Sockets that were reset close in the next turns of the event loop. */
const lastMs = 1000
