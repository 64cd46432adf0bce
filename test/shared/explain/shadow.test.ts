import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ConfigInput } from '../../../shared/config/config.ts'
import type { HttpMatchInput } from '../../../shared/config/config-http.ts'
import { parse } from '../../../shared/config/parse.ts'
import { matchHttp } from '../../../shared/decide/match.ts'
import { sampleOf } from '../../../shared/explain/sample.ts'
import { findShadowed, shadowProblems } from '../../../shared/explain/shadow.ts'
import { compile } from '../../../shared/table/compile.ts'
import { EDGE_DOOR } from '../../../shared/table/compile-http.ts'
import { requestFacts } from '../../support/facts.ts'

function problemsOf(...matches: (HttpMatchInput | HttpMatchInput[])[]) {
  return problems({
    listeners: { web: { kind: 'edge' } },
    pools: { app: { endpoints: ['https://app.test'] } },
    routes: [{ name: 'r', rules: matches.map(match => ({ match, pool: 'app' })) }],
  })
}

function problems(input: ConfigInput) {
  const { config } = parse(input)
  return shadowProblems(compile(config), config)
}

describe('a rule nobody can reach', () => {
  it('is the second of two with the same match', () => {
    expect(problemsOf({ path: '/api' }, { path: '/api' })).toEqual([
      {
        severity: 'warning',
        code: 'shadowed-rule',
        path: 'routes[0].rules[1]',
        message: 'the rule r/1 is shadowed: r/0 takes every request it could; for one, GET http://any-host.invalid/api',
        mend: 'Make its match narrower than that of r/0, put it before that rule, or remove it.',
      },
    ])
  })

  it.each([
    ['a prefix behind a regex for everything', [{ path: { regex: '/.*' } }, { path: '/api' }]],
    ['an exact path behind the same one', [{ path: { exact: '/a' } }, { path: { exact: '/a' } }]],
    ['a longer regex first, then the same again', [{ path: { regex: '/v[0-9]+' } }, { path: { regex: '/v[0-9]+' } }]],
    [
      'the same method behind a list that holds it',
      [
        { path: '/', method: ['GET', 'POST'] },
        { path: '/', method: 'GET' },
      ],
    ],
    ['an exact header behind a regex that takes it', [{ header: { a: { regex: '[0-9]+' } } }, { header: { a: '12' } }]],
    ['an exact cookie behind presence', [{ cookie: { a: { present: true } } }, { cookie: { a: '1' } }]],
    ['a network behind a wider one', [{ address: '10.0.0.0/8' }, { address: ['10.1.0.0/16', '10.2.3.4'] }]],
    ['a country behind a list that holds it', [{ country: ['DE', 'AT'] }, { country: 'DE' }]],
  ] as [string, HttpMatchInput[]][])('%s', (_, matches) => {
    expect(problemsOf(...matches).map(problem => [problem.code, problem.path])).toEqual([
      ['shadowed-rule', 'routes[0].rules[1]'],
    ])
  })

  it('is told match by match when only one of its matches is shadowed', () => {
    const found = problemsOf({ path: '/a' }, [{ path: '/a' }, { path: '/b' }])
    expect(found.map(problem => [problem.code, problem.path])).toEqual([
      ['shadowed-match', 'routes[0].rules[1].match[0]'],
    ])
  })

  it('is shadowed only if it is under every one of its hostnames', () => {
    const input: ConfigInput = {
      listeners: { web: { kind: 'edge' } },
      pools: { app: { endpoints: ['https://app.test'] } },
      routes: [
        { name: 'one', hostnames: ['a.test'], pool: 'app' },
        { name: 'two', hostnames: ['a.test', 'b.test'], pool: 'app' },
      ],
    }
    expect(problems(input)).toEqual([])
  })

  it('is a route whose listener serves none of its hostnames', () => {
    const input: ConfigInput = {
      listeners: { web: { kind: 'edge', hostnames: ['a.test'] } },
      pools: { app: { endpoints: ['https://app.test'] } },
      routes: [
        { name: 'ok', pool: 'app' },
        { name: 'lost', hostnames: ['b.test'], pool: 'app' },
      ],
    }
    expect(problems(input).map(problem => [problem.code, problem.path])).toEqual([
      ['unserved-hostnames', 'routes[1].hostnames'],
    ])
  })
})

describe('no alarm', () => {
  it.each([
    ['a narrower rule behind a wider one: precedence sees to it', [{ path: '/' }, { path: '/api' }]],
    ['the same path with a header more', [{ path: '/a' }, { path: '/a', header: { x: '1' } }]],
    [
      'the same path with another method',
      [
        { path: '/a', method: 'GET' },
        { path: '/a', method: 'POST' },
      ],
    ],
    ['absent and present', [{ header: { x: { absent: true } } }, { header: { x: { present: true } } }]],
    ['a regex that takes some of an other', [{ path: { regex: '/a.*' } }, { path: { regex: '/ab?' } }]],
    ['a wider network behind a narrower', [{ address: '10.1.0.0/16' }, { address: '10.0.0.0/8' }]],
  ] as [string, HttpMatchInput[]][])('%s', (_, matches) => {
    expect(problemsOf(...matches)).toEqual([])
  })
})

it('every witness is taken by the rule that shadows, and no shadowed rule is ever reached by a random request', () => {
  const value = fc.constantFrom('1', '2')
  const match = fc
    .record({
      path: fc.constantFrom('/', '/a', '/a/b', { exact: '/a' }, { exact: '/a/b' }, { regex: '/a.*' }, { regex: '.*' }),
      method: fc.option(fc.subarray(['GET', 'POST'], { minLength: 1 }), { nil: undefined }),
      header: fc.option(fc.dictionary(fc.constantFrom('k', 'l'), value, { maxKeys: 2 }), { nil: undefined }),
    })
    .map(one => Object.fromEntries(Object.entries(one).filter(([, value]) => value !== undefined)) as HttpMatchInput)
  let shadowed = 0
  fc.assert(
    fc.property(
      fc.array(match, { minLength: 2, maxLength: 8 }),
      fc.array(
        fc.tuple(
          fc.constantFrom('/', '/a', '/a/b', '/a/b/c', '/ax', '/z'),
          fc.constantFrom('GET', 'POST', 'PUT'),
          fc.dictionary(fc.constantFrom('k', 'l'), value),
        ),
        { minLength: 30, maxLength: 30 },
      ),
      (matches, requests) => {
        const { config } = parse({
          listeners: { web: { kind: 'edge' } },
          pools: { app: { endpoints: ['https://app.test'] } },
          routes: [{ name: 'r', rules: matches.map(match => ({ match, pool: 'app' })) }],
        })
        const table = compile(config)
        const door = table.httpDoors.get(EDGE_DOOR)
        const found = findShadowed(table)
        shadowed += found.length
        for (const { witness, by } of found) {
          const asked = { ask: `${witness.method} http://${witness.host}${witness.path}`, with: witness.headers }
          expect(matchHttp(door, requestFacts(table, asked))).toBe(by)
        }
        for (const [path, method, headers] of requests) {
          const winner = matchHttp(door, requestFacts(table, { ask: `${method} http://x.test${path}`, with: headers }))
          expect(found.some(one => one.match === winner)).toBe(false)
        }
      },
    ),
    { seed: 31, numRuns: 300 },
  )
  expect(shadowed).toBeGreaterThan(50)
})

describe('a sample', () => {
  it.each([
    '/v[0-9]+',
    '(a|b)c?',
    '/[^/]+/x',
    '\\d{3}-\\w+',
    '.*',
    '',
    '/a\\.png',
    '(?:de|fr)-.+',
    '[^a]b',
    '\\u{61}b',
    '\\p{Lu}x',
  ])('is taken by %s', pattern => {
    expect(sampleOf(pattern)).toMatch(new RegExp(`^(?:${pattern})$`, 'u'))
  })

  it('is not made up where the simple way finds none', () => {
    expect(sampleOf('(?=b)a')).toBeUndefined()
  })
})
