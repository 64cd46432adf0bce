// WebSockets where one side speaks HTTP/2: a stream opened by an extended CONNECT (RFC 8441) and the upgrade of HTTP/1.1 are one
// and the same for rules, records and the bytes in between.

import { once } from 'node:events'
import http from 'node:http'
import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import { createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { acceptOf } from '../../relay/http/websocket.ts'
import { needs } from '../support/needs.ts'
import { freePort, haproxy, nghttpx } from '../support/servers.ts'
import { ask, endpoint, http2Endpoint, httpLab, onEnd, opened, session, until } from './http-lab.ts'

describe('a client that speaks HTTP/2', () => {
  it('is joined to an endpoint of HTTP/1.1, which sees a plain WebSocket', async () => {
    const { address, seen } = await chat()
    const { port, records, recorded } = await httpLab([address])
    const client = session(port)
    const { stream, headers } = await connectOn(client, '/live?room=1', { 'sec-websocket-protocol': 'chat' })
    expect(headers).toMatchObject({ ':status': 200, 'sec-websocket-protocol': 'chat' })
    for (const field of ['sec-websocket-accept', 'upgrade', 'connection']) expect(headers[field]).toBeUndefined()
    const said = reading(stream)
    expect(await said()).toBe('at app')
    stream.write(frame('hello'))
    expect(await said()).toBe('echo hello')
    expect(seen[0]).toMatchObject({ method: 'GET', url: '/live?room=1' })
    expect(seen[0]!.headers).toMatchObject({ host: 'app.test', 'x-forwarded-for': '127.0.0.1', upgrade: 'websocket' })
    // Other requests go on beside it.
    expect((await ask(port, '/')).status).toBe(426)
    await until(() => records.length === 1)
    const ended = once(stream, 'close')
    stream.end(closing)
    await ended
    const record = (await recorded(2))[1]
    expect(record).toMatchObject({ status: 101, reason: null, path: '/live', protocol: 'HTTP/2', method: 'GET' })
    expect(record!.bytesIn).toBeGreaterThan(0)
    expect(record!.bytesOut).toBeGreaterThan(0)
  })

  it('has many at a time on one connection, and much goes through both ways', async () => {
    const { port } = await httpLab([await echoing()])
    const client = session(port)
    const bytes = Buffer.alloc(3_000_000, 'x')
    const lengths = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const { stream } = await connectOn(client, '/')
        stream.end(bytes)
        let length = 0
        for await (const chunk of stream) length += (chunk as Buffer).length
        return length
      }),
    )
    expect(lengths).toEqual(new Array(4).fill(bytes.length))
  })

  it('that goes away takes the endpoint with it, and the other way round', async () => {
    const { address, server } = await chat()
    const { port, recorded, relay } = await httpLab([address])
    const first = await connectOn(session(port), '/')
    await reading(first.stream)()
    const [socket] = server.clients
    const closed = once(socket!, 'close')
    first.stream.close(8)
    await closed
    await recorded(1)

    const second = await connectOn(session(port), '/')
    await reading(second.stream)()
    const ended = once(second.stream, 'close')
    for (const each of server.clients) each.terminate()
    await ended
    await recorded(2)
    const { plane } = relay
    await until(() => plane.observed.open[plane.table.pools[0]!.endpoints[0]!.slot] === 0)
  })

  it('is cut when the relay stops and the time is up, with the reason in its record', async () => {
    const { address } = await chat()
    const { port, relay, recorded } = await httpLab([address])
    const client = session(port)
    const { stream } = await connectOn(client, '/')
    await reading(stream)()
    const ended = once(stream, 'close')
    const goaway = once(client, 'goaway')
    const stopped = relay.stop({ drainMs: 300 })
    await goaway
    await ended
    await stopped
    expect((await recorded(1))[0]).toMatchObject({ status: 101, reason: 'drained' })
  })

  it('hears why it is refused: by the endpoint, or by the relay', async () => {
    const refusing = await endpoint((_, response) => response.writeHead(403).end('no'))
    const plain = await endpoint((_, response) => response.end('a page'))
    const lying = createServer(socket => {
      socket.on('error', () => {})
      const fields = 'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: made-up\r\n'
      socket.once('data', () => socket.write(`HTTP/1.1 101 Switching Protocols\r\n${fields}\r\n`))
    })
    const { port, recorded } = await httpLab([], {
      pools: {
        refusing: { endpoints: [refusing.address] },
        plain: { endpoints: [plain.address] },
        lying: { endpoints: [`http://127.0.0.1:${await opened(lying)}`] },
      },
      routes: [
        {
          name: 'all',
          listener: 'web',
          rules: [
            ...['refusing', 'plain', 'lying'].map(pool => ({ match: { path: `/${pool}` }, pool })),
            { match: { path: '/reply' }, reply: { status: 200, body: 'hello' } },
          ],
        },
      ],
    })
    const client = session(port)
    const asked = async (path: string, more: OutgoingHttpHeaders = {}) => {
      const { stream, headers } = await connectOn(client, path, more)
      stream.resume()
      await once(stream, 'close')
      return headers[':status']
    }
    expect(await asked('/refusing')).toBe(403)
    expect(await asked('/plain')).toBe(502)
    expect(await asked('/lying')).toBe(502)
    expect(await asked('/reply')).toBe(502)
    expect(await asked('/nowhere')).toBe(404)
    expect(await asked('/plain', { ':protocol': 'connect-udp' })).toBe(501)
    expect((await recorded(6)).map(({ reason }) => reason)).toEqual([
      null,
      'http_upgrade_failed',
      'http_upgrade_failed',
      'http_upgrade_failed',
      'destination_not_found',
      'http_request_error',
    ])
  })
})

describe('an endpoint that speaks HTTP/2', () => {
  it('and takes WebSockets has each as a stream, from clients of either', async () => {
    const seen: object[] = []
    const { address } = await http2Endpoint(
      (stream, headers) => {
        seen.push(headers)
        if (headers[':method'] === 'CONNECT') chatOn(stream)
        else stream.respond({ ':status': 200 }, { endStream: true })
      },
      { enableConnectProtocol: true },
    )
    const { port, recorded } = await httpLab([address])
    const one = new WebSocket(`ws://127.0.0.1:${port}/live`, 'chat')
    onEnd(() => one.terminate())
    await once(one, 'open')
    expect(one.protocol).toBe('chat')
    one.send('hello')
    expect(String((await once(one, 'message'))[0])).toBe('hello')
    const two = await connectOn(session(port), '/live')
    two.stream.write(frame('hello'))
    expect(await reading(two.stream)()).toBe('hello')
    for (const headers of seen) {
      expect(headers).toMatchObject({ ':protocol': 'websocket', ':path': '/live', 'sec-websocket-version': '13' })
      expect(headers).not.toHaveProperty('sec-websocket-key')
      expect(headers).not.toHaveProperty('upgrade')
    }
    expect((await ask(port, '/')).status).toBe(200)
    one.terminate()
    two.stream.close()
    expect((await recorded(3)).map(({ status }) => status).sort()).toEqual([101, 101, 200])
  })

  it('and takes none is asked in HTTP/1.1, as one that speaks both', async () => {
    const { address } = await http2Endpoint(stream => stream.respond({ ':status': 200 }, { endStream: true }))
    const { port } = await httpLab([address])
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`)
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, http.IncomingMessage]
    expect(response.statusCode).toBe(502)
    response.destroy()
  })
})

describe('proxies of others', () => {
  const inFront: [string, (port: number, door: number) => Promise<void>][] = [
    [
      'haproxy',
      (port, door) =>
        haproxy(port, `listen l\n  mode http\n  bind 127.0.0.1:${port}\n  server s 127.0.0.1:${door} proto h2 ws h2`),
    ],
    ['nghttpx', (port, door) => nghttpx(port, `127.0.0.1,${door};;proto=h2`)],
  ]
  for (const [name, open] of inFront) {
    needs(name)(`${name} in front sends them over HTTP/2`, async () => {
      const { address } = await chat()
      const door = await httpLab([address])
      const port = await freePort()
      await open(port, door.port)
      await chatsThrough(port)
      expect((await door.recorded(1))[0]).toMatchObject({ status: 101, protocol: 'HTTP/2' })
    })
  }

  const behind: [string, (port: number, endpoint: number) => Promise<void>][] = [
    [
      'haproxy',
      (port, endpoint) =>
        haproxy(port, `listen l\n  mode http\n  bind 127.0.0.1:${port} proto h2\n  server s 127.0.0.1:${endpoint}`),
    ],
    ['nghttpx', (port, endpoint) => nghttpx(port, `127.0.0.1,${endpoint}`)],
  ]
  for (const [name, open] of behind) {
    needs(name)(`${name} as an endpoint of HTTP/2 takes them`, async () => {
      const { address } = await chat()
      const port = await freePort()
      await open(port, Number(new URL(address).port))
      await chatsThrough((await httpLab([`h2c://127.0.0.1:${port}`])).port)
    })
  }
})

async function chatsThrough(port: number): Promise<void> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/live`)
  onEnd(() => socket.terminate())
  expect(String((await once(socket, 'message'))[0])).toBe('at app')
  socket.send('x'.repeat(100_000))
  expect(String((await once(socket, 'message'))[0])).toBe(`echo ${'x'.repeat(100_000)}`)
  const closed = once(socket, 'close')
  socket.close(4_000)
  expect((await closed)[0]).toBe(4_000)
}

/** A server of `ws` that says by which route each came, and repeats what it hears. */
async function chat() {
  const inner = http.createServer((_, response) => response.writeHead(426).end())
  const server = new WebSocketServer({ server: inner })
  const seen: http.IncomingMessage[] = []
  server.on('connection', (socket, request) => {
    seen.push(request)
    socket.on('error', () => {})
    socket.send(`at ${request.headers['x-fourseven-route']}`)
    socket.on('message', message => socket.send(`echo ${message}`))
  })
  return { address: `http://127.0.0.1:${await opened(inner)}`, server, seen }
}

/** Opens what is asked for and gives every byte back. */
async function echoing(): Promise<string> {
  const server = http.createServer()
  server.on('upgrade', (request, socket) => {
    const accept = acceptOf(request.headers['sec-websocket-key']!)
    const fields = `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n`
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${fields}\r\n`)
    socket.pipe(socket)
  })
  return `http://127.0.0.1:${await opened(server)}`
}

function chatOn(stream: ServerHttp2Stream): void {
  stream.respond({ ':status': 200, 'sec-websocket-protocol': 'chat' })
  stream.on('data', (bytes: Buffer) => {
    const mask = bytes.subarray(2, 6)
    const text = bytes.subarray(6).map((byte, at) => byte ^ mask[at % 4]!)
    stream.write(Buffer.concat([Buffer.from([0x81, text.length]), text]))
  })
  stream.on('end', () => stream.end())
}

/** Asks once the relay has said that it takes them. */
async function connectOn(client: ClientHttp2Session, path: string, more: OutgoingHttpHeaders = {}) {
  await until(() => client.remoteSettings?.enableConnectProtocol === true)
  const stream = client.request({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':scheme': 'http',
    ':authority': 'app.test',
    ':path': path,
    'sec-websocket-version': '13',
    ...more,
  })
  stream.on('error', () => {})
  const [headers] = await once(stream, 'response')
  return { stream, headers }
}

/** A short text from a client (RFC 6455 section 5.2), with a mask of zeros. */
function frame(text: string): Buffer {
  return Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)])
}

/** Gives the text of the next frame from a server, time after time. */
function reading(stream: ClientHttp2Stream): () => Promise<string> {
  let bytes = Buffer.alloc(0)
  stream.on('data', (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk])
  })
  return async () => {
    await until(() => bytes.length >= 2 && bytes.length >= 2 + bytes[1]!)
    const end = 2 + bytes[1]!
    const text = String(bytes.subarray(2, end))
    bytes = bytes.subarray(end)
    return text
  }
}

/** Close, with code 1000. */
const closing = Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8])
