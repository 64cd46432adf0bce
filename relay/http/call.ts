// A request to an endpoint and what comes of it, the same over HTTP/1.1 and HTTP/2.

import type { FailureClass } from '../../shared/attempt/classes.ts'
import type { Reason } from '../../shared/decide/reason.ts'
import type { Body } from './body.ts'
import type { Upgraded } from './exchange.ts'
import type { Fields } from './fields.ts'

/** What is asked. */
export interface Question {
  readonly method: string
  /** With query. */
  readonly path: string
  readonly scheme: 'http' | 'https'
  /** The Host it sees. */
  readonly authority: string
  /** Without Host, and framed anew. */
  readonly fields: Fields
  readonly upload: Upload
  readonly isUpgrade: boolean
  /** The client said `TE: trailers`. */
  readonly takesTrailers: boolean
  /** Of gRPC: what an answer counts as stands in its fields. */
  readonly isCall: boolean
  /** Its time is up when it is up, however long the client goes on sending. */
  readonly isTimed: boolean
  /** It may be sent again on a connection that turned out to be closed. */
  readonly isRepeatable: boolean
  /** The endpoint is told who the client is ahead of HTTP; undefined: it is not. */
  readonly introduction: Introduction | undefined
}

/** A PROXY header: a connection that has begun with it serves nobody else. */
export interface Introduction {
  /** What it says, but for the id of each connection. */
  readonly key: string
  /** For one more connection. */
  readonly bytes: () => Uint8Array
}

/** What is sent of a body: nothing, bytes that were read before, or the stream as it comes, once. */
export interface Upload {
  readonly kind: 'none' | 'bytes' | 'stream'
  readonly bytes: Buffer | undefined
  readonly body: Body | undefined
  /** As the client said. */
  readonly length: number | undefined
}

/** Response headers are there. */
export interface EndpointAnswer {
  readonly status: number
  readonly fields: Fields
  /** Undefined when there is none. */
  readonly body: Body | undefined
  /** After 101. */
  readonly upgraded: Upgraded | undefined
}

export interface Failure {
  readonly failure: FailureClass
  readonly reason: Reason
  readonly says: string | undefined
  readonly isNothingWritten: boolean
}

/** Who asked. Exactly one of `answered` and `failed` is called, and neither after `cancel`. */
export interface Asker {
  answered(answer: EndpointAnswer): void
  failed(failure: Failure): void
  /** 1xx but 101. */
  informed(status: number, fields: Fields): void
}

export interface Call {
  /** Nobody wants the answer, nor the rest of it. */
  cancel(): void
}

export function failure(kind: FailureClass, reason: Reason, says?: string, isNothingWritten = false): Failure {
  return { failure: kind, reason, says, isNothingWritten }
}
