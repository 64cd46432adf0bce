// CORS, error pages, limits, samples and Host rewrites as a config says them.

import { describe, expect, test } from 'vitest'
import type { HttpRuleInput } from '../../../shared/config/config-http.ts'
import type { EdgeListenerInput } from '../../../shared/config/config-listener.ts'
import { parse } from '../../../shared/config/parse.ts'
import type { HttpRule } from '../../../shared/config/parsed.ts'
import type { ConfigError } from '../../../shared/config/problem.ts'

const listeners = { web: { kind: 'edge' } } as const
const pools = {
  app: { endpoints: ['https://app.example.com', 'https://other.example.net', 'https://10.0.0.1'] },
  worker: { endpoints: ['binding:APP'] },
}
const configOf = (rule: HttpRuleInput, listener: Partial<EdgeListenerInput> = {}) => ({
  listeners: { web: { kind: 'edge' as const, ...listener } },
  pools,
  routes: [
    {
      name: 'r',
      rules: [
        { pool: 'app', ...rule },
        { match: { path: '/w' }, pool: 'worker' },
      ],
    },
  ],
})
const ruleOf = (rule: HttpRuleInput): HttpRule => parse(configOf(rule)).config.routes[0]!.rules[0] as HttpRule
const problemsOf = (config: unknown) => {
  try {
    return parse(config).warnings
  } catch (error) {
    return (error as ConfigError).problems
  }
}
const codesOf = (config: unknown) => problemsOf(config).map(({ code, path }) => [code, path])

describe('CORS', () => {
  test('has the defaults of the Fetch standard', () => {
    expect(ruleOf({ cors: { origins: ['https://a.test'] } }).cors).toEqual({
      origins: ['https://a.test'],
      methods: ['GET', 'HEAD', 'POST'],
      headers: [],
      expose: [],
      hasCredentials: false,
      maxAgeS: 5,
    })
  })

  test('compares origins as browsers write them', () => {
    const origins = [
      'HTTPS://A.Test:443',
      'http://b.test:8080',
      'https://*.c.test',
      'http://[::1]:3000',
      'app://x',
      '*',
    ]
    expect(ruleOf({ cors: { origins } }).cors!.origins).toEqual([
      'https://a.test',
      'http://b.test:8080',
      'https://*.c.test',
      'http://[::1]:3000',
      'app://x',
      '*',
    ])
  })

  test('tells what is no origin, method or header', () => {
    const cors = {
      origins: ['a.test', 'https://a.test/', 'https://a.*.test', 'null', 'https://u@a.test'],
      methods: ['GE T'],
      headers: ['x a'],
    }
    const at = 'routes[0].rules[0].cors'
    expect(codesOf(configOf({ cors }))).toEqual([
      ['bad-method', `${at}.methods[0]`],
      ['bad-header-name', `${at}.headers[0]`],
      ...cors.origins.map((_, i) => ['bad-origin', `${at}.origins[${i}]`]),
    ])
  })

  test('warns of stars beside credentials', () => {
    const cors = { origins: ['*'], expose: ['*'], credentials: true }
    expect(codesOf(configOf({ cors }))).toEqual([
      ['cors-any-with-credentials', 'routes[0].rules[0].cors.origins'],
      ['cors-any-with-credentials', 'routes[0].rules[0].cors.expose'],
    ])
  })
})

describe('error pages', () => {
  test('are for a status or a class of errors', () => {
    const errorPages = { '404': { body: 'a' }, '5xx': { body: 'b', contentType: 'text/plain', replace: true } }
    expect(ruleOf({ errorPages }).errorPages).toEqual([
      { of: 404, contentType: 'text/html; charset=utf-8', body: 'a', replaces: false },
      { of: 5, contentType: 'text/plain', body: 'b', replaces: true },
    ])
    for (const status of ['200', '3xx', '600', 'all', '40x']) {
      const at = `routes[0].rules[0].errorPages${status === 'all' ? '.all' : `["${status}"]`}`
      expect(codesOf(configOf({ errorPages: { [status]: { body: '' } } }))).toEqual([['bad-status', at]])
    }
  })

  test('are told which values they cannot hold', () => {
    const problems = problemsOf(configOf({}, { errorPages: { '404': { body: '{client.address} {color:red}' } } }))
    expect(problems.map(({ code, path }) => [code, path])).toEqual([
      ['page-value-unknown', 'listeners.web.errorPages["404"].body'],
    ])
  })
})

test('limits are read as sizes and numbers', () => {
  expect(ruleOf({ limits: { maxBody: '1MiB' } }).maxBodyBytes).toBe(1_048_576)
  const { config } = parse(
    configOf({}, { limits: { maxUrl: '1KiB', maxHeaders: 10, maxHeaderBytes: '4KiB' }, via: true }),
  )
  expect(config.listeners[0]).toMatchObject({
    limits: { maxUrlBytes: 1_024, maxHeaders: 10, maxHeaderBytes: 4_096 },
    hasVia: true,
  })
  expect(codesOf(configOf({}, { limits: { maxUrl: '1GiB', maxHeaders: 1 } }))).toEqual([
    ['out-of-range', 'listeners.web.limits.maxHeaders'],
    ['out-of-range', 'listeners.web.limits.maxUrl'],
  ])
})

describe('record.sample', () => {
  test('of a route is for the rules that say nothing', () => {
    const { config } = parse({
      listeners,
      pools: { app: { endpoints: ['https://a.test'] } },
      routes: [
        {
          name: 'r',
          record: { sample: 0.1 },
          rules: [
            { match: { path: '/a' }, pool: 'app' },
            { pool: 'app', record: { sample: 0.5 } },
          ],
        },
        { name: 'one', match: { path: '/one' }, pool: 'app', record: { sample: 0 } },
      ],
    })
    expect(config.routes.flatMap(route => route.rules.map(rule => 'sample' in rule && rule.sample))).toEqual([
      0.1, 0.5, 0,
    ])
  })

  test('is a part', () => {
    expect(codesOf(configOf({ record: { sample: 1.1 } }))).toEqual([
      ['out-of-range', 'routes[0].rules[0].record.sample'],
    ])
    const route = {
      name: 'r',
      record: { sampel: 1 },
      rules: [{ pool: 'app' }, { match: { path: '/w' }, pool: 'worker' }],
    }
    expect(codesOf({ listeners, pools, routes: [route] })).toEqual([['unknown-key', 'routes[0].record.sampel']])
  })

  test('is of layer 7', () => {
    const flow = {
      listeners: { db: { kind: 'tcp', address: '127.0.0.1:1' } },
      pools: { db: { endpoints: ['tcp://a:1'] } },
    }
    for (const field of [{ record: { sample: 1 } }, { cors: { origins: ['*'] } }, { limits: { maxBody: '1B' } }]) {
      const problems = problemsOf({ ...flow, routes: [{ name: 'f', listener: 'db', pool: 'db', ...field }] })
      expect(problems.map(({ code }) => code)).toEqual(['wrong-layer'])
    }
  })
})

describe('rewrite.host', () => {
  test('is told for every endpoint that cannot be called so at the edge', () => {
    const [problem, ...more] = problemsOf(configOf({ filters: { rewrite: { host: 'www.example.com' } } }))
    expect(more).toEqual([])
    expect(problem).toMatchObject({ severity: 'warning', code: 'host-rewrite-at-edge' })
    expect(problem!.path).toBe('routes[0].rules[0].filters.rewrite.host')
    expect(problem!.message).toContain('"https://other.example.net" and "https://10.0.0.1"')
    expect(problem!.message).not.toContain('app.example.com')
  })

  test('is kept for a bound Worker', () => {
    expect(codesOf(configOf({ pool: 'worker', filters: { rewrite: { host: 'www.test' } } }))).toEqual([
      ['unused-pool', 'pools.app'],
    ])
  })

  test('of a variant comes before that of the rule', () => {
    const variants = [
      { name: 'a', weight: 1, pool: 'app', filters: { rewrite: { host: 'other.example.net' } } },
      { name: 'b', weight: 1, pool: 'worker' },
    ]
    const { pool: _, ...config } = configOf({ filters: { rewrite: { host: 'www.test' } } }).routes[0]!.rules[0]!
    const problems = problemsOf({ listeners, pools, routes: [{ name: 'r', ...config, variants }] })
    expect(problems.map(({ code, path }) => [code, path])).toEqual([
      ['host-rewrite-at-edge', 'routes[0].variants[0].filters.rewrite.host'],
    ])
  })

  test('is one host', () => {
    expect(codesOf(configOf({ filters: { rewrite: { host: '*.a.test' } } }))[0]).toEqual([
      'bad-hostname',
      'routes[0].rules[0].filters.rewrite.host',
    ])
  })
})
