import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import type { ThreadEvent } from '../../relay/event.ts'
import type { Problem } from '../../shared/config/problem.ts'
import { authority } from '../support/certificates.ts'
import { needs } from '../support/needs.ts'
import { client, configOf, echo, ending, endpoint, labOf, said } from './lab.ts'
import { takePlaces } from './threads-lab.ts'
import { tlsClient, tlsLab } from './tls-lab.ts'

test('two threads share a listener: connections come to both, and endpoints are taken in turn', async () => {
  const ends = await Promise.all([echo(), echo(), echo(), echo()])
  const { port, relay, recorded } = await labOf(
    configOf(
      ends.map(end => end.port),
      { threads: 2 },
    ),
  )
  expect(relay.threads).toEqual({ count: 2, lost: 0 })
  expect(relay.listening()).toHaveLength(2)
  for (let at = 0; at < 200; at++) {
    const socket = await client(port)
    socket.end('x')
    await ending(socket)
  }
  const records = await recorded(200)
  expect(new Set(records.map(({ reason }) => reason))).toEqual(new Set(['done']))
  // Each thread takes its own turns: of each four of its connections every endpoint has one.
  for (const { sockets } of ends) expect(sockets.length).toBeGreaterThanOrEqual(48)
  expect(relay.counts.get('door')).toMatchObject({ accepted: 200, open: 0 })
})

test('limits hold over all threads: of a listener, of an address, of an endpoint', async () => {
  const { port: end } = await echo()
  const inAll = await labOf(configOf([end], { threads: 3, maxConnections: 40 }))
  const outcomes = await takePlaces(inAll.port, 120)
  expect(outcomes).toEqual({ served: 40, reset: 80 })
  expect(inAll.relay.counts.get('door')).toMatchObject({ accepted: 120, open: 40, overLimit: 80 })

  const config = configOf([end], { threads: 3 })
  const listeners = [{ ...config.listeners[0]!, maxConnectionsPerAddress: 7 }] as typeof config.listeners
  const byAddress = await labOf({ ...config, listeners })
  expect(await takePlaces(byAddress.port, 60)).toEqual({ served: 7, reset: 53 })
  expect(await takePlaces(byAddress.port, 60, '127.0.0.2')).toEqual({ served: 7, reset: 53 })

  const byEndpoint = await labOf(configOf([end], { threads: 3, pool: { maxRequestsPerEndpoint: 5 } }))
  expect(await takePlaces(byEndpoint.port, 60)).toEqual({ served: 5, reset: 55 })
  const [pool] = byEndpoint.relay.plane.table.pools
  expect(byEndpoint.relay.plane.observed.open[pool!.endpoints[0]!.slot]).toBe(5)
})

test('an accept rate is one for all threads', async () => {
  const { port: end } = await echo()
  const config = configOf([end], { threads: 3 })
  const listeners = [{ ...config.listeners[0]!, acceptRate: 1 }] as typeof config.listeners
  const { port, recorded } = await labOf({ ...config, listeners })
  const beganAt = performance.now()
  await takePlaces(port, 30)
  const seconds = (performance.now() - beganAt) / 1000
  const refused = (await recorded(30 - Math.ceil(seconds) - 1)).filter(({ reason }) => reason === 'accept_rate')
  expect(30 - refused.length).toBeLessThanOrEqual(Math.ceil(seconds) + 1)
})

test('who waits in one thread is called when a place comes free in another, first come, first served', async () => {
  let open = 0
  let most = 0
  const answering = await endpoint(socket => {
    open += 1
    most = Math.max(most, open)
    socket.once('close', () => {
      open -= 1
    })
    setTimeout(() => socket.end('served'), 2)
  })
  const queue = { max: 200, timeoutMs: 60_000 }
  const config = configOf([answering.port], { threads: 3, pool: { maxRequestsPerEndpoint: 2, queue } })
  const { port, recorded, relay } = await labOf(config)
  await Promise.all(
    Array.from({ length: 150 }, async () => {
      const socket = await client(port)
      socket.resume()
      socket.end()
    }),
  )
  const records = await recorded(150)
  expect(new Set(records.map(({ reason }) => reason))).toEqual(new Set(['done']))
  expect(most).toBeLessThanOrEqual(2)
  expect(relay.plane.waiting.queues.size).toBe(0)
  // No one-second look had to help: then it would have taken minutes.
  expect(Math.max(...records.map(({ totalMs }) => totalMs))).toBeLessThan(20_000)
})

test('no more may wait in all threads together than the queue says', async () => {
  const { port: end } = await echo()
  const queue = { max: 10, timeoutMs: 60_000 }
  const config = configOf([end], { threads: 3, pool: { maxRequestsPerEndpoint: 1, queue } })
  const { port, recorded, relay } = await labOf(config)
  await said(await client(port), 'x')
  for (let at = 0; at < 40; at++) await client(port)
  const full = await recorded(30)
  expect(full.map(({ reason }) => reason)).toEqual(Array(30).fill('queue_full'))
  expect(relay.plane.waiting.queues.get('pool')).toHaveLength(10)
})

test('a reload is in force in every thread when it resolves, and drains what lost its endpoint', async () => {
  const [before, after] = [await echo(), await endpoint(socket => socket.end('after'))]
  const config = configOf([before.port], { threads: 3 })
  const { port, relay, recorded } = await labOf(config)
  const held = await Promise.all(Array.from({ length: 20 }, () => client(port)))
  for (const socket of held) await said(socket, 'x')
  const next = { ...config, pools: configOf([after.port]).pools }
  expect((await relay.foresee(next, {})).drained).toBe(20)
  expect((await relay.flows(0, 100)).total).toBe(20)
  expect((await relay.reload(next, {}, 50)).drained).toBe(20)
  for (let at = 0; at < 60; at++) {
    const socket = await client(port)
    expect(String((await once(socket, 'data'))[0])).toBe('after')
    socket.destroy()
  }
  expect((await recorded(80)).filter(({ reason }) => reason === 'drained')).toHaveLength(20)
  while (relay.counts.get('door')!.open > 0) await new Promise(resolve => setTimeout(resolve, 10))
})

test('a drain and what a failure teaches reach every thread', async () => {
  const [one, two] = [await echo(), await echo()]
  const { port, relay } = await labOf(configOf([one.port, two.port], { threads: 3 }))
  expect(relay.drain('pool/pool-0', 10)).toBe(true)
  for (let at = 0; at < 40; at++) await said(await client(port), 'x')
  expect([one.sockets.length, two.sockets.length]).toEqual([0, 40])
})

test('open flows of all threads come page by page, each once, oldest first', async () => {
  const { port: end } = await echo()
  const { port, relay } = await labOf(configOf([end], { threads: 3 }))
  const ports: number[] = []
  for (let at = 0; at < 25; at++) {
    const socket = await client(port)
    await said(socket, 'hello')
    ports.push(socket.localPort!)
  }
  const seen: number[] = []
  for (let after: number | null = 0; after !== null; ) {
    const page = await relay.flows(after, 10)
    expect(page.total).toBe(25)
    seen.push(...page.flows.map(({ clientPort }) => clientPort))
    after = page.next
  }
  expect(seen).toEqual(ports)
  expect(await relay.passed()).toMatchObject({ bytesIn: 125, bytesOut: 125 })
})

test('a thread that dies gives its places back and is replaced; connections of the others go on, new ones are not refused', async () => {
  const { port: end } = await echo()
  const happened: ThreadEvent[] = []
  const config = configOf([end], { threads: 2, maxConnections: 100, pool: { maxRequestsPerEndpoint: 100 } })
  const { port, relay } = await labOf(config, { onThread: event => happened.push(event) })
  const held = await Promise.all(Array.from({ length: 60 }, () => client(port)))
  for (const socket of held) {
    socket.on('error', () => {})
    await said(socket, 'x')
  }
  expect(relay.endThread(0)).toBe(true)
  while (happened.length === 0) await new Promise(resolve => setTimeout(resolve, 1))
  // They come while one socket has nobody who accepts: they wait in it.
  const during = await Promise.all(Array.from({ length: 20 }, () => client(port)))
  expect(await Promise.all(during.map(socket => said(socket, 'served')))).toEqual(Array(20).fill('served'))
  while (happened.length < 2) await new Promise(resolve => setTimeout(resolve, 10))
  const [lost, replaced] = happened
  expect(lost).toMatchObject({ event: 'thread_lost', thread: 0, why: 'ended on purpose' })
  expect(replaced).toMatchObject({ event: 'thread_replaced', thread: 0, why: null })
  const stay = held.filter(socket => !socket.destroyed && socket.readable)
  expect(lost!.flows).toBeGreaterThan(0)
  expect(stay.length).toBe(60 - lost!.flows)
  for (const socket of stay) expect(await said(socket, 'still')).toBe('still')
  const { slot } = relay.plane.table.pools[0]!.endpoints[0]!
  expect(relay.counts.get('door')!.open).toBe(stay.length + 20)
  expect(relay.plane.observed.open[slot]).toBe(stay.length + 20)
  expect(await takePlaces(port, 100)).toEqual({ served: 80 - stay.length, reset: 20 + stay.length })
  expect(relay.threads).toEqual({ count: 2, lost: 1 })
})

needs('openssl')('a session of TLS that began in one thread is resumed in another', async () => {
  const { port: end } = await echo()
  const certificates = [authority().sign('app.test')]
  const pools = { pool: { endpoints: [`tcp://127.0.0.1:${end}`] } }
  const { port } = await tlsLab({ certificates }, pools, undefined, { threads: 3 })
  const first = await tlsClient(port, { maxVersion: 'TLSv1.2' })
  await said(first, 'x')
  const session = first.getSession()!
  for (let at = 0; at < 12; at++) {
    const again = await tlsClient(port, { maxVersion: 'TLSv1.2', session })
    expect(await said(again, 'x')).toBe('x')
    expect(again.isSessionReused()).toBe(true)
  }
})

test('a reload that names another number of threads says that it stays as it is', async () => {
  const { port: end } = await echo()
  const problems: Problem[] = []
  const config = configOf([end], { threads: 2 })
  const { relay } = await labOf(config, { onProblem: problem => problems.push(problem) })
  await relay.reload(config, {})
  expect(problems).toEqual([])
  await relay.reload({ ...config, threads: 4 }, {})
  expect(problems).toMatchObject([{ severity: 'warning', code: 'threads-stay', path: 'threads' }])
  expect(relay.threads.count).toBe(2)
})

test('a relay with threads does not share its port with another program that would share one', async () => {
  const { port: end } = await echo()
  const other = createServer().listen({ host: '127.0.0.1', port: 0, reusePort: true })
  await once(other, 'listening')
  const { port } = other.address() as { port: number }
  const config = configOf([end], { threads: 2 })
  const listeners = [{ ...config.listeners[0]!, port }] as typeof config.listeners
  await expect(labOf({ ...config, listeners })).rejects.toThrow(`port ${port}`)
  other.close()
})
