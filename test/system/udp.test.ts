// UDP through the relay as a program: a real name server and ten thousand clients, an endpoint that dies in silence, reloads
// under load, a flood of new sources, and two relays that agree.

import { execFile } from 'node:child_process'
import { setTimeout as later } from 'node:timers/promises'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { UdpSocket } from '../../relay/udp-socket.ts'
import type { ConfigInput } from '../../shared/config/config.ts'
import { addressOf } from '../../shared/wire/address.ts'
import { readProxyHeader, writeProxyHeader } from '../../shared/wire/proxy-header.ts'
import { udpEndpoint, until } from '../relay/udp-lab.ts'
import { dnsAnswer, dnsQuestion } from '../support/dns.ts'
import { needs, pathOf } from '../support/needs.ts'
import { knot } from '../support/servers.ts'
import { isRecord, type Program, relayProgram } from './program.ts'

const zone = 'big.example'
const hosts = Array.from({ length: 2000 }, (_, at) => ({
  name: `host-${at}.${zone}`,
  address: `10.2.${at >> 8}.${at & 255}`,
}))
const zoneLines = [
  '@ SOA ns hostmaster 1 3600 600 86400 60',
  '@ NS ns',
  'ns A 127.0.0.1',
  ...hosts.map(({ name, address }) => `${name}. A ${address}`),
]
const withKnot = needs('knotd', 'dig')

withKnot('dig gets from two name servers behind the relay what they say themselves', async () => {
  const behind = [await knot(zone, zoneLines), await knot(zone, zoneLines)]
  const door = await relayProgram(udpTo(behind, { session: { requests: 1, responses: 1 } }))
  for (let i = 0; i < 4; i++) expect(await dig(door.port, '+short', 'host-7.big.example', 'A')).toBe('10.2.0.7\n')
  expect(await dig(door.port, '+noall', '+comments', `nobody.${zone}`)).toContain('status: NXDOMAIN')
  const records = await door.until(isRecord, 5)
  for (const record of records) expect(record).toMatchObject({ reason: 'done', datagramsIn: 1, datagramsOut: 1 })
  // Of four questions one thread has two, and takes turns.
  expect(new Set(records.map(({ endpoint }) => endpoint)).size).toBe(2)
})

withKnot(
  'ten thousand clients, each at an address and port of its own, get each the answer to its question',
  async () => {
    const behind = [await knot(zone, zoneLines), await knot(zone, zoneLines)]
    const door = await relayProgram(udpTo(behind, { session: { requests: 1, responses: 1 } }))
    const [batches, each] = [50, 200]
    for (let batch = 0; batch < batches; batch++) {
      // Another address for each batch: a port that is given out again is another client all the same.
      const clients = Array.from({ length: each }, () => clientAt(`127.0.1.${batch + 1}`, door.port))
      const asked = clients.map((_, at) => hosts[(batch * each + at) % hosts.length]!)
      for (const [at, client] of clients.entries()) client.socket.send(dnsQuestion(at, asked[at]!.name))
      await until(() => clients.every(({ heard }) => heard.length > 0))
      expect(clients.map(({ heard }) => dnsAnswer(heard[0]!))).toEqual(asked.map(({ address }, at) => [at, address]))
      for (const { socket } of clients) socket.close()
    }
    const records = await door.until(isRecord, batches * each)
    expect(new Set(records.map(({ reason }) => reason))).toEqual(new Set(['done']))
    expect(new Set(records.map(({ clientAddress, clientPort }) => `${clientAddress} ${clientPort}`)).size).toBe(
      batches * each,
    )
  },
  120_000,
)

test('one of four endpoints dies in silence: after its probe says so it gets nothing, and no other session moves', async () => {
  let isDead = false
  const endpoints = await Promise.all(
    [0, 1, 2, 3].map(at => udpEndpoint(bytes => (at === 2 && isDead ? undefined : `${at}:${bytes}`))),
  )
  const probe = { kind: 'udp', payload: 'probe', interval: '100ms', timeout: '100ms', fall: 2, rise: 2 } as const
  const config = udpTo(
    endpoints.map(({ port }) => port),
    {},
    { probe },
  )
  const door = await relayProgram(config)
  const clients = Array.from({ length: 200 }, () => clientAt('127.0.0.1', door.port))
  const before = await everyoneIsAnswered(clients)
  isDead = true
  await door.until(({ event }) => event === 'endpoint_down')
  // What was on its way.
  await later(50)
  const dead = endpoints[2]!
  const reachedBefore = dead.heard.filter(({ text }) => text !== 'probe').length
  const portsBefore = new Map(endpoints.flatMap(({ heard }) => heard.map(({ text, from }) => [text, from.port])))
  for (let round = 0; round < 3; round++) {
    const after = await everyoneIsAnswered(clients)
    for (const [at, text] of after.entries()) {
      if (before[at]!.startsWith('2')) expect(text).not.toMatch(/^2/)
      else expect(text.split(':')[0]).toBe(before[at]!.split(':')[0])
    }
  }
  expect(dead.heard.filter(({ text }) => text !== 'probe')).toHaveLength(reachedBefore)
  // The others kept the very socket towards their endpoint.
  for (const [at, { heard }] of endpoints.entries()) {
    for (const { text, from } of at === 2 ? [] : heard) {
      if (text !== 'probe' && before[Number(text)]!.startsWith(`${at}:`)) expect(from.port).toBe(portsBefore.get(text))
    }
  }
  const lost = before.filter(text => text.startsWith('2')).length
  // A quarter of them, as the turns of the threads have it.
  expect(lost).toBeGreaterThanOrEqual(45)
  expect(lost).toBeLessThanOrEqual(55)
  expect(await metric(door, 'fourseven_session_moves_total{listener="door"}')).toBe(lost)
}, 60_000)

test('reloads under load: of 30,000 datagrams at most 3 are lost, and sessions of untouched routes stay', async () => {
  const [a, b, c] = await Promise.all(['a', 'b', 'c'].map(name => udpEndpoint(bytes => `${name}:${bytes}`)))
  const config = (ports: readonly number[], weight: number) => ({
    listeners: { door: { kind: 'udp', address: '127.0.0.1:0' } },
    pools: {
      stays: { endpoints: [`udp://127.0.0.1:${a!.port}`] },
      changes: { endpoints: ports.map(port => ({ address: `udp://127.0.0.1:${port}`, weight })) },
    },
    routes: [
      { name: 'stays', listener: 'door', match: { address: '127.0.2.0/24' }, pool: 'stays' },
      { name: 'changes', listener: 'door', pool: 'changes' },
    ],
  })
  const door = await relayProgram(config([b!.port, c!.port], 1) as ConfigInput)
  const clients = [
    ...Array.from({ length: 20 }, () => clientAt('127.0.2.1', door.port)),
    ...Array.from({ length: 20 }, () => clientAt('127.0.3.1', door.port)),
  ]
  let [sent, lost, isOver] = [0, 0, false]
  const asking = clients.map(async ({ socket, heard }, client) => {
    for (let at = 0; !isOver; at++) {
      const text = `${client} ${at}`
      const count = heard.length
      socket.send(Buffer.from(text))
      sent += 1
      const isBack = () => heard.length > count
      for (let waits = 0; !isBack() && waits < 2_000; waits++) await later(waits < 50 ? 1 : 5)
      if (!isBack()) lost += 1
    }
  })
  for (let turn = 0; sent < 30_000 || turn < 6; turn++) {
    const ports = [[b!.port, c!.port], [b!.port], [c!.port], [c!.port, b!.port]][turn % 4]!
    expect(await door.reload(config(ports, 1 + (turn % 2)) as ConfigInput)).toMatchObject({ event: 'reloaded' })
    await later(100)
  }
  isOver = true
  await Promise.all(asking)
  expect(lost / sent, `${lost} of ${sent}`).toBeLessThanOrEqual(0.0001)
  // One upstream port for each of the twenty, from the first datagram to the last.
  expect(new Set(a!.heard.map(({ from }) => from.port)).size).toBe(20)
  expect(b!.heard.length + c!.heard.length).toBeGreaterThan(1000)
}, 120_000)

test('a flood of new sources ends idle sessions and its own, never one that is active, and memory stays', async () => {
  const a = await udpEndpoint((bytes, { port }) => `${port}:${bytes}`)
  const door = await relayProgram({
    listeners: {
      door: {
        kind: 'udp',
        address: '127.0.0.1:0',
        maxSessions: 300,
        proxyProtocol: [{ from: ['127.0.9.9/32'], mode: 'require', datagrams: 'each' }],
      },
    },
    pools: { pool: { endpoints: [`udp://127.0.0.1:${a.port}`] } },
    routes: [{ name: 'route', listener: 'door', pool: 'pool' }],
  })
  const active = Array.from({ length: 50 }, () => clientAt('127.0.0.1', door.port))
  const idle = Array.from({ length: 50 }, () => clientAt('127.0.0.1', door.port))
  const before = await everyoneIsAnswered(active)
  await everyoneIsAnswered(idle)
  const [, idleLast] = [await later(5_500), performance.now()]
  const flood = clientAt('127.0.9.9', door.port)
  const resident = await metric(door, 'process_resident_memory_bytes')
  let sources = 0
  while (sources < 20_000 || performance.now() - idleLast < 7_000) {
    for (let burst = 0; burst < 200; burst++) flood.socket.send(fromSource(sources++, 'flood'))
    const after = await everyoneIsAnswered(active)
    // The same upstream port: the same session.
    expect(after.map(upstreamOf)).toEqual(before.map(upstreamOf))
  }
  expect(await metric(door, 'fourseven_sessions_open{listener="door"}')).toBe(300)
  expect(
    await metric(door, 'fourseven_datagrams_dropped_total{listener="door",reason="session_limit"}'),
  ).toBeGreaterThan(0)
  const evicted = door.lines.filter(({ reason }) => reason === 'session_evicted')
  const activePorts = new Set(active.map(({ port }) => port))
  expect(evicted.slice(0, 50).map(({ clientPort }) => clientPort)).toEqual(idle.map(({ port }) => port))
  expect(
    evicted.some(
      ({ clientPort, clientAddress }) => clientAddress === '127.0.0.1' && activePorts.has(clientPort as number),
    ),
  ).toBe(false)
  expect((await metric(door, 'process_resident_memory_bytes')) - resident).toBeLessThan(100 * 1024 * 1024)
}, 120_000)

test('two relays with one config send each of 10,000 new sessions to the same endpoint', async () => {
  const endpoints = await Promise.all([0, 1, 2, 3, 4].map(() => udpEndpoint(() => undefined)))
  const config: ConfigInput = {
    listeners: {
      door: {
        kind: 'udp',
        address: '127.0.0.1:0',
        proxyProtocol: [{ from: ['127.0.0.0/8'], mode: 'require', datagrams: 'each' }],
      },
    },
    pools: {
      pool: {
        endpoints: endpoints.map(({ port }, at) => ({ address: `udp://127.0.0.1:${port}`, weight: at + 1 })),
        balance: { hash: 'flow' },
        sendProxy: { version: 2, datagrams: 'each' },
      },
    },
    routes: [{ name: 'route', listener: 'door', pool: 'pool', session: { responses: 0 } }],
  }
  const doors = [
    await relayProgram(config, { args: ['--no-records'] }),
    await relayProgram(config, { args: ['--no-records'] }),
  ]
  for (const [at, { port }] of doors.entries()) {
    const { socket } = clientAt('127.0.0.1', port)
    for (let source = 0; source < 10_000; source++) {
      socket.send(fromSource(source, String(at)))
      if (source % 100 === 99) await until(() => heardOf(endpoints) >= at * 10_000 + source + 1)
    }
  }
  const chosen = doors.map(() => new Map<string, number>())
  for (const [endpoint, { heard }] of endpoints.entries()) {
    for (const { bytes } of heard) {
      const read = readProxyHeader(bytes) as Exclude<ReturnType<typeof readProxyHeader>, 'more' | { reason: unknown }>
      const { source } = read.header.says as { source: { address: { text: string }; port: number } }
      chosen[Number(bytes.subarray(read.length).toString())]!.set(`${source.address.text} ${source.port}`, endpoint)
    }
  }
  expect(chosen[0]!.size).toBe(10_000)
  expect([...chosen[1]!].sort()).toEqual([...chosen[0]!].sort())
  const counts = endpoints.map((_, at) => [...chosen[0]!.values()].filter(each => each === at).length)
  // By weight: a fifteenth, two, three, ...
  for (const [at, count] of counts.entries()) expect(Math.abs(count / 10_000 - (at + 1) / 15)).toBeLessThan(0.02)
}, 120_000)

function udpTo(ports: readonly number[], route: object, pool: Partial<ConfigInput['pools'][string]> = {}): ConfigInput {
  return {
    listeners: { door: { kind: 'udp', address: '127.0.0.1:0' } },
    pools: {
      pool: { endpoints: ports.map((port, at) => ({ address: `udp://127.0.0.1:${port}`, name: `e${at}` })), ...pool },
    },
    routes: [{ name: 'route', listener: 'door', pool: 'pool', ...route }],
  }
}

interface Client {
  readonly socket: UdpSocket
  readonly port: number
  readonly heard: Uint8Array[]
}

/** One address and port. */
function clientAt(address: string, door: number): Client {
  const socket = new UdpSocket(4)
  const error = socket.bind(address, 0) ?? socket.connect('127.0.0.1', door) ?? socket.listen()
  if (error !== undefined) throw new Error(error)
  onTestFinished(() => socket.close())
  const heard: Uint8Array[] = []
  socket.onDatagram = bytes => heard.push(bytes)
  return { socket, port: socket.local().port, heard }
}

/** Each says its number, and says it again when nothing comes back for a while: there is loss under load. */
async function everyoneIsAnswered(clients: readonly Client[]): Promise<string[]> {
  const before = clients.map(({ heard }) => heard.length)
  const missing = () => clients.filter(({ heard }, at) => heard.length === before[at])
  for (let tries = 0; missing().length > 0 && tries < 40; tries++) {
    for (const client of missing()) client.socket.send(Buffer.from(String(clients.indexOf(client))))
    for (let waits = 0; missing().length > 0 && waits < 25; waits++) await later(10)
  }
  expect(missing()).toEqual([])
  return clients.map(({ heard }, at) => Buffer.from(heard[before[at]!]!).toString())
}

function upstreamOf(answer: string): string {
  return answer.split(':')[0]!
}

/** A datagram as a proxy in front sends it for one of its clients. */
function fromSource(source: number, payload: string): Buffer {
  const end = (address: number, port: number) => ({ address: addressOf([address]), port })
  const says = {
    of: 'inet',
    transport: 'datagram',
    source: end(0x0b_00_00_00 + (source >> 4), 1024 + (source & 15)),
    destination: end(0xc0_00_02_01, 53),
  } as const
  return Buffer.concat([writeProxyHeader({ version: 2, says, tlvs: [] }), Buffer.from(payload)])
}

function heardOf(endpoints: readonly { readonly heard: readonly unknown[] }[]): number {
  return endpoints.reduce((sum, { heard }) => sum + heard.length, 0)
}

async function metric(door: Program, name: string): Promise<number> {
  const line = (await door.metrics()).split('\n').find(each => each.startsWith(`${name} `))
  return Number(line?.split(' ')[1] ?? 0)
}

async function dig(port: number, ...args: readonly string[]): Promise<string> {
  const way = ['@127.0.0.1', '-p', String(port), '+notcp', '+ignore', '+tries=3', '+time=5']
  return (await promisify(execFile)(pathOf('dig')!, [...way, ...args])).stdout
}
