// gRPC through the relay's `http` door, with client and server of @grpc/grpc-js: all kinds of calls, what they carry, how they
// end, and how they spread.

import { once } from 'node:events'
import {
  connect,
  constants,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { createServer as createTls, type Server as TlsServer } from 'node:tls'
import {
  Metadata,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { RelayRequestRecord } from '../../relay/http/plane.ts'
import { startRelay } from '../../relay/relay.ts'
import type { ConfigInput } from '../../shared/config/config.ts'
import { parse } from '../../shared/config/parse.ts'
import { authority, pemOf } from '../support/certificates.ts'
import { failure, grpcClient, grpcServer, messages, unary } from '../support/grpc.ts'
import { freePort } from '../support/servers.ts'

describe('every kind of call passes', () => {
  test('unary, with metadata of text and of bytes both ways', async () => {
    const { client } = await through(echo)
    const fields = new Metadata()
    fields.set('x-text', 'a, b')
    fields.set('x-bytes-bin', Buffer.of(0, 255, 10, 13))
    fields.add('x-many', 'one')
    fields.add('x-many', 'two')
    const answer = await unary(client, 'hello', fields)
    expect(answer.message).toBe('hello')
    expect(answer.header.get('x-text')).toEqual(['a, b'])
    expect(answer.header.get('x-bytes-bin')).toEqual([Buffer.of(0, 255, 10, 13)])
    expect(answer.header.get('x-many').join(', ')).toBe('one, two')
    expect(answer.status.metadata.get('x-end-bin')).toEqual([Buffer.of(1, 2, 3)])
  })

  test('messages of no bytes and of a megabyte', async () => {
    const { client } = await through(echo)
    expect((await unary(client, '')).message).toBe('')
    const large = 'x'.repeat(1_000_000)
    expect((await unary(client, large)).message).toBe(large)
  })

  test('a stream from the client', async () => {
    const { client } = await through(echo)
    const answer = await new Promise<string>((resolve, reject) => {
      const call = client.collect(new Metadata(), {}, (error, message) => {
        if (error === null) resolve(String(message))
        else reject(error)
      })
      for (let i = 0; i < 100; i++) call.write(Buffer.from(`${i},`))
      call.end()
    })
    expect(answer).toBe(Array.from({ length: 100 }, (_, i) => `${i},`).join(''))
  })

  test('a stream to the client', async () => {
    const { client } = await through(echo)
    const all = await messages(client.list(Buffer.from('100'), new Metadata(), {}))
    expect(all).toEqual(Array.from({ length: 100 }, (_, i) => String(i)))
  })

  test('streams both ways, each message answered before the next is sent', async () => {
    const { client } = await through(echo)
    const call = client.chat(new Metadata(), {})
    for (let i = 0; i < 20; i++) {
      call.write(Buffer.from(`ping ${i}`))
      const [message] = await once(call, 'data')
      expect(String(message)).toBe(`ping ${i}`)
    }
    const ended = once(call, 'status')
    call.end()
    call.resume()
    expect((await ended)[0]).toMatchObject({ code: status.OK })
  })

  test('an answer of the status alone, with its message and its metadata', async () => {
    const { client } = await through({
      unary: (_: unknown, done: sendUnaryData<Buffer>) => {
        const metadata = new Metadata()
        metadata.set('x-why-bin', Buffer.of(7))
        done({ code: status.FAILED_PRECONDITION, details: 'not now: 50 % of ä', metadata })
      },
    })
    const error = await failure(unary(client, 'hello'))
    expect(error).toMatchObject({ code: status.FAILED_PRECONDITION, details: 'not now: 50 % of ä' })
    expect(error.metadata.get('x-why-bin')).toEqual([Buffer.of(7)])
  })
})

describe('endpoints by the schemes of gRPC', () => {
  test('grpc:// is HTTP/2 in the clear', async () => {
    const server = await grpcServer(echo)
    const { port } = await relayOf(configOf([], {}, { endpoints: [`grpc://127.0.0.1:${server.port}`] }))
    expect((await unary(grpcClient(port), 'hello')).message).toBe('hello')
  })

  test('grpcs:// is HTTP/2 inside TLS, verified, and nothing else', async () => {
    const ca = authority()
    const { key, cert } = pemOf(ca.sign('cart.test', 'IP:127.0.0.1'))
    const pair = { private_key: Buffer.from(key), cert_chain: Buffer.from(cert) }
    const server = await grpcServer(echo, { credentials: ServerCredentials.createSsl(null, [pair]) })
    const plain = createTls({ key, cert, ALPNProtocols: ['http/1.1'] }, socket => socket.on('error', () => {}))
    const silent = createTls({ key, cert }, socket => socket.on('error', () => {}))
    const ports = await Promise.all([plain, silent].map(other => listening(other)))
    const through = async (at: number) => {
      const pool = { endpoints: [`grpcs://127.0.0.1:${at}`], tls: { ca: ca.ca } }
      const { port } = await relayOf(configOf([], {}, pool))
      return unary(grpcClient(port), 'hello')
    }
    expect((await through(server.port)).message).toBe('hello')
    for (const port of ports) expect(await failure(through(port))).toMatchObject({ code: status.UNAVAILABLE })
  })
})

describe('a deadline', () => {
  test('reaches the endpoint, shorter by what has passed', async () => {
    let told = 0
    const { client } = await through({
      unary: (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) => {
        told = Number(call.getDeadline()) - Date.now()
        done(null, call.request)
      },
    })
    await unary(client, 'hello', new Metadata(), { deadline: Date.now() + 20_000 })
    expect(told).toBeGreaterThan(5_000)
    expect(told).toBeLessThanOrEqual(20_500)
  })

  test('that has passed ends the call with DEADLINE_EXCEEDED by the relay, and the endpoint is told to stop', async () => {
    const ended = heard()
    // It does not look at the deadline itself.
    const deaf = await plainServer(stream => stream.once('close', () => ended.tell(stream.rstCode)))
    const { port } = await relayOf(configOf([deaf]))
    const { call } = await rawCall(port, { 'grpc-timeout': '200m' })
    expect(await call).toMatchObject({ ':status': 200, 'grpc-status': '4' })
    expect(await ended.isTold).toBe(constants.NGHTTP2_CANCEL)
  })

  test('ends a stream that has begun in the same way', async () => {
    const ended = heard()
    const deaf = await plainServer(stream => {
      stream.once('close', () => ended.tell(stream.rstCode))
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
      stream.write(Buffer.alloc(5))
    })
    const { port } = await relayOf(configOf([deaf]))
    const { call } = await rawCall(port, { 'grpc-timeout': '300m' })
    expect(await call).toMatchObject({ ':status': 200, 'grpc-status': '4' })
    expect(await ended.isTold).toBe(constants.NGHTTP2_CANCEL)
  })

  test('of the rule bounds calls without one and shortens longer ones', async () => {
    let told = 0
    const { client } = await through(
      {
        unary: (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) => {
          told = Number(call.getDeadline()) - Date.now()
          done(null, call.request)
        },
        chat: () => {},
      },
      { timeouts: { call: '2s' } },
    )
    await unary(client, 'hello')
    expect(told).toBeGreaterThan(0)
    expect(told).toBeLessThanOrEqual(2_500)
    await unary(client, 'hello', new Metadata(), { deadline: Date.now() + 60_000 })
    expect(told).toBeLessThanOrEqual(2_500)
    const call = client.chat(new Metadata(), {})
    call.on('error', () => {})
    call.resume()
    const code = await new Promise(resolve => call.on('status', ended => resolve(ended.code)))
    expect(code).toBe(status.DEADLINE_EXCEEDED)
  })
})

describe('cancelling', () => {
  test('by the client reaches the endpoint', async () => {
    const [began, cancelled] = [heard(), heard()]
    const { client } = await through({
      chat: (call: ServerDuplexStream<Buffer, Buffer>) => {
        call.on('error', () => {})
        call.on('cancelled', () => cancelled.tell())
        began.tell()
      },
    })
    const call = client.chat(new Metadata(), {})
    call.on('error', () => {})
    call.write(Buffer.from('hello'))
    await began.isTold
    call.cancel()
    await cancelled.isTold
  })

  test('by the endpoint reaches the client with its status', async () => {
    const { client } = await through({
      list: (call: ServerWritableStream<Buffer, Buffer>) => {
        call.write(Buffer.from('first'))
        call.emit('error', { code: status.ABORTED, details: 'enough' })
      },
    })
    expect(await failure(messages(client.list(Buffer.from('9'), new Metadata(), {})))).toMatchObject({
      code: status.ABORTED,
      details: 'enough',
    })
  })
})

describe('an answer that is no gRPC', () => {
  test.each([
    [404, status.UNIMPLEMENTED],
    [403, status.PERMISSION_DENIED],
    [503, status.UNAVAILABLE],
    [200, status.UNKNOWN],
  ])('of status %d is %d', async (http, code) => {
    const server = await plainServer(stream => {
      stream.respond({ ':status': http, 'content-type': 'text/html' })
      stream.end('<p>a page</p>')
    })
    const { port } = await relayOf(configOf([server]))
    const { call } = await rawCall(port, {})
    expect(await call).toMatchObject({
      ':status': 200,
      'content-type': 'application/grpc',
      'grpc-status': String(code),
    })
  })

  test('that breaks off has a status at its end', async () => {
    const server = await plainServer(stream => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
      stream.write(Buffer.alloc(5), () => stream.close(constants.NGHTTP2_INTERNAL_ERROR))
    })
    const { port } = await relayOf(configOf([server]))
    const { call } = await rawCall(port, {})
    expect(await call).toMatchObject({ ':status': 200, 'grpc-status': String(status.UNAVAILABLE) })
  })
})

describe('what the relay answers itself is a gRPC status', () => {
  test.each([
    ['no route', { match: { path: '/other' } }, status.UNIMPLEMENTED],
    [
      'a reply of the config',
      { pool: undefined, reply: { status: 401, body: 'log in first' } },
      status.UNAUTHENTICATED,
    ],
    ['a reply that denies', { pool: undefined, reply: { status: 403 } }, status.PERMISSION_DENIED],
  ] as const)('%s', async (_, rule, code) => {
    const { client } = await through(echo, rule)
    expect(await failure(unary(client, 'hello'))).toMatchObject({ code })
  })

  test('an endpoint that is not there is UNAVAILABLE', async () => {
    const config = configOf([await freePort()])
    const { port } = await relayOf(config)
    expect(await failure(unary(grpcClient(port), 'hello'))).toMatchObject({ code: status.UNAVAILABLE })
  })

  test('a pool that is full is RESOURCE_EXHAUSTED', async () => {
    const began = heard()
    const held: ServerDuplexStream<Buffer, Buffer>[] = []
    const server = await grpcServer({
      ...echo,
      chat: (call: ServerDuplexStream<Buffer, Buffer>) => {
        held.push(call)
        began.tell()
      },
    })
    const { port } = await relayOf(configOf([server.port], {}, { limits: { maxRequests: 1 } }))
    const client = grpcClient(port)
    const call = client.chat(new Metadata(), {})
    call.on('error', () => {})
    call.resume()
    await began.isTold
    expect(await failure(unary(client, 'hello'))).toMatchObject({ code: status.RESOURCE_EXHAUSTED })
    call.cancel()
  })
})

describe('a call that the endpoint has not begun on is sent elsewhere, with all that was sent of it', () => {
  const refusals: [string, (stream: ServerHttp2Stream, server: Http2Server) => void][] = [
    ['REFUSED_STREAM', stream => stream.close(constants.NGHTTP2_REFUSED_STREAM)],
    [
      'GOAWAY that names an earlier one',
      (stream, server) => {
        stream.session!.goaway(constants.NGHTTP2_NO_ERROR, 1)
        server.close()
      },
    ],
  ]
  test.each(refusals)('%s', async (_, refuse) => {
    let refused = 0
    const first = await plainServer((stream, server) => {
      refused += 1
      if (stream.id === 1) stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
      else refuse(stream, server)
    })
    const second = await grpcServer(echo)
    const config = configOf([first, second.port])
    const pool = config.pools['pool']!
    const { port } = await relayOf({ ...config, pools: { pool: { ...pool, balance: 'round-robin', outlier: false } } })
    const client = grpcClient(port)
    // The one stream that it takes.
    const open = [client.chat(new Metadata(), {}), client.chat(new Metadata(), {})]
    for (const call of open) call.on('error', () => {}).resume()
    while (refused === 0) await new Promise(later => setTimeout(later, 5))
    for (let i = 0; i < 10; i++) expect((await unary(client, `call ${i}`)).message).toBe(`call ${i}`)
    expect(refused).toBeGreaterThan(0)
    for (const call of open) call.cancel()
  })
})

test('rules match by service, method and metadata', async () => {
  const [one, two] = [await grpcServer(answering('one')), await grpcServer(answering('two'))]
  const { port } = await relayOf({
    listeners: { door: { kind: 'http', address: '127.0.0.1:0' } },
    pools: { one: { endpoints: [`h2c://127.0.0.1:${one.port}`] }, two: { endpoints: [`h2c://127.0.0.1:${two.port}`] } },
    routes: [
      {
        name: 'calls',
        listener: 'door',
        rules: [
          { match: { grpc: { service: 'fourseven.test.Calls', method: 'Unary' } }, pool: 'one' },
          { match: { grpc: { method: { regex: 'Unary' } }, header: { 'x-to-bin': 'AgI=' } }, pool: 'two' },
          {
            match: { grpc: { service: 'fourseven.test.Calls', method: 'Unary' }, header: { 'x-to-bin': 'AQI' } },
            pool: 'two',
          },
        ],
      },
    ],
  })
  const client = grpcClient(port)
  expect((await unary(client, '')).message).toBe('one')
  const fields = new Metadata()
  fields.set('x-to-bin', Buffer.of(1, 2))
  expect((await unary(client, '', fields)).message).toBe('two')
  expect(await failure(messages(client.list(Buffer.of(), new Metadata(), {})))).toMatchObject({
    code: status.UNIMPLEMENTED,
  })
})

test('calls are counted and recorded by their status, of the endpoint or of the relay', async () => {
  const server = await grpcServer({
    ...echo,
    collect: (_: unknown, done: sendUnaryData<Buffer>) => done({ code: status.ABORTED }),
  })
  const records: RelayRequestRecord[] = []
  const config = configOf([server.port], { match: { grpc: { service: 'fourseven.test.Calls' } } })
  const relay = await startRelay({
    config: parse({ ...config, threads: 2 }).config,
    variables: {},
    onRecord: () => {},
    onRequest: record => records.push(record),
  })
  onTestFinished(() => relay.stop({ drainMs: 0 }))
  const { port } = relay.addresses.get('door')!
  const client = grpcClient(port)
  for (let i = 0; i < 3; i++) await unary(client, 'hello')
  const aborted = new Promise(resolve => client.collect(new Metadata(), {}, resolve).end())
  expect(await aborted).toMatchObject({ code: status.ABORTED })
  const { call } = await rawCall(port, { ':path': '/another.Service/Unary' })
  expect(await call).toMatchObject({ 'grpc-status': String(status.UNIMPLEMENTED) })
  await vi.waitFor(() => expect(records).toHaveLength(5), 10_000)
  expect(records.map(({ grpcStatus }) => grpcStatus).sort()).toEqual([0, 0, 0, status.ABORTED, status.UNIMPLEMENTED])
  const lines = (await relay.requestMetrics()).split('\n').filter(line => line.startsWith('fourseven_grpc_calls_total'))
  expect(lines.sort()).toEqual([
    'fourseven_grpc_calls_total{route="calls",variant="pool",status="ABORTED"} 1',
    'fourseven_grpc_calls_total{route="calls",variant="pool",status="OK"} 3',
    'fourseven_grpc_calls_total{status="UNIMPLEMENTED"} 1',
  ])
})

/** Gives back what came, with the same metadata; `x-end-bin` at the end. */
const echo: UntypedServiceImplementation = {
  unary: (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) => {
    call.sendMetadata(call.metadata)
    const end = new Metadata()
    end.set('x-end-bin', Buffer.of(1, 2, 3))
    done(null, call.request, end)
  },
  collect: (call: ServerReadableStream<Buffer, Buffer>, done: sendUnaryData<Buffer>) => {
    const all: Buffer[] = []
    call.on('data', message => all.push(message))
    call.on('end', () => done(null, Buffer.concat(all)))
  },
  list: (call: ServerWritableStream<Buffer, Buffer>) => {
    for (let i = 0; i < Number(call.request); i++) call.write(Buffer.from(String(i)))
    call.end()
  },
  chat: (call: ServerDuplexStream<Buffer, Buffer>) => {
    call.on('data', message => call.write(message))
    call.on('end', () => call.end())
  },
}

function answering(name: string): UntypedServiceImplementation {
  return { unary: (_: unknown, done: sendUnaryData<Buffer>) => done(null, Buffer.from(name)) }
}

/** A relay in front of one server that does this, and a client of the relay. */
async function through(implementation: UntypedServiceImplementation, rule: object = {}) {
  const server = await grpcServer(implementation)
  const { port } = await relayOf(configOf([server.port], rule))
  return { port, client: grpcClient(port) }
}

async function relayOf(config: ConfigInput): Promise<{ readonly port: number }> {
  const relay = await startRelay({ config: parse(config).config, variables: {}, onRecord: () => {} })
  onTestFinished(() => relay.stop({ drainMs: 0 }))
  return relay.addresses.get('door')!
}

/** One `http` listener and one pool of gRPC servers at these ports. */
function configOf(ports: readonly number[], rule: object = {}, pool: object = {}): ConfigInput {
  return {
    listeners: { door: { kind: 'http', address: '127.0.0.1:0' } },
    pools: { pool: { endpoints: ports.map(port => `h2c://127.0.0.1:${port}`), ...pool } },
    routes: [{ name: 'calls', listener: 'door', pool: 'pool', ...rule }],
  }
}

/** A call without a library; resolves with all fields of the answer, those at its end too. */
async function rawCall(port: number, fields: Readonly<Record<string, string>>) {
  const session = connect(`http://127.0.0.1:${port}`)
  onTestFinished(() => session.destroy())
  const stream = session.request({
    ':method': 'POST',
    ':path': '/fourseven.test.Calls/Unary',
    'content-type': 'application/grpc',
    te: 'trailers',
    ...fields,
  })
  stream.write(Buffer.alloc(5))
  let all: IncomingHttpHeaders = {}
  for (const event of ['response', 'trailers']) {
    stream.on(event, more => {
      all = { ...all, ...more }
    })
  }
  stream.resume()
  const call = once(stream, 'end').then(() => all)
  return { call, stream }
}

/** A server without a library, that does this with each stream. */
async function plainServer(serve: (stream: ServerHttp2Stream, server: Http2Server) => void): Promise<number> {
  const server = createServer()
  server.on('stream', stream => {
    stream.on('error', () => {})
    stream.resume()
    serve(stream, server)
  })
  return listening(server)
}

async function listening(server: Http2Server | TlsServer): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

/** A thing that happens once, and may be waited for. */
function heard() {
  let tell: (what?: number) => void = () => {}
  const isTold = new Promise<number | undefined>(resolve => {
    tell = resolve
  })
  return { isTold, tell: (what?: number) => tell(what) }
}
