// HTTP/2 with an endpoint: many requests at a time on one connection, each a stream. A session that is full, closing or
// silent is not asked any more.

import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'
import type { Socket } from 'node:net'
import type { Sink } from './body.ts'
import { type Asker, type Call, failure, type Question } from './call.ts'
import type { Fields } from './fields.ts'
import { StreamBody } from './http2-body.ts'
import { asHeaders, fieldsOf, headersOf, twiceIsFine } from './http2-fields.ts'
import { acceptOf } from './websocket.ts'

export class Http2Endpoint {
  readonly session: ClientHttp2Session
  private readonly socket: Socket
  open = 0
  isClosed = false
  private isLeaving = false
  /** The endpoint's SETTINGS have come. */
  private hasSettings = false
  private lastUsed = performance.now()
  private isPinged = false
  private readonly watching: NodeJS.Timeout
  private readonly onRoom: () => void
  private readonly onClosed: (endpoint: Http2Endpoint) => void

  /**
   * @param socket connected, with TLS where there is to be TLS
   * @param onRoom a stream has ended
   * @param onClosed may not be asked any more
   */
  constructor(socket: Socket, onRoom: () => void, onClosed: (endpoint: Http2Endpoint) => void) {
    this.socket = socket
    this.onRoom = onRoom
    this.onClosed = onClosed
    this.session = connect('http://endpoint', {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: streamWindow },
      maxSessionMemory: 64,
      ...twiceIsFine,
    })
    const { session } = this
    session.setLocalWindowSize(sessionWindow)
    session.on('error', nothing)
    session.on('goaway', () => this.leave())
    session.once('remoteSettings', () => {
      this.hasSettings = true
      onRoom()
    })
    session.once('close', () => this.closed())
    session.unref()
    this.watching = setInterval(() => this.look(), pingMs).unref()
  }

  /** Whether one more stream fits, as the endpoint allows. */
  get hasRoom(): boolean {
    if (this.isClosed || this.isLeaving || this.session.closed || this.session.destroyed) return false
    // Before the endpoint has said how many it takes one stream is safe; what is too many would be refused.
    if (!this.hasSettings) return this.open === 0
    return this.open < Math.min(this.session.remoteSettings.maxConcurrentStreams ?? mostStreams, mostStreams)
  }

  /** The endpoint has said what it takes. */
  get isSettled(): boolean {
    return this.hasSettings
  }

  /** WebSockets, each a stream (RFC 8441). */
  get takesTunnels(): boolean {
    return this.hasSettings && this.session.remoteSettings.enableConnectProtocol === true
  }

  ask(question: Question, asker: Asker): Call {
    this.open += 1
    this.lastUsed = performance.now()
    try {
      return new Http2Call(this, question, asker)
    } catch (error) {
      // Node refuses what it cannot send, a stream of a session that has just ended too.
      this.open -= 1
      const says = (error as NodeJS.ErrnoException).code
      const late = setImmediate(() => asker.failed(failure('connect-failure', 'connection_terminated', says, true)))
      return { cancel: () => clearImmediate(late) }
    }
  }

  ended(): void {
    this.open -= 1
    this.lastUsed = performance.now()
    if (this.isLeaving && this.open === 0) this.end()
    this.onRoom()
  }

  /** No new streams; those that are open go on. */
  leave(): void {
    if (this.isLeaving) return
    this.isLeaving = true
    if (this.open === 0) this.end()
  }

  /** Node waits for the endpoint to close its side; some never do. */
  private end(): void {
    this.session.close()
    setTimeout(() => this.socket.destroy(), lingerMs).unref()
    this.closed()
  }

  destroy(): void {
    this.session.destroy()
    this.socket.destroy()
  }

  /** An endpoint that is gone without a word answers no ping; one that nobody asks is let go. */
  private look(): void {
    if (this.open === 0 && performance.now() - this.lastUsed > idleMs) {
      this.leave()
      return
    }
    // One that is over may wait long for its socket.
    if (this.isPinged || this.session.destroyed) {
      this.destroy()
      return
    }
    this.isPinged = this.session.ping(() => {
      this.isPinged = false
    })
  }

  private closed(): void {
    if (this.isClosed) return
    this.isClosed = true
    clearInterval(this.watching)
    this.onClosed(this)
  }
}

/** One stream, and the sink of the request's body. */
class Http2Call implements Call, Sink {
  onDrain: () => void = nothing
  private readonly endpoint: Http2Endpoint
  private readonly question: Question
  private readonly asker: Asker
  private readonly stream: ClientHttp2Stream
  private trailersOut: Fields | undefined
  private bodyIn: StreamBody | undefined
  private isAnswered = false
  private isOver = false

  constructor(endpoint: Http2Endpoint, question: Question, asker: Asker) {
    this.endpoint = endpoint
    this.question = question
    this.asker = asker
    const { method, path, scheme, authority, fields, upload, takesTrailers, isUpgrade } = question
    const headers = isUpgrade ? [':method', 'CONNECT', ':protocol', 'websocket'] : [':method', method]
    headers.push(':scheme', scheme, ':path', path, ':authority', authority)
    headersOf(isUpgrade ? withoutHandshake(fields) : fields, headers)
    if (takesTrailers) headers.push('te', 'trailers')
    if (upload.kind !== 'none' && upload.length !== undefined) headers.push('content-length', String(upload.length))
    const endStream = upload.kind === 'none' && !isUpgrade
    const isStreamed = upload.kind === 'stream'
    this.stream = endpoint.session.request(headers, { endStream, waitForTrailers: isStreamed })
    const { stream } = this
    stream.on('response', (_, flags, raw: readonly string[]) => this.responded(raw, (flags & endOfStream) !== 0))
    stream.on('headers', (_, __, raw: readonly string[]) => {
      const { status, fields: informed } = fieldsOf(raw)
      if (!this.isOver) asker.informed(status, informed)
    })
    stream.on('error', nothing)
    stream.on('close', () => this.closed())
    if (isStreamed) {
      stream.on('wantTrailers', () => stream.sendTrailers(asHeaders(this.trailersOut)))
      upload.body!.sendTo(this)
    } else if (upload.kind === 'bytes') stream.end(upload.bytes)
  }

  cancel(): void {
    this.isOver = true
    this.stream.close(constants.NGHTTP2_CANCEL)
  }

  // The body of the request.

  write(chunk: Buffer): boolean {
    const { stream } = this
    if (stream.destroyed || stream.writableEnded) return true
    const mayGoOn = stream.write(chunk)
    if (!mayGoOn) stream.once('drain', () => this.onDrain())
    return mayGoOn
  }

  end(trailers: Fields | undefined): void {
    this.trailersOut = trailers
    if (!this.stream.destroyed) this.stream.end()
  }

  abort(): void {
    this.cancel()
    // By then whoever asks knows, where it is so, that its client is gone.
    if (!this.isAnswered) setImmediate(() => this.asker.failed(failure('reset', 'http_request_error', brokeOff)))
  }

  private responded(raw: readonly string[], isWhole: boolean): void {
    if (this.isOver) return
    this.isAnswered = true
    const { status, fields } = fieldsOf(raw)
    if (this.question.isUpgrade && status < 300 && !isWhole) {
      this.opened(fields)
      return
    }
    if (isWhole || this.question.method === 'HEAD') {
      this.stream.resume()
      this.asker.answered({ status, fields, body: undefined, upgraded: undefined })
      return
    }
    const length = fields.get('content-length')
    this.bodyIn = new StreamBody(this.stream, length === null ? undefined : Number(length), this.question.isCall, () =>
      this.cancel(),
    )
    this.asker.answered({ status, fields, body: this.bodyIn.body, upgraded: undefined })
  }

  /** A WebSocket, as HTTP/1.1 would have it. */
  private opened(fields: Fields): void {
    const { stream } = this
    stream.removeAllListeners('data')
    stream.pause()
    fields.set('upgrade', 'websocket')
    fields.set('sec-websocket-accept', acceptOf(this.question.fields.get('sec-websocket-key') ?? ''))
    this.asker.answered({ status: 101, fields, body: undefined, upgraded: { socket: stream, early: none } })
  }

  private closed(): void {
    const { rstCode } = this.stream
    this.endpoint.ended()
    this.bodyIn?.closed()
    if (this.isOver || this.isAnswered) return
    this.isOver = true
    const { upload } = this.question
    const isUntouched = upload.kind !== 'stream' || upload.body!.rewind()
    // The endpoint has done nothing with it (RFC 9113 section 8.7); also what came behind its GOAWAY.
    if (rstCode === constants.NGHTTP2_REFUSED_STREAM) {
      this.asker.failed(failure('connect-failure', 'connection_terminated', 'REFUSED_STREAM', isUntouched))
    } else {
      const says = codeNames.get(rstCode) ?? `stream closed with ${rstCode}`
      this.asker.failed(failure('reset', 'connection_terminated', says))
    }
  }
}

/** HTTP/2 has a stream for what HTTP/1.1 asks with these. */
function withoutHandshake(fields: Fields): Fields {
  const left = fields.copy()
  left.delete('upgrade')
  left.delete('sec-websocket-key')
  return left
}

const codeNames: ReadonlyMap<number, string> = new Map(
  Object.entries(constants)
    .filter(([name]) => /^NGHTTP2_[A-Z_]+$/.test(name))
    .filter(([name]) =>
      ['_ERROR', '_CLOSED', '_REFUSED', 'CANCEL', '_CALM', '_SECURITY'].some(end => name.endsWith(end)),
    )
    .map(([name, code]) => [code as number, name.replace('NGHTTP2_', '')]),
)

function nothing(): void {}

const none = Buffer.alloc(0)
const brokeOff = 'the body of the request broke off'
const endOfStream = constants.NGHTTP2_FLAG_END_STREAM
/** The high-water mark of a direction. */
const streamWindow = 262_144
const sessionWindow = 4_194_304
const mostStreams = 1_000
const pingMs = 20_000
const idleMs = 60_000
const lingerMs = 1_000
