// What real servers, slow clients and name servers do to a relay: it serves the others, and its records say what was.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as later } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { client, echo, endpoint, said } from '../relay/lab.ts'
import { nameServer } from '../support/name-server.ts'
import { needs } from '../support/needs.ts'
import { freePort, redis } from '../support/servers.ts'
import { configTo, isRecord, type Program, relayProgram } from './program.ts'

const withRedis = needs('redis-server')

withRedis('a server killed in mid-transfer is a reset for its client, and the record says whose', async () => {
  const port = await freePort()
  const server = await redis(port)
  const door = await relayProgram(configTo([port]))
  const socket = await client(door.port)
  const command = `SET key ${'x'.repeat(50_000)}\r\n`
  const send = () => {
    while (!socket.destroyed && socket.write(command));
  }
  socket.on('drain', send)
  socket.once('data', () => server.kill('SIGKILL'))
  send()
  expect(await closing(socket)).toMatch(/^(ECONNRESET|EPIPE)$/)
  const [record] = await door.until(isRecord)
  expect(record).toMatchObject({ reason: 'endpoint_reset', endpoint: `tcp://127.0.0.1:${port}` })
  expect(record!.bytesIn).toBeGreaterThan(50_000)
  // Nobody is there any more: that is another word.
  expect(await closing(await client(door.port))).toBe('ECONNRESET')
  expect((await door.until(isRecord, 2))[1]).toMatchObject({ reason: 'connection_refused', endpoint: null })
})

withRedis('a server that takes connections and says nothing is left by its probe, and found again', async () => {
  const [one, two] = [await freePort(), await freePort()]
  const stopped = await redis(one)
  await redis(two)
  const config = configTo([one, two])
  const probe = { kind: 'redis', interval: '200ms', timeout: '2s', fall: 2 } as const
  const door = await relayProgram({ ...config, pools: { pool: { ...config.pools!.pool!, probe } } })
  stopped.kill('SIGSTOP')
  onTestFinished(() => void stopped.kill('SIGCONT'))
  const name = `tcp://127.0.0.1:${one}`
  // The system still takes its connections: by that alone nobody would know.
  const direct = connect(one, '127.0.0.1')
  await once(direct, 'connect')
  direct.destroy()
  await door.until(({ event, endpoint }) => event === 'endpoint_down' && endpoint === name)
  await ping(door, 20)
  expect((await door.until(isRecord, 20)).map(({ endpoint }) => endpoint)).not.toContain(name)
  stopped.kill('SIGCONT')
  await door.until(({ event, endpoint }) => event === 'endpoint_up' && endpoint === name)
  await ping(door, 20)
  expect((await door.until(isRecord, 40)).map(({ endpoint }) => endpoint)).toContain(name)
})

test('an endpoint that says nothing holds its flow for the idle timeout, and no other flow', async () => {
  const silent = await endpoint(socket => socket.resume())
  const loud = await echo()
  const config = configTo([silent.port])
  const door = await relayProgram({
    ...config,
    pools: { ...config.pools, loud: { endpoints: [`tcp://127.0.0.1:${loud.port}`] } },
    routes: [
      {
        name: 'route',
        listener: 'door',
        rules: [
          { match: { address: '127.0.0.2/32' }, pool: 'loud' },
          { pool: 'pool', timeouts: { idle: '2s' } },
        ],
      },
    ],
  })
  const waiting = await client(door.port)
  waiting.write('anybody there?')
  const ended = closing(waiting)
  expect(await said(await client(door.port, { localAddress: '127.0.0.2' }), 'hello')).toBe('hello')
  expect(await ended).toBe('ECONNRESET')
  const [record] = await door.until(({ reason }) => reason === 'idle_timeout')
  expect(record).toMatchObject({ bytesIn: 14, bytesOut: 0 })
})

withRedis('a client of one byte a second is answered, though it takes longer than the idle timeout', async () => {
  const port = await freePort()
  await redis(port)
  const config = configTo([port])
  const routes = [{ name: 'route', listener: 'door', pool: 'pool', timeouts: { idle: '4s' } }] as const
  const door = await relayProgram({ ...config, routes })
  const socket = await client(door.port)
  const answer = once(socket, 'data')
  for (const byte of 'PING\r\n') {
    socket.write(byte)
    await later(1000)
  }
  expect(String((await answer)[0])).toBe('+PONG\r\n')
  socket.end()
  expect(await door.until(isRecord)).toMatchObject([{ reason: 'done', bytesIn: 6, bytesOut: 7 }])
})

test('clients that never read stall their own endpoints only, and their going is noticed', async () => {
  const chunk = Buffer.alloc(100_000)
  const flood = await endpoint(socket => {
    const send = () => {
      while (!socket.destroyed && socket.write(chunk));
    }
    socket.on('drain', send)
    socket.once('data', word => (String(word) === 'flood' ? send() : socket.write(word)))
  })
  const door = await relayProgram(configTo([flood.port]))
  const deaf: Socket[] = []
  for (let at = 0; at < 4; at++) {
    const socket = await client(door.port)
    socket.write('flood')
    deaf.push(socket)
    await flood.accepted(at)
  }
  const total = () => flood.sockets.reduce((all, socket) => all + socket.bytesWritten, 0)
  let before = -1
  while (total() === 0 || total() !== before) {
    before = total()
    await later(500)
  }
  // `bytesWritten` has what is still on its way: what the system holds between four sockets, some 20 MB at most.
  for (const { bytesWritten } of flood.sockets) expect(bytesWritten).toBeLessThan(32_000_000)
  expect(await said(await client(door.port), 'hello')).toBe('hello')
  for (const socket of deaf) socket.resetAndDestroy()
  const records = await door.until(isRecord, 4)
  expect(records.map(({ reason }) => reason)).toEqual(Array(4).fill('client_reset'))
})

test('a name that stops resolving is served where it was last, until it resolves to another place', async () => {
  const { port } = await endpoint(socket => socket.end(socket.localAddress!), 0, '0.0.0.0')
  const server = await nameServer()
  server.records.set('db.invalid', { ips: ['127.0.0.2'], ttlS: 1 })
  const config = configTo([])
  const pools = { pool: { endpoints: [`tcp://db.invalid:${port}`] } }
  const door = await relayProgram({ ...config, pools }, { args: ['--dns', server.address] })
  const ask = async () => {
    const socket = await client(door.port)
    return String((await once(socket, 'data'))[0])
  }
  server.records.delete('db.invalid')
  expect(await door.until(({ event }) => event === 'name_unresolved')).toMatchObject([{ addresses: ['127.0.0.2'] }])
  for (let times = 0; times < 5; times++) expect(await ask()).toBe('127.0.0.2')
  server.records.set('db.invalid', { ips: ['127.0.0.3'], ttlS: 3600 })
  await door.until(({ event, addresses }) => event === 'name_resolved' && String(addresses) === '127.0.0.3')
  expect(await ask()).toBe('127.0.0.3')
  expect(door.lines.filter(({ event }) => event === 'name_unresolved')).toHaveLength(1)
})

async function ping(door: Program, times: number): Promise<void> {
  for (let at = 0; at < times; at++) {
    const socket = await client(door.port)
    expect(await said(socket, 'PING\r\n')).toBe('+PONG\r\n')
    socket.end()
  }
}

/** With which error the connection has closed. */
async function closing(socket: Socket): Promise<string> {
  socket.resume()
  if (!socket.closed) await new Promise(resolve => socket.once('close', resolve))
  return (socket.errored as NodeJS.ErrnoException | null)?.code ?? 'end'
}
