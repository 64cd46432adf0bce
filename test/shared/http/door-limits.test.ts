import { expect, test } from 'vitest'
import { overBody, overLimit } from '../../../shared/http/door-limits.ts'

const limits = { maxUrlBytes: 1_024, maxHeaders: 3, maxHeaderBytes: 100 }
const fields = (count: number, size: number) =>
  new Headers(Array.from({ length: count }, (_, i): [string, string] => [`h${i}`, 'x'.repeat(size)]))

test('what is at a limit passes, one more does not', () => {
  expect(overLimit(1_024, fields(3, 1), limits)).toBeUndefined()
  expect(overLimit(1_025, fields(3, 1), limits)).toEqual({ status: 414, details: 'the URL is longer than 1KiB' })
  expect(overLimit(1, fields(4, 1), limits)).toEqual({ status: 431, details: 'more than 3 header fields' })
})

test('a field counts as it stood on the wire', () => {
  // "h0: " and CR LF are six bytes beside the value.
  expect(overLimit(1, fields(1, 94), limits)).toBeUndefined()
  expect(overLimit(1, fields(1, 95), limits)).toEqual({ status: 431, details: 'the header is larger than 100B' })
  expect(overLimit(1, fields(2, 44), limits)).toBeUndefined()
  expect(overLimit(1, fields(2, 45), limits)?.status).toBe(431)
})

test('a bounded body has to say its length', () => {
  expect(overBody(10, 10)).toBeUndefined()
  expect(overBody(10, 11)).toMatchObject({ status: 413 })
  expect(overBody(0, 1)).toMatchObject({ status: 413 })
  expect(overBody(10, undefined)).toMatchObject({ status: 411 })
})
