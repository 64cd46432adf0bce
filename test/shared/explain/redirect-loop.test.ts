import { describe, expect, it } from 'vitest'
import type { HttpRuleInput } from '../../../shared/config/config-http.ts'
import { redirectLoops } from '../../../shared/explain/redirect-loop.ts'
import { tableOf } from '../../support/table.ts'

function loopsOf(rules: HttpRuleInput[], hostnames?: string[]) {
  const route = { name: 'r', rules, ...(hostnames === undefined ? {} : { hostnames }) }
  const pools = { app: { endpoints: ['https://app.test'] } }
  return redirectLoops(tableOf({ listeners: { web: { kind: 'edge' } }, pools, routes: [route] }))
}

it('a redirect to what the rule itself takes is a loop', () => {
  expect(loopsOf([{ match: { path: '/same' }, redirect: { path: '/same' } }])).toEqual([
    {
      severity: 'warning',
      code: 'redirect-loop',
      path: 'routes[0].rules[0].redirect',
      message: 'the redirect of r/0 comes back to it for ever: http://any-host.invalid/same leads to itself',
      mend: 'Redirect to a path that another rule takes, or match what is to be redirected by an exact path.',
    },
  ])
})

it('a prefix that is replaced by a longer one grows for ever', () => {
  const [found] = loopsOf([{ match: { path: '/sub' }, redirect: { prefix: '/sub/x' } }])
  expect(found!.message).toContain(
    '/sub leads to http://any-host.invalid/sub/x, that to http://any-host.invalid/sub/x/x, and so on',
  )
})

describe('a loop', () => {
  it.each<[string, HttpRuleInput[], string[]?]>([
    ['below the prefix', [{ match: { path: '/sub' }, redirect: { path: '/sub/x' } }]],
    [
      'through another rule',
      [
        { match: { path: { exact: '/a' } }, redirect: { path: '/b' } },
        { match: { path: { exact: '/b' } }, redirect: { path: '/a' } },
      ],
    ],
    [
      'under the same condition',
      [{ match: { path: '/a', cookie: { c: '1' }, country: 'DE' }, redirect: { path: '/a/b' } }],
    ],
    ['to a host of the same route', [{ redirect: { host: 'www.a.test' } }], ['*.a.test']],
    ['for a POST that stays one', [{ match: { path: '/a', method: 'POST' }, redirect: { path: '/a', status: 307 } }]],
    ['by a regex', [{ match: { path: { regex: '/a/.*' } }, redirect: { path: '/a/b' } }]],
  ])('%s', (_, rules, hostnames) => {
    const found = loopsOf(rules, hostnames)
    expect(found.map(({ path }) => path)).toEqual(rules.map((_, index) => `routes[0].rules[${index}].redirect`))
  })
})

describe('no loop', () => {
  it.each<[string, HttpRuleInput[], string[]?]>([
    ['to a path of another rule', [{ match: { path: '/docs' }, redirect: { prefix: '/guide' } }]],
    ['from an exact path below it', [{ match: { path: { exact: '/a' } }, redirect: { path: '/a/b' } }]],
    ['to another scheme, which need not come here', [{ redirect: { scheme: 'https' } }]],
    ['to another port', [{ redirect: { port: 8443 } }]],
    ['to a host that nobody names', [{ redirect: { host: 'www.a.test' } }]],
    [
      'for a POST that becomes a GET',
      [{ match: { path: '/a', method: 'POST' }, redirect: { path: '/a', status: 303 } }],
    ],
    [
      'when a more specific rule takes it',
      [
        { match: { path: '/a' }, redirect: { path: '/a/b' } },
        { match: { path: '/a/b' }, pool: 'app' },
      ],
    ],
    [
      'when a cookie ends it',
      [
        {
          match: { path: '/a', cookie: { seen: { absent: true } } },
          redirect: { path: '/a' },
          filters: { responseHeaders: { add: { 'set-cookie': 'seen=1' } } },
        },
      ],
    ],
  ])('%s', (_, rules, hostnames) => {
    expect(loopsOf(rules, hostnames)).toEqual([])
  })

  it('is told of a rule that only leads into one', () => {
    const found = loopsOf([
      { match: { path: '/in' }, redirect: { path: '/same' } },
      { match: { path: '/same' }, redirect: { path: '/same' } },
    ])
    expect(found.map(({ path }) => path)).toEqual(['routes[0].rules[1].redirect'])
  })
})
