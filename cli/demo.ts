// The demo endpoints beside the shipped routes: apps that say who they are and what they saw, over HTTP and WebSocket, and
// those of demo-flows.ts.

import { once } from 'node:events'
import http from 'node:http'
import type net from 'node:net'
import type { Duplex } from 'node:stream'
import { echoServer, secureServer, whoServer } from './demo-flows.ts'
import { CannotRun } from './exit.ts'
import { acceptKey, CLOSE, PING, PONG, TEXT, takeFrame, writeFrame } from './web-socket.ts'

export interface DemoEndpoint {
  /** `stable-a`: what the endpoint says it is. */
  readonly name: string
  /** The variable of `shared/routes.ts` that holds its address. */
  readonly variable: string
  /** `http://127.0.0.1:9101` */
  readonly address: string
  /** The path of the last request that was a copy for a mirror. */
  readonly lastCopy: () => string | undefined
  /** Of the one that speaks TLS, in PEM. */
  readonly certificate: string | undefined
  /** Open connections are closed too: from now on the endpoint is dead. */
  stop(): Promise<void>
}

/**
 * Starts every demo endpoint, on the ports that `shared/routes.ts` has as defaults or on free ones.
 * Throws CannotRun when a port is in use; then none is left running.
 */
export async function startDemo(ports: 'shipped' | 'free'): Promise<DemoEndpoint[]> {
  const started: DemoEndpoint[] = []
  try {
    for (const { name, variable, kind, port } of ENDPOINTS) {
      const { server, lastCopy, certificate } = serverOf(name, kind)
      const scheme = kind === 'http' ? 'http' : 'tcp'
      const { address, stop } = await listen(name, scheme, server, ports === 'shipped' ? port : 0)
      started.push({ name, variable, address, lastCopy, certificate, stop })
    }
    return started
  } catch (error) {
    await stopDemo(started)
    throw error
  }
}

export async function stopDemo(endpoints: readonly DemoEndpoint[]): Promise<void> {
  await Promise.all(endpoints.map(endpoint => endpoint.stop()))
}

/** The variables under which `shared/routes.ts` finds these endpoints. */
export function demoVariables(endpoints: readonly DemoEndpoint[]): Record<string, string> {
  return Object.fromEntries(endpoints.map(endpoint => [endpoint.variable, endpoint.address]))
}

type Demo = Pick<DemoEndpoint, 'lastCopy' | 'certificate'> & { readonly server: net.Server }
type Kind = (typeof ENDPOINTS)[number]['kind']

function serverOf(name: string, kind: Kind): Demo {
  const rest = { lastCopy: () => undefined, certificate: undefined }
  switch (kind) {
    case 'http':
      return demoApp(name)
    case 'echo':
      return { ...rest, server: echoServer() }
    case 'who':
      return { ...rest, server: whoServer() }
    case 'tls':
      return { ...rest, ...secureServer(name) }
  }
}

/** A path that ends in `/echo` gives the body back as it came; any other says what was seen. A WebSocket is echoed. */
function demoApp(name: string): Demo {
  let lastCopy: string | undefined
  const server = http.createServer((request, response) => {
    const path = request.url ?? '/'
    if (request.headers['x-fourseven-mirror'] === '1') lastCopy = path
    response.setHeader('x-endpoint', name)
    response.setHeader('x-powered-by', 'the demo endpoint, which says too much')
    if (request.method === 'POST' && path.split('?')[0]!.endsWith('/echo')) {
      response.setHeader('content-type', request.headers['content-type'] ?? 'application/octet-stream')
      request.pipe(response)
      return
    }
    request.resume()
    const seen = { endpoint: name, method: request.method, path, headers: request.headers }
    response.setHeader('content-type', 'application/json')
    response.end(`${JSON.stringify(seen, null, 2)}\n`)
  })
  // Longer than any plane keeps an idle connection: no request meets a connection that is just being closed.
  server.keepAliveTimeout = 300_000
  server.on('upgrade', (request, socket, head) => echoFrames(name, request, socket, head))
  return { server, lastCopy: () => lastCopy, certificate: undefined }
}

/** Sends each short text back, with the name of the endpoint before it. */
function echoFrames(name: string, request: http.IncomingMessage, socket: Duplex, head: Buffer): void {
  const key = request.headers['sec-websocket-key'] ?? ''
  const upgrade = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade'
  socket.write(`${upgrade}\r\nSec-WebSocket-Accept: ${acceptKey(key)}\r\n\r\n`)
  let waiting = head
  const read = (bytes: Buffer) => {
    waiting = Buffer.concat([waiting, bytes])
    try {
      for (let taken = takeFrame(waiting); taken !== undefined; taken = takeFrame(waiting)) {
        const { opcode, payload } = taken.frame
        waiting = taken.rest
        const said = Buffer.from(`${name}: ${payload}`).subarray(0, 125)
        if (opcode === TEXT) socket.write(writeFrame({ opcode, payload: said }, 'server'))
        if (opcode === PING) socket.write(writeFrame({ opcode: PONG, payload }, 'server'))
        if (opcode === CLOSE) socket.end(writeFrame({ opcode, payload }, 'server'))
      }
    } catch {
      socket.destroy()
    }
  }
  socket.on('error', () => socket.destroy())
  socket.on('data', read)
  read(Buffer.alloc(0))
}

async function listen(
  name: string,
  scheme: 'http' | 'tcp',
  server: net.Server,
  port: number,
): Promise<Pick<DemoEndpoint, 'address' | 'stop'>> {
  const sockets = new Set<net.Socket>()
  server.on('connection', (socket: net.Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch (error) {
    throw new CannotRun(
      `the demo endpoint ${name} cannot listen on 127.0.0.1:${port}: ${(error as NodeJS.ErrnoException).code}`,
      'End what holds the port (a second `npm start`?), or run `npm start -- --smoke`, which takes free ports.',
    )
  }
  const address = `${scheme}://127.0.0.1:${(server.address() as net.AddressInfo).port}`
  const stop = async () => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    for (const socket of sockets) socket.destroy()
    await closed
  }
  return { address, stop }
}

const ENDPOINTS = [
  { name: 'stable-a', variable: 'APP_STABLE_A', kind: 'http', port: 9101 },
  { name: 'stable-b', variable: 'APP_STABLE_B', kind: 'http', port: 9102 },
  { name: 'canary', variable: 'APP_CANARY', kind: 'http', port: 9103 },
  { name: 'api', variable: 'API', kind: 'http', port: 9104 },
  { name: 'echo', variable: 'ECHO', kind: 'echo', port: 9105 },
  { name: 'api-next', variable: 'API_NEXT', kind: 'http', port: 9106 },
  { name: 'secure', variable: 'SECURE', kind: 'tls', port: 9107 },
  { name: 'who', variable: 'WHO', kind: 'who', port: 9108 },
] as const
