// The edge in real workerd, real HTTP endpoints and a plain HTTP client, for the tests of this folder. What `lab` opens is
// closed when its file is over.

import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { afterAll } from 'vitest'
import { type Edge, startEdge } from '../../cli/edge.ts'
import type { ConfigInput } from '../../shared/config/config.ts'
import { parse } from '../../shared/config/parse.ts'
import type { Config } from '../../shared/config/parsed.ts'

export interface Endpoint {
  readonly server: http.Server
  /** `http://127.0.0.1:40001` */
  readonly address: string
  /** What it was asked, oldest first. */
  readonly requests: readonly http.IncomingMessage[]
  /** Those whose URL starts so. */
  count(url: string): number
}

export interface Lab extends Edge {
  /** Lines of the Worker, in order. */
  readonly records: readonly EdgeRecord[]
  /** The one record of the request that `ask` sent with this path. */
  recordOf(path: string): Promise<EdgeRecord>
  ask(path: string, asked?: Asked): Promise<Answer>
}

export interface Asked {
  readonly method?: string
  /** Default `app.test`. */
  readonly host?: string
  readonly headers?: http.OutgoingHttpHeaders
  readonly body?: string | Buffer
}

export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly setCookie: readonly string[]
  readonly body: Buffer
  /** The body read as the JSON of `sayWhatCame`. */
  readonly seen: Seen
}

/** What an endpoint with `sayWhatCame` tells of a request. */
export interface Seen {
  readonly endpoint: string
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

export interface EdgeRecord {
  readonly [field: string]: unknown
  readonly path: string
  readonly mirrors?: readonly object[]
  readonly attempts: readonly { readonly endpoint: string; readonly outcome: number | string }[]
}

/** An edge that runs this config. `checkedWith`: the variables it was checked with, when the Worker has others. */
export async function lab(
  input: ConfigInput,
  variables: Readonly<Record<string, string>> = {},
  checkedWith = variables,
  more: {
    readonly services?: Readonly<Record<string, string>>
    /** What `parse` would refuse. */
    readonly bend?: (config: Config) => Config
  } = {},
): Promise<Lab> {
  const records: EdgeRecord[] = []
  let arrived = () => {}
  const edge = await startEdge({
    config: (more.bend ?? (config => config))(parse(input, { variables: checkedWith }).config),
    services: more.services ?? {},
    host: '127.0.0.1',
    port: 0,
    variables,
    onRecord: record => {
      records.push(record as EdgeRecord)
      arrived()
    },
  })
  closing.push(edge.stop)
  const recordOf = async (path: string) => {
    for (;;) {
      const found = records.find(record => record.path === path)
      if (found !== undefined) return found
      await new Promise<void>(resolve => {
        arrived = resolve
      })
    }
  }
  return { ...edge, records, recordOf, ask: (path, asked) => ask(edge.port, path, asked) }
}

/** An endpoint on a free port of this machine. */
export async function endpoint(handler: http.RequestListener): Promise<Endpoint> {
  const requests: http.IncomingMessage[] = []
  const server = http.createServer((request, response) => {
    requests.push(request)
    // Connections are broken on purpose here.
    request.on('error', () => {})
    handler(request, response)
  })
  server.keepAliveTimeout = 300_000
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(async () => {
    server.closeAllConnections()
    server.close()
  })
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { server, address, requests, count: url => requests.filter(request => request.url!.startsWith(url)).length }
}

/** Answers 200 with who it is and what came. */
export function sayWhatCame(name: string): http.RequestListener {
  return (request, response) => {
    request.resume()
    const seen = { endpoint: name, method: request.method, url: request.url, headers: request.headers }
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(seen))
  }
}

/** An address where nobody listens. */
export async function nobody(): Promise<string> {
  const server = http.createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  server.close()
  return address
}

/** Ends the connection of a request with a reset. */
export function reset(request: http.IncomingMessage): void {
  const socket: Socket = request.socket
  socket.resetAndDestroy()
}

/** One request on a connection of its own, to the end of the answer. */
export async function ask(port: number, path: string, asked: Asked = {}): Promise<Answer> {
  const { method = 'GET', host = 'app.test', body } = asked
  const headers = { host, ...asked.headers }
  const request = http.request({ host: '127.0.0.1', port, path, method, headers, agent: false })
  request.end(body)
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  const whole = Buffer.concat(chunks)
  return {
    status: response.statusCode!,
    headers: response.headers,
    setCookie: response.headers['set-cookie'] ?? [],
    body: whole,
    get seen() {
      return JSON.parse(whole.toString())
    },
  }
}

const closing: (() => Promise<void>)[] = []
afterAll(async () => {
  await Promise.all(closing.splice(0).map(close => close()))
})
