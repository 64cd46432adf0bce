// Chance as an argument: one seed per request or flow, and named sub-draws from it, so that one choice never leans on another.

/** A seed: a whole number from 0 to 2^53 - 1. A plane makes one with `Math.floor(Math.random() * 2 ** 53)`. */
export type Draw = number

/** Each use of chance has its own; a later try asks with its attempt number. */
export const purposes = {
  split: 0x51ed270b,
  balance: 0x2545f491,
  mirror: 0x9e3779b9,
  mirrorBalance: 0xc2b2ae35,
  jitter: 0x85ebca6b,
  identity: 0x1b873593,
} as const
export type Purpose = keyof typeof purposes

/** A number in [0, 1) that depends on seed, purpose and turn only: two rounds of the Murmur3 finaliser over both halves of the seed. */
export function subDraw(draw: Draw, purpose: Purpose, turn = 0): number {
  let mixed = mix((draw >>> 0) ^ purposes[purpose])
  mixed = mix(mixed ^ (Math.floor(draw / 0x1_0000_0000) >>> 0) ^ Math.imul(turn + 1, 0x9e3779b1))
  return mixed / 0x1_0000_0000
}

/** The 32-bit finaliser of MurmurHash3 (Austin Appleby, public domain): every input bit reaches every output bit. */
function mix(value: number): number {
  let h = value | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
