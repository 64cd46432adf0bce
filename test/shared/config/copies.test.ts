// Hedges, mirrors and subrequests in a config: what is read, and what is told.

import { describe, expect, test } from 'vitest'
import { parse } from '../../../shared/config/parse.ts'
import type { HttpRule } from '../../../shared/config/parsed.ts'
import { partFor } from '../../../shared/config/part.ts'
import { ConfigError } from '../../../shared/config/problem.ts'
import { planSubrequests } from '../../../shared/config/subrequests.ts'

const two = ['https://a.example.com', 'https://b.example.com']
const config = (rule: object, listener: object = {}, pools: object = {}) => ({
  listeners: { web: { kind: 'edge', ...listener } },
  pools: { app: { endpoints: two }, shadow: { endpoints: ['https://s.example.com'] }, ...pools },
  routes: [
    { name: 'r', pool: 'app', ...rule },
    { name: 'other', pool: 'shadow', match: { path: '/other' } },
  ],
})
const ruleOf = (rule: object): HttpRule => parse(config(rule)).config.routes[0]!.rules[0] as HttpRule

type Told = readonly [severity: string, code: string, path: string, message: string, mend: string]

function told(input: unknown): Told[] {
  const words = () => {
    try {
      return parse(input).warnings
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      return error.problems
    }
  }
  return words().map(({ severity, code, path, message, mend }) => [severity, code, path, message, mend])
}

describe('what is written is read', () => {
  test.each([
    ['p50', { by: 'percentile', percentile: 50 }],
    ['p95', { by: 'percentile', percentile: 95 }],
    ['p99', { by: 'percentile', percentile: 99 }],
    ['200ms', { by: 'time', ms: 200 }],
  ])('a hedge after %s', (after, hedge) => {
    expect(ruleOf({ hedge: { after } }).hedge).toEqual(hedge)
  })

  test('mirrors go to all requests unless they say how many', () => {
    expect(ruleOf({ mirrors: [{ pool: 'shadow' }, { pool: 'app', percent: 2.5 }] }).mirrors).toEqual([
      { pool: 'shadow', percent: 100 },
      { pool: 'app', percent: 2.5 },
    ])
  })

  test('the pool of a mirror belongs to the plane of its rule', () => {
    const input = {
      ...config({ mirrors: [{ pool: 'aside' }] }, {}, { aside: { endpoints: ['https://aside.example.com'] } }),
    }
    const part = partFor(parse(input).config, 'workers')
    expect(part.pools.map(pool => pool.name)).toContain('aside')
  })

  test('a listener has as many subrequests as it says', () => {
    expect(parse(config({}, { subrequests: 10_000 })).config.listeners[0]).toMatchObject({ subrequests: 10_000 })
  })
})

describe('what cannot be is told', () => {
  // biome-ignore format: a case is a line of config and a line for each problem
  const cases: readonly (readonly [name: string, input: unknown, ...problems: Told[]])[] = [
    ['a part of the answers that nobody counts', config({ hedge: { after: 'p90' } }),
      ['error', 'unknown-value', 'routes[0].hedge.after', '"p90" is not a part of the answers that is known here', 'Write "p50", "p95" or "p99", or a time such as "200ms".']],
    ['a time that is none', config({ hedge: { after: 'soon' } }),
      ['error', 'bad-duration', 'routes[0].hedge.after', '"soon" is not a length of time', 'Write one such as "250ms", "2s", "5m", "1h" or "30d".']],
    ['a hedge where nothing is tried twice', config({ hedge: { after: 'p95' }, retry: false }),
      ['error', 'hedge-never', 'routes[0].hedge', 'a hedge is a second try, and the rule has one', 'Let "retry" have 2 attempts or more, or leave "hedge" out.']],
    ['a hedge of methods that are not safe', config({ hedge: { after: 'p95' }, match: { method: ['POST', 'PUT'] } }),
      ['error', 'hedge-never', 'routes[0].hedge', 'only "GET", "HEAD", "OPTIONS" and "TRACE" are sent twice at once, and the rule matches none of them', 'Leave "hedge" out, or match a safe method too.']],
    ['a hedge after the try is over', config({ hedge: { after: '15s' } }),
      ['error', 'hedge-never', 'routes[0].hedge.after', 'one try ends after 15s already', 'Write a shorter time, or raise "timeouts.try".']],
    ['a hedge with nowhere to go', config({ pool: 'shadow', hedge: { after: 'p95' } }),
      ['warning', 'unused-pool', 'pools.app', 'no route sends anything to the pool "app"', 'Name it in a route, or leave it out.'],
      ['warning', 'hedge-alone', 'routes[0].hedge', 'a hedge asks another endpoint, and no pool of the rule has a second one', 'Add an endpoint, or leave "hedge" out.']],
    ['a mirror of a redirect', config({ pool: undefined, redirect: { path: '/' }, mirrors: [{ pool: 'app' }] }),
      ['error', 'not-forwarded', 'routes[0].mirrors', 'a rule with a redirect asks no endpoint, so "mirrors" has nothing to do', 'Leave "mirrors" out, or write it beside "pool" or "variants".']],
    ['a hedge of a reply', config({ pool: undefined, reply: { status: 200 }, hedge: { after: 'p95' } }),
      ['error', 'not-forwarded', 'routes[0].hedge', 'a rule with a reply asks no endpoint, so "hedge" has nothing to do', 'Leave "hedge" out, or write it beside "pool" or "variants".'],
      ['warning', 'unused-pool', 'pools.app', 'no route sends anything to the pool "app"', 'Name it in a route, or leave it out.']],
    ['a mirror to a pool that is not there', config({ mirrors: [{ pool: 'shado' }] }),
      ['error', 'unknown-pool', 'routes[0].mirrors[0].pool', 'no pool is named "shado"', 'Did you mean "shadow"?']],
    ['more than all', config({ mirrors: [{ pool: 'shadow', percent: 101 }] }),
      ['error', 'out-of-range', 'routes[0].mirrors[0].percent', '101 is out of bounds', 'Write a number from 0 to 100.']],
    ['more subrequests than there are', config({}, { subrequests: 10_001 }),
      ['error', 'out-of-range', 'listeners.web.subrequests', '10001 is out of bounds', 'Write a whole number from 1 to 10,000.']],
    ['a rule that cannot fit', config({ mirrors: [{ pool: 'shadow' }, { pool: 'shadow' }] }, { subrequests: 3 }),
      ['error', 'too-many-subrequests', 'routes[0]', 'one request may take 4 subrequests (2 tries and 2 mirrors), and listener "web" allows 3', 'Raise listeners.web.subrequests (a paid plan has up to 10,000), or lower retry.attempts or the mirrors.']],
    ['more at once than a Worker has connections', config({ hedge: { after: 'p95' }, mirrors: Array.from({ length: 5 }, () => ({ pool: 'shadow' })) }),
      ['warning', 'too-many-at-once', 'routes[0]', '7 requests may wait for an answer at once (hedge and mirrors), and a Worker has 6 connections', 'Name fewer mirrors: slow ones would keep a retry waiting.']],
    ['a hedge of a flow', { listeners: { db: { kind: 'tcp', address: '127.0.0.1:1' } }, pools: { sql: { endpoints: ['tcp://sql:1'] } }, routes: [{ name: 'f', listener: 'db', pool: 'sql', hedge: { after: 'p95' } }] },
      ['error', 'wrong-layer', 'routes[0].hedge', 'rule.hedge needs layer 7, and "tcp" listeners are layer 4', 'Put it on a route of a listener of kind "edge" (the Worker at the edge) or "http" (the relay, HTTP/1.1, HTTP/2 and gRPC per request).']],
    ['a binding at the relay', { listeners: { db: { kind: 'tcp', address: '127.0.0.1:1' } }, pools: { sql: { endpoints: ['binding:SQL'] } }, routes: [{ name: 'f', listener: 'db', pool: 'sql' }] },
      ['error', 'wrong-scheme', 'pools.sql.endpoints[0]', 'route "f" on a "tcp" listener sends to this pool and cannot speak to a binding of the Worker', 'Write tcp://, tls:// or unix: here, or give the route a pool of its own.']],
  ]
  test.each(cases.map(([name, input, ...problems]) => [name, input, problems] as const))('%s', (_, input, problems) => {
    expect(told(input)).toEqual(problems)
  })

  test.each([
    ['as many as there are', config({ mirrors: [{ pool: 'shadow' }] }, { subrequests: 3 })],
    ['a mirror that is turned off', config({ mirrors: [{ pool: 'shadow', percent: 0 }] }, { subrequests: 2 })],
    ['more attempts than endpoints', config({ retry: { attempts: 10 } }, { subrequests: 2 })],
    ['six at once', config({ mirrors: Array.from({ length: 5 }, () => ({ pool: 'shadow' })) })],
    [
      'a hedge beside methods that are not safe',
      config({ hedge: { after: 'p95' }, match: { method: ['GET', 'POST'] } }),
    ],
    ['a binding at the edge', config({}, {}, { app: { endpoints: ['binding:APP'] } })],
  ])('and this is fine: %s', (_, input) => {
    expect(told(input)).toEqual([])
  })
})

test('a rule is planned by its largest pool', () => {
  const variants = [
    { name: 'one', weight: 1, pool: 'app' },
    { name: 'two', weight: 1, pool: 'shadow' },
    { name: 'none', weight: 1, reply: { status: 200 } },
  ]
  const rule = ruleOf({ pool: undefined, variants, retry: { attempts: 5 }, mirrors: [{ pool: 'shadow', percent: 1 }] })
  const endpoints = new Map([
    ['app', 3],
    ['shadow', 9],
  ])
  expect(planSubrequests(rule, pool => endpoints.get(pool)!)).toEqual({ tries: 5, mirrors: 1, total: 6, atOnce: 2 })
  endpoints.set('shadow', 2)
  expect(planSubrequests(rule, pool => endpoints.get(pool)!)).toEqual({ tries: 3, mirrors: 1, total: 4, atOnce: 2 })
})
