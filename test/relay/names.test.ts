import { expect, onTestFinished, test } from 'vitest'
import { type NameEvent, resolveBy } from '../../relay/names.ts'
import type { FlowRecord } from '../../relay/record.ts'
import { startRelay } from '../../relay/relay.ts'
import type { Config } from '../../shared/config/parsed.ts'
import { type NameServer, nameServer } from '../support/name-server.ts'
import { client, configOf, endpoint, poolOf, readAll, said } from './lab.ts'

/** The same port on several addresses of loopback, each of which says its own address. */
async function everywhere(): Promise<number> {
  const { port } = await endpoint(
    socket => {
      socket.write(`${socket.localAddress} `)
      socket.pipe(socket)
    },
    0,
    '0.0.0.0',
  )
  return port
}

function configFor(...addresses: string[]): Config {
  const config = configOf([])
  const pool = poolOf('pool', [])
  const endpoints = addresses.map(address => ({ address, name: undefined, weight: 1, priority: 0 }))
  return { ...config, pools: [{ ...pool, endpoints }] }
}

async function relayWith(config: Config, server: NameServer) {
  const events: NameEvent[] = []
  const records: FlowRecord[] = []
  const relay = await startRelay({
    config,
    variables: {},
    resolveName: resolveBy([server.address]),
    onName: event => events.push(event),
    onRecord: record => records.push(record),
  })
  onTestFinished(() => relay.stop({ drainMs: 0 }))
  const until = async (holds: () => boolean) => {
    while (!holds()) await new Promise(resolve => setTimeout(resolve, 20))
  }
  return { relay, port: relay.addresses.get('door')!.port, events, records, until }
}

/** Which addresses so many connections came to. */
async function visit(port: number, times: number): Promise<Set<string>> {
  const seen = new Set<string>()
  for (let at = 0; at < times; at++) {
    const socket = await client(port)
    socket.end()
    seen.add(String(await readAll(socket)).trim())
  }
  return seen
}

test('several records are several endpoints, and after the TTL other records are others, without an end of open flows', async () => {
  const server = await nameServer()
  const port = await everywhere()
  server.records.set('db.test', { ips: ['127.0.0.2', '127.0.0.3'], ttlS: 1 })
  const { relay, port: door, events, until } = await relayWith(configFor(`tcp://db.test:${port}`), server)
  expect(relay.plane.table.pools[0]!.endpoints.map(({ id }) => id)).toEqual([
    `pool/tcp://db.test:${port}@127.0.0.2`,
    `pool/tcp://db.test:${port}@127.0.0.3`,
  ])
  expect(await visit(door, 4)).toEqual(new Set(['127.0.0.2', '127.0.0.3']))
  const held = [await client(door), await client(door)]
  for (const socket of held) await new Promise(resolve => socket.once('data', resolve))
  server.records.set('db.test', { ips: ['127.0.0.3', '127.0.0.4'], ttlS: 3600 })
  await until(() => events.length === 2)
  expect(events.map(({ event, addresses, why }) => [event, addresses, why])).toEqual([
    ['name_resolved', ['127.0.0.2', '127.0.0.3'], null],
    ['name_resolved', ['127.0.0.3', '127.0.0.4'], null],
  ])
  expect(await visit(door, 4)).toEqual(new Set(['127.0.0.3', '127.0.0.4']))
  for (const socket of held) expect(await said(socket, 'still here')).toBe('still here')
  // A reload that keeps the name keeps the flows on the address that it no longer has.
  expect((await relay.reload(configFor(`tcp://db.test:${port}`), {})).drained).toBe(0)
})

test('a name that stops resolving keeps its last addresses, and says so once', async () => {
  const server = await nameServer()
  const port = await everywhere()
  server.records.set('db.invalid', { ips: ['127.0.0.2'], ttlS: 1 })
  const { port: door, events, until } = await relayWith(configFor(`tcp://db.invalid:${port}`), server)
  server.records.delete('db.invalid')
  await until(() => events.some(({ event }) => event === 'name_unresolved'))
  const asked = server.asked.get('db.invalid')!
  await until(() => server.asked.get('db.invalid')! > asked + 1)
  expect(events.slice(1)).toMatchObject([{ event: 'name_unresolved', addresses: ['127.0.0.2'], why: 'ENOTFOUND' }])
  expect(await visit(door, 2)).toEqual(new Set(['127.0.0.2']))
  server.records.set('db.invalid', { ips: ['127.0.0.2'], ttlS: 3600 })
  await until(() => events.length === 3)
  expect(events[2]).toMatchObject({ event: 'name_resolved', why: null })
})

test('a name that cannot be resolved at start is asked for again while the others are served', async () => {
  const server = await nameServer()
  const port = await everywhere()
  const {
    port: door,
    records,
    events,
    until,
  } = await relayWith(configFor(`tcp://late.invalid:${port}`, `tcp://127.0.0.9:${port}`), server)
  expect(await visit(door, 4)).toEqual(new Set(['127.0.0.9']))
  expect(records.every(({ attempts }) => attempts.length === 1)).toBe(true)
  server.records.set('late.invalid', { ips: ['127.0.0.5'], ttlS: 3600 })
  await until(() => events.some(({ event }) => event === 'name_resolved'))
  expect(await visit(door, 4)).toEqual(new Set(['127.0.0.5', '127.0.0.9']))
})

test('where no name of a pool can be resolved its flows are refused at once with dns_error', async () => {
  const server = await nameServer()
  const { port: door, records, until } = await relayWith(configFor('tcp://never.invalid:5432'), server)
  await client(door)
  await until(() => records.length === 1)
  expect(records[0]).toMatchObject({ reason: 'dns_error' })
})

test('a name in a pool left out stays wanted after a reload', async () => {
  const server = await nameServer()
  const port = await everywhere()
  const config = configFor(`tcp://late.invalid:${port}`, `tcp://127.0.0.9:${port}`)
  const { relay, events, until } = await relayWith(config, server)
  await relay.reload(config, {})
  server.records.set('late.invalid', { ips: ['127.0.0.5'], ttlS: 3600 })
  await until(() => events.some(({ event }) => event === 'name_resolved'))
  expect(relay.plane.table.pools[0]!.endpoints.map(({ address }) => address.ip ?? address.host)).toEqual([
    '127.0.0.5',
    '127.0.0.9',
  ])
})
