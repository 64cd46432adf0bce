import fc from 'fast-check'
import { expect, test } from 'vitest'
import { proxyStatus } from '../../../shared/http/proxy-status.ts'
import { keptRequestId } from '../../../shared/http/request-id.ts'

test('a registered reason is the error, details are a quoted string', () => {
  expect(proxyStatus('destination_not_found')).toBe('fourseven; error=destination_not_found')
  expect(proxyStatus('connection_refused', 'a "b" \\c')).toBe(
    'fourseven; error=connection_refused; details="a \\"b\\" \\\\c"',
  )
})

test('a reason the registry does not have is told in details', () => {
  expect(proxyStatus('drained')).toBe('fourseven; error=proxy_internal_response; details="drained"')
  expect(proxyStatus('drained', 'for 30s')).toBe('fourseven; error=proxy_internal_response; details="drained: for 30s"')
})

test('whatever the details, the field is an item with two parameters (RFC 8941)', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.nat(0xffff).map(code => String.fromCharCode(code)), maxLength: 400 }), details => {
      expect(proxyStatus('dns_error', details)).toMatch(
        /^fourseven; error=dns_error; details="(?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"$/,
      )
    }),
    { seed: 9209, numRuns: 500 },
  )
})

test('a request id is kept from a trusted proxy only, and only if it may stand anywhere', () => {
  expect(keptRequestId(true, '0190c2f0-7b5e-7a3c-9d2e-000000000001')).toBe('0190c2f0-7b5e-7a3c-9d2e-000000000001')
  expect(keptRequestId(false, 'a')).toBeUndefined()
  for (const said of [null, '', 'a b', 'a\n', 'a"', 'é', 'a'.repeat(129)]) {
    expect(keptRequestId(true, said)).toBeUndefined()
  }
})
