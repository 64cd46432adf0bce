// What the door says itself: limits, loops, error pages in place of an endpoint's, what is recorded and counted.

import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import type { ConfigInput } from '../../shared/config/config.ts'
import { ask, type Endpoint, endpoint, type Lab, lab, nobody, sayWhatCame } from './lab.ts'

let app: Endpoint
let edge: Lab
let sockets: WebSocketServer

const TOKEN = 'operator-token'
const HOST =
  'export default { fetch: request => Response.json({ url: request.url, headers: Object.fromEntries(request.headers) }) }'

beforeAll(async () => {
  app = await endpoint(perform)
  sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(sockets, 'listening')
  sockets.on('connection', (socket, request) => socket.send(JSON.stringify(request.headers)))
  const socketAddress = `http://127.0.0.1:${(sockets.address() as AddressInfo).port}`
  const config: ConfigInput = {
    listeners: {
      web: {
        kind: 'edge',
        errorPages: { '5xx': { body: 'listener {route} {request.id}', contentType: 'text/plain' } },
      },
      small: {
        kind: 'edge',
        hostnames: ['small.test'],
        limits: { maxUrl: '128B', maxHeaders: 12, maxHeaderBytes: '1KiB' },
        errorPages: { '4xx': { body: '<b>no</b>' } },
        via: true,
      },
    },
    pools: {
      app: { endpoints: [app.address] },
      nobody: { endpoints: [await nobody()], outlier: false },
      sockets: { endpoints: [socketAddress] },
      bound: { endpoints: ['binding:APP'] },
    },
    routes: [
      {
        name: 'app',
        rules: [
          { name: 'all', pool: 'app' },
          {
            name: 'replaced',
            match: { path: '/replaced' },
            pool: 'app',
            retry: false,
            errorPages: {
              '404': { body: '<h1>{route}</h1>', replace: true },
              '5xx': { body: 'sorry', contentType: 'text/plain', replace: true },
              '503': { body: 'kept', contentType: 'text/plain' },
            },
          },
          { name: 'down', match: { path: '/down' }, pool: 'nobody' },
          { name: 'here', match: { path: '/here' }, reply: { status: 200 } },
          { name: 'small', match: { path: '/upload' }, pool: 'app', limits: { maxBody: '10B' } },
          { name: 'sampled', match: { path: '/sampled' }, pool: 'app', record: { sample: 0 }, retry: false },
          {
            name: 'sockets',
            match: { path: '/socket' },
            pool: 'sockets',
            cors: { origins: ['*'] },
            errorPages: { '4xx': { body: 'x', replace: true }, '5xx': { body: 'x', replace: true } },
          },
          { name: 'host', match: { path: '/host' }, pool: 'app', filters: { rewrite: { host: 'www.example.com' } } },
          {
            name: 'bound',
            match: { path: '/bound' },
            pool: 'bound',
            filters: { rewrite: { host: 'www.example.com' } },
          },
          {
            name: 'cors-down',
            match: { path: '/cors-down' },
            pool: 'nobody',
            cors: { origins: ['https://a.test'] },
          },
        ],
      },
    ],
  }
  edge = await lab(config, { FOURSEVEN_OPERATOR_TOKEN: TOKEN }, {}, { services: { APP: HOST } })
})

afterAll(() => sockets.close())

/** `/…/status/503` answers so, with a body and fields of its own; `/back/…` sends the request to the edge again. */
function perform(request: http.IncomingMessage, response: http.ServerResponse): void {
  const status = /\/status\/(\d+)/.exec(request.url!)?.[1]
  if (request.url!.startsWith('/back')) {
    request.resume()
    const { headers, url: path, method } = request
    http.get({ host: '127.0.0.1', port: edge.port, path, method, headers, agent: false }, back => {
      response.writeHead(back.statusCode!, back.headers)
      back.pipe(response)
    })
    return
  }
  if (status === undefined) {
    sayWhatCame('app')(request, response)
    return
  }
  request.resume()
  response.writeHead(Number(status), {
    'content-type': 'text/x-own',
    'content-encoding': 'identity',
    etag: '"own"',
    'x-own': 'yes',
    'set-cookie': ['a=1', 'b=2'],
    'proxy-status': 'origin; error=http_request_denied',
  })
  response.end(request.method === 'HEAD' ? undefined : 'own body')
}

describe('limits of the door', () => {
  const small = (path: string, headers: http.OutgoingHttpHeaders = {}) =>
    edge.ask(path, { host: 'small.test', headers })

  it('a URL that is too long is 414, before any rule', async () => {
    expect((await small(`/${'a'.repeat(100)}`)).status).toBe(200)
    const answer = await small(`/${'b'.repeat(140)}`)
    expect(answer.status).toBe(414)
    expect(answer.headers['proxy-status']).toBe(
      'fourseven; error=http_request_error; details="the URL is longer than 128B"',
    )
    const record = await edge.recordOf(`/${'b'.repeat(140)}`)
    expect(record).toMatchObject({ status: 414, reason: 'http_request_error', rule: null, listener: 'small' })
    expect(record['details']).toBe('the URL is longer than 128B')
  })

  it('too many header fields are 431', async () => {
    const many = Object.fromEntries(Array.from({ length: 13 }, (_, i) => [`x-${i}`, '1']))
    const answer = await small('/many', many)
    expect([answer.status, answer.body.toString()]).toEqual([431, '<b>no</b>'])
  })

  it('a header that is too large is 431', async () => {
    expect((await small('/large', { 'x-large': 'x'.repeat(1_024) })).status).toBe(431)
  })

  it('the defaults are 16 KiB, 128 fields and 32 KiB', async () => {
    expect((await edge.ask(`/here/${'c'.repeat(16_000)}`)).status).toBe(200)
    expect((await edge.ask(`/here/${'d'.repeat(16_384)}`)).status).toBe(414)
    const fields = (count: number, size: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`x-${i}`, 'x'.repeat(size)]))
    expect((await edge.ask('/here', { headers: fields(100, 10) })).status).toBe(200)
    expect((await edge.ask('/here', { headers: fields(129, 10) })).status).toBe(431)
    expect((await edge.ask('/here', { headers: fields(30, 1_000) })).status).toBe(200)
    expect((await edge.ask('/here', { headers: fields(34, 1_000) })).status).toBe(431)
  })
})

describe('the body that a rule takes', () => {
  const upload = (body: string, headers: http.OutgoingHttpHeaders = {}) =>
    edge.ask('/upload', { method: 'POST', body, headers: { 'content-length': String(body.length), ...headers } })

  it('is bounded by Content-Length, before any try', async () => {
    const before = app.count('/upload')
    expect((await upload('0123456789')).status).toBe(200)
    const answer = await upload('0123456789a')
    expect(answer.status).toBe(413)
    expect(answer.headers['proxy-status']).toContain('details="the body is larger than 10B"')
    expect(app.count('/upload')).toBe(before + 1)
  })

  it('has to say its length', async () => {
    const before = app.count('/upload')
    const answer = await edge.ask('/upload', { method: 'POST', body: '0', headers: { 'transfer-encoding': 'chunked' } })
    expect([answer.status, app.count('/upload')]).toEqual([411, before])
  })

  it('may be none', async () => {
    expect((await edge.ask('/upload')).status).toBe(200)
    expect((await edge.ask('/upload', { method: 'POST', headers: { 'content-length': '0' } })).status).toBe(200)
  })
})

describe('an error page', () => {
  it('stands for an answer of ours, with its values', async () => {
    const answer = await edge.ask('/down')
    const { requestId } = await edge.recordOf('/down')
    expect([answer.status, answer.body.toString()]).toEqual([502, `listener app ${requestId}`])
    expect(answer.headers['content-type']).toBe('text/plain')
    expect(answer.headers['proxy-status']).toBe('fourseven; error=connection_terminated')
  })

  it("takes the place of the endpoint's answer where it says so", async () => {
    const answer = await edge.ask('/replaced/status/404')
    expect([answer.status, answer.body.toString()]).toEqual([404, '<h1>app</h1>'])
    expect(answer.headers).toMatchObject({ 'content-type': 'text/html; charset=utf-8', 'x-own': 'yes' })
    expect(answer.setCookie).toEqual(['a=1', 'b=2'])
    for (const name of ['etag', 'content-encoding']) expect(answer.headers[name], name).toBeUndefined()
    expect(answer.headers['content-length']).toBe('12')
    expect(await edge.recordOf('/replaced/status/404')).toMatchObject({ status: 404, reason: null })
  })

  it("keeps the endpoint's Proxy-Status and appends to it", async () => {
    const answer = await edge.ask('/replaced/status/502')
    expect(answer.body.toString()).toBe('sorry')
    expect(answer.headers['proxy-status']).toBe('origin; error=http_request_denied, fourseven; received-status=502')
  })

  it('leaves what it does not replace', async () => {
    for (const path of ['/replaced/status/503', '/replaced/status/403', '/plain/status/500']) {
      const answer = await edge.ask(path)
      expect([path, answer.body.toString(), answer.headers.etag]).toEqual([path, 'own body', '"own"'])
      expect(answer.headers['proxy-status']).toBe('origin; error=http_request_denied')
    }
  })

  it('has no body for HEAD', async () => {
    const answer = await edge.ask('/replaced/status/404', { method: 'HEAD' })
    expect([answer.status, answer.body.length, answer.headers['content-type']]).toEqual([
      404,
      0,
      'text/html; charset=utf-8',
    ])
  })

  it('never touches an answer that has no body', async () => {
    for (const status of [204, 304]) expect((await edge.ask(`/replaced/status/${status}`)).status).toBe(status)
  })
})

it('a WebSocket passes untouched through a rule with CORS and pages', async () => {
  const socket = new WebSocket(`ws://127.0.0.1:${edge.port}/socket`, {
    headers: { host: 'app.test', origin: 'https://a.test' },
  })
  const [[upgraded], [message]] = (await Promise.all([once(socket, 'upgrade'), once(socket, 'message')])) as [
    [http.IncomingMessage],
    [Buffer],
  ]
  socket.close()
  expect(upgraded.statusCode).toBe(101)
  expect(upgraded.headers['access-control-allow-origin']).toBeUndefined()
  expect(JSON.parse(message.toString()).traceparent).toMatch(/^00-/)
})

it('an answer of ours has CORS too: a page may read why it failed', async () => {
  const { status, headers } = await edge.ask('/cors-down', { headers: { origin: 'https://a.test' } })
  expect([status, headers['access-control-allow-origin'], headers.vary]).toEqual([502, 'https://a.test', 'Origin'])
})

describe('a loop', () => {
  it('is cut where the request comes back', async () => {
    const answer = await edge.ask('/back')
    expect([answer.status, answer.headers['proxy-status']]).toEqual([508, 'fourseven; error=proxy_loop_detected'])
    expect(app.count('/back')).toBe(1)
  })

  it('is no chain of different instances, and the list of them stays inside', async () => {
    const front = await lab({
      listeners: { web: { kind: 'edge' } },
      pools: { behind: { endpoints: [edge.url] } },
      routes: [{ name: 'front', pool: 'behind' }],
    })
    // workerd asks for br where the client asks for nothing, and Miniflare compresses its answers.
    const answer = await front.ask('/chain', { headers: { 'accept-encoding': 'identity' } })
    const list = answer.seen.headers['x-fourseven-instances']!.split(', ')
    expect([list.length, new Set(list).size]).toEqual([2, 2])
    expect(answer.headers['x-fourseven-instances']).toBeUndefined()
  })

  it('counts a list that is too long as one', async () => {
    const list = Array.from({ length: 16 }, (_, i) => `i${i}`).join(', ')
    expect((await edge.ask('/', { headers: { 'x-fourseven-instances': list } })).status).toBe(508)
  })

  it('cannot be hidden by naming the list in Connection', async () => {
    const headers = { 'x-fourseven-instances': 'other', connection: 'x-fourseven-instances' }
    expect((await edge.ask('/', { headers })).seen.headers['x-fourseven-instances']).toMatch(/^other, \w+$/)
  })
})

describe('a trace', () => {
  const parent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00'

  it('is continued, and its id is in the record', async () => {
    const { seen } = await edge.ask('/trace/on', { headers: { traceparent: parent, tracestate: 'v=1' } })
    expect(seen.headers['traceparent']).toMatch(/^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-00$/)
    expect(seen.headers['traceparent']).not.toBe(parent)
    expect(seen.headers['tracestate']).toBe('v=1')
    expect((await edge.recordOf('/trace/on'))['traceId']).toBe('4bf92f3577b34da6a3ce929d0e0e4736')
  })

  it('is started, anew for each request', async () => {
    const one = (await edge.ask('/trace/1')).seen.headers['traceparent']!
    const two = (await edge.ask('/trace/2')).seen.headers['traceparent']!
    expect(one).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
    expect(one.slice(3, 35)).not.toBe(two.slice(3, 35))
    expect((await edge.recordOf('/trace/1'))['traceId']).toBe(one.slice(3, 35))
  })
})

describe('Via', () => {
  it('is added both ways where the listener asks for it', async () => {
    const answer = await edge.ask('/via', { host: 'small.test', headers: { via: '1.0 other' } })
    expect([answer.seen.headers['via'], answer.headers.via]).toEqual(['1.0 other, 1.1 fourseven', '1.1 fourseven'])
  })

  it('is left alone elsewhere', async () => {
    const answer = await edge.ask('/via', { headers: { via: '1.0 other' } })
    expect([answer.seen.headers['via'], answer.headers.via]).toEqual(['1.0 other', undefined])
  })
})

describe('the Host that a rule asks for', () => {
  it('is what a bound Worker sees; X-Forwarded-Host stays the client\u2019s', async () => {
    const { seen } = await edge.ask('/bound/x', { host: 'app.test:8080' })
    expect(seen.url).toBe('http://www.example.com/bound/x')
    expect(seen.headers['x-forwarded-host']).toBe('app.test:8080')
  })

  it('is not kept for an endpoint elsewhere, which sees its own name', async () => {
    const { seen } = await edge.ask('/host')
    expect(`http://${seen.headers['host']}`).toBe(app.address)
    expect(seen.headers['x-forwarded-host']).toBe('app.test')
  })
})

describe('what is recorded and counted', () => {
  const metrics = async () => {
    const answer = await edge.ask('/.fourseven/metrics', { headers: { authorization: `Bearer ${TOKEN}` } })
    expect([answer.status, answer.headers['content-type']]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8'])
    return answer.body.toString()
  }
  const countOf = (text: string, series: string) =>
    Number(
      text
        .split('\n')
        .find(line => line.startsWith(`${series} `))
        ?.slice(series.length + 1) ?? 0,
    )

  it('a request that is sampled out is counted and not recorded; a failure is both', async () => {
    const ok = 'fourseven_requests_total{route="app",variant="app",code="200"}'
    const before = countOf(await metrics(), ok)
    expect((await edge.ask('/sampled/ok')).seen.headers['traceparent']).toMatch(/-00$/)
    await edge.ask('/sampled/status/500')
    // Lines come in order: this one is later than the one that must not be there.
    await edge.recordOf('/sampled/status/500')
    expect(edge.records.some(({ path }) => path === '/sampled/ok')).toBe(false)
    expect(countOf(await metrics(), ok)).toBe(before + 1)
  })

  it('tries, retries and states are told by endpoint', async () => {
    const text = await metrics()
    const name = app.address
    expect(countOf(text, `fourseven_tries_total{pool="app",endpoint="${name}",outcome="2xx"}`)).toBeGreaterThan(0)
    expect(text).toMatch(/fourseven_tries_total\{pool="nobody",endpoint="[^"]+",outcome="connect-failure"\} [1-9]/)
    expect(countOf(text, `fourseven_endpoint_state{pool="app",endpoint="${name}",state="up"}`)).toBe(1)
    expect(countOf(text, `fourseven_open_requests{pool="app",endpoint="${name}"}`)).toBe(0)
    expect(countOf(text, 'fourseven_requests_total{code="414"}')).toBeGreaterThan(0)
    expect(text).toContain('fourseven_request_duration_seconds_bucket{route="app",variant="app",le="+Inf"}')
  })

  it('metrics are behind the token', async () => {
    expect((await ask(edge.port, '/.fourseven/metrics')).status).toBe(401)
  })
})
