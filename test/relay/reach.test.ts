// The way to endpoints that want TLS, and to those on unix sockets.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import type { PoolInput } from '../../shared/config/config-pool.ts'
import { parse } from '../../shared/config/parse.ts'
import type { ConfigError } from '../../shared/config/problem.ts'
import { authority, pemOf } from '../support/certificates.ts'
import { needs } from '../support/needs.ts'
import { temporary } from '../support/servers.ts'
import { client, echo, ending, endpoint, type Lab, labOf, readAll, said } from './lab.ts'
import { tell, tlsClient, tlsEndpoint, tlsLab } from './tls-lab.ts'

const withOpenssl = needs('openssl')

withOpenssl(
  'TLS starts at the relay for a client that speaks none, verified by the authority of the pool',
  async () => {
    const { sign, ca } = authority()
    const port = await tlsEndpoint(sign('localhost'), tell('behind'))
    const { port: door, recorded } = await tcpLab({ endpoints: [`tls://localhost:${port}`], tls: { ca } })
    const socket = await client(door)
    socket.end('in the clear')
    expect(String(await readAll(socket))).toBe('behind - in the clear')
    expect((await recorded(1))[0]).toMatchObject({
      reason: 'done',
      bytesIn: 12,
      bytesOut: 21,
      attempts: [{ outcome: 'connected' }],
    })
  },
)

withOpenssl(
  'an endpoint by address is verified by that address, and asked under another name where one is given',
  async () => {
    const { sign, ca } = authority()
    const byAddress = await tlsEndpoint(sign('IP:127.0.0.1'), tell('address'))
    const names: (string | false | null)[] = []
    const byName = await tlsEndpoint(sign('db.internal'), socket => {
      names.push(socket.servername)
      tell('name')(socket)
    })
    const ask = async (pool: PoolInput) => {
      const socket = await client((await tcpLab(pool)).port)
      socket.end('x')
      return String(await readAll(socket))
    }
    expect(await ask({ endpoints: [`tls://127.0.0.1:${byAddress}`], tls: { ca } })).toBe('address - x')
    expect(await ask({ endpoints: [`tls://127.0.0.1:${byName}`], tls: { ca, serverName: 'db.internal' } })).toBe(
      'name - x',
    )
    expect(names).toEqual(['db.internal'])
  },
)

withOpenssl('an endpoint whose certificate does not verify is passed over, unless any will do', async () => {
  const { sign, ca } = authority()
  const wrongName = await tlsEndpoint(sign('else.test'), tell('wrong'))
  const foreign = await tlsEndpoint(authority('Nobody').sign('localhost'), tell('foreign'))
  const right = await tlsEndpoint(sign('localhost'), tell('right'))
  const endpoints = [wrongName, foreign, right].map((port, priority) => ({
    address: `tls://localhost:${port}`,
    name: `${priority}`,
    priority,
  }))
  const strict = await tcpLab({ endpoints, tls: { ca }, outlier: false })
  const socket = await client(strict.port)
  socket.end('x')
  expect(String(await readAll(socket))).toBe('right - x')
  expect((await strict.recorded(1))[0]!.attempts).toMatchObject([
    { endpoint: expect.stringMatching(/^0@/), outcome: 'tls_certificate_error' },
    { endpoint: expect.stringMatching(/^1@/), outcome: 'tls_certificate_error' },
    { endpoint: expect.stringMatching(/^2@/), outcome: 'connected' },
  ])
  const lax = await tcpLab({ endpoints, tls: { verify: false } })
  const other = await client(lax.port)
  other.end('x')
  expect(String(await readAll(other))).toBe('wrong - x')
})

withOpenssl('our certificate is shown to an endpoint that asks for one', async () => {
  const { sign, ca } = authority()
  const options = { requestCert: true, rejectUnauthorized: true, ca: readFileSync(ca) }
  const port = await tlsEndpoint(
    sign('localhost'),
    socket => socket.end(String(socket.getPeerCertificate().subject.CN)),
    options,
  )
  const pool = { endpoints: [`tls://localhost:${port}`], tls: { ca, ...sign('relay.test') } }
  expect(String(await readAll(await client((await tcpLab(pool)).port)))).toBe('relay.test')
})

test('an endpoint that speaks no TLS, and one that never answers, have their words', async () => {
  const { port: chatty } = await endpoint(socket => socket.end('SSH-2.0-OpenSSH\r\n'))
  const { port: silent } = await endpoint(socket => socket.resume())
  const { port: closing } = await endpoint(socket => socket.destroy())
  for (const [port, outcome] of [
    [chatty, 'tls_protocol_error'],
    [closing, 'connection_terminated'],
    [silent, 'connection_timeout'],
  ] as const) {
    const pool = { endpoints: [`tls://127.0.0.1:${port}`], tls: { verify: false } }
    const { port: door, recorded } = await tcpLab(pool, { timeouts: { connect: '300ms' } })
    expect(await ending(await client(door))).toBe('ECONNRESET')
    expect((await recorded(1))[0]).toMatchObject({ reason: outcome, attempts: [{ outcome }], endpoint: null })
  }
})

withOpenssl('TLS that ends here begins anew, and the protocol agreed on goes along', async () => {
  const { sign, ca } = authority()
  const port = await tlsEndpoint(sign('localhost'), tell('behind'), { ALPNProtocols: ['h2', 'http/1.1'] })
  const pools = { pool: { endpoints: [`tls://localhost:${port}`], tls: { ca } } }
  const { port: door } = await tlsLab({ certificates: [sign('app.test')], alpn: ['http/1.1', 'h2'] }, pools)
  const ask = async (ALPNProtocols: string[]) => {
    const socket = await tlsClient(door, { servername: 'app.test', ALPNProtocols })
    socket.end('x')
    return String(await readAll(socket))
  }
  expect(await ask(['h2', 'http/1.1'])).toBe('behind http/1.1 x')
  expect(await ask(['h2'])).toBe('behind h2 x')
})

withOpenssl('30 MB and half-close pass when both sides are TLS of ours', async () => {
  const { sign, ca } = authority()
  const port = await tlsEndpoint(sign('localhost'), socket => socket.pipe(socket))
  const pools = { pool: { endpoints: [`tls://localhost:${port}`], tls: { ca } } }
  const { port: door, recorded } = await tlsLab({ certificates: [sign('app.test')] }, pools)
  const sent = Buffer.alloc(30_000_000, 'numbers 0123456789 ')
  const socket = await tlsClient(door)
  socket.end(sent)
  expect((await readAll(socket)).equals(sent)).toBe(true)
  expect((await recorded(1))[0]).toMatchObject({ reason: 'done', bytesIn: sent.length, bytesOut: sent.length })
})

withOpenssl('a reset by an endpoint behind TLS of ours reaches the client as a reset, and the other way', async () => {
  const { sign, ca } = authority()
  const carriers: { resetAndDestroy(): unknown }[] = []
  const ends: string[] = []
  const server = createTlsServer(pemOf(sign('localhost')), socket => {
    socket.on('error', error => ends.push((error as NodeJS.ErrnoException).code ?? ''))
    socket.pipe(socket)
  })
  server.on('connection', socket => carriers.push(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as { port: number }
  const { port: door, recorded } = await tcpLab({ endpoints: [`tls://localhost:${port}`], tls: { ca } })
  const first = await client(door)
  await said(first, 'x')
  carriers[0]!.resetAndDestroy()
  expect(await ending(first)).toBe('ECONNRESET')
  const second = await client(door)
  await said(second, 'x')
  second.resetAndDestroy()
  while (ends.length === 0) await new Promise(resolve => setTimeout(resolve, 5))
  expect(ends).toEqual(['ECONNRESET'])
  expect((await recorded(2)).map(({ reason }) => reason)).toEqual(['endpoint_reset', 'client_reset'])
})

test('an endpoint on a unix socket is reached, and one that is not there refuses', async () => {
  const path = join(temporary(), 'app.sock')
  const server = createServer({ allowHalfOpen: true }, socket => socket.pipe(socket)).listen(path)
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const endpoints = [
    { address: `unix:${path}.gone`, priority: 0 },
    { address: `unix:${path}`, priority: 1 },
  ]
  const { port, recorded } = await tcpLab({ endpoints })
  const socket = await client(port)
  socket.end('over there')
  expect(String(await readAll(socket))).toBe('over there')
  expect((await recorded(1))[0]).toMatchObject({
    endpoint: `unix:${path}`,
    reason: 'done',
    bytesIn: 10,
    attempts: [{ outcome: 'connection_refused' }, { outcome: 'connected' }],
  })
})

test('a listener on a unix socket has the mode of the config, takes half-closed clients and goes with the relay', async () => {
  const path = join(temporary(), 'door.sock')
  const { port: behind } = await echo()
  const lab = await tcpLab(
    { endpoints: [`tcp://127.0.0.1:${behind}`] },
    {},
    { address: `unix:${path}`, socketMode: '0620' },
  )
  expect(statSync(path).mode & 0o777).toBe(0o620)
  expect(lab.relay.addresses.get('door')).toEqual({ host: path, port: 0 })
  const socket = connect({ path, allowHalfOpen: true })
  socket.end('hello')
  expect(String(await readAll(socket))).toBe('hello')
  expect((await lab.recorded(1))[0]).toMatchObject({
    reason: 'done',
    clientAddress: 'unix:',
    clientPort: 0,
    bytesIn: 5,
  })
  await lab.relay.stop({ drainMs: 0 })
  expect(existsSync(path)).toBe(false)
})

test('a client of a unix socket that breaks, and one beyond the limit, are closed and recorded', async () => {
  const path = join(temporary(), 'door.sock')
  const { port: behind, accepted } = await echo()
  const door = { address: `unix:${path}`, maxConnections: 1 }
  const lab = await tcpLab({ endpoints: [`tcp://127.0.0.1:${behind}`] }, {}, door)
  const held = connect({ path })
  await said(held, 'x')
  const refused = connect({ path })
  refused.on('error', () => {})
  await once(refused, 'close')
  const there = await accepted(0)
  there.resetAndDestroy()
  await once(held.resume(), 'close')
  expect((await lab.recorded(2)).map(({ reason }) => reason)).toEqual(['connection_limit', 'endpoint_reset'])
})

test('a socket that a dead program left is taken over; a living one and a file that is none are not touched', async () => {
  const path = join(temporary(), 'door.sock')
  const pool = { endpoints: ['tcp://127.0.0.1:1'] }
  const stale = createServer().listen(path)
  await once(stale, 'listening')
  const dead = `${path}.dead`
  await leaveStale(dead)
  await tcpLab(pool, {}, { address: `unix:${dead}` })
  const living = await tcpLab(pool, {}, { address: `unix:${path}` }).catch((error: ConfigError) => error.problems)
  expect(living).toMatchObject([{ code: 'socket-in-use', path: 'listeners.door.address' }])
  stale.close()
  writeFileSync(path, 'precious')
  const file = await tcpLab(pool, {}, { address: `unix:${path}` }).catch((error: ConfigError) => error.problems)
  expect(file).toMatchObject([{ code: 'socket-in-use' }])
  expect(statSync(path).size).toBe(8)
  const nowhere = await tcpLab(pool, {}, { address: 'unix:/nowhere/x.sock' }).catch(
    (error: ConfigError) => error.problems,
  )
  expect(nowhere).toMatchObject([{ code: 'cannot-listen' }])
})

withOpenssl('TLS ends on a unix socket as on any other', async () => {
  const path = join(temporary(), 'tls.sock')
  const { port: behind } = await echo()
  const certificates = [authority().sign('app.test')]
  const lab = await tlsLab(
    { address: `unix:${path}`, certificates },
    { pool: { endpoints: [`tcp://127.0.0.1:${behind}`] } },
  )
  const socket = await tlsClient(0, { socket: connect({ path, allowHalfOpen: true }), servername: 'app.test' })
  socket.end('hello')
  expect(String(await readAll(socket))).toBe('hello')
  expect((await lab.recorded(1))[0]).toMatchObject({ reason: 'done', sni: 'app.test', clientAddress: 'unix:' })
})

function tcpLab(pool: PoolInput, rule: object = {}, door: object = {}): Promise<Lab> {
  const input = {
    // Records of two may overtake each other.
    threads: 1,
    listeners: { door: { kind: 'tcp', address: '127.0.0.1:0', ...door } },
    pools: { pool },
    routes: [{ name: 'route', listener: 'door', pool: 'pool', ...rule }],
  }
  return labOf(parse(input, { variables: {} }).config)
}

/** A process that is killed leaves its socket behind. */
async function leaveStale(path: string): Promise<void> {
  const child = spawn(process.execPath, [
    '-e',
    `require('net').createServer().listen(${JSON.stringify(path)}, () => console.log())`,
  ])
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await once(child, 'exit')
}
