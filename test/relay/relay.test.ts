import { createServer, Socket } from 'node:net'
import { expect, test } from 'vitest'
import { listenProblem } from '../../relay/listen-problem.ts'
import { startRelay } from '../../relay/relay.ts'
import type { Config } from '../../shared/config/parsed.ts'
import { ConfigError, type Problem } from '../../shared/config/problem.ts'
import { client, configOf, echo, ending, lab, readAll, refusingPort, said } from './lab.ts'

test('every listener that cannot listen is named with cause and mend, and none stays open', async () => {
  const taken = await echo()
  const free = await refusingPort()
  const problems = await problemsOf([
    { name: 'fine', host: '127.0.0.1', port: free },
    { name: 'twice', host: '127.0.0.1', port: taken.port },
    { name: 'elsewhere', host: '192.0.2.1', port: 7000 },
  ])
  expect(problems).toMatchObject([
    {
      severity: 'error',
      code: 'port-in-use',
      path: 'listeners.twice.address',
      message: `listener "twice" cannot listen on 127.0.0.1:${taken.port}: another program listens on port ${taken.port} already`,
      mend: `Stop it (\`ss -ltnp sport = :${taken.port}\` names it), or give the listener another port.`,
    },
    {
      code: 'address-not-local',
      path: 'listeners.elsewhere.address',
      message: 'listener "elsewhere" cannot listen on 192.0.2.1:7000: 192.0.2.1 is not an address of this machine',
    },
  ])
  const again = createServer()
  await new Promise<void>((resolve, reject) => again.once('error', reject).listen(free, '127.0.0.1', resolve))
  again.close()
})

test('a privileged port is named as such', () => {
  const listener = { name: 'low', host: '::1', port: 80, maxConnections: 1, proxySources: [], matches: [] }
  const problem = listenProblem(listener, Object.assign(new Error('listen EACCES'), { code: 'EACCES' }))
  expect(problem).toMatchObject({ code: 'port-privileged', path: 'listeners.low.address' })
  expect(problem.message).toBe('listener "low" cannot listen on [::1]:80: this user may not open port 80')
  expect(problem.mend).toContain('1024')
})

test('a variable that is not set keeps the relay from starting', async () => {
  const { listeners, routes, pools, threads, cacheStore } = configOf([1])
  const [pool] = pools
  const config: Config = {
    threads,
    cacheStore,
    listeners,
    routes,
    pools: [{ ...pool!, endpoints: [{ ...pool!.endpoints[0]!, address: 'tcp://$' + '{DB}:5432' }] }],
  }
  await expect(startRelay({ config, variables: {}, onRecord: () => {} })).rejects.toThrow('DB')
})

test('a config without a tcp listener gives a relay that has nothing to do', async () => {
  const relay = await startRelay({
    config: { listeners: [], pools: [], routes: [], threads: 1, cacheStore: configOf([1]).cacheStore },
    variables: {},
    onRecord: () => {},
  })
  expect(relay.addresses.size).toBe(0)
  await relay.stop({ drainMs: 60_000 })
})

test('stop lets no one in, lets a flow finish and cuts the one that does not', async () => {
  const { port } = await echo()
  const { port: door, relay, recorded } = await lab([port])
  const finishing = await client(door)
  const staying = await client(door)
  await said(finishing, 'one')
  await said(staying, 'two')
  const stopped = relay.stop({ drainMs: 500 })
  expect(await ending(await client(door))).toBe('ECONNREFUSED')
  finishing.end(' more')
  expect(String(await readAll(finishing))).toBe(' more')
  expect(await ending(staying)).toBe('ECONNRESET')
  await stopped
  const records = await recorded(2)
  expect(records.map(({ reason, bytesIn, bytesOut }) => [reason, bytesIn, bytesOut])).toEqual([
    ['done', 8, 8],
    ['drained', 3, 3],
  ])
})

test('stop does not wait when nothing is open', async () => {
  const { port } = await echo()
  const { port: door, relay, recorded } = await lab([port])
  const socket = await client(door)
  socket.end()
  await readAll(socket)
  await recorded(1)
  await relay.stop({ drainMs: 3_600_000 })
})

test('a second, impatient stop overtakes a patient one', async () => {
  const { port } = await echo()
  const { port: door, relay, records } = await lab([port])
  await said(await client(door), 'hello')
  const patient = relay.stop({ drainMs: 3_600_000 })
  await relay.stop({ drainMs: 0 })
  await patient
  expect(records).toMatchObject([{ reason: 'drained' }])
})

test('stop ends a flow that is still looking for its endpoint', async () => {
  const never = { connect: () => new Socket() }
  const { port: door, relay, records } = await lab([9], { host: never })
  const socket = await client(door)
  socket.write('hello')
  while (relay.counts.get('door')!.open === 0) await new Promise(resolve => setTimeout(resolve, 5))
  await relay.stop({ drainMs: 0 })
  expect(records).toMatchObject([{ reason: 'drained', endpoint: null }])
})

async function problemsOf(
  places: readonly { readonly name: string; readonly host: string; readonly port: number }[],
): Promise<readonly Problem[]> {
  const { listeners, pools, routes, threads, cacheStore } = configOf([1])
  const config: Config = {
    threads,
    cacheStore,
    listeners: places.map(place => ({ ...listeners[0]!, ...place }) as Config['listeners'][number]),
    pools,
    routes: [{ ...routes[0]!, listeners: places.map(place => place.name) } as Config['routes'][number]],
  }
  try {
    const relay = await startRelay({ config, variables: {}, onRecord: () => {} })
    await relay.stop({ drainMs: 0 })
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}
