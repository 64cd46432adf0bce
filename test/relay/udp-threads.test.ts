// Sessions over two threads: which thread has one, that it stays there, and what a thread that dies takes along.

import { expect, test } from 'vitest'
import type { ThreadEvent } from '../../relay/event.ts'
import { type UdpClient, udpClient, udpConfig, udpEndpoint, udpLab, udpLabOf, until } from './udp-lab.ts'

/** Answers with its name and the port that the datagram came from: the session's own. */
function told(name: string) {
  return udpEndpoint((bytes, { port }) => `${name} ${port} ${bytes}`)
}

test('a session stays in its thread, with its endpoint and its socket; limits hold over both threads', async () => {
  const [a, b] = [await told('a'), await told('b')]
  const { port, relay } = await udpLab([a.port, b.port], { threads: 2, listener: { maxSessions: 60 } })
  const clients = await crowd(port, 60)
  const before = await ask(clients)
  for (let round = 0; round < 3; round++) expect(await ask(clients)).toEqual(before)
  expect(new Set(before).size).toBe(60)
  expect(relay.counts.get('door')).toMatchObject({ accepted: 60, open: 60, moved: 0 })
  // None of them is idle, whatever the thread that a new client comes to.
  const more = await crowd(port, 10)
  for (const client of more) client.send('no')
  await until(() => relay.counts.get('door')!.dropped.session_limit === 10)
  expect(await ask(clients)).toEqual(before)
})

test('a thread that dies moves no session of the other one, and its own go on at the same endpoint', async () => {
  const endpoints = await Promise.all(['a', 'b', 'c'].map(told))
  const happened: ThreadEvent[] = []
  const config = udpConfig(
    endpoints.map(({ port }) => port),
    { threads: 2, pool: { balance: { hash: 'flow' } } },
  )
  const { port, relay } = await udpLabOf(config, { onThread: event => happened.push(event) })
  const clients = await crowd(port, 60)
  const before = await ask(clients)
  expect(relay.endThread(1)).toBe(true)
  await until(() => happened.length === 2)
  const lost = happened[0]!.flows!
  const after = await ask(clients)
  expect(lost).toBeGreaterThan(0)
  expect(lost).toBeLessThan(60)
  expect(after.filter((text, at) => text !== before[at])).toHaveLength(lost)
  expect(after.map(endpointOf)).toEqual(before.map(endpointOf))
  expect(relay.counts.get('door')!.open).toBe(60)
})

test('where sessions do not go by address and port one thread has all of them', async () => {
  const a = await told('a')
  const { port, relay } = await udpLab([a.port], { threads: 2, listener: { key: 'address' } })
  for (const client of await crowd(port, 20)) await client.ask('1')
  expect(relay.counts.get('door')!.accepted).toBe(1)
})

function crowd(port: number, count: number): Promise<UdpClient[]> {
  return Promise.all(Array.from({ length: count }, () => udpClient(port)))
}

function ask(clients: readonly UdpClient[]): Promise<string[]> {
  return Promise.all(clients.map(client => client.ask('x')))
}

function endpointOf(answer: string): string {
  return answer.split(' ')[0]!
}
