// What an endpoint does with a PROXY header, judged from how it answers with one, without one and with a broken one.

export interface Answered {
  /** What came back, at most 4 KiB. */
  readonly bytes: Buffer
  readonly end: 'open' | 'closed' | 'reset' | 'refused'
}

/** How one question was answered behind nothing, behind a header, and behind a header no receiver can take. */
export interface Comparison {
  readonly plain: Answered
  readonly header: Answered
  readonly broken: Answered
}

export interface Verdict {
  /** `requires`: reads the header and serves nobody without. `accepts`: reads it where it comes. */
  readonly does: 'requires' | 'accepts' | 'ignores' | 'payload' | 'unknown'
  readonly sure: 'certain' | 'likely' | 'no'
  readonly because: string
}

/** One way to find out whether somebody serves: what to send, and whether an answer is one of a served client. */
export interface Question {
  readonly name: 'greeting' | 'http' | 'redis' | 'postgres' | 'tls' | 'echo'
  readonly bytes: (place: string) => Buffer
  readonly isServed: (answer: Buffer) => boolean
}

/** Undefined when the question says nothing: nobody answered it as one who serves. */
export function judgeProxy(
  { name, isServed }: Pick<Question, 'name' | 'isServed'>,
  header: Buffer,
  { plain, header: behind, broken }: Comparison,
): Verdict | undefined {
  const [isPlain, isBehind, isBroken] = [plain, behind, broken].map(({ bytes }) => isServed(bytes))
  if (behind.bytes.includes(header)) {
    return { does: 'payload', sure: 'certain', because: 'the header came back as if it were payload' }
  }
  if (!isPlain && !isBehind) return undefined
  if (!isPlain) {
    // One that stays silent and complains of a header, good or broken, was not greeting anybody.
    if (isBroken && name === 'greeting') return undefined
    if (isBroken) {
      return { does: 'unknown', sure: 'no', because: 'it serves behind a broken header too, and not without one' }
    }
    return { does: 'requires', sure: 'certain', because: `it serves behind the header; without one ${wordsOf(plain)}` }
  }
  if (!isBehind) {
    // One that reads headers, but only of peers it trusts, may close too: so only an answer is proof.
    const sure = behind.bytes.length > 0 ? 'certain' : 'likely'
    return { does: 'payload', sure, because: `it serves without a header; behind one ${wordsOf(behind)}` }
  }
  if (name === 'greeting') {
    const isUnmoved = behind.end === plain.end && behind.bytes.length <= plain.bytes.length
    return isUnmoved
      ? { does: 'unknown', sure: 'no', because: 'it speaks first, with the header and without, and says no more' }
      : { does: 'payload', sure: 'likely', because: `it speaks first, and behind a header ${wordsOf(behind)}` }
  }
  return isBroken
    ? { does: 'ignores', sure: 'likely', because: 'it serves alike with the header, without, and with a broken one' }
    : {
        does: 'accepts',
        sure: 'likely',
        because: `it serves with the header and without; behind a broken one ${wordsOf(broken)}`,
      }
}

function wordsOf({ bytes, end }: Answered): string {
  if (bytes.length > 0) return `it says ${JSON.stringify(firstLine(bytes))}`
  if (end === 'closed') return 'it closes the connection'
  return end === 'reset' ? 'it resets the connection' : 'it says nothing'
}

function firstLine(bytes: Buffer): string {
  const text = bytes.toString('latin1').split(/\r?\n/)[0]!
  return text.length > 60 ? `${text.slice(0, 59)}…` : text
}

/** In the order in which they are tried, the least disturbing first. */
export const questions: readonly Question[] = [
  { name: 'greeting', bytes: () => Buffer.alloc(0), isServed: answer => answer.length > 0 },
  {
    name: 'http',
    bytes: place => Buffer.from(`GET / HTTP/1.1\r\nHost: ${place}\r\nConnection: close\r\n\r\n`),
    // 400 is what an HTTP server says of a request line it cannot read.
    isServed: answer => /^HTTP\/1\.[01] (?!400)\d{3} /.test(answer.toString('latin1')),
  },
  {
    name: 'redis',
    bytes: () => Buffer.from('PING\r\n'),
    isServed: answer => /^(?:\+PONG|-NOAUTH)/.test(answer.toString('latin1')),
  },
  {
    name: 'postgres',
    bytes: () => Buffer.from('0000000804d2162f', 'hex'),
    isServed: answer => answer.length === 1 && (answer[0] === 0x53 || answer[0] === 0x4e),
  },
  {
    name: 'tls',
    bytes: () => clientHello,
    // A handshake record; an alert would be 0x15.
    isServed: answer => answer[0] === 0x16 && answer[1] === 0x03,
  },
  {
    name: 'echo',
    bytes: () => Buffer.from('fourseven probe\r\n'),
    isServed: answer => answer.toString('latin1').startsWith('fourseven probe'),
  },
]

/** A TLS 1.2 ClientHello with the cipher suites and groups that any server has (RFC 5246 section 7.4.1.2, RFC 8422). */
const clientHello = ((): Buffer => {
  const suites = 'c02bc02fc02cc030c013c014009c009d002f0035'
  const extensions = ['000a00080006001d00170018', '000b00020100', '000d000e000c040308040401050306030806'].join('')
  const size = (hex: string, bytes: number) => (hex.length / 2).toString(16).padStart(2 * bytes, '0')
  const body = `0303${'47'.repeat(32)}00${size(suites, 2)}${suites}0100${size(extensions, 2)}${extensions}`
  const handshake = `01${size(body, 3)}${body}`
  return Buffer.from(`160301${size(handshake, 2)}${handshake}`, 'hex')
})()
