// Cases as they are read: what they may speak of, and what is said when they speak of something else.

import { describe, expect, test } from 'vitest'
import { parse } from '../../../shared/config/parse.ts'
import { ConfigError, type Problem } from '../../../shared/config/problem.ts'

const config = {
  listeners: {
    web: { kind: 'edge' },
    db: { kind: 'tcp', address: '127.0.0.1:7000' },
    secure: { kind: 'tls', address: '127.0.0.1:7001' },
  },
  pools: { app: { endpoints: ['https://app.example.com'] }, sql: { endpoints: ['tcp://sql.example.com:5432'] } },
  routes: [
    { name: 'shop', rules: [{ name: 'api', match: { path: '/api' }, pool: 'app' }, { pool: 'app' }] },
    { name: 'sql', listener: ['db', 'secure'], variants: [{ name: 'main', weight: 1, pool: 'sql' }] },
  ],
}

test('a URL alone is a GET of it, and names of header fields are in lower case', () => {
  const { cases } = parse({
    ...config,
    expect: [
      { request: 'https://a.test/', gets: { rule: ['api', '1'], requestHeaders: { 'X-A': 'b' } } },
      {
        request: { url: 'http://a.test/', method: 'post', headers: { 'X-B': 'c' }, cookies: { d: 'e', f: 'g' } },
        gets: { status: 404 },
      },
      { flow: { listener: 'secure', from: '2001:db8:0::1', sni: 'A.test', alpn: 'h2' }, gets: { variant: 'main' } },
    ],
  })
  expect(cases.map(({ ask }) => ask)).toMatchObject([
    { kind: 'request', url: 'https://a.test/', method: 'GET', headers: [] },
    {
      kind: 'request',
      method: 'POST',
      headers: [
        ['x-b', 'c'],
        ['cookie', 'd=e; f=g'],
      ],
    },
    { kind: 'flow', from: { host: '2001:db8::1', port: 50_000 }, sni: 'a.test', alpn: ['h2'] },
  ])
  expect(cases[0]!.gets).toMatchObject({
    rule: ['api', '1'],
    requestHeaders: [{ name: 'x-a', op: 'exact', value: 'b' }],
  })
})

test('no case is no promise', () => {
  expect(parse(config).cases).toEqual([])
})

describe('what a case may not say', () => {
  const request = 'https://a.test/'
  const gets = { route: 'shop' }
  const rows: readonly (readonly [what: string, one: unknown, code: string, path: string, mend: string])[] = [
    ['nothing at all', { request, gets: {} }, 'missing-field', 'expect[0].gets', 'at least one'],
    ['neither request nor flow', { gets }, 'missing-field', 'expect[0].request', ''],
    ['both', { request, flow: { listener: 'db' }, gets }, 'unknown-key', 'expect[0].request', ''],
    ['a field nobody knows', { request, gets: { rout: 'shop' } }, 'unknown-key', 'expect[0].gets.rout', '"route"'],
    [
      'an HTTP word of a flow',
      { flow: { listener: 'db' }, gets: { status: 200 } },
      'unknown-key',
      'expect[0].gets.status',
      '',
    ],
    ['half a URL', { request: '/api', gets }, 'bad-url', 'expect[0].request', 'https://'],
    [
      'a URL of something else',
      { request: { url: 'tcp://a.test', method: 'GET' }, gets },
      'bad-url',
      'expect[0].request.url',
      'https://',
    ],
    [
      'a method that is none',
      { request: { url: request, method: 'G T' }, gets },
      'bad-method',
      'expect[0].request.method',
      'GET',
    ],
    [
      'a header name that is none',
      { request: { url: request, headers: { 'a b': 'c' } }, gets },
      'bad-header-name',
      'expect[0].request.headers["a b"]',
      '',
    ],
    [
      'a cookie name that is none',
      { request: { url: request, cookies: { 'a;b': 'c' } }, gets },
      'bad-cookie-name',
      'expect[0].request.cookies["a;b"]',
      '',
    ],
    [
      'a country that is none',
      { request: { url: request, country: 'Germany' }, gets },
      'bad-country',
      'expect[0].request.country',
      'DE',
    ],
    [
      'a route that is not there',
      { request, gets: { route: 'shp' } },
      'unknown-route',
      'expect[0].gets.route',
      '"shop"',
    ],
    [
      'a rule of another route',
      { request, gets: { route: 'sql', rule: 'api' } },
      'unknown-rule',
      'expect[0].gets.rule',
      '"0"',
    ],
    [
      'one variant of several',
      { request, gets: { variant: ['app', 'man'] } },
      'unknown-variant',
      'expect[0].gets.variant[1]',
      '"main"',
    ],
    ['a pool that is not there', { request, gets: { pool: 'ap' } }, 'unknown-pool', 'expect[0].gets.pool', '"app"'],
    [
      'a listener that is not there',
      { flow: { listener: 'd' }, gets: { pool: 'sql' } },
      'unknown-listener',
      'expect[0].flow.listener',
      '"db"',
    ],
    ['a flow at the edge', { flow: { listener: 'web' }, gets }, 'wrong-layer', 'expect[0].flow.listener', '"request"'],
    [
      'a request at layer 4',
      { request: { url: request, listener: 'db' }, gets },
      'wrong-layer',
      'expect[0].request.listener',
      '"flow"',
    ],
    [
      'a server name at a tcp listener',
      { flow: { listener: 'db', sni: 'a.test' }, gets: { pool: 'sql' } },
      'wrong-layer',
      'expect[0].flow.sni',
      'tls',
    ],
    [
      'an address that is none',
      { flow: { listener: 'db', from: 'a.test' }, gets: { pool: 'sql' } },
      'bad-address',
      'expect[0].flow.from',
      '203.0.113.7',
    ],
    [
      'a regex that can take for ever',
      { request, gets: { responseHeaders: { a: { regex: '(a+)+' } } } },
      'slow-regex',
      'expect[0].gets.responseHeaders.a.regex',
      '',
    ],
  ]

  test.each(rows)('%s', (_, one, code, path, mend) => {
    const problems = problemsOf({ ...config, expect: [one] })
    const found = problems.find(problem => problem.path === path)
    expect(problems.map(problem => `${problem.code} ${problem.path}`)).toContain(`${code} ${path}`)
    expect(found?.mend).toContain(mend)
  })

  test('an empty list', () => {
    expect(problemsOf({ ...config, expect: [] })).toMatchObject([{ code: 'empty-list', path: 'expect' }])
  })

  test('and nothing is said of names in routes that cannot be read', () => {
    const routes = [{ name: 'shop', rules: [{ name: 'api', pol: 'app' }] }]
    const problems = problemsOf({ ...config, routes, expect: [{ request, gets: { rule: 'api', pool: 'app' } }] })
    expect(problems.filter(({ path }) => path.startsWith('expect'))).toEqual([])
  })
})

function problemsOf(input: unknown): readonly Problem[] {
  try {
    parse(input)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}
