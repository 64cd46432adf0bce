import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { connect } from 'node:http2'
import { type AddressInfo, connect as netConnect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { limitAge } from '../../relay/http/age.ts'
import type { HttpConnection } from '../../relay/http/exchange.ts'
import { startRelay } from '../../relay/relay.ts'
import { parse } from '../../shared/config/parse.ts'

test('a connection is drained within a tenth of its age, and cut when its grace is over', async () => {
  const told: string[] = []
  const connection = { drain: () => told.push('drain'), cut: () => told.push('cut') } as unknown as HttpConnection
  const forget = limitAge(connection, { maxMs: 20, graceMs: 20 }, 0.5)
  while (told.length < 2) await new Promise(later => setTimeout(later, 5))
  expect(told).toEqual(['drain', 'cut'])
  forget()
  limitAge(connection, { maxMs: 20, graceMs: 20 }, 0)()
  limitAge(connection, { maxMs: Number.POSITIVE_INFINITY, graceMs: 0 }, 0)()
  await new Promise(later => setTimeout(later, 60))
  expect(told).toHaveLength(2)
})

test('over HTTP/2 the client hears GOAWAY, and what is under way is finished', async () => {
  const port = await agedDoor()
  const session = connect(`http://127.0.0.1:${port}`)
  onTestFinished(() => session.destroy())
  const slow = session.request({ ':path': '/', ':method': 'POST' })
  const answered = once(slow, 'response')
  const [code, last] = await once(session, 'goaway')
  expect([code, last]).toEqual([0, 1])
  slow.end('that is all')
  const [headers] = await answered
  expect(headers[':status']).toBe(200)
  slow.resume()
  await once(session, 'close')
})

test('over HTTP/1.1 the next answer is the last one, and an idle connection is closed', async () => {
  const port = await agedDoor()
  const socket = netConnect(port, '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\nHost: x.test\r\n\r\n')
  await once(socket.resume(), 'end')
  const late = request({ host: '127.0.0.1', port, method: 'POST', agent: false })
  late.flushHeaders()
  const answered = once(late, 'response')
  await new Promise(later => setTimeout(later, 300))
  late.end('x')
  const [answer] = await answered
  expect(answer.headers.connection).toBe('close')
  answer.resume()
})

/** An `http` listener whose connections get a tenth of a second old, with an endpoint that answers when a body has come. */
async function agedDoor(): Promise<number> {
  const endpoint = createServer((asked, answer) => asked.resume().on('end', () => answer.end('done')))
  endpoint.listen(0, '127.0.0.1')
  await once(endpoint, 'listening')
  onTestFinished(() => {
    endpoint.close()
    endpoint.closeAllConnections()
  })
  const { config } = parse({
    listeners: { door: { kind: 'http', address: '127.0.0.1:0', maxConnectionAge: '100ms' } },
    pools: { pool: { endpoints: [`http://127.0.0.1:${(endpoint.address() as AddressInfo).port}`] } },
    routes: [{ name: 'route', listener: 'door', pool: 'pool' }],
  })
  const relay = await startRelay({ config, variables: {}, onRecord: () => {} })
  onTestFinished(() => relay.stop({ drainMs: 0 }))
  return relay.addresses.get('door')!.port
}
