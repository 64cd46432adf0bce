// Every example passes the check, and real requests and connections through it reach the endpoints given by variables.

import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { askHttp, askTcp } from '../cli/ask.ts'
import { bundleWorker } from '../cli/edge.ts'
import { startPlanes } from '../cli/planes.ts'
import abTest from '../examples/ab-test/routes.ts'
import apiAndApp from '../examples/api-and-app/routes.ts'
import canary from '../examples/canary-by-cookie/routes.ts'
import compress from '../examples/compress/routes.ts'
import first from '../examples/first/routes.ts'
import maintenance from '../examples/maintenance/routes.ts'
import mirror from '../examples/mirror/routes.ts'
import serviceBinding from '../examples/service-binding/routes.ts'
import staticCache from '../examples/static-cache/routes.ts'
import twoHosts from '../examples/two-hosts/routes.ts'
import websocket from '../examples/websocket/routes.ts'
import { parse } from '../shared/config/parse.ts'
import { dealFresh, leastMoves, movedSlots, ownerOf, SLOT_COUNT } from '../shared/table/slots.ts'
import { fourseven } from './cli/command.ts'
import { root } from './support/pages.ts'
import { type Endpoint, endpoint, type Lab, lab, nobody, sayWhatCame } from './workers/lab.ts'

// Those that need a real nginx, Postgres or Redis are driven in examples-proxy.test.ts and examples-relay.test.ts,
// gateway-api in gateway-api/command.test.ts, and kernel in system/kernel/example.test.ts.
const driven = [
  'ab-test',
  'api-and-app',
  'canary-by-cookie',
  'compress',
  'first',
  'game',
  'gateway-api',
  'grpc',
  'kernel',
  'maintenance',
  'mirror',
  'postgres',
  'proxy-protocol-nginx',
  'redis',
  'service-binding',
  'sni',
  'stacked',
  'static-cache',
  'two-hosts',
  'udp-dns',
  'websocket',
]

/** How to run the relay, and no configs: examples-deploy.test.ts. */
const around = ['docker', 'systemd']

test('every example is driven here', () => {
  expect(readdirSync(join(root, 'examples')).sort()).toEqual([...driven, ...around].sort())
})

describe.each(driven)('examples/%s', name => {
  test('passes the check without a warning', async () => {
    // In its own folder: an example may have a wrangler.toml.
    const { code, stdout } = await fourseven(['check', 'routes.ts', '--strict'], { cwd: join(root, 'examples', name) })
    expect(stdout).toContain('0 errors, 0 warnings')
    expect(code).toBe(0)
  })

  test('has a README', () => {
    expect(existsSync(join(root, 'examples', name, 'README.md'))).toBe(true)
  })
})

test('first: any host reaches the app, and a connection reaches the database', async () => {
  const app = await endpoint(sayWhatCame('app'))
  const variables = { APP: app.address, DB: await echo() }
  const { config } = parse(first, { variables })
  const edge = { host: '127.0.0.1', port: 0 }
  const planes = await startPlanes(config, { variables, edge, ports: 'free', onRecord: () => {} })
  onTestFinished(planes.stop)

  const signal = AbortSignal.timeout(10_000)
  const answer = await askHttp(planes.edge!, { host: 'any.test', path: '/orders?page=2' }, signal)
  expect(JSON.parse(answer.body.toString())).toMatchObject({ endpoint: 'app', url: '/orders?page=2' })
  const sent = Buffer.from('select 1')
  expect(await askTcp(planes.listeners.get('db')!, sent, 'half-close', signal)).toEqual(sent)
})

test('static-cache: a file is asked for once, and given while its endpoint is away; the rest is always asked for', async () => {
  const app = await endpoint((request, response) => {
    response.statusCode = request.url === '/static/none' ? 404 : 200
    response.end(request.url)
  })
  const edge = await lab(staticCache, { APP: app.address })
  const host = 'shop.example.com'
  for (const path of [
    '/static/a.css',
    '/static/a.css?utm_source=x',
    '/static/none',
    '/static/none',
    '/cart',
    '/cart',
  ]) {
    await edge.ask(path, { host })
  }
  expect(app.requests.map(({ url }) => url)).toEqual(['/static/a.css', '/static/none', '/cart', '/cart'])
  app.server.closeAllConnections()
  await new Promise(closed => app.server.close(closed))
  expect((await edge.ask('/static/a.css', { host })).body.toString()).toBe('/static/a.css')
  expect((await edge.ask('/cart', { host })).status).toBe(502)
})

test('compress: JSON is encoded as the client takes it', async () => {
  const json = JSON.stringify(Array.from({ length: 500 }, (_, id) => ({ id })))
  const app = await endpoint((_, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(json)
  })
  const edge = await lab(compress, { APP: app.address })
  const ask = (accepted: string) =>
    edge.ask('/orders', { host: 'app.example.com', headers: { 'accept-encoding': accepted } })
  expect(brotliDecompressSync((await ask('br, gzip')).body).toString()).toBe(json)
  expect(gunzipSync((await ask('gzip')).body).toString()).toBe(json)
  expect((await ask('identity')).body.toString()).toBe(json)
})

test('api-and-app: `/api/` and all below it goes to one pool, the rest to another, and the endpoints take turns', async () => {
  const [one, two, three, four] = await named('api-a', 'api-b', 'app-a', 'app-b')
  const edge = await lab(apiAndApp, {
    API_A: one.address,
    API_B: two.address,
    APP_A: three.address,
    APP_B: four.address,
  })
  const endpointsOf = async (paths: readonly string[]) => {
    const seen: string[] = []
    for (const path of paths) seen.push((await edge.ask(path)).seen.endpoint)
    return seen
  }
  const api = await endpointsOf(['/api', '/api/', '/api/orders', '/api/orders/7?page=2'])
  const app = await endpointsOf(['/', '/apis', '/cart', '/API/'])
  expect([...new Set(api)].sort()).toEqual(['api-a', 'api-b'])
  expect([...new Set(app)].sort()).toEqual(['app-a', 'app-b'])
  for (const seen of [api, app]) for (let i = 1; i < 4; i++) expect(seen[i]).not.toBe(seen[i - 1])
})

describe('canary-by-cookie', () => {
  const host = 'shop.example.com'

  test('who carries the cookie takes part, keeps what they got, may force it, and pays on stable', async () => {
    const [stable, fresh] = await named('stable', 'canary')
    const edge = await lab(canary, { STABLE: stable.address, CANARY: fresh.address })
    const endpointFor = async (path: string, cookie: string) =>
      (await edge.ask(path, { host, headers: { cookie } })).seen.endpoint

    expect(await endpointFor('/', 'beta=1; fs_id=visitor-1')).toBe('canary')
    expect(await endpointFor('/', 'beta=1; fs_id=visitor-2')).toBe('stable')
    expect(await endpointFor('/', 'fs_id=visitor-1')).toBe('stable')
    expect(await endpointFor('/', 'beta=always')).toBe('canary')
    expect(await endpointFor('/', 'beta=never; fs_id=visitor-1')).toBe('stable')
    expect(await endpointFor('/checkout/pay', 'beta=always')).toBe('stable')

    const outside = await edge.ask('/', { host })
    expect(outside.setCookie).toEqual([])
    const answer = await edge.ask('/', { host, headers: { cookie: 'beta=1' } })
    expect(answer.headers['x-fourseven-variant']).toBe(answer.seen.endpoint)
    const cookie = `beta=1; ${answer.setCookie.find(line => line.startsWith('fs_id='))!.split(';')[0]!}`
    for (let visit = 0; visit < 5; visit++) expect(await endpointFor('/', cookie)).toBe(answer.seen.endpoint)
    expect((await edge.ask('/', { host, headers: { cookie } })).setCookie).toEqual([])
  })

  test('5 % of those with the cookie get the canary, and none of those without', async () => {
    const [stable, fresh] = await named('stable', 'canary')
    const edge = await lab(canary, { STABLE: stable.address, CANARY: fresh.address })
    await Promise.all(Array.from({ length: 400 }, () => edge.ask('/with', { host, headers: { cookie: 'beta=1' } })))
    await Promise.all(Array.from({ length: 100 }, () => edge.ask('/without', { host })))
    // Binomial, n = 400 and p = 0.05: mean 20, five sigma 5 * sqrt(19) = 21.8; none at all has a chance of 1e-9.
    expect(fresh.count('/with')).toBeGreaterThan(0)
    expect(fresh.count('/with')).toBeLessThanOrEqual(41)
    expect(stable.count('/without')).toBe(100)
  })

  test('75/25 in place of 95/5 moves a further fifth to the canary and nobody back', () => {
    const [before, after] = [dealFresh([95, 5]), dealFresh([75, 25])]
    expect(movedSlots(before, after)).toBe(leastMoves(before, [75, 25]))
    expect(movedSlots(before, after) / SLOT_COUNT).toBeCloseTo(0.2, 4)
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      if (ownerOf(before, slot) === 1) expect(ownerOf(after, slot)).toBe(1)
    }
  })

  test('100/0 leaves nobody on the canary', () => {
    expect(dealFresh([100, 0])).toEqual({ starts: [0], owners: [0] })
  })
})

test('ab-test: a third each; other weights move nobody, another epoch deals everybody anew', async () => {
  const [shop] = await named('shop')
  const variables = { SHOP: shop.address, FOURSEVEN_COOKIE_KEY: 'a key' }
  const edge = await lab(abTest, variables)
  const jars = Array.from({ length: 120 }, () => ({ cookies: new Map<string, string>(), variant: '' }))
  const askAll = () =>
    Promise.all(
      jars.map(async jar => {
        const cookie = [...jar.cookies].map(pair => pair.join('=')).join('; ')
        const answer = await edge.ask('/', { headers: cookie === '' ? {} : { cookie } })
        for (const line of answer.setCookie) {
          const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!
          jar.cookies.set(name!, value!)
        }
        jar.variant = answer.seen.headers['x-fourseven-variant']!
      }),
    )
  const variants = () => jars.map(jar => jar.variant)
  const weighing = (epoch: number) => {
    const [route] = abTest.routes as unknown as [{ variants: { weight: number }[]; split: object }]
    const weighed = route.variants.map((variant, at) => ({ ...variant, weight: at === 2 ? 1 : 0 }))
    const changed = { ...abTest, routes: [{ ...route, variants: weighed, split: { ...route.split, epoch } }] }
    return parse(changed, { variables }).config
  }

  await askAll()
  const before = variants()
  // Binomial, n = 120 and p = 1/3: mean 40, five sigma 5 * sqrt(26.7) = 25.8.
  for (const name of ['nine', 'ten', 'twelve']) {
    expect(Math.abs(before.filter(variant => variant === name).length - 40)).toBeLessThanOrEqual(25)
  }
  expect([...jars[0]!.cookies.keys()].sort()).toEqual(['fs_id', 'fs_pin_prices'])
  await edge.reload(weighing(0), variables)
  await askAll()
  expect(variants()).toEqual(before)
  await edge.reload(weighing(1), variables)
  await askAll()
  expect(new Set(variants())).toEqual(new Set(['twelve']))
})

test('two-hosts: the host chooses, a plain hostname before one with an asterisk, and no other host is served', async () => {
  const [shop, blogs] = await named('shop', 'blogs')
  const edge = await lab(twoHosts, { SHOP: shop.address, BLOGS: blogs.address })
  const answerFor = (host: string) => edge.ask('/page?a=1', { host })

  expect((await answerFor('shop.example.com')).seen.endpoint).toBe('shop')
  const anna = await answerFor('Anna.Blog.Example.com')
  expect(anna.seen.endpoint).toBe('blogs')
  expect(anna.seen.headers['x-forwarded-host']).toBe('anna.blog.example.com')
  expect((await answerFor('a.b.blog.example.com')).seen.endpoint).toBe('blogs')
  const moved = await answerFor('old.blog.example.com')
  expect(moved.status).toBe(308)
  expect(moved.headers.location).toMatch(/:\/\/new\.blog\.example\.com(:\d+)?\/page\?a=1$/)
  for (const host of ['blog.example.com', 'example.com', 'shop.example.com.evil.test']) {
    expect((await answerFor(host)).status, host).toBe(404)
  }
})

test('websocket: a client talks both ways, and finds its endpoint again', async () => {
  const [app] = await named('app')
  const [one, two] = await Promise.all([chat('chat-a'), chat('chat-b')])
  const edge = await lab(websocket, { APP: app.address, CHAT_A: one, CHAT_B: two })

  const client = new WebSocket(`ws://127.0.0.1:${edge.port}/chat/room?id=7`, { headers: { host: 'app.test' } })
  const [welcome] = await once(client, 'message')
  expect(String(welcome)).toMatch(/^chat-[ab] \/chat\/room\?id=7$/)
  for (const text of ['hello', 'hello again']) {
    client.send(text)
    expect(String((await once(client, 'message'))[0])).toBe(`you said ${text}`)
  }
  client.close(4001, 'enough')
  const [code, why] = await once(client, 'close')
  expect([code, String(why)]).toEqual([4001, 'enough'])
  expect((await edge.recordOf('/chat/room')).status).toBe(101)

  const endpointOf = async (address: string) => {
    const again = new WebSocket(`ws://127.0.0.1:${edge.port}/chat`, { headers: { 'cf-connecting-ip': address } })
    const [said] = await once(again, 'message')
    again.terminate()
    return String(said).split(' ')[0]
  }
  // 24 clients: that all have one endpoint of two has a chance of 2^-23.
  const seen = new Set<string>()
  for (let client = 1; client <= 24; client++) {
    const endpoint = await endpointOf(`203.0.113.${client}`)
    expect(await endpointOf(`203.0.113.${client}`)).toBe(endpoint)
    seen.add(endpoint!)
  }
  expect([...seen].sort()).toEqual(['chat-a', 'chat-b'])
  expect((await edge.ask('/')).seen.endpoint).toBe('app')
})

describe('maintenance', () => {
  const host = 'www.example.com'
  const everybody = { host, headers: { 'cf-connecting-ip': '203.0.113.9' } }
  const office = { host, headers: { 'cf-connecting-ip': '198.51.100.7' } }

  test('everybody is told when to come back, the office gets through', async () => {
    const [app] = await named('app')
    const edge = await lab(maintenance, { APP: app.address })
    const closed = await edge.ask('/cart', everybody)
    expect(closed.status).toBe(503)
    expect(closed.headers).toMatchObject({ 'retry-after': '3600', 'content-type': 'text/html; charset=utf-8' })
    expect(closed.body.toString()).toContain('back within the hour')
    expect(app.requests).toHaveLength(0)
    expect((await edge.ask('/cart', office)).seen.endpoint).toBe('app')
    const six = { host, headers: { 'cf-connecting-ip': '2001:db8:51::7' } }
    expect((await edge.ask('/cart', six)).seen.endpoint).toBe('app')
  })

  test('what fails has a page: the office sees the id that the record has, a stranger that there is no such site', async () => {
    const edge = await lab(maintenance, { APP: await nobody() })
    const failed = await edge.ask('/failed', office)
    expect(failed.status).toBe(502)
    const { requestId } = await edge.recordOf('/failed')
    expect(failed.body.toString()).toContain(`Tell us ${requestId}.`)
    const nowhere = await edge.ask('/', { host: 'other.example.com' })
    expect(nowhere.status).toBe(404)
    expect(nowhere.body.toString()).toContain('no such site')
  })
})

test('mirror: one mirror sees every request and the other a quarter, marked as copies, and a dead one hurts nobody', async () => {
  const [app, next, audit] = await named('app', 'next', 'audit')
  const edge = await lab(mirror, { APP: app.address, NEXT: next.address, AUDIT: audit.address })
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, i) => edge.ask(`/orders/${i}`, { method: 'POST', body: 'two shoes' })),
  )
  expect(answers.map(answer => answer.seen.endpoint)).toEqual(Array(200).fill('app'))
  await expect.poll(() => next.requests.length, { timeout: 10_000 }).toBe(200)
  expect(new Set(next.requests.map(request => request.url)).size).toBe(200)
  expect(next.requests.every(request => request.headers['x-fourseven-mirror'] === '1')).toBe(true)
  expect(app.requests.some(request => 'x-fourseven-mirror' in request.headers)).toBe(false)

  await expect.poll(() => edge.records.length).toBe(200)
  const copies = edge.records.flatMap(record => record.mirrors ?? []) as { pool: string; outcome: string }[]
  expect(copies.every(copy => copy.outcome === 'sent')).toBe(true)
  const audited = copies.filter(copy => copy.pool === 'audit').length
  await expect.poll(() => audit.requests.length).toBe(audited)
  // Binomial, n = 200 and p = 0.25: mean 50, five sigma 5 * sqrt(37.5) = 30.6.
  expect(Math.abs(audited - 50)).toBeLessThanOrEqual(30)

  next.server.close()
  next.server.closeAllConnections()
  expect((await edge.ask('/after')).seen.endpoint).toBe('app')
})

test('service-binding: a bound Worker serves its path and sees the URL of the client, an endpoint the rest', async () => {
  const [app] = await named('app')
  const SHOP = await bundleWorker(join(root, 'examples/service-binding/shop.ts'))
  const edge: Lab = await lab(serviceBinding, { APP: app.address }, undefined, { services: { SHOP } })
  const shop = await edge.ask('/shop/cart?a=1', { host: 'www.example.com' })
  expect(JSON.parse(shop.body.toString())).toEqual({
    worker: 'shop',
    url: expect.stringMatching(/^https?:\/\/www\.example\.com\/shop\/cart\?a=1$/),
    via: 'site',
  })
  expect((await edge.recordOf('/shop/cart')).endpoint).toBe('binding:SHOP')
  expect((await edge.ask('/cart', { host: 'www.example.com' })).seen.endpoint).toBe('app')
})

test('three variants may move more than the least when the file is edited, as the pages say', () => {
  const before = dealFresh([80, 10, 10])
  expect(movedSlots(before, dealFresh([70, 10, 20]))).toBeGreaterThan(leastMoves(before, [70, 10, 20]))
})

/** An endpoint for each name, which says its name and what came. */
async function named<const Names extends readonly string[]>(
  ...names: Names
): Promise<{ [Name in keyof Names]: Endpoint }> {
  return (await Promise.all(names.map(name => endpoint(sayWhatCame(name))))) as { [Name in keyof Names]: Endpoint }
}

/** `http://127.0.0.1:40001`, which says to a WebSocket its name and the URL, then what it heard. */
async function chat(name: string): Promise<string> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  server.on('connection', (socket, request) => {
    socket.send(`${name} ${request.url}`)
    socket.on('message', message => socket.send(`you said ${message}`))
  })
  await once(server, 'listening')
  onTestFinished(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`
}

/** `tcp://127.0.0.1:40001`, which sends back what it gets. */
async function echo(): Promise<string> {
  const server = net.createServer({ allowHalfOpen: true }, socket => socket.pipe(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return `tcp://127.0.0.1:${(server.address() as net.AddressInfo).port}`
}
