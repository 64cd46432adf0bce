// Cases under `expect`, proven by the real command.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { unpackConfig } from '../../shared/config/packed.ts'
import { folderWith, fourseven } from './command.ts'

const CONFIG = `listeners:
  web: { kind: edge, via: true }
  db: { kind: tcp, address: 127.0.0.1:7000 }
  secure: { kind: tls, address: 127.0.0.1:7001 }
pools:
  stable: { endpoints: [https://s1.example.com, { address: https://s2.example.com, name: two }] }
  canary: { endpoints: [https://c.example.com/base] }
  sql: { endpoints: [tcp://sql.example.com:6000] }
routes:
  - name: app
    hostnames: [app.example.com]
    rules:
      - name: api
        match: [{ path: /api }, { path: /rest }]
        pool: stable
        filters:
          rewrite: { prefix: /v1 }
          requestHeaders: { set: { x-rule: '{route}/{rule}' }, remove: [x-secret] }
          responseHeaders: { set: { x-served-by: fourseven } }
      - { name: old, match: { path: /old }, redirect: { prefix: /new, status: 301 } }
      - { name: home, match: { path: /home, country: DE, address: 203.0.113.0/24 }, pool: canary }
      - name: all
        variants:
          - { name: stable, weight: 9999, pool: stable }
          - { name: canary, weight: 1, pool: canary }
          - { name: asleep, weight: 0, pool: canary }
        split: { force: { cookie: canary, to: canary }, expose: true }
  - { name: sql, listener: [db, secure], match: { address: 10.0.0.0/8 }, pool: sql }
  - { name: named, listener: secure, match: { sni: db.example.com, alpn: postgresql }, pool: sql }
expect:
`

async function check(cases: string, ...more: string[]) {
  const cwd = folderWith({ 'routes.yaml': CONFIG + cases })
  const ended = await fourseven(['check', 'routes.yaml', ...more], { cwd })
  return { ...ended, cwd, line: CONFIG.split('\n').length }
}

test('what is promised and holds is one more word in the verdict', async () => {
  const { stdout, code } = await check(
    `
  - request: https://app.example.com/api/x?y=1
    gets:
      route: app
      rule: api
      variant: stable
      pool: stable
      endpoint: [https://s1.example.com, two]
      path: /v1/x?y=1
      requestHeaders: { x-rule: app/api, host: { regex: 's[12]\\.example\\.com' }, x-forwarded-host: app.example.com, via: { present: true } }
      responseHeaders: { x-served-by: fourseven, x-fourseven-variant: { absent: true } }
  - { request: { url: 'http://app.example.com/api', headers: { X-Secret: a } }, gets: { requestHeaders: { x-secret: { absent: true } } } }
  - { request: https://app.example.com/old/a?b, gets: { rule: old, status: 301, location: 'https://app.example.com/new/a?b' } }
  - request: { url: https://app.example.com/home, country: de, address: 203.0.113.9, listener: web }
    gets: { rule: home, path: /base/home, requestHeaders: { x-forwarded-for: 203.0.113.9 } }
  - { request: https://app.example.com/home, gets: { rule: all, variant: [stable, canary] } }
  - { request: { url: https://app.example.com/, cookies: { canary: always } }, gets: { variant: canary, pool: canary, endpoint: https://c.example.com/base, responseHeaders: { x-fourseven-variant: canary } } }
  - { request: https://other.example.com/, gets: { status: 404, reason: destination_not_found, body: { } } }
`.replace(', body: { }', ''),
  )
  expect(stdout).toBe('routes.yaml: ok, 0 errors, 0 warnings (3 listeners, 3 routes, 6 rules, 3 pools, 7 cases)\n')
  expect(code).toBe(0)
})

test('flows too: by listener, address, server name and protocol', async () => {
  const { stdout, code } = await check(`
  - { flow: { listener: db, from: '10.1.2.3:4' }, gets: { route: sql, rule: '0', pool: sql, endpoint: tcp://sql.example.com:6000 } }
  - { flow: { listener: db }, gets: { reason: destination_not_found } }
  - { flow: { listener: secure, sni: DB.example.com, alpn: [postgresql] }, gets: { route: named } }
  - { flow: { listener: secure }, gets: { reason: server_name_missing } }
  - { flow: { listener: secure, from: '10.0.0.1', sni: db.example.com, alpn: h2 }, gets: { route: sql } }
`)
  expect(stdout).toContain('routes.yaml: ok, 0 errors, 0 warnings')
  expect(stdout).toContain('5 cases')
  expect(code).toBe(0)
})

test("requests at the relay's http listeners: by the port of the URL, with the client's host and address", async () => {
  const yaml = `listeners:
  app: { kind: http, address: 0.0.0.0:8080, hostnames: [app.example.com] }
  old: { kind: http, address: 0.0.0.0:8081 }
pools:
  app: { endpoints: ['http://app.internal:3000'] }
routes:
  - name: app
    listener: app
    rules:
      - { name: api, match: { path: /api, address: 10.0.0.0/8 }, pool: app, filters: { rewrite: { prefix: /v1 } } }
      - { name: all, pool: app, filters: { rewrite: { host: endpoint } } }
  - { name: old, listener: old, redirect: { scheme: https, status: 301 } }
expect:
  - request: { url: 'http://app.example.com:8080/api/x', address: 10.1.1.1 }
    gets:
      rule: api
      path: /v1/x
      requestHeaders: { host: 'app.example.com:8080', x-forwarded-for: 10.1.1.1 }
  - request: { url: http://app.example.com/api, listener: app }
    gets: { rule: all, requestHeaders: { host: 'app.internal:3000' } }
  - { request: 'http://x.example.com:8081/', gets: { status: 301, location: https://x.example.com/ } }
  - { request: 'http://x.example.com:8080/', gets: { status: 404, reason: destination_not_found } }
  - { request: 'http://x.example.com:8080/', gets: { route: app } }
`
  const { stdout, code } = await fourseven(['check', 'a.yaml'], { cwd: folderWith({ 'a.yaml': yaml }) })
  expect(stdout).toMatch(
    /^error {3}a\.yaml:23 expect\[4\]\.gets\.route: GET http:\/\/x\.example\.com:8080\/ gets no route, not "app"/,
  )
  expect(stdout).toContain('a.yaml: not ok, 1 error, 0 warnings')
  expect(code).toBe(1)
})

describe('what does not hold is an error with its line, what was expected, what came and why', () => {
  const cases: readonly (readonly [what: string, yaml: string, says: RegExp])[] = [
    [
      'another rule',
      `{ name: short of it, request: https://app.example.com/apix, gets: { rule: api } }`,
      /error {3}routes\.yaml:LINE expect\[0\]\.gets\.rule: "short of it": GET https:\/\/app\.example\.com\/apix gets rule "all", not "api": app\/all serves \(routes\[0\]\.rules\[3\]\); app\/api does not hold: path prefix wants \/\w+, got \/apix\n {8}mend: .*`fourseven explain https:\/\/app\.example\.com\/apix`/,
    ],
    [
      'a rule that comes later',
      `{ request: https://app.example.com/api, gets: { rule: all } }`,
      /gets rule "api", not "all": app\/api serves \(routes\[0\]\.rules\[0\]\); app\/all holds too and comes later by /,
    ],
    [
      'another pool',
      `{ request: { method: post, url: https://app.example.com/api, cookies: { a: b c } }, gets: { pool: canary } }`,
      /expect\[0\]\.gets\.pool: POST .* gets pool "stable", not "canary".*explain https:\/\/app\.example\.com\/api -X POST -H 'cookie: a=b c'`/s,
    ],
    [
      'a variant that chance decides, however small its part',
      `{ request: https://app.example.com/, gets: { variant: stable } }`,
      /gets variant "canary", not "stable" for some, by chance: .* variant canary by weight\n {8}mend: Name all that may come of it as a list/,
    ],
    [
      'an endpoint that chance decides',
      `{ request: https://app.example.com/api, gets: { endpoint: two } }`,
      /gets endpoint "https:\/\/s1\.example\.com", not "two" for some, by chance/,
    ],
    [
      'another status and another place',
      `{ request: https://app.example.com/old, gets: { status: 302, location: https://app.example.com/nw } }`,
      /gets\.status: .* gets status 301, not 302; location "https:\/\/app\.example\.com\/new", not "https:\/\/app\.example\.com\/nw"/,
    ],
    [
      "a status where an endpoint's is known to nobody",
      `{ request: https://app.example.com/api, gets: { status: 200 } }`,
      /gets no status, not 200/,
    ],
    [
      'another header',
      `{ request: https://app.example.com/api, gets: { requestHeaders: { x-rule: app/apis, x-a: { present: true } }, responseHeaders: { x-served-by: { absent: true } } } }`,
      /gets request header x-rule "app\/api", not "app\/apis"; no request header x-a, not present; response header x-served-by "fourseven", not absent/,
    ],
    [
      'a request header where nothing is sent on',
      `{ request: https://app.example.com/old, gets: { requestHeaders: { x-a: { absent: true } } } }`,
      /gets no request, not absent/,
    ],
    [
      'a flow that is turned away',
      `{ flow: { listener: secure, sni: x.example.com }, gets: { pool: sql } }`,
      /a flow from 192\.0\.2\.1 at secure for x\.example\.com gets no pool, not "sql": No route matches.*explain tls 192\.0\.2\.1:50000 --listener secure --sni x\.example\.com`/s,
    ],
    [
      'a listener that does not take the host',
      `{ request: { url: https://app.example.com/, address: not }, gets: { status: 200 } }`,
      /expect\[0\]\.request\.address: "not" is not the address of a client/,
    ],
    [
      'a method that nobody can ask with',
      `{ request: { url: https://app.example.com/, method: TRACE }, gets: { rule: all } }`,
      /expect\[0\]\.request: TRACE .* cannot be asked/,
    ],
    [
      'a reason that is none',
      `{ request: https://x.example.com/, gets: { reason: not_found } }`,
      /gets\.reason: no reason is named "not_found"/,
    ],
  ]

  test.each(cases)('%s', async (_, yaml, says) => {
    const { stdout, code, line } = await check(`  - ${yaml}\n`)
    expect(stdout).toMatch(new RegExp(says.source.replace('LINE', String(line)), says.flags))
    expect(stdout).toContain('routes.yaml: not ok, 1 error, 0 warnings')
    expect(code).toBe(1)
  })
})

test('what the edge is told has no case in it', async () => {
  const { code, cwd } = await check(
    `  - { request: https://app.example.com/secret-case, gets: { rule: all } }\n`,
    '--emit',
    'edge.json',
  )
  expect(code).toBe(0)
  const emitted = readFileSync(join(cwd, 'edge.json'), 'utf8')
  expect(emitted).not.toContain('secret-case')
  expect(Object.keys(unpackConfig(JSON.parse(emitted)))).toEqual([
    'listeners',
    'routes',
    'pools',
    'threads',
    'cacheStore',
  ])
})

describe('--coverage', () => {
  const some = `  - { request: https://app.example.com/api, gets: { rule: api } }
  - { request: { url: https://app.example.com/, cookies: { canary: always } }, gets: { variant: canary } }
`
  test('names what no case reaches, with counts', async () => {
    const { stdout, code } = await check(some, '--coverage')
    expect(stdout).toContain('cases reach 40 %: rules 2 of 6, matches 1 of 2, variants 1 of 2\n')
    for (const part of [
      'app/api match 1 (routes[0].rules[0].match[1])',
      'rule app/old (routes[0].rules[1])',
      'rule app/home (routes[0].rules[2])',
      'app/all variant stable (routes[0].rules[3].variants[0])',
      'rule sql/0 (routes[1])',
      'rule named/0 (routes[2])',
    ]) {
      expect(stdout).toContain(`  no case reaches ${part}\n`)
    }
    expect(stdout).not.toContain('asleep')
    expect(code).toBe(0)
  })

  test('as JSON', async () => {
    const { stdout } = await check(some, '--coverage', '--json')
    const { cases, coverage } = JSON.parse(stdout)
    expect(cases).toBe(2)
    expect(coverage).toMatchObject({ percent: 40, rules: { reached: 2, of: 6 }, variants: { reached: 1, of: 2 } })
    expect(coverage.unreached[1]).toEqual({ kind: 'rule', name: 'app/old', path: 'routes[0].rules[1]' })
  })

  test('may be asked for: less is an error', async () => {
    const enough = await check(some, '--min-coverage', '40')
    expect(enough.code).toBe(0)
    const less = await check(some, '--min-coverage', '41')
    expect(less.stdout).toContain(
      'expect: the cases reach 40 % of the rules, matches and variants, and 41 % are asked for',
    )
    expect(less.stdout).toContain('mend: Add a case for app/api match 1.')
    expect(less.code).toBe(1)
    expect((await check(some, '--min-coverage', 'all')).code).toBe(2)
  })
})
