// HTTP/1.1 with a client: one request after the other on a connection (RFC 9112), and the bytes of its answer. Nothing is
// read ahead of an answer but a little, and every wait has an end.

import type { Socket } from 'node:net'
import type { DoorLimits } from '../../shared/config/parsed.ts'
import type { FlowFacts } from '../../shared/decide/facts.ts'
import type { Age } from './age.ts'
import { Body, type Producer, type Sink } from './body.ts'
import type { Exchange, HttpConnection, ServeExchange, Upgraded } from './exchange.ts'
import { Fields } from './fields.ts'
import { type BodyEvents, BodyReader, plainTrailers } from './http1-body.ts'
import { type Framing, formatFields, framingOfRequest, type Malformed, readRequestHead } from './http1-head.ts'
import { phraseOf } from './phrases.ts'

export interface Http1Terms {
  readonly limits: DoorLimits
  readonly headerTimeoutMs: number
  readonly keepAliveTimeoutMs: number
  readonly age: Age
}

export class Http1Connection implements HttpConnection, Producer, BodyEvents {
  readonly socket: Socket
  readonly facts: FlowFacts
  readonly scheme: 'http' | 'https'
  /** Bytes that came ahead of their turn. */
  private early: Buffer = none
  /** The request whose turn it is. */
  private exchange: Http1Exchange | undefined
  private reader: BodyReader | undefined
  private isDraining = false
  private isClosing = false
  private isOver = false
  private isPaused = false
  private isGoingOn = false
  /** The first bytes of a header are there. */
  private isHeadDue = false
  private timer: NodeJS.Timeout | undefined
  /** Requests so far. */
  served = 0
  private readonly terms: Http1Terms
  private readonly serve: ServeExchange
  private readonly onClosed: (connection: Http1Connection) => void

  /** @param onClosed is called once, when the connection is gone */
  constructor(
    socket: Socket,
    facts: FlowFacts,
    scheme: 'http' | 'https',
    terms: Http1Terms,
    serve: ServeExchange,
    onClosed: (connection: Http1Connection) => void,
  ) {
    this.socket = socket
    this.facts = facts
    this.scheme = scheme
    this.terms = terms
    this.serve = serve
    this.onClosed = onClosed
    socket.on('data', (chunk: Buffer) => this.take(chunk))
    socket.on('drain', () => this.exchange?.onDrain())
    socket.on('error', nothing)
    socket.on('end', () => this.ended())
    socket.once('close', () => this.closed())
    this.wait(terms.headerTimeoutMs, () => this.late())
    socket.resume()
  }

  get open(): number {
    return this.exchange === undefined ? 0 : 1
  }

  get willClose(): boolean {
    return this.isDraining || this.isClosing
  }

  drain(): void {
    this.isDraining = true
    if (this.exchange === undefined && this.early.length === 0) this.linger()
  }

  cut(): void {
    this.socket.destroy()
  }

  /** The current answer is the last one. */
  closeAfter(): void {
    this.isClosing = true
  }

  // The body of the request, as its reader asks.

  begin(): void {
    const { exchange } = this
    if (exchange?.wantsContinue === true && !exchange.hasBegun) this.socket.write('HTTP/1.1 100 Continue\r\n\r\n')
    if (exchange !== undefined) exchange.wantsContinue = false
  }

  resumeReading(): void {
    if (!this.isPaused) return
    this.isPaused = false
    this.socket.resume()
  }

  cancelReading(): void {
    this.isClosing = true
    this.resumeReading()
  }

  chunk(bytes: Buffer): void {
    // Whoever drops a body lets it go by: the next request stands behind it.
    if (this.exchange?.body?.push(bytes) === false) this.pause()
  }

  /** The answer has left. */
  answered(isWhole: boolean): void {
    const { exchange } = this
    this.exchange = undefined
    if (!isWhole) {
      this.socket.destroy()
      return
    }
    // The rest of the request is on its way and nobody wants it.
    if (this.reader !== undefined) {
      this.isClosing = true
      // An endpoint that answered early may wait for it.
      exchange?.body?.break()
    }
    if (this.willClose) {
      this.linger()
      return
    }
    this.wait(this.terms.keepAliveTimeoutMs, () => this.linger())
    this.resumeReading()
    this.goOn()
  }

  /** For an upgrade: the connection is somebody else's from here on. */
  giveAway(): Upgraded {
    const { socket, early } = this
    this.wait(0, nothing)
    this.exchange = undefined
    this.isOver = true
    socket.removeAllListeners('data')
    socket.removeAllListeners('drain')
    socket.removeAllListeners('end')
    socket.pause()
    return { socket, early }
  }

  private take(chunk: Buffer): void {
    if (this.isOver) return
    this.early = this.early.length === 0 ? chunk : Buffer.concat([this.early, chunk])
    this.goOn()
  }

  /** Reads on as far as the bytes go and their turn has come. Not from inside itself: a client may send many at once. */
  private goOn(): void {
    if (this.isGoingOn) return
    this.isGoingOn = true
    while (this.early.length > 0 && !this.isOver) {
      if (this.reader !== undefined) this.takeBody()
      else if (this.exchange !== undefined) {
        // A client that does not wait for its answer: a little of that is held.
        if (this.early.length >= mostEarly) this.pause()
        break
      } else if (!this.takeHead()) break
    }
    this.isGoingOn = false
  }

  private takeBody(): void {
    const bytes = this.early
    this.early = none
    const progress = this.reader!.take(bytes, 0, this)
    if (progress === 'more') return
    this.reader = undefined
    const { exchange } = this
    if ('malformed' in progress) {
      this.isClosing = true
      this.pause()
      exchange?.body?.break()
      exchange?.spoil(progress.malformed)
      return
    }
    exchange?.body?.finish(plainTrailers(progress.trailers))
    this.early = bytes.subarray(progress.end)
  }

  /** False when the head is not whole. */
  private takeHead(): boolean {
    let bytes = this.early
    // RFC 9112 section 2.2: one empty line ahead of a request is read over.
    if (bytes.length >= 2 && bytes[0] === 0x0d && bytes[1] === 0x0a) bytes = bytes.subarray(2)
    const end = bytes.indexOf('\r\n\r\n')
    if (end === -1) return this.waitForHead(bytes)
    this.wait(0, nothing)
    this.early = bytes.subarray(end + 4)
    const over = this.tooLong(bytes, end)
    if (over !== undefined) {
      this.refuse(over)
      return true
    }
    const head = readRequestHead(bytes.toString('latin1', 0, end))
    const framing = 'details' in head ? head : framingOfRequest(head)
    if ('details' in head || typeof framing === 'object') {
      this.refuse(framing as Malformed)
      return true
    }
    this.served += 1
    const body = framing === 0 ? undefined : new Body(this)
    const exchange = new Http1Exchange(this, head.method, head.target, head.isHttp10, head.fields, framing, body)
    this.exchange = exchange
    // What follows a request that cannot be read rightly may be a part of it.
    if (exchange.malformed !== undefined || !keepsAlive(head.isHttp10, head.fields)) this.isClosing = true
    if (body !== undefined) {
      this.reader = new BodyReader(framing)
      if (this.early.length > 0) this.takeBody()
    }
    this.serve(exchange)
    return true
  }

  /** Always false, but for bytes that can become no header. */
  private waitForHead(bytes: Buffer): boolean {
    const refused = this.tooLong(bytes, bytes.length) ?? firstBare(bytes)
    if (refused !== undefined) {
      this.refuse(refused)
      return true
    }
    if (!this.isHeadDue) this.wait(this.terms.headerTimeoutMs, () => this.late())
    this.isHeadDue = true
    return false
  }

  /** Beyond what `limits` could allow: then it is not even read. */
  private tooLong(bytes: Buffer, length: number): Malformed | undefined {
    const { maxUrlBytes, maxHeaderBytes } = this.terms.limits
    const line = bytes.indexOf('\r\n')
    if ((line === -1 ? length : line) > maxUrlBytes + roomForLine) {
      return { status: 414, details: 'the request line is too long' }
    }
    if (length <= maxUrlBytes + maxHeaderBytes + roomForLine) return undefined
    return { status: 431, details: 'the header is too long' }
  }

  private refuse(malformed: Malformed): void {
    this.wait(0, nothing)
    this.early = none
    this.isClosing = true
    this.served += 1
    const exchange = new Http1Exchange(this, 'GET', '/', false, new Fields(), 0, undefined)
    exchange.malformed = malformed
    this.exchange = exchange
    this.serve(exchange)
  }

  /** The client has nothing more to say. */
  private ended(): void {
    // Whoever ends while it waits for an answer is taken to be gone, as by nginx: HTTP/1.1 knows no half-close, and a
    // client that goes away looks the same.
    if (this.exchange === undefined) this.socket.end()
    else this.socket.destroy()
  }

  private closed(): void {
    this.isOver = true
    this.wait(0, nothing)
    const { exchange } = this
    this.exchange = undefined
    exchange?.body?.break()
    exchange?.gone()
    this.onClosed(this)
  }

  private late(): void {
    if (this.early.length === 0) this.linger()
    else this.refuse({ status: 400, details: 'the header did not come in time' })
  }

  /** Ends our side and lets what the client still sends go by, so that it can read the answer (RFC 9112 section 9.6). */
  private linger(): void {
    const { socket, terms } = this
    // Also when it is somebody else's by now.
    if (this.isOver) return
    this.isOver = true
    this.wait(0, nothing)
    // The answer may be on its way for long; a client that takes no more of it is not waited for.
    socket.setTimeout(Math.max(lingerMs, terms.keepAliveTimeoutMs), () => socket.destroy())
    socket.end(() => {
      if (!socket.destroyed) this.wait(lingerMs, () => socket.destroy())
    })
    socket.resume()
  }

  private pause(): void {
    this.isPaused = true
    this.socket.pause()
  }

  /** One wait at a time; 0 ends it. */
  private wait(ms: number, late: () => void): void {
    clearTimeout(this.timer)
    this.timer = ms === 0 ? undefined : setTimeout(late, ms)
    this.isHeadDue = false
  }
}

class Http1Exchange implements Exchange, Sink {
  readonly connection: Http1Connection
  readonly version: 'HTTP/1.0' | 'HTTP/1.1'
  readonly scheme: 'http' | 'https'
  readonly method: string
  readonly authority: string
  readonly said: string | null
  readonly path: string
  readonly search: string
  readonly fields: Fields
  readonly body: Body | undefined
  readonly bodyLength: number | undefined
  malformed: Malformed | undefined
  isGone = false
  hasBegun = false
  bytesOut = 0
  onGone: () => void = nothing
  onSent: (isWhole: boolean) => void = nothing
  onDrain: () => void = nothing
  wantsContinue: boolean
  private isChunked = false
  private isDone = false

  constructor(
    connection: Http1Connection,
    method: string,
    target: string,
    isHttp10: boolean,
    fields: Fields,
    framing: Framing,
    body: Body | undefined,
  ) {
    this.connection = connection
    this.version = isHttp10 ? 'HTTP/1.0' : 'HTTP/1.1'
    this.method = method
    this.fields = fields
    this.body = body
    this.bodyLength = typeof framing === 'number' && framing > 0 ? framing : undefined
    this.scheme = connection.scheme
    const expects = fields.get('expect')
    this.wantsContinue = expects !== null && !isHttp10 && body !== undefined
    this.said = fields.get('host')
    const read = readTarget(method, target, this.said, isHttp10)
    this.malformed = 'details' in read ? read : undefined
    if (expects !== null && expects.toLowerCase() !== '100-continue') {
      this.malformed ??= { status: 417, details: 'an expectation other than 100-continue' }
    }
    if ('details' in read) {
      this.authority = this.said ?? ''
      this.path = '/'
      this.search = ''
    } else {
      this.authority = read.authority
      this.path = read.path
      this.search = read.search
    }
  }

  inform(status: number, fields: Fields): void {
    if (this.version === 'HTTP/1.0' || this.hasBegun) return
    this.connection.socket.write(`HTTP/1.1 ${status} ${phraseOf(status)}\r\n${formatFields(fields)}\r\n`, 'latin1')
  }

  answer(status: number, fields: Fields, body: string | Buffer | null): void {
    const { socket } = this.connection
    const bytes = typeof body === 'string' ? Buffer.from(body) : body
    const hasLength = status === 204 || status === 304 || (bytes === null && this.method === 'HEAD')
    if (!hasLength) fields.set('content-length', String(bytes?.length ?? 0))
    const head = this.head(status, fields)
    this.bytesOut = bytes?.length ?? 0
    if (bytes === null || bytes.length === 0) socket.write(head, 'latin1')
    else if (bytes.length < smallBody) socket.write(head + bytes.toString('latin1'), 'latin1')
    else {
      socket.cork()
      socket.write(head, 'latin1')
      socket.write(bytes)
      socket.uncork()
    }
    this.done(true)
  }

  begin(status: number, fields: Fields, body: Body | undefined): void {
    const hasNoBody = this.method === 'HEAD' || status === 204 || status === 304
    if (body === undefined) {
      if (!hasNoBody && !fields.has('content-length')) fields.set('content-length', '0')
      this.connection.socket.write(this.head(status, fields), 'latin1')
      this.done(true)
      return
    }
    if (!fields.has('content-length')) {
      const whole = body.takeWhole()
      if (whole !== undefined) {
        this.answer(status, fields, whole)
        return
      }
      if (this.version === 'HTTP/1.0') this.connection.closeAfter()
      else {
        this.isChunked = true
        fields.append('transfer-encoding', 'chunked')
      }
    }
    const { socket } = this.connection
    socket.cork()
    socket.write(this.head(status, fields), 'latin1')
    body.sendTo(this)
    socket.uncork()
  }

  upgrade(fields: Fields): Upgraded | undefined {
    this.hasBegun = true
    this.isDone = true
    fields.set('upgrade', 'websocket')
    fields.set('connection', 'Upgrade')
    const { socket } = this.connection
    socket.write(`HTTP/1.1 101 ${phraseOf(101)}\r\n${formatFields(fields)}\r\n`, 'latin1')
    return this.connection.giveAway()
  }

  readonly lastWords: undefined

  finish(): void {
    this.abort()
  }

  abort(): void {
    this.done(false)
  }

  // The body of the answer.

  write(chunk: Buffer): boolean {
    const { socket } = this.connection
    this.bytesOut += chunk.length
    if (!this.isChunked) return socket.write(chunk)
    if (chunk.length === 0) return true
    socket.cork()
    socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1')
    socket.write(chunk)
    const mayGoOn = socket.write('\r\n', 'latin1')
    socket.uncork()
    return mayGoOn
  }

  end(trailers: Fields | undefined): void {
    if (this.isChunked) {
      const lines = trailers === undefined ? '' : formatFields(trailers)
      this.connection.socket.write(`0\r\n${lines}\r\n`, 'latin1')
    }
    this.done(true)
  }

  /** The client is gone. */
  gone(): void {
    if (this.isDone) return
    this.isDone = true
    this.isGone = true
    this.onGone()
    this.onSent(false)
  }

  /** The rest of the request cannot be read. */
  spoil(malformed: Malformed): void {
    this.malformed ??= malformed
    if (this.hasBegun) this.abort()
  }

  private done(isWhole: boolean): void {
    if (this.isDone) return
    this.isDone = true
    this.onSent(isWhole)
    this.connection.answered(isWhole)
  }

  private head(status: number, fields: Fields): string {
    this.hasBegun = true
    const { connection } = this
    // A body that is not read stands in the way of the next request.
    if (this.body !== undefined && this.body.state !== 'whole') connection.closeAfter()
    if (connection.willClose) fields.set('connection', 'close')
    else if (this.version === 'HTTP/1.0') fields.set('connection', 'keep-alive')
    return `HTTP/1.1 ${status} ${phraseOf(status)}\r\n${formatFields(fields)}\r\n`
  }
}

interface Target {
  readonly authority: string
  readonly path: string
  readonly search: string
}

/** Origin form, absolute form, and `*` for OPTIONS (RFC 9112 section 3.2). Nobody tunnels through here. */
function readTarget(method: string, target: string, host: string | null, isHttp10: boolean): Target | Malformed {
  if (method === 'CONNECT') return { status: 400, details: 'CONNECT: this is no forward proxy' }
  if (host === null && !isHttp10) return { status: 400, details: 'no Host' }
  if (host?.includes(',') === true) return { status: 400, details: 'more than one Host' }
  if (target === '*') {
    return method === 'OPTIONS'
      ? { authority: host ?? '', path: '*', search: '' }
      : { status: 400, details: 'the target * is for OPTIONS' }
  }
  let authority = host ?? ''
  let from = 0
  if (target[0] !== '/') {
    const absolute = /^https?:\/\/([^/?#]*)/i.exec(target)
    if (absolute === null) return { status: 400, details: 'the target is no path and no URL' }
    authority = absolute[1]!
    // RFC 9112 section 3.2.2 has the target win; whoever says two things is refused here.
    if (host !== null && host.toLowerCase() !== authority.toLowerCase()) {
      return { status: 400, details: 'the target names another host than Host' }
    }
    from = absolute[0].length
  }
  const question = target.indexOf('?', from)
  const path = target.slice(from, question === -1 ? target.length : question)
  return { authority, path: path === '' ? '/' : path, search: question === -1 ? '' : target.slice(question) }
}

function keepsAlive(isHttp10: boolean, fields: Fields): boolean {
  const said = fields.get('connection')
  if (said === null) return !isHttp10
  const options = said.toLowerCase()
  if (options === 'keep-alive') return true
  if (/(?:^|,)\s*close\s*(?:,|$)/.test(options)) return false
  return !isHttp10 || /(?:^|,)\s*keep-alive\s*(?:,|$)/.test(options)
}

/** A line feed alone never ends the header: said at once, before the time is up. */
function firstBare(bytes: Buffer): Malformed | undefined {
  const at = bytes.indexOf(0x0a)
  if (at === -1 || (at > 0 && bytes[at - 1] === 0x0d)) return undefined
  return { status: 400, details: 'a bare line feed' }
}

function nothing(): void {}

const none = Buffer.alloc(0)
/** Of requests that come before the answer to the one before. */
const mostEarly = 65_536
/** Method, version and the separators. */
const roomForLine = 128
/** Shorter bodies go out in one piece with the head. */
const smallBody = 4_096
const lingerMs = 2_000
