// An HTTP/2 client that writes frames byte by byte, so that it can send what no library would (RFC 9113 section 4.1), and
// reads what the other side makes of it.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

export const types = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const
export const flags = { ack: 1, endStream: 1, endHeaders: 4 } as const
export const codes = {
  noError: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  refused: 7,
  cancel: 8,
  compression: 9,
  calm: 11,
} as const

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

export function frame(type: number, bits: number, stream: number, payload: Uint8Array = new Uint8Array()): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(bits, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** Literal fields without indexing and without Huffman (RFC 7541 section 6.2.2). */
export function fieldBlock(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.of(0), text(name), text(value)]))
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1')
  return Buffer.concat([integer(bytes.length), bytes])
}

/** With a prefix of 7 bits (RFC 7541 section 5.1). */
function integer(value: number): Buffer {
  if (value < 127) return Buffer.of(value)
  const bytes = [127]
  let rest = value - 127
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return Buffer.of(...bytes, rest)
}

export function requestFields(path = '/', method = 'GET', more: readonly (readonly [string, string])[] = []) {
  return fieldBlock([[':method', method], [':scheme', 'http'], [':authority', 'x.test'], [':path', path], ...more])
}

/** A whole request without a body. */
export function request(stream: number, path = '/'): Buffer {
  return frame(types.headers, flags.endHeaders | flags.endStream, stream, requestFields(path))
}

export function settings(pairs: readonly (readonly [id: number, value: number])[] = []): Buffer {
  const payload = Buffer.alloc(6 * pairs.length)
  for (const [at, [id, value]] of pairs.entries()) {
    payload.writeUInt16BE(id, 6 * at)
    payload.writeUInt32BE(value, 6 * at + 2)
  }
  return frame(types.settings, 0, 0, payload)
}

export function reset(stream: number, code: number): Buffer {
  const payload = Buffer.alloc(4)
  payload.writeUInt32BE(code)
  return frame(types.reset, 0, stream, payload)
}

export interface RawClient {
  readonly socket: Socket
  /** All frames that came so far. */
  readonly frames: Frame[]
  /** Resolves when the other side has taken the bytes, or is gone. */
  readonly send: (...bytes: readonly Buffer[]) => Promise<void>
  /** Resolves with the first frame that `is`, or undefined when the connection ends without. */
  readonly seen: (is: (frame: Frame) => boolean) => Promise<Frame | undefined>
  /** Resolves when the connection is over, with the code of the last GOAWAY; undefined when none came. */
  readonly ended: () => Promise<number | undefined>
}

/** Connected, with the preface and these settings sent. */
export async function rawClient(port: number, first: Buffer = settings()): Promise<RawClient> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'connect')
  const frames: Frame[] = []
  let left = Buffer.alloc(0)
  let told = () => {}
  const closed = new Promise<void>(resolve => socket.once('close', () => resolve()))
  socket.on('data', (chunk: Buffer) => {
    left = Buffer.concat([left, chunk])
    while (left.length >= 9 && left.length >= 9 + left.readUIntBE(0, 3)) {
      const length = left.readUIntBE(0, 3)
      const stream = left.readUInt32BE(5) & 0x7fffffff
      frames.push({ type: left[3]!, flags: left[4]!, stream, payload: left.subarray(9, 9 + length) })
      left = left.subarray(9 + length)
    }
    told()
  })
  const send = async (...bytes: readonly Buffer[]) => {
    if (socket.destroyed || socket.write(Buffer.concat(bytes))) return
    await Promise.race([new Promise(resolve => socket.once('drain', resolve)), closed])
  }
  await send(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), first)
  const seen = async (is: (frame: Frame) => boolean) => {
    for (;;) {
      const found = frames.find(is)
      if (found !== undefined || socket.destroyed) return found
      await Promise.race([
        closed,
        new Promise<void>(resolve => {
          told = resolve
        }),
      ])
    }
  }
  const ended = async () => {
    await closed
    return frames.findLast(({ type }) => type === types.goaway)?.payload.readUInt32BE(4)
  }
  return { socket, frames, send, seen, ended }
}
