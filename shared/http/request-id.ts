// The request id: a trusted proxy's is kept, so that one request has one id in every log; anyone else's is not.

import { V7Generator } from 'uuidv7'
import { uuidText } from '../wire/hex.ts'

/**
 * The id to keep, or undefined: then the plane makes a UUIDv7. At most 128 of the characters that ids are made of, so
 * that it may stand in a header, a log line and a URL as it is.
 */
export function keptRequestId(isTrusted: boolean, said: string | null): string | undefined {
  return isTrusted && said !== null && /^[A-Za-z0-9._~+/=:@-]{1,128}$/.test(said) ? said : undefined
}

/**
 * Names for requests that came without one: UUIDv7 (RFC 9562 section 5.7), which sort by time.
 *
 * @param word gives 32 random bits
 */
export function requestIds(word: () => number): (now: number) => string {
  const generator = new V7Generator({ nextUint32: word })
  return now => uuidText(generator.generateOrResetCore(now, mostRollbackMs).bytes)
}

/** A clock that steps back by less goes on with the time before: ids keep their order. */
const mostRollbackMs = 10_000
