// Import, export, import again: the same config.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import type { ConfigInput } from '../../shared/config/config.ts'
import { exportGatewayApi } from '../../shared/gateway-api/export.ts'
import { file, gateway, http, httpRoute, imported, service, to } from './manifests.ts'

function again(config: ConfigInput): ConfigInput | undefined {
  const { manifests, endpoints } = exportGatewayApi(config, 'routes.yaml', () => undefined)
  const text = manifests.map(object => stringify(object)).join('---\n')
  const where = { endpoints: new Map(Object.entries(endpoints)), resolve: '', isMapWhole: true }
  const result = imported(text, { where })
  expect(result.notes.filter(({ severity }) => severity === 'error')).toEqual([])
  return result.config
}

const edit = { set: [{ name: 'a', value: '1' }], add: [{ name: 'b', value: '2' }], remove: ['c'] }
const rules: readonly (readonly [string, object])[] = [
  ['a pool', { backendRefs: [to('app')] }],
  ['a name', { name: 'first', backendRefs: [to('app')] }],
  [
    'matches',
    {
      matches: [
        {
          path: { type: 'Exact', value: '/a' },
          method: 'GET',
          headers: [
            { name: 'h', value: 'v' },
            { type: 'RegularExpression', name: 'i', value: '.+' },
          ],
        },
        { queryParams: [{ name: 'q', value: '1' }] },
      ],
      backendRefs: [to('app')],
    },
  ],
  ['a regex', { matches: [{ path: { type: 'RegularExpression', value: '/[a-z]+' } }], backendRefs: [to('app')] }],
  [
    'edits and a rewrite',
    {
      filters: [
        { type: 'RequestHeaderModifier', requestHeaderModifier: edit },
        { type: 'ResponseHeaderModifier', responseHeaderModifier: edit },
        {
          type: 'URLRewrite',
          urlRewrite: { hostname: 'in.test', path: { type: 'ReplaceFullPath', replaceFullPath: '/x' } },
        },
      ],
      backendRefs: [to('app')],
    },
  ],
  [
    'a prefix',
    {
      matches: [{ path: { value: '/a' } }],
      filters: [{ type: 'URLRewrite', urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/' } } }],
      backendRefs: [to('app')],
    },
  ],
  [
    'a redirect',
    {
      filters: [
        {
          type: 'RequestRedirect',
          requestRedirect: {
            scheme: 'https',
            hostname: 'b.test',
            port: 8443,
            path: { type: 'ReplaceFullPath', replaceFullPath: '/x' },
            statusCode: 308,
          },
        },
      ],
    },
  ],
  ['a redirect on the same port', { filters: [{ type: 'RequestRedirect', requestRedirect: { hostname: 'b.test' } }] }],
  [
    'mirrors',
    {
      filters: [
        { type: 'RequestMirror', requestMirror: { backendRef: to('next'), percent: 5 } },
        {
          type: 'RequestMirror',
          requestMirror: { backendRef: to('app'), fraction: { numerator: 1, denominator: 1000 } },
        },
      ],
      backendRefs: [to('app')],
    },
  ],
  [
    'CORS',
    {
      filters: [
        {
          type: 'CORS',
          cors: {
            allowOrigins: ['https://*.a.test'],
            allowMethods: ['*'],
            allowHeaders: ['x'],
            exposeHeaders: ['y'],
            allowCredentials: true,
            maxAge: 60,
          },
        },
      ],
      backendRefs: [to('app')],
    },
  ],
  [
    'weights',
    {
      backendRefs: [
        to('app', { weight: 9 }),
        to('next', { weight: 1, filters: [{ type: 'RequestHeaderModifier', requestHeaderModifier: edit }] }),
        to('gone', { weight: 2 }),
      ],
    },
  ],
  [
    'a variant that redirects',
    {
      backendRefs: [
        to('app', { filters: [{ type: 'RequestRedirect', requestRedirect: { scheme: 'https' } }] }),
        to('next'),
      ],
    },
  ],
  ['no backend', {}],
  ['a backend that is not there', { backendRefs: [to('gone')] }],
  ['timeouts', { timeouts: { request: '1h30m', backendRequest: '500ms' }, backendRefs: [to('app')] }],
  ['no timeout', { timeouts: { request: '0s' }, backendRefs: [to('app')] }],
  [
    'a retry',
    {
      retry: { codes: [500], attempts: 3, backoff: '50ms' },
      timeouts: { backendRequest: '1s' },
      backendRefs: [to('app')],
    },
  ],
  ['a session', { sessionPersistence: { cookie: { name: 'sid' } }, backendRefs: [to('app')] }],
  [
    'a session that lasts, over variants',
    {
      sessionPersistence: { type: 'Cookie', absoluteTimeout: '2h', cookie: { name: 'sid', lifetimeType: 'Permanent' } },
      backendRefs: [to('app'), to('next')],
    },
  ],
  ['another namespace', { backendRefs: [to('app', { namespace: 'shop' })] }],
]

test.each(rules)('%s', (_, rule) => {
  const granted = {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'ReferenceGrant',
    metadata: { name: 'g', namespace: 'shop' },
    spec: {
      from: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: 'default' }],
      to: [{ group: '', kind: 'Service' }],
    },
  }
  const services = [service('app'), service('next'), service('app', 'shop')]
  const { config } = imported(file(gateway([http]), ...services, granted, httpRoute(rule)))
  expect(config).toBeDefined()
  expect(again(config!)).toEqual(config)
})

test('several routes keep the order in which nothing but age decides', () => {
  const named = (name: string, createdAt: string) =>
    httpRoute({ backendRefs: [to('app')] }, {}, { name, creationTimestamp: createdAt })
  const text = file(
    gateway([http]),
    service('app'),
    named('z', '2020-01-01T00:00:00Z'),
    named('a', '2026-01-01T00:00:00Z'),
  )
  const { config } = imported(text)
  expect(config!.routes.map(({ name }) => name)).toEqual(['z', 'a'])
  expect(again(config!)).toEqual(config)
})

test('names of any length', () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[a-z][a-z0-9-]{0,80}[a-z0-9]$/),
      fc.stringMatching(/^[a-z]{1,60}$/),
      (name, namespace) => {
        const objects = [
          gateway([http], {}, { namespace }),
          service(name, namespace),
          httpRoute({ backendRefs: [to(name)] }, {}, { name, namespace }),
        ]
        const { config } = imported(file(...objects))
        expect(again(config!)).toEqual(config)
      },
    ),
    { numRuns: 40 },
  )
})

test('what manifests cannot say is listed', () => {
  const config: ConfigInput = {
    listeners: { web: { kind: 'edge', via: true } },
    pools: { app: { endpoints: ['http://a.test'], balance: 'random' } },
    routes: [
      { name: 'a', match: { cookie: { beta: '1' } }, pool: 'app', hedge: { after: 'p95' } },
      { name: 'b', match: { path: '/b', header: { x: { absent: true } } }, reply: { status: 200, body: 'hello' } },
    ],
  }
  const { notes } = exportGatewayApi(config, 'routes.yaml', () => undefined)
  expect(notes.map(({ field }) => field).sort()).toEqual([
    'listeners.web.via',
    'pools.app.balance',
    'routes[0].hedge',
    'routes[0].match[0].cookie',
    'routes[1].match[0].header.x',
    'routes[1].reply',
  ])
})
