// Several Workers of one deployment in one Miniflare, all bound to one control object, as isolates in many places are. The
// object is reached through another one, which can be slow, dead, or of another clock.

import http from 'node:http'
import { Log, LogLevel, Miniflare, type MiniflareOptions } from 'miniflare'
import { afterAll } from 'vitest'
import { bundleEdge, edgeWorker, readCompatibility } from '../../cli/edge.ts'
import type { ConfigInput } from '../../shared/config/config.ts'
import { parse } from '../../shared/config/parse.ts'

export const TOKEN = 'open-sesame'

export interface Crowd {
  /** One request to the Worker of this number. */
  ask(worker: number, path: string, headers?: Record<string, string>): Promise<Said>
  /** The operator API, by Worker 0. */
  // biome-ignore lint/suspicious/noExplicitAny: JSON, whose form each test says
  operate(path: string, body?: object): Promise<{ status: number; body: any }>
  /** What becomes of reads of the object from now on. */
  mode(mode: Mode): Promise<void>
  /** How many reads it has had. */
  reads(): Promise<number>
  /** Ends workerd, with all isolates and the object, and starts it anew with this config. */
  restart(config: ConfigInput): Promise<void>
}

export interface Said {
  readonly status: number
  readonly variant: string | undefined
  /** What `Set-Cookie` said. */
  readonly cookies: readonly string[]
  readonly text: string
  readonly ms: number
}

export interface Mode {
  /** Reads never end, or fail. */
  readonly is?: 'well' | 'hanging' | 'failing'
  /** Reads take so long, give or take half. */
  readonly slowMs?: number
  /** What is told is what held so long ago. */
  readonly lagMs?: number
  /** The object's clock is so far ahead. */
  readonly aheadMs?: number
}

export async function crowd(config: ConfigInput, workers: number): Promise<Crowd> {
  const runtime = new Miniflare(await options(config, workers))
  let agent = new http.Agent({ keepAlive: true, maxSockets: 32 })
  closing.push(async () => {
    agent.destroy()
    await runtime.dispose()
  })
  let port = Number((await runtime.ready).port)
  const ask: Crowd['ask'] = (worker, path, headers) => get(agent, port, worker, path, { headers })
  return {
    ask,
    operate: async (path, body) => {
      const said = await get(agent, port, 0, `/.fourseven/${path}`, {
        headers: { authorization: `Bearer ${TOKEN}` },
        body: body === undefined ? undefined : JSON.stringify(body),
      })
      return { status: said.status, body: JSON.parse(said.text) }
    },
    mode: async mode => {
      await get(agent, port, 0, `/mode?${encodeURIComponent(JSON.stringify(mode))}`, { headers: { 'x-to': 'between' } })
    },
    reads: async () => Number((await get(agent, port, 0, '/reads', { headers: { 'x-to': 'between' } })).text),
    restart: async next => {
      agent.destroy()
      await runtime.setOptions(await options(next, workers))
      agent = new http.Agent({ keepAlive: true, maxSockets: 32 })
      port = Number((await runtime.ready).port)
    },
  }
}

async function options(config: ConfigInput, workers: number): Promise<MiniflareOptions> {
  const contents = await bundleEdge(parse(config, { variables: {} }).config)
  const compatibility = await readCompatibility()
  const token = { type: 'text', value: TOKEN } as const
  const names = Array.from({ length: workers }, (_, i) => `edge-${i}`)
  const plain = (name: string, script: string, more: object) => ({
    config: {
      name,
      compatibilityDate: compatibility.date,
      manifest: { mainModule: 'main.js', modules: { 'main.js': { type: 'esm' as const, contents: script } } },
      ...more,
    },
  })
  return {
    host: '127.0.0.1',
    port: 0,
    cf: false,
    telemetry: { enabled: false },
    logRequests: false,
    log: new Log(LogLevel.ERROR),
    handleStructuredLogs: () => {},
    workers: [
      plain('front', FRONT, {
        env: Object.fromEntries(
          ['between', ...names].map(name => [name.replace('-', '_'), { type: 'worker' as const, worker: name }]),
        ),
      }),
      plain('between', BETWEEN, {
        exports: { Between: { type: 'durable-object', storage: 'sqlite' } },
        env: {
          BETWEEN: { type: 'durable-object', worker: 'between', exportName: 'Between' },
          REAL: { type: 'durable-object', worker: 'edge-0', exportName: 'Control' },
        },
      }),
      ...names.map(name =>
        edgeWorker(name, contents, compatibility, {
          FOURSEVEN_OPERATOR_TOKEN: token,
          FOURSEVEN_CONTROL: { type: 'durable-object', worker: 'between', exportName: 'Between' },
        }),
      ),
    ],
  } as MiniflareOptions
}

/** Hands a request on to the Worker it names, each in a data centre of its own. */
const FRONT = `export default {
  fetch(request, env) {
    const to = request.headers.get('x-to')
    return env[to].fetch(new Request(request, { cf: { colo: to.replace('edge_', 'DC') } }))
  },
}`

/** The real object, seen through a bad network. */
const BETWEEN = `import { DurableObject } from 'cloudflare:workers'
let mode = {}
let reads = 0
export class Between extends DurableObject {
  told = []
  real() { return this.env.REAL.getByName('overlay') }
  async read(birth, known) {
    reads += 1
    if (mode.is === 'hanging') await new Promise(resolve => setTimeout(resolve, 60_000))
    if (mode.is === 'failing') throw new Error('no such object')
    let told = await this.real().read(undefined, -1)
    if (mode.slowMs) await new Promise(resolve => setTimeout(resolve, mode.slowMs * (0.5 + Math.random())))
    this.told.push({ ...told, since: Date.now() })
    if (mode.lagMs) told = this.told.findLast(each => each.since <= Date.now() - mode.lagMs) ?? this.told[0]
    if (mode.aheadMs) {
      const overlay = told.text === '' ? { ejections: [] } : JSON.parse(told.text)
      for (const each of overlay.ejections) each.until += mode.aheadMs
      told = { ...told, at: told.at + mode.aheadMs, text: told.text === '' ? '' : JSON.stringify(overlay) }
    }
    const { since, ...rest } = told
    return rest
  }
  command(...of) { return this.real().command(...of) }
  undo(...of) { return this.real().undo(...of) }
  history(...of) { return this.real().history(...of) }
  report(...of) { return this.real().report(...of) }
  flush(...of) { return this.real().flush(...of) }
  counts(...of) { return this.real().counts(...of) }
  status(...of) { return this.real().status(...of) }
  set(next) { mode = next }
  count() { return reads }
}
export default {
  async fetch(request, env) {
    const url = new URL(request.url)
    const between = env.BETWEEN.getByName('overlay')
    if (url.pathname === '/reads') return new Response(String(await between.count()))
    await between.set(JSON.parse(decodeURIComponent(url.search.slice(1))))
    return new Response('ok')
  },
}`

function get(
  agent: http.Agent,
  port: number,
  worker: number,
  path: string,
  { headers, body }: { headers?: Record<string, string> | undefined; body?: string | undefined },
): Promise<Said> {
  const began = performance.now()
  return new Promise((resolve, reject) => {
    const request = http.request({
      agent,
      host: '127.0.0.1',
      port,
      path,
      method: body === undefined ? 'GET' : 'POST',
      headers: { host: 'shop.test', 'x-to': `edge_${worker}`, ...headers },
    })
    request.on('error', reject)
    request.on('response', response => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', chunk => {
        text += chunk
      })
      response.on('end', () => {
        const variant = response.headers['x-fourseven-variant'] as string | undefined
        const cookies = response.headers['set-cookie'] ?? []
        resolve({ status: response.statusCode!, variant, cookies, text, ms: performance.now() - began })
      })
      response.on('error', reject)
    })
    request.end(body)
  })
}

const closing: (() => Promise<void>)[] = []
afterAll(async () => {
  await Promise.all(closing.splice(0).map(close => close()))
})
