import { expect, onTestFinished, test } from 'vitest'
import type { ThreadEvent } from '../../relay/event.ts'
import { startRelay } from '../../relay/relay.ts'
import { type UdpEndpoint, udpClient, udpConfig, udpNamed, until } from './udp-lab.ts'

test('when a thread dies its sessions begin anew on the same endpoint; those of others stay and lose no datagram', async () => {
  const crowd = 24
  const ends = await Promise.all(['a', 'b', 'c'].map(udpNamed))
  const happened: ThreadEvent[] = []
  const config = udpConfig(
    ends.map(({ port }) => port),
    { threads: 3, pool: { balance: { hash: 'flow' } } },
  )
  const onThread = (event: ThreadEvent) => happened.push(event)
  const relay = await startRelay({ config, variables: {}, onRecord: () => {}, onThread })
  onTestFinished(() => relay.stop({ drainMs: 0 }))
  const { port } = relay.addresses.get('door')!
  const clients = await Promise.all(Array.from({ length: crowd }, () => udpClient(port)))
  const before = await Promise.all(clients.map(client => client.ask(`${client.port}/first`)))

  expect(relay.endThread(1)).toBe(true)
  // All of it fits into what the kernel holds for an endpoint, should this process stand still meanwhile.
  const rounds = 20
  for (let round = 0; round < rounds; round++) {
    for (const client of clients) client.send(`${client.port}/${round}`)
    await new Promise(later => setTimeout(later, 20))
  }
  await until(() => happened.some(({ event }) => event === 'thread_replaced'))
  const lost = happened.find(({ event }) => event === 'thread_lost')!
  expect(lost.flows).toBeGreaterThan(0)
  expect(lost.flows).toBeLessThan(crowd)

  // What came meanwhile for the thread that died has waited for the next one.
  await until(() => clients.every(({ heard }) => heard.some(said => said.endsWith(`/${rounds - 1}`))))
  // One that was lost has another socket now; all are on the endpoint that the hash says.
  const ports = portsByClient(ends)
  const stayed = clients.filter(client => ports.get(`${client.port}`)!.size === 1)
  await until(() => stayed.every(({ heard }) => heard.length === rounds + 1))
  expect(stayed).toHaveLength(crowd - lost.flows)
  const endpointOf = (said: string) => said.split(':')[0]
  for (const [at, { heard }] of clients.entries()) {
    expect(new Set(heard.map(endpointOf))).toEqual(new Set([endpointOf(before[at]!)]))
  }
  expect(relay.counts.get('door')!.open).toBe(crowd)
})

test('sessions known by their address alone all come to one thread, of any number', async () => {
  const a = await udpNamed('a')
  const config = udpConfig([a.port], { threads: 3, listener: { key: 'address' } })
  const relay = await startRelay({ config, variables: {}, onRecord: () => {} })
  onTestFinished(() => relay.stop({ drainMs: 0 }))
  const clients = await Promise.all(Array.from({ length: 12 }, () => udpClient(relay.addresses.get('door')!.port)))
  for (const client of clients) expect(await client.ask('1')).toBe('a:1')
  expect(relay.counts.get('door')!.open).toBe(1)
  expect(new Set(a.heard.map(({ from }) => from.port)).size).toBe(1)
})

test('a limit of sessions holds over all threads', async () => {
  const a = await udpNamed('a')
  const config = udpConfig([a.port], { threads: 3, listener: { maxSessions: 10 } })
  const relay = await startRelay({ config, variables: {}, onRecord: () => {} })
  onTestFinished(() => relay.stop({ drainMs: 0 }))
  const clients = await Promise.all(Array.from({ length: 40 }, () => udpClient(relay.addresses.get('door')!.port)))
  for (const client of clients) client.send('x')
  await until(() => relay.counts.get('door')!.dropped.session_limit === 30)
  expect(relay.counts.get('door')!.open).toBe(10)
  expect(new Set(a.heard.map(({ from }) => from.port)).size).toBe(10)
})

/** From which ports the endpoints have heard each client, which says its own. */
function portsByClient(ends: readonly UdpEndpoint[]): Map<string, Set<number>> {
  const ports = new Map<string, Set<number>>()
  for (const { text, from } of ends.flatMap(({ heard }) => heard)) {
    const [client] = text.split('/') as [string]
    ports.set(client, (ports.get(client) ?? new Set()).add(from.port))
  }
  return ports
}
