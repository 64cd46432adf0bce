// Connections to endpoints that nobody needs, or at whose other end nobody is any more: when they are let go.

import { once } from 'node:events'
import http2 from 'node:http2'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Asker, EndpointAnswer, Question } from '../../relay/http/call.ts'
import { EndpointConnections } from '../../relay/http/endpoint-connections.ts'
import { Fields } from '../../relay/http/fields.ts'
import { Http2Endpoint } from '../../relay/http/http2-endpoint.ts'
import { tableOf } from '../support/table.ts'
import { opened } from './http-lab.ts'

// The clocks that say how long ago something was; the system's own go on.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

describe('over HTTP/2', () => {
  it('an endpoint that answers pings keeps its connection as long as requests come', async () => {
    let pings = 0
    const server = http2.createServer((_, response) => response.end('x'))
    server.on('session', session => session.on('ping', () => (pings += 1)))
    const { endpoint, isClosed } = await endpointAt(server)
    for (let minute = 0; minute < 9; minute++) {
      expect(await answer(asker => endpoint.ask(question, asker))).toBe(200)
      vi.advanceTimersByTime(20_000)
      await moved(() => pings === minute + 1)
    }
    expect(isClosed()).toBe(false)
    endpoint.destroy()
  })

  it('one that is gone without a word answers no ping, and its requests are told', async () => {
    const silent = createServer(socket => socket.on('error', () => {}).resume())
    const { endpoint, isClosed } = await endpointAt(silent)
    const failed = answer(asker => endpoint.ask(question, asker))
    vi.advanceTimersByTime(20_000)
    expect(isClosed()).toBe(false)
    vi.advanceTimersByTime(20_000)
    expect(await failed).toBe('connection_terminated')
    await moved(isClosed)
  })

  it('one that nobody asks for a minute is let go', async () => {
    const server = http2.createServer((_, response) => response.end('x'))
    let isGone = false
    server.on('session', session => session.on('close', () => (isGone = true)))
    const { endpoint, isClosed } = await endpointAt(server)
    expect(await answer(asker => endpoint.ask(question, asker))).toBe(200)
    await moved(() => endpoint.open === 0)
    for (let looks = 0; looks < 3; looks++) {
      vi.advanceTimersByTime(20_000)
      // Pings are answered in turn: the watch's own has been.
      await new Promise(acknowledged => endpoint.session.ping(acknowledged))
      expect(isClosed()).toBe(false)
    }
    vi.advanceTimersByTime(20_000)
    expect(isClosed()).toBe(true)
    await moved(() => isGone)
  })
})

describe('over HTTP/1.1', () => {
  it.each([
    ['that does not say how long it keeps a connection is let go after 15 s', '', 15_000],
    ['that says 5 s is let go a second sooner', 'Keep-Alive: timeout=5\r\n', 4_000],
    ['that says an hour is let go after 75 s', 'Keep-Alive: timeout=3600\r\n', 75_000],
  ])('an endpoint %s', async (_, fields, keptMs) => {
    const sockets: Socket[] = []
    const server = createServer(socket => {
      sockets.push(socket)
      socket.on('error', () => {})
      socket.on('data', () => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 0\r\n${fields}\r\n`))
    })
    const connections = await connectionsTo(server)
    for (let asked = 0; asked < 3; asked++) {
      expect(await answer(asker => connections.ask(question, asker, 60_000))).toBe(200)
      vi.advanceTimersByTime(keptMs - 100)
    }
    expect(sockets).toHaveLength(1)
    const closed = once(sockets[0]!, 'close')
    vi.advanceTimersByTime(200)
    await closed
    expect(await answer(asker => connections.ask(question, asker, 60_000))).toBe(200)
    expect(sockets).toHaveLength(2)
    connections.close()
  })

  it('one that says it closes at once is not asked again on that connection', async () => {
    let count = 0
    const server = createServer(socket => {
      count += 1
      socket.on('error', () => {})
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nKeep-Alive: timeout=1\r\n\r\n'))
    })
    const connections = await connectionsTo(server)
    for (let asked = 0; asked < 3; asked++) {
      expect(await answer(asker => connections.ask(question, asker, 60_000))).toBe(200)
    }
    expect(count).toBe(3)
  })
})

async function endpointAt(server: Server | http2.Http2Server) {
  const socket = connect({ host: '127.0.0.1', port: await opened(server as Server) })
  await once(socket, 'connect')
  let isClosed = false
  const closed = () => {
    isClosed = true
  }
  return { endpoint: new Http2Endpoint(socket, () => {}, closed), isClosed: () => isClosed }
}

async function connectionsTo(server: Server): Promise<EndpointConnections> {
  const table = tableOf({
    listeners: { web: { kind: 'http', address: '127.0.0.1:0' } },
    pools: { app: { endpoints: [`http://127.0.0.1:${await opened(server)}`] } },
    routes: [{ name: 'app', listener: 'web', pool: 'app' }],
  })
  const pool = table.pools[0]!
  const noTls = () => {
    throw new Error('no TLS here')
  }
  return new EndpointConnections(pool, pool.endpoints[0]!, noTls, () => true)
}

/** The status, or why there is none. */
function answer(ask: (asker: Asker) => unknown): Promise<number | string> {
  return new Promise(resolve => {
    ask({
      answered: ({ status, body }: EndpointAnswer) => {
        body?.sendTo({ write: () => true, end: () => {}, abort: () => {}, onDrain: () => {} })
        resolve(status)
      },
      failed: ({ reason }) => resolve(reason),
      informed: () => {},
    })
  })
}

/** What has to come from the other side of a connection, without a clock. */
async function moved(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(resolve => setImmediate(resolve))
}

const question: Question = {
  method: 'GET',
  path: '/',
  scheme: 'http',
  authority: 'app.test',
  fields: new Fields(),
  upload: { kind: 'none', bytes: undefined, body: undefined, length: undefined },
  isUpgrade: false,
  takesTrailers: false,
  isCall: false,
  isTimed: false,
  isRepeatable: true,
  introduction: undefined,
}
