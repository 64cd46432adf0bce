import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { livePools } from '../../relay/live.ts'
import type { Config, FlowRoute } from '../../shared/config/parsed.ts'
import { ConfigError } from '../../shared/config/problem.ts'
import { difference } from '../../shared/table/difference.ts'
import { client, configOf, echo, ending, labOf, named, poolOf, readAll, refusingPort, ruleOf, said } from './lab.ts'

const base = configOf([])

function configWith(pools: Readonly<Record<string, readonly number[]>>, rule = ruleOf()): Config {
  return {
    ...base,
    pools: Object.entries(pools).map(([name, ports]) => poolOf(name, ports)),
    routes: [{ ...(base.routes[0] as FlowRoute), rules: [rule] }],
  }
}

test('a reload ends the flows of an endpoint that went away, and no byte of the others is lost', async () => {
  const [stays, goes] = [await echo(), await echo()]
  const { port, relay, recorded } = await labOf(configWith({ pool: [stays.port, goes.port] }))
  const flows = [await client(port), await client(port), await client(port), await client(port)]
  for (const flow of flows) await said(flow, 'x')
  const { drained, difference: what } = await relay.reload(configWith({ pool: [stays.port] }), {}, 50)
  expect(drained).toBe(2)
  expect(what.endpoints.removed).toEqual(['pool/pool-1'])
  const records = await recorded(2)
  expect(records.map(({ endpoint, reason }) => [endpoint, reason])).toEqual([
    ['pool-1', 'drained'],
    ['pool-1', 'drained'],
  ])
  const left = flows.filter(flow => !flow.destroyed)
  expect(left).toHaveLength(2)
  for (const flow of left) expect(await said(flow, 'still here')).toBe('still here')
})

test('open counts follow their endpoints by name, whatever the order of pools and endpoints becomes', async () => {
  const [one, two] = [await echo(), await echo()]
  const rule = ruleOf({ variants: [{ name: 'b', weight: 1, pool: 'b' }] })
  const { port, relay, recorded } = await labOf(configWith({ a: [one.port], b: [one.port, two.port] }, rule))
  const flows = [await client(port), await client(port), await client(port)]
  for (const flow of flows) await said(flow, 'x')
  const turned = configWith({ b: [one.port, two.port] }, rule)
  const [pool] = turned.pools
  await relay.reload({ ...turned, pools: [{ ...pool!, endpoints: [...pool!.endpoints].reverse() }] }, {})
  const { plane } = relay
  const open = () =>
    Object.fromEntries(plane.table.pools[0]!.endpoints.map(({ name, slot }) => [name, plane.observed.open[slot]]))
  const poolOpen = () => plane.observed.poolOpen[plane.table.pools[0]!.index]
  expect(Object.values(open()).sort()).toEqual([1, 2])
  expect(poolOpen()).toBe(3)
  for (const flow of flows) flow.end()
  await recorded(3)
  expect(open()).toEqual({ 'b-0': 0, 'b-1': 0 })
  expect(poolOpen()).toBe(0)
})

test('the number of an endpoint that went away is given on only when nothing is open there, and comes back clean', async () => {
  const ports = await Promise.all([echo(), echo(), echo()].map(async each => (await each).port))
  const { port, relay, recorded } = await labOf(configWith({ pool: [ports[0]!] }))
  const flow = await client(port)
  await said(flow, 'x')
  const slotOf = (at: number) => relay.plane.table.pools[0]!.endpoints[at]!.slot
  const first = slotOf(0)
  relay.plane.observed.failuresInRow[first] = 3
  const named1 = (at: number) => ({ ...poolOf('pool', ports).endpoints[at]!, name: `other-${at}` })
  const withEndpoint = (at: number) => ({
    ...configWith({ pool: [] }),
    pools: [{ ...poolOf('pool', []), endpoints: [named1(at)] }],
  })
  await relay.reload(withEndpoint(1), {}, 60_000)
  expect(slotOf(0)).not.toBe(first)
  flow.end()
  await recorded(1)
  await relay.reload(withEndpoint(2), {}, 60_000)
  expect(slotOf(0)).toBe(first)
  expect(relay.plane.observed.failuresInRow[first]).toBe(0)
})

test('an ejection and a drain survive a reload', async () => {
  const ports = await Promise.all([echo(), echo(), echo()].map(async each => (await each).port))
  const { relay } = await labOf(configWith({ pool: ports }))
  const { plane } = relay
  const [ejected] = plane.table.pools[0]!.endpoints
  plane.observed.ejectedUntil[ejected!.slot] = Number.MAX_SAFE_INTEGER
  relay.drain('pool/pool-1')
  await relay.reload(configWith({ pool: ports, other: ports }), {})
  expect(livePools(plane)[0]!.endpoints.map(({ state }) => state)).toEqual(['ejected', 'draining', 'up'])
})

test('a listener that is added takes connections, one that is removed refuses them and its flows are drained', async () => {
  const { port: end } = await echo()
  const config = configWith({ pool: [end] })
  const { port, relay, recorded } = await labOf(config)
  const flow = await client(port)
  await said(flow, 'x')
  const other = {
    ...config,
    listeners: [{ ...config.listeners[0]!, name: 'other' }],
    routes: [{ ...config.routes[0]!, listeners: ['other'] }],
  } as Config
  const { difference: what, drained } = await relay.reload(other, {}, 50)
  expect(what.listeners).toEqual({ added: ['other'], removed: ['door'], moved: [], changed: [] })
  expect(drained).toBe(1)
  expect(await ending(await client(port))).toBe('ECONNREFUSED')
  expect([...relay.addresses.keys()]).toEqual(['other'])
  expect(await said(await client(relay.addresses.get('other')!.port), 'hello')).toBe('hello')
  expect(await ending(flow)).toBe('ECONNRESET')
  expect((await recorded(1))[0]).toMatchObject({ reason: 'drained', listener: 'door' })
})

test('a listener may be renamed on its own port, and may give its port to another', async () => {
  const { port: end } = await echo()
  const port = await refusingPort()
  const at = (...names: string[]) =>
    ({
      ...configWith({ pool: [end] }),
      listeners: names.map((name, offset) => ({ ...base.listeners[0]!, name, port: port + offset * 0 })),
      routes: [{ ...base.routes[0]!, listeners: names }],
    }) as Config
  const { relay } = await labOf({
    ...at('old'),
    listeners: [...at('old').listeners, { ...base.listeners[0]! }],
  } as Config)
  await relay.reload(at('new'), {})
  expect([...relay.addresses]).toEqual([['new', { host: '127.0.0.1', port }]])
  expect(await said(await client(port), 'hello')).toBe('hello')
})

test('a reload whose listener cannot be opened changes nothing', async () => {
  const [old, next] = [await named('old'), await named('next')]
  const taken = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => taken.once('listening', resolve))
  const { port: takenPort } = taken.address() as { port: number }
  const { port, relay } = await labOf(configWith({ pool: [old.port] }))
  const config = configWith({ pool: [next.port] })
  const more = { ...config.listeners[0]!, name: 'more', port: takenPort } as Config['listeners'][number]
  const failing = relay.reload({ ...config, listeners: [...config.listeners, more] }, {})
  await expect(failing).rejects.toThrow(ConfigError)
  expect([...relay.addresses.keys()]).toEqual(['door'])
  expect(String(await readAll(await client(port)))).toBe('old')
  taken.close()
  await relay.reload(config, {})
  expect(String(await readAll(await client(port)))).toBe('next')
})

test('a flow whose endpoint is back before its time is up goes on', async () => {
  const [one, two] = [await echo(), await echo()]
  const { port, relay } = await labOf(configWith({ pool: [one.port] }))
  const flow = await client(port)
  await said(flow, 'x')
  expect((await relay.reload(configWith({ pool: [two.port] }), {}, 100)).drained).toBe(1)
  await relay.reload(configWith({ pool: [one.port] }), {}, 100)
  await new Promise(resolve => setTimeout(resolve, 250))
  expect(await said(flow, 'still here')).toBe('still here')
})

test('what a reload would do is what it then does, and foreseeing changes nothing', async () => {
  const [one, two] = [await echo(), await echo()]
  const { port, relay } = await labOf(configWith({ pool: [one.port] }))
  await said(await client(port), 'x')
  const next = configWith({ pool: [two.port] }, ruleOf({ attempts: 1 }))
  const { table } = relay.plane
  const foreseen = await relay.foresee(next, {})
  expect(relay.plane.table).toBe(table)
  expect(await relay.reload(next, {}, 60_000)).toEqual(foreseen)
  expect(foreseen).toMatchObject({
    drained: 1,
    difference: { rules: { changed: ['route/0'] }, endpoints: { changed: ['pool/pool-0'] } },
  })
  const { difference: none } = await relay.foresee(next, {})
  expect(none).toEqual(difference(relay.plane.table, relay.plane.table))
})
