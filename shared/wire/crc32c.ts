// CRC32C, the checksum of PROXY headers: RFC 4960 appendix B, the Castagnoli polynomial, reflected.

/**
 * The checksum of all bytes, as an unsigned 32-bit number. The four bytes from `zeroed` on count as zeros, whatever they
 * are: a header holds its own checksum.
 *
 * crc32c of the nine digits "123456789" is 0xe3069283.
 */
export function crc32c(bytes: Uint8Array, zeroed = bytes.length): number {
  let crc = 0xffff_ffff
  for (let at = 0; at < bytes.length; at++) {
    const byte = at >= zeroed && at < zeroed + 4 ? 0 : bytes[at]!
    crc = table[(crc ^ byte) & 0xff]! ^ (crc >>> 8)
  }
  return ~crc >>> 0
}

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1
  return crc
})
