// An HTTP/2 connection that is to take no more requests: because it is old, or because its listener drains. The client is
// told, and what is under way is finished.

import type { Http2Session } from 'node:http2'

/** When a connection is retired for its age, so that clients that live long come to endpoints and relays that are new. */
export interface Age {
  /** Milliseconds; a tenth more or less is drawn for each connection, so that they do not all come back at once. */
  readonly maxMs: number
  /** What is still open so long after is cut; Infinity waits for it. */
  readonly graceMs: number
}

/** Retires the session when it is of age. @param chance from 0 to 1 */
export function limitAge(session: Http2Session, age: Age, chance: number): void {
  const timer = setTimeout(() => retire(session, age.graceMs), jittered(age.maxMs, chance)).unref()
  session.once('close', () => clearTimeout(timer))
}

/** From nine to eleven tenths, as gRPC servers do with their MAX_CONNECTION_AGE (gRPC, "A9: Server-side Connection Management"). */
export function jittered(ms: number, chance: number): number {
  return Math.min(ms * (0.9 + 0.2 * chance), longestTimerMs)
}

/**
 * Sends GOAWAY and ends the session when its streams are over. It names the last stream that we have begun on: what a
 * client has sent since was not looked at, and it may send that again elsewhere whatever it asks for (RFC 9113 section
 * 6.8). A first GOAWAY that names none, as the RFC has it, is not for us: nghttp2 then takes no more streams all the same,
 * and Node has no way to its shutdown notice.
 *
 * @param graceMs what is open so long after is cut; Infinity waits for it
 */
export function retire(session: Http2Session, graceMs: number): void {
  if (session.destroyed || session.closed) return
  session.close()
  if (session.destroyed || graceMs === Number.POSITIVE_INFINITY) return
  const cut = setTimeout(() => session.destroy(), Math.min(graceMs, longestTimerMs)).unref()
  session.once('close', () => clearTimeout(cut))
}

/** A longer one would fire at once. */
const longestTimerMs = 2 ** 31 - 1
