// HTTP/1.1 with an endpoint: one request at a time on a connection, which is kept for the next one when the answer leaves
// no doubt where it ended.

import type { Socket } from 'node:net'
import { Body, type Producer, type Sink } from './body.ts'
import { type Asker, type Call, failure, type Question } from './call.ts'
import type { Fields } from './fields.ts'
import { type BodyEvents, BodyReader, plainTrailers } from './http1-body.ts'
import { formatFields, framingOfResponse, type ResponseHead, readResponseHead } from './http1-head.ts'

export class Http1Endpoint implements BodyEvents, Producer {
  readonly socket: Socket
  /** Requests so far. */
  asked = 0
  /** How long the endpoint keeps it open without a request; undefined when it does not say. */
  keepsMs: number | undefined
  isClosed = false
  private idleTimer: NodeJS.Timeout | undefined
  private call: Http1Call | undefined
  private body: Body | undefined
  private reader: BodyReader | undefined
  private early: Buffer = none
  private mayBeKept = true
  private hasBytes = false
  /** `performance.now()` */
  private idleUntil = 0
  private isPaused = false
  private readonly onFree: (connection: Http1Endpoint) => void
  private readonly onClosed: (connection: Http1Endpoint) => void

  /**
   * @param socket connected
   * @param onFree may be asked the next
   * @param onClosed may not be asked any more
   */
  constructor(
    socket: Socket,
    onFree: (connection: Http1Endpoint) => void,
    onClosed: (connection: Http1Endpoint) => void,
  ) {
    this.socket = socket
    this.onFree = onFree
    this.onClosed = onClosed
    socket.on('data', (chunk: Buffer) => this.take(chunk))
    socket.on('drain', () => this.call?.onDrain())
    socket.on('end', () => this.ended())
    socket.on('error', nothing)
    socket.once('close', () => this.closed())
    socket.resume()
  }

  get isIdle(): boolean {
    return this.call === undefined && this.body === undefined && !this.isClosed
  }

  /** Closes it when nobody asks for so long. */
  idleSince(ms: number): void {
    // One timer for the life of the connection: it looks again when it was asked in between.
    this.idleUntil = performance.now() + ms
    this.idleTimer ??= setTimeout(() => this.lookIdle(), ms).unref()
  }

  /** Only while idle. A request that meets a connection closed at this moment fails with `isStale`. */
  ask(question: Question, asker: Asker, onStale: () => void): Call {
    this.asked += 1
    this.hasBytes = false
    this.mayBeKept = true
    const call = new Http1Call(this, question, asker, this.asked > 1 && question.isRepeatable ? onStale : undefined)
    this.call = call
    call.send()
    return call
  }

  private lookIdle(): void {
    this.idleTimer = undefined
    const leftMs = this.idleUntil - performance.now()
    if (leftMs > 0) this.idleTimer = setTimeout(() => this.lookIdle(), leftMs).unref()
    else if (this.isIdle) this.destroy()
  }

  /** The connection is of no use any more. */
  destroy(): void {
    this.mayBeKept = false
    this.socket.destroy()
  }

  /** The call gave its answer up, or its request broke off. */
  giveUp(call: Http1Call): void {
    if (this.call === call) this.destroy()
  }

  /** The request is sent; when its answer came before, that was the last of it. */
  sent(): void {
    this.settle()
  }

  begin(): void {}

  resumeReading(): void {
    if (!this.isPaused) return
    this.isPaused = false
    this.socket.resume()
  }

  cancelReading(): void {
    this.destroy()
  }

  chunk(bytes: Buffer): void {
    if (this.body?.push(bytes) === false) {
      this.isPaused = true
      this.socket.pause()
    }
  }

  private take(chunk: Buffer): void {
    let bytes = this.early.length === 0 ? chunk : Buffer.concat([this.early, chunk])
    this.early = none
    this.hasBytes = true
    while (bytes.length > 0) {
      if (this.reader !== undefined) {
        const progress = this.reader.take(bytes, 0, this)
        if (progress === 'more') return
        if ('malformed' in progress) {
          this.destroy()
          return
        }
        this.finish(plainTrailers(progress.trailers), progress.end < bytes.length)
        return
      } else if (this.call === undefined || this.call.isAnswered) {
        // Nobody asked for this: what comes next might be taken for the answer to another request.
        this.destroy()
        return
      } else {
        const rest = this.takeHead(bytes)
        if (rest === undefined) return
        bytes = rest
      }
    }
  }

  /** What follows a 1xx; undefined when nothing does, the head is not whole, or it was the last one. */
  private takeHead(bytes: Buffer): Buffer | undefined {
    const call = this.call!
    const end = bytes.indexOf('\r\n\r\n')
    if (end === -1 || end > longestHead) {
      if (bytes.length > longestHead) this.refuse(`a header longer than ${longestHead} bytes`)
      else this.early = bytes
      return undefined
    }
    const head = readResponseHead(bytes.toString('latin1', 0, end))
    if ('details' in head) {
      this.refuse(head.details)
      return undefined
    }
    const rest = bytes.subarray(end + 4)
    if (head.status === 101) return this.upgraded(call, head, rest)
    if (head.status < 200) {
      if (head.status !== 100) call.asker.informed(head.status, head.fields)
      return rest
    }
    if (head.status > 599) {
      this.refuse(`status ${head.status}`)
      return undefined
    }
    const framing = framingOfResponse(head, call.question.method)
    if (typeof framing === 'object') {
      this.refuse(framing.details)
      return undefined
    }
    this.mayBeKept = framing !== 'until-close' && staysOpen(head)
    this.keepsMs = keptFor(head.fields)
    call.isAnswered = true
    if (framing === 0) {
      this.mayBeKept &&= rest.length === 0
      this.settle()
      call.asker.answered({ status: head.status, fields: head.fields, body: undefined, upgraded: undefined })
      return undefined
    }
    const body = new Body(this)
    this.body = body
    this.reader = new BodyReader(framing)
    call.answerBody = body
    // Body that came in the same read is taken in before the answer is handed on: it may be all of it.
    const progress = rest.length === 0 ? 'more' : this.reader.take(rest, 0, this)
    if (progress !== 'more') {
      if ('malformed' in progress) this.destroy()
      else this.finish(plainTrailers(progress.trailers), progress.end < rest.length)
    }
    call.asker.answered({ status: head.status, fields: head.fields, body, upgraded: undefined })
    return undefined
  }

  private upgraded(call: Http1Call, head: ResponseHead, early: Buffer): undefined {
    if (!call.question.isUpgrade) {
      this.refuse('status 101 that nobody asked for')
      return undefined
    }
    this.call = undefined
    this.isClosed = true
    const { socket } = this
    for (const event of ['data', 'drain', 'end']) socket.removeAllListeners(event)
    socket.pause()
    this.onClosed(this)
    call.isAnswered = true
    const upgraded = { socket, early }
    call.asker.answered({ status: 101, fields: head.fields, body: undefined, upgraded })
    return undefined
  }

  /**
   * The body of the answer is whole.
   *
   * @param hasMore bytes follow that nobody asked for: they might be taken for the answer to another request
   */
  private finish(trailers: Fields | undefined, hasMore: boolean): void {
    const { body } = this
    this.mayBeKept &&= !hasMore
    this.reader = undefined
    this.body = undefined
    // Whoever takes the body may be behind with it for ever; the next answer is another matter.
    this.resumeReading()
    this.settle()
    body?.finish(trailers)
  }

  /** Free for the next request when request and answer are over. */
  private settle(): void {
    const { call } = this
    if (call === undefined || !call.isAnswered || this.reader !== undefined) return
    // An answer before the request was read: what is left of the request would be taken for the next one.
    if (!call.isSent) {
      this.mayBeKept = false
      return
    }
    this.call = undefined
    if (this.mayBeKept && !this.isClosed) this.onFree(this)
    else this.socket.destroy()
  }

  private refuse(says: string): void {
    const { call } = this
    this.call = undefined
    this.destroy()
    call?.fail(failure('sent', 'http_protocol_error', says))
  }

  private ended(): void {
    this.mayBeKept = false
    if (this.reader?.mayEndHere === true) this.finish(undefined, false)
    else this.socket.destroy()
  }

  private closed(): void {
    if (this.isClosed) return
    this.isClosed = true
    clearTimeout(this.idleTimer)
    this.onClosed(this)
    const { call, body } = this
    this.call = undefined
    this.body = undefined
    body?.break()
    if (call === undefined || call.isAnswered) return
    const says = (this.socket.errored as NodeJS.ErrnoException | null)?.code ?? 'closed without an answer'
    if (!this.hasBytes && call.onStale !== undefined) call.onStale()
    else call.fail(failure('reset', 'connection_terminated', says))
  }
}

/** A request on its way, and the sink of its body. */
class Http1Call implements Call, Sink {
  readonly question: Question
  readonly asker: Asker
  readonly onStale: (() => void) | undefined
  isAnswered = false
  /** All of the request has been written. */
  isSent = false
  answerBody: Body | undefined
  onDrain: () => void = nothing
  private readonly connection: Http1Endpoint
  private isChunked = false
  private isOver = false

  constructor(connection: Http1Endpoint, question: Question, asker: Asker, onStale: (() => void) | undefined) {
    this.connection = connection
    this.question = question
    this.asker = asker
    this.onStale = onStale
  }

  send(): void {
    const { socket } = this.connection
    const { method, path, authority, fields, upload, isUpgrade } = this.question
    let head = `${method} ${path} HTTP/1.1\r\nHost: ${authority}\r\n${formatFields(fields)}`
    if (isUpgrade) head += 'Connection: Upgrade\r\n'
    else if (this.question.takesTrailers) head += 'TE: trailers\r\nConnection: TE\r\n'
    if (upload.kind === 'stream' && upload.length === undefined) {
      this.isChunked = true
      head += 'Transfer-Encoding: chunked\r\n'
    } else if (upload.kind !== 'none') head += `Content-Length: ${upload.length ?? upload.bytes!.length}\r\n`
    else if (method === 'POST' || method === 'PUT' || method === 'PATCH') head += 'Content-Length: 0\r\n'
    head += '\r\n'
    if (upload.kind === 'stream') {
      socket.cork()
      socket.write(head, 'latin1')
      upload.body!.sendTo(this)
      socket.uncork()
      return
    }
    this.isSent = true
    if (upload.bytes === undefined) socket.write(head, 'latin1')
    else {
      socket.cork()
      socket.write(head, 'latin1')
      socket.write(upload.bytes)
      socket.uncork()
    }
  }

  cancel(): void {
    if (this.isOver) return
    this.isOver = true
    if (this.answerBody !== undefined && this.answerBody.state === 'open') this.answerBody.cancel()
    else this.connection.giveUp(this)
  }

  fail(failure: Parameters<Asker['failed']>[0]): void {
    if (this.isOver) return
    this.isOver = true
    this.asker.failed(failure)
  }

  // The body of the request.

  write(chunk: Buffer): boolean {
    const { socket } = this.connection
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
    this.isSent = true
    this.connection.sent()
  }

  abort(): void {
    this.connection.giveUp(this)
  }
}

function staysOpen({ isHttp10, fields }: ResponseHead): boolean {
  const said = fields.get('connection')?.toLowerCase()
  if (said === undefined) return !isHttp10
  return isHttp10 ? said.includes('keep-alive') : !said.includes('close')
}

/** `Keep-Alive: timeout=5`, in seconds. */
function keptFor(fields: Fields): number | undefined {
  const said = fields.get('keep-alive')
  const seconds = said === null ? null : /(?:^|[,; ])timeout=(\d{1,6})/i.exec(said)
  return seconds === null ? undefined : Number(seconds[1]) * 1_000
}

function nothing(): void {}

const none = Buffer.alloc(0)
const longestHead = 262_144
