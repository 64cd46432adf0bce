import { expect, test } from 'vitest'
import { folderWith, fourseven } from './command.ts'

const url = 'https://shop.example.com/static/logo.svg'
const config = ['--config', 'examples/static-cache/routes.ts']

test('explain says that an answer would be stored, for how long, and what the same request gets next', async () => {
  const { code, stdout } = await fourseven(['explain', url, ...config, '--answer', 'cache-control: max-age=60'])
  expect(code).toBe(0)
  expect(stdout).toContain('stored, fresh for 60 s')
  expect(stdout).toContain('the same request then gets: 200 from the store, Age 0')
})

test('explain says where answers are kept', async () => {
  const { stdout } = await fourseven(['explain', url, ...config])
  expect(stdout).toContain('kept in the cache of each data centre')
  const cwd = folderWith({
    'routes.json': JSON.stringify({
      listeners: { web: { kind: 'http', address: '127.0.0.1:8080' } },
      pools: { app: { endpoints: ['http://127.0.0.1:8081'] } },
      routes: [{ name: 'app', pool: 'app', cache: true, compress: true }],
      cacheStore: { memory: '1GiB' },
    }),
  })
  const relay = await fourseven(
    ['explain', 'http://shop.example.com/', '-H', 'accept-encoding: zstd', '--answer', 'content-type: text/css'],
    { cwd },
  )
  expect(relay.stdout).toContain('kept in 1GiB of memory at the relay')
  expect(relay.stdout).toContain('the answer goes as zstd')
})

test('explain says why an answer would not be stored', async () => {
  const { stdout } = await fourseven(['explain', url, ...config, '--answer', 'set-cookie: a=1', '--json'])
  expect(JSON.parse(stdout).cache.answer).toEqual({ isStored: false, why: 'the answer sets a cookie' })
})

test('explain says how an answer would be compressed', async () => {
  const { stdout } = await fourseven([
    ...['explain', 'https://app.example.com/', '--config', 'examples/compress/routes.ts', '--json'],
    ...['-H', 'accept-encoding: gzip;q=0.5, br;q=0.1', '--answer', 'content-type: text/html'],
  ])
  expect(JSON.parse(stdout).compress.encoding).toBe('gzip')
})

test('a status that no answer has is refused', async () => {
  const { code, stderr } = await fourseven(['explain', url, ...config, '--answer-status', '99'])
  expect([code, stderr]).toEqual([2, expect.stringContaining('from 200 to 599')])
})
