// A request that is a gRPC call: its answer, its deadline and its status.

import type { ForwardDecision } from '../../shared/decide/decision.ts'
import { reasons } from '../../shared/decide/reason.ts'
import { editAnswer } from '../../shared/http/edit.ts'
import { grpcRefusal } from '../../shared/http/grpc-status.ts'
import type { Endpoint } from '../../shared/pool/pool.ts'
import type { EndpointAnswer } from './call.ts'
import { grpcStatusIn, lastFields, statusInstead } from './grpc.ts'
import type { LiveRequest } from './request.ts'

export function passOnCall(
  request: LiveRequest,
  { status, fields, body }: EndpointAnswer,
  decision: ForwardDecision,
  endpoint: Endpoint,
): void {
  const { exchange, facts, plane } = request
  const instead = statusInstead(status, fields)
  editAnswer(fields, decision, endpoint, facts, plane.shared.table, plane.cookieKeys)
  request.headers(200)
  request.grpcStatus = instead ?? grpcStatusIn(fields)
  if (instead !== undefined || body === undefined) {
    body?.cancel()
    exchange.answer(200, fields, null)
    return
  }
  exchange.lastWords = lastFields('http_response_incomplete')
  exchange.begin(200, fields, body)
}

/** The deadline of a call has passed: its endpoint is told to stop, and its client what that means. */
export function expire(request: LiveRequest): void {
  // Before the header of an answer the try itself runs out.
  if (request.isRecorded || request.headersMs === undefined) return
  request.reason ??= 'http_response_timeout'
  request.answerBody?.cancel()
  request.exchange.finish(lastFields('http_response_timeout'))
}

/** As its client has it: what we said, what the endpoint said at the end, or that the client went away. */
export function callStatus(request: LiveRequest): number | undefined {
  if (request.grpcStatus !== undefined) return request.grpcStatus
  if (request.reason !== undefined) return grpcRefusal(request.reason, reasons[request.reason].status)
  return grpcStatusIn(request.answerBody?.trailers)
}
