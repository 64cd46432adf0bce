// What may be tried again, settled once before the first try: by method, body and what the rule names.

import type { RetryConfig } from '../config/parsed.ts'
import type { Reason } from '../decide/reason.ts'
import type { Draw } from '../pool/draw.ts'
import { isNamed, type Outcome } from './classes.ts'

/** `streamed`: too large to keep, of unknown length, or already on its way; it can be sent once. */
export type Body = 'none' | 'buffered' | 'streamed'

export interface AttemptPlan {
  /** Tries in all, at least 1. */
  readonly attempts: number
  /** The words of `retry.on`. */
  readonly on: readonly string[]
  /** The request may be sent again although an endpoint may have acted on it. */
  readonly isRepeatable: boolean
  /** The least wait before a retry. */
  readonly backoffMs: number
  /** For one try; undefined shares what is left of `totalMs` among the tries that are left. */
  readonly tryMs: number | undefined
  /** For all tries and the waits between them. */
  readonly totalMs: number
  /** After so long without an answer a second try is begun beside the first; undefined: never. */
  readonly hedgeMs: number | undefined
  /** What a try that ran out is called in our own answer. */
  readonly timeoutReason: Reason
  readonly draw: Draw
}

/**
 * What the plane has to do with a request's body before the first try: `buffered` says read it whole and keep it.
 * Nothing is kept that could not be sent again, nor a body whose length is not known beforehand.
 *
 * @param contentLength bytes, undefined when the request does not say
 */
export function bodyOf(retry: RetryConfig, method: string, hasBody: boolean, contentLength: number | undefined): Body {
  if (!hasBody || contentLength === 0) return 'none'
  if (retry.attempts < 2 || contentLength === undefined || contentLength > retry.maxBufferBytes) return 'streamed'
  return isRepeatableMethod(method, retry.isUnsafe) ? 'buffered' : 'streamed'
}

/**
 * @param hedgeMs as `hedgeAfterMs` gives it, for requests that `mayHedge`
 */
export function planHttp(
  retry: RetryConfig,
  timeouts: { readonly requestMs: number; readonly tryMs: number },
  method: string,
  body: Body,
  draw: Draw,
  hedgeMs?: number | undefined,
): AttemptPlan {
  return {
    attempts: retry.attempts,
    on: retry.on,
    isRepeatable: body !== 'streamed' && isRepeatableMethod(method, retry.isUnsafe),
    backoffMs: retry.backoffMs,
    tryMs: timeouts.tryMs,
    totalMs: timeouts.requestMs,
    hedgeMs,
    timeoutReason: 'http_response_timeout',
    draw,
  }
}

/**
 * For the tcp door: tries until an endpoint is connected, none of whose bytes were sent. The connect timeout covers all
 * tries and each gets an even share of what is left, else one endpoint that drops packets would use it up.
 *
 * @param attempts as the rule says; no more than the pool has endpoints, so that a pool of one gives its only try all the time
 */
export function planFlow(attempts: number, connectMs: number, draw: Draw): AttemptPlan {
  return {
    attempts,
    on: flowOn,
    isRepeatable: true,
    backoffMs: 0,
    tryMs: undefined,
    totalMs: connectMs,
    hedgeMs: undefined,
    timeoutReason: 'connection_timeout',
    draw,
  }
}

/**
 * Whether this outcome may be followed by another try.
 *
 * @param isNothingWritten the plane knows that no byte of the request left for the endpoint and its body is unread. Then
 *   a connect failure may be retried whatever the method. Never true at the edge: a body stream is spent there even
 *   after a refused connection, and the runtime does not say what was written.
 */
export function mayRetry(plan: AttemptPlan, outcome: Outcome, isNothingWritten: boolean): boolean {
  if (!isNamed(plan.on, outcome)) return false
  return plan.isRepeatable || (isNothingWritten && outcome === 'connect-failure')
}

/**
 * GET, HEAD, OPTIONS and TRACE are safe, PUT and DELETE idempotent (RFC 9110 section 9.2). Every other method, one we do
 * not know as well, is as POST: sent again only when the rule says `unsafe`.
 */
function isRepeatableMethod(method: string, isUnsafe: boolean): boolean {
  return isUnsafe || repeatableMethods.has(method)
}

const repeatableMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])
const flowOn: readonly string[] = ['connect-failure', 'timeout']
