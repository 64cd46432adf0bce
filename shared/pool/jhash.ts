// The hash of the Linux kernel (include/linux/jhash.h, after Bob Jenkins' lookup3), as `jhash` in nftables has it: so that
// what the kernel will do with a flow can be said beforehand. Words are read as little-endian machines do.

/** Unsigned. */
export function jhash(bytes: Uint8Array, seed: number): number {
  let a = (0xdeadbeef + bytes.length + seed) | 0
  let b = a
  let c = a
  let at = 0
  let left = bytes.length
  const word = (from: number) =>
    (bytes[from] ?? 0) | ((bytes[from + 1] ?? 0) << 8) | ((bytes[from + 2] ?? 0) << 16) | ((bytes[from + 3] ?? 0) << 24)
  while (left > 12) {
    a = (a + word(at)) | 0
    b = (b + word(at + 4)) | 0
    c = (c + word(at + 8)) | 0
    a = (a - c) ^ rotate(c, 4)
    c = (c + b) | 0
    b = (b - a) ^ rotate(a, 6)
    a = (a + c) | 0
    c = (c - b) ^ rotate(b, 8)
    b = (b + a) | 0
    a = (a - c) ^ rotate(c, 16)
    c = (c + b) | 0
    b = (b - a) ^ rotate(a, 19)
    a = (a + c) | 0
    c = (c - b) ^ rotate(b, 4)
    b = (b + a) | 0
    at += 12
    left -= 12
  }
  if (left === 0) return c >>> 0
  a = (a + word(at)) | 0
  b = (b + word(at + 4)) | 0
  c = (c + word(at + 8)) | 0
  c = ((c ^ b) - rotate(b, 14)) | 0
  a = ((a ^ c) - rotate(c, 11)) | 0
  b = ((b ^ a) - rotate(a, 25)) | 0
  c = ((c ^ b) - rotate(b, 16)) | 0
  a = ((a ^ c) - rotate(c, 4)) | 0
  b = ((b ^ a) - rotate(a, 14)) | 0
  c = ((c ^ b) - rotate(b, 24)) | 0
  return c >>> 0
}

/** What nftables makes of `mod`: the hash scaled down (reciprocal_scale), and not its remainder. */
export function jhashSlot(bytes: Uint8Array, size: number, seed: number): number {
  return Math.floor((jhash(bytes, seed) * size) / 0x1_0000_0000)
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}
