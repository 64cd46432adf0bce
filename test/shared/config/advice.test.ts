import { describe, expect, test } from 'vitest'
import { advise } from '../../../shared/config/advice.ts'
import type { ConfigInput } from '../../../shared/config/config.ts'
import type { ListenerInput } from '../../../shared/config/config-listener.ts'
import type { PoolInput } from '../../../shared/config/config-pool.ts'
import { parse } from '../../../shared/config/parse.ts'

const web: ListenerInput = { kind: 'edge' }
const db: ListenerInput = { kind: 'tcp', address: '127.0.0.1:7000' }

describe('an endpoint at the edge', () => {
  test.each([
    'http://127.0.0.1:9101',
    'http://127.9.9.9',
    'http://localhost',
    'http://app.localhost:3000',
    'http://[::1]:3000',
    'http://0.0.0.0:3000',
  ])('%s is refused: loopback is not there', address => {
    expect(codes(edge([address]))).toEqual(['error loopback-endpoint pools.app.endpoints[0]'])
  })

  test('on loopback is fine when the edge runs on this machine', () => {
    expect(advise(parsed(edge(['http://127.0.0.1:9101'])), { variables: NONE, isLocal: true })).toEqual([])
  })

  test.each(['http://203.0.113.7', 'http://10.0.0.8:8080', 'https://[2001:db8::1]'])('%s is warned of', address => {
    expect(codes(edge([address]))).toEqual(['warning ip-literal pools.app.endpoints[0]'])
  })

  test('that only starts like a loopback address is fine', () => {
    expect(
      codes(edge(['https://127.example.com', 'https://localhost.example.com', 'https://mylocalhost.test'])),
    ).toEqual([])
  })

  test('is judged by the address its variable gives at the edge, not in the relay', () => {
    const config = parsed(edge(['${APP:-http://127.0.0.1:9101}']))
    const at = (app: string) => ({ workers: { APP: app }, relay: { APP: 'http://127.0.0.1:1' } })
    expect(advise(config, { variables: at('https://app.example.com'), isLocal: false })).toEqual([])
    expect(advise(config, { variables: at('http://127.0.0.1:2'), isLocal: false })).toHaveLength(1)
  })

  test('on a port of something that is not HTTP is warned of, with the route and the tcp address', () => {
    const [problem] = advise(parsed(edge(['http://db.example.com:5432'])), { variables: NONE, isLocal: false })
    expect(problem).toMatchObject({ severity: 'warning', code: 'not-http' })
    expect(problem!.message).toMatch(/route "app".*5432 is Postgres/)
    expect(problem!.mend).toContain('tcp://db.example.com:5432')
  })

  test('that is a binding has to be bound, where it is known what is', () => {
    const config = parsed(edge(['binding:SHOP']))
    const advised = (...names: string[]) =>
      advise(config, { variables: NONE, isLocal: false, bindings: new Set(names) })
    expect(advised('SHOP')).toEqual([])
    expect(advised('OTHER')).toMatchObject([
      { severity: 'warning', code: 'not-bound', path: 'pools.app.endpoints[0]', mend: expect.stringContaining('SHOP') },
    ])
    expect(advise(config, { variables: NONE, isLocal: false })).toEqual([])
  })

  test('of a pool that two routes share is spoken of once', () => {
    const config: ConfigInput = {
      listeners: { web },
      pools: { app: { endpoints: ['http://127.0.0.1:9101'] } },
      routes: [
        { name: 'one', hostnames: ['a.example.com'], pool: 'app' },
        { name: 'two', hostnames: ['b.example.com'], pool: 'app' },
      ],
    }
    expect(codes(config)).toHaveLength(1)
  })
})

describe('a pool behind a tls listener', () => {
  const behind = (address: string, more: object = {}): ConfigInput => ({
    listeners: { secure: { kind: 'tls', address: '127.0.0.1:7443', ...more } },
    pools: { app: { endpoints: [address, address.replace('a.', 'b.')] } },
    routes: [{ name: 'app', listener: 'secure', pool: 'app' }],
  })

  test('where it passes through may well be HTTP that nobody is to open', () => {
    expect(codes(behind('tcp://a.example.com:443'))).toEqual([])
  })

  test('where it passes through is not wrapped in TLS again', () => {
    expect(codes(behind('tls://a.example.com:443'))).toEqual(['warning tls-in-tls pools.app.endpoints[0]'])
    const certificates = [{ cert: 'cert.pem', key: 'key.pem' }]
    expect(codes(behind('tls://a.example.com:443', { certificates }))).toEqual([])
  })
})

describe('a route that keeps answers', () => {
  const cached = (hostnames: readonly string[], listener: object = web, cache = true) =>
    ({
      ...edge(['https://a.test']),
      listeners: { web: listener },
      routes: [{ name: 'app', ...(hostnames.length === 0 ? {} : { hostnames }), pool: 'app', cache }],
    }) as ConfigInput

  test('on workers.dev is told that nothing is kept there', () => {
    expect(codes(cached(['shop.me.workers.dev']))).toContain('warning cache-without-domain routes[0]')
    expect(codes(cached([], { kind: 'edge', hostnames: ['shop.me.workers.dev'] }))).toContain(
      'warning cache-without-domain routes[0]',
    )
  })

  test('on a domain of its own is fine, and so is whoever keeps nothing, or runs it on this machine', () => {
    const found = [cached(['shop.example.com']), cached([]), cached(['shop.me.workers.dev'], web, false)].flatMap(codes)
    expect(found.filter(each => each.includes('cache-without-domain'))).toEqual([])
    expect(advise(parsed(cached(['shop.me.workers.dev'])), { variables: NONE, isLocal: true })).toEqual([])
  })
})

describe('a pool behind a tcp listener', () => {
  test.each([80, 443, 8080, 50051])('that looks like HTTP (port %i) and has two endpoints is warned of', port => {
    const config = tcp({ endpoints: [`tcp://a.example.com:${port}`, `tcp://b.example.com:${port}`] })
    expect(codes(config)).toEqual(['warning http-behind-tcp pools.db.endpoints[0]'])
  })

  test('with one plain HTTP endpoint never tells it the client', () => {
    expect(codes(tcp({ endpoints: ['tcp://a.example.com:80'] }))).toEqual([
      'warning client-address-lost pools.db.endpoints[0]',
    ])
  })

  test('with one endpoint on 443 may well be TLS passed through', () => {
    expect(codes(tcp({ endpoints: ['tcp://a.example.com:443'] }))).toEqual([])
  })

  test('of databases is what a tcp listener is for, on loopback too', () => {
    expect(codes(tcp({ endpoints: ['tcp://127.0.0.1:5432', 'tcp://10.0.0.2:6379'] }))).toEqual([])
  })
})

function edge(endpoints: readonly string[]): ConfigInput {
  return { listeners: { web }, pools: { app: { endpoints } }, routes: [{ name: 'app', pool: 'app' }] }
}

function tcp(pool: PoolInput): ConfigInput {
  return { listeners: { db }, pools: { db: pool }, routes: [{ name: 'db', listener: 'db', pool: 'db' }] }
}

function parsed(input: ConfigInput) {
  return parse(input, { variables: {} }).config
}

function codes(input: ConfigInput): string[] {
  const problems = advise(parsed(input), { variables: NONE, isLocal: false })
  return problems.map(({ severity, code, path }) => `${severity} ${code} ${path}`)
}

const NONE = { workers: {}, relay: {} }
