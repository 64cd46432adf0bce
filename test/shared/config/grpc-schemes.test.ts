import { describe, expect, test } from 'vitest'
import { parse } from '../../../shared/config/parse.ts'

describe('endpoints by the schemes of gRPC', () => {
  test('are warned of when the probe speaks something else', () => {
    expect(warnings({ endpoints: ['grpc://a:50051'], probe: { kind: 'http' } })).toEqual([
      'probe-of-another: grpc://a:50051 is gRPC by its scheme, and the probe speaks http',
    ])
    for (const kind of ['grpc', 'tcp'] as const) {
      expect(warnings({ endpoints: ['grpcs://a:50051'], probe: { kind } })).toEqual([])
    }
  })

  test('are warned of on the port of the other one', () => {
    expect(warnings({ endpoints: ['grpc://a:443', 'grpcs://a:80'] })).toEqual([
      'scheme-port: grpc://a:443 speaks grpc on port 443, which is the port of grpcs',
      'scheme-port: grpcs://a:80 speaks grpcs on port 80, which is the port of grpc',
    ])
  })

  test('speak TLS or not', () => {
    const tls = { serverName: 'cart.example.com' }
    expect(warnings({ endpoints: ['grpcs://a'], tls })).toEqual([])
    expect(warnings({ endpoints: ['grpc://a'], tls })).toEqual([
      'tls-unused: none of its endpoints is spoken to in TLS, so this says nothing',
    ])
  })
})

function warnings(pool: object): string[] {
  const { warnings } = parse({
    listeners: { calls: { kind: 'http', address: '127.0.0.1:50051' } },
    pools: { cart: { endpoints: [], ...pool } },
    routes: [{ name: 'cart', listener: 'calls', pool: 'cart' }],
  })
  return warnings.map(({ code, message }) => `${code}: ${message}`)
}
