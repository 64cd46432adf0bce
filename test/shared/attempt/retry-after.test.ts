import { expect, test } from 'vitest'
import { readRetryAfter } from '../../../shared/attempt/retry-after.ts'

// RFC 9110 section 10.2.3 has both forms.
const now = Date.UTC(1999, 11, 31, 23, 59, 0)

test.each([
  ['120', 120_000],
  ['0', 0],
  [' 5 ', 5_000],
  ['Fri, 31 Dec 1999 23:59:59 GMT', 59_000],
  ['Fri, 31 Dec 1999 23:00:00 GMT', 0],
  ['Fri, 99 Dec 1999 23:00:00 GMT', undefined],
  ['-1', undefined],
  ['1.5', undefined],
  ['12, 13', undefined],
  ['99999999999999999999', undefined],
  ['soon', undefined],
  ['', undefined],
  [null, undefined],
])('%j is %s ms', (value, ms) => {
  expect(readRetryAfter(value, now)).toBe(ms)
})
