// The http door as a client sees it: HTTP/1.1 and HTTP/2 on one port, bodies and trailers both ways, upgrades.

import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import type { TLSSocket } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { authority, pemOf } from '../support/certificates.ts'
import {
  answerOf,
  answerTo,
  ask,
  client,
  endpoint,
  http2Endpoint,
  httpLab,
  onEnd,
  opened,
  raw,
  session,
  until,
} from './http-lab.ts'

const say =
  (text: string): http.RequestListener =>
  (request, response) => {
    request.resume()
    response.end(text)
  }

/** What came, once the body is there. */
const echo: http.RequestListener = (request, response) => {
  let body = ''
  request.on('data', chunk => {
    body += chunk
  })
  request.on('end', () => {
    const { method, url, headers, trailers } = request
    response.end(JSON.stringify({ method, url, headers, trailers, body }))
  })
}

describe('on one port', () => {
  it('HTTP/1.1 and HTTP/2 with prior knowledge are served side by side', async () => {
    const { port, recorded } = await httpLab([(await endpoint(say('hello'))).address])
    expect((await ask(port, '/one')).body).toBe('hello')
    const stream = session(port).request({ ':path': '/two', ':authority': 'app.test' })
    expect((await answerOf(stream)).body).toBe('hello')
    expect((await recorded(2)).map(({ protocol, path }) => [protocol, path])).toEqual([
      ['HTTP/1.1', '/one'],
      ['HTTP/2', '/two'],
    ])
  })

  it('under TLS the handshake says which, and the name which certificate', async () => {
    const ca = authority()
    const [one, two] = [ca.sign('one.test'), ca.sign('two.test', '*.two.test')]
    const { port } = await httpLab([(await endpoint(echo)).address], {
      listeners: { web: { kind: 'http', address: '127.0.0.1:0', certificates: [one, two] } },
    })
    const tls = { rejectUnauthorized: false, servername: 'a.two.test' }
    const over2 = session(port, tls, 'https')
    const answer = await answerOf(over2.request({ ':path': '/', ':authority': 'a.two.test' }))
    expect((over2.socket as TLSSocket).getPeerCertificate().subject.CN).toBe('two.test')
    expect(JSON.parse(answer.body).headers['x-forwarded-proto']).toBe('https')

    const request = https.get({ host: '127.0.0.1', port, path: '/', agent: false, ...tls, servername: 'one.test' })
    const [socket] = (await once(request, 'socket')) as [TLSSocket]
    expect((await answerTo(request)).status).toBe(200)
    expect(socket.getPeerCertificate().subject.CN).toBe('one.test')
  })

  it('a certificate that was replaced is shown to the next client', async () => {
    const ca = authority()
    const [before, after] = [ca.sign('before.test'), ca.sign('after.test')]
    const { port } = await httpLab([(await endpoint(say('hello'))).address], {
      listeners: { web: { kind: 'http', address: '127.0.0.1:0', certificates: [before] } },
    })
    const nameNow = async () => {
      const request = https.get({ host: '127.0.0.1', port, agent: false, rejectUnauthorized: false })
      const [socket] = (await once(request, 'socket')) as [TLSSocket]
      await answerTo(request)
      return socket.getPeerCertificate().subject.CN
    }
    expect(await nameNow()).toBe('before.test')
    const pems = pemOf(after)
    writeFileSync(before.key, pems.key)
    writeFileSync(before.cert, pems.cert)
    while ((await nameNow()) !== 'after.test') await new Promise(resolve => setTimeout(resolve, 50))
  })
})

describe('a connection of HTTP/1.1', () => {
  it('is kept for the next request, and closed when its client asks for that', async () => {
    const { port, records } = await httpLab([(await endpoint(say('hello'))).address])
    const answer = await raw(
      port,
      'GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n',
      'GET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    )
    expect(answer.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(3)
    expect(answer.match(/connection: close/g)).toHaveLength(1)
    expect(records.map(({ path }) => path)).toEqual(['/1', '/2', '/3'])
  })

  it('takes thousands of requests sent at once, and answers them in order', async () => {
    const { port } = await httpLab([], {
      pools: {},
      routes: [{ name: 'r', listener: 'web', reply: { status: 200, body: 'x' } }],
    })
    const many = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(2_000)
    const answer = await raw(port, many, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    expect(answer.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2_001)
  })

  it('is closed after each answer of HTTP/1.0, and the end is the end of the body', async () => {
    const { port } = await httpLab([
      (
        await endpoint((_, response) => {
          response.write('in ')
          response.end('pieces')
        })
      ).address,
    ])
    const answer = await raw(port, 'GET / HTTP/1.0\r\nHost: a\r\n\r\n')
    expect(answer).toMatch(/\r\n\r\nin pieces$/)
    expect(answer).not.toMatch(/transfer-encoding/i)
  })

  it('that says nothing is closed, and so is one whose header does not end', async () => {
    const { port, flows, recorded } = await httpLab(['http://127.0.0.1:1'], {
      listeners: { web: { kind: 'http', address: '127.0.0.1:0', headerTimeout: '100ms', keepAliveTimeout: '100ms' } },
    })
    expect(await raw(port)).toBe('')
    expect(flows.map(({ reason }) => reason)).toEqual(['peek_timeout'])
    expect(await raw(port, 'GET / HTTP/1.1\r\nHost: a\r\nX-')).toMatch(/^HTTP\/1\.1 400 .*did not come in time/s)
    expect((await recorded(1))[0]).toMatchObject({ status: 400, reason: 'http_request_error' })
  })

  it('100 Continue is said when somebody wants the body, and not when nobody does', async () => {
    const { port } = await httpLab([(await endpoint(echo)).address], {
      routes: [
        { name: 'app', listener: 'web', pool: 'app' },
        { name: 'no', listener: 'web', match: { path: '/no' }, reply: { status: 403 } },
      ],
    })
    const head = (path: string) =>
      `POST ${path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n`
    expect(await raw(port, head('/no'))).toMatch(/^HTTP\/1\.1 403 /)
    const socket = client(port)
    socket.write(head('/yes'))
    const [first] = await once(socket, 'data')
    expect(String(first)).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    socket.write('hello')
    let said = ''
    for await (const chunk of socket) said += chunk
    expect(said).toContain('"body":"hello"')
    expect(said).not.toContain('100-continue')
  })
})

describe('bodies and trailers', () => {
  it('pass through both ways over every pair of protocols', async () => {
    const one = await endpoint((request, response) => {
      response.writeHead(200, { trailer: 'x-after' })
      let bytes = 0
      request.on('data', chunk => {
        bytes += chunk.length
      })
      request.on('end', () => {
        response.addTrailers({ 'x-after': `${bytes} ${request.trailers['x-sum']}` })
        response.end('whole')
      })
    })
    const two = await http2Endpoint(stream => {
      let bytes = 0
      let sum = ''
      stream.on('data', chunk => {
        bytes += chunk.length
      })
      stream.on('trailers', trailers => {
        sum = String(trailers['x-sum'])
      })
      stream.on('end', () => {
        stream.respond({ ':status': 200 }, { waitForTrailers: true })
        stream.on('wantTrailers', () => stream.sendTrailers({ 'x-after': `${bytes} ${sum}` }))
        stream.end('whole')
      })
    })
    for (const address of [one.address, two.address]) {
      const { port } = await httpLab([address])
      const body = Buffer.alloc(300_000, 'x')

      const request = http.request({ host: '127.0.0.1', port, method: 'POST', path: '/', agent: false })
      request.setHeader('trailer', 'x-sum')
      request.write(body)
      request.addTrailers({ 'x-sum': 'abc' })
      request.end()
      const over1 = await answerTo(request)
      expect([over1.body, over1.trailers]).toEqual(['whole', { 'x-after': '300000 abc' }])

      const stream = session(port).request(
        { ':method': 'POST', ':path': '/', ':authority': 'app.test' },
        { waitForTrailers: true },
      )
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': 'abc' }))
      stream.end(body)
      const over2 = await answerOf(stream)
      expect([over2.body, over2.trailers['x-after']]).toEqual(['whole', '300000 abc'])
    }
  })

  it('a reader that stops holds the endpoint back, over HTTP/1.1 and HTTP/2', async () => {
    let sent = 0
    const { address } = await endpoint((_, response) => {
      const chunk = Buffer.alloc(65_536)
      const more = () => {
        if (response.destroyed) return
        sent += chunk.length
        if (response.write(chunk)) setImmediate(more)
        else response.once('drain', more)
      }
      more()
    })
    const { port } = await httpLab([address])
    const stalled = async (): Promise<number> => {
      let before = -1
      while (before !== sent) {
        before = sent
        await new Promise(resolve => setTimeout(resolve, 200))
      }
      return sent
    }
    const socket = client(port)
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    socket.pause()
    await until(() => sent > 0)
    const first = await stalled()
    expect(first).toBeLessThan(40 * 1_024 ** 2)
    const stream = session(port).request({ ':path': '/', ':authority': 'a' })
    stream.pause()
    await until(() => sent > first)
    expect((await stalled()) - first).toBeLessThan(20 * 1_024 ** 2)
  })

  it('1xx of an endpoint are passed on', async () => {
    const { address } = await endpoint((_, response) => {
      response.writeEarlyHints({ link: '</a.css>; rel=preload' })
      response.end('page')
    })
    const { port } = await httpLab([address])
    const request = http.get({ host: '127.0.0.1', port, agent: false })
    const hints = once(request, 'information')
    expect((await answerTo(request)).body).toBe('page')
    expect((await hints)[0]).toMatchObject({ statusCode: 103, headers: { link: '</a.css>; rel=preload' } })
  })
})

describe('the endpoint sees', () => {
  it("the client's own Host unless a rule says otherwise", async () => {
    const { address } = await endpoint(echo)
    const { port } = await httpLab([address], {
      routes: [
        { name: 'own', listener: 'web', pool: 'app' },
        {
          name: 'theirs',
          listener: 'web',
          match: { path: '/theirs' },
          pool: 'app',
          filters: { rewrite: { host: 'endpoint' } },
        },
        {
          name: 'given',
          listener: 'web',
          match: { path: '/given' },
          pool: 'app',
          filters: { rewrite: { host: 'given.test' } },
        },
      ],
    })
    const hostAt = async (path: string) =>
      JSON.parse((await ask(port, path, { headers: { host: 'Shop.test:81' } })).body).headers.host
    expect(await hostAt('/')).toBe('Shop.test:81')
    expect(await hostAt('/theirs')).toBe(address.slice('http://'.length))
    expect(await hostAt('/given')).toBe('given.test')
    const stream = session(port).request({ ':path': '/', ':authority': 'two.test' })
    expect(JSON.parse((await answerOf(stream)).body).headers.host).toBe('two.test')
  })

  it('that its client went away: its request is ended, over HTTP/1.1 and HTTP/2', async () => {
    let open = 0
    const { address } = await endpoint((_, response) => {
      open += 1
      response.once('close', () => {
        open -= 1
      })
    })
    const two = await http2Endpoint(stream => {
      open += 1
      stream.once('close', () => {
        open -= 1
      })
    })
    for (const each of [address, two.address]) {
      const { port, recorded } = await httpLab([each])
      const request = http.get({ host: '127.0.0.1', port, agent: false }).on('error', () => {})
      await until(() => open === 1)
      request.destroy()
      await until(() => open === 0)
      const stream = session(port).request({ ':path': '/', ':authority': 'a' })
      await until(() => open === 1)
      stream.close(8)
      await until(() => open === 0)
      const records = await recorded(2)
      expect(records.map(({ status, reason }) => [status, reason])).toEqual([
        [499, 'client_gone'],
        [499, 'client_gone'],
      ])
    }
  })
})

describe('a WebSocket', () => {
  it('is passed through both ways, recorded when it ends, and cut when its endpoint goes', async () => {
    const server = http.createServer()
    const sockets = new WebSocketServer({ server })
    sockets.on('connection', (socket, request) => {
      socket.send(`at ${request.headers['x-fourseven-route']}`)
      socket.on('message', message => socket.send(`echo ${message}`))
    })
    const { port, records, recorded } = await httpLab([`http://127.0.0.1:${await opened(server)}`])
    const socket = new WebSocket(`ws://127.0.0.1:${port}/live`)
    onEnd(() => socket.terminate())
    expect(String((await once(socket, 'message'))[0])).toBe('at app')
    socket.send('hello')
    expect(String((await once(socket, 'message'))[0])).toBe('echo hello')
    expect(records).toEqual([])
    socket.close()
    expect((await recorded(1))[0]).toMatchObject({ status: 101, reason: null, path: '/live' })
    expect(records[0]!.bytesIn).toBeGreaterThan(0)

    const other = new WebSocket(`ws://127.0.0.1:${port}/live`)
    await once(other, 'message')
    for (const each of sockets.clients) each.terminate()
    await once(other, 'close')
    await recorded(2)
  })

  it('has the filters of its rule and the cookie of its endpoint, over HTTP/1.1 and HTTP/2', async () => {
    const server = http.createServer()
    new WebSocketServer({ server })
    const { port } = await httpLab([], {
      pools: { app: { endpoints: [`http://127.0.0.1:${await opened(server)}`], affinity: { cookie: 'kept' } } },
      routes: [
        {
          name: 'app',
          listener: 'web',
          pool: 'app',
          filters: { responseHeaders: { set: { 'x-set': 'by a filter' } } },
        },
      ],
    })
    const one = new WebSocket(`ws://127.0.0.1:${port}/`)
    onEnd(() => one.terminate())
    const [{ headers }] = (await once(one, 'upgrade')) as [http.IncomingMessage]
    const client = session(port)
    await until(() => client.remoteSettings?.enableConnectProtocol === true)
    const asked = { ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/', 'sec-websocket-version': '13' }
    const stream = client.request(asked)
    const [two] = (await once(stream, 'response')) as [Record<string, unknown>]
    for (const fields of [headers, two]) {
      expect(fields).toMatchObject({ 'x-set': 'by a filter', 'set-cookie': [expect.stringMatching(/^kept=/)] })
    }
    stream.close()
  })

  it('that an endpoint refuses is answered as the endpoint says', async () => {
    const { port } = await httpLab([(await endpoint((_, response) => response.writeHead(403).end('no'))).address])
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`)
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, http.IncomingMessage]
    expect(response.statusCode).toBe(403)
    response.destroy()
  })
})
