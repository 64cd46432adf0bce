// The body that a stream of HTTP/2 brings. What came along with the header is taken in before anybody asks, so that a short
// body mostly is whole by then; the rest flows once it is wanted.

import { constants, type Http2Stream } from 'node:http2'
import { Body, type Producer } from './body.ts'
import type { Fields } from './fields.ts'
import { plainTrailers } from './http1-body.ts'
import { fieldsOf } from './http2-fields.ts'

export class StreamBody implements Producer {
  readonly body = new Body(this)
  private readonly stream: Http2Stream
  private readonly length: number | undefined
  private readonly needsTrailers: boolean
  private readonly giveUp: () => void
  private trailers: Fields | undefined
  private hasTrailers = false
  private hasEnded = false
  private isFlowing = false

  /**
   * @param length of the body, as its header says
   * @param needsTrailers without them it is not whole: a call has its status there
   * @param giveUp nobody wants the rest
   */
  constructor(stream: Http2Stream, length: number | undefined, needsTrailers: boolean, giveUp: () => void) {
    this.stream = stream
    this.length = length
    this.needsTrailers = needsTrailers
    this.giveUp = giveUp
    stream.on('trailers', (_, __, raw: readonly string[]) => {
      this.trailers = plainTrailers(fieldsOf(raw).fields)
      this.hasTrailers = true
    })
    stream.on('end', () => this.ended())
    stream.on('aborted', () => {
      this.body.break()
      // As long as something is unread the stream does not close.
      stream.resume()
    })
    const came: Buffer | null = stream.read()
    if (came !== null) this.body.push(came)
  }

  begin(): void {
    if (this.isFlowing || this.hasEnded) return
    this.isFlowing = true
    this.stream.on('data', (chunk: Buffer) => {
      if (!this.body.push(chunk)) this.stream.pause()
    })
  }

  resumeReading(): void {
    if (this.isFlowing) this.stream.resume()
  }

  cancelReading(): void {
    this.giveUp()
  }

  /** The stream is closed. */
  closed(): void {
    if (this.hasEnded) this.settle()
    this.body.break()
  }

  /**
   * Node says `end` for a stream that was reset too, and only a moment later that it was: taken at its word, half a body
   * would pass for a whole one. Trailers stand in the last frame, and a length leaves no doubt; nor does a stream that is
   * closed on the side of the sender alone, as only the last frame does. Else the next turn of the event loop knows.
   */
  private ended(): void {
    this.hasEnded = true
    const { body, length, needsTrailers } = this
    if (this.hasTrailers || (!needsTrailers && (body.bytes === length || isEndedByItsSender(this.stream)))) {
      body.finish(this.trailers)
    } else setImmediate(() => this.settle())
  }

  private settle(): void {
    if (this.stream.aborted || this.stream.rstCode !== 0) this.body.break()
    else if (this.hasTrailers || !this.needsTrailers) this.body.finish(this.trailers)
  }
}

function isEndedByItsSender({ state }: Http2Stream): boolean {
  return state.state === constants.NGHTTP2_STREAM_STATE_HALF_CLOSED_REMOTE
}
