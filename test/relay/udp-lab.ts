// A relay with a udp listener, endpoints and clients on real sockets; all of it is closed after each test.

import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { afterEach, expect, vi } from 'vitest'
import type { FlowRecord } from '../../relay/record.ts'
import { startRelay } from '../../relay/relay.ts'
import type { Relay, RelayOptions } from '../../relay/relay-api.ts'
import type { UdpRouteInput } from '../../shared/config/config-flow.ts'
import type { UdpListenerInput } from '../../shared/config/config-listener.ts'
import type { PoolInput } from '../../shared/config/config-pool.ts'
import { parse } from '../../shared/config/parse.ts'
import type { Config } from '../../shared/config/parsed.ts'

export interface UdpLab {
  readonly relay: Relay
  readonly port: number
  readonly records: FlowRecord[]
  /** Resolves when so many records are written. */
  readonly recorded: (count: number) => Promise<FlowRecord[]>
}

export interface UdpWords {
  readonly threads?: number
  readonly listener?: Partial<UdpListenerInput>
  readonly pool?: Partial<PoolInput>
  readonly route?: Partial<Omit<UdpRouteInput, 'rules'>>
}

/** The listener `door` on a free port, the route `route` and one pool of these endpoint ports. */
export function udpConfig(ports: readonly number[], words: UdpWords = {}): Config {
  const { config } = parse({
    threads: words.threads ?? 1,
    listeners: { door: { kind: 'udp', address: '127.0.0.1:0', ...words.listener } },
    pools: {
      pool: {
        endpoints: ports.map((port, at) => ({ address: `udp://127.0.0.1:${port}`, name: `e${at}` })),
        outlier: false,
        ...words.pool,
      },
    },
    routes: [{ name: 'route', listener: 'door', pool: 'pool', ...words.route }],
  })
  return config
}

export function udpLab(ports: readonly number[], words: UdpWords = {}): Promise<UdpLab> {
  return udpLabOf(udpConfig(ports, words))
}

export async function udpLabOf(
  config: Config,
  options: Partial<Pick<RelayOptions, 'host' | 'draw' | 'onEvent' | 'onThread' | 'resolveName'>> = {},
): Promise<UdpLab> {
  const records: FlowRecord[] = []
  const relay = await startRelay({ ...options, config, variables: {}, onRecord: record => records.push(record) })
  cleanUps.push(() => relay.stop({ drainMs: 0 }))
  const recorded = async (count: number) => {
    await until(() => records.length >= count)
    return records
  }
  return { relay, port: relay.addresses.get('door')!.port, records, recorded }
}

export interface Heard {
  readonly text: string
  readonly bytes: Buffer
  readonly from: RemoteInfo
}

export interface UdpEndpoint {
  readonly port: number
  readonly socket: Socket
  /** Every datagram it has had. */
  readonly heard: Heard[]
}

/** An endpoint on a free port that answers each datagram with what `answer` makes of it, or not at all. */
export async function udpEndpoint(
  answer: (bytes: Buffer, from: RemoteInfo) => Uint8Array | string | undefined,
  port = 0,
  host = '127.0.0.1',
): Promise<UdpEndpoint> {
  const socket = createSocket('udp4')
  const heard: Heard[] = []
  socket.on('message', (bytes, from) => {
    heard.push({ text: bytes.toString('latin1'), bytes, from })
    const said = answer(bytes, from)
    if (said !== undefined) socket.send(said, from.port, from.address)
  })
  socket.on('error', () => {})
  socket.bind(port, host)
  await once(socket, 'listening')
  cleanUps.push(() => closeSocket(socket))
  return { port: socket.address().port, socket, heard }
}

/** Answers with its name and what it was told. */
export function udpNamed(name: string): Promise<UdpEndpoint> {
  return udpEndpoint(bytes => `${name}:${bytes.toString('latin1')}`)
}

export interface UdpClient {
  readonly port: number
  readonly socket: Socket
  readonly heard: string[]
  readonly send: (bytes: Uint8Array | string) => void
  /** Sends, and resolves with the next datagram that comes back. */
  readonly ask: (bytes: Uint8Array | string) => Promise<string>
}

/** A client with a port of its own. */
export async function udpClient(door: number, host = '127.0.0.1'): Promise<UdpClient> {
  const socket = createSocket('udp4')
  const heard: string[] = []
  socket.on('message', bytes => heard.push(bytes.toString('latin1')))
  socket.on('error', () => {})
  socket.bind(0, host)
  await once(socket, 'listening')
  cleanUps.push(() => closeSocket(socket))
  const send = (bytes: Uint8Array | string) => socket.send(bytes, door, '127.0.0.1')
  const ask = async (bytes: Uint8Array | string) => {
    const before = heard.length
    send(bytes)
    await until(() => heard.length > before)
    return heard[before]!
  }
  return { port: socket.address().port, socket, heard, send, ask }
}

/** Waits for what takes a while on a busy machine. */
export async function until(holds: () => boolean): Promise<void> {
  await vi.waitFor(() => expect(holds()).toBe(true), { timeout: 10_000, interval: 5 })
}

export function closeSocket(socket: Socket): void {
  try {
    socket.close()
  } catch {
    // The test closed it.
  }
}

const cleanUps: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})
