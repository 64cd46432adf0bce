import { describe, expect, test } from 'vitest'
import { defineConfig } from '../../../shared/config/config.ts'
import { parse } from '../../../shared/config/parse.ts'
import type { FlowRoute, UdpListener } from '../../../shared/config/parsed.ts'
import type { ConfigError } from '../../../shared/config/problem.ts'

const base = {
  listeners: { dns: { kind: 'udp', address: '127.0.0.1:53' } },
  pools: { dns: { endpoints: ['udp://10.0.0.5:53'] } },
  routes: [{ name: 'dns', listener: 'dns', pool: 'dns' }],
}
const listener = (words: object) => ({ ...base, listeners: { dns: { ...base.listeners.dns, ...words } } })
const pool = (words: object) => ({ ...base, pools: { dns: { ...base.pools.dns, ...words } } })
const route = (words: object) => ({ ...base, routes: [{ ...base.routes[0], ...words }] })

test('every default is filled in', () => {
  const { config, warnings } = parse(base)
  expect(warnings).toEqual([])
  expect(config.listeners[0]).toMatchObject({ kind: 'udp', key: { by: 'flow' }, maxConnections: 16_384 })
  expect((config.routes[0] as FlowRoute).rules[0]).toMatchObject({
    timeouts: { idleMs: 60_000 },
    session: { requests: undefined, responses: undefined },
  })
})

test('what is written is taken', () => {
  const words = { key: { quic: { idLength: 8 } }, maxSessions: 5, maxSessionsPerAddress: 2, sessionRate: 7 }
  const { config } = parse({ ...listener(words), routes: route({ session: { requests: 2, responses: 0 } }).routes })
  const dns = config.listeners[0] as UdpListener
  expect(dns.key).toEqual({ by: 'quic', idLength: 8 })
  expect([dns.maxConnections, dns.maxConnectionsPerAddress, dns.acceptRate]).toEqual([5, 2, 7])
  expect((config.routes[0] as FlowRoute).rules[0]!.session).toEqual({ requests: 2, responses: 0 })
})

test('TCP and UDP may have the same port', () => {
  const config = {
    listeners: { dns: base.listeners.dns, tcp: { kind: 'tcp', address: '127.0.0.1:53' } },
    pools: { ...base.pools, tcp: { endpoints: ['tcp://10.0.0.5:53'] } },
    routes: [...base.routes, { name: 'tcp', listener: 'tcp', pool: 'tcp' }],
  }
  expect(parse(config).warnings).toEqual([])
})

// biome-ignore format: a case is a line
describe.each<[what: string, config: object, problems: readonly string[]]>([
  ['a path to listen on', listener({ address: 'unix:/run/dns.sock' }), ['bad-address listeners.dns.address']],
  ['a key that is none', listener({ key: 'port' }), ['unknown-value listeners.dns.key']],
  ['an id of no length', listener({ key: { quic: { idLength: 0 } } }), ['out-of-range listeners.dns.key.quic.idLength']],
  ['an id that is too long', listener({ key: { quic: { idLength: 21 } } }), ['out-of-range listeners.dns.key.quic.idLength']],
  ['an id of a length that nobody says', listener({ key: { quic: {} } }), ['missing-field listeners.dns.key.quic.idLength']],
  ['more sessions than there are ports', listener({ maxSessions: 65_000 }), ['out-of-range listeners.dns.maxSessions']],
  ['a count of connections', listener({ maxConnections: 5 }), ['unknown-key listeners.dns.maxConnections']],
  ['two of one address', { ...base, listeners: { dns: base.listeners.dns, two: base.listeners.dns } }, ['duplicate-address listeners.two.address', 'unused-listener listeners.two']],
  ['tries', route({ retry: { attempts: 2 } }), ['wrong-layer routes[0].retry']],
  ['a time to connect', route({ timeouts: { connect: '1s' } }), ['wrong-layer routes[0].timeouts.connect']],
  ['a server name', route({ match: { sni: 'a.test' } }), ['wrong-layer routes[0].match.sni']],
  ['a path', route({ match: { path: '/' } }), ['wrong-layer routes[0].match.path']],
  ['no request', route({ session: { requests: 0 } }), ['out-of-range routes[0].session.requests']],
  ['a count that nobody knows', route({ session: { answers: 1 } }), ['unknown-key routes[0].session.answers']],
  ['latency, which nobody can measure', pool({ balance: 'latency' }), ['wrong-layer pools.dns.balance']],
  ['a bounded load, on which relays cannot agree', pool({ balance: { hash: 'flow', boundedLoad: 1.5 } }), ['wrong-layer pools.dns.balance.boundedLoad']],
  ['a hash of a header', pool({ balance: { hash: { header: 'x' } } }), ['wrong-layer pools.dns.balance.hash']],
  ['a PROXY header that is a line of text', pool({ sendProxy: 1 }), ['wrong-layer pools.dns.sendProxy']],
  ['TLS', pool({ tls: { verify: false } }), ['wrong-layer pools.dns.tls']],
  ['a queue', pool({ queue: {}, limits: { maxRequests: 1 } }), ['wrong-layer pools.dns.queue']],
  ['endpoints of TCP', pool({ endpoints: ['tcp://10.0.0.5:53'] }), ['wrong-scheme pools.dns.endpoints[0]']],
])('%s', (_, config, problems) => {
  test('is told', () => {
    expect(problemsOf(config)).toEqual(problems)
  })
})

describe('at a tcp listener', () => {
  const tcp = { db: { kind: 'tcp', address: '127.0.0.1:5432' } }
  const config = (words: object, route: object = {}) => ({
    listeners: tcp,
    pools: { db: { endpoints: ['tcp://10.0.0.5:5432'], ...words } },
    routes: [{ name: 'db', listener: 'db', pool: 'db', ...route }],
  })

  test.each([
    ['counts of sessions', config({}, { session: { requests: 1 } }), 'wrong-layer routes[0].session'],
    [
      'a header in each datagram',
      config({ sendProxy: { version: 2, datagrams: 'each' } }),
      'wrong-layer pools.db.sendProxy.datagrams',
    ],
    ['endpoints of UDP', config({ endpoints: ['udp://10.0.0.5:53'] }), 'wrong-scheme pools.db.endpoints[0]'],
  ])('%s are told', (_, input, problem) => {
    expect(problemsOf(input)).toEqual([problem])
  })

  test('and a udp listener in one route are told', () => {
    const both = {
      ...base,
      listeners: { ...base.listeners, ...tcp },
      routes: [{ ...base.routes[0], listener: ['dns', 'db'] }],
    }
    expect(problemsOf(both)[0]).toBe('mixed-transports routes[0].listener')
  })
})

test('the words have types', () => {
  const listeners = { dns: { kind: 'udp', address: '0.0.0.0:53' } } as const
  const pools = { dns: { endpoints: ['udp://10.0.0.5:53'] } }
  const session = { requests: 1, responses: 1 }
  const dns = { name: 'dns', listener: 'dns', pool: 'dns' } as const
  defineConfig({ listeners, pools, routes: [{ ...dns, session, timeouts: { idle: '5s' } }] })
  // @ts-expect-error
  defineConfig({ listeners, pools, routes: [{ ...dns, retry: false }] })
  // @ts-expect-error
  defineConfig({ listeners, pools, routes: [{ ...dns, timeouts: { connect: '1s' } }] })
  const db = { db: { kind: 'tcp', address: '0.0.0.0:53' } } as const
  // @ts-expect-error
  defineConfig({ listeners: db, pools, routes: [{ name: 'dns', listener: 'db', pool: 'dns', session }] })
})

function problemsOf(config: object): string[] {
  try {
    parse(config)
  } catch (error) {
    return (error as ConfigError).problems.map(({ code, path }) => `${code} ${path}`)
  }
  throw new Error('the config was taken')
}
