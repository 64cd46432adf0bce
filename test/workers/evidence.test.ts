// What isolates count and see, told to the control object: counts for the operator, and ejections for everybody when enough
// data centres agree. In real workerd, with endpoints that die.

import { beforeAll, expect, it, vi } from 'vitest'
import type { ConfigInput } from '../../shared/config/config.ts'
import { type Crowd, crowd } from './crowd.ts'
import { type Endpoint, endpoint, sayWhatCame } from './lab.ts'

vi.setConfig({ testTimeout: 120_000 })

let a: Endpoint
let app: Crowd
let isBroken = false

const config = (): ConfigInput => ({
  listeners: { web: { kind: 'edge' } },
  pools: {
    app: {
      endpoints: [
        { name: 'a', address: a.address },
        { name: 'b', address: b.address },
      ],
      outlier: { consecutiveFailures: 3 },
    },
  },
  routes: [{ name: 'app', retry: { attempts: 1 }, pool: 'app' }],
})
let b: Endpoint

beforeAll(async () => {
  a = await endpoint((request, response) => {
    if (!isBroken) return sayWhatCame('a')(request, response)
    response.statusCode = 503
    response.end()
  })
  b = await endpoint(sayWhatCame('b'))
  app = await crowd(config(), 4)
})

const endpointOf = async (id: string) => {
  const { body } = await app.operate('status')
  const is = (each: { endpoint: string }) => each.endpoint === id
  return { ...body.pools[0].endpoints.find(is), ...body.counted.endpoints.find(is) }
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const began = performance.now()
  while (!(await holds())) {
    if (performance.now() - began > 60_000) throw new Error('not within a minute')
    // The operator API takes fifty a second.
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

it('counts of all isolates come together, by route and by endpoint', async () => {
  let asked = 0
  const more = async () => {
    for (const worker of [0, 1, 2, 3]) {
      await app.ask(worker, '/')
      asked += 1
    }
  }
  for (let i = 0; i < 5; i++) await more()
  // What was asked last is told with the next look.
  await until(async () => {
    await more()
    const { series } = (await app.operate('counts')).body
    return (series[0]?.requests ?? 0) >= 20
  })
  const { body } = await app.operate('status')
  const [route] = body.counted.routes
  expect(route).toMatchObject({ route: 'app', errors: 0 })
  expect(route.requests).toBeLessThanOrEqual(asked)
  expect(route.medianMs).toBeGreaterThan(0)
  const [one, other] = body.counted.endpoints
  expect(one).toMatchObject({ endpoint: 'app/a', errors: 0 })
  expect(one.medianMs).toBeGreaterThan(0)
  expect(one.requests + other.requests).toBeLessThanOrEqual(asked)
  expect(body).toMatchObject({ version: 0, lastChanges: [], retired: [], ignored: [] })
  expect(body.counted.to - body.counted.from).toBe(60_000)
})

it('an endpoint that an operator has ejected comes back in its time: that it is ejected is no evidence against it', async () => {
  const everybody = async () => {
    for (const worker of [0, 1, 2, 3]) for (let i = 0; i < 2; i++) await app.ask(worker, '/')
  }
  // Clocks that are a little apart count as one: isolates end an ejection somewhat later than the object.
  await app.mode({ aheadMs: 1_500 })
  const command = { do: 'eject', endpoint: 'app/b', forMs: 6_000 }
  expect((await app.operate('changes', { command, author: 'ann' })).status).toBe(200)
  const isUp = async () => {
    await everybody()
    return (await endpointOf('app/b')).state === 'up'
  }
  await until(isUp)
  const began = performance.now()
  while (performance.now() - began < 5_000) await everybody()
  expect((await app.operate('history?automatic=yes')).body.changes).toMatchObject([{ author: 'ann' }])
  expect((await endpointOf('app/b')).state).toBe('up')
  await app.mode({})
})

it('one data centre that cannot reach an endpoint ejects it for itself alone, most of them for everybody', async () => {
  isBroken = true
  // Worker 0 alone meets the broken one.
  await until(async () => {
    await app.ask(0, '/')
    return (await endpointOf('app/a')).places.against === 1
  })
  isBroken = false
  for (const worker of [1, 2, 3]) for (let i = 0; i < 4; i++) expect((await app.ask(worker, '/')).status).toBe(200)
  expect((await endpointOf('app/a')).state).toBe('up')

  isBroken = true
  await until(async () => {
    for (const worker of [0, 1, 2]) await app.ask(worker, '/')
    return (await endpointOf('app/a')).state === 'ejected'
  })
  const { body } = await app.operate('history?automatic=yes')
  expect(body.changes[0]).toMatchObject({
    author: 'traffic',
    isAutomatic: true,
    command: { do: 'eject by traffic', endpoint: 'app/a' },
  })
  expect(body.changes[0].reason).toMatch(/^\d of \d data centres have ejected it$/)
  // Worker 3 has seen too little to judge for itself, and leaves the endpoint alone all the same.
  await until(async () => {
    const seen = new Set<string>()
    for (let i = 0; i < 4; i++) seen.add(String((await app.ask(3, '/')).status))
    return [...seen].join() === '200'
  })
})
