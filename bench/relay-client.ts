// The client of the relay benches, in a process of its own: does one task at a time and answers with what it measured.
// Every byte that comes back is compared with what was sent.

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { crc32 } from 'node:zlib'

/** `port` is the relay's. All but `open` and `short` work on the connections that `open` left open. */
export type Task =
  /** Opens them, exchanges a message on each where the endpoint echoes. Answers the seconds it took. */
  | { readonly do: 'open'; readonly port: number; readonly connections: number; readonly echoes: boolean }
  /** One stream up each connection, until the endpoint says that it has all of it. Answers the seconds it took. */
  | { readonly do: 'stream'; readonly port: number; readonly bytes: number; readonly checks: boolean }
  /** Closed loop: one message at a time on each connection, `count` in all. Answers the seconds it took. */
  | { readonly do: 'messages'; readonly port: number; readonly count: number }
  /** Open loop: messages go out when they are due, whether or not others are back. Answers p99 in milliseconds. */
  | { readonly do: 'paced'; readonly port: number; readonly perSecond: number; readonly seconds: number }
  /** Connect, one message, close; `atOnce` at a time, from eight addresses. Answers the seconds it took. */
  | { readonly do: 'short'; readonly port: number; readonly count: number; readonly atOnce: number }
  /** Resets them, so that no port waits. */
  | { readonly do: 'reset'; readonly port: number }

interface Lane {
  readonly socket: Socket
  /** Takes what comes; valid during the call. */
  take: (bytes: Buffer) => void
  fail: (error: Error) => void
}

async function work(task: Task): Promise<number> {
  const start = performance.now()
  if (task.do === 'open') {
    const opened: Lane[] = []
    lanes.set(task.port, opened)
    while (opened.length < task.connections) {
      const some = Math.min(OPENED_AT_ONCE, task.connections - opened.length)
      const fresh = await Promise.all(Array.from({ length: some }, (_, i) => openLane(task.port, i)))
      if (task.echoes) await Promise.all(fresh.map(lane => exchange(lane, 1)))
      opened.push(...fresh)
    }
  } else if (task.do === 'stream') {
    await Promise.all(lanesOf(task.port).map(lane => stream(lane, task.bytes, task.checks)))
  } else if (task.do === 'messages') {
    const on = lanesOf(task.port)
    await Promise.all(on.map(lane => exchange(lane, task.count / on.length)))
  } else if (task.do === 'paced') {
    return await pace(lanesOf(task.port), task.perSecond, task.seconds)
  } else if (task.do === 'short') {
    let left = task.count
    const next = async () => {
      while (left-- > 0) {
        const lane = await openLane(task.port, left)
        await exchange(lane, 1)
        const closed = new Promise((resolve, reject) => {
          lane.socket.on('close', resolve)
          lane.fail = reject
        })
        lane.socket.end()
        await closed
      }
    }
    await Promise.all(Array.from({ length: task.atOnce }, next))
  } else {
    for (const { socket } of lanesOf(task.port)) socket.resetAndDestroy()
    lanes.delete(task.port)
  }
  return (performance.now() - start) / 1000
}

/** Source addresses take turns: every one has its own 28,000 ports, and a closed connection keeps its port for a minute. */
async function openLane(port: number, turn: number): Promise<Lane> {
  const socket = connect({
    port,
    host: '127.0.0.1',
    localAddress: `127.0.0.${2 + (turn % 8)}`,
    noDelay: true,
    onread: {
      buffer: memory,
      callback(count, buffer) {
        lane.take((buffer as Buffer).subarray(0, count))
        return true
      },
    },
  })
  const lane: Lane = {
    socket,
    take: () => lane.fail(new Error('bytes that nobody asked for')),
    fail: error => {
      throw error
    },
  }
  await once(socket, 'connect')
  socket.on('error', error => lane.fail(error))
  return lane
}

function lanesOf(port: number): readonly Lane[] {
  const on = lanes.get(port)
  if (on === undefined) throw new Error('nothing is open there')
  return on
}

/** Sends `count` messages, each when the one before is back. */
function exchange(lane: Lane, count: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let left = Math.ceil(count)
    const message = newMessage()
    lane.fail = reject
    lane.socket.on('end', onEnd)
    // The number of a message is how many are left.
    lane.take = messagesOf(reject, number => {
      if (number !== left) return reject(new Error('another message came'))
      left -= 1
      if (left > 0) return send()
      lane.socket.off('end', onEnd)
      resolve()
    })
    const send = () => {
      message.writeUInt32BE(left)
      lane.socket.write(message)
    }
    function onEnd(): void {
      reject(new Error('closed before the message was back'))
    }
    send()
  })
}

/** Puts messages together again, compares all but their number, and calls for each of them with it. */
function messagesOf(fail: (error: Error) => void, onMessage: (number: number) => void): (bytes: Buffer) => void {
  const inbox = Buffer.alloc(MESSAGE_BYTES)
  let held = 0
  return bytes => {
    for (let at = 0; at < bytes.length; ) {
      const taken = bytes.copy(inbox, held, at)
      held += taken
      at += taken
      if (held < MESSAGE_BYTES) return
      held = 0
      if (inbox.compare(template, 4, MESSAGE_BYTES, 4, MESSAGE_BYTES) !== 0) return fail(new Error('other bytes came'))
      onMessage(inbox.readUInt32BE())
    }
  }
}

/** What is due goes out on a grid of a millisecond; a latency is from the point of the grid, so lateness counts too. */
function pace(on: readonly Lane[], perSecond: number, seconds: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const latencies: number[] = []
    const steps = seconds * 1000
    const count = Math.floor(perSecond * seconds)
    const start = performance.now()
    for (const lane of on) {
      lane.fail = reject
      // The number of a message is its point of the grid.
      lane.take = messagesOf(reject, step => {
        latencies.push(performance.now() - start - step)
        if (latencies.length === count) resolve(percentile(latencies, 0.99))
      })
    }
    let sent = 0
    let step = 0
    const tick = () => {
      const now = performance.now() - start
      for (; step <= now && step < steps; step++) {
        for (const due = Math.floor((count * (step + 1)) / steps); sent < due; sent++) {
          const message = newMessage()
          message.writeUInt32BE(step)
          on[sent % on.length]!.socket.write(message)
        }
      }
      if (step < steps) setTimeout(tick, 1)
      else setTimeout(() => reject(new Error('messages were not back after 10 s')), 10_000).unref()
    }
    tick()
  })
}

function percentile(values: number[], part: number): number {
  values.sort((a, b) => a - b)
  return values[Math.min(values.length - 1, Math.floor(values.length * part))]!
}

function stream(lane: Lane, bytes: number, checks: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const head = Buffer.alloc(8)
    head.writeUIntBE(bytes, 0, 6)
    head[6] = checks ? 1 : 0
    let crc = 0
    let left = bytes
    lane.fail = reject
    lane.take = answer => {
      if (left > 0 || answer.readUInt32BE() !== crc) reject(new Error('not the bytes that were sent'))
      else resolve()
    }
    lane.socket.write(head)
    const push = () => {
      while (left > 0) {
        const piece = left < payload.length ? payload.subarray(0, left) : payload
        if (checks) crc = crc32(piece, crc)
        left -= piece.length
        if (!lane.socket.write(piece)) {
          if (left > 0) lane.socket.once('drain', push)
          return
        }
      }
    }
    push()
  })
}

function newMessage(): Buffer {
  return Buffer.from(template)
}

const MESSAGE_BYTES = 200
const OPENED_AT_ONCE = 200
const template = Buffer.alloc(MESSAGE_BYTES, 'a line of a protocol\r\n')
const payload = randomBytes(256 * 1024)
// Everything that comes is taken in the call, so one buffer does for all.
const memory = Buffer.allocUnsafeSlow(64 * 1024)
const lanes = new Map<number, Lane[]>()

process.on('message', async (task: Task) => {
  try {
    process.send!({ value: await work(task) })
  } catch (error) {
    process.send!({ error: `${task.do}: ${(error as Error).message}` })
  }
})
process.on('disconnect', () => process.exit())
