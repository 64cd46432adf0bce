// Probes at the edge: objects in real workerd that ask real endpoints by alarm.

import type http from 'node:http'
import { expect, test } from 'vitest'
import type { ConfigInput } from '../../shared/config/config.ts'
import type { Status } from '../../shared/overlay/status.ts'
import { type Endpoint, endpoint, type Lab, lab } from './lab.ts'

const token = 'open-sesame'

test('an endpoint that fails its probes is down for everybody, and up again when it passes', async () => {
  const ends = [await probed('a'), await probed('b')]
  const edge = await edgeOf(ends.map(each => each.end))
  await until(async () => ends.every(each => each.end.count('/healthz') > 1))
  expect(await states(edge)).toEqual(['up', 'up'])
  ends[0]!.isWell = false
  await until(async () => (await states(edge)).join() === 'down,up')
  const [change] = (await operate(edge, 'history?automatic=yes')).changes
  expect(change).toMatchObject({
    author: 'probe',
    reason: 'status 503, not 200 to 399',
    command: { do: 'verdict', endpoint: 'app/e0', is: 'down' },
    isAutomatic: true,
  })
  ends[0]!.isWell = true
  await until(async () => (await states(edge)).join() === 'up,up')
}, 90_000)

test('no more than six endpoints are asked at once, also when none answers', async () => {
  let open = 0
  let most = 0
  let asked = 0
  const hanging: http.RequestListener = (request, response) => {
    if (!request.url!.startsWith('/healthz')) return response.end('x')
    open += 1
    asked += 1
    most = Math.max(most, open)
    response.on('close', () => {
      open -= 1
    })
    return undefined
  }
  const ends = await Promise.all(Array.from({ length: 15 }, () => endpoint(hanging)))
  const edge = await edgeOf(ends)
  await until(async () => asked > 15)
  await until(async () => (await states(edge)).filter(state => state === 'down').length > 6)
  expect(most).toBeGreaterThan(1)
  expect(most).toBeLessThanOrEqual(6)
}, 90_000)

test('a body that has to hold a text is read as far as 10 KiB', async () => {
  const text = (start: string) =>
    endpoint((request, response) => void response.end(request.url!.startsWith('/healthz') ? start : 'x'))
  const ends = [await text('we are ready'), await text(`${'x'.repeat(20_000)}ready`)]
  const edge = await edgeOf(ends, { body: 'ready', fall: 1 })
  await until(async () => (await states(edge)).join() === 'up,down')
}, 90_000)

test('an endpoint that starts down gets nothing before a probe of it has passed', async () => {
  const ends = await Promise.all(['a', 'b', 'c', 'd'].map(probed))
  for (const end of ends) end.isWell = false
  // Without panic, which would use all of them as long as too few are up.
  const edge = await edgeOf(
    ends.map(each => each.end),
    { startDown: true, rise: 1 },
    { panicPercent: 0 },
  )
  // From the very first request on.
  for (let at = 0; at < 5; at++) expect((await edge.ask('/get')).status).toBe(503)
  expect(await states(edge)).toEqual(['down', 'down', 'down', 'down'])
  const [pool] = ((await operate(edge, 'status')) as Status).pools
  expect(pool!.endpoints[3]!.why).toBe('no probe has passed yet')
  const [, , , late] = ends
  for (const end of ends) end.isWell = end !== late
  await until(async () => (await states(edge)).join() === 'up,up,up,down')
  await until(async () => (await edge.ask('/get')).status === 200)
  for (let at = 0; at < 40; at++) await edge.ask('/get')
  expect(late!.end.count('/get')).toBe(0)
  late!.isWell = true
  await until(async () => {
    await edge.ask('/get')
    return late!.end.count('/get') > 0
  })
}, 90_000)

test('with regions each asks, and most of them decide', async () => {
  const asked: number[] = []
  const end = await endpoint((request, response) => {
    if (request.url!.startsWith('/healthz')) {
      asked.push(asked.length)
      // One of three is told that all is well.
      response.writeHead(asked.length % 3 === 0 ? 200 : 503)
    }
    response.end('x')
  })
  const edge = await edgeOf([end], { regions: ['weur', 'enam', 'apac'] })
  await until(async () => (await states(edge)).join() === 'down')
  const [change] = (await operate(edge, 'history?automatic=yes')).changes
  expect(change.reason).toBe('2 of 3 regions: status 503, not 200 to 399')
}, 90_000)

async function probed(name: string) {
  const each = { isWell: true, end: undefined as unknown as Endpoint }
  each.end = await endpoint((request, response) => {
    if (request.url!.startsWith('/healthz')) response.writeHead(each.isWell ? 200 : 503)
    response.end(name)
  })
  return each
}

async function edgeOf(ends: readonly Endpoint[], probe: object = {}, pool: object = {}): Promise<Lab> {
  const config = {
    listeners: { web: { kind: 'edge' } },
    pools: {
      app: {
        endpoints: ends.map(({ address }, at) => ({ name: `e${at}`, address })),
        probe: { kind: 'http', interval: '1s', timeout: '1s', fall: 2, rise: 2, ...probe },
        ...pool,
      },
    },
    routes: [{ name: 'app', pool: 'app' }],
  } as unknown as ConfigInput
  const edge = await lab(config, { FOURSEVEN_OPERATOR_TOKEN: token })
  // Probes begin with the first look at the control object.
  await operate(edge, 'overlay')
  return edge
}

async function states(edge: Lab): Promise<readonly string[]> {
  const { pools } = (await operate(edge, 'status')) as Status
  return pools[0]!.endpoints.map(({ state }) => state)
}

// biome-ignore lint/suspicious/noExplicitAny: what the test then looks at
async function operate(edge: Lab, path: string): Promise<any> {
  const { status, body } = await edge.ask(`/.fourseven/${path}`, { headers: { authorization: `Bearer ${token}` } })
  expect(status).toBe(200)
  return JSON.parse(String(body))
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise(resolve => setTimeout(resolve, 200))
}
