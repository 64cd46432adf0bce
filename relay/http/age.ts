// Connections are sent round when they are old, so that clients that live long come to relays that were added since.

import type { HttpConnection } from './exchange.ts'

export interface Age {
  /** Milliseconds, from its beginning. Infinity: none is ever old. */
  readonly maxMs: number
  /** What is still open so long after is cut; Infinity waits for it. */
  readonly graceMs: number
}

/**
 * Drains the connection when it is of age, from nine to eleven tenths of what the config says so that they do not all come
 * back at once, as gRPC servers do with their MAX_CONNECTION_AGE (gRPC, "A9: Server-side Connection Management").
 *
 * @param chance from 0 to 1
 * @returns forgets about it: the connection is gone
 */
export function limitAge(connection: HttpConnection, { maxMs, graceMs }: Age, chance: number): () => void {
  if (maxMs === Number.POSITIVE_INFINITY) return nothing
  let timer = setTimeout(
    () => {
      connection.drain()
      if (graceMs !== Number.POSITIVE_INFINITY) timer = setTimeout(() => connection.cut(), graceMs).unref()
    },
    Math.min(maxMs * (0.9 + 0.2 * chance), longestTimerMs),
  ).unref()
  return () => clearTimeout(timer)
}

function nothing(): void {}

/** A longer one would fire at once. */
const longestTimerMs = 2 ** 31 - 1
