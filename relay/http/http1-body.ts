// Takes the body of an HTTP/1.1 message out of the bytes of its connection (RFC 9112 section 7), strictly and with a bound
// on everything that is not payload.

import type { Fields } from './fields.ts'
import { type Framing, type Malformed, readFields } from './http1-head.ts'

export interface BodyEvents {
  /** Payload, in the memory of the read that brought it. */
  chunk(bytes: Buffer): void
}

export type BodyProgress =
  /** All bytes were taken and more are due. */
  'more' | { readonly end: number; readonly trailers: Fields | undefined } | { readonly malformed: Malformed }

export class BodyReader {
  private readonly isChunked: boolean
  private readonly isUntilClose: boolean
  /** Of the body, or of the chunk that is open. */
  private left: number
  private phase: 'size' | 'payload' | 'payload-end' | 'trailers' = 'size'
  /** A line that has come in part; of a chunk's size or of the trailers. */
  private line = ''

  constructor(framing: Framing) {
    this.isChunked = framing === 'chunked'
    this.isUntilClose = framing === 'until-close'
    this.left = typeof framing === 'number' ? framing : 0
  }

  /** The end of the connection is the end of the body. */
  get mayEndHere(): boolean {
    return this.isUntilClose
  }

  /** Takes bytes from `at` on; `end` is where what follows the body begins. */
  take(bytes: Buffer, at: number, events: BodyEvents): BodyProgress {
    if (this.isChunked) return this.takeChunked(bytes, at, events)
    if (this.isUntilClose) {
      if (at < bytes.length) events.chunk(at === 0 ? bytes : bytes.subarray(at))
      return 'more'
    }
    const count = Math.min(this.left, bytes.length - at)
    this.left -= count
    if (count > 0) events.chunk(bytes.subarray(at, at + count))
    return this.left === 0 ? { end: at + count, trailers: undefined } : 'more'
  }

  private takeChunked(bytes: Buffer, from: number, events: BodyEvents): BodyProgress {
    let at = from
    while (at < bytes.length) {
      switch (this.phase) {
        case 'payload': {
          const count = Math.min(this.left, bytes.length - at)
          events.chunk(bytes.subarray(at, at + count))
          at += count
          this.left -= count
          if (this.left === 0) this.phase = 'payload-end'
          break
        }
        case 'payload-end':
        case 'size': {
          const end = bytes.indexOf(lineFeed, at)
          this.line += bytes.toString('latin1', at, end === -1 ? bytes.length : end + 1)
          if (this.line.length > longestSize) return { malformed: tooLong }
          if (end === -1) return 'more'
          at = end + 1
          const line = this.line
          this.line = ''
          if (this.phase === 'payload-end') {
            if (line !== '\r\n') return { malformed: badChunk }
            this.phase = 'size'
            break
          }
          const size = chunkSize.exec(line)
          if (size === null) return { malformed: badChunk }
          this.left = Number.parseInt(size[1]!, 16)
          this.phase = this.left === 0 ? 'trailers' : 'payload'
          break
        }
        case 'trailers': {
          const end = bytes.indexOf(lineFeed, at)
          this.line += bytes.toString('latin1', at, end === -1 ? bytes.length : end + 1)
          if (this.line.length > longestTrailers) return { malformed: tooLong }
          if (end === -1) return 'more'
          at = end + 1
          if (this.line === '\r\n') return { end: at, trailers: undefined }
          if (!this.line.endsWith('\r\n\r\n')) break
          const trailers = readFields(this.line.slice(0, -4), 0)
          return 'status' in trailers ? { malformed: trailers } : { end: at, trailers }
        }
      }
    }
    return 'more'
  }
}

/**
 * Trailers may not change what a header was for: framing, routing and authentication (RFC 9110 section 6.5.1). Those are
 * dropped. Undefined when nothing is left.
 */
export function plainTrailers(trailers: Fields | undefined): Fields | undefined {
  if (trailers === undefined) return undefined
  for (const name of notInTrailers) trailers.delete(name)
  return trailers.names.length === 0 ? undefined : trailers
}

const notInTrailers: readonly string[] = [
  'transfer-encoding',
  'content-length',
  'content-encoding',
  'content-type',
  'content-range',
  'trailer',
  'host',
  'connection',
  'keep-alive',
  'proxy-connection',
  'http2-settings',
  'upgrade',
  'te',
  'expect',
  'authorization',
  'proxy-authorization',
  'proxy-authenticate',
  'cookie',
  'set-cookie',
  'cache-control',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-forwarded-port',
  'x-fourseven-instances',
]
const lineFeed = 0x0a
/** Extensions (RFC 9112 section 7.1.1) are read over; nobody uses them but those who mean harm. 2^48 bytes are enough. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const chunkSize = /^([0-9A-Fa-f]{1,12})(?:[ \t]*;[^\x00-\x08\x0a-\x1f\x7f]*)?\r\n$/
const longestSize = 512
const longestTrailers = 16_384
const badChunk: Malformed = { status: 400, details: 'a chunk of the body is malformed' }
const tooLong: Malformed = { status: 431, details: 'the trailers or a chunk extension are too long' }
