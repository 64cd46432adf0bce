// More than a few connections: idle ones by the thousand, a flood beyond the limits, a relay without descriptors, and
// reloads while bytes flow.

import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { setTimeout as later } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { ConfigInput } from '../../shared/config/config.ts'
import type { Duration } from '../../shared/config/config-values.ts'
import { client, echo, said } from '../relay/lab.ts'
import { configTo, isRecord, relayProgram, sum } from './program.ts'

test('two thousand idle connections are all alive after a while, and each leaves one record', async () => {
  // Here a connection takes two descriptors, its own and the endpoint's; in the relay two as well.
  const count = Math.min(2000, Math.floor((openFilesHere() - 500) / 2))
  const { port } = await echo()
  const door = await relayProgram(configTo([port], { maxConnections: count }))
  const sockets: Socket[] = []
  while (sockets.length < count) {
    const some = Array.from({ length: Math.min(100, count - sockets.length) }, () => client(door.port))
    sockets.push(...(await Promise.all(some)))
  }
  await everyoneIsHeard(sockets, 'before')
  await later(3000)
  await everyoneIsHeard(sockets, 'after')
  for (const socket of sockets) socket.resume().end()
  const records = await door.until(isRecord, count)
  expect(records).toHaveLength(count)
  expect(records.every(({ reason, bytesIn, bytesOut }) => reason === 'done' && bytesIn === 11 && bytesOut === 11)).toBe(
    true,
  )
})

test('a flood beyond maxConnections is reset and recorded one by one, and those inside do not notice', async () => {
  const { port, sockets: reached } = await echo()
  const door = await relayProgram(configTo([port], { maxConnections: 50 }))
  const inside = await Promise.all(Array.from({ length: 50 }, () => client(door.port)))
  await everyoneIsHeard(inside, 'here')
  const flood = await Promise.all(Array.from({ length: 500 }, () => client(door.port)))
  expect(new Set(await Promise.all(flood.map(closing)))).toEqual(new Set(['ECONNRESET']))
  const refused = await door.until(({ reason }) => reason === 'connection_limit', 500)
  expect(refused).toHaveLength(500)
  expect(reached).toHaveLength(50)
  await everyoneIsHeard(inside, 'still here')
  const [first] = inside
  first!.resume().end()
  await door.until(({ reason }) => reason === 'done')
  expect(await said(await client(door.port), 'next')).toBe('next')
})

// A flow takes two: so once the last one is taken by a client, once by an endpoint.
test.each([100, 101])(
  'a relay that may have %i descriptors serves some, resets and records the rest, and is well again',
  async openFiles => {
    const { port } = await echo()
    const door = await relayProgram(configTo([port]), { openFiles })
    const sockets = await Promise.all(Array.from({ length: 150 }, () => client(door.port)))
    const answers = await Promise.all(sockets.map(ask))
    const served = sockets.filter((_, at) => answers[at] === 'hello')
    expect(served.length).toBeGreaterThan(5)
    expect(answers.filter(answer => answer !== 'hello')).toEqual(Array(150 - served.length).fill('ECONNRESET'))
    const exhausted = await door.until(({ reason }) => reason === 'relay_exhausted', 150 - served.length)
    expect(exhausted).toHaveLength(150 - served.length)
    await everyoneIsHeard(served, 'still here')
    for (const socket of served) socket.resume().end()
    await door.until(({ reason }) => reason === 'done', served.length)
    expect(await ask(await client(door.port))).toBe('hello')
  },
)

test('no byte of an untouched flow is lost, however often the relay reloads meanwhile', async () => {
  const [stays, comes] = [await echo(), await echo()]
  const config = (ports: readonly number[], idle: Duration): ConfigInput => ({
    ...configTo(ports),
    // The endpoints take turns within a thread.
    threads: 1,
    routes: [{ name: 'route', listener: 'door', pool: 'pool', timeouts: { idle } }],
  })
  const door = await relayProgram(config([stays.port], '60s'), { args: ['--drain-timeout', '100ms'] })
  let isOver = false
  const flows = Array.from({ length: 4 }, async () => {
    const socket = await client(door.port)
    const [sent, got] = [createHash('sha256'), createHash('sha256')]
    const reading = (async () => {
      for await (const chunk of socket) got.update(chunk as Buffer)
    })()
    let bytes = 0
    while (!isOver) {
      const chunk = randomBytes(100_000)
      sent.update(chunk)
      bytes += chunk.length
      if (!socket.write(chunk)) await once(socket, 'drain')
      // The reload needs a core too.
      await later(10)
    }
    socket.end()
    await reading
    expect(got.digest('hex')).toBe(sent.digest('hex'))
    return bytes
  })
  while (stays.sockets.length < 4) await once(stays.server, 'connection')
  // An endpoint comes and goes, and its flows with it; the rule changes each time.
  for (let times = 1; times <= 2; times++) {
    expect(await door.reload(config([stays.port, comes.port], `${60 + times}s`))).toMatchObject({ event: 'reloaded' })
    const visitors = [await client(door.port), await client(door.port)]
    await everyoneIsHeard(visitors, 'hello')
    expect(await door.reload(config([stays.port], `${90 + times}s`))).toMatchObject({ event: 'reloaded', drained: 1 })
    await door.until(({ reason }) => reason === 'drained', times)
    for (const socket of visitors) socket.destroy()
  }
  isOver = true
  const bytes = (await Promise.all(flows)).reduce((all, each) => all + each, 0)
  const untouched = await door.until(({ reason, bytesIn }) => reason === 'done' && (bytesIn as number) > 5, 4)
  expect([sum(untouched, 'bytesIn'), sum(untouched, 'bytesOut')]).toEqual([bytes, bytes])
})

/** Each says a word and hears it come back. */
async function everyoneIsHeard(sockets: readonly Socket[], word: string): Promise<void> {
  expect(new Set(await Promise.all(sockets.map(socket => said(socket, word))))).toEqual(new Set([word]))
}

/** What comes back for a word, or with which error the connection has closed. */
function ask(socket: Socket): Promise<string> {
  return new Promise(resolve => {
    socket.once('data', word => resolve(String(word)))
    socket.once('close', () => resolve((socket.errored as NodeJS.ErrnoException | null)?.code ?? 'end'))
    if (socket.closed) resolve((socket.errored as NodeJS.ErrnoException | null)?.code ?? 'end')
    else socket.write('hello')
  })
}

/** With which error the connection has closed. */
async function closing(socket: Socket): Promise<string> {
  socket.resume()
  if (!socket.closed) await new Promise(resolve => socket.once('close', resolve))
  return (socket.errored as NodeJS.ErrnoException | null)?.code ?? 'end'
}

function openFilesHere(): number {
  const [, limit] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
  return limit === undefined ? 1024 : Number(limit)
}
