import { once } from 'node:events'
import { createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Flood, limits, watchFloods } from '../../relay/http/http2-floods.ts'
import {
  codes,
  fieldBlock,
  flags,
  frame,
  type RawClient,
  rawClient,
  request,
  requestFields,
  reset,
  settings,
  types,
} from '../support/http2-frames.ts'

describe('a flood ends its connection with ENHANCE_YOUR_CALM', () => {
  test('of streams that are reset as soon as they are begun', async () => {
    const { client, floods } = await watched()
    await repeat(client, 2 * limits.resets.burst, i => [request(2 * i + 1), reset(2 * i + 1, codes.cancel)])
    expect(await client.ended()).toBe(codes.calm)
    expect(floods).toEqual(['http2_resets'])
  })

  test('of PINGs, in the words that gRPC clients know', async () => {
    const { client, floods } = await watched()
    await repeat(client, 2 * limits.pings.burst, () => [ping])
    const first = await client.seen(({ type }) => type === types.goaway)
    expect(first!.payload.readUInt32BE(4)).toBe(codes.calm)
    expect(first!.payload.toString('latin1', 8)).toBe('too_many_pings')
    await client.ended()
    expect(floods).toEqual(['http2_pings'])
  })

  test('of SETTINGS', async () => {
    const { client, floods } = await watched()
    await repeat(client, 2 * limits.settings.burst, i => [settings([[4, 65_535 + i]])])
    expect(await client.ended()).toBe(codes.calm)
    expect(floods).toEqual(['http2_settings'])
  })

  test('of CONTINUATION frames', async () => {
    const { client, floods } = await watched()
    await client.send(frame(types.headers, 0, 1, requestFields()))
    await repeat(client, 1_000, i => [frame(types.continuation, 0, 1, fieldBlock([[`x-${i}`, 'y']]))])
    expect(await client.ended()).toBe(codes.calm)
    expect(floods).toEqual(['http2_continuations'])
  })

  test('of DATA frames that hold nothing', async () => {
    const { client, floods } = await watched()
    await client.send(frame(types.headers, flags.endHeaders, 1, requestFields('/', 'POST')))
    await repeat(client, 5_000, () => [frame(types.data, 0, 1)])
    expect(await client.ended()).toBe(codes.calm)
    expect(floods).toEqual(['http2_frames'])
  })
})

test('what comes within the pace ends nothing, and the pace goes by time', async () => {
  let now = 0
  const { client, floods } = await watched(() => now)
  for (let round = 0; round < 3; round++) {
    await repeat(client, limits.settings.burst - 2, () => [settings()])
    const mark = Buffer.alloc(8, round)
    await client.send(frame(types.ping, 0, 0, mark))
    // Its acknowledgement says that all before it has been seen.
    await client.seen(({ type, payload }) => type === types.ping && payload.equals(mark))
    now += 60_000
  }
  await client.send(request(1))
  expect(await client.seen(({ type, stream }) => type === types.headers && stream === 1)).toBeDefined()
  expect(floods).toEqual([])
})

test('another end of a session is no flood', async () => {
  const { client, floods } = await watched()
  await client.send(frame(types.data, 0, 1, Buffer.of(1)))
  expect(await client.ended()).toBe(codes.protocol)
  expect(floods).toEqual([])
})

/** Many frames, some at a time, as long as the other side takes them. */
async function repeat(client: RawClient, count: number, make: (index: number) => readonly Buffer[]): Promise<void> {
  for (let i = 0; i < count && !client.socket.destroyed; i++) await client.send(...make(i))
}

const ping = frame(types.ping, 0, 0, Buffer.alloc(8))

/** A server that answers every request after a while, and a raw client of it. */
async function watched(now?: () => number): Promise<{ client: RawClient; floods: Flood[] }> {
  const floods: Flood[] = []
  const server = createServer()
  server.on('session', session => {
    session.on('error', () => {})
    const watch = watchFloods(session, flood => floods.push(flood), now)
    session.on('stream', stream => {
      stream.on('error', () => {})
      stream.on('close', () => {
        if (stream.rstCode !== 0) watch.noteReset()
      })
      stream.respond({ ':status': 200 })
      setTimeout(() => stream.destroyed || stream.end('answer'), 20)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return { client: await rawClient((server.address() as AddressInfo).port), floods }
}
