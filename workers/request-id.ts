// Names for requests that came without one: UUIDv7 (RFC 9562 section 5.7), which sort by time.

import { V7Generator } from 'uuidv7'
import { randomWord } from './random-words.ts'

export function newRequestId(): string {
  return generator.generate().toString()
}

const generator = new V7Generator({ nextUint32: randomWord })
