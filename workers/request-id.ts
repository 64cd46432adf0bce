// Names for requests that came without one: UUIDv7 (RFC 9562 section 5.7), which sort by time.

import { V7Generator } from 'uuidv7'

export function newRequestId(): string {
  return generator.generate().toString()
}

/** Random words are fetched many at a time: one by one they cost more than the rest of the facts together. */
const words = new Uint32Array(1024)
let used = words.length
const generator = new V7Generator({
  nextUint32() {
    if (used === words.length) {
      crypto.getRandomValues(words)
      used = 0
    }
    return words[used++]!
  },
})
