// A body on its way through: who reads it off a connection pushes, who writes it out takes, and no more is held between
// them than one of the two is behind.

import type { Fields } from './fields.ts'

/** Takes a body, chunk by chunk. */
export interface Sink {
  /** False: no more until `onDrain` is called. */
  write(chunk: Buffer): boolean
  /** The body is whole. */
  end(trailers: Fields | undefined): void
  /** It ended early: whoever reads it must not take it for whole. */
  abort(): void
  onDrain: () => void
}

/** Looks on. */
export interface Watcher {
  chunk(bytes: Buffer): void
  ended(isWhole: boolean): void
}

/** Reads the connection that a body comes from. */
export interface Producer {
  /** The body is wanted now. */
  begin(): void
  resumeReading(): void
  /** Nobody wants the rest. */
  cancelReading(): void
}

export class Body {
  /** What came so far, in bytes. */
  bytes = 0
  state: 'open' | 'whole' | 'broken' | 'cancelled' = 'open'
  trailers: Fields | undefined
  /** When the last of it came, or whoever takes it last made room; `performance.now()`. */
  movedAt = 0
  /** Nobody takes more of it for now: that nothing comes is not for its producer to answer. */
  isHeld = true
  /** Sees each chunk that goes by, beside whoever takes it. */
  private watcher: Watcher | undefined
  /** Is told when it is whole, broken or cancelled. */
  onEnd: () => void = nothing
  private readonly producer: Producer
  private sink: Sink | undefined
  private early: Buffer[] = []
  private earlyBytes = 0
  /** What was handed on so far, as long as it may have to be handed on again. */
  private handed: Buffer[] = []
  private handedBytes = 0
  private mostHanded = 0

  constructor(producer: Producer) {
    this.producer = producer
  }

  /** For the producer. False: stop reading until `resumeReading`. */
  push(chunk: Buffer): boolean {
    if (this.state !== 'open') return true
    this.bytes += chunk.length
    this.movedAt = performance.now()
    this.watcher?.chunk(chunk)
    if (this.sink !== undefined) return this.hand(chunk, this.sink)
    this.early.push(chunk)
    this.earlyBytes += chunk.length
    return this.earlyBytes < mostEarly
  }

  /** For the producer: that was all. */
  finish(trailers: Fields | undefined): void {
    if (this.state !== 'open') return
    this.state = 'whole'
    this.trailers = trailers
    this.watcher?.ended(true)
    this.sink?.end(trailers)
    this.onEnd()
  }

  /** For the producer: no more will come though it is not whole. */
  break(): void {
    if (this.state !== 'open') return
    this.state = 'broken'
    this.watcher?.ended(false)
    this.sink?.abort()
    this.onEnd()
  }

  /** What came, when that is the whole body and nobody has taken it. */
  takeWhole(): Buffer | undefined {
    if (this.state !== 'whole' || this.sink !== undefined || this.trailers !== undefined) return undefined
    const { early } = this
    return early.length === 1 ? early[0] : Buffer.concat(early)
  }

  /** It may be wanted from its beginning once more: so many bytes of it are kept until `release`. */
  keep(most: number): void {
    this.mostHanded = most
  }

  /** It is not wanted again. */
  release(): void {
    this.mostHanded = 0
    this.handed = []
  }

  /** Takes it back from where it went to, for another `sendTo`. False when it is not all there any more. */
  rewind(): boolean {
    if (this.handedBytes > this.mostHanded || this.state === 'cancelled') return false
    this.sink = undefined
    this.isHeld = true
    this.early.unshift(...this.handed)
    this.earlyBytes += this.handedBytes
    this.handed = []
    this.handedBytes = 0
    return true
  }

  private hand(chunk: Buffer, sink: Sink): boolean {
    this.handedBytes += chunk.length
    if (this.handedBytes <= this.mostHanded) this.handed.push(chunk)
    else if (this.handed.length > 0) this.handed = []
    const mayGoOn = sink.write(chunk)
    this.isHeld = !mayGoOn
    return mayGoOn
  }

  /** From here on all of it goes there, and nowhere else. */
  sendTo(sink: Sink): void {
    this.sink = sink
    this.isHeld = false
    sink.onDrain = () => {
      this.isHeld = false
      this.movedAt = performance.now()
      // Of a body that is over the connection may carry another one already.
      if (this.state === 'open') this.producer.resumeReading()
    }
    this.producer.begin()
    let mayGoOn = true
    this.earlyBytes = 0
    for (const chunk of this.early.splice(0)) mayGoOn = this.hand(chunk, sink)
    if (this.state === 'whole') sink.end(this.trailers)
    else if (this.state !== 'open') sink.abort()
    else if (mayGoOn) this.producer.resumeReading()
  }

  /** Has every chunk seen, those that came before too. Of a body that nobody has begun to take. */
  watch(watcher: Watcher): void {
    for (const chunk of this.early) watcher.chunk(chunk)
    if (this.state === 'open') this.watcher = watcher
    else watcher.ended(this.state === 'whole')
  }

  /** Nobody wants what is left. */
  cancel(): void {
    if (this.state !== 'open') return
    this.state = 'cancelled'
    this.watcher?.ended(false)
    this.early = []
    this.producer.cancelReading()
    this.onEnd()
  }

  /** Nobody began to take it. */
  get isUntouched(): boolean {
    return this.sink === undefined
  }
}

/**
 * Reads a short body whole.
 *
 * @param idleMs `late` when nothing of it came for so long
 */
export function readWhole(body: Body, idleMs: number): Promise<Buffer | 'broken' | 'late'> {
  return new Promise(resolve => {
    const chunks: Buffer[] = []
    const began = performance.now()
    let timer: NodeJS.Timeout | undefined
    const done = (outcome: Buffer | 'broken' | 'late') => {
      clearTimeout(timer)
      resolve(outcome)
    }
    const look = () => {
      const leftMs = Math.max(began, body.movedAt) + idleMs - performance.now()
      if (leftMs > 1) timer = setTimeout(look, leftMs)
      else done('late')
    }
    timer = setTimeout(look, idleMs)
    body.sendTo({
      write: chunk => chunks.push(chunk) > 0,
      end: () => done(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)),
      abort: () => done('broken'),
      onDrain: nothing,
    })
  })
}

function nothing(): void {}

/** Held of a body that nobody takes yet. */
const mostEarly = 65_536
