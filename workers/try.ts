// One try: a request to one endpoint, until its response headers.

import { verdictOf } from '../shared/attempt/classes.ts'
import { type Body, bodyOf } from '../shared/attempt/plan.ts'
import type { TryEnd } from '../shared/attempt/tries.ts'
import type { RetryConfig } from '../shared/config/parsed.ts'
import type { Reason } from '../shared/decide/reason.ts'
import { type EndpointUrl, endpointUrl } from '../shared/http/endpoint-url.ts'
import type { DoorFacts } from '../shared/http/request-facts.ts'
import type { Outcome as Verdict } from '../shared/pool/observed.ts'
import type { Endpoint } from '../shared/pool/pool.ts'
import type { Env } from './env.ts'

/** What is sent of a request's body: nothing, bytes that were read before, or the stream as it comes, once. */
export interface Upload {
  readonly body: Body
  readonly bytes: ArrayBuffer | undefined
  /** Larger than the retry buffer or of unknown length. */
  readonly isLong: boolean
}

/** A request as its endpoint sees it. */
export interface Sent {
  readonly request: Request
  readonly headers: Headers
  readonly upload: Upload
  /** An encoded answer is read as it came: it may be stored. */
  readonly isRaw: boolean
  /** With query, as rewritten. */
  readonly path: string
  /** The Host it is to see; undefined leaves it to the way it is called. */
  readonly host: string | undefined
}

type EdgeTryEnd = TryEnd<Response>

/**
 * Reads a short body of known length whole, even one that may be sent only once: what breaks or runs out afterwards is the
 * endpoint's doing, and a client that goes away or dawdles in the middle cannot eject it. Any other body is left as it is.
 * `client-gone`: it ended early.
 */
export async function readUpload(request: Request, retry: RetryConfig): Promise<Upload | 'client-gone'> {
  if (request.body === null) return NOTHING
  const length = lengthOf(request.headers)
  if (length === 0) return NOTHING
  const isLong = length === undefined || length > retry.maxBufferBytes
  // The runtime passes a body on GET on but builds no request with one, so it cannot be sent twice.
  if (isLong || isBodiless(request.method)) return { body: 'streamed', bytes: undefined, isLong }
  try {
    const bytes = await request.arrayBuffer()
    return { body: bodyOf(retry, request.method, true, length), bytes, isLong: false }
  } catch {
    return 'client-gone'
  }
}

/** Where a try goes: over the network, or to another Worker. */
export interface Target extends EndpointUrl {
  readonly via: Fetcher | undefined
}

/**
 * `unbound`: the Worker has nothing of that name that can be fetched from.
 *
 * @param host the Host that the endpoint is to see; an endpoint that cannot be called by it is asked under its own name
 */
export function targetOf(
  endpoint: Endpoint,
  facts: DoorFacts,
  path: string,
  bindings: Env,
  host: string | undefined,
): Target | 'unbound' {
  const { address } = endpoint
  const { url, resolveOverride } = endpointUrl(address, facts, path, host)
  if (address.scheme !== 'binding') return { url, via: undefined, resolveOverride }
  const bound = bindings[address.host] as Fetcher | undefined
  if (typeof bound !== 'object' || bound === null || typeof bound.fetch !== 'function') return 'unbound'
  return { url, via: bound, resolveOverride }
}

/**
 * Asks one endpoint. A redirect is an answer like any other, never followed. The answer's body is neither read nor
 * wrapped, and the clock stops at its headers: `AbortSignal.timeout` might end a long download.
 *
 * A long upload has no clock of ours. Its end cannot be seen without a wrapper (and a wrapped chunked body ends as if
 * whole when the client breaks off), so the clock would take a slow client for a slow endpoint. Cloudflare's own limit
 * holds: 524 when nothing has come for 100 s.
 *
 * @param headers as the endpoint shall see them
 * @param clock aborted when the time is over. Whoever aborts it before gives the try up, and drops the response that may
 *   come all the same.
 * @param isRaw an encoded body is read as it came: it may be stored
 */
export async function tryEndpoint(
  target: Target | 'unbound',
  request: Request,
  headers: Headers,
  upload: Upload,
  timeoutMs: number,
  clock: AbortController,
  isRaw: boolean,
): Promise<EdgeTryEnd> {
  const began = Date.now()
  if (target === 'unbound') return { ...UNBOUND, at: began }
  const timer = upload.isLong ? null : setTimeout(() => clock.abort(), timeoutMs)
  try {
    const response = await send(target, request, headers, upload, clock.signal, isRaw)
    const at = Date.now()
    const reason = strangeness(response)
    if (reason === undefined) return { outcome: response.status, response, ms: at - began, at }
    drop(response)
    const says = `status ${response.status}`
    return { outcome: 'sent', ...NO_RESPONSE, reason, says, ms: at - began, at }
  } catch (error) {
    const at = Date.now()
    const ms = at - began
    if (clock.signal.aborted) {
      return { outcome: 'timeout', ...NO_RESPONSE, reason: 'http_response_timeout', says: undefined, ms, at }
    }
    const says = error instanceof Error ? error.message : String(error)
    // What a bound Worker throws comes here as it is: it has the request and gives no answer.
    if (target.via !== undefined) {
      return { outcome: 'sent', ...NO_RESPONSE, reason: 'connection_terminated', says, ms, at }
    }
    // What the network does to us is an Error; a TypeError says that we asked for something impossible.
    if (error instanceof TypeError) throw error
    // The runtime does not tell a refused connection from one that broke.
    return { outcome: 'connect-failure', ...NO_RESPONSE, reason: 'connection_terminated', says, ms, at }
  } finally {
    clearTimeout(timer)
  }
}

/**
 * What the outlier judge makes of it. When a streamed upload breaks or takes too long, nobody can say whether that was the
 * client or the endpoint: clients that go away or dawdle must not eject an endpoint.
 */
export function verdictOn(end: EdgeTryEnd, upload: Upload): Verdict {
  const isStreamed = upload.body !== 'none' && upload.bytes === undefined
  const isAnyones = end.outcome === 'connect-failure' || end.outcome === 'timeout'
  return isStreamed && isAnyones ? 'neutral' : verdictOf(end.outcome)
}

/** Milliseconds to learn from: with a long upload they say more of the client; a failure that is no timeout says nothing. */
export function latencyOf(end: EdgeTryEnd, upload: Upload): number {
  return upload.isLong || (end.response === undefined && end.outcome !== 'timeout') ? -1 : end.ms
}

/** Gives up a response that nobody will read, so that its connection is free. */
export function drop(response: Response | undefined): void {
  response?.body?.cancel().catch(() => undefined)
}

/** `Content-Length`; undefined when it is not said. */
export function lengthOf(headers: Headers): number | undefined {
  const said = headers.get('content-length')
  return said !== null && /^\d{1,15}$/.test(said) ? Number(said) : undefined
}

function send(
  target: Target,
  request: Request,
  headers: Headers,
  upload: Upload,
  signal: AbortSignal,
  isRaw: boolean,
): Promise<Response> {
  const { url, via } = target
  const { method } = request
  if (upload.body === 'streamed' && isBodiless(method)) {
    const whole = new Request(url, request)
    const init = withOverride({ headers, redirect: 'manual', signal }, target, isRaw)
    return via === undefined ? fetch(whole, init) : via.fetch(whole, init)
  }
  const body = upload.body === 'none' ? null : (upload.bytes ?? request.body)
  const init = withOverride({ method, headers, body, redirect: 'manual', signal }, target, isRaw)
  return via === undefined ? fetch(url, init) : via.fetch(url, init)
}

function withOverride(init: RequestInit, { resolveOverride }: Target, isRaw: boolean): RequestInit {
  const raw: RequestInit = isRaw ? { ...init, encodeResponseBody: 'manual' } : init
  return resolveOverride === undefined ? raw : { ...raw, cf: { resolveOverride } }
}

/** What cannot be passed on: a status that no response may have, or a switch of protocols that is no WebSocket. */
function strangeness(response: Response): Reason | undefined {
  const { status } = response
  if (status === 101) return response.webSocket === null ? 'http_upgrade_failed' : undefined
  return status < 200 || status > 599 ? 'http_protocol_error' : undefined
}

function isBodiless(method: string): boolean {
  return method === 'GET' || method === 'HEAD'
}

/** A body stream is spent even after a refused connection, and nobody says what was written. */
const NO_RESPONSE = { response: undefined, isNothingWritten: false } as const
const NOTHING: Upload = { body: 'none', bytes: undefined, isLong: false }
/** As if nobody listened there: another endpoint of the pool may answer. */
const UNBOUND = {
  outcome: 'connect-failure',
  ...NO_RESPONSE,
  reason: 'proxy_configuration_error',
  says: 'nothing that can be fetched from is bound under this name',
  ms: 0,
} as const
