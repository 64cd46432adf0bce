import { status } from '@grpc/grpc-js'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Reason, reasons } from '../../../shared/decide/reason.ts'
import {
  grpcRefusal,
  grpcStatusNames,
  grpcStatusOfHttp,
  httpStatusOfGrpc,
  isGrpc,
  readGrpcStatus,
  trailersOnly,
} from '../../../shared/http/grpc-status.ts'

test('the names are those of grpc-js', () => {
  expect(grpcStatusNames.map((name, code) => [name, code])).toEqual(
    Object.entries(status).filter(([, code]) => typeof code === 'number'),
  )
})

test.each([
  ['application/grpc', true],
  ['application/grpc+proto', true],
  ['application/grpc+json', true],
  ['application/grpc;charset=utf-8', true],
  ['application/grpc-web', false],
  ['application/grpc-web+proto', false],
  ['application/grpcx', false],
  ['application/json', false],
  ['', false],
  [undefined, false],
])('the content type %j is gRPC: %s', (type, is) => {
  expect(isGrpc(type)).toBe(is)
})

// The table of "HTTP to gRPC Status Code Mapping".
test.each([
  [400, status.INTERNAL],
  [401, status.UNAUTHENTICATED],
  [403, status.PERMISSION_DENIED],
  [404, status.UNIMPLEMENTED],
  [429, status.UNAVAILABLE],
  [502, status.UNAVAILABLE],
  [503, status.UNAVAILABLE],
  [504, status.UNAVAILABLE],
  [200, status.UNKNOWN],
  [302, status.UNKNOWN],
  [500, status.UNKNOWN],
  [501, status.UNKNOWN],
])('an answer of %d without grpc-status means %d', (http, grpc) => {
  expect(grpcStatusOfHttp(http)).toBe(grpc)
})

test.each([
  ['destination_not_found', status.UNIMPLEMENTED],
  ['destination_unavailable', status.UNAVAILABLE],
  ['http_request_denied', status.PERMISSION_DENIED],
  ['address_denied', status.PERMISSION_DENIED],
  ['http_response_timeout', status.DEADLINE_EXCEEDED],
  ['connection_refused', status.UNAVAILABLE],
  ['connection_timeout', status.UNAVAILABLE],
  ['connection_terminated', status.UNAVAILABLE],
  ['connection_limit_reached', status.RESOURCE_EXHAUSTED],
  ['queue_full', status.RESOURCE_EXHAUSTED],
  ['drained', status.UNAVAILABLE],
  ['proxy_internal_error', status.INTERNAL],
  ['client_gone', status.CANCELLED],
] as const)('our own refusal %s is %d', (reason, grpc) => {
  expect(grpcRefusal(reason, reasons[reason].status)).toBe(grpc)
})

test('a reply of the config goes by its status, and what we bound is exhausted', () => {
  expect(grpcRefusal(undefined, 401)).toBe(status.UNAUTHENTICATED)
  expect(grpcRefusal(undefined, 503)).toBe(status.UNAVAILABLE)
  expect(grpcRefusal(undefined, 429)).toBe(status.RESOURCE_EXHAUSTED)
  expect(grpcRefusal('http_request_error', 413)).toBe(status.RESOURCE_EXHAUSTED)
  expect(grpcRefusal('http_request_error', 400)).toBe(status.INTERNAL)
})

test('every reason is a status that gRPC knows, and none is OK', () => {
  for (const reason of Object.keys(reasons) as Reason[]) {
    const grpc = grpcRefusal(reason, reasons[reason].status)
    expect(grpcStatusNames[grpc], reason).toBeDefined()
    expect(grpc, reason).not.toBe(status.OK)
  }
})

test('a status counts as its HTTP status, and one nobody knows as unknown', () => {
  expect(httpStatusOfGrpc(status.OK)).toBe(200)
  expect(httpStatusOfGrpc(status.UNAVAILABLE)).toBe(503)
  expect(httpStatusOfGrpc(status.DEADLINE_EXCEEDED)).toBe(504)
  expect(httpStatusOfGrpc(status.RESOURCE_EXHAUSTED)).toBe(429)
  expect(httpStatusOfGrpc(status.UNIMPLEMENTED)).toBe(501)
  expect(httpStatusOfGrpc(99)).toBe(500)
})

test.each([
  ['0', 0],
  ['14', 14],
  ['-1', undefined],
  ['x', undefined],
  ['', undefined],
  [undefined, undefined],
])('the field %j is the status %s', (field, number) => {
  expect(readGrpcStatus(field)).toBe(number)
})

test('an answer without a body has its status in its header, and a message that any field may hold', () => {
  expect(trailersOnly(14, 'no endpoint: 50 % down\n')).toEqual({
    'content-type': 'application/grpc',
    'grpc-status': '14',
    'grpc-message': 'no endpoint: 50 %25 down%0A',
  })
  fc.assert(
    fc.property(fc.string({ unit: fc.nat(0xffff).map(code => String.fromCharCode(code)), maxLength: 2_000 }), text => {
      const field = trailersOnly(13, text)['grpc-message']!
      expect(field).toMatch(/^[\x20-\x7e]*$/)
      expect(field.length).toBeLessThanOrEqual(9 * 1_024)
      const whole = text.slice(0, 1_024).replace(/\p{Surrogate}/gu, '\ufffd')
      expect(decodeURIComponent(field)).toBe(whole)
    }),
  )
})
