import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bytesOf, hexOf } from '../../../shared/config/bytes-text.ts'

test('a text is its UTF-8, hex and base64 are what they stand for', () => {
  expect(hexOf('é!')).toBe('c3a921')
  expect(hexOf({ hex: 'C3 A9 21' })).toBe('c3a921')
  expect(hexOf({ base64: 'w6kh' })).toBe('c3a921')
  expect(hexOf('')).toBe('')
})

test.each([{ hex: 'abc' }, { hex: 'zz' }, { base64: 'a' }, { base64: 'ab=' }, { base64: 'a b=' }, { base64: '====' }])(
  '%j cannot be read',
  input => {
    expect(hexOf(input)).toBeUndefined()
  },
)

test('all bytes come back, in each form', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), bytes => {
      const buffer = Buffer.from(bytes)
      const hex = buffer.toString('hex')
      expect(hexOf({ hex })).toBe(hex)
      expect(hexOf({ base64: buffer.toString('base64') })).toBe(hex)
      expect(hexOf({ base64: buffer.toString('base64').replaceAll('=', '') })).toBe(hex)
      expect(bytesOf(hex)).toEqual(bytes)
    }),
  )
})
