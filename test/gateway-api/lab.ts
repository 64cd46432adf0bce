// Manifests imported, the result running, and endpoints that say what they saw. All of it ends with the test file.

import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import { createServer as createHttp2, type ServerHttp2Stream } from 'node:http2'
import { request as requestTls } from 'node:https'
import { type AddressInfo, createServer as createTcp, type Server as NetServer } from 'node:net'
import { afterAll } from 'vitest'
import { type Planes, startPlanes } from '../../cli/planes.ts'
import { parse } from '../../shared/config/parse.ts'
import type { ImportOptions } from '../../shared/gateway-api/import.ts'
import { file, imported } from './manifests.ts'

const cleanUps: (() => unknown)[] = []
afterAll(() => Promise.all(cleanUps.splice(0).map(clean => clean())))

export interface Asked {
  readonly host?: string
  readonly path?: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** TLS: the name asked for, and whom to believe. */
  readonly tls?: { readonly servername: string; readonly ca: string; readonly cert?: string; readonly key?: string }
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly text: string
  /** What the endpoint saw; undefined when none was asked. */
  readonly saw: Saw | undefined
}

export interface Saw {
  readonly endpoint: string
  readonly version: string
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string | undefined>>
}

export interface Running {
  readonly planes: Planes
  ask(listener: string, asked: Asked): Promise<Answer>
  portOf(listener: string): number
}

/** Imports the manifests and runs what comes of them on free ports. */
export async function run(objects: readonly object[], change: Partial<ImportOptions> & Endpoints): Promise<Running> {
  const { endpoints, ports = 'free', ...options } = change
  const where = { endpoints: new Map(Object.entries(endpoints)), resolve: '', isMapWhole: true }
  const { config, notes } = imported(file(...objects), { isEdge: false, where, ...options })
  if (config === undefined) throw new Error(notes.map(({ field, message }) => `${field}: ${message}`).join('\n'))
  const planes = await startPlanes(parse(config).config, {
    variables: {},
    edge: { host: '127.0.0.1', port: 0 },
    ports,
    onRecord: () => {},
  })
  cleanUps.push(() => planes.stop())
  const portOf = (listener: string): number => {
    const place = planes.listeners.get(listener)
    if (place === undefined) throw new Error(`there is no listener ${listener}`)
    return place.port
  }
  return { planes, portOf, ask: (listener, asked) => askAt(portOf(listener), asked) }
}

interface Endpoints {
  readonly ports?: 'as written' | 'free'
  readonly endpoints: Readonly<Record<string, readonly string[]>>
}

/** One request; never followed, never kept alive. */
export function askAt(port: number, asked: Asked): Promise<Answer> {
  const { host = '127.0.0.1', path = '/', method = 'GET', headers = {}, body, tls } = asked
  const options = { host: '127.0.0.1', port, path, method, headers: { host, ...headers }, agent: false, setHost: false }
  return new Promise((resolve, reject) => {
    const take = (response: IncomingMessage) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', chunk => {
        text += chunk
      })
      response.on('error', reject)
      response.on('end', () => {
        const isSaw = response.headers['x-saw'] !== undefined
        const saw = isSaw ? (JSON.parse(response.headers['x-saw'] as string) as Saw) : undefined
        resolve({ status: response.statusCode!, headers: response.headers, text, saw })
      })
    }
    const sent = tls === undefined ? request(options, take) : requestTls({ ...options, ...tls }, take)
    sent.on('error', reject)
    sent.end(body)
  })
}

/** What an endpoint does with a request beside telling what it saw. */
export type Behaviour = (request: IncomingMessage, count: number) => number | undefined | Promise<number | undefined>

/** An HTTP/1.1 endpoint; `seen` counts its requests. It answers the status that `behave` gives, else 200. */
export async function endpoint(name: string, behave: Behaviour = () => 200) {
  const seen: Saw[] = []
  const server = createServer(async (asked: IncomingMessage, response: ServerResponse) => {
    const saw = sawOf(name, asked.method!, asked.url!, `HTTP/${asked.httpVersion}`, asked.headers)
    seen.push(saw)
    asked.resume()
    const status = await behave(asked, seen.length)
    if (status === undefined) response.destroy()
    else response.writeHead(status, { 'x-saw': JSON.stringify(saw), 'x-own': name }).end(name)
  })
  server.on('upgrade', (asked, socket) => {
    seen.push(sawOf(name, asked.method!, asked.url!, 'websocket', asked.headers))
    socket.on('error', () => {})
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    socket.pipe(socket)
  })
  return { address: await listening(server), seen }
}

/** An HTTP/2 endpoint in the clear. */
export async function endpointH2c(name: string) {
  const seen: Saw[] = []
  const server = createHttp2()
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const saw = sawOf(name, headers[':method']!, headers[':path']!, 'HTTP/2', {
      ...(headers as Record<string, string>),
      host: headers[':authority'],
    })
    seen.push(saw)
    stream.on('error', () => {})
    stream.respond({ ':status': 200, 'x-saw': JSON.stringify(saw) })
    stream.end(name)
  })
  return { address: await listening(server), seen }
}

/** A TCP endpoint that says its name and closes. */
export async function teller(name: string): Promise<string> {
  return listening(createTcp(socket => socket.on('error', () => {}).end(name)))
}

/** An address that refuses connections. */
export async function refusing(): Promise<string> {
  const server = createTcp()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return `127.0.0.1:${port}`
}

export async function listening(server: NetServer): Promise<string> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  cleanUps.push(() => {
    server.close()
    ;(server as Server).closeAllConnections?.()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

function sawOf(endpoint: string, method: string, path: string, version: string, headers: object): Saw {
  return { endpoint, method, path, version, headers: headers as Saw['headers'] }
}

/** Waits until it holds, for at most ten seconds. */
export async function until(holds: () => boolean): Promise<void> {
  for (let waited = 0; !holds() && waited < 10_000; waited += 10) await new Promise(resolve => setTimeout(resolve, 10))
  if (!holds()) throw new Error('it does not come to hold')
}
