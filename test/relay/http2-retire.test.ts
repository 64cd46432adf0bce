import { once } from 'node:events'
import { createServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { jittered, limitAge, retire } from '../../relay/http2-retire.ts'
import { codes, rawClient, request, types } from '../support/http2-frames.ts'

test('GOAWAY names the last stream that was begun, and what is under way is finished', async () => {
  const { client, session, streams } = await served()
  await client.send(request(1), request(3))
  const all = await streams(2)
  retire(session, Number.POSITIVE_INFINITY)
  const goaway = await client.seen(({ type }) => type === types.goaway)
  expect([goaway!.payload.readUInt32BE(0), goaway!.payload.readUInt32BE(4)]).toEqual([3, codes.noError])
  await client.send(request(5))
  expect(client.socket.destroyed).toBe(false)
  for (const stream of all) stream.end('answer')
  expect(await client.ended()).toBe(codes.noError)
  expect(all).toHaveLength(2)
  const answered = client.frames.filter(({ type }) => type === types.data).map(({ stream }) => stream)
  expect([...new Set(answered)].sort()).toEqual([1, 3])
})

test('what is open when the grace is over is cut', async () => {
  const { client, session, streams } = await served()
  await client.send(request(1))
  await streams(1)
  retire(session, 50)
  await client.ended()
  expect(client.frames.some(({ type }) => type === types.data)).toBe(false)
})

test('a session without streams is closed at once', async () => {
  const { client, session } = await served()
  retire(session, Number.POSITIVE_INFINITY)
  expect(await client.ended()).toBe(codes.noError)
})

test('a session that is of age is retired', async () => {
  const { client, session } = await served()
  limitAge(session, { maxMs: 50, graceMs: Number.POSITIVE_INFINITY }, 0.5)
  expect(await client.ended()).toBe(codes.noError)
})

test('the ages of many connections lie between nine and eleven tenths', () => {
  expect(jittered(60_000, 0)).toBeCloseTo(54_000)
  expect(jittered(60_000, 0.5)).toBeCloseTo(60_000)
  expect(jittered(60_000, 0.999)).toBeLessThan(66_000)
  expect(jittered(2 ** 31 - 1, 0.9)).toBe(2 ** 31 - 1)
})

/** A server whose streams stay open, and a raw client of it. */
async function served() {
  const server = createServer()
  const all: ServerHttp2Stream[] = []
  server.on('stream', stream => {
    stream.on('error', () => {})
    stream.respond({ ':status': 200 })
    all.push(stream)
  })
  const began = once(server, 'session')
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const client = await rawClient((server.address() as AddressInfo).port)
  const [session] = (await began) as [ServerHttp2Session]
  session.on('error', () => {})
  const streams = async (count: number) => {
    while (all.length < count) await once(server, 'stream')
    return all
  }
  return { client, session, streams }
}
