import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { combine, hash32, unit } from '../../../shared/pool/hash.ts'

describe('hash32', () => {
  // Published vectors: Ian Boyd, "Murmur3 test vectors", https://stackoverflow.com/a/31929528 ; and the reference
  // implementation's results for "test", "Hello, world!" and the pangram as Wikipedia's MurmurHash article lists them.
  test.each([
    ['', 0, 0],
    ['', 1, 0x514e28b7],
    ['', 0xffffffff, 0x81f16f39],
    ['\0\0\0\0', 0, 0x2362f9de],
    ['\0\0\0', 0, 0x85f0b427],
    ['\0\0', 0, 0x30f4c306],
    ['\0', 0, 0x514e28b7],
    ['aaaa', 0x9747b28c, 0x5a97808a],
    ['aaa', 0x9747b28c, 0x283e0130],
    ['aa', 0x9747b28c, 0x5d211726],
    ['a', 0x9747b28c, 0x7fa09ea6],
    ['abcd', 0x9747b28c, 0xf0478627],
    ['abc', 0x9747b28c, 0xc84a62dd],
    ['ab', 0x9747b28c, 0x74875592],
    ['Hello, world!', 0x9747b28c, 0x24884cba],
    ['ππππππππ', 0x9747b28c, 0xd58063c1],
    ['a'.repeat(256), 0x9747b28c, 0x37405bdc],
    ['abc', 0, 0xb3dd93fa],
    ['abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq', 0, 0xee925b90],
    ['test', 0, 0xba6bd213],
    ['test', 0x9747b28c, 0x704b81dc],
    ['Hello, world!', 0, 0xc0363e43],
    ['The quick brown fox jumps over the lazy dog', 0, 0x2e4ff723],
    ['The quick brown fox jumps over the lazy dog', 0x9747b28c, 0x2fa826cd],
  ])('%j with seed %i', (text, seed, expected) => {
    expect(hash32(text, seed)).toBe(expected)
  })

  test('the bytes are those TextEncoder writes, lone surrogates too', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 20 }),
        fc.string({ maxLength: 9 }),
        fc.integer(),
        (a, b, seed) => {
          for (const text of [a, b + a, a + b, `${b}\ud83d${a}`, `${a}\udc00`, `${b}😀${a}`]) {
            expect(hash32(text, seed)).toBe(overBytes(new TextEncoder().encode(text), seed))
          }
        },
      ),
      { seed: 47, numRuns: 2_000 },
    )
  })
})

describe('combine', () => {
  test('a key meets each endpoint with its own chance: bits and buckets are even', () => {
    const buckets = new Array<number>(16).fill(0)
    const endpoint = hash32('pool/a')
    for (let key = 0; key < 160_000; key++) buckets[combine(hash32(`user-${key}`), endpoint) >>> 28]! += 1
    const chiSquare = buckets.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0)
    // 15 degrees of freedom: mean 15, variance 30.
    expect(chiSquare).toBeLessThan(15 + 5 * Math.sqrt(30))
  })

  test('the order counts, and every result is unsigned', () => {
    expect(combine(1, 2)).not.toBe(combine(2, 1))
    fc.assert(
      fc.property(fc.integer(), fc.integer(), (a, b) => {
        expect(combine(a, b)).toBeGreaterThanOrEqual(0)
        expect(combine(a, b)).toBeLessThanOrEqual(0xffffffff)
      }),
      { seed: 47 },
    )
  })

  test('as a number it is never 0 or 1', () => {
    expect(unit(0)).toBeGreaterThan(0)
    expect(unit(0xffffffff)).toBeLessThan(1)
  })
})

/** MurmurHash3_x86_32 straight from the reference, over bytes. */
function overBytes(bytes: Uint8Array, seed: number): number {
  const rotate = (x: number, by: number) => (x << by) | (x >>> (32 - by))
  const blocks = bytes.length >> 2
  let h = seed
  for (let block = 0; block < blocks; block++) {
    const k = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4 * block, true)
    h ^= Math.imul(rotate(Math.imul(k, 0xcc9e2d51), 15), 0x1b873593)
    h = Math.imul(rotate(h, 13), 5) + 0xe6546b64
  }
  let k = 0
  for (let at = bytes.length - 1; at >= 4 * blocks; at--) k = (k << 8) | bytes[at]!
  if (bytes.length % 4 !== 0) h ^= Math.imul(rotate(Math.imul(k, 0xcc9e2d51), 15), 0x1b873593)
  h ^= bytes.length
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
