// What clients send to the `http` door to keep it busy, frame by frame, and how each of them ends: with which code, and in
// which record. The door goes on serving the others.

import { once } from 'node:events'
import { createServer } from 'node:http2'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { FlowRecord } from '../../relay/record.ts'
import { startRelay } from '../../relay/relay.ts'
import type { ConfigInput } from '../../shared/config/config.ts'
import { parse } from '../../shared/config/parse.ts'
import {
  codes,
  fieldBlock,
  flags,
  frame,
  type RawClient,
  rawClient,
  request,
  requestFields,
  reset,
  settings,
  types,
} from '../support/http2-frames.ts'

describe('HTTP/2', () => {
  test.each<[string, string, (client: RawClient) => Promise<void>]>([
    [
      'streams that are reset as soon as they are begun (CVE-2023-44487)',
      'http2_resets',
      client => repeat(client, 2_000, i => [request(2 * i + 1, '/slow'), reset(2 * i + 1, codes.cancel)]),
    ],
    ['PINGs without end', 'http2_pings', client => repeat(client, 2_000, () => [frame(types.ping, 0, 0, eight)])],
    ['SETTINGS without end', 'http2_settings', client => repeat(client, 1_000, () => [settings()])],
    [
      'a header in very many CONTINUATION frames (CVE-2024-27316)',
      'http2_continuations',
      async client => {
        await client.send(frame(types.headers, 0, 1, requestFields()))
        await repeat(client, 1_000, i => [frame(types.continuation, 0, 1, fieldBlock([[`x-${i}`, 'y']]))])
      },
    ],
    [
      'DATA frames that hold nothing',
      'http2_frames',
      async client => {
        await client.send(frame(types.headers, flags.endHeaders, 1, requestFields('/slow', 'POST')))
        await repeat(client, 5_000, () => [frame(types.data, 0, 1)])
      },
    ],
    [
      'headers of too many fields, again and again',
      'http2_headers',
      client => repeat(client, 300, i => [tooMany(2 * i + 1)]),
    ],
    [
      'requests that name two hosts, again and again',
      'http2_headers',
      client => repeat(client, 300, i => [headersOf(2 * i + 1, requestFields('/', 'GET', [['host', 'other.test']]))]),
    ],
    [
      'requests that are none, which nghttp2 resets by itself',
      'http2_frames',
      client => repeat(client, 20_000, i => [headersOf(2 * i + 1, requestFields('nowhere'))]),
    ],
  ])('%s: %s', async (_, reason, attack) => {
    const door = await doorOf()
    let code: number | undefined
    // What the relay had not read when it closed makes the kernel answer with a reset, which may overtake the GOAWAY.
    for (let turn = 0; turn < 10 && code === undefined; turn++) {
      const client = await rawClient(door.port)
      await attack(client)
      code = await client.ended()
      expect((await door.recorded(turn + 1))[turn]).toMatchObject({ reason, clientAddress: '127.0.0.1' })
    }
    expect(code).toBe(codes.calm)
    await isServed(door.port)
  })

  test('a header that is larger than any may be ends the connection', async () => {
    const door = await doorOf()
    const client = await rawClient(door.port)
    const block = requestFields('/', 'GET', [['x', 'y'.repeat(100_000)]])
    await client.send(frame(types.headers, 0, 1, block.subarray(0, 16_384)))
    for (let at = 16_384; at < block.length && !client.socket.destroyed; at += 16_384) {
      await client.send(frame(types.continuation, 0, 1, block.subarray(at, at + 16_384)))
    }
    expect(await client.ended()).toBe(codes.compression)
    await isServed(door.port)
  })

  test('more streams than it may open are refused, those it has are served', async () => {
    const door = await doorOf()
    const client = await rawClient(door.port)
    for (let i = 0; i < 140; i++) {
      await client.send(frame(types.headers, flags.endHeaders, 2 * i + 1, requestFields('/slow', 'POST')))
    }
    const refused = await client.seen(({ type }) => type === types.reset)
    expect(refused!.payload.readUInt32BE()).toBe(codes.refused)
    expect(refused!.stream).toBe(2 * 128 + 1)
    await client.send(frame(types.data, flags.endStream, 1, Buffer.from('x')))
    expect(await client.seen(({ type, stream }) => type === types.headers && stream === 1)).toBeDefined()
  })

  test('a header that never ends is cut at the header timeout, however its bytes drip', async () => {
    const door = await doorOf({ headerTimeout: '300ms' })
    const client = await rawClient(door.port)
    await client.send(frame(types.headers, 0, 1, requestFields()))
    let drops = 0
    const drip = () => void (drops++ < 6 && client.send(frame(types.continuation, 0, 1, fieldBlock([['x', 'y']]))))
    const dripping = setInterval(drip, 100)
    onTestFinished(() => clearInterval(dripping))
    expect(await client.ended()).toBe(codes.noError)
    expect((await door.recorded())[0]).toMatchObject({ reason: 'client_gone' })
  })

  test('a client that takes nothing of its answer is reset when the rule is tired of waiting', async () => {
    const door = await doorOf({}, { timeouts: { idle: '1s' } })
    // No window: nothing of any body may be sent (RFC 9113 section 6.9.2).
    const client = await rawClient(door.port, settings([[4, 0]]))
    await client.send(request(1, '/large'))
    await client.seen(({ type, stream }) => type === types.headers && stream === 1)
    const end = await client.seen(({ type, stream }) => type === types.reset && stream === 1)
    expect(end!.payload.readUInt32BE()).toBe(codes.internal)
    expect(await door.requested()).toMatchObject({ reason: 'idle_timeout' })
    await isServed(door.port)
  })

  test('a request whose body stops coming is reset too', async () => {
    const door = await doorOf({}, { timeouts: { idle: '1s', try: '2s', request: '2s' } })
    const client = await rawClient(door.port)
    await client.send(frame(types.headers, flags.endHeaders, 1, requestFields('/slow', 'POST')))
    await client.send(frame(types.data, 0, 1, Buffer.from('x')))
    const answer = await client.seen(({ type, stream }) => type === types.headers && stream === 1)
    expect(answer).toBeDefined()
    expect(await door.requested()).toMatchObject({ status: 408, reason: 'http_request_timeout' })
  })
})

describe('HTTP/1.1', () => {
  test('a header that drips is answered 400 and closed at the header timeout', async () => {
    const door = await doorOf({ headerTimeout: '300ms' })
    const socket = connect(door.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write('GET / HTTP/1.1\r\n')
    let count = 0
    const dripping = setInterval(() => socket.writable && socket.write(`x-${count++}: y\r\n`), 50)
    onTestFinished(() => clearInterval(dripping))
    expect(await readAll(socket)).toMatch(/^HTTP\/1\.1 40[08] /)
  })

  test('a header without end is answered 431', async () => {
    const door = await doorOf()
    const socket = connect(door.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write('GET / HTTP/1.1\r\nHost: x.test\r\n')
    for (let i = 0; i < 20_000 && socket.writable; i++) {
      if (!socket.write(`x-${i}: ${'y'.repeat(50)}\r\n`))
        await Promise.race([once(socket, 'drain'), once(socket, 'close')])
    }
    expect(await readAll(socket)).toMatch(/^HTTP\/1\.1 431 /)
  })
})

/** Some at a time, as long as the other side takes them. */
async function repeat(client: RawClient, count: number, make: (index: number) => readonly Buffer[]): Promise<void> {
  for (let from = 0; from < count && !client.socket.destroyed; from += BATCH) {
    const frames = Array.from({ length: Math.min(BATCH, count - from) }, (_, i) => make(from + i))
    await client.send(...frames.flat())
    await new Promise(done => setTimeout(done, 1))
  }
}

const BATCH = 100

function tooMany(stream: number): Buffer {
  const fields = Array.from({ length: 200 }, (_, i) => [`x-${i}`, 'y'] as const)
  return headersOf(stream, requestFields('/', 'GET', fields))
}

function headersOf(stream: number, block: Buffer): Buffer {
  return frame(types.headers, flags.endHeaders | flags.endStream, stream, block)
}

async function isServed(port: number): Promise<void> {
  const client = await rawClient(port)
  await client.send(request(1))
  const answer = await client.seen(({ type, stream }) => type === types.headers && stream === 1)
  expect(answer).toBeDefined()
  client.socket.destroy()
}

async function readAll(socket: Socket): Promise<string> {
  let text = ''
  socket.on('data', chunk => {
    text += chunk
  })
  if (!socket.destroyed) await once(socket, 'close')
  return text
}

/** An `http` listener; `/slow` answers when the body has come, `/large` with more than any window. */
async function doorOf(listener: object = {}, rule: object = {}) {
  const endpoint = createServer().on('stream', (stream, headers) => {
    stream.on('error', () => {})
    stream.resume()
    if (headers[':path'] === '/slow') {
      stream.on('end', () => stream.destroyed || stream.respond({ ':status': 200 }, { endStream: true }))
      return
    }
    stream.respond({ ':status': 200 })
    stream.end(headers[':path'] === '/large' ? Buffer.alloc(10_000_000) : 'answer')
  })
  endpoint.listen(0, '127.0.0.1')
  await once(endpoint, 'listening')
  onTestFinished(() => void endpoint.close())
  const config: ConfigInput = {
    listeners: { door: { kind: 'http', address: '127.0.0.1:0', ...listener } },
    pools: { pool: { endpoints: [`h2c://127.0.0.1:${(endpoint.address() as AddressInfo).port}`] } },
    routes: [{ name: 'route', listener: 'door', pool: 'pool', ...rule }],
  }
  const flows: FlowRecord[] = []
  const requests: object[] = []
  const relay = await startRelay({
    config: parse(config).config,
    variables: {},
    onRecord: record => flows.push(record),
    onRequest: record => requests.push(record),
  })
  onTestFinished(() => relay.stop({ drainMs: 0 }))
  const firstOf = async <Each>(all: Each[], count = 1) => {
    while (all.length < count) await new Promise(later => setTimeout(later, 10))
    return all
  }
  return {
    port: relay.addresses.get('door')!.port,
    /** Of connections. */
    recorded: (count = 1) => firstOf(flows, count),
    requested: async () => (await firstOf(requests))[0],
  }
}

const eight = Buffer.alloc(8)
