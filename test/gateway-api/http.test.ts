// HTTPRoutes end to end at the relay's http door: import, the running relay, real requests, what the endpoint saw.

import { connect } from 'node:net'
import { beforeAll, describe, expect, test } from 'vitest'
import { type Answer, type Asked, endpoint, endpointH2c, type Running, refusing, run, until } from './lab.ts'
import { gateway, http, httpRoute, service, to } from './manifests.ts'

let v1: Awaited<ReturnType<typeof endpoint>>
let v2: Awaited<ReturnType<typeof endpoint>>
let v3: Awaited<ReturnType<typeof endpoint>>
const services = ['v1', 'v2', 'v3'].map(name => service(name))
beforeAll(async () => {
  ;[v1, v2, v3] = await Promise.all([endpoint('v1'), endpoint('v2'), endpoint('v3')])
})
const endpoints = () => ({
  'default/v1:8080': [v1.address],
  'default/v2:8080': [v2.address],
  'default/v3:8080': [v3.address],
})
const all = (...objects: object[]) => run([...services, ...objects], { endpoints: endpoints() })
const goes = (name: string, ...matches: object[]) => ({
  ...(matches.length === 0 ? {} : { matches }),
  backendRefs: [to(name)],
})
const path = (value: string, type = 'PathPrefix') => ({ path: { type, value } })

/** `v1`, or the status. */
const where = ({ saw, status }: Answer) => saw?.endpoint ?? status

describe('matching', () => {
  let running: Running
  const asks = (asked: Asked) => running.ask('web:http', asked).then(where)

  describe('paths', () => {
    beforeAll(async () => {
      running = await all(
        gateway([http]),
        httpRoute([
          goes('v1', path('/one', 'Exact')),
          goes('v2', path('/two')),
          goes('v3', path('/Two'), path('/match/long')),
          goes('v1', path('/match')),
        ]),
      )
    })
    test.each([
      ['/one', 'v1'],
      ['/one/', 404],
      ['/oneness', 404],
      ['/One', 404],
      ['/two', 'v2'],
      ['/two/', 'v2'],
      ['/two/deep?q=1', 'v2'],
      ['/twofold', 404],
      ['/Two', 'v3'],
      ['/match/x', 'v1'],
      ['/match/long/x', 'v3'],
      ['/', 404],
    ])('%s -> %s', async (asked, expected) => expect(await asks({ path: asked })).toBe(expected))
  })

  describe('headers, queries and methods, the more the better', () => {
    beforeAll(async () => {
      const header = (name: string, value: string) => ({ name, value })
      running = await all(
        gateway([http]),
        httpRoute([
          goes('v1', { headers: [header('version', 'one')] }),
          goes('v2', { headers: [header('version', 'two')] }),
          goes('v3', { headers: [header('Version', 'two'), header('color', 'orange')] }),
          goes('v1', { queryParams: [header('animal', 'whale')] }),
          goes('v2', { queryParams: [header('animal', 'whale'), header('Depth', 'deep')] }),
          goes('v3', { ...path('/m'), method: 'POST' }),
          goes('v2', path('/m')),
        ]),
      )
    })
    test.each<[Asked, string | number]>([
      [{ headers: { version: 'one' } }, 'v1'],
      [{ headers: { VERSION: 'two' } }, 'v2'],
      [{ headers: { version: 'two', Color: 'orange' } }, 'v3'],
      [{ headers: { version: 'Two' } }, 404],
      [{ path: '/?animal=whale' }, 'v1'],
      [{ path: '/?x=y&animal=whale&Depth=deep' }, 'v2'],
      [{ path: '/?Animal=whale' }, 404],
      [{ path: '/?animal=dolphin' }, 404],
      [{ path: '/m', method: 'POST' }, 'v3'],
      [{ path: '/m', method: 'PUT' }, 'v2'],
    ])('%j -> %s', async (asked, expected) => expect(await asks(asked)).toBe(expected))
  })

  describe('across routes: hostname, then path, then age', () => {
    beforeAll(async () => {
      const at = (name: string, created: string, hostnames: string[] | undefined, ...rules: object[]) =>
        httpRoute(rules, hostnames === undefined ? {} : { hostnames }, { name, creationTimestamp: created })
      running = await all(
        gateway([http]),
        at(
          'young',
          '2026-02-01T00:00:00Z',
          ['example.com', 'example.net'],
          goes('v1', path('/')),
          goes('v1', path('/same')),
        ),
        at('old', '2026-01-01T00:00:00Z', ['example.com'], goes('v2', path('/v2')), goes('v2', path('/same'))),
        at('wild', '2025-01-01T00:00:00Z', ['*.com'], goes('v3', path('/')), goes('v3', path('/v2/deep'))),
      )
    })
    test.each([
      ['example.com', '/', 'v1'],
      ['example.com', '/example', 'v1'],
      ['example.net', '/example', 'v1'],
      ['example.com', '/v2', 'v2'],
      ['example.com', '/v2/deep', 'v2'],
      ['example.com', '/same', 'v2'],
      ['sub.example.com', '/v2/deep', 'v3'],
      ['EXAMPLE.com', '/', 'v1'],
      ['example.com:8080', '/', 'v1'],
      ['example.org', '/', 404],
    ])('%s%s -> %s', async (host, asked, expected) => expect(await asks({ host, path: asked })).toBe(expected))
  })

  describe('listeners of one port are isolated by hostname', () => {
    beforeAll(async () => {
      const listener = (name: string, hostname?: string) => ({
        ...http,
        name,
        ...(hostname === undefined ? {} : { hostname }),
      })
      const names = [
        ['empty', undefined],
        ['com', '*.example.com'],
        ['foo', '*.foo.example.com'],
        ['abc', 'abc.foo.example.com'],
      ] as const
      running = await all(
        gateway(names.map(([name, hostname]) => listener(name, hostname))),
        ...names.map(([name]) =>
          httpRoute(goes('v1', path(`/${name}`)), { parentRefs: [{ name: 'web', sectionName: name }] }, { name }),
        ),
      )
    })
    test.each([
      ['bar.com', 'empty'],
      ['bar.example.com', 'com'],
      ['bar.foo.example.com', 'foo'],
      ['a.b.foo.example.com', 'foo'],
      ['abc.foo.example.com', 'abc'],
    ])('%s is served by %s alone', async (host, expected) => {
      expect(running.portOf('web:empty')).toBe(running.portOf('web:abc'))
      for (const name of ['empty', 'com', 'foo', 'abc']) {
        expect(await running.ask('web:empty', { host, path: `/${name}` }).then(where)).toBe(
          name === expected ? 'v1' : 404,
        )
      }
    })
  })

  test('hostnames of a route count where they meet those of the listener, and a port has its own routes', async () => {
    const both = await all(
      gateway([
        { ...http, hostname: '*.wild.io' },
        { name: 'other', port: 8080, protocol: 'HTTP', hostname: 'very.specific.com' },
      ]),
      httpRoute(goes('v1'), { hostnames: ['*.specific.com', 'foo.wild.io', 'elsewhere.org'] }),
      httpRoute(goes('v2'), { parentRefs: [{ name: 'web', port: 80 }] }, { name: 'rest' }),
    )
    const at = (listener: string, host: string) => both.ask(listener, { host }).then(where)
    expect(await at('web:http', 'foo.wild.io')).toBe('v1')
    expect(await at('web:http', 'bar.wild.io')).toBe('v2')
    expect(await at('web:http', 'very.specific.com')).toBe(404)
    expect(await at('web:other', 'very.specific.com')).toBe('v1')
    expect(await at('web:other', 'non.specific.com')).toBe(404)
    expect(await at('web:other', 'elsewhere.org')).toBe(404)
  })
})

describe('filters', () => {
  const edits = { set: [{ name: 'X-Set', value: 'new' }], add: [{ name: 'X-Add', value: 'more' }], remove: ['X-Gone'] }

  test('request headers, of the rule and of one backend', async () => {
    const modifier = (requestHeaderModifier: object) => [{ type: 'RequestHeaderModifier', requestHeaderModifier }]
    const running = await all(
      gateway([http]),
      httpRoute({
        filters: modifier(edits),
        backendRefs: [to('v1', { filters: modifier({ set: [{ name: 'X-Backend', value: 'yes' }] }) })],
      }),
    )
    const headers = { 'x-set': 'old', 'x-add': 'one', 'x-gone': 'x', 'x-kept': 'y' }
    const { saw } = await running.ask('web:http', { host: 'a.test', headers })
    expect(saw!.headers).toMatchObject({ host: 'a.test', 'x-set': 'new', 'x-kept': 'y', 'x-backend': 'yes' })
    expect(saw!.headers['x-add']!.split(/, ?/)).toEqual(['one', 'more'])
    expect(saw!.headers).not.toHaveProperty('x-gone')
  })

  test('answer headers', async () => {
    const change = { ...edits, remove: ['X-Own'] }
    const running = await all(
      gateway([http]),
      httpRoute({
        filters: [{ type: 'ResponseHeaderModifier', responseHeaderModifier: change }],
        backendRefs: [to('v1')],
      }),
    )
    const { headers } = await running.ask('web:http', {})
    expect(headers).toMatchObject({ 'x-set': 'new', 'x-add': 'more' })
    expect(headers).not.toHaveProperty('x-own')
  })

  test.each([
    ['host', {}, { hostname: 'one.example.org' }, '/one', '/one', 'one.example.org'],
    [
      'prefix',
      path('/prefix/one'),
      { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/one' } },
      '/prefix/one/two?q=1',
      '/one/two?q=1',
      'a.test',
    ],
    [
      'bare prefix',
      path('/prefix/one'),
      { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/one' } },
      '/prefix/one',
      '/one',
      'a.test',
    ],
    [
      'prefix by root',
      path('/strip'),
      { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/' } },
      '/strip/three',
      '/three',
      'a.test',
    ],
    [
      'bare prefix by root',
      path('/strip'),
      { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/' } },
      '/strip',
      '/',
      'a.test',
    ],
    [
      'whole path',
      path('/full'),
      { path: { type: 'ReplaceFullPath', replaceFullPath: '/one' }, hostname: 'b.test' },
      '/full/x?q=1',
      '/one?q=1',
      'b.test',
    ],
  ])('a rewrite: %s', async (_, match, urlRewrite, asked, seen, host) => {
    const running = await all(
      gateway([http]),
      httpRoute({ matches: [match], filters: [{ type: 'URLRewrite', urlRewrite }], backendRefs: [to('v1')] }),
    )
    const { saw } = await running.ask('web:http', { host: 'a.test', path: asked })
    expect(saw).toMatchObject({ path: seen, headers: { host } })
  })

  test('mirrors get a copy and their answers are dropped; a part of them by percent', async () => {
    const mirror = (name: string, more: object = {}) => ({
      type: 'RequestMirror',
      requestMirror: { backendRef: to(name), ...more },
    })
    const running = await all(
      gateway([http]),
      httpRoute({
        matches: [path('/mirrored')],
        filters: [mirror('v2'), mirror('v3', { percent: 0 })],
        backendRefs: [to('v1')],
      }),
    )
    const copies = () => v2.seen.filter(saw => saw.path === '/mirrored/x').length
    const { saw } = await running.ask('web:http', { path: '/mirrored/x' })
    expect(saw!.endpoint).toBe('v1')
    await until(() => copies() === 1)
    expect(v3.seen.some(({ path: seen }) => seen === '/mirrored/x')).toBe(false)
  })

  test('CORS: a preflight is answered, an answer says who may read it', async () => {
    const cors = {
      allowOrigins: ['https://www.foo.com', 'https://*.bar.com'],
      allowMethods: ['GET', 'OPTIONS'],
      allowHeaders: ['x-header-1'],
      exposeHeaders: ['x-header-3'],
      allowCredentials: true,
      maxAge: 3600,
    }
    const running = await all(
      gateway([http]),
      httpRoute({ filters: [{ type: 'CORS', cors }], backendRefs: [to('v1')] }),
    )
    const preflight = (origin: string) =>
      running.ask('web:http', {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'GET', 'access-control-request-headers': 'x-header-1' },
      })
    for (const origin of ['https://www.foo.com', 'https://xpto.www.bar.com']) {
      const { status, headers } = await preflight(origin)
      expect(status).toBe(204)
      expect(headers).toMatchObject({
        'access-control-allow-origin': origin,
        'access-control-allow-methods': 'GET, OPTIONS',
        'access-control-allow-headers': 'x-header-1',
        'access-control-expose-headers': 'x-header-3',
        'access-control-max-age': '3600',
        'access-control-allow-credentials': 'true',
      })
    }
    expect((await preflight('https://foobar.com')).headers).not.toHaveProperty('access-control-allow-origin')
    const plain = await running.ask('web:http', { headers: { origin: 'https://www.foo.com' } })
    expect(plain.saw!.endpoint).toBe('v1')
    expect(plain.headers['access-control-allow-origin']).toBe('https://www.foo.com')
  })
})

describe('redirects', () => {
  test.each([
    [
      'host, on the port of the listener',
      {},
      { hostname: 'example.org' },
      '/x?q=1',
      302,
      'http://example.org:{port}/x?q=1',
    ],
    ['status', {}, { hostname: 'example.org', port: 80, statusCode: 301 }, '/x', 301, 'http://example.org/x'],
    ['scheme', {}, { scheme: 'https', statusCode: 308 }, '/x', 308, 'https://a.test/x'],
    ['scheme and port', {}, { scheme: 'https', port: 8443, statusCode: 307 }, '/x', 307, 'https://a.test:8443/x'],
    ['port', {}, { port: 8083, statusCode: 303 }, '/x', 303, 'http://a.test:8083/x'],
    [
      'prefix',
      path('/old'),
      { scheme: 'https', path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/new' } },
      '/old/lemon',
      302,
      'https://a.test/new/lemon',
    ],
    [
      'path',
      path('/full'),
      { scheme: 'https', path: { type: 'ReplaceFullPath', replaceFullPath: '/full-path' } },
      '/full/lemon',
      302,
      'https://a.test/full-path',
    ],
  ])('%s', async (_, match, requestRedirect, asked, status, location) => {
    // The port of the listener has to be known beforehand: none is free for sure, so a few are tried.
    const { running, port } = await onPort(listener => [
      gateway([{ ...http, port: listener }]),
      httpRoute({ matches: [match], filters: [{ type: 'RequestRedirect', requestRedirect }] }),
    ])
    const answer = await running.ask('web:http', { host: 'a.test', path: asked })
    expect(answer.status).toBe(status)
    expect(answer.headers.location).toBe(location.replace('{port}', String(port)))
  })

  async function onPort(objects: (port: number) => object[]): Promise<{ running: Running; port: number }> {
    for (let tries = 0; ; tries++) {
      const port = Number((await refusing()).split(':')[1])
      try {
        const running = await run([...services, ...objects(port)], {
          endpoints: endpoints(),
          ports: 'as written',
          listen: new Map([['*', '127.0.0.1']]),
        })
        return { running, port }
      } catch (error) {
        if (tries === 5) throw error
      }
    }
  }
})

describe('backends', () => {
  const count = async (running: Running, requests: number): Promise<Record<string, number>> => {
    const found: Record<string, number> = {}
    for (let i = 0; i < requests; i++) {
      const name = String(await running.ask('web:http', {}).then(where))
      found[name] = (found[name] ?? 0) + 1
    }
    return found
  }

  test('share requests by weight, one client or many; weight 0 gets none', async () => {
    const running = await all(
      gateway([http]),
      httpRoute({ backendRefs: [to('v1', { weight: 70 }), to('v2', { weight: 30 }), to('v3', { weight: 0 })] }),
    )
    const found = await count(running, 300)
    expect(found['v3']).toBeUndefined()
    // Five standard deviations of a draw of 300 at 0.7.
    expect(Math.abs(found['v1']! - 210)).toBeLessThan(40)
    expect(found['v1']! + found['v2']!).toBe(300)
  })

  test('that are not there, not granted or not to be spoken to answer 500 for their share', async () => {
    const running = await all(
      gateway([http]),
      service('back', 'elsewhere'),
      httpRoute([
        { matches: [path('/gone')], backendRefs: [to('gone')] },
        { matches: [path('/ungranted')], backendRefs: [to('back', { namespace: 'elsewhere' })] },
        { matches: [path('/zero')], backendRefs: [to('v1', { weight: 0 })] },
        { matches: [path('/none')] },
        { backendRefs: [to('v1'), to('gone')] },
      ]),
    )
    for (const asked of ['/gone', '/ungranted', '/zero', '/none']) {
      expect((await running.ask('web:http', { path: asked })).status).toBe(500)
    }
    const found = await count(running, 200)
    expect(Math.abs(found['500']! - 100)).toBeLessThan(36)
    expect(found['v1']! + found['500']!).toBe(200)
  })

  test('a session stays where it began, over backends and their endpoints', async () => {
    const running = await run(
      [
        ...services,
        gateway([http]),
        httpRoute({ sessionPersistence: { cookie: { name: 'sid' } }, backendRefs: [to('v1'), to('v2')] }),
      ],
      { endpoints: { 'default/v1:8080': [v1.address, v3.address], 'default/v2:8080': [v2.address] } },
    )
    for (let client = 0; client < 5; client++) {
      const first = await running.ask('web:http', {})
      const cookies = (first.headers['set-cookie'] ?? []).map(cookie => cookie.split(';')[0]!)
      expect(cookies.some(cookie => cookie.startsWith('sid='))).toBe(true)
      for (let again = 0; again < 5; again++) {
        const next = await running.ask('web:http', { headers: { cookie: cookies.join('; ') } })
        expect(next.saw!.endpoint).toBe(first.saw!.endpoint)
      }
    }
  })

  test('a backend that redirects and one that rewrites', async () => {
    const running = await all(
      gateway([http]),
      httpRoute([
        {
          matches: [path('/away')],
          backendRefs: [
            to('v1', {
              filters: [{ type: 'RequestRedirect', requestRedirect: { hostname: 'b.test', scheme: 'https' } }],
            }),
          ],
        },
        {
          matches: [path('/in')],
          backendRefs: [to('v1', { filters: [{ type: 'URLRewrite', urlRewrite: { hostname: 'in.test' } }] })],
        },
      ]),
    )
    expect(await running.ask('web:http', { host: 'a.test', path: '/away/x' })).toMatchObject({
      status: 302,
      headers: { location: 'https://b.test/away/x' },
    })
    expect((await running.ask('web:http', { host: 'a.test', path: '/in' })).saw!.headers['host']).toBe('in.test')
  })

  test('speak what the Service says: HTTP/2 in the clear, WebSocket', async () => {
    const h2 = await endpointH2c('h2')
    const running = await run(
      [
        gateway([http]),
        service('h2', 'default', { appProtocol: 'kubernetes.io/h2c' }),
        service('ws', 'default', { appProtocol: 'kubernetes.io/ws' }),
        httpRoute([{ matches: [path('/h2')], backendRefs: [to('h2')] }, { backendRefs: [to('ws')] }]),
      ],
      { endpoints: { 'default/h2:8080': [h2.address], 'default/ws:8080': [v1.address] } },
    )
    const { saw } = await running.ask('web:http', { host: 'a.test', path: '/h2' })
    expect(saw).toMatchObject({ endpoint: 'h2', version: 'HTTP/2', headers: { host: 'a.test' } })
    expect(await echoed(running.portOf('web:http'), 'hello')).toBe('hello')
  })

  /** What comes back over an upgraded connection. */
  function echoed(port: number, text: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1')
      let seen = ''
      socket.on('error', reject)
      socket.on('data', chunk => {
        seen += chunk
        const body = seen.split('\r\n\r\n')[1]
        if (body === '') socket.write(text)
        else if (body === text) {
          socket.destroy()
          resolve(body)
        }
      })
      socket.write(
        'GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
      )
    })
  }
})

describe('timeouts and retries', () => {
  const slow = () => endpoint('slow', () => new Promise(resolve => setTimeout(resolve, 3_000, 200)))
  const one = async (address: string, rule: object) =>
    run([gateway([http]), service('app'), httpRoute({ ...rule, backendRefs: [to('app')] })], {
      endpoints: { 'default/app:8080': [address] },
    })

  test.each([{ request: '300ms' }, { backendRequest: '300ms' }])('%j ends in 504', async timeouts => {
    const app = await slow()
    const running = await one(app.address, { timeouts })
    expect((await running.ask('web:http', {})).status).toBe(504)
    expect(app.seen).toHaveLength(1)
  })

  test('codes are tried again as often as said, a POST too', async () => {
    const app = await endpoint('app', (_, count) => (count % 4 === 0 ? 200 : 500))
    const running = await one(app.address, { retry: { codes: [500], attempts: 3 } })
    expect((await running.ask('web:http', {})).status).toBe(200)
    expect(app.seen).toHaveLength(4)
    expect(
      (await running.ask('web:http', { method: 'POST', body: 'x', headers: { 'content-length': '1' } })).status,
    ).toBe(200)
    expect(app.seen).toHaveLength(8)
    const less = await one(app.address, { retry: { codes: [500], attempts: 2 } })
    expect((await less.ask('web:http', {})).status).toBe(500)
    expect(app.seen).toHaveLength(11)
  })

  test('other codes and rules without a retry are passed on at once', async () => {
    const app = await endpoint('app', () => 503)
    const running = await one(app.address, { retry: { codes: [500], attempts: 3 } })
    expect((await running.ask('web:http', {})).status).toBe(503)
    const plain = await one(app.address, {})
    expect((await plain.ask('web:http', {})).status).toBe(503)
    expect(app.seen).toHaveLength(2)
  })

  test('a try that runs out is tried again', async () => {
    const app = await endpoint('app', (_, count) =>
      count < 3 ? new Promise(resolve => setTimeout(resolve, 2_000, 200)) : 200,
    )
    const running = await one(app.address, { retry: { attempts: 2 }, timeouts: { backendRequest: '300ms' } })
    expect((await running.ask('web:http', {})).status).toBe(200)
    expect(app.seen).toHaveLength(3)
  })

  test('between tries there is at least the back-off', async () => {
    const app = await endpoint('app', (_, count) => (count === 1 ? 500 : 200))
    const running = await one(app.address, { retry: { codes: [500], attempts: 1, backoff: '400ms' } })
    const began = performance.now()
    expect((await running.ask('web:http', {})).status).toBe(200)
    expect(performance.now() - began).toBeGreaterThanOrEqual(400)
  })
})
