// A request and the way its answer goes back, the same over HTTP/1.1 and HTTP/2; and the connection it came on.

import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FlowFacts } from '../../shared/decide/facts.ts'
import type { Reason } from '../../shared/decide/reason.ts'
import type { Body } from './body.ts'
import type { Fields } from './fields.ts'
import type { Malformed } from './http1-head.ts'

export interface Exchange {
  readonly connection: HttpConnection
  readonly version: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2'
  readonly scheme: 'http' | 'https'
  readonly method: string
  /** Host and port that are asked. */
  readonly authority: string
  /** What `Host` said where the authority came from elsewhere. */
  readonly said: string | null
  /** Starts with a slash, or `*`; without the query. */
  readonly path: string
  /** With its `?`, or empty. */
  readonly search: string
  /** As it came; what is forwarded is a copy. */
  readonly fields: Fields
  /** Undefined when there is none. */
  readonly body: Body | undefined
  /** As the client says; undefined when it does not. */
  readonly bodyLength: number | undefined
  /** Asked for over HTTP/2 (RFC 8441): success would say that it is open, and only `upgrade` may say so. */
  readonly isTunnel?: boolean
  /** Why it cannot be served at all. */
  readonly malformed: Malformed | undefined
  /** The client went away, or gave the request up, before the answer was whole. */
  onGone: () => void
  readonly isGone: boolean
  /** Bytes of the answer's body that were handed on. */
  readonly bytesOut: number
  /** Called once: true when the answer has left whole. */
  onSent: (isWhole: boolean) => void
  /** A 1xx ahead of the answer. */
  inform(status: number, fields: Fields): void
  /** The whole answer at once. */
  answer(status: number, fields: Fields, body: string | Buffer | null): void
  /** Trailers for a body that breaks off, where the protocol above has words for that; undefined: it ends as broken. */
  lastWords?: Fields | undefined
  /** Ends an answer that has begun here and now, with these at its end. */
  finish(trailers: Fields): void
  /** The answer's head, and its body as it comes; undefined: none. */
  begin(status: number, fields: Fields, body: Body | undefined): void
  /**
   * 101, or what HTTP/2 has for it, and the connection or stream itself from there on; undefined when the fields of the answer
   * are none for what was asked.
   */
  upgrade(fields: Fields): Upgraded | undefined
  /** Ends it so that what was sent of the answer is not taken for whole. */
  abort(): void
}

/** A connection that speaks another protocol from here on. */
export interface Upgraded {
  readonly socket: Duplex
  /** What was read of it already. */
  readonly early: Buffer
}

export interface HttpConnection {
  readonly facts: FlowFacts
  readonly socket: Socket
  /** Requests that are not answered. */
  readonly open: number
  /** Requests so far. */
  readonly served: number
  /** Why it was ended, where its client is to blame. */
  readonly endedFor?: Reason | undefined
  /** No new requests; those that are open are answered. */
  drain(): void
  /** Ends at once whatever is open. */
  cut(): void
}

/** Makes what comes of a request; called for each. Never throws. */
export type ServeExchange = (exchange: Exchange) => void
