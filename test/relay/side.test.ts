import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { Side } from '../../relay/side.ts'
import { echo, ending, endpoint } from './lab.ts'

const open = (port: number) => new Side(onread => connect({ host: '127.0.0.1', port, allowHalfOpen: true, onread }))

test('a reset in the middle of a shutdown still closes the socket', async () => {
  const { port } = await echo()
  const side = open(port)
  await once(side.socket, 'connect')
  side.socket.end()
  side.reset()
  await new Promise<void>(resolve => {
    side.onClose = resolve
  })
  expect(side.isClosed).toBe(true)
})

test('a reset drops what was written and not sent', async () => {
  const { port, accepted } = await endpoint(socket => socket.pause())
  const side = open(port)
  await once(side.socket, 'connect')
  const peer = await accepted(0)
  side.socket.end(Buffer.alloc(50_000_000))
  side.reset()
  expect(await ending(peer)).toBe('ECONNRESET')
})

test('a reset while connecting gives up', async () => {
  const side = new Side(onread => connect({ host: 'silent.test', port: 9, lookup: () => {}, onread }))
  side.reset()
  await new Promise<void>(resolve => {
    side.onClose = resolve
  })
  expect(side.socket.destroyed).toBe(true)
})

test('bytes that come before there is another side wait in bounded memory and keep their order', async () => {
  const { port: talkative, accepted } = await endpoint(socket => socket.write(numbers))
  const got: Buffer[] = []
  const { port: listening } = await endpoint(socket => socket.on('data', chunk => got.push(chunk)))
  const from = open(talkative)
  const to = open(listening)
  await Promise.all([once(from.socket, 'connect'), once(to.socket, 'connect')])
  await new Promise(resolve => setTimeout(resolve, 50))
  expect(from.socket.bytesRead).toBeLessThanOrEqual(4 * 4096)
  expect(from.bytes).toBe(0)
  from.sendTo(to)
  to.sendTo(from)
  ;(await accepted(0)).end()
  await once(from.socket, 'end')
  while (Buffer.concat(got).length < numbers.length) await new Promise(resolve => setTimeout(resolve, 5))
  expect(Buffer.concat(got).equals(numbers)).toBe(true)
  expect(from.bytes).toBe(numbers.length)
})

const numbers = Buffer.from(Array.from({ length: 100_000 }, (_, at) => `${at}`).join(' '))
