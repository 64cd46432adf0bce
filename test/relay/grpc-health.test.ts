import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { ServerCredentials } from '@grpc/grpc-js'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { askEndpoint } from '../../relay/ask-endpoint.ts'
import { healthRequest, readHealth } from '../../relay/grpc-health.ts'
import { parseEndpointAddress } from '../../shared/config/endpoint-address.ts'
import { parse } from '../../shared/config/parse.ts'
import { grpcServer, healthService } from '../support/grpc.ts'
import { needs } from '../support/needs.ts'
import { selfSigned } from '../support/servers.ts'
import { endpoint, refusingPort } from './lab.ts'

/** `HealthCheckResponse { status }`, as protoc's encoding has it. */
const answerOf = (status: number) => Buffer.from(status === 0 ? [] : [0x08, status])

describe('a real gRPC server', () => {
  test.each([
    [1, undefined],
    [2, 'NOT_SERVING'],
    [3, 'SERVICE_UNKNOWN'],
    [0, 'UNKNOWN'],
    [9, 'status 9'],
  ])('with health %i is judged %j', async (status, why) => {
    const { port } = await health(() => status)
    expect(await ask(`tcp://127.0.0.1:${port}`)).toBe(why)
  })

  test('is asked for the service that the probe names, or for none', async () => {
    const asked: string[] = []
    const { port } = await health(request => {
      asked.push(request.toString('latin1'))
      return 1
    })
    await ask(`tcp://127.0.0.1:${port}`)
    await ask(`tcp://127.0.0.1:${port}`, 'shop.Cart')
    expect(asked).toEqual(['', '\n\x09shop.Cart'])
  })

  test('without the health service is told so', async () => {
    const { port } = await grpcServer({})
    expect(await ask(`tcp://127.0.0.1:${port}`)).toBe('UNIMPLEMENTED: it has no grpc.health.v1.Health')
  })

  needs('openssl')('is asked inside TLS', async () => {
    const { key, cert } = selfSigned('grpc.example.com')
    const pair = { private_key: readFileSync(key), cert_chain: readFileSync(cert) }
    const { port } = await grpcServer(
      { check: (_: unknown, answer: Answer) => answer(null, answerOf(1)) },
      { service: healthService, credentials: ServerCredentials.createSsl(null, [pair]) },
    )
    expect(await ask(`tls://127.0.0.1:${port}`)).toBeUndefined()
    expect(await ask(`tcp://127.0.0.1:${port}`)).toBeDefined()
  })
})

describe('what is no gRPC server', () => {
  test('fails with what it did', async () => {
    expect(await ask(`tcp://127.0.0.1:${await refusingPort()}`)).toBe('ECONNREFUSED')
    const other = await endpoint(socket => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    expect(await ask(`tcp://127.0.0.1:${other.port}`)).toBeDefined()
    const closing = await endpoint(socket => socket.destroy())
    expect(await ask(`tcp://127.0.0.1:${closing.port}`)).toBeDefined()
    const silent = await endpoint(() => {})
    expect(await ask(`tcp://127.0.0.1:${silent.port}`, undefined, '200ms')).toBe('no answer within 200ms')
  })

  test.each([
    ['an HTTP error', 503, {}, 'status 503, UNAVAILABLE'],
    ['a page', 200, { 'content-type': 'text/html' }, 'answered without grpc-status'],
    ['a refusal', 200, { 'grpc-status': '7' }, 'PERMISSION_DENIED'],
    ['no message', 200, { 'grpc-status': '0' }, 'answered something that is no HealthCheckResponse'],
  ])('%s', async (_, status, fields, why) => {
    const port = await h2(stream => stream.respond({ ':status': status, ...fields }, { endStream: true }))
    expect(await ask(`tcp://127.0.0.1:${port}`)).toBe(why)
  })

  test('a body without an end is read no further than it has to be', async () => {
    const port = await h2(stream => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
      stream.write(Buffer.alloc(4_096))
    })
    expect(await ask(`tcp://127.0.0.1:${port}`)).toBe('answered more than 1024 bytes')
  })
})

describe('the messages', () => {
  test('a request has the name of the service as field 1', () => {
    expect([...healthRequest('')]).toEqual([0, 0, 0, 0, 0])
    expect([...healthRequest('a')]).toEqual([0, 0, 0, 0, 3, 0x0a, 1, 0x61])
    const long = healthRequest('x'.repeat(300))
    expect([...long.subarray(0, 8)]).toEqual([0, 0, 0, 1, 47, 0x0a, 0xac, 0x02])
    expect(long.length).toBe(5 + 303)
  })

  test('a response is read past fields that are not known, and not beyond its end', () => {
    expect(readHealth(Uint8Array.of(0, 0, 0, 0, 2, 0x08, 1))).toBe(1)
    expect(readHealth(Uint8Array.of(0, 0, 0, 0, 6, 0x12, 2, 0xff, 0xff, 0x08, 2))).toBe(2)
    expect(readHealth(Uint8Array.of(0, 0, 0, 0, 3, 0x12, 2, 0xff))).toBeUndefined()
    expect(readHealth(Uint8Array.of(1, 0, 0, 0, 2, 0x08, 1))).toBeUndefined()
    expect(readHealth(Uint8Array.of(0, 0, 0, 0, 9, 0x08, 1))).toBeUndefined()
    expect(readHealth(Uint8Array.of(0, 0, 0, 0, 1, 0x80))).toBeUndefined()
  })

  test('no bytes are read as anything but a status or nothing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), bytes => {
        const whole = Uint8Array.of(0, 0, 0, 0, bytes.length, ...bytes)
        for (const each of [bytes, whole]) {
          const read = readHealth(each)
          expect(read === undefined || (Number.isFinite(read) && read >= 0)).toBe(true)
        }
      }),
    )
  })
})

type Answer = (error: null, message: Buffer) => void

function health(statusFor: (request: Buffer) => number) {
  const check = (call: { request: Buffer }, answer: Answer) => answer(null, answerOf(statusFor(call.request)))
  return grpcServer({ check }, { service: healthService })
}

function ask(address: string, service?: string, timeout = '10s') {
  const { config } = parse({
    listeners: { door: { kind: 'tcp', address: '127.0.0.1:0' } },
    pools: { pool: { endpoints: [address], probe: { kind: 'grpc', timeout, ...(service ? { service } : {}) } } },
    routes: [{ name: 'route', listener: 'door', pool: 'pool' }],
  })
  const parsed = parseEndpointAddress(address)
  if (typeof parsed === 'string') throw new Error(parsed)
  return askEndpoint(parsed, config.pools[0]!.probe!, undefined, new AbortController().signal)
}

async function h2(serve: (stream: ServerHttp2Stream) => void): Promise<number> {
  const server = createServer().on('stream', stream => {
    stream.on('error', () => {})
    serve(stream)
  })
  server.on('sessionError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}
