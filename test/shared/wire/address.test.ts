import { isIP, SocketAddress } from 'node:net'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  cidrContains,
  isLoopback,
  parseAddress,
  parseCidr,
  parseHostPort,
  splitKeyOf,
} from '../../../shared/wire/address.ts'

const seed = { seed: 47, numRuns: 2_000 }
const anyV4 = fc.ipV4()
const anyV6 = fc.ipV6()
/** Text near to an address, where readers disagree. */
const nearly = fc.string({ unit: fc.constantFrom(...'0123456789abcdefF:.:/[]%xg '), maxLength: 50 })

describe('an address', () => {
  test('IPv4 is four decimal numbers without leading zeros', () => {
    expect(parseAddress('192.0.2.1')).toEqual({ family: 4, text: '192.0.2.1', words: [0xc0000201] })
    expect(parseAddress('0.0.0.0')?.words).toEqual([0])
    expect(parseAddress('255.255.255.255')?.words).toEqual([0xffffffff])
  })

  test.each([
    ['010.0.0.1'],
    ['1.2.3'],
    ['1.2.3.4.5'],
    ['1.2.3.'],
    ['.1.2.3'],
    ['1..2.3'],
    ['256.1.1.1'],
    ['1.2.3.4 '],
    ['0x7f.0.0.1'],
    ['2130706433'],
    ['00.0.0.0'],
    ['1.2.3.4:80'],
    [''],
    ['-1.2.3.4'],
    ['١.2.3.4'],
    ['999999999999.1.1.1'],
    [':'],
    [':::'],
    ['1:2:3:4:5:6:7'],
    ['1:2:3:4:5:6:7:8:9'],
    ['1::2::3'],
    ['12345::'],
    ['::g'],
    ['1:2:3:4:5:6:7:'],
    [':1:2:3:4:5:6:7'],
    ['fe80::1%eth0'],
    ['[::1]'],
    ['::1.2.3'],
    ['::1.2.3.4.5'],
    ['::01.2.3.4'],
    ['1.2.3.4::'],
    ['1:2:3:4:5:6:7:1.2.3.4'],
    ['1::2:3:4:5:6:7:8'],
    ['::1:2:3:4:5:6:7:8'],
    ['::ffff:1.2.3.4:5'],
    ['1:2:3:4:5:6:7::8'],
    ['::1/64'],
    [' ::1'],
  ])('%j is none', text => {
    expect(parseAddress(text)).toBeUndefined()
  })

  // RFC 4291 section 2.2 on the left, RFC 5952 sections 4 and 5 on the right.
  test.each([
    ['ABCD:EF01:2345:6789:ABCD:EF01:2345:6789', 'abcd:ef01:2345:6789:abcd:ef01:2345:6789'],
    ['2001:DB8:0:0:8:800:200C:417A', '2001:db8::8:800:200c:417a'],
    ['FF01:0:0:0:0:0:0:101', 'ff01::101'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['::', '::'],
    ['0:0:0:0:0:0:13.1.68.3', '::d01:4403'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:0db8::0001', '2001:db8::1'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['1::', '1::'],
    ['0:0:3::', '0:0:3::'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ])('%s is written %s', (text, canonical) => {
    expect(parseAddress(text)).toMatchObject({ family: 6, text: canonical })
  })

  test.each(['::ffff:127.0.0.1', '::FFFF:7f00:1', '0:0:0:0:0:ffff:127.0.0.1'])('%s is IPv4', text => {
    expect(parseAddress(text)).toEqual({ family: 4, text: '127.0.0.1', words: [0x7f000001] })
  })

  test('what is written reads back as itself', () => {
    fc.assert(
      fc.property(fc.oneof(anyV4, anyV6), text => {
        const address = parseAddress(text)!
        expect(parseAddress(address.text)).toEqual(address)
      }),
      seed,
    )
  })

  test('the canonical text is the one Node writes', () => {
    fc.assert(
      fc.property(anyV6, text => {
        const address = parseAddress(text)!
        const words = address.words.map(word => word.toString(16).padStart(8, '0')).join('')
        if (address.family === 4) return
        const node = new SocketAddress({ address: text, family: 'ipv6' }).address
        // Node writes ::a.b.c.d for the deprecated IPv4-compatible block, we do not.
        if (node.includes('.')) expect(words.slice(0, 24)).toMatch(/^0{24}$/)
        else expect(address.text).toBe(node)
      }),
      seed,
    )
  })

  test('no text throws, and what Node refuses is refused', () => {
    fc.assert(
      fc.property(fc.oneof(nearly, fc.string({ unit: 'binary', maxLength: 60 })), text => {
        const address = parseAddress(text)
        if (isIP(text) === 0) expect(address).toBeUndefined()
        else if (!text.includes('%')) expect(address).toBeDefined()
        parseCidr(text)
        parseHostPort(text)
      }),
      { seed: 47, numRuns: 20_000 },
    )
  })
})

describe('a CIDR', () => {
  const holds = (cidr: string, address: string) => cidrContains(parseCidr(cidr)!, parseAddress(address)!)

  test('a plain address is a network of one', () => {
    expect(parseCidr('192.0.2.1')).toMatchObject({ text: '192.0.2.1/32', prefix: 32 })
    expect(parseCidr('::1')).toMatchObject({ text: '::1/128', prefix: 128 })
    expect(holds('192.0.2.1', '192.0.2.1')).toBe(true)
    expect(holds('192.0.2.1', '192.0.2.2')).toBe(false)
  })

  test('host bits beyond the prefix are masked off', () => {
    expect(parseCidr('10.1.2.3/8')?.text).toBe('10.0.0.0/8')
    expect(parseCidr('2001:db8:1::1/33')?.text).toBe('2001:db8::/33')
  })

  test.each([
    ['10.0.0.0/8', '10.255.255.255', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['0.0.0.0/0', '203.0.113.9', true],
    ['0.0.0.0/0', '::1', false],
    ['::/0', '127.0.0.1', false],
    ['::/0', '2001:db8::1', true],
    ['2001:db8::/33', '2001:db8:7fff::1', true],
    ['2001:db8::/33', '2001:db8:8000::1', false],
    ['2001:db8::/64', '2001:db8::ffff:ffff:ffff:ffff', true],
    ['2001:db8::/64', '2001:db8:0:1::', false],
    ['::ffff:10.0.0.0/104', '10.9.9.9', true],
    ['10.0.0.0/8', '::ffff:10.9.9.9', true],
  ])('%s holds %s: %s', (cidr, address, expected) => {
    expect(holds(cidr, address)).toBe(expected)
  })

  test.each([
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '10.0.0.0/-1',
    '::/129',
    '10.0.0.0/8/8',
    '/8',
    '::ffff:1.2.3.4/95',
    'x/8',
    '10.0.0.0/1e1',
  ])('%j is none', text => {
    expect(parseCidr(text)).toBeUndefined()
  })

  test('an address is in the network of its own first bits, and a flipped bit inside the prefix is outside', () => {
    fc.assert(
      fc.property(fc.oneof(anyV4, anyV6), fc.nat(128), fc.nat(127), (text, wanted, flip) => {
        const address = parseAddress(text)!
        const bits = address.family === 4 ? 32 : 128
        const prefix = wanted % (bits + 1)
        const cidr = parseCidr(`${address.text}/${prefix}`)!
        expect(cidrContains(cidr, address)).toBe(true)
        const bit = flip % bits
        const words = address.words.slice()
        words[bit >> 5] = (words[bit >> 5]! ^ (1 << (31 - (bit & 31)))) >>> 0
        expect(cidrContains(cidr, { ...address, words })).toBe(bit >= prefix)
      }),
      seed,
    )
  })
})

test.each([
  ['127.0.0.1', true],
  ['127.255.0.9', true],
  ['128.0.0.1', false],
  ['::1', true],
  ['::ffff:127.0.0.1', true],
  ['::', false],
  ['::2', false],
  ['1::1', false],
])('%s is loopback: %s', (text, expected) => {
  expect(isLoopback(parseAddress(text)!)).toBe(expected)
})

describe('the key that stands for a client', () => {
  const key = (text: string) => splitKeyOf(parseAddress(text)!)

  test('is an IPv4 address whole', () => {
    expect(key('192.0.2.1')).toBe('192.0.2.1')
    expect(key('::ffff:192.0.2.1')).toBe('192.0.2.1')
  })

  test('is an IPv6 address by its /64', () => {
    expect(key('2001:db8:0:1:aaaa::1')).toBe('2001:db8:0:1::/64')
    expect(key('2001:db8:0:1:bbbb::2')).toBe(key('2001:db8:0:1:aaaa::1'))
    expect(key('2001:db8:0:2::')).not.toBe(key('2001:db8:0:1::'))
    expect(key('::1')).toBe('::/64')
  })
})

describe('host and port', () => {
  test.each([
    ['[::1]:80', '::1', 80],
    ['[2001:DB8::0:1]:443', '2001:db8::1', 443],
    ['[::ffff:10.0.0.1]:1', '10.0.0.1', 1],
    ['127.0.0.1:5432', '127.0.0.1', 5432],
    ['DB.Example.com.:80', 'db.example.com', 80],
    ['localhost:0', 'localhost', 0],
    ['_sip.example:65535', '_sip.example', 65535],
  ])('%s', (text, host, port) => {
    expect(parseHostPort(text)).toEqual({ host, port })
  })

  test.each([
    '127.0.0.1',
    ':80',
    'name:',
    'name:65536',
    'name:080',
    'name:+80',
    '::1:80',
    '[::1]80',
    '[::1]',
    '[127.0.0.1]:80',
    '[::1:80',
    '1.2.3:80',
    '010.0.0.1:80',
    'a.0x7f:80',
    'a..b:80',
    '-a:80',
    'a-:80',
    'a b:80',
    '.:80',
    '[fe80::1%1]:80',
    `${'a'.repeat(64)}:80`,
    `${'a.'.repeat(127)}ab:80`,
    'a/b:80',
    'user@host:80',
  ])('%j is none', text => {
    expect(parseHostPort(text)).toBeUndefined()
  })
})
