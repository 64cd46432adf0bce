import { expect, test } from 'vitest'
import { Cursor } from '../../../shared/wire/cursor.ts'

const bytes = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 255, 255, 255, 255)

test('numbers are read in network byte order, none of them below 0', () => {
  const cursor = new Cursor(bytes)
  expect([cursor.u8(), cursor.u16(), cursor.u24()]).toEqual([1, 0x0203, 0x040506])
  cursor.skip(1)
  expect(cursor.u32()).toBe(0xffff_ffff)
  expect([cursor.left, cursor.isShort]).toEqual([0, false])
})

test('what is not there reads as 0 and is told, from then on', () => {
  const cursor = new Cursor(bytes, 8)
  expect(cursor.u32()).toBe(0)
  expect([cursor.isShort, cursor.u8(), cursor.left]).toEqual([true, 0, 0])
})

test('a part cannot be read past its end, whatever comes behind it', () => {
  const cursor = new Cursor(bytes)
  const part = cursor.take(2)
  expect([part.u16(), part.u8(), part.isShort]).toEqual([0x0102, 0, true])
  expect([cursor.u8(), cursor.isShort]).toEqual([3, false])
})

test('a part that is not all there is empty, and takes the rest along', () => {
  const cursor = new Cursor(bytes, 0, 5)
  expect([cursor.take(6).left, cursor.isShort, cursor.left]).toEqual([0, true, 0])
})

test('an end beyond the bytes is their end', () => {
  expect(new Cursor(bytes, 9, 1_000).left).toBe(2)
})

test('text is a character for each byte', () => {
  expect(new Cursor(Uint8Array.of(0x68, 0x32, 0xff)).latin1()).toBe('h2\u00ff')
})
