// What clients notice of what happens without a deploy: an endpoint that dies, a drain, a purge. Real workerd, real endpoints.

import type http from 'node:http'
import { expect, test } from 'vitest'
import { type Asked, type Endpoint, endpoint, type Lab, lab } from './lab.ts'

const token = 'open-sesame'

test('an endpoint that dies is out when its probes say so, and no client sees an error meanwhile', async () => {
  const ends = [
    await endpoint((_, response) => void response.end('a')),
    await endpoint((_, response) => void response.end('b')),
  ]
  const edge = await edgeOf(ends, { probe })
  const statuses: number[] = []
  let isOver = false
  const client = (async () => {
    for (let at = 0; !isOver; at++) {
      statuses.push((await edge.ask(`/get/${at}`)).status)
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  })()
  await until(async () => statuses.length > 50)
  expect(ends.map(each => each.count('/get')).every(count => count > 0)).toBe(true)
  const diedAt = performance.now()
  ends[0]!.server.closeAllConnections()
  ends[0]!.server.close()
  await until(async () => (await stateOf(edge, 'app/e0')) === 'down')
  const downMs = performance.now() - diedAt
  isOver = true
  await client
  expect(statuses.filter(status => status !== 200)).toEqual([])
  // Three probes a second apart, and their jitter; the rest is for a machine that is busy.
  expect(downMs).toBeGreaterThan(1_500)
  expect(downMs).toBeLessThan(20_000)
}, 90_000)

test('an endpoint that fails its probes gets no requests, however well it answers them', async () => {
  let isWell = true
  const handler: http.RequestListener = (request, response) =>
    void response.writeHead(request.url === '/healthz' && !isWell ? 500 : 200).end('x')
  const ends = [await endpoint(handler), await endpoint((_, response) => void response.end('x'))]
  const edge = await edgeOf(ends, { probe })
  const asked = async () => {
    const before = ends[0]!.count('/get')
    for (let at = 0; at < 10; at++) expect((await edge.ask('/get')).status).toBe(200)
    return ends[0]!.count('/get') - before
  }
  expect(await asked()).toBeGreaterThan(0)
  isWell = false
  await until(async () => (await asked()) === 0)
  expect(await stateOf(edge, 'app/e0')).toBe('down')
  isWell = true
  await until(async () => (await asked()) > 0)
}, 90_000)

test('a drain sends nothing new and lets open requests finish', async () => {
  const slow: http.ServerResponse[] = []
  const handler: http.RequestListener = (request, response) => {
    if (request.url === '/slow') slow.push(response)
    else response.end('x')
  }
  const ends = [await endpoint(handler), await endpoint(handler)]
  const edge = await edgeOf(ends)
  const open = [edge.ask('/slow'), edge.ask('/slow')]
  await until(async () => slow.length === 2)
  const drained = ends.findIndex(each => each.count('/slow') > 0)
  await change(edge, { do: 'drain', endpoint: `app/e${drained}` })
  await until(async () => {
    const before = ends[drained]!.requests.length
    for (let at = 0; at < 10; at++) await edge.ask('/get')
    return ends[drained]!.requests.length === before
  })
  const before = ends[drained]!.requests.length
  for (let at = 0; at < 20; at++) expect((await edge.ask('/get')).status).toBe(200)
  expect(ends[drained]!.requests.length).toBe(before)
  for (const response of slow) response.end('at last')
  for (const answer of await Promise.all(open)) expect([answer.status, String(answer.body)]).toEqual([200, 'at last'])
}, 60_000)

test('a purge is in force at the edge within seconds, and for what it names only', async () => {
  const ends = [
    await endpoint((request, response) => {
      response.writeHead(200, { 'cache-control': 'max-age=600', 'cache-tag': request.url!.slice(1) }).end('x')
    }),
  ]
  const edge = await edgeOf(ends, {}, { cache: true })
  const [end] = ends
  for (const path of ['/news', '/shop']) {
    await until(async () => {
      const before = end!.count(path)
      await edge.ask(path)
      return end!.count(path) === before
    })
  }
  const shop = end!.count('/shop')
  const news = end!.count('/news')
  await change(edge, { do: 'purge', of: { by: 'tag', tag: 'news' } })
  await until(async () => {
    await edge.ask('/news')
    await edge.ask('/shop')
    return end!.count('/news') > news
  })
  expect(end!.count('/shop')).toBe(shop)
}, 60_000)

const probe = { kind: 'http', interval: '1s', timeout: '1s', fall: 3, rise: 2 }

async function edgeOf(ends: readonly Endpoint[], pool: object = {}, route: object = {}): Promise<Lab> {
  const endpoints = ends.map(({ address }, at) => ({ name: `e${at}`, address }))
  return lab(
    {
      listeners: { web: { kind: 'edge' } },
      pools: { app: { endpoints, ...pool } },
      routes: [{ name: 'app', pool: 'app', ...route }],
    } as never,
    { FOURSEVEN_OPERATOR_TOKEN: token },
  )
}

async function stateOf(edge: Lab, endpoint: string): Promise<string | undefined> {
  const { pools } = await operate(edge, 'status')
  return pools[0].endpoints.find((each: { endpoint: string }) => each.endpoint === endpoint)?.state
}

async function change(edge: Lab, command: object): Promise<void> {
  await operate(edge, 'changes', { method: 'POST', body: JSON.stringify({ command, author: 'anna' }) })
}

// biome-ignore lint/suspicious/noExplicitAny: what the test then looks at
async function operate(edge: Lab, path: string, asked: Asked = {}): Promise<any> {
  const { status, body } = await edge.ask(`/.fourseven/${path}`, {
    ...asked,
    headers: { authorization: `Bearer ${token}` },
  })
  expect(status, String(body)).toBe(200)
  return JSON.parse(String(body))
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise(resolve => setTimeout(resolve, 100))
}
