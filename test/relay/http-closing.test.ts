// How a connection of HTTP/1.1 ends from the relay's side: not before its answer has left, and not never.

import { once } from 'node:events'
import http from 'node:http'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { ask, client, endpoint, httpLab, onEnd, opened, until } from './http-lab.ts'

it('a client that does not close its side is let go all the same', async () => {
  const { address } = await endpoint((_, response) => response.end('ok'))
  const { port } = await httpLab([address], {
    listeners: { web: { kind: 'http', address: '127.0.0.1:0', headerTimeout: '60s', keepAliveTimeout: '100ms' } },
  })
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
  onEnd(() => socket.destroy())
  let isGone = false
  socket.on('error', () => {
    isGone = true
  })
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(socket.resume(), 'end')
  const poking = setInterval(() => socket.write('x'), 100)
  onEnd(() => clearInterval(poking))
  await until(() => isGone)
})

it('a client that is slow gets the last answer whole', async () => {
  const bytes = 24 * 1024 ** 2
  const { address } = await endpoint((_, response) => {
    response.setHeader('cache-control', 'max-age=600')
    response.end(Buffer.alloc(bytes, 'x'))
  })
  const { port } = await httpLab([address], {
    routes: [{ name: 'app', listener: 'web', pool: 'app', cache: { maxBody: '32MiB' } }],
  })
  expect((await ask(port, '/', { headers: { host: 'a' } })).body).toHaveLength(bytes)
  const socket = client(port)
  socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  await sleep(3_500)
  let came = 0
  socket.on('data', chunk => {
    came += chunk.length
  })
  await once(socket, 'close')
  expect(came).toBeGreaterThan(bytes)
})

it('a WebSocket goes on while the relay drains', async () => {
  const server = http.createServer()
  new WebSocketServer({ server }).on('connection', socket => {
    socket.on('message', message => socket.send(`echo ${message}`))
  })
  const { relay, port } = await httpLab([`http://127.0.0.1:${await opened(server)}`])
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`)
  onEnd(() => socket.terminate())
  await once(socket, 'open')
  const stopped = relay.stop({ drainMs: 60_000 })
  await expect.poll(() => ask(port, '/').then(String, String), { timeout: 20_000 }).toContain('ECONNREFUSED')
  await sleep(300)
  socket.send('hello')
  expect(String((await once(socket, 'message'))[0])).toBe('echo hello')
  socket.close()
  await stopped
})
