// What the http door does with endpoints: connections that are kept and shared, tries that go elsewhere, answers that
// break.

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { authority, pemOf } from '../support/certificates.ts'
import { temporary } from '../support/servers.ts'
import { answerOf, ask, endpoint, http2Endpoint, httpLab, onEnd, opened, session, until } from './http-lab.ts'

const run = promisify(execFile)

describe('connections', () => {
  it('to an endpoint of HTTP/1.1 are kept: a hundred requests in turn need one', async () => {
    const { address, server } = await endpoint((_, response) => response.end('x'))
    let connections = 0
    server.on('connection', () => {
      connections += 1
    })
    const { port } = await httpLab([address])
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    for (let at = 0; at < 100; at++) expect((await ask(port, '/', { agent })).body).toBe('x')
    agent.destroy()
    expect(connections).toBe(1)
  })

  it('are free for the next request though whoever takes the last of an answer is behind with it', async () => {
    const text = Buffer.from(Array.from({ length: 8_000 }, (_, at) => `line ${at * 7919}`).join('\n'))
    const { address } = await endpoint((_, response) => {
      response.writeHead(200, { 'content-type': 'text/plain', 'content-length': text.length })
      response.write(text.subarray(0, 1_000))
      // More at once than compression takes without asking for a pause.
      setTimeout(() => response.end(text.subarray(1_000)), 20)
    })
    const routes = [{ name: 'app', listener: 'web', pool: 'app', compress: true }]
    const { port } = await httpLab([address], { routes })
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    onEnd(() => agent.destroy())
    for (let times = 0; times < 5; times++) {
      const bytes = await bytesOf(port, { agent, headers: { 'accept-encoding': 'gzip' } })
      expect(gunzipSync(bytes).equals(text)).toBe(true)
    }
  })

  it('that the endpoint closes at the wrong moment cost a GET nothing, and a POST is never sent twice', async () => {
    let asked = 0
    const server = createServer(socket => {
      socket.on('error', () => {})
      let mine = 0
      socket.on('data', () => {
        asked += 1
        mine += 1
        // The second request on any connection meets its end.
        if (mine === 1) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
        else socket.destroy()
      })
    })
    const { port, recorded } = await httpLab([`http://127.0.0.1:${await opened(server)}`])
    expect((await ask(port, '/')).body).toBe('ok')
    expect((await ask(port, '/')).body).toBe('ok')
    expect(asked).toBe(3)
    const post = await ask(port, '/', { method: 'POST', body: 'x' })
    expect(post.status).toBe(502)
    expect(asked).toBe(4)
    expect((await recorded(3))[2]).toMatchObject({ reason: 'connection_terminated', attempts: [{ outcome: 'reset' }] })
  })

  it('to an endpoint of HTTP/2 are shared: a hundred requests at once need one, as many as it takes at once', async () => {
    let most = 0
    let open = 0
    const { address, sessions } = await http2Endpoint(
      stream => {
        open += 1
        most = Math.max(most, open)
        setTimeout(() => {
          open -= 1
          stream.respond({ ':status': 200 })
          stream.end('x')
        }, 5)
      },
      { maxConcurrentStreams: 10 },
    )
    const { port } = await httpLab([address])
    const answers = await Promise.all(Array.from({ length: 100 }, () => ask(port, '/')))
    expect(answers.every(({ status, body }) => status === 200 && body === 'x')).toBe(true)
    expect(most).toBeLessThanOrEqual(10 * sessions.length)
  })

  it('over TLS speak what the endpoint agrees on, verified against the authority of the pool', async () => {
    const ca = authority()
    const pair = pemOf(ca.sign('app.test', 'IP:127.0.0.1'))
    const two = http2.createSecureServer({ ...pair, allowHTTP1: true }, (request, response) => {
      response.end(request.httpVersion)
    })
    const one = https.createServer({ ...pair }, (request, response) => response.end(request.httpVersion))
    for (const [server, version] of [
      [two, '2.0'],
      [one, '1.1'],
    ] as const) {
      const address = `https://127.0.0.1:${await opened(server as never)}`
      const { port } = await httpLab([], { pools: { app: { endpoints: [address], tls: { ca: ca.ca } } } })
      const answers = await Promise.all(Array.from({ length: 5 }, () => ask(port, '/')))
      expect(answers.map(({ body }) => body)).toEqual(new Array(5).fill(version))
      const strange = await httpLab([address])
      expect((await ask(strange.port, '/')).status).toBe(502)
      expect((await strange.recorded(1))[0]).toMatchObject({ reason: 'tls_certificate_error' })
    }
  })

  it('reach an endpoint on a unix socket', async () => {
    const path = join(temporary(), 'app.sock')
    const server = http.createServer((request, response) => response.end(request.headers.host)).listen(path)
    await once(server, 'listening')
    const { port } = await httpLab([`unix:${path}`])
    expect((await ask(port, '/', { headers: { host: 'app.test' } })).body).toBe('app.test')
    server.close()
    server.closeAllConnections()
  })
})

describe('an endpoint that fails', () => {
  it('to connect is passed over, for a POST too: nothing was written', async () => {
    const { address } = await endpoint((request, response) => request.pipe(response))
    const { port, recorded } = await httpLab([], {
      pools: { app: { endpoints: ['http://127.0.0.1:1', address], outlier: false } },
    })
    const bodies = ['', 'short', 'x'.repeat(200_000)]
    for (const body of [...bodies, ...bodies]) {
      const headers = body.length > 1_000 ? { 'transfer-encoding': 'chunked' } : {}
      expect((await ask(port, '/', { method: 'POST', body, headers })).body).toBe(body)
    }
    const tried = (await recorded(6)).map(({ attempts }) => attempts.length)
    expect(tried.filter(count => count === 2).length).toBe(3)
  })

  it('to answer in time is 504, and a connect that hangs is another one: each within its time', async () => {
    const { address } = await endpoint(() => {})
    const { port, recorded } = await httpLab([address], {
      routes: [
        { name: 'app', listener: 'web', pool: 'app', retry: false, timeouts: { try: '100ms', connect: '50ms' } },
      ],
    })
    expect((await ask(port, '/')).status).toBe(504)
    expect((await recorded(1))[0]).toMatchObject({ reason: 'http_response_timeout' })
  })

  it('in the middle of its answer breaks it for the client too, over HTTP/1.1 and HTTP/2', async () => {
    const { address } = await endpoint((_, response) => {
      response.writeHead(200, { 'content-length': 1_000 })
      response.write('some')
      setTimeout(() => response.destroy(), 20)
    })
    const { port, recorded } = await httpLab([address])
    await expect(ask(port, '/')).rejects.toThrow(/aborted|reset/i)
    const stream = session(port).request({ ':path': '/', ':authority': 'a' })
    await expect(answerOf(stream)).rejects.toThrow()
    for (const record of await recorded(2)) {
      expect(record).toMatchObject({ status: 200, reason: 'http_response_incomplete', bytesOut: 4 })
    }
  })

  it.each([
    ['a header that is no HTTP', 'nonsense\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
    [
      'a length beside chunks',
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n',
    ],
    ['a status of 999', 'HTTP/1.1 999 No\r\n\r\n'],
    ['101 that nobody asked for', 'HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n'],
    ['a header without end', `HTTP/1.1 200 OK\r\n${'X-A: b\r\n'.repeat(50_000)}`],
  ])('by %s is answered 502 for', async (_, bytes) => {
    const server = createServer(socket => {
      socket.on('error', () => {})
      socket.on('data', () => socket.write(bytes, 'latin1'))
    })
    const { port, recorded } = await httpLab([`http://127.0.0.1:${await opened(server)}`])
    expect((await ask(port, '/')).status).toBe(502)
    expect((await recorded(1))[0]).toMatchObject({ reason: 'http_protocol_error' })
  })

  it('by saying more than it was asked never gives that to the next client', async () => {
    const server = createServer(socket => {
      socket.on('error', () => {})
      socket.on('data', () =>
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'),
      )
    })
    const { port } = await httpLab([`http://127.0.0.1:${await opened(server)}`])
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(port, '/')))
    expect(answers.map(({ body }) => body)).toEqual(new Array(20).fill('ok'))
  })

  it('under load loses no call that may be asked elsewhere, and none hangs', async () => {
    const sockets = new Set<Socket>()
    let served = 0
    const dying = await endpoint((_, response) => {
      served += 1
      setTimeout(() => response.end('dying'), 2)
    })
    dying.server.on('connection', (socket: Socket) => sockets.add(socket))
    const other = await endpoint((_, response) => void setTimeout(() => response.end('other'), 2))
    const { port, records } = await httpLab([], {
      pools: { app: { endpoints: [dying.address, other.address], retryBudget: { percent: 100 } } },
      routes: [
        {
          name: 'app',
          listener: 'web',
          pool: 'app',
          retry: { attempts: 3, on: ['connect-failure', 'reset', '502', '503'] },
        },
      ],
    })
    const agent = new http.Agent({ keepAlive: true, maxSockets: 20 })
    const calls = Array.from({ length: 400 }, async () => (await ask(port, '/', { agent })).status)
    await until(() => served > 50)
    dying.server.close()
    for (const socket of sockets) socket.destroy()
    expect(new Set(await Promise.all(calls))).toEqual(new Set([200]))
    agent.destroy()
    expect(records.some(({ attempts }) => attempts.length > 1)).toBe(true)
  })

  it('after GOAWAY gets no new streams, and those it refused are asked elsewhere', async () => {
    let isLeaving = true
    const { address, sessions } = await http2Endpoint(stream => {
      if (isLeaving) {
        stream.close(http2.constants.NGHTTP2_REFUSED_STREAM)
        return
      }
      stream.respond({ ':status': 200 })
      stream.end('one')
    })
    const other = await http2Endpoint(stream => {
      stream.respond({ ':status': 200 })
      stream.end('other')
    })
    const { port, recorded } = await httpLab([], {
      pools: { app: { endpoints: [address, other.address], outlier: false } },
    })
    for (let at = 0; at < 4; at++) expect((await ask(port, '/', { method: 'POST', body: 'x' })).body).toBe('other')
    expect((await recorded(4)).some(({ attempts }) => attempts.length === 2)).toBe(true)
    isLeaving = false
    for (const one of sessions) one.close()
    await until(() => sessions.every(({ destroyed }) => destroyed))
    const bodies = new Set<string>()
    for (let at = 0; at < 4; at++) bodies.add((await ask(port, '/')).body)
    expect(bodies).toEqual(new Set(['one', 'other']))
  })
})

describe('a rule', () => {
  it('hedges a slow endpoint: the first answer wins, the other call is ended', async () => {
    let open = 0
    const slow = await endpoint((_, response) => {
      open += 1
      response.once('close', () => {
        open -= 1
      })
    })
    const fast = await endpoint((_, response) => response.end('fast'))
    const { port, recorded } = await httpLab([], {
      pools: { app: { endpoints: [slow.address, fast.address], outlier: false } },
      routes: [{ name: 'app', listener: 'web', pool: 'app', hedge: { after: '30ms' } }],
    })
    for (let at = 0; at < 4; at++) expect((await ask(port, '/')).body).toBe('fast')
    await until(() => open === 0)
    const hedged = (await recorded(4)).filter(({ attempts }) => attempts.length === 2)
    expect(hedged.length).toBeGreaterThan(0)
    expect(hedged[0]!.attempts).toContainEqual(expect.objectContaining({ outcome: 'cancelled' }))
  })

  it('mirrors requests to another pool, whose answers change nothing', async () => {
    const copies: string[] = []
    const { address } = await endpoint((request, response) => {
      request.on('data', chunk => copies.push(`${request.headers['x-fourseven-mirror']} ${chunk}`))
      request.on('end', () => response.writeHead(500).end('no'))
    })
    const app = await endpoint((request, response) => request.pipe(response))
    const { port, recorded } = await httpLab([], {
      pools: { app: { endpoints: [app.address] }, next: { endpoints: [address] } },
      routes: [{ name: 'app', listener: 'web', pool: 'app', mirrors: [{ pool: 'next' }] }],
    })
    expect((await ask(port, '/', { method: 'PUT', body: 'hello' })).body).toBe('hello')
    await until(() => copies.length === 1)
    expect(copies).toEqual(['1 hello'])
    expect((await recorded(1))[0]).toMatchObject({ mirrors: [{ pool: 'next', outcome: 'sent' }] })
  })

  it('with a limit on its body refuses what is larger or of unknown length', async () => {
    const { address } = await endpoint((request, response) => request.pipe(response))
    const { port } = await httpLab([address], {
      routes: [{ name: 'app', listener: 'web', pool: 'app', limits: { maxBody: '10B' } }],
    })
    expect((await ask(port, '/', { method: 'POST', body: 'x' })).status).toBe(200)
    expect((await ask(port, '/', { method: 'POST', body: 'x'.repeat(11) })).status).toBe(413)
    const headers = { 'transfer-encoding': 'chunked' }
    expect((await ask(port, '/', { method: 'POST', body: 'x', headers })).status).toBe(411)
  })

  it('with a queue lets requests wait for a place, so many and so long', async () => {
    let open = 0
    let most = 0
    const held: http.ServerResponse[] = []
    const { address } = await endpoint((request, response) => {
      open += 1
      most = Math.max(most, open)
      response.once('close', () => {
        open -= 1
      })
      if (request.url === '/slow') held.push(response)
      else setTimeout(() => response.end('x'), 5)
    })
    const { port, records } = await httpLab([], {
      pools: {
        app: { endpoints: [address], limits: { maxRequestsPerEndpoint: 2 }, queue: { max: 20, timeout: '60s' } },
      },
    })
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(port, '/')))
    expect(answers.map(({ status }) => status)).toEqual(new Array(20).fill(200))
    expect(most).toBe(2)
    const slow = [ask(port, '/slow'), ask(port, '/slow')]
    await until(() => open === 2)
    const asked = Array.from({ length: 30 }, () => ask(port, '/'))
    await until(() => records.length === 30)
    for (const response of held) response.end('x')
    const crowd = await Promise.all(asked)
    expect(crowd.filter(({ status }) => status === 503)).toHaveLength(10)
    await Promise.all(slow)
    await until(() => records.length === 52)
    expect(records.filter(({ reason }) => reason === 'queue_full')).toHaveLength(10)
  })
})

it('h2load puts thousands of requests through two threads over each protocol, and none fails', async () => {
  const { address } = await endpoint((_, response) => response.end('x'))
  const { port, recorded } = await httpLab([address], { options: { threads: 2 } })
  for (const args of [
    ['--h1', '-n', '1000', '-c', '10'],
    ['-n', '1000', '-c', '2', '-m', '50'],
  ]) {
    const { stdout } = await run('h2load', [...args, `http://127.0.0.1:${port}/`], { timeout: 60_000 })
    expect(stdout).toContain('1000 succeeded, 0 failed, 0 errored, 0 timeout')
  }
  expect((await recorded(2_000)).every(({ status }) => status === 200)).toBe(true)
})

async function bytesOf(port: number, options: http.RequestOptions): Promise<Buffer> {
  const request = http.request({ host: '127.0.0.1', port, ...options }).end()
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  return Buffer.concat(await response.toArray())
}
