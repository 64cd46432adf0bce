// Listeners that the kernel serves: what they may say, and the errors for what no kernel mode can keep.

import { describe, expect, test } from 'vitest'
import { advise } from '../../../shared/config/advice.ts'
import { parse } from '../../../shared/config/parse.ts'
import type { ConfigError } from '../../../shared/config/problem.ts'
import { compile } from '../../../shared/table/compile.ts'

const nat = { kind: 'tcp', mode: 'nat', address: '192.0.2.10:80' }
const dsr = { kind: 'tcp', mode: 'dsr', address: '192.0.2.10:80', interface: 'eth0' }

test('mode "proxy" is the default and says nothing of the kernel', () => {
  expect(kernelOf({ kind: 'tcp', address: '192.0.2.10:80' })).toBeUndefined()
  expect(kernelOf({ kind: 'tcp', mode: 'proxy', address: '192.0.2.10:80' })).toBeUndefined()
})

test('NAT shows endpoints the relay unless it is told to keep the client', () => {
  expect(kernelOf(nat)).toEqual({ mode: 'nat', interface: '', source: 'relay', seed: 47, key: undefined })
  expect(kernelOf({ ...nat, source: 'keep', seed: 7, key: 'address' })).toMatchObject({
    source: 'keep',
    seed: 7,
    key: 'address',
  })
})

test('direct server return keeps the client and has an interface', () => {
  expect(kernelOf(dsr)).toMatchObject({ mode: 'dsr', interface: 'eth0', source: 'keep' })
})

test('IPv6 has the same modes', () => {
  const pools = { web: { endpoints: ['tcp://[2001:db8::1]:80'] } }
  expect(problemsOf({ ...nat, address: '[2001:db8::10]:80' }, pools)).toEqual([])
  expect(problemsOf({ ...dsr, address: '[2001:db8::10]:80' }, pools)).toEqual([])
})

test('UDP has the same modes, and its key a meaning in each', () => {
  const pools = { web: { endpoints: ['udp://192.0.2.1:80'] } }
  const udp = { kind: 'udp', mode: 'dsr', address: '192.0.2.10:80', interface: 'eth0' }
  expect(problemsOf({ ...udp, key: 'address' }, pools)).toEqual([])
  expect(problemsOf({ kind: 'udp', address: '192.0.2.10:80', key: 'address' }, pools)).toEqual([])
  expect(problemsOf({ ...udp, key: { quic: { idLength: 8 } } }, pools)[0]).toMatchObject({ code: 'wrong-layer' })
  expect(problemsOf({ ...udp, maxSessions: 5 }, pools)[0]).toMatchObject({ code: 'wrong-layer' })
  expect(problemsOf(udp, pools, { session: { requests: 1 } })[0]).toMatchObject({ code: 'wrong-layer' })
  expect(problemsOf(udp)[0]).toMatchObject({ code: 'wrong-scheme' })
  expect(problemsOf(nat, pools)[0]).toMatchObject({ code: 'wrong-scheme' })
  const { config } = parse(configOf(udp, pools))
  const [route] = config.routes
  expect(route).toMatchObject({ rules: [{ timeouts: { idleMs: 60_000 } }] })
})

describe('a listener of the kernel is refused', () => {
  test.each([
    ['without an interface for dsr', { ...dsr, interface: undefined }, 'missing-field', 'interface'],
    ['with a name that is no interface', { ...dsr, interface: 'eth0" ; flush' }, 'bad-interface', 'interface'],
    ['with an interface for nat', { ...nat, interface: 'eth0' }, 'wrong-mode', 'interface'],
    ['with a source for dsr', { ...dsr, source: 'relay' }, 'wrong-mode', 'source'],
    ['with a seed for proxy', { kind: 'tcp', address: '192.0.2.10:80', seed: 1 }, 'wrong-mode', 'seed'],
    ['on every address', { ...nat, address: '0.0.0.0:80' }, 'bad-address', 'address'],
    ['on a multicast address', { ...nat, address: '224.0.0.1:80' }, 'bad-address', 'address'],
    ['on any port', { ...nat, address: '192.0.2.10:0' }, 'bad-address', 'address'],
    ['on a name', { ...nat, address: 'localhost:80' }, 'bad-address', 'address'],
    ['on a socket', { ...nat, address: 'unix:/run/x.sock' }, 'bad-address', 'address'],
    ['with connections counted', { ...nat, maxConnections: 5 }, 'wrong-layer', 'maxConnections'],
    [
      'with PROXY headers',
      { ...nat, proxyProtocol: [{ from: ['::/0'], mode: 'off' }] },
      'wrong-layer',
      'proxyProtocol',
    ],
    ['as a kind', { kind: 'kernel', address: '192.0.2.10:80' }, 'unknown-kind', 'kind'],
  ])('%s', (_, listener, code, field) => {
    const problems = problemsOf(JSON.parse(JSON.stringify(listener)))
    expect(problems).toContainEqual(expect.objectContaining({ code, path: `listeners.door.${field}` }))
  })
})

describe('what needs a program between client and endpoint names the mode that can', () => {
  test.each([
    ['a PROXY header', { sendProxy: 2 }, 'pools.web.sendProxy'],
    ['a bounded load', { balance: { hash: 'flow', boundedLoad: 1.5 } }, 'pools.web.balance.boundedLoad'],
    ['least requests', { balance: 'least-requests' }, 'pools.web.balance'],
    ['TLS', { tls: { verify: false } }, 'pools.web.tls'],
    ['a queue', { queue: {}, limits: { maxRequests: 1 } }, 'pools.web.queue'],
    ['limits', { limits: { maxRequestsPerEndpoint: 1 } }, 'pools.web.limits'],
  ])('%s', (_, pool, path) => {
    const problems = problemsOf(nat, { web: { endpoints: ['tcp://192.0.2.1:80'], ...pool } })
    const problem = problems.find(each => each.path === path)
    expect(problem).toMatchObject({ code: 'wrong-layer' })
    expect(problem!.message).toContain('needs mode "proxy"')
  })

  test.each([
    ['a retry', { retry: { attempts: 2 } }, 'routes[0].retry'],
    [
      'a split by anything but the address',
      { variants: [{ name: 'a', weight: 1, pool: 'web' }], pool: undefined, split: { by: 'draw' } },
      'routes[0].split.by',
    ],
    ['a connect timeout', { timeouts: { connect: '1s' } }, 'routes[0].timeouts.connect'],
  ])('%s', (_, rule, path) => {
    const problem = problemsOf(nat, undefined, JSON.parse(JSON.stringify(rule))).find(each => each.path === path)
    expect(problem?.message).toContain('needs mode "proxy"')
  })

  test.each(['tls://192.0.2.1:80', 'unix:/run/x.sock', 'https://192.0.2.1:80'])('%s', address => {
    const problems = problemsOf(nat, { web: { endpoints: [address] } })
    expect(problems.map(({ code }) => code)).toContain('wrong-scheme')
  })

  test('a server name', () => {
    const problems = problemsOf(nat, undefined, { match: { sni: 'app.example.com' } })
    expect(problems).toContainEqual(expect.objectContaining({ code: 'wrong-layer', path: 'routes[0].match.sni' }))
  })
})

test('an endpoint of another family, or under dsr of another port, is refused', () => {
  expect(problemsOf(nat, { web: { endpoints: ['tcp://[2001:db8::1]:80'] } })[0]).toMatchObject({ code: 'wrong-family' })
  expect(problemsOf(nat, { web: { endpoints: ['tcp://192.0.2.1:8080'] } })).toEqual([])
  expect(problemsOf(dsr, { web: { endpoints: ['tcp://192.0.2.1:8080'] } })[0]).toMatchObject({ code: 'wrong-port' })
})

test('a split by address, a match by address, probes and an idle timeout stand', () => {
  const config = {
    listeners: { door: dsr },
    pools: {
      web: { endpoints: ['tcp://192.0.2.1:80'], probe: { kind: 'tcp' }, balance: { hash: 'address' } },
      next: { endpoints: ['tcp://192.0.2.2:80'] },
    },
    routes: [
      {
        name: 'r',
        listener: 'door',
        rules: [
          { match: { address: '198.51.100.0/24' }, pool: 'next', timeouts: { idle: '5m' } },
          {
            variants: [
              { name: 'stable', weight: 90, pool: 'web' },
              { name: 'canary', weight: 10, pool: 'next' },
            ],
          },
        ],
      },
    ],
  }
  expect(parse(config).warnings).toEqual([])
})

test('that the client is not seen is said where it is so, with the mend of the mode', () => {
  const lost = (listener: object) => {
    const { config } = parse(configOf(listener))
    return advise(config, { variables: { workers: {}, relay: {} }, isLocal: true }).filter(
      ({ code }) => code === 'client-address-lost',
    )
  }
  expect(lost(nat)[0]?.mend).toContain('source "keep"')
  expect(lost({ ...nat, source: 'keep' })).toEqual([])
  expect(lost(dsr)).toEqual([])
})

function kernelOf(listener: object) {
  return compile(parse(configOf(listener)).config).flowListeners.get('door')!.kernel
}

function problemsOf(listener: object, pools?: object, rule: object = {}) {
  try {
    return parse(configOf(listener, pools, rule)).warnings
  } catch (error) {
    return (error as ConfigError).problems
  }
}

function configOf(listener: object, pools: object = { web: { endpoints: ['tcp://192.0.2.1:80'] } }, rule: object = {}) {
  return {
    listeners: { door: listener },
    pools,
    routes: [{ name: 'r', listener: 'door', ...('variants' in rule ? {} : { pool: 'web' }), ...rule }],
  }
}
