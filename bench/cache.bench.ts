// Hits of the cache: at the edge in raw workerd beside a Worker that only looks into the Cache API, at the relay's `http`
// door beside nginx with `proxy_cache`; and gzip at the relay's door beside nginx at the same level.

import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { bundleEdge } from '../cli/edge.ts'
import { parse } from '../shared/config/parse.ts'
import { requestBytes, sendAll } from './load.ts'
import { type Program, type Recipe, startProgram } from './relay-sides.ts'
import { type BenchReport, type BenchRow, median } from './rounds.ts'
import { cpuNsOf } from './used.ts'
import { startWorkerd } from './workerd.ts'

interface Side {
  readonly name: string
  readonly port: number
  cpuNs(): number
  stop(): Promise<void>
  readonly perSecond: number[]
  readonly cpuUs: number[]
}

export async function runCache(say: (line: string) => void): Promise<BenchReport> {
  const endpoint = await startEndpoint()
  try {
    const rows: BenchRow[] = []
    const hits = requestBytes('GET', '/kept', [['host', 'app.example.com']], '')
    await withSides(await edgeSides(endpoint.address), async sides => {
      say(`cache: hits at the edge, ${ROUNDS} rounds of ${REQUESTS}`)
      rows.push(...(await timeHits('hit, edge', sides, hits, endpoint, '>= 0.85')))
    })
    await withSides(await relaySides(endpoint.port), async sides => {
      say(`cache: hits at the relay, ${ROUNDS} rounds of ${REQUESTS}`)
      rows.push(...(await timeHits('hit, relay', sides, hits, endpoint, '>= 0.3')))
      say(`cache: gzip at the relay, ${ROUNDS} rounds of ${ENCODED} answers`)
      rows.push(...(await timeGzip(sides)))
    })
    return { bench: 'cache', rows }
  } finally {
    endpoint.server.closeAllConnections()
    endpoint.server.close()
  }
}

async function withSides(sides: readonly Side[], call: (sides: readonly Side[]) => Promise<void>): Promise<void> {
  try {
    await call(sides)
  } finally {
    await Promise.all(sides.map(side => side.stop()))
  }
}

/** After the first answer of each side no request may reach the endpoint: else it was no hit. */
async function timeHits(
  what: string,
  sides: readonly Side[],
  request: Buffer,
  endpoint: Endpoint,
  wanted: string,
): Promise<BenchRow[]> {
  for (const { port } of sides) await sendAll(port, [request], 50, 1)
  for (const { port } of sides) await sendAll(port, [request], WARM_UP, CONNECTIONS)
  const before = endpoint.asked()
  for (let round = 0; round < ROUNDS; round++) {
    for (let turn = 0; turn < sides.length; turn++) {
      const side = sides[(turn + round) % sides.length]!
      const cpu = side.cpuNs()
      const seconds = await sendAll(side.port, [request], REQUESTS, CONNECTIONS)
      side.cpuUs.push((side.cpuNs() - cpu) / 1000 / REQUESTS)
      side.perSecond.push(REQUESTS / seconds)
    }
  }
  if (endpoint.asked() !== before) throw new Error(`not the same work: ${what}: the endpoint was asked again`)
  return rowsOf(what, 'requests/s', 'us cpu/request', sides, wanted)
}

/** Answers that are not stored, so that each is compressed. */
async function timeGzip(sides: readonly Side[]): Promise<BenchRow[]> {
  for (const side of sides) {
    side.perSecond.length = 0
    side.cpuUs.length = 0
    const { encoding, body } = await get(new http.Agent(), side.port)
    if (encoding !== 'gzip' || !gunzipSync(body).equals(TEXT)) throw new Error(`not the same work: ${side.name}`)
  }
  const megabytes = (ENCODED * TEXT.length) / 1e6
  for (let round = -1; round < ROUNDS; round++) {
    for (let turn = 0; turn < sides.length; turn++) {
      const side = sides[(turn + round + 1) % sides.length]!
      const agent = new http.Agent({ keepAlive: true, maxSockets: 8 })
      const cpu = side.cpuNs()
      const start = performance.now()
      await Promise.all(Array.from({ length: ENCODED }, () => get(agent, side.port)))
      agent.destroy()
      if (round < 0) continue
      side.perSecond.push(megabytes / ((performance.now() - start) / 1000))
      side.cpuUs.push((side.cpuNs() - cpu) / 1000 / megabytes)
    }
  }
  return rowsOf('gzip level 6, relay', 'MB/s', 'us cpu/MB', sides, undefined)
}

function rowsOf(
  what: string,
  rateUnit: string,
  cpuUnit: string,
  [ours, theirs]: readonly Side[],
  wanted: string | undefined,
): BenchRow[] {
  const ratio = median(theirs!.perSecond.map((each, round) => ours!.perSecond[round]! / each))
  const cpuRatio = median(theirs!.cpuUs.map((each, round) => each / ours!.cpuUs[round]!))
  const row = { case: what, peer: theirs!.name, cpuRatio, ...(wanted === undefined ? {} : { wanted }) }
  return [
    { ...row, ours: median(ours!.perSecond), theirs: median(theirs!.perSecond), unit: rateUnit, ratio },
    { ...row, ours: median(ours!.cpuUs), theirs: median(theirs!.cpuUs), unit: cpuUnit, ratio: cpuRatio },
  ]
}

async function edgeSides(endpoint: string): Promise<Side[]> {
  const { config } = parse({
    listeners: { web: { kind: 'edge' } },
    pools: { app: { endpoints: [endpoint] } },
    routes: [{ name: 'app', pool: 'app', cache: true }],
  })
  const sources = { fourseven: await bundleEdge(config), 'caches.default.match': await bundle('cache-bare.ts') }
  const cache = await bundle('cache-shelf.ts')
  const sides: Side[] = []
  for (const [name, source] of Object.entries(sources)) {
    const bindings = { ENDPOINT: endpoint }
    const worker = await startWorkerd({ modules: { 'main.js': source }, bindings, keepsLog: false, cache })
    sides.push({ name, port: worker.port, cpuNs: worker.cpuNs, stop: worker.stop, perSecond: [], cpuUs: [] })
  }
  return sides
}

async function relaySides(endpoint: number): Promise<Side[]> {
  const sides: Side[] = []
  for (const name of ['fourseven', 'nginx'] as const) {
    const { port, pid, stop }: Program = await startProgram(name, port => recipes[name](port, endpoint))
    sides.push({ name, port, cpuNs: () => cpuNsOf(pid), stop, perSecond: [], cpuUs: [] })
  }
  return sides
}

const recipes: Readonly<Record<'fourseven' | 'nginx', (port: number, endpoint: number) => Recipe>> = {
  fourseven: (port, endpoint) => ({
    file: 'routes.json',
    text: JSON.stringify({
      listeners: { bench: { kind: 'http', address: `127.0.0.1:${port}` } },
      pools: { bench: { endpoints: [`http://127.0.0.1:${endpoint}`] } },
      routes: [{ name: 'bench', listener: 'bench', pool: 'bench', cache: true, compress: true }],
    }),
    command: [
      process.execPath,
      fileURLToPath(new URL('../cli/fourseven.js', import.meta.url)),
      ...['relay', 'routes.json', '--no-watch', '--no-records'],
    ],
  }),
  nginx: (port, endpoint) => ({
    file: 'nginx.conf',
    text: `daemon off;
master_process off;
pid nginx.pid;
error_log stderr error;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  keepalive_requests 100000000;
  proxy_cache_path kept keys_zone=kept:10m;
  gzip on; gzip_comp_level 6; gzip_types text/plain; gzip_min_length 1024; gzip_http_version 1.0; gzip_proxied any;
  upstream endpoint { server 127.0.0.1:${endpoint}; keepalive 32; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / { proxy_pass http://endpoint; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_cache kept; }
  }
}
`,
    command: ['/usr/sbin/nginx', '-p', '.', '-c', 'nginx.conf'],
  }),
}

interface Endpoint {
  readonly server: http.Server
  readonly address: string
  readonly port: number
  readonly asked: () => number
}

/** `/kept` may be stored and is short; `/text` may not and is to be compressed. */
async function startEndpoint(): Promise<Endpoint> {
  let count = 0
  const server = http.createServer((request, response) => {
    if (request.url === '/text') {
      response.writeHead(200, {
        'content-type': 'text/plain',
        'content-length': TEXT.length,
        'cache-control': 'no-store',
      })
      response.end(TEXT)
      return
    }
    count += 1
    const headers = { 'content-type': 'application/octet-stream', 'content-length': KEPT.length }
    response.writeHead(200, { ...headers, 'cache-control': 'max-age=3600', etag: '"kept"' })
    response.end(KEPT)
  })
  server.keepAliveTimeout = 300_000
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { server, address: `http://127.0.0.1:${port}`, port, asked: () => count }
}

function get(
  agent: http.Agent,
  port: number,
): Promise<{ readonly encoding: string | undefined; readonly body: Buffer }> {
  return new Promise((resolve, reject) => {
    const headers = { 'accept-encoding': 'gzip', host: 'app.example.com' }
    const request = http.get({ agent, host: '127.0.0.1', port, path: '/text', headers }, response => {
      const chunks: Buffer[] = []
      response.on('data', chunk => chunks.push(chunk))
      response.on('end', () => resolve({ encoding: response.headers['content-encoding'], body: Buffer.concat(chunks) }))
      response.on('error', reject)
    })
    request.on('error', reject)
  })
}

async function bundle(file: string): Promise<string> {
  const built = await build({
    entryPoints: [fileURLToPath(new URL(file, import.meta.url))],
    bundle: true,
    format: 'esm',
    write: false,
    target: 'es2023',
  })
  return built.outputFiles[0]!.text
}

const KEPT = Buffer.alloc(1_000, 'k')
/** 100 KB of JSON lines, as an API would give them. */
const TEXT = Buffer.from(
  Array.from({ length: 1_400 }, (_, id) =>
    JSON.stringify({ id, name: `order ${id * 7919}`, isOpen: id % 3 === 0, total: id * 1.37 }),
  ).join('\n'),
)
const ROUNDS = 7
const REQUESTS = 3_000
const WARM_UP = 1_000
const CONNECTIONS = 16
const ENCODED = 200
