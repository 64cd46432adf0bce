// Whatever is handed in, parse gives a config or a ConfigError: nothing else is ever thrown.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parse } from '../../../shared/config/parse.ts'
import { ConfigError } from '../../../shared/config/problem.ts'
import { parseText } from '../../../shared/config/text.ts'

/** With something of everything. */
const whole = {
  listeners: {
    web: {
      kind: 'edge',
      hostnames: ['*.example.com'],
      clientAddress: { trustedProxies: ['10.0.0.0/8'] },
      errorPages: { '4xx': { body: 'x' } },
      limits: { maxUrl: '1KiB', maxHeaders: 50, maxHeaderBytes: '8KiB' },
      via: true,
    },
    db: { kind: 'tcp', address: '127.0.0.1:5432', maxConnections: 100 },
    secure: {
      kind: 'tls',
      address: 'unix:/run/secure.sock',
      socketMode: '0660',
      peekTimeout: '1s',
      maxPeek: '4KiB',
      startTls: 'postgres',
      certificates: [{ cert: 'cert.pem', key: 'key.pem' }],
      alpn: ['h2'],
      clientCa: 'ca.pem',
      requireClientCertificate: false,
    },
  },
  pools: {
    app: {
      endpoints: [
        'https://a.example.com',
        { address: '${B:-https://b.example.com}', name: 'b', weight: 2, priority: 1 },
      ],
      balance: { hash: { cookie: 'user' }, boundedLoad: 1.5 },
      panicPercent: 50,
      slowStart: '30s',
      affinity: { cookie: 'c', maxAge: '1h' },
      outlier: { consecutiveFailures: 3, baseEjection: '10s' },
      limits: { maxRequests: 5 },
      retryBudget: { percent: 10, perSecond: 1 },
    },
    sql: {
      endpoints: ['tcp://sql.example.com:5432', 'tls://sql.example.com:5433', 'unix:/run/sql.sock'],
      tls: { ca: 'ca.pem', cert: 'c.pem', key: 'k.pem', serverName: 'sql.internal', verify: true },
    },
  },
  routes: [
    {
      name: 'one',
      hostnames: ['app.example.com'],
      rules: [
        {
          name: 'split',
          match: [
            { path: { regex: '/a(?:/.*)?' }, header: { 'x-a': { present: true } } },
            { method: ['GET'], country: 'DE' },
          ],
          variants: [
            { name: 'stable', weight: 9, pool: 'app', filters: { requestHeaders: { set: { 'x-v': '{variant}' } } } },
            { name: 'canary', weight: 1, reply: { status: 500, body: 'no' } },
          ],
          split: { by: { header: 'x-user' }, pin: 'first', force: { cookie: 'f', to: 'canary' } },
          retry: { attempts: 3, on: ['5xx'], maxBuffer: '1KiB' },
          timeouts: { request: '10s', try: '5s' },
          cors: { origins: ['https://*.example.com'], methods: ['*'], headers: ['x-a'], expose: ['x-b'], maxAge: '1m' },
          errorPages: { '404': { body: '{route}', contentType: 'text/plain', replace: true }, '5xx': { body: '' } },
          limits: { maxBody: '1MiB' },
          record: { sample: 0.5 },
        },
        { match: { path: '/b' }, redirect: { prefix: '/c', status: 301 } },
        { match: { query: { q: '1' }, cookie: { c: { absent: true } }, address: '10.0.0.0/8' }, pool: 'app' },
      ],
    },
    { name: 'two', listener: ['db'], pool: 'sql', retry: false, timeouts: { connect: '1s', idle: '1m' } },
    {
      name: 'three',
      listener: 'secure',
      rules: [
        { match: { sni: ['a.test', '*.a.test'], alpn: 'h2' }, pool: 'sql' },
        { match: { sni: 'b.test' }, pool: 'sql' },
      ],
    },
  ],
}

test('a whole config is taken', () => {
  expect(parse(whole).warnings).toEqual([])
})

test('any JSON value makes a config or a ConfigError', () => {
  fc.assert(fc.property(fc.jsonValue(), holds), { seed: 47, numRuns: 300 })
})

test('a config with any value in any place makes a config or a ConfigError', () => {
  const places = everyPlace(whole)
  expect(places.length).toBeGreaterThan(100)
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(...places), slip), { minLength: 1, maxLength: 3 }), slips => {
      const config = structuredClone(whole)
      for (const [place, value] of slips) put(config, place, value)
      holds(config)
    }),
    { seed: 47, numRuns: 2_000 },
  )
}, 120_000)

test('a config with any field left out or put beside makes a config or a ConfigError', () => {
  for (const place of everyPlace(whole)) {
    const config = structuredClone(whole)
    put(config, place, undefined)
    holds(config)
    for (const key of ['pool', 'rules', 'match', 'kind', 'constructor', 'x']) {
      const more = structuredClone(whole)
      put(more, [...place, key], {})
      holds(more)
    }
  }
})

test('any text makes a config or a ConfigError', () => {
  const bits = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ':',
    ' ',
    '\n',
    '  ',
    '- ',
    '"',
    "'",
    '&a',
    '*a',
    '!x',
    '|',
    '>',
    '#',
    '? ',
    'pools',
    'routes',
    ',',
    '\t',
    '---\n',
    '%',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.array(bits).map(all => all.join('')),
      ),
      text => {
        onlyConfigError(() => parseText(text))
      },
    ),
    { seed: 47, numRuns: 1_000 },
  )
}, 120_000)

test('a YAML config with any piece cut out makes a config or a ConfigError', () => {
  const text = JSON.stringify(whole, undefined, 1)
  fc.assert(
    fc.property(fc.nat(text.length), fc.nat(40), (at, length) => {
      onlyConfigError(() => parseText(text.slice(0, at) + text.slice(at + length)))
    }),
    { seed: 47, numRuns: 300 },
  )
}, 120_000)

const slip = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom<unknown>(
    null,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    -1,
    1e300,
    '',
    ' ',
    '\0',
    '(a+)+',
    '/',
    '*',
    '${',
    '${X}',
    '{x}',
    [],
    {},
    [[]],
    'always',
    '0',
  ),
  fc.constantFrom<unknown>(1n, Symbol('x'), () => 1, new Date(0), new Map(), undefined),
  fc.string({ unit: 'binary' }),
)

/** And every problem is whole: a code, a message and a mend. */
function holds(input: unknown): void {
  for (const problem of onlyConfigError(() => parse(input, { variables: {} }))) {
    expect(problem.code).toMatch(/^[a-z]+(-[a-z]+)*$/)
    expect(problem.message).not.toMatch(/undefined|\[object|\n/)
    expect(problem.mend).toMatch(/^[A-Z][^\n]*[.?]$/)
    expect(problem.mend).not.toMatch(/undefined|\[object/)
  }
}

function onlyConfigError(run: () => unknown) {
  try {
    run()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    expect(error.problems.some(problem => problem.severity === 'error')).toBe(true)
    return error.problems
  }
  return []
}

type Step = string | number

function everyPlace(value: unknown, place: readonly Step[] = []): (readonly Step[])[] {
  if (typeof value !== 'object' || value === null) return [place]
  const steps = Array.isArray(value) ? [...value.keys()] : Object.keys(value)
  const inside = steps.flatMap(step => everyPlace((value as Record<Step, unknown>)[step], [...place, step]))
  return place.length === 0 ? inside : [place, ...inside]
}

/** Does nothing where an earlier slip took the place away. */
function put(root: object, place: readonly Step[], value: unknown): void {
  let here: unknown = root
  for (const step of place.slice(0, -1)) here = (here as Record<Step, unknown> | null | undefined)?.[step]
  if (typeof here === 'object' && here !== null) (here as Record<Step, unknown>)[place.at(-1)!] = value
}
