import { expect, test } from 'vitest'
import { crc32c } from '../../../shared/wire/crc32c.ts'

// RFC 3720 appendix B.4 prints its checksums byte by byte, the last one first.
test.each([
  ['nine digits', Buffer.from('123456789'), 0xe3069283],
  ['nothing', Buffer.alloc(0), 0],
  ['32 zeros', Buffer.alloc(32), 0x8a9136aa],
  ['32 ones', Buffer.alloc(32, 0xff), 0x62a8ab43],
  ['0 to 31', Buffer.from(Array.from({ length: 32 }, (_, at) => at)), 0x46dd794e],
  ['31 to 0', Buffer.from(Array.from({ length: 32 }, (_, at) => 31 - at)), 0x113fdb5c],
])('%s', (_, bytes, checksum) => {
  expect(crc32c(bytes)).toBe(checksum)
})

test('its own four bytes count as zeros, and no others', () => {
  const bytes = Buffer.from('0123456789')
  expect(crc32c(bytes, 3)).toBe(crc32c(Buffer.from('012\0\0\0\x00789')))
  expect(crc32c(bytes, 3)).not.toBe(crc32c(bytes))
})
