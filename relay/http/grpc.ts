// What a gRPC call asks of the door beyond what any request does: an end at its deadline, and a status whatever comes.

import type { Reason } from '../../shared/decide/reason.ts'
import { reasons } from '../../shared/decide/reason.ts'
import { dropContentFields } from '../../shared/http/error-pages.ts'
import {
  grpcRefusal,
  grpcStatusNames,
  grpcStatusOfHttp,
  grpcTrailers,
  httpStatusOfGrpc,
  isGrpc,
  readGrpcStatus,
  trailersOnly,
} from '../../shared/http/grpc-status.ts'
import { formatGrpcTimeout, readGrpcTimeout } from '../../shared/http/grpc-timeout.ts'
import type { EndpointAnswer } from './call.ts'
import type { Exchange } from './exchange.ts'
import { Fields } from './fields.ts'

/** Whether a request is a call: gRPC is spoken over HTTP/2 only. */
export function isCall({ version, method, fields }: Exchange): boolean {
  return version === 'HTTP/2' && method === 'POST' && isGrpc(fields.get('content-type') ?? undefined)
}

/**
 * How long a call may take in all, in milliseconds: what its client says, and what the rule allows at most. Undefined when
 * neither says.
 */
export function limitOf({ fields }: Exchange, mostMs: number): number | undefined {
  const saidMs = readGrpcTimeout(fields.get(TIMEOUT) ?? undefined) ?? Number.POSITIVE_INFINITY
  const ms = Math.min(saidMs, mostMs)
  return ms === Number.POSITIVE_INFINITY ? undefined : ms
}

/** Tells the endpoint of what is left. */
export function setTimeLeft(fields: Fields, ms: number): void {
  fields.set(TIMEOUT, formatGrpcTimeout(ms))
}

/** The HTTP status that an answer counts as: a status of its own, which comes without a body, or the one it has. */
export function countedStatus({ status, fields, body }: EndpointAnswer): number {
  const grpc = body === undefined ? grpcStatusIn(fields) : undefined
  return grpc === undefined || status !== 200 ? status : httpStatusOfGrpc(grpc)
}

export function grpcStatusIn(fields: Fields | undefined): number | undefined {
  return readGrpcStatus(fields?.get('grpc-status') ?? undefined)
}

/** Makes the header of another answer that of a refusal, in place. Gives the status. */
export function refuseCall(fields: Fields, reason: Reason | undefined, httpStatus: number, text: string): number {
  const status = grpcRefusal(reason, httpStatus)
  const says = reason === undefined ? text.trim() : `${reason}: ${reasons[reason].says}`
  become(fields, status, says || `HTTP status ${httpStatus}`)
  return status
}

/** An endpoint's answer that is no gRPC, as a client would read it. Undefined when it is. */
export function statusInstead(status: number, fields: Fields): number | undefined {
  if (isGrpc(fields.get('content-type') ?? undefined)) return undefined
  const grpc = grpcStatusOfHttp(status)
  become(fields, grpc, `the endpoint answered with HTTP status ${status} and no gRPC (${grpcStatusNames[grpc]})`)
  return grpc
}

/** What ends a call whose answer has begun. Made once for each reason, and changed by nobody. */
export function lastFields(reason: Reason): Fields {
  const known = made.get(reason)
  if (known !== undefined) return known
  const fields = new Fields()
  const trailers = grpcTrailers(grpcRefusal(reason, reasons[reason].status), `${reason}: ${reasons[reason].says}`)
  for (const [name, value] of Object.entries(trailers)) fields.add(name, name, value)
  made.set(reason, fields)
  return fields
}

function become(fields: Fields, status: number, message: string): void {
  dropContentFields(fields)
  for (const [name, value] of Object.entries(trailersOnly(status, message))) fields.set(name, value)
}

const TIMEOUT = 'grpc-timeout'
const made = new Map<Reason, Fields>()
