// What is tried again, and what is not. Each case has a path of its own, and endpoints count what they were asked.

import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Endpoint, endpoint, type Lab, lab, nobody, reset, sayWhatCame } from './lab.ts'

let edge: Lab
let failing: Endpoint
let good: Endpoint
let endless: Endpoint
let sayGaveUp = (_: string) => {}
const gaveUp = new Promise<string>(resolve => {
  sayGaveUp = resolve
})
const dead = { address: '' }

beforeAll(async () => {
  failing = await endpoint((request, response) => {
    const what = /^\/(\w+)/.exec(request.url!)![1]!
    if (what === 'reset') reset(request)
    else if (what === 'hang') request.resume()
    else {
      request.resume()
      response.statusCode = what === 'odd' ? 700 : Number(what.slice(1, 4))
      if (what.startsWith('s503busy')) response.setHeader('retry-after', '60')
      response.end('from the failing one')
    }
  })
  good = await endpoint(sayWhatCame('good'))
  dead.address = await nobody()
  endless = await endpoint((request, response) => {
    request.resume()
    response.statusCode = 503
    response.write('there is more to come')
    response.on('close', () => sayGaveUp('the first one was given up'))
  })
  // It answers once the first one's connection is free, or has not become so for long.
  const waiting = await endpoint(async (request, response) => {
    request.resume()
    response.end(await Promise.race([gaveUp, sleep(10_000, 'the first one is held still')]))
  })
  // Priority makes the order certain: the failing one first, the good one as the next in reserve.
  const pool = (first: string) => ({
    endpoints: [{ address: first }, { address: good.address, priority: 1 }],
    outlier: false as const,
  })
  edge = await lab({
    listeners: { web: { kind: 'edge' } },
    pools: {
      failing: pool(failing.address),
      dead: pool(dead.address),
      alone: { endpoints: [failing.address], outlier: false },
      deadAlone: { endpoints: [dead.address], outlier: false },
      poor: { ...pool(failing.address), retryBudget: { percent: 0, perSecond: 0 } },
      busy: { ...pool(failing.address) },
      full: { ...pool(failing.address), limits: { maxRequests: 1 } },
      endless: { endpoints: [endless.address, { address: waiting.address, priority: 1 }], outlier: false },
    },
    routes: [
      {
        name: 'app',
        rules: [
          { name: 'all', pool: 'failing' },
          { name: 'hanging', match: { path: '/hang' }, pool: 'failing', timeouts: { try: '300ms' } },
          { name: 'dead', match: { path: '/dead' }, pool: 'dead' },
          { name: 'unsafe', match: { path: '/s503/unsafe' }, pool: 'failing', retry: { unsafe: true } },
          {
            name: 'timeout',
            match: { path: '/hang/again' },
            pool: 'failing',
            retry: { on: ['timeout'] },
            // The one that answers has as long too, on a machine that is busy with other things.
            timeouts: { try: '2s' },
          },
          { name: 'off', match: { path: '/s503/off' }, pool: 'failing', retry: false },
          { name: 'alone', match: { path: '/s503/alone' }, pool: 'alone' },
          { name: 'deadAlone', match: { path: '/gone' }, pool: 'deadAlone' },
          { name: 'poor', match: { path: '/s503/poor' }, pool: 'poor' },
          { name: 'busy', match: { path: '/s503busy' }, pool: 'busy' },
          { name: 'endless', match: { path: '/endless' }, pool: 'endless' },
          { name: 'full', match: { path: '/hang/full' }, pool: 'full', timeouts: { try: '3s' } },
        ],
      },
    ],
  })
})

describe('a GET is tried once more', () => {
  it('after a refused connection', async () => {
    const answer = await edge.ask('/dead/get')
    expect(answer.seen.endpoint).toBe('good')
    const record = await edge.recordOf('/dead/get')
    expect(record.attempts.map(attempt => attempt.outcome)).toEqual(['connect-failure', 200])
    expect(record).toMatchObject({ status: 200, reason: null, endpoint: good.address })
  })

  it('after 503', async () => {
    const answer = await edge.ask('/s503/get')
    expect(answer.seen.endpoint).toBe('good')
    expect([failing.count('/s503/get'), good.count('/s503/get')]).toEqual([1, 1])
    const record = await edge.recordOf('/s503/get')
    expect(record.attempts.map(attempt => attempt.outcome)).toEqual([503, 200])
  })

  it('after a reset', async () => {
    const answer = await edge.ask('/reset/get')
    expect(answer.seen.endpoint).toBe('good')
    expect([failing.count('/reset/get'), good.count('/reset/get')]).toEqual([1, 1])
  })

  it('after a timeout, when the rule names it', async () => {
    const answer = await edge.ask('/hang/again')
    expect(answer.seen.endpoint).toBe('good')
    const record = await edge.recordOf('/hang/again')
    expect(record.attempts.map(attempt => attempt.outcome)).toEqual(['timeout', 200])
  })
})

it('a PUT is tried again with the same body', async () => {
  const answer = await edge.ask('/s503/put', { method: 'PUT', body: 'once and again' })
  expect(answer.seen).toMatchObject({ endpoint: 'good', method: 'PUT' })
  expect(answer.seen.headers['content-length']).toBe('14')
  expect([failing.count('/s503/put'), good.count('/s503/put')]).toEqual([1, 1])
})

describe('it is not tried again', () => {
  it('when it is a POST that got a 503', async () => {
    const answer = await edge.ask('/s503/post', { method: 'POST', body: 'once' })
    expect(answer.status).toBe(503)
    expect(answer.body.toString()).toBe('from the failing one')
    expect([failing.count('/s503/post'), good.count('/s503/post')]).toEqual([1, 0])
  })

  it('when it is a POST whose connection broke', async () => {
    const answer = await edge.ask('/reset/post', { method: 'POST', body: 'once' })
    expect(answer.status).toBe(502)
    expect([failing.count('/reset/post'), good.count('/reset/post')]).toEqual([1, 0])
  })

  it('when it is a PUT larger than the buffer', async () => {
    const answer = await edge.ask('/s503/large', { method: 'PUT', body: Buffer.alloc(65_537) })
    expect(answer.status).toBe(503)
    expect([failing.count('/s503/large'), good.count('/s503/large')]).toEqual([1, 0])
  })

  it('when the rule says so', async () => {
    expect((await edge.ask('/s503/off')).status).toBe(503)
    expect(good.count('/s503/off')).toBe(0)
  })

  it('when the status is not named', async () => {
    expect((await edge.ask('/s500/get')).status).toBe(500)
    expect(good.count('/s500/get')).toBe(0)
  })

  it('when no other endpoint is there: the last answer is passed on', async () => {
    const answer = await edge.ask('/s503/alone')
    expect(answer.status).toBe(503)
    expect(answer.body.toString()).toBe('from the failing one')
    expect(failing.count('/s503/alone')).toBe(1)
  })

  it('when the budget is used up: the last answer is passed on', async () => {
    const answer = await edge.ask('/s503/poor')
    expect(answer.status).toBe(503)
    expect(answer.body.toString()).toBe('from the failing one')
    expect([failing.count('/s503/poor'), good.count('/s503/poor')]).toEqual([1, 0])
  })
})

it('the answer that is not passed on is given up, so that its endpoint is free before the next one answers', async () => {
  const answer = await edge.ask('/endless')
  expect(answer.body.toString()).toBe('the first one was given up')
})

it('a POST is tried again when the rule says that it is safe to', async () => {
  const answer = await edge.ask('/s503/unsafe', { method: 'POST', body: 'twice' })
  expect(answer.seen).toMatchObject({ endpoint: 'good', method: 'POST' })
})

it('an endpoint that says Retry-After is left alone until then', async () => {
  expect((await edge.ask('/s503busy/first')).seen.endpoint).toBe('good')
  expect((await edge.ask('/s503busy/second')).seen.endpoint).toBe('good')
  expect([failing.count('/s503busy/first'), failing.count('/s503busy/second')]).toEqual([1, 0])
})

describe('when no endpoint answers we do', () => {
  it('504 after the try timeout', async () => {
    const answer = await edge.ask('/hang/get')
    expect(answer.status).toBe(504)
    expect(answer.headers['proxy-status']).toBe('fourseven; error=http_response_timeout')
    expect(answer.body.toString()).toMatch(/^504 http_response_timeout: /)
    expect(await edge.recordOf('/hang/get')).toMatchObject({
      status: 504,
      reason: 'http_response_timeout',
      endpoint: null,
    })
  })

  it('502 when nobody listens', async () => {
    const answer = await edge.ask('/gone')
    expect(answer.status).toBe(502)
    expect(answer.headers['proxy-status']).toBe('fourseven; error=connection_terminated')
    expect(answer.headers['proxy-status']).not.toContain('127.0.0.1')
  })

  it('502 when the endpoint answers with a status that is none', async () => {
    const answer = await edge.ask('/odd/get')
    expect(answer.status).toBe(502)
    expect(answer.headers['proxy-status']).toBe('fourseven; error=http_protocol_error')
  })

  it('503 when the pool is full', async () => {
    const first = edge.ask('/hang/full/first')
    await expect.poll(() => failing.count('/hang/full/first'), PATIENT).toBe(1)
    const second = await edge.ask('/hang/full/second')
    expect(second.status).toBe(503)
    expect(second.headers['proxy-status']).toBe('fourseven; error=connection_limit_reached')
    expect((await first).status).toBe(504)
    // Settled, so that there is room again.
    expect((await edge.ask('/hang/full/third')).status).toBe(504)
  })

  // workerd ends what a request does when its client resets the connection, unless `waitUntil` holds it.
  it.each(['destroy', 'resetAndDestroy'] as const)(
    'and a client that has gone away (%s) holds no place for ever',
    async how => {
      const client = net.connect(edge.port, '127.0.0.1')
      client.write(`GET /hang/full/${how} HTTP/1.1\r\nHost: app.test\r\n\r\n`)
      await expect.poll(() => failing.count(`/hang/full/${how}`), PATIENT).toBe(1)
      client[how]()
      expect(await edge.recordOf(`/hang/full/${how}`)).toMatchObject({ status: 504 })
      expect((await edge.ask(`/hang/full/after-${how}`)).status).toBe(504)
    },
  )
})

const PATIENT = { timeout: 15_000 }
