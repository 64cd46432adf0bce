// A relay with http listeners, real endpoints and clients for the tests of the http door; all of it is closed after each
// test.

import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import { type AddressInfo, connect, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach } from 'vitest'
import type { RelayRequestRecord } from '../../relay/http/plane.ts'
import type { FlowRecord } from '../../relay/record.ts'
import { startRelay } from '../../relay/relay.ts'
import type { Relay, RelayOptions } from '../../relay/relay-api.ts'
import type { ConfigInput } from '../../shared/config/config.ts'
import { parse } from '../../shared/config/parse.ts'

export interface HttpLab {
  readonly relay: Relay
  /** Of the listener `web`. */
  readonly port: number
  readonly records: RelayRequestRecord[]
  readonly flows: FlowRecord[]
  /** Resolves when so many requests are over. */
  readonly recorded: (count: number) => Promise<RelayRequestRecord[]>
}

type Parts = Partial<ConfigInput> & { readonly options?: Partial<RelayOptions> }

/** The listener `web` on a free port, with one route to one pool of these endpoints; `parts` in place of its parts. */
export async function httpLab(endpoints: readonly string[], parts: Parts = {}): Promise<HttpLab> {
  const { options, ...written } = parts
  const records: RelayRequestRecord[] = []
  const flows: FlowRecord[] = []
  const relay = await startRelay({
    config: configOf(endpoints, written),
    variables: {},
    // Each thread has connections of its own: with one they can be counted.
    threads: 1,
    onRecord: record => flows.push(record),
    onRequest: record => records.push(record),
    ...options,
  })
  cleanUps.push(() => relay.stop({ drainMs: 0 }))
  const recorded = async (count: number) => {
    await until(() => records.length >= count)
    return records
  }
  return { relay, port: relay.addresses.get('web')?.port ?? 0, records, flows, recorded }
}

export function configOf(endpoints: readonly string[], written: Partial<ConfigInput> = {}) {
  const { config } = parse({
    listeners: { web: { kind: 'http', address: '127.0.0.1:0' } },
    pools: { app: { endpoints } },
    routes: [{ name: 'app', listener: 'web', pool: 'app' }],
    ...written,
  })
  return config
}

/** Waits for what has to come, however slow the machine is; the test's own time bounds it. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(5)
}

/** An endpoint of HTTP/1.1 that does what it is told; `http://127.0.0.1:PORT`. */
export async function endpoint(listener: http.RequestListener): Promise<{ address: string; server: http.Server }> {
  const server = http.createServer({ keepAliveTimeout: 60_000 }, listener)
  return { address: `http://127.0.0.1:${await opened(server)}`, server }
}

/** The same of HTTP/2 without TLS; `h2c://127.0.0.1:PORT`. */
export async function http2Endpoint(
  serve: (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void,
  settings: http2.Settings = {},
): Promise<{ address: string; sessions: http2.ServerHttp2Session[] }> {
  const server = http2.createServer({ settings })
  const sessions: http2.ServerHttp2Session[] = []
  server.on('session', session => sessions.push(session))
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    serve(stream, headers)
  })
  cleanUps.push(() => {
    for (const session of sessions) session.destroy()
  })
  return { address: `h2c://127.0.0.1:${await opened(server)}`, sessions }
}

/** Listens, and closes with every connection after the test. */
export async function opened(server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanUps.push(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}

export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly trailers: NodeJS.Dict<string>
  readonly body: string
}

/** One request of HTTP/1.1 to the end of its answer. */
export async function ask(port: number, path: string, options: http.RequestOptions & { body?: string } = {}) {
  const { body, ...rest } = options
  const request = http.request({ host: '127.0.0.1', port, path, agent: false, ...rest })
  request.end(body)
  return answerTo(request)
}

export async function answerTo(request: http.ClientRequest): Promise<Answer> {
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  let body = ''
  for await (const chunk of response) body += chunk
  return { status: response.statusCode!, headers: response.headers, trailers: response.trailers, body }
}

/** A session of HTTP/2, in the clear unless told otherwise. */
export function session(port: number, options: http2.SecureClientSessionOptions = {}, scheme = 'http') {
  const opened = http2.connect(`${scheme}://127.0.0.1:${port}`, options)
  opened.on('error', () => {})
  cleanUps.push(() => opened.destroy())
  return opened
}

export async function answerOf(stream: http2.ClientHttp2Stream) {
  let trailers: http2.IncomingHttpHeaders = {}
  stream.on('trailers', said => {
    trailers = said
  })
  const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders]
  let body = ''
  for await (const chunk of stream) body += chunk
  return { status: Number(headers[':status']), headers, trailers, body }
}

/** What comes back for these bytes until the relay closes, as latin1. */
export async function raw(port: number, ...writes: readonly string[]): Promise<string> {
  const socket = client(port)
  const closed = new Promise(resolve => socket.once('close', resolve))
  let said = ''
  socket.on('data', chunk => {
    said += chunk.toString('latin1')
  })
  for (const bytes of writes) {
    socket.write(bytes, 'latin1')
    await sleep(10)
  }
  await closed
  return said
}

export function client(port: number): Socket {
  const socket = connect({ host: '127.0.0.1', port })
  socket.on('error', () => {})
  cleanUps.push(() => socket.destroy())
  return socket
}

export function onEnd(cleanUp: () => unknown): void {
  cleanUps.push(cleanUp)
}

const cleanUps: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})
