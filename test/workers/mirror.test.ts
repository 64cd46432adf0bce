// Copies of requests, through workerd. Each case has a path of its own, and endpoints count what they were asked.

import { once } from 'node:events'
import type http from 'node:http'
import { beforeAll, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { type Endpoint, endpoint, type Lab, lab, nobody, reset, sayWhatCame } from './lab.ts'

let edge: Lab
let app: Endpoint
let shadow: Endpoint
let other: Endpoint
/** What the shadow was sent, by URL. */
const bodies = new Map<string, string>()

beforeAll(async () => {
  const sockets = new WebSocketServer({ noServer: true })
  app = await endpoint(sayWhatCame('app'))
  app.server.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, client => client.close())
  })
  shadow = await endpoint(async (request, response) => {
    const { url = '' } = request
    if (url.startsWith('/hang')) return
    if (url.startsWith('/reset')) return reset(request)
    bodies.set(url, await textOf(request))
    response.statusCode = url.startsWith('/bad') ? 500 : 200
    response.end('from the shadow'.repeat(10_000))
  })
  other = await endpoint(sayWhatCame('other'))
  const dead = await nobody()
  const shadows = { mirrors: [{ pool: 'shadow' }], pool: 'app' } as const
  edge = await lab({
    listeners: { web: { kind: 'edge' } },
    pools: {
      app: { endpoints: [app.address] },
      shadow: { endpoints: [shadow.address], outlier: false },
      other: { endpoints: [other.address] },
      dead: { endpoints: [dead], outlier: false },
      narrow: { endpoints: [shadow.address], limits: { maxRequests: 1 } },
    },
    routes: [
      {
        name: 'app',
        rules: [
          { name: 'all', ...shadows },
          { name: 'two', match: { path: '/two' }, pool: 'app', mirrors: [{ pool: 'shadow' }, { pool: 'other' }] },
          { name: 'part', match: { path: '/part' }, pool: 'app', mirrors: [{ pool: 'other', percent: 30 }] },
          { name: 'none', match: { path: '/none' }, pool: 'app', mirrors: [{ pool: 'other', percent: 0 }] },
          { name: 'dead', match: { path: '/dead' }, pool: 'app', mirrors: [{ pool: 'dead' }] },
          { name: 'small', match: { path: '/small' }, ...shadows, retry: { maxBuffer: '1KiB' } },
          { name: 'once', match: { path: '/once' }, ...shadows, retry: false },
          { name: 'narrow', match: { path: '/hang/narrow' }, pool: 'app', mirrors: [{ pool: 'narrow' }] },
          {
            name: 'edited',
            match: { path: '/old' },
            ...shadows,
            filters: { rewrite: { prefix: '/new' }, requestHeaders: { set: { 'x-edited': 'yes' } } },
          },
        ],
      },
    ],
  })
})

describe('a mirror gets a copy', () => {
  it('of a GET, and the client gets the answer of the pool', async () => {
    expect((await edge.ask('/get')).seen.endpoint).toBe('app')
    await expect.poll(() => shadow.count('/get')).toBe(1)
    expect(await edge.recordOf('/get')).toMatchObject({
      endpoint: app.address,
      mirrors: [{ pool: 'shadow', endpoint: shadow.address, outcome: 'sent' }],
    })
  })

  it('with the headers that the endpoint sees, and one that says what it is', async () => {
    const seen = (await edge.ask('/old/path?q=1', { headers: { 'x-own': 'a' } })).seen
    await expect.poll(() => shadow.count('/new/path')).toBe(1)
    const { url, headers } = shadow.requests.find(request => request.url!.startsWith('/new/path'))!
    expect(url).toBe('/new/path?q=1')
    expect(url).toBe(seen.url)
    const { host, ...rest } = headers
    expect(host).not.toBe(seen.headers['host'])
    expect(rest).toEqual({ ...seen.headers, host: undefined, 'x-fourseven-mirror': '1' })
    expect(rest['x-edited']).toBe('yes')
  })

  it('with the body, also when the method is never tried twice', async () => {
    const answer = await edge.ask('/post', { method: 'POST', body: 'the whole body' })
    expect(answer.seen.headers['content-length']).toBe('14')
    await expect.poll(() => bodies.get('/post')).toBe('the whole body')
  })

  it('with the body, also when the rule tries once', async () => {
    await edge.ask('/once', { method: 'PUT', body: 'once each' })
    await expect.poll(() => bodies.get('/once')).toBe('once each')
  })

  it('and so does another one', async () => {
    await edge.ask('/two')
    await expect.poll(() => shadow.count('/two') + other.count('/two')).toBe(2)
    const { mirrors } = await edge.recordOf('/two')
    expect(mirrors).toMatchObject([{ pool: 'shadow' }, { pool: 'other' }])
  })

  it('of the part of the requests that the rule says', async () => {
    for (let count = 0; count < 200; count++) await edge.ask(`/part/${count}`)
    await edge.recordOf('/part/199')
    const sent = edge.records.filter(
      record => record.path.startsWith('/part') && record['mirrors'] !== undefined,
    ).length
    // Five sigma.
    expect(Math.abs(sent - 60)).toBeLessThan(5 * Math.sqrt(200 * 0.3 * 0.7))
    await expect.poll(() => other.count('/part')).toBe(sent)
  })

  it('of nothing at 0 percent', async () => {
    await edge.ask('/none')
    expect(await edge.recordOf('/none')).not.toHaveProperty('mirrors')
  })
})

describe('the client never feels it', () => {
  it('when the mirror does not answer', async () => {
    expect((await edge.ask('/hang/get')).seen.endpoint).toBe('app')
    await expect.poll(() => shadow.count('/hang/get')).toBe(1)
  })

  it.each(['/reset/get', '/bad/get', '/dead/get'])('when the mirror fails: %s', async path => {
    expect((await edge.ask(path)).seen.endpoint).toBe('app')
    expect(await edge.recordOf(path)).toMatchObject({ reason: null, status: 200 })
  })
})

describe('no copy is sent', () => {
  const skipped = (pool: string, why: string) => [{ pool, endpoint: null, outcome: 'skipped', why }]

  it('of a body longer than the buffer, and the record says so', async () => {
    const answer = await edge.ask('/small', { method: 'POST', body: Buffer.alloc(1_025) })
    expect(answer.status).toBe(200)
    expect((await edge.recordOf('/small')).mirrors).toEqual(skipped('shadow', 'body-too-long'))
    expect(shadow.count('/small')).toBe(0)
  })

  it('of a body whose length is not said', async () => {
    const answer = await edge.ask('/chunked', {
      method: 'POST',
      body: 'x',
      headers: { 'transfer-encoding': 'chunked' },
    })
    expect(answer.status).toBe(200)
    expect((await edge.recordOf('/chunked')).mirrors).toEqual(skipped('shadow', 'body-too-long'))
  })

  it('of a WebSocket', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${edge.port}/socket`)
    await once(socket, 'close')
    expect(await edge.recordOf('/socket')).toMatchObject({ status: 101 })
    expect(await edge.recordOf('/socket')).not.toHaveProperty('mirrors')
    expect(shadow.count('/socket')).toBe(0)
  })

  it('beyond the limit of its pool', async () => {
    await edge.ask('/hang/narrow/1')
    expect((await edge.recordOf('/hang/narrow/1')).mirrors).toMatchObject([{ outcome: 'sent' }])
    await edge.ask('/hang/narrow/2')
    expect((await edge.recordOf('/hang/narrow/2')).mirrors).toEqual(skipped('narrow', 'connection_limit_reached'))
  })
})

async function textOf(request: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}
