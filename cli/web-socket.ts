// As much of RFC 6455 as the demo endpoints and the smoke run need: the handshake and frames of at most 125 bytes.

import { createHash, randomBytes } from 'node:crypto'

export interface Frame {
  readonly opcode: number
  readonly payload: Buffer
}

export const TEXT = 0x1
export const CLOSE = 0x8
export const PING = 0x9
export const PONG = 0xa

/** What a server answers in `Sec-WebSocket-Accept` (section 4.2.2). */
export function acceptKey(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
}

/** One whole frame (section 5.2); a client's are masked. */
export function writeFrame({ opcode, payload }: Frame, by: 'client' | 'server'): Buffer {
  const head = Buffer.from([0x80 | opcode, (by === 'client' ? 0x80 : 0) | payload.length])
  if (by === 'server') return Buffer.concat([head, payload])
  const mask = randomBytes(4)
  return Buffer.concat([head, mask, masked(payload, mask)])
}

/** The first frame of what has come and what is behind it; undefined when more has to come. Throws for longer frames. */
export function takeFrame(bytes: Buffer): { readonly frame: Frame; readonly rest: Buffer } | undefined {
  if (bytes.length < 2) return undefined
  const length = bytes[1]! & 0x7f
  if (length > 125) throw new Error('a frame of more than 125 bytes')
  const isMasked = bytes[1]! >= 0x80
  const start = isMasked ? 6 : 2
  if (bytes.length < start + length) return undefined
  const sent = bytes.subarray(start, start + length)
  const payload = isMasked ? masked(sent, bytes.subarray(2, 6)) : sent
  return { frame: { opcode: bytes[0]! & 0x0f, payload }, rest: bytes.subarray(start + length) }
}

function masked(payload: Buffer, mask: Buffer): Buffer {
  return Buffer.from(payload.map((byte, at) => byte ^ mask[at % 4]!))
}
