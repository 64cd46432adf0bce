// A relay with few file descriptors and clients that wait before they are connected: whoever was let in has one kept for
// the endpoint, however many of them go on at the same moment.

import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import type { ConfigInput } from '../../shared/config/config.ts'
import { client, echo } from '../relay/lab.ts'
import { clientHello } from '../support/client-hello.ts'
import { configTo, type Line, type Program, relayProgram } from './program.ts'

interface Wait {
  readonly listener: object
  readonly pool: object
  /** What ends the wait, and comes back from the endpoint. */
  readonly word: Buffer
  /** Goes ahead of the word and stays in the relay. */
  readonly header: string
}

const isExhausted = ({ reason }: Line) => reason === 'relay_exhausted'
const crowd = 150
const waits: Record<string, Wait> = {
  'a ClientHello': { listener: { kind: 'tls' }, pool: {}, word: clientHello({ sni: 'app.test' }), header: '' },
  'a PROXY header': {
    listener: { kind: 'tcp', proxyProtocol: [{ from: ['127.0.0.0/8'], mode: 'require' }] },
    pool: {},
    word: Buffer.from('hello'),
    header: 'PROXY TCP4 192.0.2.7 198.51.100.1 4000 5432\r\n',
  },
}

test.each(Object.entries(waits))('all who were let in and wait for %s are connected at once', async (_, wait) => {
  const { port } = await echo()
  const door = await relayProgram(configWith(port, wait), { openFiles: 100 })
  const sockets = await manyClients(door.port)
  const answers = sockets.map(firstWord)
  const inside = await whoIsInside(sockets, door)
  expect(inside.length).toBeGreaterThan(5)
  for (const socket of inside) socket.write(Buffer.concat([Buffer.from(wait.header), wait.word]))
  const heard = (await Promise.all(answers)).filter(answer => answer !== 'ECONNRESET')
  expect(heard).toEqual(Array(inside.length).fill(String(wait.word)))
  for (const socket of inside) socket.resume().end()
  await door.until(({ reason }) => reason === 'done', inside.length)
  expect(door.lines.filter(isExhausted)).toHaveLength(crowd - inside.length)
})

test('all who were let in and wait for a place in the pool get it in turn', async () => {
  const { port } = await echo()
  const pool = { limits: { maxRequestsPerEndpoint: 2 }, queue: { max: crowd, timeout: '30s' } }
  const door = await relayProgram(configWith(port, { listener: { kind: 'tcp' }, pool }), { openFiles: 100 })
  const sockets = await manyClients(door.port)
  const answers = sockets.map(async socket => {
    const answer = await firstWord(socket)
    socket.resume().end()
    return answer
  })
  const inside = await whoIsInside(sockets, door)
  expect(inside.length).toBeGreaterThan(5)
  for (const socket of inside) socket.write('hello')
  const heard = (await Promise.all(answers)).filter(answer => answer !== 'ECONNRESET')
  expect(heard).toEqual(Array(inside.length).fill('hello'))
  expect(door.lines.filter(isExhausted)).toHaveLength(crowd - inside.length)
})

test('an http listener turns away, with a record, whom it has no descriptor for', async () => {
  const server = http.createServer((_, response) => response.end('hello'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close().closeAllConnections())
  const { port } = server.address() as AddressInfo
  const config = {
    listeners: { door: { kind: 'http', address: '127.0.0.1:0' } },
    pools: { pool: { endpoints: [`http://127.0.0.1:${port}`] } },
    routes: [{ name: 'route', listener: 'door', pool: 'pool' }],
  } as ConfigInput
  const door = await relayProgram(config, { openFiles: 100 })
  const sockets = await manyClients(door.port)
  const answers = await Promise.all(
    sockets.map(socket => {
      const answer = firstWord(socket)
      if (!socket.closed) socket.write('GET / HTTP/1.1\r\nHost: app.test\r\n\r\n')
      return answer
    }),
  )
  const turnedAway = answers.filter(answer => answer === 'ECONNRESET')
  // Requests that find no connection to an endpoint have an answer of ours.
  const answered = answers.filter(answer => /^HTTP\/1.1 (200 |503 .*relay_exhausted)/s.test(answer))
  expect(answered.length).toBeGreaterThan(5)
  expect(answered.some(answer => answer.startsWith('HTTP/1.1 200'))).toBe(true)
  expect(answered.length + turnedAway.length).toBe(crowd)
  await door.until(line => isExhausted(line) && line['method'] === undefined, turnedAway.length)
})

function configWith(port: number, { listener, pool }: Pick<Wait, 'listener' | 'pool'>): ConfigInput {
  const { listeners, pools, routes } = configTo([port])
  return {
    listeners: { door: { ...listeners.door, ...listener } },
    pools: { pool: { ...pools.pool, ...pool } },
    routes,
  } as ConfigInput
}

/** What comes first, or with which error the connection has closed. */
function firstWord(socket: Socket): Promise<string> {
  return new Promise(resolve => {
    socket.once('data', word => resolve(String(word)))
    socket.once('close', () => resolve((socket.errored as NodeJS.ErrnoException | null)?.code ?? 'end'))
    if (socket.closed) resolve((socket.errored as NodeJS.ErrnoException | null)?.code ?? 'end')
  })
}

function manyClients(port: number): Promise<Socket[]> {
  return Promise.all(Array.from({ length: crowd }, () => client(port)))
}

/** Once each has been let in or turned away. */
async function whoIsInside(sockets: readonly Socket[], door: Program): Promise<Socket[]> {
  for (;;) {
    const inside = Number(/^fourseven_connections_open.* (\d+)$/m.exec(await door.metrics())![1])
    const open = sockets.filter(({ closed }) => !closed)
    if (open.length === inside && inside + door.lines.filter(isExhausted).length === crowd) return open
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}
