// Whose time is it while a request is still being sent: its client's or the endpoint's?

import http from 'node:http'
import { createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import type { HttpRuleInput } from '../../shared/config/config-http.ts'
import { answerTo, ask, client, endpoint, http2Endpoint, httpLab, opened, until } from './http-lab.ts'

it('an upload may take longer than a try, and than all tries, as long as it moves', async () => {
  const { address } = await endpoint((request, response) => {
    let bytes = 0
    request.on('data', chunk => {
      bytes += chunk.length
    })
    request.on('end', () => response.end(String(bytes)))
  })
  const { port, relay, recorded } = await lab([address], { try: '2s', request: '2s' })
  const request = upload(port)
  for (let sent = 0; sent < 12; sent++) {
    request.write('x'.repeat(1_000))
    await sleep(250)
  }
  request.end()
  expect(await answerTo(request)).toMatchObject({ status: 200, body: '12000' })
  const [record] = await recorded(1)
  expect(record!.attempts).toMatchObject([{ outcome: 200 }])
  expect((record!.attempts[0] as { ms: number }).ms).toBeGreaterThan(2_900)
  // What it learns of the endpoint is the endpoint's own time.
  const { plane } = relay
  expect(plane.observed.latency[plane.table.pools[0]!.endpoints[0]!.slot]).toBeLessThan(2_000)
})

it('an endpoint has the time of a try from the last byte of an upload on', async () => {
  const { address } = await endpoint(request => request.resume())
  const { port, recorded } = await lab([address], { try: '1s', request: '1s' })
  const request = upload(port)
  for (let sent = 0; sent < 6; sent++) {
    request.write('x')
    await sleep(250)
  }
  const endedAt = performance.now()
  request.end()
  expect((await answerTo(request)).status).toBe(504)
  expect(performance.now() - endedAt).toBeGreaterThan(500)
  expect((await recorded(1))[0]).toMatchObject({ reason: 'http_response_timeout', attempts: [{ outcome: 'timeout' }] })
})

it('an endpoint that takes nothing of an upload is out of time, and to blame', async () => {
  const sockets: Socket[] = []
  const { address, server } = await endpoint(request => request.pause())
  server.on('connection', socket => sockets.push(socket))
  const { port, relay, recorded } = await lab([address], { try: '500ms' })
  const request = upload(port)
  request.on('error', () => {})
  const more = () => {
    while (!request.destroyed && request.write(Buffer.alloc(1_000_000)));
  }
  request.on('drain', more)
  more()
  expect((await answerTo(request)).status).toBe(504)
  expect((await recorded(1))[0]).toMatchObject({ reason: 'http_response_timeout' })
  const { plane } = relay
  expect(plane.observed.ejected[plane.table.pools[0]!.endpoints[0]!.slot]).toBe(1)
})

it.each([
  ['of unknown length', {}, 1],
  ['longer than what is kept', { 'content-length': 100_000 }, 1],
  ['short enough to be read first', { 'content-length': 1_000 }, 0],
])(
  'a client that stops in the middle of a body %s is answered 408, and its endpoint is not to blame',
  async (...test) => {
    const [, headers, tries] = test
    let begun = 0
    const { address } = await endpoint((request, response) => {
      begun += 1
      if (request.method === 'GET') response.end('x')
    })
    const { port, relay, recorded } = await lab([address], { try: '300ms' })
    const request = upload(port, headers)
    request.write('x')
    const answer = await answerTo(request)
    expect(answer.status).toBe(408)
    expect(answer.headers['proxy-status']).toContain('http_request_timeout')
    expect(begun).toBe(tries)
    const [record] = await recorded(1)
    expect(record).toMatchObject({ status: 408, reason: 'http_request_timeout' })
    expect(record!.attempts).toHaveLength(tries)
    const { plane } = relay
    const { slot } = plane.table.pools[0]!.endpoints[0]!
    expect(plane.observed.ejected[slot]).toBe(0)
    await until(() => plane.observed.open[slot] === 0)
    expect((await ask(port, '/')).body).toBe('x')
  },
)

it.each(['HTTP/1.1', 'HTTP/2'])(
  'a client whose body turns out to be no HTTP is answered 400, and its endpoint of %s is not to blame',
  async version => {
    let begun = 0
    const { address } =
      version === 'HTTP/2'
        ? await http2Endpoint(stream => {
            begun += 1
            stream.resume()
          })
        : await endpoint(request => {
            begun += 1
            request.resume()
          })
    const { port, relay, recorded } = await lab([address], { try: '20s' })
    const socket = client(port)
    let said = ''
    socket.on('data', chunk => {
      said += chunk
    })
    socket.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')
    await until(() => begun === 1)
    socket.write('no chunk\r\n')
    const [record] = await recorded(1)
    expect(record).toMatchObject({ status: 400, reason: 'http_request_error' })
    await until(() => said.includes('\r\n\r\n'))
    expect(said).toMatch(/^HTTP\/1.1 400 /)
    const { plane } = relay
    const { slot } = plane.table.pools[0]!.endpoints[0]!
    expect(plane.observed.ejected[slot]).toBe(0)
    await until(() => plane.observed.open[slot] === 0)
  },
)

it('an endpoint that answers in the middle of an upload is told that no more of it comes', async () => {
  const sockets: Socket[] = []
  const server = createServer(socket => {
    sockets.push(socket)
    socket.once('data', () => socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n'))
  })
  const { port } = await lab([`http://127.0.0.1:${await opened(server)}`], {})
  const request = upload(port, { 'content-length': 10_000_000 })
  request.on('error', () => {})
  request.write('x')
  expect((await answerTo(request)).status).toBe(413)
  request.destroy()
  await until(() => sockets[0]!.closed)
})

/** One failure ejects. */
function lab(endpoints: readonly string[], timeouts: NonNullable<HttpRuleInput['timeouts']>) {
  return httpLab([], {
    pools: { app: { endpoints, outlier: { consecutiveFailures: 1 } } },
    routes: [{ name: 'app', listener: 'web', pool: 'app', timeouts }],
  })
}

function upload(port: number, headers: http.OutgoingHttpHeaders = {}): http.ClientRequest {
  return http.request({ host: '127.0.0.1', port, method: 'POST', path: '/', agent: false, headers })
}
