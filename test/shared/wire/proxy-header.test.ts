import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseAddress } from '../../../shared/wire/address.ts'
import { crc32c } from '../../../shared/wire/crc32c.ts'
import { type ProxyHeader, readProxyHeader, writeProxyHeader } from '../../../shared/wire/proxy-header.ts'
import { findTlv, readSsl, type Tlv, tlvTypes, writeSsl } from '../../../shared/wire/tlv.ts'
import { utf8Bytes, utf8Text } from '../../../shared/wire/utf8.ts'

interface Vector {
  readonly origin: string
  readonly bytes: string
  readonly expect: { readonly ssl?: object } & Record<string, unknown>
  readonly payload: string
}

const folder = new URL('../../vectors/proxy/', import.meta.url)
const load = (file: string) => JSON.parse(readFileSync(new URL(file, folder), 'utf8'))
const vectors: [string, Vector][] = readdirSync(folder)
  .filter(file => file !== 'malformed.json')
  .map(file => [file.replace('.json', ''), load(file)])
const malformed: { name: string; bytes: string; reason: string }[] = load('malformed.json').headers
const fixed = { seed: 47, numRuns: 500 }

describe('headers of real senders and of the specification', () => {
  test('are there, from HAProxy, nginx, AWS and the specification', () => {
    const origins = vectors.map(([, { origin }]) => origin).join('\n')
    for (const sender of ['HAProxy 2.6', 'nginx 1.22', 'AWS', 'proxy-protocol.txt']) expect(origins).toContain(sender)
  })

  test.each(vectors)('%s is read, and what is behind it is left', (_, vector) => {
    const bytes = Buffer.from(vector.bytes, 'hex')
    const read = readProxyHeader(bytes)
    if (read === 'more' || 'reason' in read) throw new Error(`not read: ${JSON.stringify(read)}`)
    const { ssl, ...wanted } = vector.expect
    expect(plain(read.header)).toEqual(wanted)
    expect(bytes.subarray(read.length).toString('latin1')).toBe(vector.payload)
    if (ssl !== undefined) expect(readSsl(findTlv(read.header.tlvs, tlvTypes.ssl)!)).toEqual(ssl)
  })

  test.each(vectors)('%s cut anywhere asks for more', (_, vector) => {
    const bytes = Buffer.from(vector.bytes, 'hex')
    const end = bytes.length - Buffer.byteLength(vector.payload, 'latin1')
    for (let cut = 0; cut < end; cut++) expect(readProxyHeader(bytes.subarray(0, cut)), `cut at ${cut}`).toBe('more')
  })

  const written = vectors.filter(
    ([name]) => !/mapped|longest-unknown|discards|aws|crc32c|ssl|without-transport/.test(name),
  )
  test.each(written)('%s is written byte for byte as it came', (_, vector) => {
    const bytes = Buffer.from(vector.bytes, 'hex')
    const read = readProxyHeader(bytes) as { header: ProxyHeader; length: number }
    expect(hex(writeProxyHeader(read.header))).toBe(hex(bytes.subarray(0, read.length)))
  })

  test('the checksum is the one that AWS computed', () => {
    const { bytes } = load('aws-nlb-v2-check.json') as Vector
    expect(crc32c(Buffer.from(bytes, 'hex'), 19)).toBe(0xbce5951f)
  })
})

test.each(malformed.map(each => [each.name, each] as const))('refused: %s', (_, { bytes, reason }) => {
  expect(readProxyHeader(Buffer.from(bytes, 'hex'))).toEqual({ reason })
})

test('something else is refused at its first byte that does not fit, not later', () => {
  expect(readProxyHeader(Buffer.from('G'))).toEqual({ reason: 'missing' })
  expect(readProxyHeader(Buffer.from('PROXY'))).toBe('more')
  expect(readProxyHeader(Buffer.from('PROXYT'))).toEqual({ reason: 'missing' })
  expect(readProxyHeader(Buffer.from('0d0a0d0a000d0a515549540a', 'hex'))).toBe('more')
  expect(readProxyHeader(Buffer.from('0d0a0d0a000d0a515549540a31', 'hex'))).toEqual({ reason: 'malformed' })
})

describe('any header', () => {
  test('that is written is read again as it was', () => {
    fc.assert(
      fc.property(anyHeader, fc.boolean(), fc.uint8Array({ maxLength: 20 }), (header, withChecksum, payload) => {
        const written = writeProxyHeader(header, withChecksum)
        const read = readProxyHeader(Buffer.concat([written, payload])) as { header: ProxyHeader; length: number }
        expect(read.length).toBe(written.length)
        const tlvs = read.header.tlvs.filter(({ type }) => type !== tlvTypes.crc32c)
        expect({ ...read.header, tlvs }).toEqual(header)
        if (header.version === 2 && header.says.of !== 'local') {
          expect(read.header.tlvs.length - tlvs.length).toBe(withChecksum ? 1 : 0)
        }
      }),
      fixed,
    )
  })

  test('with one byte changed under a checksum is refused, or was changed where nothing is checked', () => {
    fc.assert(
      fc.property(inetV2, fc.nat(), fc.integer({ min: 1, max: 255 }), (header, place, mask) => {
        const bytes = writeProxyHeader(header, true)
        const at = 16 + (place % (bytes.length - 16))
        bytes[at]! ^= mask
        const read = readProxyHeader(bytes)
        // A changed length or type of a TLV may break the chain or hide the checksum; anything else is found.
        if (read !== 'more' && !('reason' in read)) {
          expect(findTlv(read.header.tlvs, tlvTypes.crc32c)).toBeUndefined()
        }
      }),
      fixed,
    )
  })

  test('cut at random asks for more', () => {
    fc.assert(
      fc.property(anyHeader, fc.nat(), (header, place) => {
        const bytes = writeProxyHeader(header)
        expect(readProxyHeader(bytes.subarray(0, place % bytes.length))).toBe('more')
      }),
      fixed,
    )
  })
})

test('bytes of any kind are read, refused or waited for, never past the bounds and never with an exception', () => {
  const near = fc
    .tuple(fc.constantFrom(...vectors.map(([, { bytes }]) => bytes)), fc.array(fc.tuple(fc.nat(), fc.nat(255))))
    .map(([text, changes]) => {
      const bytes = Buffer.from(text, 'hex')
      for (const [place, value] of changes) bytes[place % bytes.length] = value
      return new Uint8Array(bytes)
    })
  const signed = fc.uint8Array({ maxLength: 300 }).map(tail => Buffer.concat([signature, tail]))
  const line = fc.string({ unit: 'binary', maxLength: 120 }).map(text => Buffer.from(`PROXY ${text}`, 'latin1'))
  fc.assert(
    fc.property(fc.oneof(near, signed, line, fc.uint8Array({ maxLength: 300 })), bytes => {
      const read = readProxyHeader(bytes)
      if (read === 'more') {
        expect(bytes.length).toBeLessThan(16_384)
        if (bytes[0] === 0x50) expect(bytes.length).toBeLessThan(107)
      } else if ('reason' in read) expect(['missing', 'malformed', 'checksum']).toContain(read.reason)
      else expect(read.length).toBeLessThanOrEqual(bytes.length)
    }),
    { seed: 47, numRuns: 5_000 },
  )
})

test('two families are written as IPv6', () => {
  const says = {
    of: 'inet',
    transport: 'stream',
    source: end('192.0.2.1', 1),
    destination: end('2001:db8::1', 2),
  } as const
  expect(String(Buffer.from(writeProxyHeader({ version: 1, says, tlvs: [] })))).toBe(
    'PROXY TCP6 ::ffff:c000:201 2001:db8::1 1 2\r\n',
  )
  for (const version of [1, 2] as const) {
    const read = readProxyHeader(writeProxyHeader({ version, says, tlvs: [] })) as { header: ProxyHeader }
    expect(read.header.says).toEqual(says)
  }
})

test('values that have no room are left out, and the header can still be read', () => {
  const large: Tlv = { type: 0xe0, value: new Uint8Array(60_000) }
  const small: Tlv = { type: 0xe1, value: new Uint8Array(10) }
  const bytes = writeProxyHeader({ version: 2, says: { of: 'unknown' }, tlvs: [large, large, small] }, true)
  expect(bytes.length).toBe(16 + bytes[14]! * 256 + bytes[15]!)
})

test('what is known of TLS is written as it is read', () => {
  const text = fc.option(fc.string({ unit: 'grapheme', maxLength: 40 }), { nil: undefined })
  const ssl = fc.record({
    isTls: fc.boolean(),
    sentCertificate: fc.boolean(),
    sentCertificateBefore: fc.boolean(),
    isVerified: fc.boolean(),
    version: text,
    commonName: text,
    cipher: text,
    signature: text,
    key: text,
  })
  fc.assert(
    fc.property(ssl, value => {
      const isVerified = value.isVerified && (value.sentCertificate || value.sentCertificateBefore)
      expect(readSsl(writeSsl({ ...value, isVerified }))).toEqual({ ...value, isVerified })
    }),
    fixed,
  )
})

test('text and bytes are those of TextEncoder', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => {
      expect(hex(utf8Bytes(text))).toBe(hex(new TextEncoder().encode(text)))
      expect(utf8Text(utf8Bytes(text))).toBe(Buffer.from(text).toString())
    }),
    fixed,
  )
  expect(utf8Text(Uint8Array.of(0x61, 0xff))).toBe('a\xff')
})

const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')
const end = (text: string, port: number) => ({ address: parseAddress(text)!, port })

const port = fc.nat(65_535)
const ends = fc.oneof(fc.tuple(fc.ipV4(), fc.ipV4()), fc.tuple(fc.ipV6(), fc.ipV6()))
const inet = fc
  .tuple(ends, port, port, fc.constantFrom('stream' as const, 'datagram' as const))
  .map(([[from, to], a, b, transport]) => {
    return { of: 'inet' as const, transport, source: end(from, a), destination: end(to, b) }
  })
const path = fc.string({ unit: fc.constantFrom(...'abc/._-@'), maxLength: 107 })
const unix = fc
  .record({
    of: fc.constant('unix' as const),
    transport: fc.constantFrom('stream' as const, 'datagram' as const),
    source: path,
    // A single @ would be an abstract name of no characters, which is no name at all.
    destination: path,
  })
  .filter(({ source, destination }) => source !== '@' && destination !== '@')
const tlvs = fc.array(
  fc.record({
    type: fc.constantFrom(0x01, 0x02, 0x04, 0x05, 0x30, 0xe0, 0xe7, 0xef, 0xf5),
    value: fc.uint8Array({ maxLength: 128 }),
  }),
  { maxLength: 6 },
)
const inetV2 = fc.record({ version: fc.constant(2 as const), says: inet, tlvs })
const anyHeader: fc.Arbitrary<ProxyHeader> = fc.oneof(
  inetV2,
  fc.record({ version: fc.constant(2 as const), says: unix, tlvs }),
  fc.record({ version: fc.constant(2 as const), says: fc.constant({ of: 'unknown' as const }), tlvs }),
  fc.constant({ version: 2 as const, says: { of: 'local' as const }, tlvs: [] }),
  fc.constant({ version: 1 as const, says: { of: 'unknown' as const }, tlvs: [] }),
  inet.map(says => ({ version: 1 as const, says: { ...says, transport: 'stream' as const }, tlvs: [] })),
)

/** As the vectors write it: `192.0.2.1 3000` for an end, hex by type for values. */
function plain({ version, says, tlvs: values }: ProxyHeader): object {
  const shown =
    says.of === 'inet'
      ? {
          ...says,
          source: `${says.source.address.text} ${says.source.port}`,
          destination: `${says.destination.address.text} ${says.destination.port}`,
        }
      : says
  return {
    version,
    says: shown,
    tlvs: Object.fromEntries([...values].reverse().map(({ type, value }) => [type, hex(value)])),
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
