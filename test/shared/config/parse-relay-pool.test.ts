import { describe, expect, test } from 'vitest'
import { advise } from '../../../shared/config/advice.ts'
import type { ConfigInput } from '../../../shared/config/config.ts'
import type { ProxySourceInput } from '../../../shared/config/config-listener.ts'
import type { PoolInput } from '../../../shared/config/config-pool.ts'
import { parse } from '../../../shared/config/parse.ts'
import type { ConfigError } from '../../../shared/config/problem.ts'

describe('sendProxy', () => {
  test('a number is a version without values', () => {
    const plain = {
      authority: false,
      alpn: false,
      hasUniqueId: false,
      hasSsl: false,
      hasChecksum: false,
      isInEach: false,
      custom: [],
    }
    expect(poolOf({ sendProxy: 1 }).sendProxy).toEqual({ version: 1, ...plain })
    expect(poolOf({ sendProxy: { version: 2 } }).sendProxy).toEqual({ version: 2, ...plain })
    expect(poolOf({}).sendProxy).toBeUndefined()
  })

  test('values go with version 2', () => {
    const tlvs = { authority: true, alpn: 'h2', uniqueId: true, ssl: true, crc32c: true, custom: { E0: '{route}' } }
    expect(poolOf({ sendProxy: { version: 2, tlvs } }).sendProxy).toEqual({
      version: 2,
      authority: true,
      alpn: 'h2',
      hasUniqueId: true,
      hasSsl: true,
      hasChecksum: true,
      isInEach: false,
      custom: [{ type: 0xe0, text: '{route}' }],
    })
    expect(codesOf({ sendProxy: { version: 1, tlvs } })).toEqual(['tlvs-in-text-header'])
  })

  test.each([
    ['DF', 'bad-tlv-type'],
    ['F0', 'bad-tlv-type'],
    ['e0', 'bad-tlv-type'],
    ['E', 'bad-tlv-type'],
    ['E00', 'bad-tlv-type'],
  ])('a value of type %s is %s', (type, code) => {
    expect(codesOf({ sendProxy: { version: 2, tlvs: { custom: { [type]: 'x' } } } })).toEqual([code])
  })

  test('a value holds text that can be sent, and names that are known of a connection', () => {
    const custom = (text: string) => codesOf({ sendProxy: { version: 2, tlvs: { custom: { EF: text } } } })
    expect(custom('{client.address} {route} {rule} {variant} {"json": 1}')).toEqual([])
    expect(custom('a\nb')).toEqual(['bad-tlv-value'])
    expect(custom('{request.id}')).toEqual(['template-unknown'])
  })
})

describe('probe', () => {
  test('has the defaults of HAProxy', () => {
    expect(poolOf({ probe: { kind: 'http' } }).probe).toEqual({
      kind: 'http',
      path: '/healthz',
      status: [200, 399],
      body: undefined,
      service: '',
      payload: '',
      expect: '',
      intervalMs: 2_000,
      timeoutMs: 1_000,
      edge: { intervalMs: 15_000, timeoutMs: 5_000, regions: [] },
      fall: 3,
      rise: 2,
      startsDown: false,
    })
    expect(poolOf({}).probe).toBeUndefined()
  })

  test.each([
    [{ status: 204 }, [204, 204]],
    [{ status: '200-299' }, [200, 299]],
  ] as const)('%j', (words, status) => {
    expect(poolOf({ probe: { kind: 'http', ...words } }).probe!.status).toEqual(status)
  })

  test.each([
    [{ kind: 'http', status: '399-200' }, ['bad-status']],
    [{ kind: 'http', status: '2xx' }, ['bad-status']],
    [{ kind: 'http', status: 700 }, ['bad-status']],
    [{ kind: 'http', path: 'healthz' }, ['bad-path']],
    [{ kind: 'http', path: '/a b' }, ['bad-path']],
    [{ kind: 'http', path: '/a?b c' }, ['bad-path']],
    [{ kind: 'tcp', path: '/healthz' }, ['probe-not-http']],
    [{ kind: 'redis', body: 'PONG', status: 200 }, ['probe-not-http', 'probe-not-http']],
    [{ kind: 'grpc', service: 'shop.Cart' }, []],
    [{ kind: 'grpc', path: '/healthz' }, ['probe-not-http']],
    [{ kind: 'http', service: 'shop.Cart' }, ['probe-not-grpc']],
    [{ kind: 'tcp', payload: 'ping' }, ['probe-not-udp']],
    [{ kind: 'udp', payload: 'ping' }, ['wrong-layer']],
    [{ kind: 'udp' }, ['missing-field', 'wrong-layer']],
    [{ kind: 'udp', payload: { hex: 'abc' } }, ['bad-bytes', 'wrong-layer']],
    [{ kind: 'ping' }, ['unknown-value']],
    [{ kind: 'tcp', interval: '10ms' }, ['out-of-range']],
    [{ kind: 'tcp', timeout: 'soon' }, ['bad-duration']],
    [{ kind: 'tcp', fall: 0 }, ['out-of-range']],
    [{ kind: 'tcp', jitter: 0.1 }, ['unknown-key']],
  ])('%j: %j', (probe, codes) => {
    expect(codesOf({ probe } as never).sort()).toEqual(codes)
  })
})

describe('proxyProtocol', () => {
  test('names CIDRs in canonical form', () => {
    const sources: ProxySourceInput[] = [
      { from: ['10.0.0.1/8', '2001:DB8::/32'], mode: 'require' },
      { from: ['10.9.9.9'], mode: 'off' },
    ]
    const { config } = parse(configOf({}, sources))
    expect(config.listeners[0]).toMatchObject({
      proxyProtocol: [
        { cidrs: ['10.0.0.0/8', '2001:db8::/32'], isRequired: true },
        { cidrs: ['10.9.9.9/32'], isRequired: false },
      ],
    })
  })

  test('one CIDR is named once, however it is written', () => {
    const sources: ProxySourceInput[] = [
      { from: ['10.0.0.0/8'], mode: 'require' },
      { from: ['10.1.2.3/8'], mode: 'off' },
    ]
    expect(problemsOf(configOf({}, sources))).toMatchObject([
      { code: 'cidr-host-bits' },
      { code: 'duplicate-cidr', path: 'listeners.door.proxyProtocol[1].from[0]' },
    ])
  })

  test.each([
    [[{ from: [], mode: 'require' }], 'empty-list'],
    [[{ from: ['10.0.0.0/33'], mode: 'require' }], 'bad-cidr'],
    [[{ from: ['10.0.0.0/8'], mode: 'use' }], 'unknown-value'],
    [[{ from: ['10.0.0.0/8'] }], 'missing-field'],
    [[], 'empty-list'],
  ])('%j is %s', (sources, code) => {
    expect(problemsOf(configOf({}, sources as never)).map(problem => problem.code)).toEqual([code])
  })
})

test('at the edge neither is done, and the message says which can be had there', () => {
  for (const [words, said] of [
    [{ sendProxy: 2 }, 'pool.sendProxy is for listeners of kind "http", "tcp", "tls" or "udp", and not for "edge"'],
    [{ probe: { kind: 'tcp' } }, 'probes at the edge speak HTTP and nothing else'],
  ] as const) {
    const problems = problemsOf({
      listeners: { web: { kind: 'edge' } },
      pools: { app: { endpoints: ['https://app.example.com'], ...words } },
      routes: [{ name: 'app', pool: 'app' }],
    })
    expect(problems).toMatchObject([{ code: 'wrong-layer', message: expect.stringContaining(said) }])
  }
})

test('an HTTP endpoint that gets a PROXY header has not lost its client', () => {
  const adviceFor = (words: object) => {
    const { config } = parse(configOf({ endpoints: ['tcp://10.0.0.5:8080'], ...words } as never))
    return advise(config, { variables: { workers: {}, relay: {} }, isLocal: false }).map(problem => problem.code)
  }
  expect(adviceFor({})).toContain('client-address-lost')
  expect(adviceFor({ sendProxy: 2 })).not.toContain('client-address-lost')
})

function configOf(pool: Partial<PoolInput>, proxyProtocol?: readonly ProxySourceInput[]): ConfigInput {
  const carried = proxyProtocol === undefined ? {} : { proxyProtocol }
  return {
    listeners: { door: { kind: 'tcp', address: '127.0.0.1:5432', ...carried } },
    pools: { db: { endpoints: ['tcp://10.0.0.5:5432'], ...pool } },
    routes: [{ name: 'db', listener: 'door', pool: 'db' }],
  }
}

function poolOf(pool: Partial<PoolInput>) {
  return parse(configOf(pool)).config.pools[0]!
}

function codesOf(pool: Partial<PoolInput>): string[] {
  return problemsOf(configOf(pool)).map(problem => problem.code)
}

function problemsOf(config: ConfigInput) {
  try {
    parse(config)
    return []
  } catch (error) {
    return (error as ConfigError).problems
  }
}
