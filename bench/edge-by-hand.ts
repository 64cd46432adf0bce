// What somebody writes who needs only these routes: the Worker that the edge bench compares with. It does for the
// requests of the bench what ours does with `edgeConfig`: same fields towards the endpoint and back, same record line,
// same try timeout. It has no retries, no ejection, no limits, no explain, and no config to change it by.

interface Env {
  readonly [address: string]: string
}

interface Place {
  readonly route: string
  readonly rule: string
  readonly variant: string
  readonly pool: keyof typeof POOLS
  readonly path: string
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const began = Date.now()
    const url = new URL(request.url)
    const place = placeOf(request, url)
    if (place === undefined) return new Response('no route\n', { status: 404 })
    const pool = POOLS[place.pool]
    const endpoint = pool[turn++ % pool.length]!
    const client = request.headers.get('cf-connecting-ip')
    const requestId = crypto.randomUUID()
    const headers = new Headers(request.headers)
    const traceId = setTrace(headers)
    editRequest(headers, url, place, client, requestId)

    const clock = new AbortController()
    const timer = setTimeout(() => clock.abort(), 5_000)
    let response: Response
    let outcome: number | string
    try {
      const { method, body } = request
      const asked = env[endpoint]! + place.path + url.search
      const answer = await fetch(asked, { method, headers, body, redirect: 'manual', signal: clock.signal })
      response = new Response(answer.body, answer)
      outcome = answer.status
      editAnswer(response.headers)
    } catch {
      outcome = clock.signal.aborted ? 'timeout' : 'connect-failure'
      response = new Response(`${outcome}\n`, { status: clock.signal.aborted ? 504 : 502 })
    } finally {
      clearTimeout(timer)
    }
    const ms = Date.now() - began
    console.log(
      JSON.stringify({
        time: new Date(began).toISOString(),
        door: 'edge',
        listener: 'web',
        route: place.route,
        rule: place.rule,
        variant: place.variant,
        endpoint: typeof outcome === 'number' ? endpoint : null,
        attempts: [{ endpoint, outcome, ms }],
        status: response.status,
        reason: outcome === 'timeout' ? 'http_response_timeout' : null,
        bytesIn: lengthOf(request.headers),
        bytesOut: lengthOf(response.headers),
        durationMs: ms,
        clientAddress: client,
        requestId,
        traceId,
        method: request.method,
        host: url.hostname,
        path: url.pathname,
      }),
    )
    return response
  },
}

function placeOf(request: Request, url: URL): Place | undefined {
  const path = url.pathname
  if (url.hostname === 'app.example.com') {
    const name = path.split('/', 2)[1]!
    const pool = APP[name]
    if (pool !== undefined) return { route: 'app', rule: name, variant: pool, pool, path }
    const session = /(?:^|; )session=([^;]*)/.exec(request.headers.get('cookie') ?? '')?.[1]
    const isCanary = session === undefined ? Math.random() < 0.1 : fnv(session) % 100 < 10
    const variant = isCanary ? 'canary' : 'stable'
    return { route: 'app', rule: 'all', variant, pool: variant, path }
  }
  if (url.hostname === 'api.example.com') {
    const [, version, name] = path.split('/', 3)
    if (version === 'v1' && name !== undefined && API.has(name)) {
      const isRead = request.method === 'GET' || request.method === 'HEAD'
      const rule = isRead ? name : `${name}-writes`
      return { route: 'api', rule, variant: 'api', pool: 'api', path: path.slice(3) }
    }
    return { route: 'api', rule: 'all', variant: 'api', pool: 'api', path }
  }
  return undefined
}

function editRequest(headers: Headers, url: URL, place: Place, client: string | null, requestId: string): void {
  const connection = headers.get('connection')
  if (connection !== null) {
    for (const name of connection.toLowerCase().split(',')) {
      if (!KEPT.has(name.trim())) headers.delete(name.trim())
    }
  }
  for (const name of HOP_BY_HOP) headers.delete(name)
  for (const name of FORWARDED) headers.delete(name)
  // Python and Ruby applications read these as if they had dashes.
  for (const name of [...headers.keys()]) if (name.includes('_') && UNDERSCORED.test(name)) headers.delete(name)
  const proto = url.protocol === 'https:' ? 'https' : 'http'
  if (client === null) headers.delete('x-forwarded-for')
  else headers.set('x-forwarded-for', client)
  headers.set('x-forwarded-proto', proto)
  headers.set('x-forwarded-host', url.host)
  headers.set('x-forwarded-port', url.port === '' ? (proto === 'https' ? '443' : '80') : url.port)
  headers.set('forwarded', `for=${client ?? 'unknown'};host=${url.host};proto=${proto}`)
  headers.set('x-request-id', requestId)
  headers.set('x-fourseven-route', place.route)
  headers.set('x-fourseven-variant', place.variant)
  headers.set('x-rule', `${place.route}/${place.rule}`)
  const instances = headers.get('x-fourseven-instances')
  headers.set('x-fourseven-instances', instances === null ? INSTANCE : `${instances}, ${INSTANCE}`)
}

/** W3C Trace Context: goes on with the trace that came, else begins one. */
function setTrace(headers: Headers): string {
  const came = /^00-([0-9a-f]{32})-[0-9a-f]{16}-0([0-3])$/.exec(headers.get('traceparent') ?? '')
  const ids = crypto.randomUUID().replaceAll('-', '')
  const traceId = came?.[1] ?? ids.slice(0, 32)
  headers.set('traceparent', `00-${traceId}-${ids.slice(16, 32)}-0${came?.[2] ?? 1}`)
  if (came === null) headers.delete('tracestate')
  return traceId
}

function editAnswer(headers: Headers): void {
  const connection = headers.get('connection')
  if (connection !== null) {
    for (const name of connection.toLowerCase().split(',')) {
      if (!KEPT.has(name.trim())) headers.delete(name.trim())
    }
  }
  for (const name of HOP_BY_HOP) headers.delete(name)
  headers.delete('upgrade')
  headers.delete('x-fourseven-instances')
  headers.delete('x-powered-by')
  headers.set('x-served-by', 'fourseven')
}

function lengthOf(headers: Headers): number | null {
  const length = headers.get('content-length')
  return length === null ? null : Number(length)
}

/** FNV-1a. */
function fnv(text: string): number {
  let hash = 2_166_136_261
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 16_777_619)
  return hash >>> 0
}

let turn = 0
const INSTANCE = 'h4nd'
const UNDERSCORED = /^(?:x[-_]forwarded|x[-_]real|true[-_]client|x[-_]request|x[-_]fourseven|forwarded)[-_]/
const POOLS = {
  app: ['APP_A', 'APP_B'],
  search: ['SEARCH_A', 'SEARCH_B'],
  files: ['FILES'],
  stable: ['APP_A', 'APP_B'],
  canary: ['CANARY'],
  api: ['API_A', 'API_B'],
}
const APP: Readonly<Record<string, 'app' | 'search' | 'files' | undefined>> = {
  orders: 'app',
  cart: 'app',
  checkout: 'app',
  account: 'app',
  login: 'app',
  logout: 'app',
  profile: 'app',
  settings: 'app',
  invoices: 'app',
  payments: 'app',
  search: 'search',
  suggest: 'search',
  similar: 'search',
  trends: 'search',
  brands: 'search',
  filters: 'search',
  facets: 'search',
  recent: 'search',
  popular: 'search',
  nearby: 'search',
  images: 'files',
  fonts: 'files',
  styles: 'files',
  scripts: 'files',
  videos: 'files',
  icons: 'files',
  downloads: 'files',
  manuals: 'files',
  exports: 'files',
  reports: 'files',
}
const API = new Set(['orders', 'users', 'carts', 'stock', 'prices', 'reviews', 'wishes', 'returns', 'offers'])
const HOP_BY_HOP = [
  'connection',
  'proxy-connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'http2-settings',
  'expect',
  'proxy-authorization',
  'proxy-authenticate',
  'proxy-authentication-info',
]
const FORWARDED = [
  'x-forwarded-by',
  'x-forwarded-prefix',
  'x-forwarded-scheme',
  'x-forwarded-server',
  'x-forwarded-ssl',
  'x-real-ip',
  'true-client-ip',
]
/** What a `Connection` field may not take away. */
const KEPT = new Set(['', 'close', 'keep-alive', 'upgrade', 'host', 'cookie', 'authorization', 'x-forwarded-for'])
