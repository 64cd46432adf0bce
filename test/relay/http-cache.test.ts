// What of the cache only the relay has: its store in memory with a budget, encodings on the fly, and streams.

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import { afterAll, expect, test } from 'vitest'
import { AnswerStore } from '../../relay/http/answer-store.ts'
import type { RelayRequestRecord } from '../../relay/http/plane.ts'
import { startRelay } from '../../relay/relay.ts'
import type { StoredAnswer } from '../../shared/cache/stored.ts'
import { parse } from '../../shared/config/parse.ts'
import { askOnce } from '../cache/ask.ts'

const closing: (() => unknown)[] = []
afterAll(() => Promise.all(closing.map(close => close())))

async function relayBefore(handler: http.RequestListener, rule: object, parts: object = {}) {
  const requests: string[] = []
  const server = http.createServer((request, response) => {
    requests.push(request.url!)
    handler(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const { config } = parse({
    listeners: { web: { kind: 'http', address: '127.0.0.1:0' } },
    pools: { app: { endpoints: [`http://127.0.0.1:${(server.address() as AddressInfo).port}`] } },
    routes: [{ name: 'app', pool: 'app', ...rule }],
    ...parts,
  } as never)
  const records: RelayRequestRecord[] = []
  const relay = await startRelay({
    config,
    variables: {},
    onRecord: () => {},
    onRequest: record => records.push(record),
  })
  closing.push(() => relay.stop({ drainMs: 0 }))
  const { port } = relay.addresses.get('web')!
  const ask = (path: string, headers: Record<string, string> = {}) => askOnce(port, path, { method: 'GET', headers })
  return { requests, records, ask, port, relay, config }
}

const text = 'All work and no play. '.repeat(500)

test.each([
  ['zstd', zstdDecompressSync],
  ['br', brotliDecompressSync],
  ['gzip', gunzipSync],
] as const)('%s reaches the client, from the endpoint and from the store', async (encoding, decode) => {
  const { ask, requests } = await relayBefore(
    (_, response) => {
      response.writeHead(200, { 'content-type': 'text/plain', 'cache-control': 'max-age=60', etag: '"a"' })
      response.end(text)
    },
    { cache: true, compress: true },
  )
  for (const from of ['endpoint', 'store']) {
    const got = await ask('/text', { 'accept-encoding': encoding })
    expect(got.headers['content-encoding'], from).toBe(encoding)
    expect([got.headers['etag'], got.headers['vary']]).toEqual(['W/"a"', 'Accept-Encoding'])
    expect(String(decode(got.body))).toBe(text)
  }
  expect(String((await ask('/text')).body)).toBe(text)
  expect(requests).toEqual(['/text'])
})

test('what an endpoint sends bit by bit is compressed bit by bit', async () => {
  let goOn = () => {}
  const { port } = await relayBefore(
    (_, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' })
      response.write('first part of a slow answer')
      goOn = () => response.end(' and the rest')
    },
    { compress: true },
  )
  const request = http.get({ host: '127.0.0.1', port, path: '/', headers: { 'accept-encoding': 'gzip' } })
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  const chunks: Buffer[] = []
  response.on('data', chunk => chunks.push(chunk))
  await expect.poll(() => inflated(chunks), { timeout: 10_000 }).toBe('first part of a slow answer')
  goOn()
  await once(response, 'end')
  expect(String(gunzipSync(Buffer.concat(chunks)))).toBe('first part of a slow answer and the rest')
})

test('of a thousand requests for a cold key one reaches the endpoint, and records say what the cache did', async () => {
  const { ask, requests, records } = await relayBefore(
    (_, response) => {
      response.setHeader('cache-control', 'max-age=60')
      setTimeout(() => response.end('one'), 200)
    },
    { cache: true },
  )
  const answers = await Promise.all(Array.from({ length: 1000 }, () => ask('/cold')))
  expect(answers.every(({ status, body }) => status === 200 && String(body) === 'one')).toBe(true)
  expect(requests).toEqual(['/cold'])
  await expect.poll(() => records.length, { timeout: 20_000 }).toBe(1000)
  expect(records.filter(({ cache }) => cache === 'miss')).toHaveLength(1)
  expect(records.filter(({ cache }) => cache === 'hit')).toHaveLength(999)
}, 60_000)

test('a client that goes away leaves nothing half in the store', async () => {
  const { ask, port, requests } = await relayBefore(
    (_, response) => {
      response.writeHead(200, { 'cache-control': 'max-age=60' })
      response.write('half')
      setTimeout(() => response.end(' and half'), 300)
    },
    { cache: true },
  )
  const request = http.get({ host: '127.0.0.1', port, path: '/a' })
  request.on('error', () => {})
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  response.on('error', () => {})
  await once(response, 'data')
  response.destroy()
  expect(String((await ask('/a')).body)).toBe('half and half')
  expect(String((await ask('/a')).body)).toBe('half and half')
  expect(requests.length).toBeLessThanOrEqual(2)
})

test('the store holds no more than its budget, and the least recently used go first', () => {
  const store = new AnswerStore(100_000)
  const none = new Headers()
  for (let index = 0; index < 50; index++) {
    store.keep(`k${index}`, stored, Buffer.alloc(10_000), none)
    store.look('k0', none)
    expect(store.bytes).toBeLessThanOrEqual(100_000)
  }
  expect(store.look('k0', none)).toBeTypeOf('object')
  expect(store.look('k1', none)).toBeUndefined()
  expect(store.look('k49', none)).toBeTypeOf('object')
})

test('the encoded form of a stored answer is made once, kept out of the same budget, and gone with a new answer', async () => {
  const store = new AnswerStore(300_000)
  const none = new Headers()
  const plain = Buffer.from(text)
  store.keep('k', stored, plain, none)
  const [one, two] = await Promise.all([store.encoded(plain, 'gzip'), store.encoded(plain, 'gzip')])
  expect(one).toBe(two)
  expect(await store.encoded(plain, 'gzip')).toBe(one)
  expect(await store.encoded(plain, 'br')).not.toBe(one)
  store.renew('k', { ...stored, receivedAt: 5 }, plain, none)
  expect(await store.encoded(plain, 'gzip')).toBe(one)
  const other = Buffer.from('another answer '.repeat(100))
  store.keep('k', stored, other, none)
  expect(String(gunzipSync(await store.encoded(other, 'gzip')))).toBe(String(other))
  for (let index = 0; index < 100; index++) {
    const body = randomBytes(20_000)
    store.keep(`k${index}`, stored, body, none)
    await store.encoded(body, 'gzip')
    expect(store.bytes).toBeLessThanOrEqual(300_000)
  }
})

test('a store that gets another budget keeps what was asked for last', () => {
  const store = new AnswerStore(100_000)
  const none = new Headers()
  for (const key of ['a', 'b', 'c']) store.keep(key, stored, Buffer.alloc(20_000), none)
  store.look('a', none)
  store.resize(45_000)
  expect(['a', 'b', 'c'].filter(key => typeof store.look(key, none) === 'object')).toEqual(['a', 'c'])
  store.resize(200_000)
  for (const key of ['d', 'e', 'f']) store.keep(key, stored, Buffer.alloc(20_000), none)
  expect(['a', 'c', 'd', 'e', 'f'].filter(key => typeof store.look(key, none) === 'object')).toHaveLength(5)
})

test('the config says how much memory the store has, and a reload may say something else', async () => {
  const { ask, requests, relay, config } = await relayBefore(
    (_, response) => {
      response.setHeader('cache-control', 'max-age=60')
      response.end(Buffer.alloc(400_000))
    },
    { cache: true },
    { cacheStore: { memory: '1MiB' } },
  )
  const round = async () => {
    for (const path of ['/a', '/b', '/c', '/d']) await ask(path)
  }
  await round()
  await round()
  // Two of them fit, and the two that are asked for next are always the other ones.
  expect(requests).toHaveLength(8)
  await relay.reload({ ...config, cacheStore: { memoryBytes: 4 * 1024 ** 2, disk: undefined } }, {})
  await round()
  await round()
  expect(requests.length).toBeLessThanOrEqual(12)
})

const stored: StoredAnswer = {
  status: 200,
  fields: [['content-type', 'text/plain']],
  receivedAt: 0,
  initialAgeMs: 0,
  lifetimeMs: 1000,
  noCache: false,
  mustRevalidate: false,
  staleWhileRevalidateMs: 0,
  staleIfErrorMs: 0,
  vary: [],
  url: 'http://app.test/',
  tags: [],
}

/** As much as can be read of it so far. */
function inflated(chunks: readonly Buffer[]): string {
  if (chunks.length === 0) return ''
  // Z_SYNC_FLUSH ends what came so far.
  return String(gunzipSync(Buffer.concat(chunks), { finishFlush: 2 }))
}

test('a reload that brings the first cache to a listener of several threads leaves it to one of them', async () => {
  const requests: string[] = []
  const server = http.createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`)
    response.setHeader('cache-control', 'max-age=60')
    request.resume()
    response.end('one')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const configOf = (rule: object) =>
    parse({
      listeners: { web: { kind: 'http', address: '127.0.0.1:0' } },
      pools: { app: { endpoints: [`http://127.0.0.1:${(server.address() as AddressInfo).port}`] } },
      routes: [{ name: 'app', pool: 'app', ...rule }],
    } as never).config
  const records: RelayRequestRecord[] = []
  const relay = await startRelay({
    config: configOf({}),
    variables: {},
    threads: 3,
    onRecord: () => {},
    onRequest: record => records.push(record),
  })
  closing.push(() => relay.stop({ drainMs: 0 }))
  const { port } = relay.addresses.get('web')!
  // Connections that come from the reload on; each has a thread of its own where there are several.
  const ask = (path: string, method = 'GET') => askOnce(port, path, { method, headers: { connection: 'close' } })
  await ask('/before')
  await relay.reload(configOf({ cache: true }), {})
  requests.length = 0
  for (let turn = 0; turn < 30; turn++) expect((await ask('/a')).status).toBe(200)
  expect(requests).toEqual(['GET /a'])
  await ask('/a', 'DELETE')
  for (let turn = 0; turn < 30; turn++) await ask('/a')
  expect(requests).toEqual(['GET /a', 'DELETE /a', 'GET /a'])
}, 60_000)
