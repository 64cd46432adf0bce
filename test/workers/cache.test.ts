// What of the cache only real workerd shows: bodies byte for byte, stampedes, variants, users, outages, compression.

import { createHash, randomBytes } from 'node:crypto'
import type { RequestListener } from 'node:http'
import { brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { endpoint, lab } from './lab.ts'

async function cached(handler: RequestListener, rule: object = {}) {
  const origin = await endpoint(handler)
  const edge = await lab({
    listeners: { web: { kind: 'edge' } },
    pools: { app: { endpoints: [origin.address] } },
    routes: [{ name: 'app', pool: 'app', cache: true, ...rule }],
  } as never)
  return { origin, edge }
}

const sha = (body: Buffer) => createHash('sha256').update(body).digest('hex')

test('a megabyte comes out of the store as it went in, with its length', async () => {
  const body = randomBytes(1_000_000)
  const { origin, edge } = await cached((_, response) => {
    response.setHeader('cache-control', 'max-age=60')
    response.end(body)
  })
  const first = await edge.ask('/big')
  const second = await edge.ask('/big')
  expect([sha(first.body), sha(second.body)]).toEqual([sha(body), sha(body)])
  expect(second.headers['content-length']).toBe('1000000')
  expect(origin.count('/big')).toBe(1)
})

test('an encoded answer is stored and given as the same bytes', async () => {
  const encoded = gzipSync('hello '.repeat(1000))
  const { origin, edge } = await cached((_, response) => {
    response.writeHead(200, { 'cache-control': 'max-age=60', 'content-encoding': 'gzip', vary: 'accept-encoding' })
    response.end(encoded)
  })
  const headers = { 'accept-encoding': 'gzip' }
  const first = await edge.ask('/text', { headers })
  const second = await edge.ask('/text', { headers })
  for (const got of [first, second]) {
    expect(got.headers['content-encoding']).toBe('gzip')
    expect(got.body.toString('hex'), got === first ? 'from the endpoint' : 'from the store').toBe(
      encoded.toString('hex'),
    )
  }
  expect(origin.count('/text')).toBe(1)
})

test('of a thousand requests for a cold key one reaches the endpoint', async () => {
  const { origin, edge } = await cached((_, response) => {
    response.setHeader('cache-control', 'max-age=60')
    setTimeout(() => response.end('one'), 200)
  })
  const answers = await Promise.all(Array.from({ length: 1000 }, () => edge.ask('/cold')))
  expect(answers.every(({ status, body }) => status === 200 && String(body) === 'one')).toBe(true)
  expect(origin.count('/cold')).toBe(1)
})

test('of a thousand requests for a cold key over two isolates one of each reaches the endpoint', async () => {
  const origin = await endpoint((_, response) => {
    response.setHeader('cache-control', 'max-age=60')
    setTimeout(() => response.end('one'), 200)
  })
  const config = {
    listeners: { web: { kind: 'edge' } },
    pools: { app: { endpoints: [origin.address] } },
    routes: [{ name: 'app', pool: 'app', cache: true }],
  } as never
  const isolates = await Promise.all([lab(config), lab(config)])
  const answers = await Promise.all(Array.from({ length: 1000 }, (_, index) => isolates[index % 2]!.ask('/cold')))
  expect(answers.every(({ status, body }) => status === 200 && String(body) === 'one')).toBe(true)
  expect(origin.count('/cold')).toBe(2)
}, 60_000)

test('requests for what is not stored do not wait for each other twice', async () => {
  const { origin, edge } = await cached((_, response) => {
    response.setHeader('cache-control', 'no-store')
    setTimeout(() => response.end('own'), 50)
  })
  for (let round = 0; round < 3; round++) await Promise.all(Array.from({ length: 10 }, () => edge.ask('/own')))
  expect(origin.count('/own')).toBe(30)
})

test('variants of a split never share an answer', async () => {
  const [old, fresh] = await Promise.all(
    ['old', 'new'].map(name =>
      endpoint((_, response) => {
        response.setHeader('cache-control', 'max-age=60')
        response.end(name)
      }),
    ),
  )
  const edge = await lab({
    listeners: { web: { kind: 'edge' } },
    pools: { old: { endpoints: [old!.address] }, new: { endpoints: [fresh!.address] } },
    routes: [
      {
        name: 'app',
        cache: true,
        variants: [
          { name: 'old', weight: 50, pool: 'old' },
          { name: 'new', weight: 50, pool: 'new' },
        ],
        split: { force: { header: 'x-to', to: 'new' } },
      },
    ],
  } as never)
  for (const name of ['old', 'new', 'old', 'new']) {
    const got = await edge.ask('/page', { headers: { 'x-to': name } })
    expect(String(got.body)).toBe(name)
  }
  expect([old!.count('/page'), fresh!.count('/page')]).toEqual([1, 1])
})

test('the cookie of a split is set anew on what comes from the store', async () => {
  const origin = await endpoint((_, response) => {
    response.setHeader('cache-control', 'max-age=60')
    response.end('page')
  })
  const edge = await lab({
    listeners: { web: { kind: 'edge' } },
    pools: { app: { endpoints: [origin.address] } },
    routes: [{ name: 'app', cache: true, variants: [{ name: 'a', weight: 1, pool: 'app' }], split: {} }],
  } as never)
  const cookies = new Set<string>()
  for (let user = 0; user < 5; user++) {
    const got = await edge.ask('/page')
    expect(got.setCookie).toHaveLength(1)
    expect(got.headers['cache-control']).toMatch(/private/)
    cookies.add(got.setCookie[0]!.split(';')[0]!)
  }
  expect(cookies.size).toBe(5)
  expect(origin.count('/page')).toBe(1)
})

test('what is stored is given while no endpoint is there, stale too where that is allowed', async () => {
  const { origin, edge } = await cached((request, response) => {
    const control = request.url === '/fresh' ? 'max-age=600' : 'max-age=10, stale-if-error=600'
    response.writeHead(200, { 'cache-control': control, ...(request.url === '/stale' ? { age: '60' } : {}) })
    response.end('kept')
  })
  for (const path of ['/fresh', '/stale']) await edge.ask(path)
  origin.server.closeAllConnections()
  await new Promise(closed => origin.server.close(closed))
  for (const path of ['/fresh', '/stale', '/fresh', '/stale']) {
    const got = await edge.ask(path)
    expect([got.status, String(got.body)], path).toEqual([200, 'kept'])
  }
  expect((await edge.ask('/other')).status).toBe(502)
})

test('a token of one user is never in the answer to another', async () => {
  const { edge } = await cached((request, response) => {
    const user = String(request.headers['x-user'])
    const shape = Number(new URL(request.url!, 'http://x').searchParams.get('shape'))
    for (const [name, value] of Object.entries(shapes[shape]!(user))) response.setHeader(name, value)
    response.end(`token of ${user}`)
  })
  for (const shape of shapes.keys()) {
    for (const user of ['anna', 'bert', 'anna', 'cleo']) {
      const headers = { 'x-user': user, authorization: `Bearer ${user}`, cookie: `session=${user}` }
      const got = await edge.ask(`/account?shape=${shape}`, { headers })
      expect(String(got.body), JSON.stringify(shapes[shape]!(user))).toBe(`token of ${user}`)
    }
  }
})

/** Answers of one's own, as applications mark them or forget to. */
const shapes: readonly ((user: string) => Record<string, string>)[] = [
  () => ({}),
  () => ({ 'cache-control': 'max-age=600' }),
  () => ({ 'cache-control': 'private, max-age=600' }),
  () => ({ 'cache-control': 'no-store' }),
  () => ({ 'cache-control': 'no-cache', etag: '"same"' }),
  user => ({ 'cache-control': 'public, max-age=600', 'set-cookie': `session=${user}` }),
  () => ({ 'cache-control': 'public, max-age=600', vary: 'authorization' }),
  () => ({ 'cache-control': 'public, max-age=600', vary: 'cookie' }),
  () => ({ 'cache-control': 'public, max-age=600', vary: '*' }),
  () => ({ expires: new Date(Date.now() + 600_000).toUTCString() }),
  () => ({ 'cdn-cache-control': 'private', 'cache-control': 'public, max-age=600' }),
]

describe('compress: true', () => {
  const text = 'All work and no play. '.repeat(200)
  const compressing = () =>
    cached(
      (_, response) => {
        response.writeHead(200, { 'content-type': 'text/plain', 'cache-control': 'max-age=60', etag: '"a"' })
        response.end(text)
      },
      { compress: true },
    )

  test.each([
    ['br', brotliDecompressSync],
    ['gzip', gunzipSync],
  ] as const)('%s reaches the client, from the endpoint and from the store', async (encoding, decode) => {
    const { edge } = await compressing()
    for (const from of ['endpoint', 'store']) {
      const got = await edge.ask('/text', { headers: { 'accept-encoding': encoding } })
      expect(got.headers['content-encoding'], from).toBe(encoding)
      expect(got.headers['etag']).toBe('W/"a"')
      expect(got.headers['vary']).toBe('Accept-Encoding')
      expect(String(decode(got.body))).toBe(text)
    }
  })

  test('a client that takes neither gets it plain, out of the same store', async () => {
    const { origin, edge } = await compressing()
    await edge.ask('/text', { headers: { 'accept-encoding': 'br' } })
    const plain = await edge.ask('/text', { headers: { 'accept-encoding': 'identity' } })
    expect([plain.headers['content-encoding'], String(plain.body)]).toEqual([undefined, text])
    expect(plain.headers['vary']).toBe('Accept-Encoding')
    expect(origin.count('/text')).toBe(1)
  })
})

test('the cache takes its share of the subrequests, and is passed by where it has none', async () => {
  const origin = await endpoint((_, response) => {
    response.setHeader('cache-control', 'max-age=60')
    response.end('one')
  })
  const edge = await lab({
    listeners: { web: { kind: 'edge', subrequests: 4 } },
    pools: { app: { endpoints: [origin.address] } },
    routes: [{ name: 'app', pool: 'app', cache: true, retry: false }],
  } as never)
  for (let turn = 0; turn < 2; turn++) expect((await edge.ask('/a')).status).toBe(200)
  expect(origin.count('/a')).toBe(2)
})

test('a 304 may set a cookie for the client that asked, and for nobody else', async () => {
  let visits = 0
  const { edge } = await cached((request, response) => {
    response.setHeader('etag', '"a"')
    response.setHeader('cache-control', 'no-cache')
    if (request.headers['if-none-match'] !== '"a"') return void response.end('page')
    response.setHeader('set-cookie', `visit=${++visits}`)
    response.writeHead(304).end()
  })
  await edge.ask('/page')
  for (const visit of [1, 2, 3]) {
    const got = await edge.ask('/page')
    expect([got.status, String(got.body), got.setCookie]).toEqual([200, 'page', [`visit=${visit}`]])
  }
})

test('records and metrics say what the cache did', async () => {
  const origin = await endpoint((_, response) => {
    response.setHeader('cache-control', 'max-age=60')
    response.end('one')
  })
  const token = 'operator-of-the-cache'
  const edge = await lab(
    {
      listeners: { web: { kind: 'edge' } },
      pools: { app: { endpoints: [origin.address] } },
      routes: [{ name: 'app', pool: 'app', cache: true }],
    },
    { FOURSEVEN_OPERATOR_TOKEN: token },
  )
  for (let turn = 0; turn < 3; turn++) await edge.ask('/a')
  await expect.poll(() => edge.records.map(({ cache }) => cache)).toEqual(['miss', 'hit', 'hit'])
  const { body } = await edge.ask('/.fourseven/metrics', { headers: { authorization: `Bearer ${token}` } })
  expect(String(body)).toContain('fourseven_cache_requests_total{route="app",variant="app",result="hit"} 2')
  expect(String(body)).toContain('fourseven_cache_requests_total{route="app",variant="app",result="miss"} 1')
})
