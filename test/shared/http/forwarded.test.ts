import fc from 'fast-check'
import { expect, test } from 'vitest'
import { clientAddressOf } from '../../../shared/http/client-address.ts'
import { forwardedScheme, setForwarded } from '../../../shared/http/forwarded.ts'

const source = { from: 'peer', trustedProxies: ['10.0.0.0/8'] } as const
const forged = {
  'x-forwarded-for': '203.0.113.1',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'evil.example',
  'x-forwarded-port': '1',
  forwarded: 'for=203.0.113.1;host=evil.example;proto=https',
  'x-real-ip': '203.0.113.1',
  'true-client-ip': '203.0.113.1',
  'x-forwarded-ssl': 'on',
  'x-forwarded-prefix': '/evil',
}

test('what anyone untrusted says is dropped, not appended to', () => {
  expect(forward('192.0.2.9', forged, 'http', 'app.example', 0)).toEqual({
    'x-forwarded-for': '192.0.2.9',
    'x-forwarded-proto': 'http',
    'x-forwarded-host': 'app.example',
    'x-forwarded-port': '80',
    forwarded: 'for=192.0.2.9;host=app.example;proto=http',
  })
})

test('no spelling of ours with an underscore passes, whoever sends it', () => {
  const spelled = {
    X_Forwarded_For: '203.0.113.1',
    'x-forwarded_host': 'evil.example',
    'x_forwarded-proto': 'https',
    X_Fourseven_Variant: 'canary',
    'x-real_ip': '203.0.113.1',
    true_client_ip: '203.0.113.1',
    'CF-Connecting_IP': '203.0.113.1',
    x_request_id: 'theirs',
  }
  for (const peer of ['192.0.2.9', '10.0.0.1']) {
    const told = forward(peer, { ...spelled, my_own: '1', x_forwarded: '1' }, 'http', 'app.example', 0)
    expect(Object.keys(told).filter(name => name.includes('_'))).toEqual(['my_own', 'x_forwarded'])
  }
})

test('what a trusted proxy says is kept and the chain grows by it', () => {
  const said = {
    'x-forwarded-for': '1.1.1.1, 2001:db8::1, 10.2.2.2',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'App.example:8443',
    'x-forwarded-port': '8443',
  }
  expect(forward('10.1.1.1', said, 'http', 'inner', 8080)).toEqual({
    'x-forwarded-for': '2001:db8::1, 10.2.2.2, 10.1.1.1',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'App.example:8443',
    'x-forwarded-port': '8443',
    forwarded: 'for="[2001:db8::1]", for=10.2.2.2, for=10.1.1.1;host="App.example:8443";proto=https',
  })
})

test('malformed words of a trusted proxy give way to what we saw', () => {
  const said = { 'x-forwarded-proto': 'gopher', 'x-forwarded-host': 'a, b', 'x-forwarded-port': 'x' }
  expect(forward('10.1.1.1', said, 'https', '[2001:db8::5]', 8443)).toEqual({
    'x-forwarded-for': '10.1.1.1',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': '[2001:db8::5]:8443',
    'x-forwarded-port': '8443',
    forwarded: 'for=10.1.1.1;host="[2001:db8::5]:8443";proto=https',
  })
})

test('when nobody knows the client nothing is made up', () => {
  const fields = new Headers(forged)
  setForwarded(
    fields,
    clientAddressOf({ from: 'none' }, undefined, () => null),
    'https',
    'app.example',
    0,
  )
  expect(Object.fromEntries(fields)).toEqual({
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'app.example',
    'x-forwarded-port': '443',
    forwarded: 'for=unknown;host=app.example;proto=https',
  })
})

test('the scheme is what the nearest trusted proxy says', () => {
  const trusted = clientAddressOf(source, '10.1.1.1', () => null)
  const untrusted = clientAddressOf(source, '192.0.2.1', () => null)
  expect(forwardedScheme(trusted, 'http, HTTPS', 'http')).toBe('https')
  expect(forwardedScheme(trusted, null, 'http')).toBe('http')
  expect(forwardedScheme(trusted, 'wss', 'http')).toBe('http')
  expect(forwardedScheme(untrusted, 'https', 'http')).toBe('http')
})

test('whatever a client sends, an untrusted one changes nothing and no value breaks a line', () => {
  const text = fc.string({ unit: fc.constantFrom('a', ':', ',', ' ', '"', ';', '=', '1', '.', '[', '\t') })
  fc.assert(
    fc.property(text, text, text, text, fc.boolean(), (xff, proto, host, port, isTrusted) => {
      const said = {
        'x-forwarded-for': xff,
        'x-forwarded-proto': proto,
        'x-forwarded-host': host,
        'x-forwarded-port': port,
      }
      const told = forward(isTrusted ? '10.1.1.1' : '192.0.2.1', said, 'http', 'app.example', 0)
      for (const value of Object.values(told)) expect(value).toMatch(/^[\x21-\x7e]+(?: [\x21-\x7e]+)*$/)
      if (!isTrusted) expect(told).toEqual(forward('192.0.2.1', {}, 'http', 'app.example', 0))
    }),
    { seed: 5, numRuns: 300 },
  )
})

function forward(
  peer: string,
  said: Readonly<Record<string, string>>,
  scheme: 'http' | 'https',
  host: string,
  port: number,
): Record<string, string> {
  const fields = new Headers(said)
  setForwarded(
    fields,
    clientAddressOf(source, peer, name => fields.get(name)),
    scheme,
    host,
    port,
  )
  return Object.fromEntries(fields)
}
