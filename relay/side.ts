// One side of a flow: a socket, and its bytes on their way to the other side. Bytes are read into memory of our own and
// written from there without a copy; reading pauses only while a write is not done. So a direction holds one read at
// most, and that is its high-water mark.

import type { OnReadOpts, Socket } from 'node:net'
import { smallBytes, spareLarge, takeLarge } from './read-buffers.ts'

/** What is under a socket; Node gives no public way to these two. */
interface StreamHandle {
  readonly writeQueueSize: number
  /** Fills in the address; an error number below 0 when there is no peer. A unix socket has none. */
  getpeername?(out: object): number
}

export class Side {
  readonly socket: Socket
  /** Bytes read here and handed to the other side. */
  bytes = 0
  /** When a byte last came in here or all of them had left on the other side; milliseconds of `performance.now()`. */
  movedAt = performance.now()
  isClosed = false
  /** Called when the socket has closed, whatever the cause. */
  onClose: () => void = nothing
  /** Called with each read while the first bytes are peeked at, and when the end has come. */
  onEarly: (() => void) | undefined
  /** Has nothing more to say. */
  hasEnded = false

  private other: Side | undefined
  /** What came before there was another side to send it to. */
  private early: Uint8Array[] = []
  /** Reading stopped because nobody took what came early. */
  private isHeld = false
  private isWaiting = false
  /** The connection that carries this one when `socket` is TLS. */
  private readonly under: Side | undefined
  private small: Buffer<ArrayBuffer>
  /** Where the next read goes: `small`, or a large one while much is coming. */
  private buffer: Buffer<ArrayBuffer>

  /**
   * @param open makes the socket, with half-open allowed and this `onread`
   * @param under what carries it when it is TLS: then there is no `onread`, and every chunk has memory of its own
   */
  constructor(open: (onread: OnReadOpts) => Socket, under?: Side) {
    this.under = under
    this.small = under === undefined ? Buffer.allocUnsafeSlow(smallBytes) : noBuffer
    this.buffer = this.small
    this.socket = open({
      buffer: () => this.buffer,
      callback: (count, buffer) => this.take(buffer.subarray(0, count)),
    })
    if (under !== undefined) {
      this.socket.on('data', (chunk: Buffer) => {
        if (!this.take(chunk)) this.socket.pause()
      })
    }
    // Whatever goes wrong on a socket is followed by its `close`, where `isBroken` tells.
    this.socket.on('error', nothing)
    // Either comes once by itself; `once` would cost an idle flow some hundred bytes more.
    this.socket.on('end', () => {
      this.hasEnded = true
      this.onEarly?.()
      this.other?.socket.end()
    })
    this.socket.on('close', () => {
      this.isClosed = true
      this.onClose()
    })
  }

  /** The connection was not ended by both sides: a reset, a write into a closed connection, no answer to keep-alive. */
  get isBroken(): boolean {
    return this.socket.errored !== null
  }

  /**
   * Broken without our having been told: nothing is heard of a socket that is not being read, because the other side is
   * slow or the end has come already. The system says so when asked for the peer (ENOTCONN).
   */
  get isLost(): boolean {
    if (!this.isWaiting && !this.hasEnded) return false
    const { writableEnded, writableLength } = this.socket
    const isOver = this.hasEnded && writableEnded && writableLength === 0
    return !isOver && (this.handle?.getpeername?.({}) ?? 0) !== 0
  }

  /** Written here and not yet taken by the system, in bytes. */
  get unsent(): number {
    return this.handle?.writeQueueSize ?? 0
  }

  /** What came so far and was not sent on, in one piece. */
  peeked(): Uint8Array {
    if (this.early.length > 1) this.early = [Buffer.concat(this.early)]
    return this.early[0] ?? noBytes
  }

  /** Puts what came so far back into the socket, for TLS to read it there. Nothing more may be asked of this side. */
  giveBack(): Socket {
    const bytes = this.peeked()
    this.early = []
    if (bytes.length > 0) this.socket.unshift(bytes)
    return this.socket
  }

  /** Takes so many first bytes out: they were for us. */
  skip(count: number): void {
    const rest = this.peeked().subarray(count)
    this.early = rest.length === 0 ? [] : [rest]
  }

  /** From here on every byte goes to `other`, those that came early first, and so does the end. */
  sendTo(other: Side): void {
    this.other = other
    const { early } = this
    this.early = []
    let maySendMore = true
    for (const chunk of early) maySendMore = this.send(chunk, other.socket)
    if (!maySendMore) this.socket.pause()
    else if (this.isHeld) this.socket.resume()
    this.isHeld = false
    if (this.hasEnded) other.socket.end()
  }

  /**
   * Ends the connection at once with a reset, so that a stream cut short does not look complete. What was written and
   * not sent is dropped.
   */
  reset(): void {
    const { socket } = this
    if (socket.connecting) socket.destroy()
    else if (socket.destroyed) return
    // While a shutdown is under way libuv refuses to reset (uv_tcp_close_reset: EINVAL) and Node would lose the handle.
    else if (socket.writableEnded && !socket.writableFinished && socket.writableLength === 0) {
      socket.once('finish', () => this.reset())
    } else if (this.under !== undefined) this.under.reset()
    // A unix socket knows no reset: it is closed.
    else if (this.handle?.getpeername === undefined) socket.destroy()
    else socket.resetAndDestroy()
  }

  /** Says a last word of ours and ends the connection. Whoever does not take it is waited for no longer than `ms`. */
  sayLast(word: Uint8Array, ms: number): void {
    const { socket } = this
    if (socket.destroyed) return
    const timer = setTimeout(() => this.reset(), ms)
    socket.once('close', () => clearTimeout(timer))
    socket.end(word, () => socket.destroy())
  }

  /** Gives the memory back; only when both sockets are closed, since either may still be using it. */
  release(): void {
    if (this.buffer !== this.small) spareLarge(this.buffer)
    this.buffer = this.small
  }

  /** Of the connection itself, also under TLS. */
  private get handle(): StreamHandle | null {
    const socket = this.under?.socket ?? this.socket
    return (socket as Socket & { _handle: StreamHandle | null })._handle
  }

  /** What was just read; false stops reading. */
  private take(chunk: Uint8Array): boolean {
    if (this.other !== undefined) {
      const maySendMore = this.send(chunk, this.other.socket)
      this.choose(chunk.length, maySendMore)
      return maySendMore
    }
    // Reading goes on for a little, else nobody would notice a client that leaves while its endpoint is being connected.
    this.early.push(chunk)
    if (this.under === undefined) {
      this.small = Buffer.allocUnsafeSlow(smallBytes)
      this.buffer = this.small
    }
    this.onEarly?.()
    this.isHeld = this.onEarly === undefined && this.early.length >= mostEarly
    return !this.isHeld
  }

  /** False when the system did not take it all at once: then `written` reads on. */
  private send(chunk: Uint8Array, sink: Socket): boolean {
    if (sink.destroyed) return false
    this.bytes += chunk.length
    this.movedAt = performance.now()
    sink.write(chunk, this.written)
    this.isWaiting = sink.writableLength > 0
    return !this.isWaiting
  }

  private readonly written = (): void => {
    if (!this.isWaiting || this.other!.socket.writableLength > 0) return
    this.isWaiting = false
    this.movedAt = performance.now()
    if (!this.socket.destroyed) this.socket.resume()
  }

  /**
   * The size of the next read. A read that fills the small buffer says that much is coming; one that would have fitted
   * it says that no more is. An idle flow so holds the small one only.
   */
  private choose(count: number, isSent: boolean): void {
    if (this.under !== undefined) return
    if (this.buffer === this.small) {
      if (count === smallBytes) this.buffer = takeLarge()
    } else if (count <= smallBytes && isSent) this.release()
  }
}

function nothing(): void {}

/** Reads kept while the endpoint is being connected. */
const mostEarly = 4
const noBytes = new Uint8Array(0)
const noBuffer = Buffer.allocUnsafeSlow(0)
