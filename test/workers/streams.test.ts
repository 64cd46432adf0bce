// Bodies stream: memory stays flat, a slow reader holds the endpoint back, events and messages pass one by one, and a client
// that leaves is noticed by the endpoint. In bare workerd, so that nothing of Miniflare's is measured.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { EventSource } from 'undici'
import { beforeAll, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { type Bare, bare } from './bare.ts'
import { endpoint } from './lab.ts'

const MB = 1024 * 1024
const SIZE = 100 * MB
/** Measured: under 10 MB, most of it once for the process. A body that was kept would be 100. */
const FLAT = 40 * MB
/** More than stands between two ends that do not read: the rest waits where it is made. */
const LONG = SIZE + between()

const PATIENT = { timeout: 15_000 }

let edge: Bare
/** By path: what the endpoint holds of the request that came last. */
const held = new Map<string, { readonly request: http.IncomingMessage; readonly response: http.ServerResponse }>()
const made = new Map<string, number>()
let sockets: WebSocketServer

beforeAll(async () => {
  const app = await endpoint((request, response) => {
    const path = request.url!
    held.set(path, { request, response })
    response.on('error', () => {})
    if (path.startsWith('/download')) {
      response.writeHead(200, path.endsWith('/length') ? { 'content-length': SIZE } : {})
      pipeline(Readable.from(blocks(path.endsWith('/slow') ? LONG : SIZE, path)), response).catch(() => {})
    } else if (path.startsWith('/upload')) {
      let bytes = 0
      request.on('data', chunk => {
        bytes += chunk.length
      })
      request.on('end', () => response.end(String(bytes)))
    } else if (path === '/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' }).flushHeaders()
    }
  })
  sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(sockets, 'listening')
  edge = await bare({
    listeners: { web: { kind: 'edge' } },
    pools: {
      app: { endpoints: [app.address] },
      sockets: { endpoints: [`http://127.0.0.1:${(sockets.address() as AddressInfo).port}`] },
    },
    routes: [
      {
        name: 'app',
        rules: [
          { name: 'all', pool: 'app' },
          { name: 'sockets', match: { path: '/socket' }, pool: 'sockets' },
        ],
      },
    ],
  })
  return () => sockets.close()
})

describe.runIf(process.platform === 'linux')('100 MB leave the memory of workerd flat', () => {
  for (const framing of ['length', 'chunks']) {
    it(`down, by ${framing}`, async () => {
      const grown = await growth(async () => {
        const response = await answerTo(open('GET', `/download/${framing}`).end())
        let bytes = 0
        for await (const chunk of response) bytes += chunk.length
        expect(bytes).toBe(SIZE)
      })
      expect(grown).toBeLessThan(FLAT)
    })

    it(`up, by ${framing}`, async () => {
      const grown = await growth(async () => {
        const request = open('POST', `/upload/${framing}`, framing === 'length' ? { 'content-length': SIZE } : {})
        const [response] = await Promise.all([answerTo(request), pipeline(Readable.from(blocks(SIZE, 'up')), request)])
        expect(await text(response)).toBe(String(SIZE))
      })
      expect(grown).toBeLessThan(FLAT)
    })
  }
})

it('a slow reader holds the endpoint back, and gets everything in the end', async () => {
  const response = await answerTo(open('GET', '/download/slow').end())
  response.pause()
  expect(await standsStill(() => made.get('/download/slow')!)).toBeLessThan(between())
  let bytes = 0
  for await (const chunk of response) bytes += chunk.length
  expect(bytes).toBe(LONG)
})

it('a slow endpoint holds the client back', async () => {
  const request = open('POST', '/hold/upload', { 'content-length': LONG })
  request.on('error', () => {})
  pipeline(Readable.from(blocks(LONG, 'held back')), request).catch(() => {})
  await expect.poll(() => held.has('/hold/upload'), PATIENT).toBe(true)
  expect(await standsStill(() => made.get('held back')!)).toBeLessThan(between())
  request.destroy()
})

it('server-sent events arrive one by one', async () => {
  const response = await answerTo(open('GET', '/events', { accept: 'text/event-stream' }).end())
  expect(response.headers['content-type']).toBe('text/event-stream')
  const endpointSide = held.get('/events')!.response
  response.setEncoding('utf8')
  // The next event is written only after the last one was read: a buffer anywhere would stop this.
  for (const event of ['data: one\n\n', 'id: 2\ndata: two\n\n', ': ping\n\n', 'data: three\n\n']) {
    endpointSide.write(event)
    expect((await once(response, 'data'))[0]).toBe(event)
  }
  endpointSide.end()
  response.resume()
  await once(response, 'end')
})

it('an EventSource gets each event while the stream is open, and comes back with the last id after it broke', async () => {
  const source = new EventSource(`http://127.0.0.1:${edge.port}/events`)
  const got: string[] = []
  source.onmessage = ({ data, lastEventId }) => got.push(`${lastEventId}:${data}`)
  held.delete('/events')
  await expect.poll(() => held.has('/events'), PATIENT).toBe(true)
  const first = held.get('/events')!
  first.response.write('retry: 50\nid: 1\ndata: one\n\n')
  await expect.poll(() => got, PATIENT).toEqual(['1:one'])
  held.delete('/events')
  first.response.destroy()
  await expect.poll(() => held.has('/events'), PATIENT).toBe(true)
  const second = held.get('/events')!
  expect(second.request.headers['last-event-id']).toBe('1')
  second.response.write('id: 2\ndata: two\n\n')
  await expect.poll(() => got, PATIENT).toEqual(['1:one', '2:two'])
  source.close()
})

it('a client that leaves in the middle of a download closes the side of the endpoint', async () => {
  const request = open('GET', '/download/left')
  request.on('error', () => {})
  const response = await answerTo(request.end())
  response.on('error', () => {})
  await once(response, 'data')
  const { response: endpointSide } = held.get('/download/left')!
  const closed = once(endpointSide, 'close')
  request.destroy()
  await closed
  expect(endpointSide.writableFinished).toBe(false)
})

describe('a WebSocket', () => {
  it('passes text, bytes and large messages both ways, in order', async () => {
    const { client, server } = await connect()
    const messages = ['text', Buffer.from([0, 255, 10]), 'ümläut', Buffer.alloc(512 * 1024, 7), '']
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      const came: unknown[] = []
      to.on('message', (message, isBinary) => came.push(isBinary ? message : String(message)))
      for (const message of messages) from.send(message)
      await expect.poll(() => came.length, PATIENT).toBe(messages.length)
      expect(came).toEqual(messages)
    }
    client.terminate()
  })

  it('passes close codes and reasons both ways', async () => {
    const one = await connect()
    const atServer = once(one.server, 'close')
    one.client.close(3001, 'client is done')
    expect((await atServer).map(String)).toEqual(['3001', 'client is done'])

    const two = await connect()
    const atClient = once(two.client, 'close')
    two.server.close(4002, 'server is done')
    expect((await atClient).map(String)).toEqual(['4002', 'server is done'])
  })

  it('a ping is answered, from either side', async () => {
    const { client, server } = await connect()
    client.ping('from the client')
    expect(String((await once(client, 'pong'))[0])).toBe('from the client')
    server.ping('from the endpoint')
    expect(String((await once(server, 'pong'))[0])).toBe('from the endpoint')
    client.terminate()
  })

  it('a client that vanishes is noticed by the endpoint', async () => {
    const { client, server } = await connect()
    const closed = once(server, 'close')
    client.terminate()
    expect((await closed)[0]).toBe(1006)
  })
})

async function connect(): Promise<{ client: WebSocket; server: WebSocket }> {
  const arrived = once(sockets, 'connection')
  const client = new WebSocket(`ws://127.0.0.1:${edge.port}/socket`, { headers: { host: 'app.test' } })
  await once(client, 'open')
  const [server] = (await arrived) as [WebSocket]
  return { client, server }
}

function open(method: string, path: string, headers: http.OutgoingHttpHeaders = {}): http.ClientRequest {
  return http.request({
    host: '127.0.0.1',
    port: edge.port,
    path,
    method,
    headers: { host: 'app.test', ...headers },
    agent: false,
  })
}

async function answerTo(request: http.ClientRequest): Promise<http.IncomingMessage> {
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  return response
}

async function text(response: http.IncomingMessage): Promise<string> {
  let said = ''
  for await (const chunk of response) said += chunk
  return said
}

/** So many bytes, counted in `made` as they are asked for. */
function* blocks(size: number, name: string): Generator<Buffer> {
  for (let bytes = 0; bytes < size; bytes += BLOCK.length) {
    made.set(name, bytes + BLOCK.length)
    yield BLOCK
  }
}

/** By how many bytes the resident memory of workerd rises above where it began while `work` is going on. */
async function growth(work: () => Promise<void>): Promise<number> {
  const before = residentBytes()
  let most = before
  const sampling = setInterval(() => {
    most = Math.max(most, residentBytes())
  }, 10)
  try {
    await work()
  } finally {
    clearInterval(sampling)
  }
  return Math.max(most, residentBytes()) - before
}

function residentBytes(): number {
  const status = readFileSync(`/proc/${edge.process.pid}/status`, 'latin1')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1024
}

/**
 * The most bytes that may be on their way between client and endpoint when one of them does not read: what the kernel lets
 * the buffers of two connections grow to, which is tens of megabytes on some machines, and what workerd may hold.
 */
function between(): number {
  const most = (kind: string) =>
    process.platform === 'linux'
      ? Number(readFileSync(`/proc/sys/net/ipv4/tcp_${kind}`, 'latin1').split('\t')[2])
      : 8 * MB
  return 2 * (most('rmem') + most('wmem')) + FLAT
}

/** The value once it has stood still. */
async function standsStill(read: () => number): Promise<number> {
  for (let last = -1, same = 0; ; await sleep(50)) {
    const now = read()
    same = now === last ? same + 1 : 0
    if (same === 20 && now > 0) return now
    last = now
  }
}

const BLOCK = Buffer.alloc(64 * 1024, 'fourseven ')
