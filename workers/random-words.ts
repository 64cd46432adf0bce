// Random words, fetched many at a time: one by one they cost more than the rest of the facts together.

/** 32 random bits, unsigned. Only inside a request: at module scope there is no chance. */
export function randomWord(): number {
  if (used === words.length) {
    crypto.getRandomValues(words)
    used = 0
  }
  return words[used++]!
}

const words = new Uint32Array(1024)
let used = words.length
