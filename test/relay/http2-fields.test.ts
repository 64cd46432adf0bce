// Fields that pass in HTTP/1.1 and that node:http2 refuses to write, and streams that are over before they are looked at:
// none of them takes the relay down with it.

import { createServer } from 'node:net'
import { expect, it } from 'vitest'
import { codes, flags, frame, requestFields, reset, settings, types } from '../support/http2-frames.ts'
import { answerOf, ask, client, endpoint, http2Endpoint, httpLab, opened, raw, session, until } from './http-lab.ts'

it('fields that stand twice go to an endpoint of HTTP/2 as they came, and come back so', async () => {
  const seen: unknown[] = []
  const { address } = await http2Endpoint((stream, headers) => {
    seen.push(headers['x-count'])
    stream.respond({ ':status': 200 })
    stream.end('ok')
  })
  const { port, relay } = await httpLab([address])
  for (const turn of ['1', '2', '3']) {
    const twice = 'Referer: x\r\nReferer: y\r\nUser-Agent: a\r\nUser-Agent: b\r\n'
    const said = await raw(port, `GET / HTTP/1.1\r\nHost: a\r\nX-Count: ${turn}\r\n${twice}Connection: close\r\n\r\n`)
    expect(said).toMatch(/^HTTP\/1.1 200 /)
  }
  expect(seen).toEqual(['1', '2', '3'])
  const { plane } = relay
  await until(() => plane.observed.open[plane.table.pools[0]!.endpoints[0]!.slot] === 0)

  const twice = await endpoint((_, response) => {
    response.writeHead(200, ['ETag', '"a"', 'ETag', '"b"', 'Content-Length', '2']).end('ok')
  })
  const other = await httpLab([twice.address])
  expect(await answerOf(session(other.port).request({ ':path': '/' }))).toMatchObject({ status: 200, body: 'ok' })
})

it('trailers that speak of a connection stay on it', async () => {
  const trailers: object[] = []
  const { address } = await http2Endpoint(stream => {
    stream.on('trailers', fields => trailers.push(fields))
    stream.resume().on('end', () => {
      stream.respond({ ':status': 200 })
      stream.end('ok')
    })
  })
  const { port } = await httpLab([address])
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n'
  const said = await raw(port, head, '2\r\nhi\r\n', '0\r\nProxy-Connection: x\r\nHTTP2-Settings: x\r\nX-Sum: 1\r\n\r\n')
  expect(said).toMatch(/^HTTP\/1.1 200 /)
  expect(trailers.map(Object.keys)).toEqual([['x-sum']])
})

it('a 1xx of an endpoint of HTTP/1.1 goes on without what it says of its connection', async () => {
  const server = createServer(socket => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 103 Early Hints\r\nConnection: keep-alive\r\nLink: </a>\r\nLink: </b>\r\n\r\n')
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    })
  })
  const { port } = await httpLab([`http://127.0.0.1:${await opened(server)}`])
  const stream = session(port).request({ ':path': '/' })
  const hints: object[] = []
  stream.on('headers', headers => hints.push(headers))
  expect(await answerOf(stream)).toMatchObject({ body: 'ok' })
  expect(hints).toMatchObject([{ ':status': 103, link: '</a>, </b>' }])
  expect(hints[0]).not.toHaveProperty('connection')
})

it('a stream that is reset in the packet that began it is no trouble', async () => {
  const { address } = await endpoint((_, response) => response.end('ok'))
  const { port, records } = await httpLab([address])
  const socket = client(port)
  const block = requestFields('/', 'POST', [['expect', '100-continue']])
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
  const begun = frame(types.headers, flags.endHeaders, 1, block)
  socket.write(Buffer.concat([preface, settings(), begun, reset(1, codes.cancel)]))
  await until(() => records.length === 1)
  expect(records[0]).toMatchObject({ reason: 'client_gone' })
  expect((await ask(port, '/')).body).toBe('ok')
})
