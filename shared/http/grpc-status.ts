// gRPC statuses at our door: what our own refusals are called, what an answer that is no gRPC means, and how a status
// counts where HTTP statuses are counted.

import type { Reason } from '../decide/reason.ts'

/** By number (gRPC, "Status codes and their use in gRPC"). */
export const grpcStatusNames = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const

/**
 * Whether a content type is gRPC's: `application/grpc`, `application/grpc+proto`, `application/grpc;charset=utf-8`.
 * `application/grpc-web` is another protocol, over plain HTTP.
 */
export function isGrpc(contentType: string | undefined): boolean {
  if (contentType === undefined || !contentType.startsWith(grpcType)) return false
  const next = contentType[grpcType.length]
  return next === undefined || next === '+' || next === ';'
}

/** The status of a call that we answer ourselves, by why and by the HTTP status that another client would get. */
export function grpcRefusal(reason: Reason | undefined, httpStatus: number): number {
  const byReason = reason === undefined ? undefined : refusals[reason]
  if (byReason !== undefined) return byReason
  // A size or a rate that we bound; from an endpoint they would be unknown and unavailable.
  if (httpStatus === 413 || httpStatus === 414 || httpStatus === 429 || httpStatus === 431) return RESOURCE_EXHAUSTED
  return grpcStatusOfHttp(httpStatus)
}

/**
 * What an answer without `grpc-status` means to a gRPC client (gRPC, "HTTP to gRPC Status Code Mapping"): most often a
 * proxy in between has made it.
 */
export function grpcStatusOfHttp(httpStatus: number): number {
  switch (httpStatus) {
    case 400:
      return INTERNAL
    case 401:
      return UNAUTHENTICATED
    case 403:
      return PERMISSION_DENIED
    case 404:
      return UNIMPLEMENTED
    case 429:
    case 502:
    case 503:
    case 504:
      return UNAVAILABLE
    default:
      return UNKNOWN
  }
}

/**
 * The HTTP status that a gRPC status counts as, for `retry.on`, outliers and metrics (google/rpc/code.proto, "HTTP
 * Mapping"): 14 as 503, 4 as 504. One that nobody knows counts as 2 does, as gRPC says.
 */
export function httpStatusOfGrpc(grpcStatus: number): number {
  return httpStatuses[grpcStatus] ?? 500
}

/** The number in a `grpc-status` field; undefined when absent or no number. */
export function readGrpcStatus(value: string | undefined): number | undefined {
  return value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : undefined
}

/**
 * The header of an answer without a body ("Trailers-Only"): HTTP 200, and the status in the same frame.
 *
 * @param message for people; percent-encoded here
 */
export function trailersOnly(grpcStatus: number, message: string): Readonly<Record<string, string>> {
  return { 'content-type': grpcType, ...grpcTrailers(grpcStatus, message) }
}

/** The same at the end of a body. */
export function grpcTrailers(grpcStatus: number, message: string): Readonly<Record<string, string>> {
  return { 'grpc-status': String(grpcStatus), 'grpc-message': encodeMessage(message) }
}

/** UTF-8, with everything but printable ASCII, and `%` itself, percent-encoded (gRPC over HTTP2, "Status-Message"). */
function encodeMessage(message: string): string {
  // A lone surrogate has no UTF-8.
  // A lone surrogate has no UTF-8.
  const text = message.slice(0, LONGEST_MESSAGE).replace(/\p{Surrogate}/gu, '\ufffd')
  return text.replace(/[^\x20-\x24\x26-\x7e]+/gu, encodeURIComponent)
}

const UNKNOWN = 2
const DEADLINE_EXCEEDED = 4
const PERMISSION_DENIED = 7
const RESOURCE_EXHAUSTED = 8
const UNIMPLEMENTED = 12
const INTERNAL = 13
const UNAVAILABLE = 14
const UNAUTHENTICATED = 16

/** Where the HTTP status alone would say something else. */
const refusals: Partial<Record<Reason, number>> = {
  http_response_timeout: DEADLINE_EXCEEDED,
  http_request_timeout: DEADLINE_EXCEEDED,
  connection_limit_reached: RESOURCE_EXHAUSTED,
  relay_exhausted: RESOURCE_EXHAUSTED,
  queue_full: RESOURCE_EXHAUSTED,
  queue_timeout: RESOURCE_EXHAUSTED,
  proxy_loop_detected: INTERNAL,
  proxy_internal_error: INTERNAL,
  proxy_configuration_error: INTERNAL,
  client_gone: 1,
}

const httpStatuses = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401]
const grpcType = 'application/grpc'
/** Characters; encoded at most nine times as many. The header of an answer is bounded at every client, in grpc-js at 16 KiB. */
const LONGEST_MESSAGE = 1_024
