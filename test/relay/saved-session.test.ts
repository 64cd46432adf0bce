// Two doors on one socket, as a process and the one that takes over from it.

import { expect, test } from 'vitest'
import type { Plane } from '../../relay/door.ts'
import { countsOf, createGate, Gate } from '../../relay/gate.ts'
import { bindPlace, type Place } from '../../relay/place.ts'
import type { FlowRecord } from '../../relay/record.ts'
import { UdpDoor } from '../../relay/udp.ts'
import type { Config } from '../../shared/config/parsed.ts'
import { udpClient, udpConfig, udpLabOf, udpNamed, until } from './udp-lab.ts'

test('sessions go to another door with their sockets, and no datagram in between is lost', async () => {
  const [a, b] = [await udpNamed('a'), await udpNamed('b')]
  const config = udpConfig([a.port, b.port], { route: { timeouts: { idle: '1s' } } })
  const [old, young] = [await planeOf(config), await planeOf(config)]
  const listener = old.plane.table.flowListeners.get('door')!
  const place = (await bindPlace(listener, [], 1)) as Place
  const gates = [createGate(100, 1), createGate(100, 1)] as const
  const [before, after] = [
    new UdpDoor(old.plane, listener, new Gate(gates[0], 0)),
    new UdpDoor(young.plane, listener, new Gate(gates[1], 0)),
  ]
  await before.listen(place.handles[0]!)
  const { port } = place.address
  const clients = await Promise.all(Array.from({ length: 20 }, () => udpClient(port)))
  const said = await Promise.all(clients.map(client => client.ask('1')))

  const given = before.pause()
  expect(given).toHaveLength(20)
  for (const client of clients) client.send('2')
  const { from } = a.heard[0]!
  a.socket.send('from the endpoint', from.port, from.address)
  await new Promise(later => setTimeout(later, 50))
  // As over the wire: what does not survive JSON is not there.
  await after.listen(place.handles[0]!)
  for (const { saved, handle } of given) expect(after.adopt(JSON.parse(JSON.stringify(saved)), handle)).toBe(true)
  await until(() => clients.every(({ heard }) => heard.filter(text => text.endsWith(':2')).length === 1))
  expect(clients.map(({ heard }) => heard.find(text => text.endsWith(':2')))).toEqual(
    said.map(text => text.replace('1', '2')),
  )
  await until(() => clients.some(({ heard }) => heard.includes('from the endpoint')))
  expect(new Set([...a.heard, ...b.heard].map(({ from }) => from.port)).size).toBe(20)
  expect(countsOf(gates[1]).open).toBe(20)
  expect(young.plane.observed.poolOpen[0]).toBe(20)
  expect(old.records).toEqual([])
  await until(() => young.records.length === 20)
  expect(young.records[0]).toMatchObject({ reason: 'idle_timeout', datagramsIn: 2, bytesIn: 2 })
  expect(young.plane.observed.poolOpen[0]).toBe(0)
  await after.close()
  expect(countsOf(gates[0]).open).toBe(20)
})

test('a session whose socket nobody hands over gets a new one to the same endpoint', async () => {
  const endpoints = await Promise.all(['a', 'b', 'c'].map(udpNamed))
  const config = udpConfig(endpoints.map(({ port }) => port))
  const [old, young] = [await planeOf(config), await planeOf(config)]
  const listener = old.plane.table.flowListeners.get('door')!
  const place = (await bindPlace(listener, [], 1)) as Place
  const gates = [createGate(100, 1), createGate(100, 1)] as const
  const [before, after] = [
    new UdpDoor(old.plane, listener, new Gate(gates[0], 0)),
    new UdpDoor(young.plane, listener, new Gate(gates[1], 0)),
  ]
  await before.listen(place.handles[0]!)
  const clients = await Promise.all(Array.from({ length: 9 }, () => udpClient(place.address.port)))
  const said = await Promise.all(clients.map(client => client.ask('1')))
  const given = before.pause()
  await after.listen(place.handles[0]!)
  for (const { saved } of given) expect(after.adopt(saved)).toBe(true)
  expect(await Promise.all(clients.map(client => client.ask('2')))).toEqual(said.map(text => text.replace('1', '2')))
  expect(after.adopt(given[0]!.saved)).toBe(false)
  expect(after.adopt({ ...given[0]!.saved, endpoint: 'pool/gone', place: { name: 'x', port: 1 } })).toBe(false)
  await after.close()
})

/** Its own door stands on another port, and nobody calls there. */
async function planeOf(config: Config): Promise<{ readonly plane: Plane; readonly records: FlowRecord[] }> {
  const { relay, records } = await udpLabOf(config)
  return { plane: relay.plane as Plane, records }
}
