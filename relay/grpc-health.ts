// Asks a gRPC server how a service is: `grpc.health.v1.Health/Check` (grpc/health/v1/health.proto). The two messages have
// one field each, so they are written and read by hand.

import { connect, constants, type IncomingHttpHeaders } from 'node:http2'
import type { Socket } from 'node:net'
import { grpcStatusNames, grpcStatusOfHttp, readGrpcStatus } from '../shared/http/grpc-status.ts'

/**
 * Undefined when the service is SERVING, else why it is not, in a few words.
 *
 * @param socket connected, TLS done; ending it is the caller's
 * @param service empty: the server as a whole
 * @throws what went wrong on the connection
 */
export function askHealth(socket: Socket, authority: string, service: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const session = connect(`http://${authority}`, { createConnection: () => socket, settings: { enablePush: false } })
    session.on('error', reject)
    session.on('close', () => resolve('closed the connection'))
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: '/grpc.health.v1.Health/Check',
      'content-type': 'application/grpc',
      te: 'trailers',
      'user-agent': 'fourseven-probe',
    })
    stream.on('error', reject)
    let fields: IncomingHttpHeaders = {}
    let body = Buffer.alloc(0)
    stream.on('response', headers => {
      fields = headers
    })
    stream.on('trailers', trailers => {
      fields = { ...fields, ...trailers }
    })
    stream.on('data', (chunk: Buffer) => {
      body = Buffer.concat([body, chunk])
      if (body.length > mostAnswer) resolve(`answered more than ${mostAnswer} bytes`)
    })
    stream.on('end', () => resolve(judge(fields, body)))
    stream.end(healthRequest(service))
  })
}

function judge(fields: IncomingHttpHeaders, body: Uint8Array): string | undefined {
  const http = Number(fields[':status'])
  const said = fields['grpc-status']
  const status = readGrpcStatus(typeof said === 'string' ? said : undefined)
  if (status === undefined) {
    return http === 200 ? 'answered without grpc-status' : `status ${http}, ${nameOf(grpcStatusOfHttp(http))}`
  }
  if (status !== 0) return `${nameOf(status)}${status === unimplemented ? ': it has no grpc.health.v1.Health' : ''}`
  const health = readHealth(body)
  if (health === undefined) return 'answered something that is no HealthCheckResponse'
  return health === serving ? undefined : (servingNames[health] ?? `status ${health}`)
}

function nameOf(status: number): string {
  return grpcStatusNames[status] ?? `grpc-status ${status}`
}

/** One message: not compressed, its length in four bytes, then field 1 as a string (Protocol Buffers, "Encoding"). */
export function healthRequest(service: string): Uint8Array {
  const name = Buffer.from(service)
  const field = name.length === 0 ? [] : [0x0a, ...varint(name.length)]
  const length = field.length + name.length
  return Buffer.concat([Buffer.from([0, length >>> 24, length >>> 16, length >>> 8, length, ...field]), name])
}

/** The `status` of a HealthCheckResponse: 0 when it has none. Undefined for bytes that are no such message. */
export function readHealth(body: Uint8Array): number | undefined {
  if (body.length < 5 || body[0] !== 0) return undefined
  const length = Buffer.from(body).readUInt32BE(1)
  if (length !== body.length - 5) return undefined
  let at = 5
  let status = 0
  while (at < body.length) {
    const key = readVarint(body, at)
    if (key === undefined) return undefined
    const value = readVarint(body, key.next)
    if (value === undefined) return undefined
    at = value.next
    switch (key.value & 7) {
      case 0:
        if (key.value === 0x08) status = value.value
        break
      case 2:
        at += value.value
        if (at > body.length) return undefined
        break
      default:
        // Numbers of fixed length: no version of the message has one.
        return undefined
    }
  }
  return status
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)]
}

function readVarint(bytes: Uint8Array, from: number): { readonly value: number; readonly next: number } | undefined {
  let value = 0
  for (let i = 0; i < longestVarint; i++) {
    const byte = bytes[from + i]
    if (byte === undefined) return undefined
    value += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) return { value, next: from + i + 1 }
  }
  return undefined
}

/** HealthCheckResponse.ServingStatus. */
const servingNames = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN']
const serving = 1
const unimplemented = 12
/** 64 bits, seven in a byte. */
const longestVarint = 10
/** A HealthCheckResponse has seven. */
const mostAnswer = 1_024
