// How gRPC calls of connections that live long come to all endpoints and relays, and what becomes of them when one of those
// goes: the endpoint under load, the relay at its drain.

import { Metadata, type ServerDuplexStream, type sendUnaryData, status } from '@grpc/grpc-js'
import { expect, test } from 'vitest'
import type { ConfigInput } from '../../shared/config/config.ts'
import { type CallsClient, type GrpcServer, grpcClient, grpcServer, unary } from '../support/grpc.ts'
import { isRequest, relayProgram } from './program.ts'

test('10,000 calls on one connection come to four endpoints evenly, and through a tcp listener to one of them', async () => {
  const servers = await Promise.all([0, 1, 2, 3].map(() => counting()))
  const ports = servers.map(({ port }) => port)
  const http = await relayProgram(httpTo(ports))
  await callOften(grpcClient(http.port), 10_000)
  expect(servers.map(({ calls }) => calls.count)).toEqual([2_500, 2_500, 2_500, 2_500])

  for (const { calls } of servers) calls.count = 0
  const tcp = await relayProgram({
    listeners: { door: { kind: 'tcp', address: '127.0.0.1:0' } },
    pools: { pool: { endpoints: ports.map(port => `tcp://127.0.0.1:${port}`) } },
    routes: [{ name: 'calls', listener: 'door', pool: 'pool' }],
  })
  await callOften(grpcClient(tcp.port), 10_000)
  expect(servers.map(({ calls }) => calls.count).sort()).toEqual([0, 0, 0, 10_000])
}, 180_000)

test('when an endpoint dies under load every call ends, with success or as UNAVAILABLE, and soon all succeed', async () => {
  const servers = await Promise.all([0, 1, 2, 3].map(() => counting()))
  const { port } = await relayProgram(httpTo(servers.map(server => server.port)))
  const client = grpcClient(port)
  const codes = new Map<number, number>()
  let left = 4_000
  const next = async () => {
    while (left-- > 0) {
      if (left === 2_000) servers[0]!.server.forceShutdown()
      const code = await unary(client, 'hello').then(
        () => status.OK,
        (error: { code: status }) => error.code,
      )
      codes.set(code, (codes.get(code) ?? 0) + 1)
    }
  }
  await Promise.all(Array.from({ length: 40 }, next))
  expect([...codes.keys()].filter(code => code !== status.OK && code !== status.UNAVAILABLE)).toEqual([])
  // Those that were on the endpoint when it died, at most.
  expect(codes.get(status.UNAVAILABLE) ?? 0).toBeLessThanOrEqual(40)
  for (let i = 0; i < 100; i++) await unary(client, 'hello')
}, 120_000)

test('clients that stay connected come to a relay that is added, within the age of their connections', async () => {
  const server = await counting()
  const [first, second] = [await relayProgram(aged(server)), await relayProgram(aged(server))]
  const front = await relayProgram(frontOf([first.port]))
  const clients = Array.from({ length: 8 }, () =>
    grpcClient(front.port, { 'grpc.use_local_subchannel_pool': 1, 'grpc.enable_retries': 1 }),
  )
  for (const client of clients) await unary(client, 'hello')
  expect(second.lines.filter(isRequest)).toHaveLength(0)
  await front.reload(frontOf([first.port, second.port]))
  while (second.lines.filter(isRequest).length < 8) {
    // A call that finds its connection retired is sent again by the client: none fails.
    await Promise.all(clients.map(client => unary(client, 'hello')))
  }
}, 120_000)

test('at a drain the relay says GOAWAY and calls under way are finished', async () => {
  const open: ServerDuplexStream<Buffer, Buffer>[] = []
  const server = await grpcServer({ chat: (call: ServerDuplexStream<Buffer, Buffer>) => void open.push(call) })
  const relay = await relayProgram(httpTo([server.port]), { args: ['--drain-delay', '0ms'] })
  const call = grpcClient(relay.port).chat(new Metadata(), {})
  const ended = new Promise<number>(resolve => call.on('status', ({ code }) => resolve(code)))
  const heard: string[] = []
  call.on('data', message => heard.push(String(message)))
  call.on('error', () => {})
  call.write(Buffer.from('hello'))
  while (open.length === 0) await new Promise(later => setTimeout(later, 10))
  relay.terminate()
  await relay.until(({ event }) => event === 'stopped_accepting')
  open[0]!.write(Buffer.from('still here'))
  open[0]!.end()
  expect(await ended).toBe(status.OK)
  expect(heard).toEqual(['still here'])
  expect(await relay.exit).toBe(0)
})

interface Counting extends GrpcServer {
  readonly calls: { count: number }
}

async function counting(): Promise<Counting> {
  const calls = { count: 0 }
  const server = await grpcServer({
    unary: (call: { request: Buffer }, done: sendUnaryData<Buffer>) => {
      calls.count += 1
      done(null, call.request)
    },
  })
  return { ...server, calls }
}

/** Some at a time; throws when one fails. */
async function callOften(client: CallsClient, count: number): Promise<void> {
  let left = count
  const next = async () => {
    while (left-- > 0) await unary(client, 'hello')
  }
  await Promise.all(Array.from({ length: 50 }, next))
}

function httpTo(ports: readonly number[], listener: object = {}): ConfigInput {
  return {
    listeners: { door: { kind: 'http', address: '127.0.0.1:0', ...listener } },
    pools: { pool: { endpoints: ports.map(port => `h2c://127.0.0.1:${port}`) } },
    routes: [{ name: 'calls', listener: 'door', pool: 'pool' }],
  }
}

function aged({ port }: GrpcServer): ConfigInput {
  return httpTo([port], { maxConnectionAge: '1s' })
}

/** Connections to these relays, by turns. */
function frontOf(ports: readonly number[]): ConfigInput {
  return {
    listeners: { door: { kind: 'tcp', address: '127.0.0.1:0' } },
    pools: { relays: { endpoints: ports.map(port => `tcp://127.0.0.1:${port}`) } },
    routes: [{ name: 'front', listener: 'door', pool: 'relays' }],
  }
}
