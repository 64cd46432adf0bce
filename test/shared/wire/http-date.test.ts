import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readHttpDate, writeHttpDate } from '../../../shared/wire/http-date.ts'

const now = Date.UTC(2026, 10, 23)
const when = Date.UTC(1994, 10, 6, 8, 49, 37)

describe('a date of RFC 9110 section 5.6.7', () => {
  test.each([
    'Sun, 06 Nov 1994 08:49:37 GMT',
    'Sunday, 06-Nov-94 08:49:37 GMT',
    'Sun Nov  6 08:49:37 1994',
    'sun, 06 nov 1994 08:49:37 gmt',
  ])('%s is read', text => expect(readHttpDate(text, now)).toBe(when))

  test.each([
    '0',
    '',
    'Sun, 06 Nov 1994 08:49:37 UTC',
    'Sun, 06 Nov 1994 8:49:37 GMT',
    'Sun, 6 Nov 1994 08:49:37 GMT',
    'Sun 06 Nov 1994 08:49:37 GMT',
    'Sun, 31 Feb 1994 08:49:37 GMT',
    'Sun, 06 Nov 1994 24:00:00 GMT',
    'Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT',
    '1994-11-06T08:49:37Z',
  ])('%j is not one', text => expect(readHttpDate(text, now)).toBeUndefined())

  test('a year of two digits is at most 50 years ahead', () => {
    expect(readHttpDate('Monday, 01-Jan-76 00:00:00 GMT', now)).toBe(Date.UTC(2076, 0, 1))
    expect(readHttpDate('Monday, 01-Jan-77 00:00:00 GMT', now)).toBe(Date.UTC(1977, 0, 1))
  })

  test('what is written is read again', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_102_444_800 }), seconds => {
        expect(readHttpDate(writeHttpDate(seconds * 1000), now)).toBe(seconds * 1000)
      }),
    )
  })

  test('any text at all is read or not, and nothing throws', () => {
    fc.assert(
      fc.property(fc.string(), text => {
        readHttpDate(text, now)
      }),
    )
  })
})
