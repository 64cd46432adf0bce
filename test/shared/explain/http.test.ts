import { describe, expect, it, test } from 'vitest'
import type { HttpMatchInput, HttpRuleInput } from '../../../shared/config/config-http.ts'
import type { PoolInput } from '../../../shared/config/config-pool.ts'
import { explainHttp, type Sending } from '../../../shared/explain/http.ts'
import { precedenceSteps } from '../../../shared/table/precedence.ts'
import { type Asked, requestFacts } from '../../support/facts.ts'
import { observedFor, tableOf } from '../../support/table.ts'

const app: PoolInput = { endpoints: ['https://a.test/base', 'https://b.test', 'https://c.test'] }

function explain(rules: HttpRuleInput[], asked: Asked, sending?: Sending, pool = app) {
  const pools = { app: pool, aside: { endpoints: ['https://aside.test'] }, shop: { endpoints: ['binding:SHOP'] } }
  const table = tableOf({ listeners: { web: { kind: 'edge' } }, pools, routes: [{ name: 'r', rules }] })
  return explainHttp(table, requestFacts(table, asked), observedFor(table), 1, sending)
}

describe('the step of precedence that decided', () => {
  const decidedBy = (first: HttpMatchInput, second: HttpMatchInput, asked: Asked) => {
    const rules = [first, second].map(match => ({ match, pool: 'app' }))
    return explain(rules, asked).decidedBy
  }
  const at = (path: string, more: Omit<Asked, 'ask'> = {}): Asked => ({ ask: `GET http://x.test${path}`, ...more })

  const told = [
    ['path kind: exact, then regex, then prefix', { path: '/a' }, { path: { exact: '/a' } }, at('/a')],
    ['path kind: exact, then regex, then prefix', { path: '/a' }, { path: { regex: '/a' } }, at('/a')],
    ['longest path', { path: '/a' }, { path: '/a/b' }, at('/a/b')],
    ['a method match', { path: '/a' }, { path: '/a', method: 'GET' }, at('/a')],
    ['most header and cookie matches', {}, { header: { h: '1' } }, at('/', { with: { h: '1' } })],
    ['most header and cookie matches', {}, { cookie: { c: '1' } }, at('/', { with: { cookie: 'c=1' } })],
    ['most query matches', {}, { query: { q: '1' } }, at('/?q=1')],
    ['most address and country matches', {}, { address: '10.0.0.0/8' }, at('/', { from: '10.0.0.1' })],
    ['most address and country matches', {}, { country: 'DE' }, at('/', { country: 'DE' })],
  ] as const satisfies readonly (readonly [string, HttpMatchInput, HttpMatchInput, Asked])[]

  it.each<readonly [string, HttpMatchInput, HttpMatchInput, Asked]>(told)(
    '%s (%j before %j)',
    (step, less, more, asked) => {
      expect(decidedBy(less, more, asked)).toEqual({ step, over: 'r/0' })
    },
  )

  it('list order', () => {
    expect(decidedBy({ method: 'GET' }, { method: 'GET' }, at('/'))).toEqual({ step: 'list order', over: 'r/1' })
  })

  const hosts = [
    ['most characters in a hostname without wildcard', ['*.x.test'], ['a.x.test']],
    ['most characters in a hostname without wildcard', [], ['a.x.test']],
    ['most characters in a wildcard hostname', ['*.test'], ['*.x.test']],
    ['most characters in a wildcard hostname', [], ['*.test']],
  ] as const

  it.each<readonly [string, readonly string[], readonly string[]]>(hosts)('%s (%j before %j)', (step, less, more) => {
    const routes = [less, more].map((hostnames, i) => ({ name: `r${i}`, hostnames, pool: 'app' }))
    const named = routes.map(({ hostnames, ...rest }) => (hostnames.length === 0 ? rest : { ...rest, hostnames }))
    const table = tableOf({ listeners: { web: { kind: 'edge' } }, pools: { app }, routes: named })
    const facts = requestFacts(table, { ask: 'GET http://a.x.test/' })
    const { step: said, over } = explainHttp(table, facts, observedFor(table), 1).decidedBy!
    expect([said, over.split('/')[0]]).toEqual([step, 'r0'])
  })

  it('is shown here for every step', () => {
    const shown = new Set<string>([...told.map(([step]) => step), ...hosts.map(([step]) => step), 'list order'])
    expect([...shown].sort()).toEqual([...precedenceSteps].sort())
  })
})

describe('the tries', () => {
  const retryOf = (rule: Partial<HttpRuleInput>, method: string, sending?: Sending, pool = app) => {
    const { retry } = explain([{ pool: 'app', ...rule }], { ask: `${method} http://x.test/` }, sending, pool)
    return [retry!.attempts, retry!.why]
  }
  const body = (bytes: Sending['body']): Sending => ({ body: bytes, isUpgrade: false, isCall: false })

  test('are those of the rule for a GET', () => {
    expect(retryOf({}, 'GET')).toEqual([2, undefined])
  })

  test('are one for a POST, unless the rule says that it is safe to', () => {
    expect(retryOf({}, 'POST')).toEqual([1, 'POST is not sent again without retry.unsafe'])
    expect(retryOf({ retry: { unsafe: true } }, 'POST', body(3))).toEqual([2, undefined])
  })

  test('are one for a body that is not kept', () => {
    expect(retryOf({}, 'PUT', body(65_536))).toEqual([2, undefined])
    expect(retryOf({}, 'PUT', body(65_537))).toEqual([1, 'a body that is not kept cannot be sent again'])
    expect(retryOf({}, 'PUT', body('of unknown length'))[0]).toBe(1)
    expect(retryOf({}, 'GET', body(3))[0]).toBe(1)
    expect(retryOf({}, 'GET', body(0))[0]).toBe(2)
  })

  test('are no more than the pool has endpoints', () => {
    expect(retryOf({ retry: { attempts: 5 } }, 'GET')).toEqual([3, 'the pool has 3 endpoints to try'])
    const alone = { endpoints: ['https://a.test', { address: 'https://b.test', weight: 0 }] }
    expect(retryOf({}, 'GET', undefined, alone)).toEqual([1, 'the pool has 1 endpoint to try'])
  })

  test('are one without a retry budget', () => {
    expect(retryOf({}, 'GET', undefined, { ...app, retryBudget: { percent: 0, perSecond: 0 } })).toEqual([
      1,
      'the retry budget is 0',
    ])
  })

  test('have no clock for a long upload', () => {
    const tryMs = (bytes: number) => explain([{ pool: 'app' }], { ask: 'PUT http://x.test/' }, body(bytes)).retry!.tryMs
    expect([tryMs(3), tryMs(65_537)]).toEqual([15_000, undefined])
  })

  test('are hedged and copied only where the plane does so', () => {
    const rule: HttpRuleInput = { pool: 'app', hedge: { after: '50ms' }, mirrors: [{ pool: 'aside' }] }
    const copies = (method: string, sending?: Sending, pool = app) => {
      const { hedgeAfter, mirrors } = explain([rule], { ask: `${method} http://x.test/` }, sending, pool).copies!
      return [hedgeAfter, mirrors[0]!.isSent]
    }
    expect(copies('GET')).toEqual([50, true])
    expect(copies('POST', body(3))).toEqual([undefined, true])
    expect(copies('POST', body(65_537))).toEqual([undefined, false])
    expect(copies('GET', { body: undefined, isUpgrade: true, isCall: false })).toEqual([undefined, false])
    expect(copies('GET', undefined, { endpoints: ['https://a.test'] })).toEqual([undefined, true])
  })

  test('are none for a body that the rule does not take', () => {
    const rule: HttpRuleInput = { pool: 'app', limits: { maxBody: '1KiB' } }
    const { decision, retry, pool } = explain([rule], { ask: 'PUT http://x.test/' }, body(1_025))
    expect(decision).toMatchObject({ do: 'reply', status: 413, details: 'the body is larger than 1KiB' })
    expect([retry, pool]).toEqual([undefined, undefined])
    expect(explain([rule], { ask: 'PUT http://x.test/' }, body('of unknown length')).decision).toMatchObject({
      status: 411,
    })
    expect(explain([rule], { ask: 'PUT http://x.test/' }, body(1_024)).decision.do).toBe('forward')
  })
})

describe('the endpoint is asked for', () => {
  const urlFor = (rule: HttpRuleInput, url: string) => {
    const { decision } = explain([rule], { ask: `GET ${url}` }, undefined, { endpoints: ['https://a.test/base'] })
    return decision.do === 'forward' ? decision.url : undefined
  }

  it('the path as it was matched, under its base', () => {
    expect(urlFor({ pool: 'app' }, 'http://x.test/p/../q?y=1')).toBe('https://a.test/base/q?y=1')
  })

  it('the path as it is rewritten', () => {
    const rewrite = { match: { path: '/old' }, pool: 'app', filters: { rewrite: { prefix: '/new' } } }
    expect(urlFor(rewrite, 'http://x.test/old/z?q=1')).toBe('https://a.test/base/new/z?q=1')
  })

  it("the client's own host, when it is a binding", () => {
    expect(urlFor({ pool: 'shop' }, 'http://x.test:8080/z')).toBe('http://x.test:8080/z')
  })
})

describe('the answer', () => {
  const variants = [
    { name: 'a', weight: 0, pool: 'app' },
    {
      name: 'b',
      weight: 1,
      reply: { status: 200 },
      filters: {
        requestHeaders: { set: { 'x-r': '1' } },
        responseHeaders: { set: { 'x-b': '1' } },
        rewrite: { path: '/z' },
      },
    },
  ]
  const rule: HttpRuleInput = {
    variants,
    filters: { responseHeaders: { set: { 'x-rule': '1' } } },
    split: { expose: true, pin: 'first' },
  }

  it('of a reply variant has the edits of the rule and its own, and no others', () => {
    const { filters } = explain([rule], { ask: 'GET http://x.test/' })
    expect(filters!.response.set).toEqual([
      ['x-rule', '1'],
      ['x-b', '1'],
    ])
    expect([filters!.request.set, filters!.rewrite]).toEqual([[], undefined])
  })

  it('says what the split exposes and sets its cookies', () => {
    const { exposed, cookies } = explain([rule], { ask: 'GET http://x.test/' })
    expect(exposed).toEqual({ 'x-fourseven-route': 'r', 'x-fourseven-variant': 'b' })
    expect(cookies.map(({ name }) => name)).toEqual(['fs_id', expect.stringMatching(/^fs_pin_r/)])
    expect(cookies[1]).toMatchObject({ value: '0.b', maxAgeS: 2_592_000 })
  })

  it('exposes nothing unasked', () => {
    const { exposed } = explain([{ ...rule, split: {} }], { ask: 'GET http://x.test/' })
    expect(exposed).toEqual({})
  })

  it('sets the cookie of the endpoint, unless the client has it', () => {
    const kept: PoolInput = { endpoints: ['https://a.test'], affinity: { cookie: 'kept' } }
    const first = explain([{ pool: 'app' }], { ask: 'GET http://x.test/' }, undefined, kept).cookies
    expect(first.map(({ name }) => name)).toEqual(['kept'])
    const again = { ask: 'GET http://x.test/', with: { cookie: `kept=${first[0]!.value}` } }
    expect(explain([{ pool: 'app' }], again, undefined, kept).cookies).toEqual([])
  })
})

it('says that a path is too long for a regex', () => {
  const rules: HttpRuleInput[] = [{ match: { path: { regex: '/.*' } }, pool: 'app' }]
  const { candidates } = explain(rules, { ask: `GET http://x.test/${'a'.repeat(2_048)}` })
  expect(candidates[0]!.failed!.got).toBe('2049 characters, more than a regex is asked about')
})
