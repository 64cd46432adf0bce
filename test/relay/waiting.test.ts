import { expect, test } from 'vitest'
import type { PoolConfig } from '../../shared/config/parsed.ts'
import { client, configOf, echo, ending, endpoint, labOf, said } from './lab.ts'

async function labWith(words: Partial<PoolConfig>, endpoints = 1) {
  const ports = await Promise.all(Array.from({ length: endpoints }, async () => (await echo()).port))
  const lab = await labOf(configOf(ports, { pool: { maxRequestsPerEndpoint: 1, ...words } }))
  const waiting = () => lab.relay.plane.waiting.queues.get('pool')?.length ?? 0
  const untilWaiting = async (count: number) => {
    while (waiting() !== count) await new Promise(resolve => setTimeout(resolve, 5))
  }
  return { ...lab, waiting, untilWaiting }
}

const patient = { queue: { max: 10, timeoutMs: 60_000 } }

test('the next connection waits for a place, and those who wait get theirs in the order in which they came', async () => {
  const { port, untilWaiting, recorded } = await labWith(patient)
  const first = await client(port)
  await said(first, 'x')
  const order: number[] = []
  const waiters = []
  for (let at = 0; at < 4; at++) {
    const waiter = await client(port)
    waiter.write(String(at))
    waiter.once('data', () => {
      order.push(at)
      waiter.end()
    })
    waiters.push(waiter)
    await untilWaiting(at + 1)
  }
  first.end()
  const records = await recorded(5)
  expect(order).toEqual([0, 1, 2, 3])
  expect(records.map(({ reason }) => reason)).toEqual(Array(5).fill('done'))
})

test('never more than the limit are open on an endpoint, and every one of a crowd gets its turn', async () => {
  const answering = await endpoint(socket => void setTimeout(() => socket.end('served'), 10))
  let most = 0
  let open = 0
  answering.server.on('connection', socket => {
    open += 1
    most = Math.max(most, open)
    socket.once('close', () => {
      open -= 1
    })
  })
  const config = configOf([answering.port], {
    pool: { maxRequestsPerEndpoint: 3, queue: { max: 100, timeoutMs: 60_000 } },
  })
  const { port, recorded } = await labOf(config)
  const crowd = Array.from({ length: 60 }, async () => {
    const socket = await client(port)
    socket.resume()
    socket.end()
  })
  await Promise.all(crowd)
  const records = await recorded(60)
  expect(records.filter(({ reason }) => reason === 'done')).toHaveLength(60)
  expect(most).toBe(3)
})

test('one more than may wait is refused with queue_full, and one whose time is up with queue_timeout', async () => {
  const { port, untilWaiting, recorded } = await labWith({ queue: { max: 1, timeoutMs: 300 } })
  await said(await client(port), 'x')
  const late = await client(port)
  await untilWaiting(1)
  expect(await ending(await client(port))).toBe('ECONNRESET')
  expect((await recorded(1))[0]).toMatchObject({ reason: 'queue_full', route: 'route', attempts: [] })
  expect(await ending(late)).toBe('ECONNRESET')
  expect((await recorded(2))[1]).toMatchObject({ reason: 'queue_timeout', route: 'route' })
  await untilWaiting(0)
})

test('a client that leaves the queue gives its place in it to nobody, and the one behind it is next', async () => {
  const { port, untilWaiting, recorded } = await labWith(patient)
  const first = await client(port)
  await said(first, 'x')
  const leaver = await client(port)
  await untilWaiting(1)
  const stayer = await client(port)
  stayer.write('mine')
  await untilWaiting(2)
  leaver.resetAndDestroy()
  await untilWaiting(1)
  expect((await recorded(1))[0]).toMatchObject({ reason: 'client_gone' })
  first.end()
  expect(String(await new Promise(resolve => stayer.once('data', resolve)))).toBe('mine')
})

test('a reload that raises the limit and a stop both end the waiting', async () => {
  const { port: end } = await echo()
  const config = (limit: number) => configOf([end], { pool: { maxRequestsPerEndpoint: limit, ...patient } })
  const { port, relay, recorded } = await labOf(config(1))
  await said(await client(port), 'x')
  const [one, two] = [await client(port), await client(port)]
  one.write('one')
  two.write('two')
  while (relay.plane.waiting.queues.get('pool')?.length !== 2) await new Promise(resolve => setTimeout(resolve, 5))
  await relay.reload(config(2), {})
  await Promise.race([one, two].map(socket => new Promise(resolve => socket.once('data', resolve))))
  await relay.stop({ drainMs: 50 })
  const records = await recorded(3)
  expect(records.map(({ reason }) => reason)).toEqual(['drained', 'drained', 'drained'])
  expect(records.filter(({ endpoint }) => endpoint === null)).toHaveLength(1)
})
