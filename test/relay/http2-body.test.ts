// Half a body never passes for a whole one, in either direction.

import { once } from 'node:events'
import { type ClientHttp2Session, connect, constants, createServer, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { startRelay } from '../../relay/relay.ts'
import { parse } from '../../shared/config/parse.ts'

test('an answer that breaks off in the middle is reset for the client', async () => {
  const { session } = await through(stream => {
    stream.respond({ ':status': 200 })
    stream.write('half of it', () => setTimeout(() => stream.session!.socket.destroy(), 50))
  })
  const stream = session.request({ ':path': '/' })
  stream.on('error', () => {})
  let body = ''
  stream.on('data', chunk => {
    body += chunk
  })
  await new Promise(resolve => stream.once('close', resolve))
  expect(body).toBe('half of it')
  expect(stream.rstCode).toBe(constants.NGHTTP2_INTERNAL_ERROR)
})

test('a request that its client resets in the middle is reset at the endpoint', async () => {
  let ended = (_: number | undefined) => {}
  const closed = new Promise<number | undefined>(resolve => {
    ended = resolve
  })
  let hasBegun = () => {}
  const begun = new Promise<void>(resolve => {
    hasBegun = resolve
  })
  const { session } = await through(stream => {
    stream.once('data', hasBegun)
    stream.once('close', () => ended(stream.rstCode))
  })
  const stream = session.request({ ':path': '/', ':method': 'POST' })
  stream.on('error', () => {})
  stream.write('half of it')
  await begun
  stream.close(constants.NGHTTP2_CANCEL)
  expect(await closed).toBe(constants.NGHTTP2_CANCEL)
})

test('one whose last frame comes late is whole', async () => {
  const { session } = await through(stream => {
    stream.respond({ ':status': 200 })
    stream.write('half of it')
    setTimeout(() => stream.end(), 50)
  })
  const stream = session.request({ ':path': '/' })
  let body = ''
  for await (const chunk of stream) body += chunk
  expect(body).toBe('half of it')
  expect(stream.rstCode).toBe(constants.NGHTTP2_NO_ERROR)
})

/** A session with an `http` listener, whose endpoint does this with each stream. */
async function through(serve: (stream: ServerHttp2Stream) => void): Promise<{ session: ClientHttp2Session }> {
  const endpoint = createServer().on('stream', stream => {
    stream.on('error', () => {})
    serve(stream)
  })
  endpoint.listen(0, '127.0.0.1')
  await once(endpoint, 'listening')
  onTestFinished(() => void endpoint.close())
  const { config } = parse({
    listeners: { door: { kind: 'http', address: '127.0.0.1:0' } },
    pools: { pool: { endpoints: [`h2c://127.0.0.1:${(endpoint.address() as AddressInfo).port}`] } },
    routes: [{ name: 'route', listener: 'door', pool: 'pool' }],
  })
  const relay = await startRelay({ config, variables: {}, onRecord: () => {} })
  onTestFinished(() => relay.stop({ drainMs: 0 }))
  const session = connect(`http://127.0.0.1:${relay.addresses.get('door')!.port}`)
  onTestFinished(() => session.destroy())
  return { session }
}
