// Two tries at once, through workerd. Each case has a path of its own, and endpoints count what they were asked.

import type http from 'node:http'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Endpoint, endpoint, type Lab, lab, nobody, reset, sayWhatCame } from './lab.ts'

let edge: Lab
let slow: Endpoint
let fast: Endpoint
/** Requests to the slow endpoint whose connection was closed before they were answered. */
const cancelled: string[] = []
/** Answers to be given later, by URL. */
const waiting = new Map<string, http.ServerResponse>()

beforeAll(async () => {
  slow = await endpoint((request, response) => {
    request.resume()
    const { url = '' } = request
    response.on('close', () => {
      if (!response.writableFinished) cancelled.push(url)
    })
    if (url.startsWith('/quick')) sayWhatCame('slow')(request, response)
    else if (url.startsWith('/bad')) response.writeHead(503).end('bad')
    else if (url.startsWith('/late')) waiting.set(url, response)
    else if (url.startsWith('/break')) setTimeout(() => reset(request), 150)
  })
  fast = await endpoint((request, response) => {
    request.resume()
    const { url = '' } = request
    if (url.startsWith('/late-bad') || url.startsWith('/both-bad')) response.writeHead(503).end('fast is bad')
    else if (url.startsWith('/late')) response.writeHead(503, { 'retry-after': '0' }).end()
    else sayWhatCame('fast')(request, response)
  })
  const dead = await nobody()
  // Priority makes the order certain: the slow one first, the fast one as the next in reserve.
  const pool = (...addresses: string[]) => ({
    endpoints: addresses.map((address, priority) => ({ address, priority })),
    outlier: false as const,
  })
  const hedge = { after: '50ms' } as const
  edge = await lab({
    listeners: { web: { kind: 'edge' } },
    pools: {
      app: pool(slow.address, fast.address),
      poor: { ...pool(slow.address, fast.address), retryBudget: { percent: 0, perSecond: 0 } },
      toDead: pool(slow.address, dead),
      full: { ...pool(slow.address, fast.address), limits: { maxRequests: 2 } },
      learning: pool(slow.address, fast.address),
    },
    routes: [
      {
        name: 'app',
        rules: [
          { name: 'all', pool: 'app', hedge, timeouts: { try: '5s' } },
          {
            name: 'patient',
            match: [{ path: '/quick' }, { path: '/bad' }],
            pool: 'app',
            hedge: { after: '5s' },
          },
          {
            name: 'unsafe',
            match: [{ path: '/hang/post' }, { path: '/hang/put' }],
            pool: 'app',
            hedge,
            timeouts: { try: '400ms' },
          },
          { name: 'poor', match: { path: '/hang/poor' }, pool: 'poor', hedge, timeouts: { try: '400ms' } },
          { name: 'dead', match: { path: '/late/dead' }, pool: 'toDead', hedge, timeouts: { try: '5s' } },
          { name: 'full', match: { path: '/hang/full' }, pool: 'full', hedge, timeouts: { try: '1s' } },
          {
            name: 'learn',
            match: [{ path: '/hang/learn' }, { path: '/quick/learn' }],
            pool: 'learning',
            hedge: { after: 'p95' },
            timeouts: { try: '2s' },
          },
        ],
      },
    ],
  })
})

describe('a GET that is not answered in time', () => {
  it('is sent to another endpoint too, and the first answer wins', async () => {
    const answer = await edge.ask('/hang/get')
    expect(answer.seen.endpoint).toBe('fast')
    expect([slow.count('/hang/get'), fast.count('/hang/get')]).toEqual([1, 1])
    const record = await edge.recordOf('/hang/get')
    expect(record).toMatchObject({ status: 200, reason: null, endpoint: fast.address })
    expect(record.attempts).toMatchObject([
      { endpoint: fast.address, outcome: 200, isHedge: true },
      { endpoint: slow.address, outcome: 'cancelled' },
    ])
  })

  it('ends the request that lost, at its endpoint too', async () => {
    await edge.ask('/hang/closed')
    await expect.poll(() => cancelled).toContain('/hang/closed')
  })

  it('may still be answered by the first one', async () => {
    const asked = edge.ask('/late/first')
    await expect.poll(() => waiting.has('/late/first') && fast.count('/late/first')).toBe(1)
    waiting.get('/late/first')!.end('from the slow one')
    expect((await asked).body.toString()).toBe('from the slow one')
    const { attempts } = await edge.recordOf('/late/first')
    expect(attempts.map(attempt => attempt.outcome)).toEqual([503, 200])
  })

  it('waits for the first one when the hedge finds nobody', async () => {
    const asked = edge.ask('/late/dead')
    await expect.poll(() => waiting.has('/late/dead')).toBe(true)
    setTimeout(() => waiting.get('/late/dead')!.end('in the end'), 200)
    expect((await asked).body.toString()).toBe('in the end')
    const { attempts } = await edge.recordOf('/late/dead')
    expect(attempts.map(attempt => attempt.outcome)).toEqual(['connect-failure', 200])
  })

  it('is answered by the hedge when the first one breaks', async () => {
    const answer = await edge.ask('/break/first')
    expect(answer.seen.endpoint).toBe('fast')
  })

  it('passes on the last answer when both are bad', async () => {
    const asked = edge.ask('/late-bad')
    await expect.poll(() => fast.count('/late-bad')).toBe(1)
    waiting.get('/late-bad')!.writeHead(502).end('slow is bad')
    const answer = await asked
    expect([answer.status, answer.body.toString()]).toEqual([502, 'slow is bad'])
    expect((await edge.recordOf('/late-bad')).attempts.map(attempt => attempt.outcome)).toEqual([503, 502])
  })
})

describe('it is not sent twice at once', () => {
  it('when the answer is there in time', async () => {
    expect((await edge.ask('/quick/get')).seen.endpoint).toBe('slow')
    expect(fast.count('/quick/get')).toBe(0)
  })

  it('when the first one fails in time: that is a retry', async () => {
    expect((await edge.ask('/bad/get')).seen.endpoint).toBe('fast')
    const { attempts } = await edge.recordOf('/bad/get')
    expect(attempts.map(({ outcome }) => outcome)).toEqual([503, 200])
    expect(attempts.some(attempt => 'isHedge' in attempt)).toBe(false)
  })

  it('when it is a POST', async () => {
    const answer = await edge.ask('/hang/post', { method: 'POST', body: 'once' })
    expect(answer.status).toBe(504)
    expect([slow.count('/hang/post'), fast.count('/hang/post')]).toEqual([1, 0])
  })

  it('when it is a PUT, which is retried but not hedged', async () => {
    expect((await edge.ask('/hang/put', { method: 'PUT', body: 'once' })).status).toBe(504)
    expect(fast.count('/hang/put')).toBe(0)
  })

  it('when the retry budget is used up', async () => {
    expect((await edge.ask('/hang/poor')).status).toBe(504)
    expect(fast.count('/hang/poor')).toBe(0)
  })
})

it('a try that was given up frees its place and tells nothing of its endpoint', async () => {
  // Two places: were one kept, the third request would be refused.
  for (const path of ['/hang/full/1', '/hang/full/2', '/hang/full/3']) {
    expect((await edge.ask(path)).seen.endpoint).toBe('fast')
  }
})

it('p95 is learned from 20 answers of the pool: before that nothing is hedged', async () => {
  expect((await edge.ask('/hang/learn/early')).status).toBe(504)
  expect(fast.count('/hang/learn/early')).toBe(0)
  // With the one timeout above p95 is still among the quick ones.
  for (let count = 0; count < 30; count++) await edge.ask(`/quick/learn/${count}`)
  expect((await edge.ask('/hang/learn/late')).seen.endpoint).toBe('fast')
})
