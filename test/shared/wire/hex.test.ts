import fc from 'fast-check'
import { UUID } from 'uuidv7'
import { expect, test } from 'vitest'
import { hexOfWords, uuidText } from '../../../shared/wire/hex.ts'

test('a UUID reads as its library writes it', () => {
  const bytes = fc.uint8Array({ minLength: 16, maxLength: 16 })
  fc.assert(
    fc.property(bytes, one => {
      expect(uuidText(one)).toBe(UUID.ofInner(one).toString())
    }),
  )
})

test('a word is eight digits, also one that begins with zeros or has its highest bit set', () => {
  expect(hexOfWords(0, 0xffff_ffff, 0x1234, -1)).toBe('00000000ffffffff00001234ffffffff')
})

test('words read back as they were', () => {
  const word = fc.integer({ min: 0, max: 0xffff_ffff })
  fc.assert(
    fc.property(fc.array(word, { maxLength: 8 }), words => {
      const digits = hexOfWords(...words)
      expect(words.map((_, at) => Number.parseInt(digits.slice(8 * at, 8 * at + 8), 16))).toEqual(words)
    }),
  )
})
