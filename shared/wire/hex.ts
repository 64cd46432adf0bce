// Ids as hex digits, each made as one flat string: put together digit by digit a string leaves all its beginnings behind,
// a kilobyte for an id.

/** A UUID of 16 bytes: `0189dcd5-5311-7d40-8db0-9496a2eef37b` (RFC 9562 section 4). */
export function uuidText(bytes: Uint8Array): string {
  for (let index = 0; index < 16; index++) {
    const byte = bytes[index]!
    const at = uuidPlaces[index]!
    uuid[at] = digits[byte >>> 4]!
    uuid[at + 1] = digits[byte & 15]!
  }
  return String.fromCharCode.apply(null, uuid)
}

/** Words of 32 bits, eight digits each. */
export function hexOfWords(...words: readonly number[]): string {
  const codes: number[] = []
  for (const word of words) for (let bits = 28; bits >= 0; bits -= 4) codes.push(digits[(word >>> bits) & 15]!)
  return String.fromCharCode.apply(null, codes)
}

const digits: readonly number[] = Array.from('0123456789abcdef', digit => digit.charCodeAt(0))
/** Of the first digit of each byte. */
const uuidPlaces: readonly number[] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34]
/** Nothing waits between its writing and its reading; the dashes stay. */
const uuid: number[] = Array.from({ length: 36 }, () => '-'.charCodeAt(0))
