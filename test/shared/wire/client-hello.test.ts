// ClientHellos of real clients (test/vectors/client-hello, each with its origin) and what can be done to them on the way.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ClientHello, peekClientHello } from '../../../shared/wire/client-hello.ts'
import {
  alpn,
  extension,
  handshake,
  head,
  helloOf,
  hostName,
  lengthed,
  nameExtension,
  recorded,
} from '../../support/client-hello.ts'

interface Vector {
  readonly origin: string
  readonly bytes: string
  readonly expect: { readonly sni: string | null; readonly alpn: readonly string[] | null }
}

const folder = join(import.meta.dirname, '../../vectors/client-hello')
const vectors = readdirSync(folder).map(file => {
  const { origin, bytes, expect } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Vector
  const said: ClientHello = { sni: expect.sni ?? 'absent', alpn: expect.alpn ?? 'absent' }
  return { file, origin, bytes: Buffer.from(bytes, 'hex'), said }
})
const hello = Buffer.from(vectors.find(({ file }) => file === 'openssl-tls13.json')!.bytes)
const said: ClientHello = { sni: 'app.example.com', alpn: ['h2', 'http/1.1'] }

describe('a real client', () => {
  test.each(vectors)('$file is read', ({ bytes, said }) => {
    expect(peekClientHello(bytes)).toEqual(said)
  })

  test('there are some of OpenSSL, curl, Node and psql, one of them in several records', () => {
    const origins = vectors.map(({ origin }) => origin.split(' ')[0])
    expect(new Set(origins)).toEqual(new Set(['OpenSSL', 'curl', 'Node', 'psql']))
    expect(vectors.some(({ bytes }) => bytes.readUInt16BE(3) + 5 < bytes.length)).toBe(true)
  })

  test.each(vectors)(
    '$file one byte at a time never says anything but `more` and then the truth',
    ({ bytes, said }) => {
      for (let length = 0; length < bytes.length; length++) agrees(peekClientHello(bytes.subarray(0, length)), said)
    },
  )

  test('records cut anywhere make no difference', () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(fc.constantFrom(...vectors), cuts, fc.nat(), ({ bytes, said }, sizes, end) => {
        const records = recorded(messageOf(bytes), sizes)
        expect(peekClientHello(records)).toEqual(said)
        agrees(peekClientHello(records.subarray(0, end % records.length)), said)
      }),
      { seed: 47, numRuns: 400 },
    )
  })

  test('a record for every byte is read too', () => {
    expect(peekClientHello(recorded(messageOf(hello), [1]))).toEqual(said)
  })

  test('what comes behind the hello is not looked at', () => {
    expect(peekClientHello(Buffer.concat([hello, Buffer.from('early data, or anything')]))).toEqual(said)
  })
})

describe('GREASE (RFC 8701)', () => {
  test('extensions and protocols that nobody knows are passed over', () => {
    const grease = extension(0x0a0a, Buffer.alloc(1))
    const bytes = helloOf([
      grease,
      nameExtension('a.example.com'),
      alpn(['\x5a\x5a', 'h2']),
      extension(0xfafa, Buffer.alloc(0)),
    ])
    expect(peekClientHello(bytes)).toEqual({ sni: 'a.example.com', alpn: ['\x5a\x5a', 'h2'] })
  })
})

describe('a name', () => {
  test('is compared in lower case and without a dot at its end', () => {
    expect(peekClientHello(helloOf([nameExtension('App.EXAMPLE.com.')]))).toMatchObject({ sni: 'app.example.com' })
  })

  test('of a kind that nobody defined is no name', () => {
    const odd = Buffer.concat([Buffer.of(0, 4, 7, 0, 1), Buffer.from('x')])
    expect(peekClientHello(helloOf([extension(0, odd)]))).toEqual({ sni: 'absent', alpn: 'absent' })
  })

  test.each(['', '.', 'a b', 'a\0.example.com', 'a..b', 'ä.example.com', 'a'.repeat(254), '::1', 'x\n{"forged":1}'])(
    '%j is malformed',
    name => {
      expect(peekClientHello(helloOf([nameExtension(name)]))).toBe('malformed')
    },
  )
})

describe('no extensions', () => {
  test('and no length of them is an old client without a name', () => {
    expect(peekClientHello(recorded(handshake(head), [400]))).toEqual({ sni: 'absent', alpn: 'absent' })
  })

  test('and a length of 0 is one too', () => {
    expect(peekClientHello(helloOf([]))).toEqual({ sni: 'absent', alpn: 'absent' })
  })
})

describe('not TLS', () => {
  test.each([
    ['HTTP', 'GET / HTTP/1.1\r\n'],
    ['SSH', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['Postgres', '\0\0\0\x08\x04\xd2\x16\x2f'],
    ['an SSL 2 hello', '\x80\x2e\x01\x03\x01\x00\x15'],
    ['an alert', '\x15\x03\x01\x00\x02\x02\x70'],
    ['a handshake record of a version that never was', '\x16\x02\x00\x00\x05'],
  ])('%s is told at its first bytes', (_, text) => {
    const bytes = Buffer.from(text, 'latin1')
    expect(peekClientHello(bytes)).toBe('not-tls')
    expect(peekClientHello(bytes.subarray(0, 2))).toBe('not-tls')
  })

  test('nothing at all says nothing yet', () => {
    expect(peekClientHello(new Uint8Array(0))).toBe('more')
    expect(peekClientHello(Uint8Array.of(22, 3))).toBe('more')
  })
})

describe('malformed', () => {
  const cases: Readonly<Record<string, Buffer>> = {
    'an empty record': Buffer.of(22, 3, 1, 0, 0),
    'a record longer than 2^14': Buffer.of(22, 3, 1, 0x40, 1),
    'a message that is no ClientHello': recorded(Buffer.of(2, 0, 0, 1, 0), [400]),
    'another kind of record inside the message': Buffer.concat([
      recorded(messageOf(hello), [100]).subarray(0, 105),
      Buffer.of(21, 3, 1),
    ]),
    'a session id longer than 32': changed(4 + 34, 33),
    'no cipher suites': recorded(handshake(Buffer.concat([Buffer.alloc(35), Buffer.of(0, 0, 1, 0)])), [400]),
    'an odd number of bytes of cipher suites': recorded(
      handshake(Buffer.concat([Buffer.alloc(35), Buffer.of(0, 3, 0, 0, 0, 1, 0)])),
      [400],
    ),
    'no compression methods': recorded(handshake(Buffer.concat([Buffer.alloc(35), Buffer.of(0, 2, 0, 1, 0)])), [400]),
    'a message that ends inside its head': recorded(handshake(head.subarray(0, 20)), [400]),
    'extensions that end before the message does': recorded(
      handshake(Buffer.concat([head, Buffer.of(0, 0, 0)])),
      [400],
    ),
    'extensions that go on behind it': recorded(handshake(Buffer.concat([head, Buffer.of(0, 9, 0)])), [400]),
    'an extension that goes on behind them': helloOf([Buffer.of(0, 5, 0, 9, 0)]),
    'half a head of an extension': helloOf([nameExtension('a.test'), Buffer.of(0, 5, 0)]),
    'two server_name extensions': helloOf([nameExtension('a.test'), nameExtension('b.test')]),
    'two ALPN extensions': helloOf([alpn(['h2']), alpn(['h2'])]),
    'two host names': helloOf([extension(0, lengthed(2, Buffer.concat([hostName('a.test'), hostName('b.test')])))]),
    'an empty list of names': helloOf([extension(0, Buffer.of(0, 0))]),
    'a list of names shorter than its extension': helloOf([
      extension(0, Buffer.concat([lengthed(2, hostName('a.test')), Buffer.of(0)])),
    ]),
    'a name longer than its list': helloOf([extension(0, lengthed(2, Buffer.of(0, 0, 9, 65)))]),
    'an empty list of protocols': helloOf([alpn([])]),
    'an empty protocol': helloOf([alpn(['h2', ''])]),
    'a protocol longer than its list': helloOf([extension(16, lengthed(2, Buffer.of(9, 65)))]),
  }
  test.each(Object.entries(cases))('%s', (_, bytes) => {
    expect(peekClientHello(bytes)).toBe('malformed')
  })

  test('a contradiction is told as soon as it is there, not when the rest has come', () => {
    const bytes = helloOf([Buffer.of(0, 5, 0xff, 0xff), Buffer.alloc(2000)])
    expect(peekClientHello(bytes.subarray(0, 100))).toBe('malformed')
  })
})

describe('whatever comes', () => {
  test('random bytes never throw and get an outcome that has a name', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 600 }),
      fc.uint8Array({ maxLength: 600 }).map(rest => Buffer.concat([Buffer.of(22, 3, 1), rest])),
    )
    fc.assert(
      fc.property(bytes, any => isNamed(peekClientHello(any))),
      { seed: 47, numRuns: 3_000 },
    )
  })

  test('a real hello with bytes changed, taken out or put in never throws', () => {
    const slips = fc.array(fc.tuple(fc.nat(2_000), fc.nat(255), fc.constantFrom('change', 'remove', 'insert')), {
      minLength: 1,
      maxLength: 8,
    })
    fc.assert(
      fc.property(fc.constantFrom(...vectors), slips, ({ bytes }, all) => {
        const list = [...bytes]
        for (const [at, value, how] of all) {
          if (how === 'change') list[at % list.length] = value
          else list.splice(at % list.length, how === 'remove' ? 1 : 0, ...(how === 'insert' ? [value] : []))
        }
        isNamed(peekClientHello(Uint8Array.from(list)))
      }),
      { seed: 47, numRuns: 3_000 },
    )
  })
})

/** What is said of the first bytes is what the whole will say, or that more has to come. */
function agrees(early: ReturnType<typeof peekClientHello>, whole: ClientHello): void {
  if (early === 'more') return
  if (typeof early === 'string') throw new Error(`said ${early}`)
  if (early.sni !== 'more') expect(early.sni).toBe(whole.sni)
  if (early.alpn !== 'more') expect(early.alpn).toEqual(whole.alpn)
}

function isNamed(outcome: ReturnType<typeof peekClientHello>): void {
  if (typeof outcome === 'string') expect(['more', 'not-tls', 'malformed']).toContain(outcome)
  else {
    expect(outcome.sni).toMatch(/^[a-z0-9._-]{1,253}$/)
    if (typeof outcome.alpn === 'string') expect(['absent', 'more']).toContain(outcome.alpn)
    else expect(outcome.alpn.length).toBeGreaterThan(0)
  }
}

/** The handshake message inside the records. */
function messageOf(bytes: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at < bytes.length; at += 5 + bytes.readUInt16BE(at + 3)) {
    parts.push(bytes.subarray(at + 5, at + 5 + bytes.readUInt16BE(at + 3)))
  }
  return Buffer.concat(parts)
}

/** The OpenSSL hello with one byte of its message changed. */
function changed(at: number, value: number): Buffer {
  const message = Buffer.from(messageOf(hello))
  message[at] = value
  return recorded(message, [400])
}
