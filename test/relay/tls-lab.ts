// What the tests of TLS at the relay have in common: a relay from a config as written, endpoints and clients that speak it.

import { once } from 'node:events'
import { connect as netConnect, type Server, type Socket } from 'node:net'
import { type ConnectionOptions, connect, createServer, type TLSSocket, type TlsOptions } from 'node:tls'
import { onTestFinished } from 'vitest'
import type { ConfigInput } from '../../shared/config/config.ts'
import type { TlsListenerInput } from '../../shared/config/config-listener.ts'
import type { PoolInput } from '../../shared/config/config-pool.ts'
import { parse } from '../../shared/config/parse.ts'
import { type Pair, pemOf } from '../support/certificates.ts'
import { type Lab, labOf } from './lab.ts'

/** A relay with the listener `door`, one pool for each name, and a route for each pool: by default all of it to `pool`. */
export function tlsLab(
  door: Partial<TlsListenerInput>,
  pools: Readonly<Record<string, PoolInput>>,
  rules: ConfigInput['routes'][number]['rules'] = [{ pool: Object.keys(pools)[0]! }],
  options: Parameters<typeof labOf>[1] = {},
): Promise<Lab> {
  const input = {
    threads: 1,
    listeners: { door: { kind: 'tls', address: '127.0.0.1:0', ...door } },
    pools,
    routes: [{ name: 'route', listener: 'door', rules }],
  }
  return labOf(parse(input, { variables: {} }).config, options)
}

/** An endpoint that speaks TLS itself; gives its port. */
export async function tlsEndpoint(
  pair: Pair,
  serve: (socket: TLSSocket) => void,
  options: TlsOptions = {},
): Promise<number> {
  const server = createServer({ ...pemOf(pair), allowHalfOpen: true, ...options } as TlsOptions, socket => {
    socket.on('error', () => {})
    serve(socket)
  })
  server.on('tlsClientError', () => {})
  return listening(server)
}

/** Says its name, the protocol agreed on and what the client said until its end. */
export function tell(name: string): (socket: TLSSocket) => void {
  return socket => {
    const chunks: Buffer[] = []
    socket.on('data', chunk => chunks.push(chunk))
    socket.on('end', () => socket.end(`${name} ${socket.alpnProtocol || '-'} ${Buffer.concat(chunks)}`))
  }
}

export async function listening(server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', socket => sockets.add(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as { port: number }).port
}

/** Resolves when the handshake is done; rejects when it fails. Verifies nothing unless it is told to. */
export async function tlsClient(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const carrier = options.socket ?? netConnect({ host: '127.0.0.1', port, allowHalfOpen: true })
  const socket = connect({ rejectUnauthorized: false, ...options, socket: carrier })
  onTestFinished(() => {
    socket.destroy()
    carrier.destroy()
  })
  await once(socket, 'secureConnect')
  socket.on('error', () => {})
  return socket
}
