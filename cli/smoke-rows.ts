// What `npm start -- --smoke` proves of the shipped routes, a row each. A new feature brings its own rows.

import { randomBytes } from 'node:crypto'
import { type Answer, askHttp, askSocket, type Question } from './ask.ts'
import type { SmokeRow } from './smoke.ts'
import { compareBytes, flowRows, type SmokeWorld } from './smoke-rows-flow.ts'

export const smokeRows: readonly SmokeRow<SmokeWorld>[] = [
  {
    what: 'host chooses the route',
    expected: 'app: stable, api: api',
    see: async (world, signal) => {
      const app = await ask(world, { host: APP, path: '/', headers: NEVER }, signal)
      const api = await ask(world, { host: API, path: '/', headers: NEVER }, signal)
      return `app: ${poolOf(app)}, api: ${poolOf(api)}`
    },
  },
  {
    what: 'path by whole elements, prefix rewritten',
    expected: '/api api /v1, /api/a?b api /v1/a?b, /apis stable /apis',
    see: async (world, signal) => {
      const seen: string[] = []
      for (const path of ['/api', '/api/a?b', '/apis']) {
        const answer = await ask(world, { host: APP, path, headers: NEVER }, signal)
        seen.push(`${path} ${poolOf(answer)} ${sawOf(answer).path}`)
      }
      return seen.join(', ')
    },
  },
  {
    what: 'method chooses the rule',
    expected: 'GET app/api, DELETE app/api-writes',
    see: async (world, signal) => {
      const seen: string[] = []
      for (const method of ['GET', 'DELETE']) {
        const answer = await ask(world, { host: APP, path: '/api/orders/7', method }, signal)
        seen.push(`${method} ${sawOf(answer).headers['x-rule']}`)
      }
      return seen.join(', ')
    },
  },
  {
    what: 'no route',
    expected: '404',
    see: async (world, signal) => {
      const answer = await ask(world, { host: 'nobody.localhost', path: '/' }, signal)
      return String(answer.status)
    },
  },
  {
    what: 'an error page of our own, with the id of the request',
    expected: '404 text/html, Proxy-Status destination_not_found',
    see: async (world, signal) => {
      const { status, headers, body } = await ask(world, { host: 'nobody.localhost', path: '/' }, signal)
      if (!/Request [0-9a-f-]{36}\./.test(body.toString())) return `a page without the id: ${body}`
      const [, reason] = /error=(\w+)/.exec(String(headers['proxy-status'])) ?? []
      return `${status} ${headers['content-type']?.split(';')[0]}, Proxy-Status ${reason}`
    },
  },
  {
    what: 'fixed reply',
    expected: '200 "ok" no-store',
    see: async (world, signal) => {
      const { status, headers, body } = await ask(world, { host: APP, path: '/healthz' }, signal)
      return `${status} "${body.toString().trim()}" ${headers['cache-control']}`
    },
  },
  {
    what: 'redirect keeps path and query',
    expected: '301 /guide/start?v=2',
    see: async (world, signal) => {
      const { status, headers } = await ask(world, { host: APP, path: '/docs/start?v=2' }, signal)
      const location = new URL(headers.location ?? '', `http://${APP}`)
      return `${status} ${location.pathname}${location.search}`
    },
  },
  {
    what: 'headers added towards the endpoint',
    expected: 'x-rule app/all, x-variant stable, the client said neither',
    see: async (world, signal) => {
      const headers = { ...NEVER, 'x-rule': 'forged', 'x-variant': 'forged' }
      const saw = sawOf(await ask(world, { host: APP, path: '/', headers }, signal))
      return `x-rule ${saw.headers['x-rule']}, x-variant ${saw.headers['x-variant']}, the client said neither`
    },
  },
  {
    what: 'headers added and removed towards the client',
    expected: 'x-served-by fourseven, no x-powered-by',
    see: async (world, signal) => {
      const { headers } = await ask(world, { host: APP, path: '/', headers: NEVER }, signal)
      return `x-served-by ${headers['x-served-by']}, ${'x-powered-by' in headers ? 'an' : 'no'} x-powered-by`
    },
  },
  {
    what: 'canary share of 400 new clients',
    expected: '10 to 70, all with a cookie',
    see: async (world, signal) => {
      const answers = await Promise.all(Array.from({ length: 400 }, () => ask(world, { host: APP, path: '/' }, signal)))
      const cookies = answers.filter(answer => cookieOf(answer) !== undefined).length
      const canary = answers.filter(answer => poolOf(answer) === 'canary').length
      return `${canary} canary, ${cookies} cookies`
    },
    // Binomial, n = 400 and p = 0.1: mean 40, five sigma 5 * sqrt(36) = 30.
    isRight: seen => {
      const [canary, cookies] = seen.match(/\d+/g)!.map(Number)
      return canary! >= 10 && canary! <= 70 && cookies === 400
    },
  },
  {
    what: 'the cookie keeps the variant',
    expected: '40 clients, 160 visits, 0 changes',
    see: async (world, signal) => {
      const kept = await Promise.all(Array.from({ length: 40 }, () => changesOfOneClient(world, signal)))
      const changes = kept.reduce((sum, mine) => sum + mine, 0)
      return `${kept.length} clients, ${kept.length * 4} visits, ${changes} changes`
    },
  },
  {
    what: 'force by header, by cookie, and header first',
    expected: 'header canary, cookie canary, both stable',
    see: async (world, signal) => {
      const variantWith = async (headers: Record<string, string>) =>
        (await ask(world, { host: APP, path: '/', headers }, signal)).headers['x-fourseven-variant']
      const header = await variantWith({ 'x-canary': 'always' })
      const cookie = await variantWith({ cookie: 'canary=always' })
      const both = await variantWith({ 'x-canary': 'never', cookie: 'canary=always' })
      return `header ${header}, cookie ${cookie}, both ${both}`
    },
  },
  {
    what: 'a body of 300 KB there and back',
    expected: 'the same bytes',
    see: async (world, signal) => {
      const body = randomBytes(300_000)
      const headers = { 'content-type': 'application/octet-stream' }
      const answer = await ask(world, { host: APP, path: '/api/echo', method: 'POST', headers, body }, signal)
      return compareBytes(body, answer.body)
    },
  },
  {
    what: 'a WebSocket there and back',
    expected: 'stable: hello',
    see: async (world, signal) => {
      const said = await askSocket(world.edge, { host: APP, path: '/live', headers: NEVER }, 'hello', signal)
      return said.replace(/^stable-[ab]/, 'stable')
    },
  },
  {
    what: 'CORS: a page of the app may ask the api, a stranger may not',
    expected: '204 http://app.localhost:8787 content-type, the stranger: none',
    see: async (world, signal) => {
      const preflight = (origin: string) => {
        const asks = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' }
        return ask(world, { host: API, path: '/orders', method: 'OPTIONS', headers: { origin, ...asks } }, signal)
      }
      const { status, headers } = await preflight('http://app.localhost:8787')
      const stranger = (await preflight('https://evil.example')).headers['access-control-allow-origin'] ?? 'none'
      const allowed = `${headers['access-control-allow-origin']} ${headers['access-control-allow-headers']}`
      return `${status} ${allowed}, the stranger: ${stranger}`
    },
  },
  {
    what: 'a mirror gets a copy, the client the answer of the pool',
    expected: 'api answered, api-next saw the same path',
    see: async (world, signal) => {
      const path = `/orders/${randomBytes(4).toString('hex')}`
      const answer = await ask(world, { host: API, path }, signal)
      const next = world.demo.find(endpoint => endpoint.name === 'api-next')!
      while (next.lastCopy() !== path && !signal.aborted) await new Promise(resolve => setTimeout(resolve, 10))
      return `${poolOf(answer)} answered, api-next saw ${next.lastCopy() === path ? 'the same path' : next.lastCopy()}`
    },
  },
  {
    what: 'a loop is cut',
    expected: '508 proxy_loop_detected',
    see: async (world, signal) => {
      // As if it had come through sixteen others.
      const headers = { 'x-fourseven-instances': Array.from({ length: 16 }, (_, i) => `instance-${i}`).join(', ') }
      const answer = await ask(world, { host: APP, path: '/', headers }, signal)
      return `${answer.status} ${/error=(\w+)/.exec(String(answer.headers['proxy-status']))?.[1]}`
    },
  },
  ...flowRows,
  {
    // Last: the endpoint stays dead.
    what: 'a dead endpoint is hidden by a retry',
    expected: '20 of 20 answered by stable-a',
    see: async (world, signal) => {
      await world.demo.find(endpoint => endpoint.name === 'stable-b')!.stop()
      let answered = 0
      for (let i = 0; i < 20; i++) {
        const answer = await ask(world, { host: APP, path: '/', headers: NEVER }, signal)
        if (answer.status === 200 && answer.headers['x-endpoint'] === 'stable-a') answered++
      }
      return `${answered} of 20 answered by stable-a`
    },
  },
]

function ask(world: SmokeWorld, question: Question, signal: AbortSignal): Promise<Answer> {
  return askHttp(world.edge, question, signal)
}

/** `stable-a` and `stable-b` are the pool `stable`. */
function poolOf(answer: Answer): string {
  const endpoint = answer.headers['x-endpoint']
  return typeof endpoint === 'string' ? endpoint.replace(/-[ab]$/, '') : `status ${answer.status}`
}

/** What the demo endpoint says it saw. */
function sawOf(answer: Answer): { readonly path: string; readonly headers: Readonly<Record<string, string>> } {
  if (answer.status !== 200) throw new Error(`status ${answer.status} ${answer.body.toString().slice(0, 60)}`)
  return JSON.parse(answer.body.toString())
}

/** One client's visits after its first one: how many had another variant. */
async function changesOfOneClient(world: SmokeWorld, signal: AbortSignal): Promise<number> {
  const first = await ask(world, { host: APP, path: '/' }, signal)
  const cookie = cookieOf(first)
  if (cookie === undefined) throw new Error('the first answer set no cookie')
  let changes = 0
  for (let visit = 0; visit < 3; visit++) {
    const next = await ask(world, { host: APP, path: '/', headers: { cookie } }, signal)
    if (next.headers['x-fourseven-variant'] !== first.headers['x-fourseven-variant']) changes++
  }
  return changes
}

/** The anonymous id of the split, as the client sends it back. */
function cookieOf(answer: Answer): string | undefined {
  return answer.headers['set-cookie']?.find(cookie => cookie.startsWith('fs_id='))?.split(';')[0]
}

const APP = 'app.localhost'
const API = 'api.localhost'
/** Keeps a request out of the split. */
const NEVER = { 'x-canary': 'never' }
