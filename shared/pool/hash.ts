// The one hash of the house: split slots, rendezvous and Maglev all use it, at the edge and in every relay, so it may
// never change between versions. Nothing here allocates.

/**
 * MurmurHash3 x86 32 (Austin Appleby, public domain) over the UTF-8 bytes of the text. Unsigned. A lone surrogate
 * counts as U+FFFD, as TextEncoder writes it.
 */
export function hash32(text: string, seed = 0): number {
  const end = text.length
  let h = seed | 0
  let at = 0
  // Four ASCII characters are one block.
  while (at + 4 <= end) {
    const a = text.charCodeAt(at)
    const b = text.charCodeAt(at + 1)
    const c = text.charCodeAt(at + 2)
    const d = text.charCodeAt(at + 3)
    if ((a | b | c | d) > 0x7f) break
    h = addBlock(h, a | (b << 8) | (c << 16) | (d << 24))
    at += 4
  }
  let bytes = at
  let block = 0
  while (at < end) {
    let point = text.charCodeAt(at++)
    if (point >= 0xd800 && point <= 0xdfff) {
      const low = at < end ? text.charCodeAt(at) : 0
      if (point <= 0xdbff && low >= 0xdc00 && low <= 0xdfff) {
        point = 0x1_0000 + ((point - 0xd800) << 10) + (low - 0xdc00)
        at += 1
      } else point = 0xfffd
    }
    const size = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x1_0000 ? 3 : 4
    for (let left = size - 1; left >= 0; left--) {
      const sixBits = (point >> (6 * left)) & 0x3f
      const byte = size === 1 ? point : left === size - 1 ? leadByte(size) | sixBits : 0x80 | sixBits
      block |= byte << (8 * (bytes & 3))
      bytes += 1
      if ((bytes & 3) === 0) {
        h = addBlock(h, block)
        block = 0
      }
    }
  }
  if ((bytes & 3) !== 0) h ^= scramble(block)
  return mix(h ^ bytes)
}

/**
 * One hash from two, unsigned; the order counts. Good enough that for a fixed `a` the results over many `b` are as
 * random as `b` is: rendezvous combines a key with each endpoint, a salt makes a second independent hash of a key.
 */
export function combine(a: number, b: number): number {
  return mix(Math.imul(a, 0x9e3779b1) ^ b)
}

/** A hash as a number in (0, 1), never either end: `Math.log` of it is finite and not 0. */
export function unit(hash: number): number {
  return (hash + 0.5) / 0x1_0000_0000
}

function addBlock(h: number, block: number): number {
  const mixed = h ^ scramble(block)
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0
}

function scramble(block: number): number {
  const k = Math.imul(block, 0xcc9e2d51)
  return Math.imul((k << 15) | (k >>> 17), 0x1b873593)
}

/** The first byte of a sequence of 2, 3 or 4 (RFC 3629 section 3), without its payload. */
function leadByte(size: number): number {
  return size === 2 ? 0xc0 : size === 3 ? 0xe0 : 0xf0
}

/** The 32-bit finaliser: every input bit reaches every output bit. */
function mix(value: number): number {
  let h = value | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
