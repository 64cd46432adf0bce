// Whole requests through raw workerd: our Worker with 50 rules beside a Worker written by hand for the same routes, and
// beside a bare `fetch`. Each runs in a process of its own before the same endpoints; they take turns.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import http from 'node:http'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { build } from 'esbuild'
import { bundleEdge } from '../cli/edge.ts'
import type { ConfigInput } from '../shared/config/config.ts'
import type { HttpRuleInput } from '../shared/config/config-http.ts'
import { parse } from '../shared/config/parse.ts'
import { requestBytes, sendAll } from './load.ts'
import { type BenchReport, type BenchRow, median } from './rounds.ts'
import { startWorkerd, type Workerd } from './workerd.ts'

export interface Asked {
  readonly method: 'GET' | 'POST'
  readonly host: string
  readonly path: string
  readonly headers: readonly (readonly [string, string])[]
  readonly body: string
}

interface Side {
  readonly name: string
  readonly worker: Workerd
  readonly perSecond: number[]
  readonly cpuUs: number[]
}

export async function runEdge(say: (line: string) => void): Promise<BenchReport> {
  const [endpoints, addresses] = await startEndpoints()
  const sides: Side[] = []
  try {
    const sources = {
      fourseven: await bundleEdge(parse(edgeConfig(), { variables: addresses }).config),
      'hand-written': await bundle('edge-by-hand.ts'),
      'bare fetch': await bundle('edge-bare.ts'),
    }
    const mix = makeMix()
    say('edge: do both do the same?')
    await checkSameWork(sources, addresses, mix)

    for (const [name, source] of Object.entries(sources)) {
      const worker = await startWorkerd({ modules: { 'main.js': source }, bindings: addresses, keepsLog: false })
      sides.push({ name, worker, perSecond: [], cpuUs: [] })
    }
    const requests = mix.map(bytesOf)
    for (const { worker } of sides) await sendAll(worker.port, requests, WARM_UP, CONNECTIONS)
    say(`edge: ${ROUNDS} rounds of ${REQUESTS} requests on ${CONNECTIONS} connections`)
    for (let round = 0; round < ROUNDS; round++) {
      for (let i = 0; i < sides.length; i++) await timeOne(sides[(i + round) % sides.length]!, requests)
    }
    return { bench: 'edge', rows: rowsOf(sides) }
  } finally {
    await Promise.all(sides.map(({ worker }) => worker.stop()))
    endpoints.kill()
  }
}

async function timeOne(side: Side, requests: readonly Buffer[]): Promise<void> {
  const before = side.worker.cpuNs()
  const seconds = await sendAll(side.worker.port, requests, REQUESTS, CONNECTIONS)
  side.cpuUs.push((side.worker.cpuNs() - before) / 1000 / REQUESTS)
  side.perSecond.push(REQUESTS / seconds)
}

/** Ratios are taken within each round, whose turns lie a second apart, and then their median: other work on the machine comes and goes more slowly. */
function rowsOf(sides: readonly Side[]): BenchRow[] {
  const [ours, ...peers] = sides
  return peers.flatMap(({ name: peer, perSecond, cpuUs }) => {
    const ratio = median(perSecond.map((theirs, round) => ours!.perSecond[round]! / theirs))
    const cpuRatio = median(cpuUs.map((theirs, round) => theirs / ours!.cpuUs[round]!))
    const wanted = peer === 'bare fetch' ? '>= 0.7' : '>= 0.95'
    const rate = { ours: median(ours!.perSecond), theirs: median(perSecond), unit: 'requests/s', ratio, cpuRatio }
    const cpu = { ours: median(ours!.cpuUs), theirs: median(cpuUs), unit: 'us cpu/request', ratio: cpuRatio }
    return [
      { case: 'edge rate', peer, ...rate, wanted },
      { case: 'edge cpu', peer, ...cpu, wanted },
    ]
  })
}

/** 50 rules on two hosts. `edge-by-hand.ts` does the same without it. */
export function edgeConfig(): ConfigInput {
  const timeouts = { try: '5s' } as const
  const filters = {
    requestHeaders: { set: { 'x-rule': '{route}/{rule}' } },
    responseHeaders: { set: { 'x-served-by': 'fourseven' }, remove: ['x-powered-by'] },
  }
  const app = Object.entries(SECTIONS).flatMap(([pool, names]) =>
    names.map((name): HttpRuleInput => ({ name, match: { path: `/${name}` }, pool, filters, timeouts })),
  )
  const api = RESOURCES.flatMap((name): HttpRuleInput[] => {
    const path = `/v1/${name}`
    const rest = { pool: 'api', filters: { ...filters, rewrite: { prefix: `/${name}` } }, timeouts }
    const writes = ['POST', 'PUT', 'PATCH', 'DELETE']
    return [
      { name, match: { path, method: ['GET', 'HEAD'] }, ...rest },
      { name: `${name}-writes`, match: { path, method: writes }, ...rest, retry: false },
    ]
  })
  const variants = [
    { name: 'stable', weight: 90, pool: 'stable' },
    { name: 'canary', weight: 10, pool: 'canary' },
  ]
  const split = { by: { cookie: 'session', issue: false } }
  return {
    listeners: { web: { kind: 'edge' } },
    pools: {
      app: { endpoints: named('APP_A', 'APP_B') },
      search: { endpoints: named('SEARCH_A', 'SEARCH_B') },
      files: { endpoints: named('FILES') },
      stable: { endpoints: named('APP_A', 'APP_B') },
      canary: { endpoints: named('CANARY') },
      api: { endpoints: named('API_A', 'API_B') },
    },
    routes: [
      {
        name: 'app',
        hostnames: ['app.example.com'],
        rules: [...app, { name: 'all', variants, split, filters, timeouts }],
      },
      { name: 'api', hostnames: ['api.example.com'], rules: [...api, { name: 'all', pool: 'api', filters, timeouts }] },
    ],
  }
}

function named(...names: readonly string[]): { name: string; address: string }[] {
  return names.map(name => ({ name, address: `\${${name}}` }))
}

/** What browsers and apps send: every section, the split with its cookie, reads and writes of the API. */
export function makeMix(): Asked[] {
  const app = Object.values(SECTIONS).flat()
  const pages = app.map((name, i) => ask('GET', 'app.example.com', `/${name}/${i}/detail?page=${i}&sort=new`, i))
  const split = Array.from({ length: 12 }, (_, i) => ask('GET', 'app.example.com', `/home/${i}`, 100 + i))
  const reads = RESOURCES.map((name, i) => ask('GET', 'api.example.com', `/v1/${name}/${i}?fields=id,state`, 200 + i))
  const writes = RESOURCES.map((name, i) => ask('POST', 'api.example.com', `/v1/${name}`, 300 + i))
  return [...pages, ...split, ...reads, ...writes]
}

function ask(method: 'GET' | 'POST', host: string, path: string, user: number): Asked {
  const headers: [string, string][] = [
    ['user-agent', 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'],
    ['accept', 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'],
    ['accept-language', 'en-US,en;q=0.5'],
    ['accept-encoding', 'br, gzip'],
    ['referer', `https://${host}/`],
    ['cookie', `theme=dark; session=${(user * 2_654_435_761).toString(36)}; _ga=GA1.2.1234567890.1700000000`],
    ['sec-fetch-dest', 'document'],
    ['sec-fetch-mode', 'navigate'],
    ['sec-fetch-site', 'same-origin'],
    ['cf-connecting-ip', `192.0.2.${user % 250}`],
    ['cf-ray', '9a1b2c3d4e5f6789-FRA'],
    ['x-forwarded-proto', 'https'],
  ]
  if (method === 'GET') return { method, host, path, headers, body: '' }
  const body = JSON.stringify({ items: [{ sku: 'A-1', count: 2 }], note: 'x'.repeat(120) })
  return { method, host, path, headers: [...headers, ['content-type', 'application/json']], body }
}

export function bytesOf({ method, host, path, headers, body }: Asked): Buffer {
  return requestBytes(method, path, [['host', host], ...headers], body)
}

/**
 * Asks both with every request of the mix and with some that carry what must not pass, and compares what the endpoint
 * saw, what came back and what was logged. Ids and times are left out, and which of two variants a user has: the two
 * hash differently. Then both are asked for an endpoint that never answers. Throws at the first difference.
 */
async function checkSameWork(
  sources: Readonly<Record<string, string>>,
  addresses: Readonly<Record<string, string>>,
  mix: readonly Asked[],
): Promise<void> {
  const start = (name: string) =>
    startWorkerd({ modules: { 'main.js': sources[name]! }, bindings: addresses, keepsLog: true })
  const workers = await Promise.all([start('fourseven'), start('hand-written'), start('bare fetch')])
  const [ours, theirs, bare] = workers
  try {
    for (const asked of [...mix, ...mix.slice(0, 3).map(withWhatMustNotPass)]) {
      const [mine, other] = [await seenOf(ours, asked, addresses), await seenOf(theirs, asked, addresses)]
      if (!isDeepStrictEqual(mine, other)) {
        throw new Error(`not the same work for ${asked.path}:\n${JSON.stringify(mine)}\n${JSON.stringify(other)}`)
      }
      const { status } = await exchange(bare.port, asked, 'what-came')
      if (status !== 200) throw new Error(`the bare Worker answers ${status} for ${asked.path}`)
    }
    const silent = await Promise.all([ours, theirs].map(({ port }) => exchange(port, mix[0]!, 'never')))
    if (silent.some(({ status }) => status !== 504)) {
      throw new Error(`not the same timeout: ${silent.map(({ status }) => status)}`)
    }
  } finally {
    await Promise.all(workers.map(worker => worker.stop()))
  }
}

function withWhatMustNotPass(asked: Asked): Asked {
  const bad = [
    ['connection', 'x-secret, keep-alive'],
    ['x-secret', '1'],
    ['proxy-authorization', 'Basic Zm9v'],
    ['te', 'trailers'],
    ['x-forwarded-for', '203.0.113.9'],
    ['forwarded', 'for=203.0.113.9'],
    ['x-real-ip', '203.0.113.9'],
    ['x_forwarded_for', '203.0.113.9'],
    ['x-request-id', 'mine'],
    ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
    ['x-fourseven-instances', 'another'],
    ['x-fourseven-route', 'mine'],
  ] as const
  return { ...asked, path: `${asked.path}&bad=1`, headers: [...asked.headers, ...bad] }
}

async function seenOf(worker: Workerd, asked: Asked, addresses: Readonly<Record<string, string>>): Promise<unknown> {
  const before = worker.log.length
  const { status, headers, body } = await exchange(worker.port, asked, 'what-came')
  if (status !== 200) throw new Error(`${asked.path} is answered ${status}: ${body}`)
  while (worker.log.length === before) await new Promise(done => setTimeout(done, 5))
  const { time, durationMs, requestId, traceId, attempts, ...line } = JSON.parse(worker.log[before]!)
  const plain = (text: string) => {
    let same = text.replace(/[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/, 'ID')
    for (const [name, address] of Object.entries(addresses)) same = same.replace(address.slice('http://'.length), name)
    return same.replace(/\b(APP|SEARCH|API)_[AB]\b/, '$1').replace(/\bCANARY\b/, 'APP')
  }
  const variant = line.variant === 'canary' ? 'stable' : line.variant
  const hasTimes = !Number.isNaN(Date.parse(time)) && durationMs >= 0 && attempts[0].ms >= 0
  const came: string = JSON.parse(body)
  if (!came.includes(requestId) || !came.includes(`traceparent: 00-${traceId}-`) || attempts.length !== 1)
    throw new Error(`a strange record: ${worker.log[before]}`)
  const { date: _, ...answer } = headers
  return {
    status,
    headers: { ...answer, 'x-endpoint': plain(String(answer['x-endpoint'])), 'content-length': '' },
    came: plain(came)
      .replace('x-fourseven-variant: canary', 'x-fourseven-variant: stable')
      .replace(/traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}/, 'traceparent: 00-T-S')
      .replace(/(x-fourseven-instances: .*)\b[\w-]+\r/, '$1ME\r')
      .split('\r\n')
      .map(field => field.replace(/^[^:]+:/, name => name.toLowerCase()))
      .sort(),
    line: { ...line, variant, endpoint: plain(line.endpoint), bytesOut: line.bytesOut > 0, hasTimes },
    attempt: { ...attempts[0], ms: 0, endpoint: plain(attempts[0].endpoint) },
  }
}

export async function exchange(
  port: number,
  asked: Asked,
  echo: string,
): Promise<{ status: number; headers: http.IncomingHttpHeaders; body: string }> {
  const { method, host, path, body } = asked
  const headers = [['host', host], ...asked.headers, ['x-echo', echo]].flat()
  if (body !== '') headers.push('content-length', String(Buffer.byteLength(body)))
  const request = http.request({ host: '127.0.0.1', port, method, path, headers, agent: false })
  request.end(body)
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += chunk
  return { status: response.statusCode!, headers: response.headers, body: text }
}

export async function startEndpoints(): Promise<[ChildProcess, Record<string, string>]> {
  const child = fork(fileURLToPath(new URL('edge-endpoint.ts', import.meta.url)), ENDPOINTS)
  const [ports] = (await once(child, 'message')) as [Record<string, number>]
  return [child, Object.fromEntries(ENDPOINTS.map(name => [name, `http://127.0.0.1:${ports[name]}`]))]
}

export async function bundle(file: string): Promise<string> {
  const entry = fileURLToPath(new URL(file, import.meta.url))
  const result = await build({ entryPoints: [entry], bundle: true, write: false, format: 'esm', target: 'es2024' })
  return result.outputFiles[0]!.text
}

const ROUNDS = 41
const REQUESTS = 1_000
const WARM_UP = 8_000
const CONNECTIONS = 16
const ENDPOINTS = ['APP_A', 'APP_B', 'SEARCH_A', 'SEARCH_B', 'FILES', 'CANARY', 'API_A', 'API_B']
const SECTIONS: Readonly<Record<string, readonly string[]>> = {
  app: ['orders', 'cart', 'checkout', 'account', 'login', 'logout', 'profile', 'settings', 'invoices', 'payments'],
  search: [
    ...['search', 'suggest', 'similar', 'trends', 'brands'],
    ...['filters', 'facets', 'recent', 'popular', 'nearby'],
  ],
  files: ['images', 'fonts', 'styles', 'scripts', 'videos', 'icons', 'downloads', 'manuals', 'exports', 'reports'],
}
const RESOURCES = ['orders', 'users', 'carts', 'stock', 'prices', 'reviews', 'wishes', 'returns', 'offers']
