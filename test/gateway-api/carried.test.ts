// What a rule says is what the rule of the config says.

import { describe, expect, test } from 'vitest'
import type { ImportOptions } from '../../shared/gateway-api/import.ts'
import { file, gateway, http, httpRoute, imported, said, service, to } from './manifests.ts'

/** The one rule of the route, without what every rule has. */
function ruleOf(rule: object, change: Partial<ImportOptions> = {}): Record<string, unknown> {
  const objects = [gateway([http]), service('app'), service('next'), httpRoute(rule)]
  const result = imported(file(...objects), change)
  const { name: _, listener: __, ...made } = result.config!.routes[0] as unknown as Record<string, unknown>
  return made
}
const withFilter = (...filters: object[]) => ruleOf({ filters, backendRefs: [to('app')] })
const usual = { pool: 'app:8080', retry: { on: ['connect-failure'] } }

describe('matches', () => {
  const matched = (match: object) => ruleOf({ matches: [match], backendRefs: [to('app')] })['match']
  test.each([
    ['a prefix', { path: { value: '/a' } }, { path: '/a' }],
    ['an exact path', { path: { type: 'Exact', value: '/a/' } }, { path: { exact: '/a/' } }],
    ['a regex', { path: { type: 'RegularExpression', value: '/a/[0-9]+' } }, { path: { regex: '/a/[0-9]+' } }],
    ['a method', { method: 'PATCH' }, { method: 'PATCH' }],
    [
      'headers without case, the first of two',
      {
        headers: [
          { name: 'Color', value: 'blue' },
          { name: 'color', value: 'red' },
        ],
      },
      { header: { color: 'blue' } },
    ],
    [
      'a header by regex',
      { headers: [{ type: 'RegularExpression', name: 'a', value: 'b.*' }] },
      { header: { a: { regex: 'b.*' } } },
    ],
    [
      'queries with case, the first of two',
      {
        queryParams: [
          { name: 'A', value: '1' },
          { name: 'a', value: '2' },
          { name: 'A', value: '3' },
        ],
      },
      { query: { A: '1', a: '2' } },
    ],
  ])('%s', (_, match, expected) => expect(matched(match)).toEqual(expected))
  test('none is everything', () => {
    expect(matched({ path: { type: 'PathPrefix', value: '/' } })).toBeUndefined()
    expect(ruleOf({ backendRefs: [to('app')] })).toEqual(usual)
  })
  test('a regex that can run away is listed and its rule left out', () => {
    const slow = { matches: [{ path: { type: 'RegularExpression', value: '/(a+)+b' } }], backendRefs: [to('app')] }
    const result = imported(file(gateway([http]), service('app'), httpRoute([slow, { backendRefs: [to('app')] }])))
    expect(said(result)).toEqual([expect.stringMatching(/^not-carried \d+ slow-regex$/)])
    expect(result.config!.routes[0]).toMatchObject(usual)
  })
})

describe('filters', () => {
  test('header edits; of two for one name the first counts', () => {
    const edits = {
      set: [
        { name: 'A', value: '1' },
        { name: 'a', value: '2' },
      ],
      add: [{ name: 'b', value: '3,4' }],
      remove: ['c'],
    }
    const made = { set: { A: '1' }, add: { b: '3,4' }, remove: ['c'] }
    expect(withFilter({ type: 'RequestHeaderModifier', requestHeaderModifier: edits })).toEqual({
      ...usual,
      filters: { requestHeaders: made },
    })
    expect(withFilter({ type: 'ResponseHeaderModifier', responseHeaderModifier: edits })).toEqual({
      ...usual,
      filters: { responseHeaders: made },
    })
  })
  test('a Host that is set is a rewrite', () => {
    const set = { type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'Host', value: 'in.test' }] } }
    expect(withFilter(set)).toMatchObject({ filters: { rewrite: { host: 'in.test' } } })
  })
  test('a rewrite of host and path', () => {
    const rewrite = { hostname: 'in.test', path: { type: 'ReplaceFullPath', replaceFullPath: '/x' } }
    expect(withFilter({ type: 'URLRewrite', urlRewrite: rewrite })).toMatchObject({
      filters: { rewrite: { host: 'in.test', path: '/x' } },
    })
  })
  test('mirrors, by percent and by fraction', () => {
    const mirror = (more: object) => ({ type: 'RequestMirror', requestMirror: { backendRef: to('next'), ...more } })
    const { mirrors } = withFilter(
      mirror({}),
      mirror({ percent: 20 }),
      mirror({ fraction: { numerator: 1, denominator: 1000 } }),
    )
    expect(mirrors).toEqual([
      { pool: 'next:8080' },
      { pool: 'next:8080', percent: 20 },
      { pool: 'next:8080', percent: 0.1 },
    ])
  })
  test('a mirror that leads nowhere is left out, and the request goes on', () => {
    const filter = { type: 'RequestMirror', requestMirror: { backendRef: to('gone') } }
    expect(withFilter(filter)).toEqual(usual)
  })
  test('CORS', () => {
    const cors = {
      allowOrigins: ['https://a.test', 'https://*.b.test'],
      allowMethods: ['GET', 'PUT'],
      allowHeaders: ['x-a'],
      exposeHeaders: ['x-b'],
      allowCredentials: true,
      maxAge: 600,
    }
    expect(withFilter({ type: 'CORS', cors })['cors']).toEqual({
      origins: ['https://a.test', 'https://*.b.test'],
      methods: ['GET', 'PUT'],
      headers: ['x-a'],
      expose: ['x-b'],
      credentials: true,
      maxAge: '600s',
    })
  })
  test.each([
    ['scheme and status', { scheme: 'https', statusCode: 301 }, { scheme: 'https', status: 301 }],
    ['a host stays on the port of the listener', { hostname: 'b.test' }, { host: 'b.test', port: 'listener' }],
    ['a port', { port: 8443, scheme: 'https' }, { scheme: 'https', port: 8443 }],
    [
      'a prefix',
      { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/b' } },
      { port: 'listener', prefix: '/b' },
    ],
    [
      'a path',
      { path: { type: 'ReplaceFullPath', replaceFullPath: '/b' }, statusCode: 308 },
      { port: 'listener', path: '/b', status: 308 },
    ],
  ])('a redirect: %s', (_, requestRedirect, expected) => {
    expect(ruleOf({ filters: [{ type: 'RequestRedirect', requestRedirect }] })).toEqual({ redirect: expected })
  })
  test.each(['ExtensionRef', 'ExternalAuth', 'Compression'])(
    '%s is never skipped: its requests are answered 500',
    type => {
      const filter = {
        type,
        ...(type === 'ExtensionRef' ? { extensionRef: { group: 'x.test', kind: 'Limit', name: 'a' } } : {}),
      }
      const result = imported(
        file(gateway([http]), service('app'), httpRoute({ filters: [filter], backendRefs: [to('app')] })),
      )
      expect(said(result)).toEqual([expect.stringMatching(/^not-carried \d+ unsupported-filter$/)])
      expect(result.config!.routes[0]).toMatchObject({ reply: { status: 500 } })
    },
  )
  test('a value that would mean something in a config is not written as it is', () => {
    const set = {
      type: 'RequestHeaderModifier',
      requestHeaderModifier: { set: [{ name: 'a', value: '{client.address}' }] },
    }
    expect(withFilter(set)).toMatchObject({ reply: { status: 500 } })
  })
})

describe('backends', () => {
  test('several are variants by weight, each request dealt anew', () => {
    expect(ruleOf({ backendRefs: [to('app', { weight: 9 }), to('next')] })).toMatchObject({
      variants: [
        { name: 'app:8080', weight: 9, pool: 'app:8080' },
        { name: 'next:8080', weight: 1, pool: 'next:8080' },
      ],
      split: { by: 'draw' },
    })
  })
  test('one that is not there takes its share of 500', () => {
    expect(ruleOf({ backendRefs: [to('app'), to('gone', { weight: 3 })] })['variants']).toEqual([
      { name: 'app:8080', weight: 1, pool: 'app:8080' },
      { name: 'gone:8080', weight: 3, reply: { status: 500 } },
    ])
  })
  test.each([
    ['none', []],
    ['all of weight 0', [to('app', { weight: 0 }), to('next', { weight: 0 })]],
    ['of another kind', [{ group: 'x.test', kind: 'Lambda', name: 'app', port: 1 }]],
    ['of a port that the Service has not', [{ name: 'app', port: 81 }]],
    ['without a port', [{ name: 'app' }]],
  ])('%s: 500', (_, backendRefs) => expect(ruleOf({ backendRefs })).toMatchObject({ reply: { status: 500 } }))
  test('a Service without endpoints is answered 503', () => {
    const where = { endpoints: new Map([['default/app:8080', []]]), resolve: '{service}', isMapWhole: true }
    expect(ruleOf({ backendRefs: [to('app')] }, { where })).toMatchObject({ reply: { status: 503 } })
  })
  test('filters of their own', () => {
    const filters = [{ type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'a', value: 'b' }] } }]
    expect(ruleOf({ backendRefs: [to('app', { filters })] })['variants']).toEqual([
      { name: 'app:8080', weight: 1, pool: 'app:8080', filters: { requestHeaders: { set: { a: 'b' } } } },
    ])
    const away = [{ type: 'RequestRedirect', requestRedirect: { scheme: 'https' } }]
    expect(ruleOf({ backendRefs: [to('app', { filters: away })] })['variants']).toEqual([
      { name: 'app:8080', weight: 1, redirect: { scheme: 'https' } },
    ])
  })
})

describe('timeouts and retries', () => {
  test.each([
    [{ request: '10s' }, { request: '10s', try: '10s' }],
    [
      { request: '10s', backendRequest: '2s' },
      { request: '10s', try: '2s' },
    ],
    [{ backendRequest: '1m30s' }, { request: '90s', try: '90s' }],
    [{ backendRequest: '500ms' }, { try: '500ms' }],
    [{ request: '0s' }, { request: '24d', try: '24d' }],
  ])('%j', (timeouts, expected) => expect(ruleOf({ timeouts, backendRefs: [to('app')] })['timeouts']).toEqual(expected))
  test('attempts count the retries, and here the first one too', () => {
    const retry = (input: object, more: object = {}) =>
      ruleOf({ retry: input, ...more, backendRefs: [to('app')] })['retry']
    expect(retry({ codes: [500, 503], attempts: 3, backoff: '100ms' })).toEqual({
      attempts: 4,
      on: ['connect-failure', '500', '503'],
      unsafe: true,
      sameEndpoint: true,
      backoff: '100ms',
    })
    expect(retry({ attempts: 2 }, { timeouts: { backendRequest: '1s' } })).toEqual({
      attempts: 3,
      on: ['connect-failure', 'timeout'],
      unsafe: true,
      sameEndpoint: true,
    })
  })
})

test('what Services are called by, in every form of the map of endpoints', () => {
  const endpoints = new Map([['default/app:8080', ['10.0.0.1:3000', 'http://10.0.0.2', 'fd00::1']]])
  const text = file(gateway([http]), service('app'), httpRoute({ backendRefs: [to('app')] }))
  const { config } = imported(text, { where: { endpoints, resolve: '', isMapWhole: true } })
  expect(config!.pools['app:8080']!.endpoints).toEqual([
    'http://10.0.0.1:3000',
    'http://10.0.0.2:8080',
    'http://[fd00::1]:8080',
  ])
})

test('named rules keep their names', () => {
  const rules = [
    { name: 'first', matches: [{ path: { value: '/a' } }], backendRefs: [to('app')] },
    { backendRefs: [to('app')] },
  ]
  expect(imported(file(gateway([http]), service('app'), httpRoute(rules))).config!.routes[0]).toMatchObject({
    rules: [{ name: 'first' }, {}],
  })
})

test('nothing is dropped silently: annotations, other kinds, session persistence by header', () => {
  const annotated = httpRoute(
    { backendRefs: [to('app')], sessionPersistence: { type: 'Header', header: { name: 'x-session' } } },
    {},
    { annotations: { 'nginx.org/limit': '5', 'kubectl.kubernetes.io/last-applied-configuration': '{}' } },
  )
  const policy = {
    apiVersion: 'gateway.envoyproxy.io/v1alpha1',
    kind: 'BackendTrafficPolicy',
    metadata: { name: 'a' },
    spec: {},
  }
  expect(
    said(imported(file(gateway([http]), service('app'), annotated, policy)))
      .map(text => text.split(' ').at(-1))
      .sort(),
  ).toEqual(['annotation', 'header-session', 'unsupported-kind'])
})
