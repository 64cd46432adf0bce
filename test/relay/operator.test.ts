import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { openMetrics } from '../../relay/metrics.ts'
import { type OperatorOptions, openOperator } from '../../relay/operator.ts'
import { startRelay } from '../../relay/relay.ts'
import { parse } from '../../shared/config/parse.ts'
import type { Config } from '../../shared/config/parsed.ts'
import { askOnce } from '../cache/ask.ts'
import { client, configOf, echo, ending, refusingPort, said } from './lab.ts'

interface Answer {
  readonly status: number
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: what the test then looks at
  readonly json: any
}

async function operated(config: Config, options: Partial<OperatorOptions> = {}) {
  const metrics = openMetrics()
  let count = 0
  const relay = await startRelay({
    config,
    variables: {},
    onRecord: record => {
      metrics.countRecord(record)
      count += 1
    },
  })
  metrics.watch(relay)
  const operator = await openOperator({
    host: '127.0.0.1',
    port: 0,
    relay,
    metrics,
    token: undefined,
    isReady: () => true,
    reload: async wish => ({ ok: wish.isDry, wish }),
    ...options,
  })
  onTestFinished(async () => {
    operator.close()
    await relay.stop({ drainMs: 0 })
  })
  const recorded = async (wanted: number) => {
    while (count < wanted) await new Promise(resolve => setTimeout(resolve, 5))
  }
  /** fetch would not let Host be chosen. */
  const ask = (path: string, method = 'GET', headers: Record<string, string> = {}, body = ''): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const asking = request({ host: '127.0.0.1', port: operator.address.port, path, method, headers }, response => {
        let text = ''
        response.on('data', chunk => {
          text += chunk
        })
        response.on('end', () => {
          const isJson = response.headers['content-type'] === 'application/json'
          resolve({ status: response.statusCode!, text, json: isJson ? JSON.parse(text) : undefined })
        })
      })
      asking.on('error', reject)
      asking.end(body)
    })
  return { relay, ask, recorded, port: relay.addresses.get('door')!.port }
}

test('/flows has what is open, oldest first, page by page', async () => {
  const { port: end } = await echo()
  const { ask, port } = await operated(configOf([end]))
  const sockets = [await client(port), await client(port), await client(port)]
  for (const socket of sockets) await said(socket, 'hello')
  const first = (await ask('/flows?limit=2')).json
  expect(first).toMatchObject({ total: 3, next: first.flows[1].id })
  expect(first.flows[0]).toEqual({
    id: expect.any(Number),
    transport: 'tcp',
    listener: 'door',
    clientAddress: '127.0.0.1',
    clientPort: sockets[0]!.localPort,
    route: 'route',
    rule: '0',
    variant: 'pool',
    endpoint: 'pool-0',
    bytesIn: 5,
    bytesOut: 5,
    ageMs: expect.any(Number),
  })
  const second = (await ask(`/flows?limit=2&after=${first.next}`)).json
  expect(second).toMatchObject({ total: 3, next: null, flows: [{ clientPort: sockets[2]!.localPort }] })
  for (const bad of ['limit=0', 'limit=1001', 'after=-1', 'after=x']) {
    expect((await ask(`/flows?${bad}`)).status).toBe(400)
  }
})

test('/pools says in which state each endpoint is, and why', async () => {
  const { port: end } = await echo()
  const nobody = await refusingPort()
  const outlier = {
    consecutiveFailures: 1,
    successRateFactor: 0,
    baseEjectionMs: 60_000,
    maxEjectionMs: 60_000,
    maxEjectedPercent: 50,
  }
  const { ask, port, recorded, relay } = await operated(configOf([end, nobody, end], { pool: { outlier } }))
  for (let at = 0; at < 3; at++) await said(await client(port), 'x')
  await ask('/drain', 'POST', {}, '{"endpoint":"pool/pool-2"}')
  const [pool] = (await ask('/pools')).json.pools
  expect(pool).toMatchObject({
    name: 'pool',
    open: 3,
    waiting: 0,
    endpoints: [
      { id: 'pool/pool-0', state: 'up', why: null, ejectedUntil: null },
      { state: 'ejected', why: expect.stringContaining('ejected'), ejectedUntil: expect.stringMatching(/Z$/), open: 0 },
      { state: 'draining', why: 'drained by an operator' },
    ],
  })
  expect(pool.endpoints[0].latencyMs).toBeGreaterThan(0)
  expect((await relay.flows(0, 10)).total).toBe(3)
  await recorded(0)
})

test('drain sends nothing new and ends in time what is open; undrain takes it back', async () => {
  const { port: end } = await echo()
  const { ask, port, recorded } = await operated(configOf([end]))
  const socket = await client(port)
  await said(socket, 'x')
  expect((await ask('/drain', 'POST', {}, '{"endpoint":"pool/pool-0","drainMs":50}')).json).toEqual({
    ok: true,
    endpoints: ['pool/pool-0'],
  })
  expect(await ending(socket)).toBe('ECONNRESET')
  expect(await ending(await client(port))).toBe('ECONNRESET')
  await recorded(2)
  expect((await ask('/undrain', 'POST', {}, '{"endpoint":"pool/pool-0"}')).status).toBe(200)
  expect(await said(await client(port), 'again')).toBe('again')
  expect((await ask('/drain', 'POST', {}, '{"endpoint":"pool/pol-0"}')).status).toBe(404)
  expect((await ask('/drain', 'POST', {}, 'x')).status).toBe(400)
  expect((await ask('/drain', 'POST')).status).toBe(400)
  for (const drainMs of [-1, 3_000_000_000]) {
    expect((await ask('/drain', 'POST', {}, JSON.stringify({ endpoint: 'pool/pool-0', drainMs }))).status).toBe(400)
  }
})

test('/metrics counts connections by how they ended, bytes of open flows too, and endpoints by state', async () => {
  const { port: end } = await echo()
  const { ask, port, recorded } = await operated(configOf([end]))
  const done = await client(port)
  done.end('12345')
  done.resume()
  await recorded(1)
  await said(await client(port), '123')
  const { text } = await ask('/metrics')
  for (const line of [
    'fourseven_connections_total{listener="door",route="route",variant="pool",reason="done"} 1',
    'fourseven_connections_open{listener="door"} 1',
    'fourseven_bytes_total{direction="in"} 8',
    'fourseven_bytes_total{direction="out"} 8',
    'fourseven_connect_duration_seconds_count{route="route"} 1',
    'fourseven_endpoint_state{pool="pool",endpoint="pool-0",state="up"} 1',
    'fourseven_endpoint_state{pool="pool",endpoint="pool-0",state="down"} 0',
    'fourseven_attempts_total{route="route",endpoint="pool-0",outcome="connected"} 1',
    'fourseven_reloads_total{outcome="ok"} 0',
  ]) {
    expect(text.split('\n')).toContain(line)
  }
  expect(text).toMatch(/^process_cpu_seconds_total/m)
})

test('/explain decides with the table in force and what is observed now', async () => {
  const { port: end } = await echo()
  const { ask } = await operated(configOf([end, end]))
  const asked = '/explain?address=192.0.2.7&port=4000&draw=1'
  expect((await ask(asked)).json).toMatchObject({ decision: { do: 'forward', rule: 'route/0' } })
  await ask('/drain', 'POST', {}, '{"endpoint":"pool/pool-0"}')
  const { pool } = (await ask(asked)).json
  expect(pool.order).toEqual(['pool-1'])
  expect((await ask('/explain?address=192.0.2.7&listener=dor')).json.error).toContain('there is door')
})

test('a name that a web page could have made up is refused, an address and localhost are not', async () => {
  const { ask } = await operated(configOf([1]))
  for (const host of ['rebound.example', 'rebound.example:9047', 'localhost.example', '1.2.3.4.example']) {
    expect((await ask('/pools', 'GET', { host })).status).toBe(403)
  }
  for (const host of ['localhost:9047', '127.0.0.1', '[::1]:9047', '192.0.2.1:80']) {
    expect((await ask('/pools', 'GET', { host })).status).toBe(200)
  }
})

test('nothing is changed for a web page, nor without the token where there is one, nor beyond loopback without one', async () => {
  const body = '{"endpoint":"pool/pool-0"}'
  const open = await operated(configOf([1]))
  expect((await open.ask('/drain', 'POST', { origin: 'http://127.0.0.1' }, body)).status).toBe(403)
  expect((await open.ask('/drain', 'POST', { 'sec-fetch-site': 'cross-site' }, body)).status).toBe(403)
  expect((await open.ask('/drain', 'PUT', {}, body)).status).toBe(405)
  const kept = await operated(configOf([1]), { token: 'secret' })
  expect((await kept.ask('/pools')).status).toBe(200)
  expect((await kept.ask('/drain', 'POST', {}, body)).status).toBe(401)
  expect((await kept.ask('/drain', 'POST', { authorization: 'Bearer secreT' }, body)).status).toBe(401)
  expect((await kept.ask('/drain', 'POST', { authorization: 'Bearer secret' }, body)).status).toBe(200)
  const wide = await operated(configOf([1]), { host: '0.0.0.0' })
  expect((await wide.ask('/drain', 'POST', {}, body)).status).toBe(403)
})

test('readiness follows the relay; unknown paths and reloads are answered', async () => {
  let isReady = true
  const { ask } = await operated(configOf([1]), { isReady: () => isReady })
  expect((await ask('/readyz')).status).toBe(200)
  isReady = false
  expect((await ask('/readyz')).status).toBe(503)
  expect((await ask('/healthz')).status).toBe(200)
  expect((await ask('/nothing')).status).toBe(404)
  expect((await ask('/reload?dry=1', 'POST', {}, '{"a":1}')).json).toEqual({
    ok: true,
    wish: { isDry: true, config: { a: 1 } },
  })
  expect((await ask('/reload', 'POST')).status).toBe(422)
})

test('/purge forgets what is stored of a URL, a prefix, a route or a tag, and nothing else', async () => {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url!)
    response.writeHead(200, { 'cache-control': 'max-age=600', 'cache-tag': 'news' }).end('x')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { config } = parse({
    listeners: { door: { kind: 'http', address: '127.0.0.1:0' } },
    pools: { app: { endpoints: [`http://127.0.0.1:${(server.address() as AddressInfo).port}`] } },
    routes: [{ name: 'app', pool: 'app', cache: { tagHeader: 'cache-tag' } }],
  } as never)
  const { ask, port } = await operated(config)
  const get = (path: string) => askOnce(port, path, { method: 'GET', headers: { host: 'shop.test' } })
  const purge = async (of: object) => (await ask('/purge', 'POST', {}, JSON.stringify(of))).status
  const both = async () => {
    const before = asked.length
    for (const path of ['/a', '/b']) await get(path)
    return asked.slice(before)
  }
  expect(await both()).toEqual(['/a', '/b'])
  expect(await both()).toEqual([])
  for (const [of, gone] of [
    [{ by: 'url', url: 'http://shop.test/a' }, ['/a']],
    [{ by: 'prefix', prefix: 'http://shop.test/b' }, ['/b']],
    [{ by: 'prefix', prefix: 'http://other.test/' }, []],
    [{ by: 'route', route: 'app' }, ['/a', '/b']],
    [{ by: 'tag', tag: 'news' }, ['/a', '/b']],
  ] as const) {
    expect(await purge(of)).toBe(200)
    // What is asked for in the very millisecond of a purge is forgotten too.
    await new Promise(resolve => setTimeout(resolve, 2))
    expect(await both(), JSON.stringify(of)).toEqual(gone)
    expect(await both()).toEqual([])
  }
  for (const of of [{}, { by: 'url' }, { by: 'all' }, [], { by: 'tag', tag: '' }]) expect(await purge(of)).toBe(400)
})
