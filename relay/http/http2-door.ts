// HTTP/2 with a client: a session, and each of its streams a request.

import { constants, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { FlowFacts } from '../../shared/decide/facts.ts'
import { Body, type Producer, type Sink } from './body.ts'
import type { Exchange, HttpConnection, ServeExchange, Upgraded } from './exchange.ts'
import type { Fields } from './fields.ts'
import { plainTrailers } from './http1-body.ts'
import type { Http1Terms } from './http1-door.ts'
import type { Malformed } from './http1-head.ts'
import { StreamEnd } from './http2-end.ts'
import { fieldsOf, headersOf } from './http2-fields.ts'

export class Http2Connection implements HttpConnection {
  readonly facts: FlowFacts
  readonly scheme: 'http' | 'https'
  readonly session: ServerHttp2Session
  open = 0
  served = 0
  private isDraining = false
  private idle: NodeJS.Timeout
  private readonly keepAliveMs: number

  /** @param socket what was read of it has been put back */
  constructor(
    socket: Socket,
    facts: FlowFacts,
    scheme: 'http' | 'https',
    terms: Http1Terms,
    serve: ServeExchange,
    onClosed: (connection: Http2Connection) => void,
  ) {
    this.facts = facts
    this.scheme = scheme
    this.keepAliveMs = terms.keepAliveTimeoutMs
    this.session = performServerHandshake(socket, {
      settings: {
        maxConcurrentStreams: mostStreams,
        initialWindowSize: streamWindow,
        maxHeaderListSize: terms.limits.maxHeaderBytes + terms.limits.maxUrlBytes,
      },
      maxHeaderListPairs: terms.limits.maxHeaders + pseudoFields,
      maxSessionMemory: 64,
    })
    const { session } = this
    session.setLocalWindowSize(sessionWindow)
    session.on('error', nothing)
    session.on('stream', (stream, _, flags, raw: readonly string[]) => {
      this.open += 1
      this.served += 1
      const isWhole = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0
      serve(new Http2Exchange(this, stream, raw, isWhole))
    })
    session.once('close', () => {
      clearTimeout(this.idle)
      onClosed(this)
    })
    this.idle = setTimeout(() => this.lookIdle(), terms.headerTimeoutMs)
  }

  drain(): void {
    if (this.isDraining) return
    this.isDraining = true
    const { session } = this
    // First a notice, so that requests on their way are not lost; then the last stream that counts (RFC 9113 section 6.8).
    if (!session.destroyed) session.goaway(constants.NGHTTP2_NO_ERROR, highestStream)
    setTimeout(() => session.close(), noticeMs).unref()
  }

  cut(): void {
    this.session.destroy()
  }

  ended(): void {
    this.open -= 1
    if (this.open > 0) return
    this.idle.refresh()
  }

  private lookIdle(): void {
    if (this.open === 0) {
      this.session.close()
      return
    }
    this.idle = setTimeout(() => this.lookIdle(), this.keepAliveMs)
  }
}

class Http2Exchange implements Exchange, Sink {
  readonly connection: Http2Connection
  readonly version = 'HTTP/2'
  readonly scheme: 'http' | 'https'
  readonly method: string
  readonly authority: string
  readonly said: string | null
  readonly path: string
  readonly search: string
  readonly fields: Fields
  readonly body: Body | undefined
  readonly bodyLength: number | undefined
  readonly malformed: Malformed | undefined
  readonly stream: ServerHttp2Stream
  isGone = false
  bytesOut = 0
  onGone: () => void = nothing
  onSent: (isWhole: boolean) => void = nothing
  onDrain: () => void = nothing
  private bodyEnd: StreamEnd | undefined
  private trailersOut: Fields | undefined
  private isWhole = false

  constructor(connection: Http2Connection, stream: ServerHttp2Stream, raw: readonly string[], isWhole: boolean) {
    this.connection = connection
    this.stream = stream
    const { fields, method, path, authority } = fieldsOf(raw)
    this.fields = fields
    this.method = method
    this.scheme = connection.scheme
    if (!isWhole && fields.get('expect')?.toLowerCase() === '100-continue') stream.additionalHeaders({ ':status': 100 })
    const host = fields.get('host')
    this.authority = authority ?? host ?? ''
    this.said = host ?? authority ?? null
    const question = path.indexOf('?')
    this.path = question === -1 ? path : path.slice(0, question)
    this.search = question === -1 ? '' : path.slice(question)
    this.malformed = strangeness(method, path, authority, host)
    const length = fields.get('content-length')
    this.bodyLength = length === null ? undefined : Number(length)
    stream.on('error', nothing)
    stream.on('drain', () => this.onDrain())
    stream.once('close', () => this.closed())
    if (isWhole) return
    const body = new Body(new StreamReader(stream))
    this.body = body
    stream.on('data', (chunk: Buffer) => {
      if (!body.push(chunk)) stream.pause()
    })
    const end = new StreamEnd(stream, body, this.bodyLength)
    this.bodyEnd = end
    stream.on('trailers', (_, __, rawTrailers: readonly string[]) => {
      end.trailed(plainTrailers(fieldsOf(rawTrailers).fields))
    })
    stream.on('aborted', () => body.break())
    stream.on('end', () => end.ended())
  }

  inform(status: number, fields: Fields): void {
    if (this.stream.destroyed || this.stream.headersSent) return
    const headers: Record<string, string | number> = { ':status': status }
    fields.forEach((value, name) => {
      headers[name] = value
    })
    this.stream.additionalHeaders(headers)
  }

  answer(status: number, fields: Fields, body: string | Buffer | null): void {
    if (this.stream.destroyed) return
    const hasBody = body !== null && body.length > 0
    if (hasBody) fields.set('content-length', String(Buffer.byteLength(body)))
    this.stream.respond(this.head(status, fields), { endStream: !hasBody, ...asItIs })
    if (hasBody) {
      this.bytesOut = Buffer.byteLength(body)
      this.stream.end(body)
    }
    this.closeHalfRead()
    this.sent()
  }

  begin(status: number, fields: Fields, body: Body | undefined): void {
    if (this.stream.destroyed) {
      body?.cancel()
      return
    }
    const whole = body === undefined ? null : body.takeWhole()
    if (whole !== undefined) {
      const hasBody = whole !== null && whole.length > 0
      this.stream.respond(this.head(status, fields), { endStream: !hasBody, ...asItIs })
      if (hasBody) {
        this.bytesOut = whole.length
        this.stream.end(whole)
      }
      this.closeHalfRead()
      this.sent()
      return
    }
    this.stream.respond(this.head(status, fields), { waitForTrailers: true, ...asItIs })
    this.stream.on('wantTrailers', () => {
      const headers: Record<string, string> = Object.create(null)
      this.trailersOut?.forEach((value, name) => {
        headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`
      })
      this.stream.sendTrailers(headers)
      if (this.isHalfRead) setImmediate(() => this.stream.close(constants.NGHTTP2_NO_ERROR))
    })
    body!.sendTo(this)
  }

  upgrade(): Upgraded | undefined {
    return undefined
  }

  lastWords: Fields | undefined

  abort(): void {
    const { stream, lastWords } = this
    if (lastWords !== undefined && stream.headersSent && !stream.writableEnded) this.finish(lastWords, false)
    else stream.close(constants.NGHTTP2_INTERNAL_ERROR)
  }

  finish(trailers: Fields, isWhole = true): void {
    this.trailersOut = trailers
    if (!this.stream.destroyed) this.stream.end()
    this.sent(isWhole)
  }

  // The body of the answer.

  write(chunk: Buffer): boolean {
    if (this.stream.destroyed) return true
    this.bytesOut += chunk.length
    return this.stream.write(chunk)
  }

  end(trailers: Fields | undefined): void {
    this.trailersOut = trailers
    if (!this.stream.destroyed) this.stream.end()
    this.sent()
  }

  private sent(isWhole = true): void {
    this.isWhole = true
    this.onSent(isWhole)
  }

  /** A client need not send the rest of what nobody reads (RFC 9113 section 8.1). */
  private get isHalfRead(): boolean {
    return this.body !== undefined && this.body.state !== 'whole'
  }

  /** The same behind an answer that has no trailers. */
  private closeHalfRead(): void {
    if (this.isHalfRead) this.stream.once('finish', () => this.stream.close(constants.NGHTTP2_NO_ERROR))
  }

  private head(status: number, fields: Fields): string[] {
    const headers = [':status', String(status)]
    headersOf(fields, headers)
    return headers
  }

  private closed(): void {
    this.connection.ended()
    this.bodyEnd?.closed()
    if (this.isWhole) return
    this.isGone = true
    this.onGone()
    this.onSent(false)
  }
}

/** Reads a request's body. The client sends it unasked, as far as the windows go. */
class StreamReader implements Producer {
  private readonly stream: ServerHttp2Stream

  constructor(stream: ServerHttp2Stream) {
    this.stream = stream
  }

  begin(): void {}

  resumeReading(): void {
    this.stream.resume()
  }

  cancelReading(): void {
    this.stream.resume()
  }
}

function strangeness(
  method: string,
  path: string,
  authority: string | undefined,
  host: string | null,
): Malformed | undefined {
  if (method === 'CONNECT') return { status: 400, details: 'CONNECT: this is no forward proxy' }
  if (path === '*' ? method !== 'OPTIONS' : path[0] !== '/') return { status: 400, details: 'the path is no path' }
  if (authority === undefined && host === null) return { status: 400, details: 'no :authority' }
  if (authority !== undefined && host !== null && host.toLowerCase() !== authority.toLowerCase()) {
    return { status: 400, details: ':authority and Host differ' }
  }
  return undefined
}

function nothing(): void {}

/** No Date of our own: the endpoint's stands, or none. Node knows the word, its types do not. */
const asItIs: object = { sendDate: false }
const pseudoFields = 8
/** As in nginx. */
const mostStreams = 128
/** The high-water mark of a direction. */
const streamWindow = 262_144
const sessionWindow = 1_048_576
const highestStream = 2 ** 31 - 1
/** Longer than a round trip. */
const noticeMs = 500
