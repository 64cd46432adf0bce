// The index against the obviously right linear matcher, on generated tables and requests.

import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { ConfigInput } from '../../../shared/config/config.ts'
import type { HttpMatchInput } from '../../../shared/config/config-http.ts'
import { parse } from '../../../shared/config/parse.ts'
import { matchHttp } from '../../../shared/decide/match.ts'
import { compile } from '../../../shared/table/compile.ts'
import { EDGE_DOOR } from '../../../shared/table/compile-http.ts'
import { linearMatch, type OracleRequest } from '../../oracle/linear.ts'
import { requestFacts } from '../../support/facts.ts'

/** Few words, so that rules and requests meet often. */
const element = fc.constantFrom('a', 'ab', 'abc', 'b', 'ba', 'v1', 'v10', '')
const path = fc.array(element, { maxLength: 4 }).map(elements => `/${elements.join('/')}`)
const host = fc.constantFrom('a.test', 'b.a.test', 'c.b.a.test', 'b.test', 'test', 'xa.test')
const hostname = fc.constantFrom('a.test', 'b.a.test', '*.a.test', '*.test', '*.b.a.test', 'b.test')
const regex = fc.constantFrom('/a.*', '/.*', '/(a|b)/v[0-9]+', '/ab?/.*', '.*c')
const value = fc.constantFrom('1', '2', '3')
const name = fc.constantFrom('k', 'l', 'm')
const values = fc.dictionary(name, value, { maxKeys: 3 })
const valueMatch = fc.oneof(
  value,
  fc.constant({ present: true } as const),
  fc.constant({ absent: true } as const),
  fc.constant({ regex: '[12]' }),
)
const valueMatches = fc.dictionary(name, valueMatch, { maxKeys: 2 })

const match: fc.Arbitrary<HttpMatchInput> = fc
  .record({
    path: fc.oneof(
      { weight: 4, arbitrary: path.map(value => value.replace(/\/\/+/g, '/')) },
      { weight: 3, arbitrary: path.map(exact => ({ exact })) },
      { weight: 1, arbitrary: regex.map(regex => ({ regex })) },
      { weight: 1, arbitrary: fc.constant(undefined) },
    ),
    method: fc.option(fc.subarray(['GET', 'POST', 'PUT'], { minLength: 1 }), { nil: undefined }),
    header: fc.option(valueMatches, { nil: undefined }),
    cookie: fc.option(valueMatches, { nil: undefined }),
    query: fc.option(valueMatches, { nil: undefined }),
  })
  .map(record => Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)))

const route = fc.record({
  hostnames: fc.uniqueArray(hostname, { maxLength: 3 }),
  rules: fc.array(fc.array(match, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 4 }),
})

const config: fc.Arbitrary<ConfigInput> = fc.array(route, { minLength: 1, maxLength: 12 }).map(routes => ({
  listeners: { web: { kind: 'edge' } },
  pools: { app: { endpoints: ['https://app.test'] } },
  routes: routes.map(({ hostnames, rules }, i) => ({
    name: `r${i}`,
    ...(hostnames.length === 0 ? {} : { hostnames }),
    rules: rules.map(matches => ({ match: matches, pool: 'app' })),
  })),
}))

const request: fc.Arbitrary<OracleRequest> = fc.record({
  host,
  path,
  method: fc.constantFrom('GET', 'POST', 'DELETE'),
  headers: values,
  cookies: values,
  queries: values,
})

it('finds what the linear matcher finds', () => {
  let found = 0
  let asked = 0
  fc.assert(
    fc.property(config, fc.array(request, { minLength: 20, maxLength: 20 }), (input, requests) => {
      const parsed = parse(input).config
      const table = compile(parsed)
      for (const one of requests) {
        const query = new URLSearchParams(one.queries).toString()
        const cookie = Object.entries(one.cookies).map(([name, value]) => `${name}=${value}`)
        const facts = {
          ...requestFacts(table, {
            ask: `${one.method} http://${one.host}/?${query}`,
            with: { ...one.headers, ...(cookie.length === 0 ? {} : { cookie: cookie.join('; ') }) },
          }),
          path: one.path,
        }
        const expected = linearMatch(parsed, one)
        expect(matchHttp(table.httpDoors.get(EDGE_DOOR), facts)?.rule.id).toBe(expected)
        asked += 1
        if (expected !== undefined) found += 1
      }
    }),
    { seed: 2026, numRuns: 400 },
  )
  // A test in which nothing ever matches, or everything, would prove little.
  expect(found / asked).toBeGreaterThan(0.3)
  expect(found / asked).toBeLessThan(0.98)
})
