import { describe, expect, test } from 'vitest'
import type { ConfigInput } from '../../../shared/config/config.ts'
import { parse } from '../../../shared/config/parse.ts'
import type { HttpRoute } from '../../../shared/config/parsed.ts'
import { ConfigError } from '../../../shared/config/problem.ts'

const listeners = { web: { kind: 'edge' }, db: { kind: 'tcp', address: '127.0.0.1:5432' } } as const
const pools = {
  app: { endpoints: ['https://app.example.com'] },
  next: { endpoints: ['https://next.example.com'] },
  sql: { endpoints: ['tcp://sql.example.com:5432'] },
}
const flow = { name: 'flow', listener: 'db', pool: 'sql' }

describe('a config is filled in', () => {
  test('with every default', () => {
    const { config, warnings } = parse({
      listeners,
      pools: { app: pools.app, sql: pools.sql },
      routes: [{ name: 'all', pool: 'app' }, flow],
    })
    expect(warnings).toEqual([])
    const noEdits = { set: [], add: [], remove: [] }
    const noFilters = { request: noEdits, response: noEdits, rewrite: undefined, host: undefined }
    const pool = {
      balance: { by: 'round-robin' },
      panicPercent: 50,
      overprovisioning: 1.4,
      slowStartMs: 0,
      affinity: undefined,
      outlier: {
        consecutiveFailures: 5,
        successRateFactor: 1.9,
        baseEjectionMs: 30_000,
        maxEjectionMs: 300_000,
        maxEjectedPercent: 10,
      },
      maxRequests: undefined,
      maxRequestsPerEndpoint: undefined,
      retryBudget: { percent: 20, perSecond: undefined },
      tls: undefined,
      sendProxy: undefined,
      probe: undefined,
      queue: undefined,
    }
    const noMore = {
      errorPages: [],
      limits: { maxUrlBytes: 16_384, maxHeaders: 128, maxHeaderBytes: 32_768 },
      hasVia: false,
    }
    const endpoint = { name: undefined, weight: 1, priority: 0 }
    expect(config).toEqual({
      threads: 'auto',
      cacheStore: { memoryBytes: 64 * 1024 ** 2, disk: undefined },
      listeners: [
        { kind: 'edge', name: 'web', hostnames: [], clientAddress: { from: 'cloudflare' }, subrequests: 50, ...noMore },
        {
          kind: 'tcp',
          name: 'db',
          host: '127.0.0.1',
          port: 5432,
          socketMode: undefined,
          maxConnections: 10_000,
          maxConnectionsPerAddress: undefined,
          acceptRate: undefined,
          allow: [],
          deny: [],
          proxyProtocol: [],
        },
      ],
      pools: [
        { name: 'app', endpoints: [{ address: 'https://app.example.com', ...endpoint }], ...pool },
        { name: 'sql', endpoints: [{ address: 'tcp://sql.example.com:5432', ...endpoint }], ...pool },
      ],
      routes: [
        {
          layer: 7,
          name: 'all',
          listeners: ['web'],
          hostnames: [],
          rules: [
            {
              name: '0',
              path: 'routes[0]',
              matches: [
                {
                  path: { kind: 'prefix', value: '/' },
                  methods: [],
                  headers: [],
                  queries: [],
                  cookies: [],
                  addresses: [],
                  countries: [],
                },
              ],
              action: {
                do: 'forward',
                variants: [{ name: 'app', weight: 1, to: { pool: 'app' }, filters: noFilters }],
                split: undefined,
              },
              filters: noFilters,
              retry: {
                attempts: 2,
                on: ['connect-failure', '502', '503'],
                isUnsafe: false,
                maxBufferBytes: 65_536,
                mayRepeat: false,
                backoffMs: 0,
              },
              hedge: undefined,
              mirrors: [],
              timeouts: { requestMs: 30_000, tryMs: 15_000 },
              cors: undefined,
              errorPages: [],
              maxBodyBytes: undefined,
              sample: 1,
            },
          ],
        },
        {
          layer: 4,
          name: 'flow',
          listeners: ['db'],
          rules: [
            {
              name: '0',
              path: 'routes[1]',
              matches: [{ address: [], sni: [], alpn: [] }],
              variants: [{ name: 'sql', weight: 1, pool: 'sql' }],
              split: undefined,
              attempts: 3,
              timeouts: { connectMs: 2_000, idleMs: 3_600_000 },
              session: { requests: undefined, responses: undefined },
            },
          ],
        },
      ],
    })
  })

  test('with matches in the form in which they are compared', () => {
    expect(
      ruleOf({
        match: [
          {
            path: '/api/',
            method: ['get', 'POST', 'get'],
            header: { 'X-A': 'v', 'x-b': { regex: 'v\\d' }, 'x-c': { present: true }, 'x-d': { absent: true } },
            query: { Q: { exact: '1' } },
            cookie: { C: '2' },
            address: ['10.1.2.3/8', '2001:DB8::/32', '::ffff:1.2.3.4'],
            country: 'de',
          },
          { path: { exact: '/api/' } },
          { path: { regex: '/v\\d+' } },
        ],
      }).matches,
    ).toEqual([
      {
        path: { kind: 'prefix', value: '/api' },
        methods: ['GET', 'POST'],
        headers: [
          { name: 'x-a', op: 'exact', value: 'v' },
          { name: 'x-b', op: 'regex', value: 'v\\d' },
          { name: 'x-c', op: 'present', value: '' },
          { name: 'x-d', op: 'absent', value: '' },
        ],
        queries: [{ name: 'Q', op: 'exact', value: '1' }],
        cookies: [{ name: 'C', op: 'exact', value: '2' }],
        addresses: ['10.0.0.0/8', '2001:db8::/32', '1.2.3.4/32'],
        countries: ['DE'],
      },
      expect.objectContaining({ path: { kind: 'exact', value: '/api/' } }),
      expect.objectContaining({ path: { kind: 'regex', value: '/v\\d+' } }),
    ])
  })

  test('with the split of its variants', () => {
    const variants = [
      { name: 'stable', weight: 90, pool: 'app' },
      { name: 'canary', weight: 10, reply: { status: 503, body: 'no' } },
    ]
    const split = {
      name: 'route/canary',
      salt: '',
      by: { from: 'cookie', name: 'fs_id', isIssued: true },
      fallback: 'draw',
      pin: 'weight',
      epoch: 0,
      force: undefined,
      isExposed: false,
    }
    expect(ruleOf({ name: 'canary', pool: undefined, variants }).action).toMatchObject({
      split,
      variants: [
        { name: 'stable', weight: 90, to: { pool: 'app' } },
        { to: { reply: { status: 503, body: 'no', headers: [['content-type', 'text/plain; charset=utf-8']] } } },
      ],
    })
    const written = {
      by: { header: 'X-User' },
      pin: 'first',
      force: { header: 'X-Canary', to: 'canary' },
      expose: true,
    }
    expect(ruleOf({ pool: undefined, variants, split: written }).action).toMatchObject({
      split: {
        ...split,
        name: 'route',
        by: { from: 'header', name: 'x-user' },
        pin: 'first',
        force: { header: 'x-canary', cookie: undefined, to: 'canary' },
        isExposed: true,
      },
    })
    expect(ruleOf({ pool: undefined, variants: [variants[0]] }).action).toMatchObject({ split: undefined })
  })

  test('with redirects, replies, edits and rewrites spelled out', () => {
    expect(
      ruleOf({ pool: undefined, match: { path: '/a' }, redirect: { host: 'B.example.', prefix: '/b/' } }).action,
    ).toEqual({
      do: 'redirect',
      redirect: {
        scheme: undefined,
        host: 'b.example',
        port: undefined,
        path: { kind: 'prefix', value: '/b' },
        status: 302,
      },
    })
    expect(ruleOf({ pool: undefined, reply: { status: 204, headers: { 'X-A': '{route}' } } }).action).toEqual({
      do: 'reply',
      reply: { status: 204, body: '', headers: [['x-a', '{route}']] },
    })
    const filters = {
      requestHeaders: { set: { 'X-Route': '{route}' }, remove: ['Cookie'] },
      responseHeaders: { add: { NEL: '{"report_to":"x"}' } },
      rewrite: { path: '/x' },
    }
    expect(ruleOf({ filters }).filters).toEqual({
      request: { set: [['X-Route', '{route}']], add: [], remove: ['Cookie'] },
      response: { set: [], add: [['NEL', '{"report_to":"x"}']], remove: [] },
      rewrite: { kind: 'path', value: '/x' },
      host: undefined,
    })
  })

  test('with retries and timeouts in milliseconds and bytes', () => {
    const { retry, timeouts } = ruleOf({
      retry: { attempts: 3, on: ['5xx', '429', '5xx'], unsafe: true, maxBuffer: '1MiB' },
      timeouts: { request: '10s' },
    })
    expect(retry).toEqual({
      attempts: 3,
      on: ['5xx', '429'],
      isUnsafe: true,
      maxBufferBytes: 1_048_576,
      mayRepeat: false,
      backoffMs: 0,
    })
    expect(timeouts).toEqual({ requestMs: 10_000, tryMs: 10_000 })
    expect(ruleOf({ retry: false }).retry.attempts).toBe(1)
  })

  test('with what a pool says', () => {
    const { config } = parse({
      listeners: {
        web: { kind: 'edge', hostnames: ['*.Example.com.'], clientAddress: { trustedProxies: ['10.0.0.1'] } },
      },
      pools: {
        app: {
          endpoints: [{ address: '${APP:-https://a.example.com}', name: 'a', weight: 5, priority: 1 }],
          balance: { hash: { header: 'X-User' }, boundedLoad: 1.25 },
          affinity: {},
          outlier: false,
          limits: { maxRequests: 100 },
          retryBudget: { perSecond: 3 },
          slowStart: '30s',
        },
      },
      routes: [{ name: 'r', listener: ['web', 'web'], pool: 'app' }],
    })
    expect(config.listeners[0]).toMatchObject({
      hostnames: ['*.example.com'],
      clientAddress: { from: 'peer', trustedProxies: ['10.0.0.1/32'] },
    })
    expect(config.routes[0]!.listeners).toEqual(['web'])
    expect(config.pools[0]).toMatchObject({
      endpoints: [{ address: '${APP:-https://a.example.com}', name: 'a', weight: 5, priority: 1 }],
      balance: { by: 'hash', key: { from: 'header', name: 'x-user' }, boundedLoad: 1.25 },
      affinity: { cookie: 'fs_endpoint', maxAgeS: 86_400 },
      outlier: undefined,
      maxRequests: 100,
      maxRequestsPerEndpoint: undefined,
      retryBudget: { percent: 20, perSecond: 3 },
      slowStartMs: 30_000,
    })
  })
})

test('every problem is told at once, structure and meaning, warnings too', () => {
  const codes = problemsOf({
    listeners: { web: { kind: 'edge', hostname: 'x' }, spare: { kind: 'tcp', address: '127.0.0.1:1' } },
    pools: { app: { endpoints: ['https://app', 'nonsense'], slowStart: 'soon' } },
    routes: [
      { name: 'a', pool: 'ap', match: { path: 'x', methods: 'GET' }, retry: { attempts: 99 } },
      { name: 'a', variants: [{ name: 'x', weight: 'much', pool: 'app' }], split: { force: { to: 'y', cookie: 'c' } } },
    ],
  }).map(({ severity, code, path }) => `${severity} ${code} ${path}`)
  expect(codes).toEqual([
    'error unknown-key listeners.web.hostname',
    'error bad-address pools.app.endpoints[1]',
    'error bad-duration pools.app.slowStart',
    'error out-of-range routes[0].retry.attempts',
    'error unknown-key routes[0].match.methods',
    'error bad-path routes[0].match.path',
    'error unknown-pool routes[0].pool',
    'error wrong-type routes[1].variants[0].weight',
    'error force-unknown-variant routes[1].split.force.to',
    'error duplicate-name routes[1].name',
    'warning unused-pool pools.app',
    'warning unused-listener listeners.spare',
  ])
})

test('a ConfigError reads as a list of places, problems and mends', () => {
  expect(() =>
    parse({ listeners, pools, routes: [{ name: 'r', pool: 'apq' }, { name: 's', pool: 'next' }, flow] }),
  ).toThrow(
    new ConfigError([
      {
        severity: 'error',
        code: 'unknown-pool',
        path: 'routes[0].pool',
        message: 'no pool is named "apq"',
        mend: 'Did you mean "app"?',
      },
      {
        severity: 'warning',
        code: 'unused-pool',
        path: 'pools.app',
        message: 'no route sends anything to the pool "app"',
        mend: 'Name it in a route, or leave it out.',
      },
    ]),
  )
})

describe('variables', () => {
  const config = (address: string) => ({
    listeners: { web: { kind: 'edge' } },
    pools: { app: { endpoints: [address] } },
    routes: [{ name: 'r', pool: 'app' }],
  })
  test('are filled in to check an address, which stays as it was written', () => {
    const { config: parsed } = parse(config('${APP}'), { variables: { APP: 'https://app' } })
    expect(parsed.pools[0]!.endpoints[0]!.address).toBe('${APP}')
    expect(problemsOf(config('${APP}'), { APP: 'app' })).toEqual([
      expect.objectContaining({
        code: 'bad-address',
        message: '"app" (from "${APP}"): it has no scheme (https://, http:// or tcp://)',
      }),
    ])
  })
  test('that nobody can know here are not asked for', () => {
    expect(parse(config('${APP}')).warnings).toEqual([])
  })
})

describe('input that is no config', () => {
  test.each([
    [null, 'expected an object, found nothing'],
    [[], 'expected an object, found a list'],
    ['x', 'expected an object, found a text'],
    [7, 'expected an object, found a number'],
    [true, 'expected an object, found true or false'],
  ])('%j is refused', (input, message) => {
    expect(problemsOf(input)).toEqual([
      { severity: 'error', code: 'wrong-type', path: '', message, mend: 'Write an object here.' },
    ])
  })

  test('a cycle or a nest beyond all measure is refused', () => {
    const cycle: Record<string, unknown> = {}
    cycle['pools'] = { p: cycle }
    expect(problemsOf(cycle)).toContainEqual(
      expect.objectContaining({ code: 'too-deep', message: 'the config is nested more than 16 levels deep' }),
    )
    let deep: unknown = 1
    for (let level = 0; level < 100_000; level++) deep = [deep]
    expect(problemsOf({ listeners, pools, routes: [deep] })[0]).toMatchObject({ code: 'too-deep' })
  })

  test('a crowd beyond all measure is refused', () => {
    const crowd = Array.from({ length: 1_000_001 }, () => [])
    expect(problemsOf({ listeners, pools, routes: [flow], junk: crowd })).toContainEqual(
      expect.objectContaining({ code: 'too-large', message: 'the config holds more than 1000000 lists and objects' }),
    )
  })

  test('a thousand problems are told as five hundred and a word that there are more', () => {
    const routes = Array.from({ length: 1_000 }, (_, index) => ({ name: `r${index}`, pool: 'none' }))
    const problems = problemsOf({ listeners, pools, routes })
    expect(problems).toHaveLength(501)
    expect(problems.at(-1)).toMatchObject({ code: 'too-many-problems', message: 'there are more problems' })
  })

  test('names that every object has are names like others, but for __proto__', () => {
    const text = '{"endpoints":["https://app.example.com"]}'
    const odd = JSON.parse(`{"constructor":${text},"toString":${text},"__proto__":${text}}`)
    const routes = [
      { name: 'a', pool: 'constructor' },
      { name: 'b', pool: 'toString' },
      { name: 'c', pool: 'hasOwnProperty' },
      { name: 'd', pool: '__proto__' },
    ]
    const problems = problemsOf({ listeners: { web: listeners.web }, pools: odd, routes })
    expect(problems.map(problem => `${problem.code} ${problem.path}`)).toEqual([
      'unknown-key pools.__proto__',
      'unknown-pool routes[2].pool',
      'unknown-pool routes[3].pool',
    ])
    expect(({} as { endpoints?: unknown }).endpoints).toBeUndefined()
  })

  test('an undefined field is a field left out', () => {
    expect(ruleOf({ retry: undefined, match: undefined }).retry.attempts).toBe(2)
  })
})

function ruleOf(rule: object) {
  const input = { listeners, pools, routes: [{ name: 'route', rules: [{ pool: 'app', ...rule }] }] }
  const { config } = parse(input satisfies object as unknown as ConfigInput)
  return (config.routes[0] as HttpRoute).rules[0]!
}

function problemsOf(input: unknown, variables?: Readonly<Record<string, string>>) {
  try {
    parse(input, variables === undefined ? {} : { variables })
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  throw new Error('the config was taken')
}
