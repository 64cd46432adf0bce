// One try: a request to one endpoint, until its response headers.

import { type FailureClass, verdictOf } from '../shared/attempt/classes.ts'
import type { AttemptEvent } from '../shared/attempt/machine.ts'
import { type Body, bodyOf } from '../shared/attempt/plan.ts'
import { readRetryAfter } from '../shared/attempt/retry-after.ts'
import type { RetryConfig } from '../shared/config/parse.ts'
import type { Reason } from '../shared/decide/reason.ts'
import type { Outcome as Verdict } from '../shared/pool/observed.ts'

/** What is sent of a request's body: nothing, bytes that may be sent again, or the stream as it comes, once. */
export interface Upload {
  readonly body: Body
  readonly bytes: ArrayBuffer | undefined
  /** Streamed, and larger than the retry buffer or of unknown length. */
  readonly isLong: boolean
}

export type TryEnd =
  | { readonly outcome: number; readonly response: Response; readonly ms: number; readonly at: number }
  | {
      readonly outcome: FailureClass
      readonly response: undefined
      readonly reason: Reason
      /** What the runtime said; for the record only. */
      readonly says: string | undefined
      readonly ms: number
      readonly at: number
    }

/** Reads the body of a request that may be sent twice; any other is left as it is. `client-gone`: it ended early. */
export async function readUpload(request: Request, retry: RetryConfig): Promise<Upload | 'client-gone'> {
  if (request.body === null) return NOTHING
  const length = lengthOf(request.headers)
  const isLong = length === undefined || length > retry.maxBufferBytes
  // The runtime passes such a body on but builds no request with one, so it cannot be sent twice.
  const body = isBodiless(request.method) ? 'streamed' : bodyOf(retry, request.method, true, length)
  if (body === 'none') return NOTHING
  if (body === 'streamed') return { body, bytes: undefined, isLong }
  try {
    return { body, bytes: await request.arrayBuffer(), isLong: false }
  } catch {
    return 'client-gone'
  }
}

/**
 * Asks one endpoint. A redirect is an answer like any other, never followed. The answer's body is neither read nor
 * wrapped, and the clock stops at its headers: `AbortSignal.timeout` might end a long download.
 *
 * A long upload has no clock of ours. Its end cannot be seen without a wrapper (and a wrapped chunked body ends as if
 * whole when the client breaks off), so the clock would take a slow client for a slow endpoint. Cloudflare's own limit
 * holds: 524 when nothing has come for 100 s.
 *
 * @param url with path and query
 * @param headers as the endpoint shall see them
 */
export async function tryEndpoint(
  url: string,
  request: Request,
  headers: Headers,
  upload: Upload,
  timeoutMs: number,
): Promise<TryEnd> {
  const began = Date.now()
  const clock = new AbortController()
  const timer = upload.isLong ? null : setTimeout(() => clock.abort(), timeoutMs)
  try {
    const response = await send(url, request, headers, upload, clock.signal)
    const at = Date.now()
    const reason = strangeness(response)
    if (reason === undefined) return { outcome: response.status, response, ms: at - began, at }
    drop(response)
    return { outcome: 'sent', response: undefined, reason, says: `status ${response.status}`, ms: at - began, at }
  } catch (error) {
    const at = Date.now()
    const ms = at - began
    if (clock.signal.aborted) {
      return { outcome: 'timeout', response: undefined, reason: 'http_response_timeout', says: undefined, ms, at }
    }
    // What the network does to us is an Error; a TypeError says that we asked for something impossible.
    if (error instanceof TypeError) throw error
    const says = error instanceof Error ? error.message : String(error)
    // The runtime does not tell a refused connection from one that broke.
    return { outcome: 'connect-failure', response: undefined, reason: 'connection_terminated', says, ms, at }
  } finally {
    clearTimeout(timer)
  }
}

/** The try in the words of the attempt machine. */
export function eventOf(end: TryEnd, attempt: number): AttemptEvent {
  if (end.response !== undefined) {
    const isBusy = end.outcome === 503 || end.outcome === 429
    const retryAfterMs = isBusy ? readRetryAfter(end.response.headers.get('retry-after'), end.at) : undefined
    return { type: 'status', attempt, status: end.outcome, retryAfterMs }
  }
  if (end.outcome === 'timeout') return { type: 'try-timeout', attempt }
  // A body stream is spent even after a refused connection, and nobody says what was written.
  return { type: 'failed', attempt, failure: end.outcome, reason: end.reason, isNothingWritten: false }
}

/**
 * What the outlier judge makes of it. When a long upload breaks, nobody can say whether the client or the endpoint
 * broke it: clients that go away must not eject an endpoint.
 */
export function verdictOn(end: TryEnd, upload: Upload): Verdict {
  return upload.isLong && end.outcome === 'connect-failure' ? 'neutral' : verdictOf(end.outcome)
}

/** Milliseconds to learn from: with a long upload they say more of the client; a failure that is no timeout says nothing. */
export function latencyOf(end: TryEnd, upload: Upload): number {
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

function send(url: string, request: Request, headers: Headers, upload: Upload, signal: AbortSignal): Promise<Response> {
  const { method } = request
  if (upload.body === 'streamed' && isBodiless(method)) {
    return fetch(new Request(url, request), { headers, redirect: 'manual', signal })
  }
  const body = upload.body === 'none' ? null : (upload.bytes ?? request.body)
  return fetch(url, { method, headers, body, redirect: 'manual', signal })
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

const NOTHING: Upload = { body: 'none', bytes: undefined, isLong: false }
