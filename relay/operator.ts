// The operator's port: metrics, health, live flows and pools in JSON, drains, purges and reloads. For people and tools on this
// machine: it answers to no name that a web page could have made up, and changes nothing for a page of another origin.

import { timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { FlowFacts } from '../shared/decide/facts.ts'
import { explainFlow, type FlowExplanation } from '../shared/explain/flow.ts'
import { purgeSchema } from '../shared/overlay/parse.ts'
import { isLoopback, parseAddress, parseHostPort } from '../shared/wire/address.ts'
import { livePools } from './live.ts'
import type { Metrics } from './metrics.ts'
import type { BoundHandle, ListenAddress } from './place.ts'
import type { Relay } from './relay-api.ts'

export interface OperatorOptions {
  readonly host: string
  readonly port: number
  /** A listening socket that another relay hands over, in place of host and port. */
  readonly handle?: BoundHandle | undefined
  readonly relay: Relay
  readonly metrics: Metrics
  /** Whoever changes something has to say it; undefined: nobody has to, on loopback, and elsewhere nobody may. */
  readonly token: string | undefined
  /** False from the moment the relay is about to stop. */
  readonly isReady: () => boolean
  /** Reloads, or says what a reload would do; with a config it is of that one, given as parsed. */
  readonly reload: (wish: { readonly isDry: boolean; readonly config: unknown }) => Promise<ReloadAnswer>
}

export interface ReloadAnswer {
  readonly ok: boolean
  readonly [word: string]: unknown
}

export interface OperatorPort {
  readonly address: ListenAddress
  /** The socket that it listens on. */
  readonly handle: () => BoundHandle
  readonly close: () => void
}

/** Rejects with the system's error when the place cannot be listened on. */
export function openOperator(options: OperatorOptions): Promise<OperatorPort> {
  const { host, port, handle } = options
  const server = createServer((request, response) => void answer(options, request, response))
  server.headersTimeout = 5_000
  server.requestTimeout = 30_000
  server.maxConnections = 256
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(handle ?? { host, port }, () => {
      server.off('error', reject)
      server.on('error', () => {})
      const place = server.address() as { address: string; port: number }
      const close = () => {
        server.close()
        server.closeIdleConnections()
      }
      const { _handle: listening } = server as Server & { readonly _handle: BoundHandle }
      resolve({ address: { host: place.address, port: place.port }, handle: () => listening, close })
    })
  })
}

async function answer(options: OperatorOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const refused = refusalOf(options, request)
    if (refused !== undefined) return sendJson(response, refused.status, { error: refused.error })
    const url = URL.parse(request.url ?? '/', 'http://operator')
    if (url === null) return sendJson(response, 400, { error: 'that is no path' })
    await route(options, request, response, url)
  } catch (error) {
    const status = error instanceof BadBody ? 400 : 500
    const said = error instanceof Error ? error.message : String(error)
    if (!response.headersSent) sendJson(response, status, { error: said })
  }
}

/**
 * Host has to be an address, `localhost`, or the name this port listens under: a page whose name was rebound to this
 * address would send its own (DNS rebinding). What changes something has to come from no page at all, and with the token.
 */
function refusalOf(options: OperatorOptions, request: IncomingMessage): { status: number; error: string } | undefined {
  const name = hostName(request.headers.host ?? '')
  const isKnown = name === 'localhost' || name === options.host || parseAddress(name) !== undefined
  if (!isKnown) return { status: 403, error: `this port does not go by the name "${name}"` }
  const asksOnly = request.method === 'GET' || request.method === 'HEAD'
  if (asksOnly) return undefined
  if (request.method !== 'POST') return { status: 405, error: 'GET and POST only' }
  const { origin } = request.headers
  const site = request.headers['sec-fetch-site']
  if (origin !== undefined || (site !== undefined && site !== 'none')) {
    return { status: 403, error: 'nothing is changed for web pages' }
  }
  if (options.token !== undefined) {
    return isToken(request.headers.authorization, options.token)
      ? undefined
      : { status: 401, error: 'the token is missing or wrong' }
  }
  const address = parseAddress(options.host)
  if (options.host === 'localhost' || (address !== undefined && isLoopback(address))) return undefined
  return { status: 403, error: 'set FOURSEVEN_OPERATOR_TOKEN: beyond loopback nothing is changed without it' }
}

async function route(options: OperatorOptions, request: IncomingMessage, response: ServerResponse, url: URL) {
  const { relay, metrics } = options
  const { searchParams: asked } = url
  switch (`${request.method === 'HEAD' ? 'GET' : request.method} ${url.pathname}`) {
    case 'GET /metrics': {
      const text = await metrics.text()
      response.writeHead(200, { 'content-type': metrics.contentType }).end(text)
      return
    }
    case 'GET /healthz':
      return sendJson(response, 200, { ok: true })
    case 'GET /readyz':
      return sendJson(response, options.isReady() ? 200 : 503, { ready: options.isReady() })
    case 'GET /flows': {
      const after = wholeNumber(asked.get('after'), 0, Number.MAX_SAFE_INTEGER)
      const limit = wholeNumber(asked.get('limit'), 100, mostFlows)
      if (after === undefined || limit === undefined || limit === 0) {
        return sendJson(response, 400, { error: `after is a whole number, limit one from 1 to ${mostFlows}` })
      }
      return sendJson(response, 200, await relay.flows(after, limit))
    }
    case 'GET /pools':
      return sendJson(response, 200, { pools: livePools(relay.plane, relay.overlay().overlay) })
    case 'GET /kernel':
      return sendJson(response, 200, await relay.kernelCounts())
    case 'GET /overlay':
      return sendJson(response, 200, { ...relay.overlay(), splits: relay.splits() })
    case 'GET /explain': {
      const explained = explain(relay, asked)
      return sendJson(
        response,
        typeof explained === 'string' ? 400 : 200,
        typeof explained === 'string' ? { error: explained } : explained,
      )
    }
    case 'POST /drain':
    case 'POST /undrain': {
      const { endpoint, drainMs } = asObject(await bodyOf(request))
      if (typeof endpoint !== 'string' || (drainMs !== undefined && !isDrainTime(drainMs))) {
        const error = `say { "endpoint": "pool/name" }, and "drainMs" if you like, 0 to ${longestDrainMs}`
        return sendJson(response, 400, { error })
      }
      const ids = relay.plane.table.pools.flatMap(pool =>
        pool.endpoints.filter(one => one.id === endpoint || one.of === endpoint),
      )
      for (const { id } of ids) url.pathname === '/drain' ? relay.drain(id, drainMs) : relay.undrain(id)
      if (ids.length > 0) return sendJson(response, 200, { ok: true, endpoints: ids.map(({ id }) => id) })
      return sendJson(response, 404, { error: `no endpoint is "${endpoint}": /pools has their ids` })
    }
    case 'POST /purge': {
      const parsed = purgeSchema.safeParse(await bodyOf(request))
      if (!parsed.success) {
        return sendJson(response, 400, { error: 'say { "by": "url", "url": … }, or by "prefix", "route" or "tag"' })
      }
      await relay.purge(parsed.data)
      return sendJson(response, 200, { ok: true, of: parsed.data })
    }
    case 'POST /reload': {
      const outcome = await options.reload({ isDry: asked.get('dry') === '1', config: await bodyOf(request) })
      return sendJson(response, outcome.ok ? 200 : 422, outcome)
    }
    default:
      return sendJson(response, 404, {
        error:
          'there is /metrics /healthz /readyz /flows /pools /kernel /overlay /explain, and POST /drain /undrain /purge /reload',
      })
  }
}

/** The decision of the table in force with what is observed now, for a connection that does not exist. */
function explain({ plane }: Relay, asked: URLSearchParams): FlowExplanation | string {
  const kind = asked.get('kind')
  const listeners = new Map(
    [...plane.table.flowListeners].filter(([, listener]) => kind === null || listener.kind === kind),
  )
  const listener = listeners.get(asked.get('listener') ?? (listeners.size === 1 ? [...listeners.keys()][0]! : ''))
  if (listener === undefined) return `name a listener: there is ${[...listeners.keys()].join(', ')}`
  const address = parseAddress(asked.get('address') ?? '')
  const port = wholeNumber(asked.get('port'), 0, 65_535)
  const draw = wholeNumber(asked.get('draw'), 1, Number.MAX_SAFE_INTEGER)
  if (address === undefined || port === undefined || draw === undefined) return 'say address, port and draw'
  const sni = asked.get('sni') ?? undefined
  const to = parseHostPort(asked.get('to') ?? '')
  const facts: FlowFacts = {
    listener: listener.name,
    clientAddress: address.text,
    address,
    clientPort: port,
    localAddress: to?.host ?? listener.host,
    localPort: to?.port ?? listener.port,
    peerAddress: address.text,
    peerPort: port,
    proxyHeader: undefined,
    peeked: listener.kind === 'tls' ? 'hello' : 'nothing',
    sni,
    alpn: asked.getAll('alpn'),
    now: plane.host.now(),
  }
  return explainFlow(listener, facts, plane.observed, draw)
}

/** Undefined for what is no such number. */
function wholeNumber(text: string | null, otherwise: number, most: number): number | undefined {
  if (text === null) return otherwise
  const number = Number(text)
  return /^\d+$/.test(text) && number <= most ? number : undefined
}

/** Undefined when there is none. Throws BadBody for what is no JSON, or too much. */
async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > longestBody) throw new BadBody('the body is too long')
    chunks.push(chunk)
  }
  if (length === 0) return undefined
  try {
    return JSON.parse(Buffer.concat(chunks).toString())
  } catch {
    throw new BadBody('the body is no JSON')
  }
}

/** A timer would take what is beyond its bound for no time at all. */
function isDrainTime(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= longestDrainMs
}

class BadBody extends Error {}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const headers = {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  }
  response.writeHead(status, headers).end(`${JSON.stringify(value)}\n`)
}

function hostName(host: string): string {
  const bracket = host.indexOf(']')
  if (host.startsWith('[') && bracket !== -1) return host.slice(1, bracket)
  return (host.split(':')[0] ?? '').toLowerCase()
}

function isToken(given: string | undefined, token: string): boolean {
  const [mine, theirs] = [Buffer.from(`Bearer ${token}`), Buffer.from(given ?? '')]
  return mine.length === theirs.length && timingSafeEqual(mine, theirs)
}

const mostFlows = 1_000
const longestDrainMs = 24 * 3_600_000
/** A config of ten thousand routes has a few MB. */
const longestBody = 32 * 1024 * 1024
