// Answers without an endpoint, the operator's routes, records, and a Worker that cannot serve.

import { beforeAll, describe, expect, it, vi } from 'vitest'
import { bundleEdge, startEdge } from '../../cli/edge.ts'
import { CannotRun } from '../../cli/exit.ts'
import type { ConfigInput } from '../../shared/config/config.ts'
import { parse } from '../../shared/config/parse.ts'
import { openHttpMetrics } from '../../shared/metrics/http-metrics.ts'
import { compile } from '../../shared/table/compile.ts'
import { serve } from '../../workers/app.ts'
import { endpoint, type Lab, lab, sayWhatCame } from './lab.ts'

let edge: Lab

const input = (address: string): ConfigInput => ({
  listeners: { web: { kind: 'edge' } },
  pools: { app: { endpoints: [address] } },
  routes: [
    {
      name: 'app',
      rules: [
        { name: 'all', pool: 'app' },
        { name: 'docs', match: { path: '/docs' }, redirect: { prefix: '/guide', status: 301 } },
        {
          name: 'fixed',
          match: { path: '/fixed' },
          reply: { status: 418, body: 'short and stout', headers: { 'x-a': '1' } },
          filters: { responseHeaders: { set: { 'x-rule': '{rule}' } } },
        },
      ],
    },
  ],
})

beforeAll(async () => {
  const app = await endpoint(sayWhatCame('app'))
  edge = await lab(input(app.address), { FOURSEVEN_OPERATOR_TOKEN: 'open-sesame' })
})

it('a redirect keeps host, rest and query', async () => {
  const answer = await edge.ask('/docs/a?b=1', { host: 'app.test:8080' })
  expect([answer.status, answer.headers.location]).toEqual([301, 'http://app.test:8080/guide/a?b=1'])
  expect(answer.headers['proxy-status']).toBe('fourseven; error=proxy_internal_response')
  expect(await edge.recordOf('/docs/a')).toMatchObject({ status: 301, rule: 'docs', reason: null, attempts: [] })
})

it('a fixed reply is given as the rule says', async () => {
  const answer = await edge.ask('/fixed')
  expect([answer.status, answer.body.toString()]).toEqual([418, 'short and stout'])
  expect(answer.headers).toMatchObject({ 'x-a': '1', 'x-rule': 'fixed', 'content-type': 'text/plain; charset=utf-8' })
  expect((await edge.ask('/fixed', { method: 'HEAD' })).body).toHaveLength(0)
})

describe("the operator's routes", () => {
  const authorization = 'Bearer open-sesame'

  it('want the token', async () => {
    expect((await edge.ask('/.fourseven/table')).status).toBe(401)
    expect((await edge.ask('/.fourseven/table', { headers: { authorization: 'Bearer open' } })).status).toBe(401)
  })

  it('say what is served', async () => {
    const headers = { authorization }
    expect((await edge.ask('/.fourseven/healthz', { headers })).body.toString()).toBe('ok\n')
    const table = await edge.ask('/.fourseven/table', { headers })
    expect(JSON.parse(table.body.toString())).toEqual({ listeners: 1, routes: 1, pools: 1 })
    expect((await edge.ask('/.fourseven/else', { headers })).status).toBe(404)
  })
})

it('each request has exactly one record, without cookie and query', async () => {
  await edge.ask('/first-one')
  const before = edge.records.indexOf(await edge.recordOf('/first-one')) + 1
  const asked = ['/', '/docs', '/fixed', '/.fourseven/healthz', '/one?secret=1'] as const
  const headers = { cookie: 'secret=1' }
  await Promise.all(asked.map(path => edge.ask(path, { headers })))
  await edge.ask('/last-one')
  await edge.recordOf('/last-one')
  const fresh = edge.records.slice(before)
  expect(fresh.map(record => record.path).sort()).toEqual(
    [...asked.map(path => path.split('?')[0]), '/last-one'].sort(),
  )
  expect(JSON.stringify(fresh)).not.toContain('secret')
})

describe('a Worker whose variables do not fit', () => {
  it('answers 500 to everything and says why in its log', async () => {
    const log = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    try {
      const unset = await lab(input('${NOWHERE}'), {}, { NOWHERE: 'http://127.0.0.1:9' })
      const answer = await unset.ask('/')
      expect(answer.status).toBe(500)
      expect(answer.headers['proxy-status']).toBe('fourseven; error=proxy_configuration_error')
      await expect.poll(() => unset.records).toMatchObject([{ status: 500, reason: 'proxy_configuration_error' }])
      await expect.poll(() => log.mock.calls.join('')).toMatch(/the variable NOWHERE .* is not set/)
    } finally {
      log.mockRestore()
    }
  })
})

it('a bug is answered 500, told in the log and recorded', async () => {
  const lines: string[] = []
  const log = vi.spyOn(console, 'log').mockImplementation(line => void lines.push(line))
  const error = vi.spyOn(console, 'error').mockReturnValue(undefined)
  try {
    const metrics = openHttpMetrics(compile(parse(input('http://127.0.0.1:9'), { variables: {} }).config))
    const answer = await serve({ metrics } as never, new Request('http://app.test/bug') as never, {} as never)
    expect([answer.status, answer.headers.get('proxy-status')]).toEqual([500, 'fourseven; error=proxy_internal_error'])
    expect(lines.map(line => JSON.parse(line))).toMatchObject([{ status: 500, reason: 'proxy_internal_error' }])
    expect(error.mock.calls.join('')).toContain('TypeError')
  } finally {
    log.mockRestore()
    error.mockRestore()
  }
})

it('without a token the operator paths are routed like any other', async () => {
  const app = await endpoint(sayWhatCame('app'))
  const closed = await lab(input(app.address))
  expect((await closed.ask('/.fourseven/healthz')).seen.endpoint).toBe('app')
})

it('a reload serves the new config in the same place', async () => {
  const [one, two] = await Promise.all([endpoint(sayWhatCame('one')), endpoint(sayWhatCame('two'))])
  const moving = await lab(input(one.address))
  expect((await moving.ask('/')).seen.endpoint).toBe('one')
  await moving.reload(parse(input(two.address), { variables: {} }).config, {})
  expect((await moving.ask('/')).seen.endpoint).toBe('two')
})

it('a port in use is said in one line', async () => {
  const { config } = parse(input('http://127.0.0.1:9'), { variables: {} })
  const taken = startEdge({ config, host: '127.0.0.1', port: edge.port, variables: {} })
  await expect(taken).rejects.toThrow(CannotRun)
  await expect(taken).rejects.toThrow(`the edge cannot listen on 127.0.0.1:${edge.port}: the port is in use`)
})

it('the Worker is small enough for the free plan', async () => {
  const { gzipSync } = await import('node:zlib')
  const bundle = await bundleEdge(parse(input('http://127.0.0.1:9'), { variables: {} }).config, { minify: true })
  expect(gzipSync(bundle).length).toBeLessThan(200_000)
})
