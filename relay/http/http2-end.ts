// When the body of a stream has come whole. Node says `end` for a stream that was reset too, and only a moment later that it
// was: taken at its word, half an answer would pass for a whole one.

import type { Http2Stream } from 'node:http2'
import type { Body } from './body.ts'
import type { Fields } from './fields.ts'

export class StreamEnd {
  private readonly stream: Http2Stream
  private readonly body: Body
  private readonly length: number | undefined
  private readonly needsTrailers: boolean
  private trailers: Fields | undefined
  private hasTrailers = false
  private hasEnded = false

  /**
   * @param length of the body, as its header says
   * @param needsTrailers without them it is not whole: a call has its status there
   */
  constructor(stream: Http2Stream, body: Body, length: number | undefined, needsTrailers: boolean) {
    this.stream = stream
    this.body = body
    this.length = length
    this.needsTrailers = needsTrailers
  }

  trailed(trailers: Fields | undefined): void {
    this.trailers = trailers
    this.hasTrailers = true
  }

  /** Trailers stand in the last frame, and a length leaves no doubt; else the next turn of the event loop knows. */
  ended(): void {
    this.hasEnded = true
    if (this.hasTrailers || (this.body.bytes === this.length && !this.needsTrailers)) this.body.finish(this.trailers)
    else setImmediate(() => this.settle())
  }

  closed(): void {
    if (this.hasEnded) this.settle()
    this.body.break()
  }

  private settle(): void {
    if (this.stream.aborted || this.stream.rstCode !== 0) this.body.break()
    else if (this.hasTrailers || !this.needsTrailers) this.body.finish(this.trailers)
  }
}
