import { expect, test } from 'vitest'
import { decideHttp } from '../../../shared/decide/http.ts'
import {
  countBytes,
  countCall,
  countRequest,
  countTry,
  openHttpMetrics,
  renderHttpMetrics,
  sumHttpMetrics,
} from '../../../shared/metrics/http-metrics.ts'
import { isDraining } from '../../../shared/pool/observed.ts'
import { requestFacts } from '../../support/facts.ts'
import { observedFor, tableOf } from '../../support/table.ts'

const table = tableOf({
  listeners: { web: { kind: 'edge' } },
  pools: {
    one: { endpoints: ['https://a.test', { address: 'https://b.test', name: 'b' }] },
    two: { endpoints: ['https://c.test'] },
  },
  routes: [
    {
      name: 'split',
      match: { path: '/split' },
      variants: [
        { name: 'old', weight: 1, pool: 'one' },
        { name: 'new', weight: 0, reply: { status: 200 } },
      ],
    },
    {
      name: 'gone',
      rules: [
        { match: { path: '/a' }, redirect: { path: '/b' } },
        { match: { path: '/c' }, pool: 'two' },
      ],
    },
  ],
})
const observed = observedFor(table)
const decide = (path: string) =>
  decideHttp(table, requestFacts(table, { ask: `GET http://x.test${path}` }), observed, 1)
const render = (metrics: ReturnType<typeof openHttpMetrics>) => renderHttpMetrics(metrics, table, observed, 1_000)
const linesOf = (text: string, name: string) => text.split('\n').filter(line => line.startsWith(name))

test('requests are counted by route, variant and status', () => {
  const metrics = openHttpMetrics(table)
  countRequest(metrics, decide('/split'), 200, 10)
  countRequest(metrics, decide('/split'), 200, 10)
  countRequest(metrics, decide('/split'), 503, 10)
  countRequest(metrics, decide('/a'), 302, 0)
  countRequest(metrics, decide('/nowhere'), 404, 0)
  countRequest(metrics, undefined, 500, 0)
  expect(linesOf(render(metrics), 'fourseven_requests_total')).toEqual([
    'fourseven_requests_total{code="404"} 1',
    'fourseven_requests_total{code="500"} 1',
    'fourseven_requests_total{route="split",variant="old",code="200"} 2',
    'fourseven_requests_total{route="split",variant="old",code="503"} 1',
    'fourseven_requests_total{route="gone",code="302"} 1',
  ])
})

test('bytes are counted by route and variant where a door knows them, and summed over threads', () => {
  const [metrics, sent] = [openHttpMetrics(table), openHttpMetrics(table)]
  countRequest(metrics, undefined, 404, 1)
  expect(linesOf(render(metrics), 'fourseven_request_bytes_total')).toEqual([])
  countBytes(metrics, undefined, 10, 200)
  countBytes(sent, undefined, 1, 2)
  expect(linesOf(render(sumHttpMetrics([metrics, sent], table)), 'fourseven_request_bytes_total')).toEqual([
    'fourseven_request_bytes_total{direction="in"} 11',
    'fourseven_request_bytes_total{direction="out"} 202',
  ])
})

test('gRPC calls are counted by the name of their status, and what nobody knows is UNKNOWN', () => {
  const metrics = openHttpMetrics(table)
  expect(linesOf(render(metrics), '# TYPE fourseven_grpc_calls_total')).toEqual([])
  for (const status of [0, 0, 14, 2, 17, 999_999_999]) {
    countRequest(metrics, decide('/split'), 200, 10)
    countCall(metrics, decide('/split'), status)
  }
  countRequest(metrics, undefined, 404, 0)
  countCall(metrics, undefined, 12)
  const expected = (times: number) => [
    `fourseven_grpc_calls_total{status="UNIMPLEMENTED"} ${times}`,
    `fourseven_grpc_calls_total{route="split",variant="old",status="OK"} ${2 * times}`,
    `fourseven_grpc_calls_total{route="split",variant="old",status="UNAVAILABLE"} ${times}`,
    `fourseven_grpc_calls_total{route="split",variant="old",status="UNKNOWN"} ${3 * times}`,
  ]
  expect(linesOf(render(metrics), 'fourseven_grpc_calls_total')).toEqual(expected(1))
  // Other threads send theirs.
  const sent = structuredClone({ series: metrics.series, retries: metrics.retries, tries: metrics.tries })
  expect(linesOf(render(sumHttpMetrics([metrics, sent], table)), 'fourseven_grpc_calls_total')).toEqual(expected(2))
})

test('durations fall into the bucket whose bound they do not pass, and buckets count up', () => {
  const metrics = openHttpMetrics(table)
  for (const ms of [0, 5, 6, 29_000, 31_000]) countRequest(metrics, decide('/c'), 200, ms)
  const lines = linesOf(render(metrics), 'fourseven_request_duration_seconds')
  const labels = 'route="gone",variant="two"'
  expect(lines[0]).toBe(`fourseven_request_duration_seconds_bucket{${labels},le="0.005"} 2`)
  expect(lines[1]).toBe(`fourseven_request_duration_seconds_bucket{${labels},le="0.01"} 3`)
  expect(lines.slice(-4)).toEqual([
    `fourseven_request_duration_seconds_bucket{${labels},le="30"} 4`,
    `fourseven_request_duration_seconds_bucket{${labels},le="+Inf"} 5`,
    `fourseven_request_duration_seconds_sum{${labels}} 60.011`,
    `fourseven_request_duration_seconds_count{${labels}} 5`,
  ])
})

test('tries are counted by endpoint and how they ended, retries by pool', () => {
  const metrics = openHttpMetrics(table)
  const [pool] = table.pools
  const [a, b] = pool!.endpoints
  countTry(metrics, pool!, a!, 204, false)
  countTry(metrics, pool!, a!, 503, false)
  countTry(metrics, pool!, a!, 101, false)
  countTry(metrics, pool!, b!, 'timeout', true)
  countTry(metrics, pool!, b!, 522, true)
  const text = render(metrics)
  expect(linesOf(text, 'fourseven_tries_total')).toEqual([
    'fourseven_tries_total{pool="one",endpoint="https://a.test",outcome="1xx"} 1',
    'fourseven_tries_total{pool="one",endpoint="https://a.test",outcome="2xx"} 1',
    'fourseven_tries_total{pool="one",endpoint="https://a.test",outcome="5xx"} 1',
    'fourseven_tries_total{pool="one",endpoint="b",outcome="ambiguous"} 1',
    'fourseven_tries_total{pool="one",endpoint="b",outcome="timeout"} 1',
  ])
  expect(linesOf(text, 'fourseven_retries_total')).toEqual([
    'fourseven_retries_total{pool="one"} 2',
    'fourseven_retries_total{pool="two"} 0',
  ])
})

test('an endpoint is in one state', () => {
  const { slot } = table.pools[0]!.endpoints[1]!
  const stateOf = () =>
    linesOf(render(openHttpMetrics(table)), 'fourseven_endpoint_state{pool="one",endpoint="b"').filter(line =>
      line.endsWith(' 1'),
    )
  const one = (state: string) => [`fourseven_endpoint_state{pool="one",endpoint="b",state="${state}"} 1`]
  expect(stateOf()).toEqual(one('up'))
  observed.ejectedUntil[slot] = 2_000
  expect(stateOf()).toEqual(one('ejected'))
  observed.flags[slot] = isDraining
  expect(stateOf()).toEqual(one('draining'))
  observed.flags[slot] = 0
  observed.ejectedUntil[slot] = 0
})

test('every line is one that Prometheus reads, and every name has its type once', () => {
  const metrics = openHttpMetrics(table)
  countRequest(metrics, decide('/split'), 200, 1_000)
  const text = render(metrics)
  expect(text.endsWith('\n')).toBe(true)
  const names: string[] = []
  for (const line of text.trimEnd().split('\n')) {
    expect(line).toMatch(
      /^(?:# (?:HELP|TYPE) fourseven_[a-z_]+ .+|fourseven_[a-z_]+(?:\{(?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)+\})? (?:[0-9.e+-]+|\+Inf))$/,
    )
    if (line.startsWith('# TYPE')) names.push(line.split(' ')[2]!)
  }
  expect(new Set(names).size).toBe(names.length)
})
