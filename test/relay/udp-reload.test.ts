// What a reload does to sessions, and that a dry run says exactly that.

import { expect, test } from 'vitest'
import { parse } from '../../shared/config/parse.ts'
import { closeSocket, type UdpClient, udpClient, udpEndpoint, udpLabOf, udpNamed, until } from './udp-lab.ts'

interface Words {
  readonly a?: readonly number[]
  readonly b?: readonly number[]
  readonly idle?: string
  readonly isThere?: boolean
  readonly key?: 'flow' | 'address'
  readonly port?: number
}

/** Clients at 127.0.0.2 have a route and a pool of their own. */
function configOf({ a = [], b = [], idle = '60s', isThere = true, key = 'flow', port = 0 }: Words) {
  const endpoints = (ports: readonly number[]) =>
    ports.map(port => ({ address: `udp://127.0.0.1:${port}`, name: `e${port}` }))
  const other = isThere ? [{ name: 'b', listener: 'door', match: { address: '127.0.0.2' }, pool: 'b' }] : []
  const pools = {
    a: { endpoints: endpoints(a), outlier: false },
    ...(isThere ? { b: { endpoints: endpoints(b) } } : {}),
  }
  return parse({
    threads: 1,
    listeners: { door: { kind: 'udp', address: `127.0.0.1:${port}`, key } },
    pools,
    routes: [{ name: 'a', listener: 'door', pool: 'a', timeouts: { idle } }, ...other],
  }).config
}

test('sessions on an endpoint that leaves move with their next datagram; a dry run named just these', async () => {
  const endpoints = await Promise.all(['a0', 'a1', 'a2', 'b0'].map(udpNamed))
  const [a0, a1, a2, b0] = endpoints.map(({ port }) => port) as [number, number, number, number]
  const { relay, port } = await udpLabOf(configOf({ a: [a0, a1, a2], b: [b0] }))
  const mine = await crowd(port, 30)
  const theirs = await crowd(port, 5, '127.0.0.2')
  const before = await ask(mine, '1')
  await ask(theirs, '1')
  const ids = [...relay.plane.flows].filter(({ endpoint }) => endpoint!.name === `e${a1}`).map(({ id }) => id)
  const upstreams = upstreamPorts(endpoints)

  const next = configOf({ a: [a0, a2], b: [b0], idle: '50s' })
  const foreseen = await relay.foresee(next, {})
  expect(foreseen.moving).toEqual([{ listener: 'door', rule: 'a/0', endpoint: `e${a1}`, sessions: 10, ids }])
  expect(foreseen.drained).toBe(0)
  expect(await ask(mine, '2')).toEqual(before.map(text => text.replace(':1', ':2')))

  expect(await relay.reload(next, {})).toEqual(foreseen)
  const after = await ask(mine, '3')
  for (const [at, text] of after.entries()) {
    const was = before[at]!.split(':')[0]!
    if (was === 'a1') expect(text).toMatch(/^a[02]:3$/)
    else expect(text).toBe(`${was}:3`)
  }
  expect(await ask(theirs, '3')).toEqual(theirs.map(() => 'b0:3'))
  expect(relay.counts.get('door')!.moved).toBe(10)
  // Nobody else has another socket towards the endpoint.
  for (const name of [0, 2, 3])
    for (const each of upstreams[name]!) expect(upstreamPorts(endpoints)[name]).toContain(each)
  expect(endpoints[1]!.heard.filter(({ text }) => text === '3')).toEqual([])
})

test('a rule that leaves: its sessions are decided anew with the next datagram', async () => {
  const [a0, b0] = [await udpNamed('a0'), await udpNamed('b0')]
  const { relay, port } = await udpLabOf(configOf({ a: [a0.port], b: [b0.port] }))
  const theirs = await crowd(port, 3, '127.0.0.2')
  expect(await ask(theirs, '1')).toEqual(theirs.map(() => 'b0:1'))
  const reloaded = await relay.reload(configOf({ a: [a0.port], isThere: false }), {})
  expect(reloaded.moving).toMatchObject([{ rule: 'b/0', endpoint: `e${b0.port}`, sessions: 3 }])
  expect(await ask(theirs, '2')).toEqual(theirs.map(() => 'a0:2'))
  expect([...relay.plane.flows].map(({ decision }) => decision?.rule?.id)).toEqual(['a/0', 'a/0', 'a/0'])
  expect(relay.plane.observed.poolOpen[0]).toBe(3)
})

test('another key: the sessions of before are over, and the listener goes on at its place', async () => {
  const a0 = await udpNamed('a0')
  const taken = await udpNamed('taken')
  closeSocket(taken.socket)
  const words = { a: [a0.port], b: [1], port: taken.port }
  const { relay, port, records } = await udpLabOf(configOf(words))
  const clients = await crowd(port, 4)
  await ask(clients, '1')
  const next = configOf({ ...words, key: 'address' })
  expect((await relay.foresee(next, {})).drained).toBe(4)
  await relay.reload(next, {})
  await until(() => records.length === 4)
  expect(records.every(({ reason }) => reason === 'drained')).toBe(true)
  for (const client of clients) expect(await client.ask('2')).toBe('a0:2')
  expect(relay.counts.get('door')!.open).toBe(1)
})

test('an answer that was on its way when the session moved still reaches its client', async () => {
  const held: (() => void)[] = []
  const slow = await udpEndpoint((bytes, from) => {
    held.push(() => slow.socket.send(`late ${bytes}`, from.port, from.address))
    return undefined
  })
  const quick = await udpNamed('quick')
  const { relay, port } = await udpLabOf(configOf({ a: [slow.port], b: [1] }))
  const [client] = await crowd(port, 1)
  client!.send('1')
  await until(() => held.length === 1)
  await relay.reload(configOf({ a: [quick.port], b: [1] }), {})
  expect(await client!.ask('2')).toBe('quick:2')
  held[0]!()
  await until(() => client!.heard.includes('late 1'))
})

test('an operator drains: sessions stay until the time is up, then the next datagram moves them', async () => {
  const [a0, a1] = [await udpNamed('a0'), await udpNamed('a1')]
  const { relay, port } = await udpLabOf(configOf({ a: [a0.port, a1.port], b: [1] }))
  const clients = await crowd(port, 8)
  const before = await ask(clients, '1')
  relay.drain(`a/e${a1.port}`, 400)
  expect(await ask(clients, '2')).toEqual(before.map(text => text.replace(':1', ':2')))
  const more = await crowd(port, 4)
  expect(await ask(more, '1')).toEqual(more.map(() => 'a0:1'))
  await until(() => [...relay.plane.flows].some(flow => (flow as { lost?: string }).lost === 'drained'))
  expect(await ask(clients, '3')).toEqual(clients.map(() => 'a0:3'))
  expect(relay.plane.observed.open[relay.plane.table.slots.get(`a/e${a1.port}`)!]).toBe(0)
})

function crowd(port: number, count: number, host?: string): Promise<UdpClient[]> {
  return Promise.all(Array.from({ length: count }, () => udpClient(port, host)))
}

function ask(clients: readonly UdpClient[], text: string): Promise<string[]> {
  return Promise.all(clients.map(client => client.ask(text)))
}

function upstreamPorts(
  endpoints: readonly { readonly heard: readonly { readonly from: { readonly port: number } }[] }[],
) {
  return endpoints.map(({ heard }) => [...new Set(heard.map(({ from }) => from.port))])
}
