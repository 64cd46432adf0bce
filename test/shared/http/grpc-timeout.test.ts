import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatGrpcTimeout, readGrpcTimeout } from '../../../shared/http/grpc-timeout.ts'

// gRPC over HTTP2: TimeoutValue is a positive integer of at most 8 digits, TimeoutUnit one of H M S m u n.
test.each([
  ['1H', 3_600_000],
  ['2M', 120_000],
  ['30S', 30_000],
  ['250m', 250],
  ['1500u', 1.5],
  ['99999999n', 99.999999],
  ['0m', 0],
  ['99999999H', 359_999_996_400_000],
  ['100000000n', undefined],
  ['1', undefined],
  ['m', undefined],
  ['1h', undefined],
  ['-1m', undefined],
  ['1.5S', undefined],
  [' 1m', undefined],
  ['1m ', undefined],
  ['1m, 2m', undefined],
  ['', undefined],
  [undefined, undefined],
])('%j is %s ms', (value, ms) => {
  const read = readGrpcTimeout(value)
  if (ms === undefined) expect(read).toBeUndefined()
  else expect(read).toBeCloseTo(ms, 6)
})

test.each([
  [250, '250m'],
  [0.2, '1m'],
  [0, '1m'],
  [-5, '1m'],
  [1.2, '2m'],
  [99_999_999, '99999999m'],
  [100_000_000, '100000S'],
  [100_000_001, '100001S'],
  [99_999_999_000, '99999999S'],
  [99_999_999_001, '1666667M'],
  [5_999_999_940_001, '1666667H'],
  [Number.POSITIVE_INFINITY, '99999999H'],
])('%d ms is written %s', (ms, text) => {
  expect(formatGrpcTimeout(ms)).toBe(text)
})

test('what is written is never less than what is left, and at most one unit more', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e12, noNaN: true }), ms => {
      const text = formatGrpcTimeout(ms)
      const read = readGrpcTimeout(text)!
      const unit = readGrpcTimeout(`1${text.at(-1)}`)!
      expect(read).toBeGreaterThanOrEqual(ms)
      expect(read - ms).toBeLessThanOrEqual(unit)
    }),
  )
})

test('no text is read as anything but a time or nothing', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 20 }), text => {
      const read = readGrpcTimeout(text)
      expect(read === undefined || (Number.isFinite(read) && read >= 0)).toBe(true)
    }),
  )
})
