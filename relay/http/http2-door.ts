// HTTP/2 with a client: a session, and each of its streams a request.

import { constants, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { FlowFacts } from '../../shared/decide/facts.ts'
import type { Reason } from '../../shared/decide/reason.ts'
import type { Body, Sink } from './body.ts'
import type { Exchange, HttpConnection, ServeExchange, Upgraded } from './exchange.ts'
import type { Fields } from './fields.ts'
import type { Http1Terms } from './http1-door.ts'
import type { Malformed } from './http1-head.ts'
import { StreamBody } from './http2-body.ts'
import { asHeaders, fieldsOf, headersOf, twiceIsFine } from './http2-fields.ts'
import { type FloodWatch, watchFloods } from './http2-floods.ts'
import { acceptOf, newKey } from './websocket.ts'

export class Http2Connection implements HttpConnection {
  readonly facts: FlowFacts
  readonly scheme: 'http' | 'https'
  readonly session: ServerHttp2Session
  readonly socket: Socket
  open = 0
  served = 0
  /** Why it was ended, where its client is to blame. */
  endedFor: Reason | undefined
  readonly floods: FloodWatch
  private idle: NodeJS.Timeout

  /** @param socket what was read of it has been put back */
  constructor(
    socket: Socket,
    facts: FlowFacts,
    scheme: 'http' | 'https',
    terms: Http1Terms,
    serve: ServeExchange,
    onClosed: (connection: Http2Connection) => void,
  ) {
    this.socket = socket
    this.facts = facts
    this.scheme = scheme
    this.session = performServerHandshake(socket, {
      settings: {
        maxConcurrentStreams: mostStreams,
        initialWindowSize: streamWindow,
        enableConnectProtocol: true,
        maxHeaderListSize: seenTooMuch * (terms.limits.maxHeaderBytes + terms.limits.maxUrlBytes),
      },
      maxHeaderListPairs: seenTooMuch * terms.limits.maxHeaders + pseudoFields,
      maxSessionMemory: 64,
      ...twiceIsFine,
    })
    const { session } = this
    session.setLocalWindowSize(sessionWindow)
    session.on('error', nothing)
    this.floods = watchFloods(session, flood => {
      this.endedFor = flood
    })
    session.on('stream', (stream, _, flags, raw: readonly string[]) => {
      if (this.served === 0) this.wait(terms.keepAliveTimeoutMs)
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

  /**
   * GOAWAY that names the last stream we have begun on: what a client has sent since was not looked at, and it may send
   * that again elsewhere whatever it asks for (RFC 9113 section 6.8). A first one that names none, as the RFC has it, is
   * not for us: nghttp2 takes no more streams behind it all the same, and Node has no way to its shutdown notice.
   */
  drain(): void {
    if (!this.session.destroyed && !this.session.closed) this.session.close()
    this.hurry()
  }

  cut(): void {
    this.session.destroy()
    this.socket.destroy()
  }

  /** Node waits for the client to close its side of a session that is over; some never do. */
  private hurry(): void {
    if (this.open === 0 && this.session.closed) setTimeout(() => this.socket.destroy(), lingerMs).unref()
  }

  ended(): void {
    this.open -= 1
    if (this.open > 0) return
    this.idle.refresh()
    this.hurry()
  }

  private wait(ms: number): void {
    clearTimeout(this.idle)
    this.idle = setTimeout(() => this.lookIdle(), ms)
  }

  /** Bytes alone do not keep it open: a header that never ends is no request. */
  private lookIdle(): void {
    if (this.open > 0) return
    this.drain()
    // For Node a stream whose header is not whole is open too, and it would wait for that.
    if (!this.session.destroyed) this.session.destroy()
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
  readonly isTunnel: boolean
  readonly stream: ServerHttp2Stream
  isGone = false
  bytesOut = 0
  onGone: () => void = nothing
  onSent: (isWhole: boolean) => void = nothing
  onDrain: () => void = nothing
  private readonly bodyIn: StreamBody | undefined
  private trailersOut: Fields | undefined
  private isWhole = false
  /** It was us who reset it. */
  private isAborted = false

  constructor(connection: Http2Connection, stream: ServerHttp2Stream, raw: readonly string[], isWhole: boolean) {
    this.connection = connection
    this.stream = stream
    const { fields, method, path, authority, protocol } = fieldsOf(raw)
    this.fields = fields
    this.isTunnel = method === 'CONNECT' && protocol?.toLowerCase() === 'websocket'
    this.method = this.isTunnel ? 'GET' : method
    if (this.isTunnel) askForWebSocket(fields)
    this.scheme = connection.scheme
    const isExpecting = !isWhole && fields.get('expect')?.toLowerCase() === '100-continue'
    if (isExpecting && !this.isEnded) stream.additionalHeaders({ ':status': 100 })
    const host = fields.get('host')
    this.authority = authority ?? host ?? ''
    this.said = host ?? authority ?? null
    const question = path.indexOf('?')
    this.path = question === -1 ? path : path.slice(0, question)
    this.search = question === -1 ? '' : path.slice(question)
    this.malformed = strangeness(this.method, path, authority, host, protocol)
    const length = fields.get('content-length')
    this.bodyLength = length === null ? undefined : Number(length)
    stream.on('error', nothing)
    stream.on('close', () => this.closed())
    if (isWhole || this.isTunnel) return
    // The client sends it unasked, as far as the windows go.
    this.bodyIn = new StreamBody(stream, this.bodyLength, false, () => stream.resume())
    this.body = this.bodyIn.body
  }

  inform(status: number, fields: Fields): void {
    if (this.isEnded || this.stream.headersSent) return
    this.stream.additionalHeaders({ ':status': status, ...asHeaders(fields) })
  }

  answer(status: number, fields: Fields, body: string | Buffer | null): void {
    if (status === 431 || this.malformed !== undefined) this.connection.floods.noteHeader()
    if (this.isEnded) return
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
    if (this.isEnded) {
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
      this.stream.sendTrailers(asHeaders(this.trailersOut))
      if (!this.isHalfRead) return
      this.stream.resume()
      setImmediate(() => this.stream.close(constants.NGHTTP2_NO_ERROR))
    })
    body!.sendTo(this)
  }

  upgrade(fields: Fields): Upgraded | undefined {
    const { stream } = this
    const accept = fields.get('sec-websocket-accept')
    if (!this.isTunnel || this.isEnded || accept !== acceptOf(this.fields.get(KEY)!)) return undefined
    fields.delete('sec-websocket-accept')
    stream.respond(this.head(200, fields), asItIs)
    // How it ends is told by whoever joins it to the endpoint.
    this.isWhole = true
    return { socket: stream, early: none }
  }

  lastWords: Fields | undefined

  abort(): void {
    const { stream, lastWords } = this
    if (lastWords !== undefined && stream.headersSent && !stream.writableEnded) this.finish(lastWords, false)
    else {
      this.isAborted = true
      if (!this.isWhole) this.onSent(false)
      this.isWhole = true
      stream.close(constants.NGHTTP2_INTERNAL_ERROR)
    }
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
    const mayGoOn = this.stream.write(chunk)
    if (!mayGoOn) this.stream.once('drain', () => this.onDrain())
    return mayGoOn
  }

  end(trailers: Fields | undefined): void {
    this.trailersOut = trailers
    if (!this.stream.destroyed) this.stream.end()
    this.sent()
  }

  /** Reset, though it may still say so only later: nothing can be written. */
  private get isEnded(): boolean {
    return this.stream.destroyed || this.stream.closed
  }

  private sent(isWhole = true): void {
    this.isWhole = true
    this.onSent(isWhole)
  }

  /** A client need not send the rest of what nobody reads (RFC 9113 section 8.1). */
  private get isHalfRead(): boolean {
    return this.isTunnel || (this.body !== undefined && this.body.state !== 'whole')
  }

  /** The same behind an answer that has no trailers. */
  private closeHalfRead(): void {
    if (!this.isHalfRead) return
    this.stream.resume()
    this.stream.once('finish', () => this.stream.close(constants.NGHTTP2_NO_ERROR))
  }

  private head(status: number, fields: Fields): string[] {
    const headers = [':status', String(status)]
    headersOf(fields, headers)
    return headers
  }

  private closed(): void {
    const { connection, stream } = this
    connection.ended()
    if (stream.rstCode !== constants.NGHTTP2_NO_ERROR && !this.isAborted) connection.floods.noteReset()
    this.bodyIn?.closed()
    if (this.isWhole) return
    this.isGone = true
    this.onGone()
    this.onSent(false)
  }
}

/** As HTTP/1.1 would ask for it, so that rules, filters and endpoints need not know of the other way. */
function askForWebSocket(fields: Fields): void {
  fields.set('upgrade', 'websocket')
  fields.set(KEY, newKey())
}

function strangeness(
  method: string,
  path: string,
  authority: string | undefined,
  host: string | null,
  protocol: string | undefined,
): Malformed | undefined {
  if (method === 'CONNECT' && protocol !== undefined) return { status: 501, details: 'CONNECT for no WebSocket' }
  if (method === 'CONNECT') return { status: 400, details: 'CONNECT: this is no forward proxy' }
  if (path === '*' ? method !== 'OPTIONS' : path[0] !== '/') return { status: 400, details: 'the path is no path' }
  if (authority === undefined && host === null) return { status: 400, details: 'no :authority' }
  if (authority !== undefined && host !== null && host.toLowerCase() !== authority.toLowerCase()) {
    return { status: 400, details: ':authority and Host differ' }
  }
  return undefined
}

function nothing(): void {}

const KEY = 'sec-websocket-key'
const none = Buffer.alloc(0)
/** No Date of our own: the endpoint's stands, or none. Node knows the word, its types do not. */
const asItIs: object = { sendDate: false }
const pseudoFields = 8
/** So many times what is allowed is still read, so that it can be answered and counted; beyond that the stream is reset. */
const seenTooMuch = 4
/** For a client that was told of the end. */
const lingerMs = 2_000
/** As in nginx. */
const mostStreams = 128
/** The high-water mark of a direction. */
const streamWindow = 262_144
const sessionWindow = 1_048_576
