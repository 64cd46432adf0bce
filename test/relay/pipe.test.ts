import { createHash, randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { client, echo, ending, endpoint, lab, readAll, said } from './lab.ts'

test('10 MB come back byte for byte while they are still being sent', async () => {
  const { port } = await echo()
  const { port: door, recorded } = await lab([port])
  const sent = randomBytes(10_000_000)
  const socket = await client(door)
  socket.end(sent)
  const back = await readAll(socket)
  expect(sha256(back)).toBe(sha256(sent))
  const [record] = await recorded(1)
  expect(record).toMatchObject({ reason: 'done', bytesIn: 10_000_000, bytesOut: 10_000_000 })
})

test('both ways carry their own bytes at once', async () => {
  const fromClient = randomBytes(10_000_000)
  const fromEndpoint = randomBytes(9_000_001)
  let got: Promise<Buffer> | undefined
  const { port } = await endpoint(socket => {
    got = readAll(socket)
    socket.end(fromEndpoint)
  })
  const { port: door, recorded } = await lab([port])
  const socket = await client(door)
  socket.end(fromClient)
  expect(sha256(await readAll(socket))).toBe(sha256(fromEndpoint))
  const [record] = await recorded(1)
  expect(sha256(await got!)).toBe(sha256(fromClient))
  expect(record).toMatchObject({ reason: 'done', bytesIn: 10_000_000, bytesOut: 9_000_001 })
})

test('half-close reaches the endpoint and the answer still comes back', async () => {
  const { port } = await endpoint(socket => {
    void readAll(socket).then(question => socket.end(`${question} 42`))
  })
  const { port: door, recorded } = await lab([port])
  const socket = await client(door)
  socket.end('the answer is')
  expect(String(await readAll(socket))).toBe('the answer is 42')
  expect((await recorded(1))[0]).toMatchObject({ reason: 'done', bytesIn: 13, bytesOut: 16 })
})

test('an endpoint that ends first still gets what the client has to say', async () => {
  const { port, accepted } = await endpoint(socket => socket.end('bye'))
  const { port: door, recorded } = await lab([port])
  const socket = await client(door)
  expect(String(await readAll(socket))).toBe('bye')
  socket.end('but wait')
  expect(String(await readAll(await accepted(0)))).toBe('but wait')
  expect((await recorded(1))[0]).toMatchObject({ reason: 'done', bytesIn: 8, bytesOut: 3 })
})

test('an endpoint that speaks first is heard before the client has said a word', async () => {
  const { port } = await endpoint(socket => socket.end('220 ready'))
  const { port: door } = await lab([port])
  expect(String(await readAll(await client(door)))).toBe('220 ready')
})

test('a reset by the client reaches the endpoint as a reset', async () => {
  const { port, accepted } = await echo()
  const { port: door, recorded } = await lab([port])
  const socket = await client(door)
  await said(socket, 'hello')
  const behind = await accepted(0)
  socket.resetAndDestroy()
  expect(await ending(behind)).toBe('ECONNRESET')
  expect((await recorded(1))[0]).toMatchObject({ reason: 'client_reset', endpoint: 'pool-0' })
})

test('a reset by the endpoint reaches the client as a reset', async () => {
  const { port, accepted } = await echo()
  const { port: door, recorded } = await lab([port])
  const socket = await client(door)
  await said(socket, 'hello')
  const behind = await accepted(0)
  behind.resetAndDestroy()
  expect(await ending(socket)).toBe('ECONNRESET')
  expect((await recorded(1))[0]).toMatchObject({ reason: 'endpoint_reset' })
})

test('a reset passes even when the other side has not read what it was sent', async () => {
  const { port, accepted } = await endpoint(socket => socket.write(Buffer.alloc(30_000_000)))
  const { port: door, recorded } = await lab([port])
  const socket = await client(door)
  const behind = await accepted(0)
  await stalled(behind)
  behind.resetAndDestroy()
  expect((await recorded(1))[0]).toMatchObject({ reason: 'endpoint_reset' })
  expect(await ending(socket)).toBe('ECONNRESET')
})

test('a reset after the end is noticed too', async () => {
  const { port, accepted } = await echo()
  const { port: door, recorded } = await lab([port])
  const socket = await client(door)
  await said(socket, 'hello')
  const behind = await accepted(0)
  behind.unpipe()
  socket.end()
  await new Promise(resolve => behind.once('end', resolve))
  socket.resetAndDestroy()
  expect((await recorded(1))[0]).toMatchObject({ reason: 'client_reset' })
})

test('a client that never reads stalls its endpoint; when it reads at last nothing is missing', async () => {
  const sent = randomBytes(64_000_000)
  const { port, accepted } = await endpoint(socket => {
    void (async () => {
      for (let at = 0; at < sent.length; at += 100_000) {
        const chunk = sent.subarray(at, at + 100_000)
        if (!socket.write(chunk)) await new Promise(resolve => socket.once('drain', resolve))
      }
      socket.end()
    })()
  })
  const { port: door, recorded } = await lab([port])
  const socket = await client(door)
  const behind = await accepted(0)
  await stalled(behind)
  // What the system buffers between the four sockets (some 20 MB at most), and 256 KiB of ours.
  expect(behind.bytesWritten).toBeLessThan(32_000_000)
  expect(behind.bytesWritten).toBeGreaterThan(100_000)
  socket.end()
  expect(sha256(await readAll(socket))).toBe(sha256(sent))
  expect((await recorded(1))[0]).toMatchObject({ reason: 'done', bytesIn: 0, bytesOut: 64_000_000 })
})

test('twenty flows at once, half of them read slowly, never see a byte of each other', async () => {
  const { port } = await echo()
  const { port: door, recorded } = await lab([port])
  await Promise.all(
    Array.from({ length: 20 }, async (_, at) => {
      const sent = randomBytes(2_000_000)
      const socket = await client(door)
      socket.end(sent)
      const got: Buffer[] = []
      for await (const chunk of socket) {
        got.push(chunk as Buffer)
        if (at % 2 === 0 && got.length % 8 === 0) await new Promise(resolve => setTimeout(resolve, 1))
      }
      expect(sha256(Buffer.concat(got))).toBe(sha256(sent))
    }),
  )
  for (const record of await recorded(20)) expect(record).toMatchObject({ reason: 'done', bytesOut: 2_000_000 })
})

test('a flow without a byte either way ends with idle_timeout, and both sides notice', async () => {
  const { port, accepted } = await endpoint(socket => socket.resume())
  const { port: door, recorded } = await lab([port], { rule: { timeouts: { connectMs: 2000, idleMs: 100 } } })
  const socket = await client(door)
  socket.write('anybody there?')
  expect(await ending(socket)).toBe('ECONNRESET')
  expect(await ending(await accepted(0))).toBe('ECONNRESET')
  expect((await recorded(1))[0]).toMatchObject({ reason: 'idle_timeout', bytesIn: 14, bytesOut: 0 })
})

test('a side that was told the end and never ends itself falls to the idle timeout', async () => {
  const { port } = await endpoint(socket => socket.resume())
  const { port: door, recorded } = await lab([port], { rule: { timeouts: { connectMs: 2000, idleMs: 100 } } })
  const socket = await client(door)
  socket.end()
  expect((await recorded(1))[0]).toMatchObject({ reason: 'idle_timeout' })
})

test('bytes in one direction keep a flow alive past its idle timeout', async () => {
  let ticks = 0
  const { port } = await endpoint(socket => {
    const timer = setInterval(() => {
      ticks += 1
      if (ticks < 10) socket.write('.')
      else {
        clearInterval(timer)
        socket.end('.')
      }
    }, 100)
  })
  const { port: door, recorded } = await lab([port], { rule: { timeouts: { connectMs: 2000, idleMs: 700 } } })
  const socket = await client(door)
  socket.end()
  expect(String(await readAll(socket))).toBe('..........')
  expect((await recorded(1))[0]).toMatchObject({ reason: 'done', bytesOut: 10 })
})

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Until the system takes no more of what is written, looked at twice half a second apart. */
async function stalled(socket: Socket): Promise<void> {
  let before = -1
  for (;;) {
    const unsent = (socket as Socket & { _handle: { writeQueueSize: number } })._handle.writeQueueSize
    if (unsent > 0 && unsent === before) return
    before = unsent
    await new Promise(resolve => setTimeout(resolve, 500))
  }
}
