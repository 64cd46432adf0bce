import fc from 'fast-check'
import { expect, test } from 'vitest'
import { clientAddressOf, readForwarded } from '../../../shared/http/client-address.ts'

const proxies = ['10.0.0.0/8', '2001:db8:f::/48']
const source = { from: 'peer', trustedProxies: proxies } as const

test('the peer is the client unless it is a trusted proxy; what it says of others is not read', () => {
  expect(read('192.0.2.9', { 'x-forwarded-for': '203.0.113.1' })).toMatchObject({
    address: '192.0.2.9',
    isTrusted: false,
    chain: '192.0.2.9',
  })
  const alone = { from: 'peer', trustedProxies: [] } as const
  expect(clientAddressOf(alone, '::ffff:192.0.2.9', () => '203.0.113.1').address).toBe('192.0.2.9')
  expect(clientAddressOf(alone, 'fe80::1%eth0', () => null).address).toBe('fe80::1')
  expect(clientAddressOf(alone, 'not an address', () => null).address).toBeUndefined()
})

test.each([
  // A forged entry stands left of the client and is not looked at.
  ['1.1.1.1, 192.0.2.1', '192.0.2.1', '192.0.2.1, 10.1.1.1'],
  ['192.0.2.1, 10.2.2.2', '192.0.2.1', '192.0.2.1, 10.2.2.2, 10.1.1.1'],
  ['unknown, 192.0.2.1', '192.0.2.1', '192.0.2.1, 10.1.1.1'],
  ['10.3.3.3, 10.2.2.2', '10.3.3.3', '10.3.3.3, 10.2.2.2, 10.1.1.1'],
  ['192.0.2.1:4711', '192.0.2.1', '192.0.2.1, 10.1.1.1'],
  ['[2001:DB8:0::1]:80', '2001:db8::1', '2001:db8::1, 10.1.1.1'],
  ['2001:db8::1', '2001:db8::1', '2001:db8::1, 10.1.1.1'],
  ['192.0.2.1, ,', '192.0.2.1', '192.0.2.1, 10.1.1.1'],
  ['', '10.1.1.1', '10.1.1.1'],
  // Nobody knows, which is not the same as "the proxy".
  ['unknown', undefined, 'unknown, 10.1.1.1'],
  ['192.0.2.1, unknown', undefined, 'unknown, 10.1.1.1'],
  ['192.0.2.1, _hidden, 10.2.2.2', undefined, 'unknown, 10.2.2.2, 10.1.1.1'],
  ['192.0.2.1, 10.2.2.2.evil', undefined, 'unknown, 10.1.1.1'],
  ['192.0.2.1:x', undefined, 'unknown, 10.1.1.1'],
  ['[192.0.2.1]', undefined, 'unknown, 10.1.1.1'],
  [`192.0.2.1${', 10.2.2.2'.repeat(500)}`, undefined, expect.stringMatching(/^unknown, 10\.2\.2\.2/)],
])('behind a trusted proxy X-Forwarded-For %j says %s', (value, address, chain) => {
  const client = read('10.1.1.1', { 'x-forwarded-for': value })
  expect(client).toMatchObject({ address, isTrusted: true, chain })
  expect(client.parsed?.text).toBe(address)
})

// RFC 7239 sections 4, 6 and 7.1.
test.each([
  ['for="_gazonk"', ['_gazonk']],
  ['For="[2001:db8:cafe::17]:4711"', ['[2001:db8:cafe::17]:4711']],
  ['for=192.0.2.60;proto=http;by=203.0.113.43', ['192.0.2.60']],
  ['for=192.0.2.43, for=198.51.100.17', ['192.0.2.43', '198.51.100.17']],
  ['for=_hidden, for=_SEVKISEK', ['_hidden', '_SEVKISEK']],
  ['for=192.0.2.43,for="[2001:db8:cafe::17]",for=unknown', ['192.0.2.43', '[2001:db8:cafe::17]', 'unknown']],
  ['host="a,b;for=1.1.1.1";for=192.0.2.1', ['192.0.2.1']],
  ['for="1.2.3\\.4"', ['1.2.3.4']],
  ['proto=https, for=192.0.2.1;', ['unknown', '192.0.2.1']],
  ['for=192.0.2.1, , for=192.0.2.2 ,', ['192.0.2.1', '192.0.2.2']],
  ['', []],
  ['for="192.0.2.1', undefined],
  ['for=192.0.2.1 for=192.0.2.2', undefined],
  ['for', undefined],
  ['for=a"b"', undefined],
])('Forwarded %j names %j', (value, nodes) => {
  expect(readForwarded(value)).toEqual(nodes)
})

test('Forwarded is read when there is no X-Forwarded-For', () => {
  expect(read('10.1.1.1', { forwarded: 'for=192.0.2.1, for=10.2.2.2;proto=https' }).address).toBe('192.0.2.1')
  expect(read('10.1.1.1', { forwarded: 'for="broken' }).address).toBeUndefined()
  const both = { forwarded: 'for=192.0.2.1', 'x-forwarded-for': '192.0.2.2' }
  expect(read('10.1.1.1', both).address).toBe('192.0.2.2')
})

test('Cloudflare says the address; what else the request brings is not believed', () => {
  const header = (name: string) => (name === 'cf-connecting-ip' ? '2001:DB8::1' : '203.0.113.1')
  const client = clientAddressOf({ from: 'cloudflare' }, undefined, header)
  expect(client).toMatchObject({ address: '2001:db8::1', isTrusted: false, chain: '2001:db8::1' })
  expect(clientAddressOf({ from: 'cloudflare' }, undefined, () => 'x').address).toBeUndefined()
  expect(clientAddressOf({ from: 'cloudflare' }, undefined, () => null).chain).toBeUndefined()
})

test('none means nobody knows', () => {
  expect(clientAddressOf({ from: 'none' }, '192.0.2.1', () => '192.0.2.2')).toEqual({
    address: undefined,
    parsed: undefined,
    isTrusted: false,
    chain: undefined,
  })
})

test('a door that cannot see its peer trusts it only when proxies are named', () => {
  const header = (name: string) => (name === 'x-forwarded-for' ? '1.1.1.1, 192.0.2.1' : null)
  expect(clientAddressOf(source, undefined, header)).toMatchObject({ address: '192.0.2.1', chain: '192.0.2.1' })
  expect(clientAddressOf({ from: 'peer', trustedProxies: [] }, undefined, header).address).toBeUndefined()
})

test('nothing left of the first untrusted address changes anything, and nothing throws', () => {
  const junk = fc.oneof(fc.ipV4(), fc.ipV6(), fc.string(), fc.constantFrom('unknown', '10.0.0.1', '"', '[', ','))
  fc.assert(
    fc.property(fc.array(junk, { maxLength: 8 }), fc.string(), (forged, forwarded) => {
      const honest = '192.0.2.1, 10.9.9.9'
      const value = forged.length === 0 ? honest : `${forged.join(', ')}, ${honest}`
      expect(read('10.1.1.1', { 'x-forwarded-for': value, forwarded })).toEqual(
        read('10.1.1.1', { 'x-forwarded-for': honest }),
      )
      expect(read('10.1.1.1', { forwarded }).chain).toMatch(/^(?:(?:[0-9a-f.:]+|unknown), )*10\.1\.1\.1$/)
    }),
    { seed: 7239, numRuns: 500 },
  )
})

function read(peer: string, headers: Readonly<Record<string, string>>) {
  return clientAddressOf(source, peer, name => headers[name] ?? null)
}
