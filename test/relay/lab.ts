// A relay, endpoints and clients on real sockets for the tests of this folder; all of it is closed after each test.

import { once } from 'node:events'
import { createServer, connect as netConnect, type Server, type Socket, type TcpNetConnectOpts } from 'node:net'
import { afterEach } from 'vitest'
import type { FlowRecord } from '../../relay/record.ts'
import { startRelay } from '../../relay/relay.ts'
import type { Relay, RelayOptions } from '../../relay/relay-api.ts'
import { parse } from '../../shared/config/parse.ts'
import { defaultCacheStore } from '../../shared/config/parse-cache-store.ts'
import type {
  Config,
  FlowRoute,
  FlowRule,
  PoolConfig,
  ProxySourceConfig,
  TcpListener,
} from '../../shared/config/parsed.ts'

export interface Lab {
  readonly relay: Relay
  readonly port: number
  readonly records: FlowRecord[]
  /** Resolves when so many flows are over. */
  readonly recorded: (count: number) => Promise<FlowRecord[]>
}

interface LabOptions
  extends Partial<Pick<RelayOptions, 'host' | 'draw' | 'onEvent' | 'onProblem' | 'onThread' | 'threads'>> {
  readonly maxConnections?: number
  readonly proxyProtocol?: readonly ProxySourceConfig[]
  readonly rule?: Partial<FlowRule>
  readonly pool?: Partial<PoolConfig>
}

/** A relay with the one listener `door` on a free port, the route `route` and one pool of these endpoint ports. */
export async function lab(ports: readonly number[], options: LabOptions = {}): Promise<Lab> {
  return labOf(configOf(ports, options), options)
}

export async function labOf(
  config: Config,
  options: Partial<Pick<RelayOptions, 'host' | 'draw' | 'onEvent' | 'onProblem' | 'onThread' | 'threads'>> = {},
): Promise<Lab> {
  const records: FlowRecord[] = []
  let arrived = () => {}
  const relay = await startRelay({
    ...options,
    config,
    variables: {},
    onRecord: record => {
      records.push(record)
      arrived()
    },
  })
  cleanUps.push(() => relay.stop({ drainMs: 0 }))
  const recorded = async (count: number) => {
    while (records.length < count) {
      await new Promise<void>(resolve => {
        arrived = resolve
      })
    }
    return records
  }
  return { relay, port: relay.addresses.get('door')!.port, records, recorded }
}

export function configOf(ports: readonly number[], options: LabOptions = {}): Config {
  const { maxConnections = 10_000, proxyProtocol = [] } = options
  return {
    listeners: [{ ...listener, maxConnections, proxyProtocol }],
    pools: [poolOf('pool', ports, options.pool)],
    routes: [{ ...route, rules: [ruleOf(options.rule)] }],
    threads: options.threads ?? 1,
    cacheStore: defaultCacheStore,
  }
}

/** Nothing is judged by real traffic unless the test says so. */
export function poolOf(name: string, ports: readonly number[], words: Partial<PoolConfig> = {}): PoolConfig {
  return {
    ...pool,
    name,
    endpoints: ports.map((port, at) => ({
      address: `tcp://127.0.0.1:${port}`,
      name: `${name}-${at}`,
      weight: 1,
      priority: 0,
    })),
    outlier: undefined,
    ...words,
  }
}

export function ruleOf(words: Partial<FlowRule> = {}): FlowRule {
  return { ...route.rules[0]!, ...words }
}

/** The defaults of everything that a test does not write out. */
const { config: plain } = parse({
  listeners: { door: { kind: 'tcp', address: '127.0.0.1:0' } },
  pools: { pool: { endpoints: ['tcp://127.0.0.1:1'] } },
  routes: [{ name: 'route', listener: 'door', pool: 'pool' }],
})
const [listener, pool, route] = [plain.listeners[0] as TcpListener, plain.pools[0]!, plain.routes[0] as FlowRoute]

export interface Endpoint {
  readonly port: number
  readonly server: Server
  /** Every connection it has had. */
  readonly sockets: Socket[]
  /** Resolves with the connection of this number, from 0. */
  readonly accepted: (index: number) => Promise<Socket>
}

/** An endpoint on a free port, of 127.0.0.1 unless told otherwise, that does what it is told with each connection. */
export async function endpoint(serve: (socket: Socket) => void, port = 0, host = '127.0.0.1'): Promise<Endpoint> {
  const sockets: Socket[] = []
  const server = createServer({ allowHalfOpen: true }, socket => {
    sockets.push(socket)
    socket.on('error', () => {})
    serve(socket)
  })
  server.listen(port, host)
  await once(server, 'listening')
  cleanUps.push(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const accepted = async (index: number) => {
    while (sockets[index] === undefined) await once(server, 'connection')
    return sockets[index]
  }
  return { port: (server.address() as { port: number }).port, server, sockets, accepted }
}

/** Says one word and waits for an answer: from then on the flow is known to be connected. */
export async function said(socket: Socket, word: string): Promise<string> {
  socket.write(word)
  return String(await new Promise(resolve => socket.once('data', resolve)))
}

export function echo(): Promise<Endpoint> {
  return endpoint(socket => socket.pipe(socket))
}

/** Says its name and ends. */
export function named(name: string): Promise<Endpoint> {
  return endpoint(socket => socket.end(name))
}

/** A port that refuses: it was given out by the system and closed again. */
export async function refusingPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

/** A connected client. Half-open: an end from the other side does not end this one. */
export async function client(port: number, options: Partial<TcpNetConnectOpts> = {}): Promise<Socket> {
  const socket = netConnect({ host: '127.0.0.1', port, allowHalfOpen: true, ...options })
  cleanUps.push(() => socket.destroy())
  socket.on('error', () => {})
  // The relay may reset before the client has seen its own connect.
  await new Promise<void>(resolve => {
    socket.once('connect', () => resolve())
    socket.once('close', () => resolve())
  })
  return socket
}

/** All that comes until the end; fails when the connection breaks. */
export async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** How the connection ended, once it has: the error's code, or `end`. */
export async function ending(socket: Socket): Promise<string> {
  socket.resume()
  if (!socket.destroyed) {
    await new Promise<void>(resolve => {
      socket.once('end', resolve)
      socket.once('close', () => resolve())
    })
  }
  return (socket.errored as NodeJS.ErrnoException | null)?.code ?? 'end'
}

const cleanUps: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})
