// Stored answers on disk with the relay as a program: what it gives after it was killed, ended and taken over, and what not.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { askOnce } from '../cache/ask.ts'
import { folderWith, type Running, startFourseven } from '../cli/command.ts'
import { freePort } from '../support/servers.ts'

interface Lab {
  readonly folder: string
  readonly requests: string[]
  /** Another one over the same folder; resolves when what is on disk is known, or with its end. */
  readonly start: (args?: readonly string[], parts?: object) => Promise<One>
}

interface One {
  readonly running: Running
  readonly ask: (path: string, headers?: Record<string, string>, method?: string) => ReturnType<typeof askOnce>
  readonly operator: (path: string, body: unknown) => Promise<Response>
}

/** An endpoint whose answers count, and relays before it, one at a time unless they take over. */
async function lab(handler: http.RequestListener = plain): Promise<Lab> {
  const requests: string[] = []
  const server = http.createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`)
    handler(request, response)
  })
  const endpoint = await freePort()
  await new Promise<void>(listening => server.listen(endpoint, '127.0.0.1', listening))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const folder = folderWith({})
  const [port, operator] = [await freePort(), await freePort()]
  const start = async (args: readonly string[] = [], parts: object = {}) => {
    const config = {
      listeners: { web: { kind: 'http', address: `127.0.0.1:${port}` } },
      pools: { app: { endpoints: [`http://127.0.0.1:${endpoint}`] } },
      routes: [{ name: 'app', pool: 'app', cache: true, compress: true }],
      cacheStore: { memory: '1MiB', disk: { path: join(folder, 'answers'), size: '64MiB' } },
      ...parts,
    }
    const file = join(folderWith({ 'routes.json': JSON.stringify(config) }), 'routes.json')
    const line = ['relay', file, '--json', '--no-watch', '--drain-delay', '0s', '--operator', `127.0.0.1:${operator}`]
    const running = startFourseven([...line, ...args])
    onTestFinished(() => void running.child.kill('SIGKILL'))
    await running.line(line => line.includes('"operator_listening"'))
    return {
      running,
      ask: (path: string, headers = {}, method = 'GET') => askOnce(port, path, { method, headers }),
      operator: (path: string, body: unknown) =>
        fetch(`http://127.0.0.1:${operator}${path}`, { method: 'POST', body: JSON.stringify(body) }),
    }
  }
  return { folder: join(folder, 'answers'), requests, start }
}

const plain: http.RequestListener = (request, response) => {
  request.resume()
  response.writeHead(200, { 'content-type': 'text/plain', 'cache-control': 'max-age=3600', 'cache-tag': 'all' })
  response.end(bodyOf(request.url!))
}

function bodyOf(path: string): Buffer {
  return Buffer.alloc(Number(/\d+/.exec(path)?.[0] ?? 10), `body of ${path} `)
}

const isReady = (line: string) => line.includes('"cache_disk_ready"')
const kill = async ({ running }: One, signal: NodeJS.Signals) => {
  running.child.kill(signal)
  return running.ended
}

/** What was kept is written behind the answer. */
async function written(folder: string, heads: number): Promise<void> {
  const count = () =>
    (readdirSync(folder, { recursive: true }) as string[]).filter(name => name.endsWith('.head')).length
  await expect.poll(count, { timeout: 20_000 }).toBe(heads)
}

test.each(['SIGKILL', 'SIGTERM'] as const)(
  'after %s answers come from disk, short, long, in parts and compressed, and no endpoint is asked',
  async signal => {
    const { folder, requests, start } = await lab()
    const first = await start()
    await first.running.line(isReady)
    for (const path of ['/a10', '/b3000000']) await first.ask(path)
    if (signal === 'SIGKILL') await written(folder, 2)
    await kill(first, signal)
    const second = await start()
    expect(await second.running.line(isReady)).toContain('"answers":2')
    for (const path of ['/a10', '/b3000000']) {
      const got = await second.ask(path)
      expect([got.status, got.body.equals(bodyOf(path))], path).toEqual([200, true])
      expect(got.headers['cache-status']).toMatch(/^fourseven; hit/)
      expect(got.headers['content-length']).toBe(String(bodyOf(path).length))
      expect((await second.ask(path, {}, 'HEAD')).headers['cache-status']).toMatch(/^fourseven; hit/)
    }
    const part = await second.ask('/b3000000', { range: 'bytes=1000000-1999999' })
    expect([part.status, part.body.equals(bodyOf('/b3000000').subarray(1_000_000, 2_000_000))]).toEqual([206, true])
    const { gunzipSync } = await import('node:zlib')
    const compressed = await second.ask('/b3000000', { 'accept-encoding': 'gzip' })
    expect(compressed.headers['content-encoding']).toBe('gzip')
    expect(gunzipSync(compressed.body).equals(bodyOf('/b3000000'))).toBe(true)
    expect(requests).toEqual(['GET /a10', 'GET /b3000000'])
    expect((await kill(second, 'SIGTERM')).code).toBe(0)
  },
  120_000,
)

test.each([1, 2])(
  'with %i threads what was purged or invalidated does not come back after a kill',
  async threads => {
    const { folder, requests, start } = await lab()
    const first = await start([], { threads })
    await first.running.line(isReady)
    for (const path of ['/url', '/dir/a', '/posted', '/kept']) await first.ask(path)
    await written(folder, 4)
    const purge = async (of: object) => expect((await first.operator('/purge', of)).status).toBe(200)
    const at = (await first.ask('/kept')).headers
    expect(at['cache-status']).toMatch(/hit/)
    await purge({ by: 'prefix', prefix: 'http://app.test/dir/' })
    await purge({ by: 'url', url: 'http://app.test/url' })
    await first.ask('/posted', {}, 'POST')
    await kill(first, 'SIGKILL')
    requests.length = 0
    const second = await start([], { threads })
    await second.running.line(isReady)
    for (const path of ['/url', '/dir/a', '/posted', '/kept']) await second.ask(path)
    expect(requests).toEqual(['GET /url', 'GET /dir/a', 'GET /posted'])
    await kill(second, 'SIGKILL')
    // What was stored after the purge stays; the purge is of what was before.
    requests.length = 0
    await written(folder, 4)
    const third = await start([], { threads })
    await third.running.line(isReady)
    for (const path of ['/url', '/dir/a', '/posted', '/kept']) await third.ask(path)
    expect(requests).toEqual([])
  },
  120_000,
)

test('purges that cannot be read have everything forgotten', async () => {
  const { folder, requests, start } = await lab()
  const first = await start()
  await first.running.line(isReady)
  await first.ask('/a')
  await written(folder, 1)
  await kill(first, 'SIGKILL')
  for (const name of readdirSync(folder)) if (name.startsWith('purges-')) writeFileSync(join(folder, name), '[{"of"')
  const second = await start()
  await second.running.line(isReady)
  await second.ask('/a')
  expect(requests).toEqual(['GET /a', 'GET /a'])
}, 120_000)

test('two relays on one folder: the second one says so and does not start', async () => {
  const { start, folder } = await lab()
  const first = await start()
  await first.running.line(isReady)
  const config = JSON.stringify({
    listeners: { web: { kind: 'http', address: '127.0.0.1:0' } },
    pools: { app: { endpoints: ['http://127.0.0.1:1'] } },
    routes: [{ name: 'app', pool: 'app', cache: true }],
    cacheStore: { disk: { path: folder, size: '64MiB' } },
  })
  const file = join(folderWith({ 'r.json': config }), 'r.json')
  const second = startFourseven(['relay', file, '--json', '--no-watch'])
  const { code, stdout } = await second.ended
  expect(code).toBe(3)
  expect(stdout).toContain('"cache-disk-in-use"')
  expect(stdout).toContain('another relay keeps its answers')
  await first.ask('/still')
  expect((await first.ask('/still')).headers['cache-status']).toMatch(/hit/)
}, 120_000)

test('a folder that cannot be made is said at the start', async () => {
  const { start, folder } = await lab()
  writeFileSync(join(folder, '..', 'file'), '')
  const broken = { cacheStore: { disk: { path: join(folder, '..', 'file', 'answers'), size: '64MiB' } } }
  await expect(start([], broken)).rejects.toThrow('cache-disk-unusable')
}, 120_000)

test('a relay that takes over has what the one before stored, as far as nothing made it out of date meanwhile', async () => {
  const { folder, requests, start } = await lab()
  const takeover = ['--takeover', join(folderWith({}), 'takeover.sock')]
  const first = await start(takeover)
  await first.running.line(isReady)
  for (const path of ['/a', '/b', '/c']) await first.ask(path)
  await written(folder, 3)
  const second = await start(takeover)
  await second.running.line(isReady)
  expect((await first.running.ended).code).toBe(0)
  await second.ask('/b', {}, 'POST')
  requests.length = 0
  for (const path of ['/a', '/b', '/c']) await second.ask(path)
  expect(requests).toEqual(['GET /b'])
}, 120_000)

test('files that are damaged while the relay is down are asked for anew, or break off, and never come out wrong', async () => {
  const { folder, requests, start } = await lab()
  const first = await start()
  await first.running.line(isReady)
  const paths = ['/a100', '/b3000000', '/c2000000']
  for (const path of paths) await first.ask(path)
  await written(folder, 3)
  await kill(first, 'SIGKILL')
  for (const name of readdirSync(folder, { recursive: true }) as string[]) {
    if (!name.endsWith('.body')) continue
    const bytes = readFileSync(join(folder, name))
    const at = bytes.length > 2_500_000 ? 2_400_000 : 5
    bytes[at] = bytes[at]! ^ 1
    writeFileSync(join(folder, name), bytes)
  }
  const second = await start()
  await second.running.line(isReady)
  for (const path of paths) {
    const got = await second.ask(path)
    expect(got.status === 0 || got.body.equals(bodyOf(path)), path).toBe(true)
  }
  for (const path of paths) expect((await second.ask(path)).body.equals(bodyOf(path)), path).toBe(true)
  expect(requests).toHaveLength(6)
}, 120_000)
