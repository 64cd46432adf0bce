// What passes through: headers as they should be, bodies as they are, WebSockets.

import { once } from 'node:events'
import http from 'node:http'
import { gzipSync } from 'node:zlib'
import { beforeAll, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { type Endpoint, endpoint, type Lab, lab, sayWhatCame } from './lab.ts'

let edge: Lab
let app: Endpoint
let sockets: string
let announced: string

const say = sayWhatCame('app')
const zipped = gzipSync('many words, '.repeat(1000))

beforeAll(async () => {
  app = await endpoint((request, response) => {
    const path = request.url!.split('?')[0]!
    if (path.startsWith('/echo')) {
      if (request.headers['content-length'] !== undefined)
        response.setHeader('content-length', request.headers['content-length'])
      request.pipe(response)
      return
    }
    request.resume()
    if (path === '/upload' || path === '/broken') request.on('end', () => response.end('whole'))
    else if (path === '/length') response.writeHead(200, { 'content-length': 5000 }).end(Buffer.alloc(5000))
    else if (path === '/moved') response.writeHead(302, { location: 'https://elsewhere.test/' }).end()
    else if (path === '/empty') response.writeHead(204, { 'x-kept': 'yes' }).end()
    else if (path === '/same') response.writeHead(304, { etag: '"1"' }).end()
    else if (path === '/zipped')
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-type': 'text/plain' }).end(zipped)
    else if (path === '/cookies') response.writeHead(200, { 'set-cookie': ['a=1; Path=/', 'b=2, 3; Path=/'] }).end()
    else if (path === '/hop') {
      response.setHeader('connection', 'x-mine')
      response.setHeader('x-mine', 'for this connection')
      response.setHeader('proxy-authenticate', 'Basic')
      response.setHeader('x-powered-by', 'too much')
      response.end('ok')
    } else if (path === '/slow') {
      response.write('first')
      setTimeout(() => response.end('last'), 700)
    } else say(request, response)
  })
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  server.on('connection', (socket, request) => {
    socket.send(JSON.stringify({ url: request.url, headers: request.headers }))
    socket.on('message', (message, isBinary) => socket.send(message, { binary: isBinary }))
  })
  await once(server, 'listening')
  sockets = `http://127.0.0.1:${(server.address() as { port: number }).port}`
  announced = 'app'
  edge = await lab({
    listeners: {
      web: { kind: 'edge' },
      behind: { kind: 'edge', hostnames: ['behind.test'], clientAddress: { trustedProxies: ['10.0.0.0/8'] } },
    },
    pools: {
      app: { endpoints: [`${app.address}`] },
      based: { endpoints: [`${app.address}/base`] },
      sockets: { endpoints: [sockets] },
    },
    routes: [
      {
        name: announced,
        rules: [
          { name: 'all', pool: 'app', timeouts: { try: '400ms', request: '500ms' } },
          { name: 'based', match: { path: '/based' }, pool: 'based' },
          { name: 'sockets', match: { path: '/socket' }, pool: 'sockets' },
          {
            name: 'edited',
            match: { path: '/edited' },
            pool: 'app',
            filters: {
              requestHeaders: {
                set: { 'x-from': '{client.address} by {route}/{rule} {variant}', 'x-id': '{request.id}' },
                add: { 'x-more': 'ours' },
                remove: ['x-secret'],
              },
              responseHeaders: { set: { 'x-served-by': 'fourseven' }, remove: ['content-type'] },
            },
          },
          {
            name: 'stripped',
            match: { path: '/hop' },
            pool: 'app',
            filters: { responseHeaders: { remove: ['x-powered-by'] } },
          },
        ],
      },
    ],
  })
  return () => server.close()
})

describe('towards the endpoint', () => {
  it('forwarded headers say who the client is; what the client claims is dropped', async () => {
    const headers = {
      'cf-connecting-ip': '192.0.2.7',
      'x-forwarded-for': '1.1.1.1',
      forwarded: 'for=1.1.1.1;proto=https',
      'x-real-ip': '1.1.1.1',
      'x-request-id': 'mine',
    }
    const { seen } = await edge.ask('/who', { host: 'App.Test:8080', headers })
    expect(seen.headers).toMatchObject({
      'x-forwarded-for': '192.0.2.7',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'app.test:8080',
      'x-forwarded-port': '8080',
      forwarded: 'for=192.0.2.7;host="app.test:8080";proto=http',
    })
    expect(seen.headers['x-real-ip']).toBeUndefined()
    expect(seen.headers['x-request-id']).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    )
    const record = await edge.recordOf('/who')
    expect(record).toMatchObject({
      clientAddress: '192.0.2.7',
      requestId: seen.headers['x-request-id'],
      host: 'app.test',
    })
  })

  it('a trusted proxy is believed, and its request id kept', async () => {
    const headers = {
      'x-forwarded-for': '1.1.1.1, 192.0.2.9, 10.0.0.1',
      'x-forwarded-proto': 'https',
      'x-request-id': 'from-the-proxy',
    }
    const { seen } = await edge.ask('/trusted', { host: 'behind.test', headers })
    expect(seen.headers).toMatchObject({
      'x-forwarded-for': '192.0.2.9, 10.0.0.1',
      'x-forwarded-proto': 'https',
      'x-request-id': 'from-the-proxy',
    })
  })

  it('hop-by-hop fields and what Connection names stay behind', async () => {
    const headers = {
      connection: 'close, x-mine',
      'x-mine': '1',
      'proxy-authorization': 'Basic eA==',
      te: 'trailers',
      'keep-alive': 'timeout=5',
    }
    const { seen } = await edge.ask('/hops', { headers })
    for (const name of ['x-mine', 'proxy-authorization', 'te', 'keep-alive'])
      expect(seen.headers[name], name).toBeUndefined()
  })

  it('headers are edited as the rule says', async () => {
    const answer = await edge.ask('/edited', {
      headers: { 'x-secret': '1', 'x-more': 'theirs', 'cf-connecting-ip': '192.0.2.1' },
    })
    const { headers } = answer.seen
    expect(headers['x-from']).toBe('192.0.2.1 by app/edited app')
    expect(headers['x-id']).toBe(headers['x-request-id'])
    expect(headers['x-more']).toBe('theirs, ours')
    expect(headers['x-secret']).toBeUndefined()
    expect(answer.headers['x-served-by']).toBe('fourseven')
    expect(answer.headers['content-type']).toBeUndefined()
  })

  it("the endpoint's own base stands before the path", async () => {
    expect((await edge.ask('/based/x?y=1')).seen.url).toBe('/base/based/x?y=1')
  })

  it('a GET with a body keeps it', async () => {
    const answer = await edge.ask('/echo/get', { headers: { 'content-length': 13 }, body: 'a body on GET' })
    expect(answer.body.toString()).toBe('a body on GET')
  })
})

describe('towards the client', () => {
  it('a redirect is passed on, not followed', async () => {
    const answer = await edge.ask('/moved')
    expect([answer.status, answer.headers.location]).toEqual([302, 'https://elsewhere.test/'])
  })

  it('several Set-Cookie stay whole', async () => {
    expect((await edge.ask('/cookies')).setCookie).toEqual(['a=1; Path=/', 'b=2, 3; Path=/'])
  })

  it('hop-by-hop fields and what Connection names stay behind', async () => {
    const { headers, body } = await edge.ask('/hop')
    expect(body.toString()).toBe('ok')
    for (const name of ['x-mine', 'proxy-authenticate', 'x-powered-by']) expect(headers[name], name).toBeUndefined()
  })

  it('answers without a body stay without one', async () => {
    const empty = await edge.ask('/empty')
    expect([empty.status, empty.headers['x-kept'], empty.body.length]).toEqual([204, 'yes', 0])
    const same = await edge.ask('/same')
    expect([same.status, same.headers.etag, same.body.length]).toEqual([304, '"1"', 0])
    const head = await edge.ask('/length', { method: 'HEAD' })
    expect([head.status, head.headers['content-length'], head.body.length]).toEqual([200, '5000', 0])
  })

  it('an encoded body arrives as it was', async () => {
    const answer = await edge.ask('/zipped', { headers: { 'accept-encoding': 'gzip' } })
    expect(answer.headers['content-encoding']).toBe('gzip')
    expect(answer.body.equals(zipped)).toBe(true)
  })

  it('a download may take longer than a try and than the request', async () => {
    expect((await edge.ask('/slow')).body.toString()).toBe('firstlast')
  })
})

describe('a body of 5 MB', () => {
  const body = Buffer.alloc(5_000_000, 'fourseven ')

  it('passes both ways with its length', async () => {
    const answer = await edge.ask('/echo/length', { method: 'POST', body })
    expect(answer.body.equals(body)).toBe(true)
    expect(answer.headers['content-length']).toBe('5000000')
    expect(await edge.recordOf('/echo/length')).toMatchObject({ bytesIn: 5_000_000, bytesOut: 5_000_000 })
  })

  it('passes both ways in chunks', async () => {
    const answer = await edge.ask('/echo/chunks', { method: 'POST', body, headers: { 'transfer-encoding': 'chunked' } })
    expect(answer.body.equals(body)).toBe(true)
    expect(await edge.recordOf('/echo/chunks')).toMatchObject({ bytesIn: null, bytesOut: null })
  })
})

it('the endpoint sees the first bytes before the client has finished, and the other way round', async () => {
  const request = http.request({
    host: '127.0.0.1',
    port: edge.port,
    path: '/echo/turns',
    method: 'POST',
    headers: { host: 'app.test' },
  })
  request.write('ping')
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  expect(String((await once(response, 'data'))[0])).toBe('ping')
  request.write('pong')
  expect(String((await once(response, 'data'))[0])).toBe('pong')
  request.end()
  await once(response, 'end')
})

it('an upload may take longer than a try', async () => {
  const headers = { host: 'app.test', 'content-length': 70_000 }
  const request = http.request({ host: '127.0.0.1', port: edge.port, path: '/upload', method: 'PUT', headers })
  request.write(Buffer.alloc(35_000))
  setTimeout(() => request.end(Buffer.alloc(35_000)), 800)
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  response.resume()
  expect(response.statusCode).toBe(200)
})

it('an upload that the client breaks off does not arrive as if it were whole', async () => {
  const request = http.request({
    host: '127.0.0.1',
    port: edge.port,
    path: '/broken',
    method: 'POST',
    headers: { host: 'app.test' },
  })
  request.on('error', () => {})
  request.write('half of')
  await expect.poll(() => app.count('/broken')).toBe(1)
  const arrived = app.requests.find(one => one.url === '/broken')!
  const closed = new Promise(resolve => arrived.on('close', resolve))
  request.destroy()
  await closed
  expect(arrived.complete).toBe(false)
  expect(await edge.recordOf('/broken')).toMatchObject({ status: 502 })
})

describe('a WebSocket', () => {
  it('passes both ways, text and bytes', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${edge.port}/socket/x`, {
      headers: { host: 'app.test', 'cf-connecting-ip': '192.0.2.3' },
    })
    const hello = JSON.parse(String((await once(socket, 'message'))[0]))
    expect(hello.url).toBe('/socket/x')
    expect(hello.headers['x-forwarded-for']).toBe('192.0.2.3')
    socket.send('text')
    expect((await once(socket, 'message')).map(String)[0]).toBe('text')
    socket.send(Buffer.from([0, 255]))
    expect((await once(socket, 'message'))[0]).toEqual(Buffer.from([0, 255]))
    socket.close()
    await once(socket, 'close')
    expect(await edge.recordOf('/socket/x')).toMatchObject({ status: 101, rule: 'sockets' })
  })
})
