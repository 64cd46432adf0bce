import { connect as netConnect, type OnReadOpts, Socket } from 'node:net'
import { expect, test } from 'vitest'
import { thisHost } from '../../relay/forward.ts'
import type { EndpointAddress } from '../../shared/config/endpoint-address.ts'
import { client, ending, endpoint, lab, named, readAll, refusingPort } from './lab.ts'

/** Round robin starts anywhere: a higher priority group is where a test wants to begin. */
const inOrder = (ports: readonly number[]) => ({
  endpoints: ports.map((port, at) => ({
    address: `tcp://127.0.0.1:${port}`,
    name: `${at}`,
    weight: 1,
    priority: at,
  })),
})

/** A host where connecting to these ports never gets an answer. */
const silent = (...ports: readonly number[]) => ({
  connect: (address: EndpointAddress, onread: OnReadOpts): Socket =>
    ports.includes(address.port)
      ? netConnect({ host: 'silent.test', port: address.port, lookup: () => {}, onread })
      : thisHost.connect(address, onread),
})

const failing = (code: string, ...ports: readonly number[]) => ({
  connect: (address: EndpointAddress, onread: OnReadOpts): Socket =>
    ports.includes(address.port)
      ? new Socket({ onread }).destroy(Object.assign(new Error(code), { code }))
      : thisHost.connect(address, onread),
})

test('an endpoint that refuses is followed by the next, and the record names both', async () => {
  const ports = [await refusingPort(), (await named('second')).port]
  const { port, recorded } = await lab(ports, { pool: inOrder(ports) })
  const socket = await client(port)
  expect(String(await readAll(socket))).toBe('second')
  socket.end()
  const [record] = await recorded(1)
  expect(record).toMatchObject({
    reason: 'done',
    endpoint: '1',
    attempts: [
      { endpoint: '0', outcome: 'connection_refused' },
      { endpoint: '1', outcome: 'connected' },
    ],
  })
})

test('when all refuse the client is reset and the record says why', async () => {
  const ports = [await refusingPort(), await refusingPort()]
  const { port, recorded } = await lab(ports, { pool: inOrder(ports) })
  const socket = await client(port)
  expect(await ending(socket)).toBe('ECONNRESET')
  const [record] = await recorded(1)
  expect(record).toMatchObject({
    route: 'route',
    variant: 'pool',
    endpoint: null,
    reason: 'connection_refused',
    connectMs: null,
    bytesIn: 0,
    bytesOut: 0,
    attempts: [
      { endpoint: '0', outcome: 'connection_refused' },
      { endpoint: '1', outcome: 'connection_refused' },
    ],
  })
})

test('no more endpoints are tried than the rule says', async () => {
  const ports = [await refusingPort(), await refusingPort(), (await named('third')).port]
  const { port, recorded } = await lab(ports, { pool: inOrder(ports), rule: { attempts: 2 } })
  await ending(await client(port))
  const [record] = await recorded(1)
  expect(record!.attempts.map(attempt => attempt.endpoint)).toEqual(['0', '1'])
})

test('an endpoint that does not answer leaves time for the next within the connect timeout', async () => {
  const ports = [9, (await named('second')).port]
  const { port, recorded } = await lab(ports, {
    pool: inOrder(ports),
    rule: { timeouts: { connectMs: 500, idleMs: 60_000 } },
    host: silent(9),
  })
  const socket = await client(port)
  expect(String(await readAll(socket))).toBe('second')
  socket.end()
  const [record] = await recorded(1)
  expect(record!.attempts.map(attempt => attempt.outcome)).toEqual(['connection_timeout', 'connected'])
})

test('when nobody answers the connect timeout ends it for all tries together', async () => {
  const ports = [9, 10, 11]
  const { port, recorded } = await lab(ports, {
    pool: inOrder(ports),
    rule: { timeouts: { connectMs: 200, idleMs: 60_000 } },
    host: silent(9, 10, 11),
  })
  expect(await ending(await client(port))).toBe('ECONNRESET')
  const [record] = await recorded(1)
  expect(record).toMatchObject({ reason: 'connection_timeout', endpoint: null })
  expect(record!.attempts.every(attempt => attempt.outcome === 'connection_timeout')).toBe(true)
})

test('a client that resets while its endpoint is being connected cancels the try', async () => {
  const { port, recorded, relay } = await lab([9], { host: silent(9) })
  const socket = await client(port)
  await new Promise<void>(resolve => socket.write('hello', () => resolve()))
  await until(() => relay.counts.get('door')!.open === 1)
  socket.resetAndDestroy()
  const [record] = await recorded(1)
  expect(record).toMatchObject({ reason: 'client_gone', attempts: [{ outcome: 'client_gone' }], bytesIn: 0 })
})

test('what a client says and ends before there is an endpoint reaches the endpoint', async () => {
  const ports = [9, (await endpoint(socket => void socket.pipe(socket))).port]
  const { port, recorded } = await lab(ports, {
    pool: inOrder(ports),
    rule: { timeouts: { connectMs: 1000, idleMs: 60_000 } },
    host: silent(9),
  })
  const early = Buffer.alloc(300_000, 'early ')
  const socket = await client(port)
  socket.end(early)
  expect((await readAll(socket)).equals(early)).toBe(true)
  expect((await recorded(1))[0]).toMatchObject({ reason: 'done', bytesIn: 300_000, bytesOut: 300_000 })
})

test('no network route to an endpoint and a name nobody knows each have their word', async () => {
  for (const [code, reason] of [
    ['ENETUNREACH', 'destination_ip_unroutable'],
    ['ENOTFOUND', 'dns_error'],
  ] as const) {
    const { port, recorded } = await lab([9], { host: failing(code, 9) })
    await ending(await client(port))
    expect((await recorded(1))[0]).toMatchObject({ reason })
  }
})

test('an endpoint that refuses again and again is ejected and not tried any more', async () => {
  const dead = await refusingPort()
  const ports = [dead, (await named('alive')).port]
  const { port, recorded } = await lab(ports, { pool: { outlier: outlier(3) } })
  for (let flow = 0; flow < 20; flow++) {
    const socket = await client(port)
    expect(String(await readAll(socket))).toBe('alive')
    socket.end()
  }
  const records = await recorded(20)
  const refused = records.flatMap(record => record.attempts).filter(attempt => attempt.outcome !== 'connected')
  expect(refused.map(attempt => attempt.outcome)).toEqual(Array(3).fill('connection_refused'))
})

test('a connected flow breaks a row of failures while it is still open', async () => {
  const alive = await endpoint(socket => socket.resume())
  const { port: working } = await named('other')
  let isDead = false
  const host = {
    connect: (address: EndpointAddress, onread: OnReadOpts) =>
      isDead && address.port === alive.port
        ? failing('ECONNREFUSED', alive.port).connect(address, onread)
        : thisHost.connect(address, onread),
  }
  const ports = [alive.port, working]
  const { port, recorded } = await lab(ports, { host, pool: { ...inOrder(ports), outlier: outlier(2) } })
  for (const isDeadNow of [true, false, true, false]) {
    isDead = isDeadNow
    const before = alive.sockets.length
    const socket = await client(port)
    if (isDeadNow) expect(String(await readAll(socket))).toBe('other')
    else await alive.accepted(before)
    if (isDeadNow) socket.end()
  }
  expect(alive.sockets).toHaveLength(2)
  for (const record of await recorded(2)) expect(record.attempts[0]!.endpoint).toBe('0')
})

test('a relay out of local ports says so and does not blame the endpoint', async () => {
  const { port: working } = await named('ok')
  const options = { host: failing('EADDRNOTAVAIL', 9), pool: { ...inOrder([9, working]), outlier: outlier(1) } }
  const { port, recorded } = await lab([9, working], options)
  for (let flow = 0; flow < 3; flow++) {
    const socket = await client(port)
    await readAll(socket)
    socket.end()
  }
  for (const record of await recorded(3)) {
    expect(record.attempts.map(attempt => attempt.outcome)).toEqual(['relay_exhausted', 'connected'])
  }
})

function outlier(consecutiveFailures: number) {
  return {
    consecutiveFailures,
    successRateFactor: 0,
    baseEjectionMs: 600_000,
    maxEjectionMs: 600_000,
    maxEjectedPercent: 50,
  }
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(resolve => setTimeout(resolve, 5))
}
