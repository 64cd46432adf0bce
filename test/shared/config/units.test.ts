import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatDuration, formatSize, parseDuration, parseSize } from '../../../shared/config/units.ts'

test.each([
  ['0ms', 0],
  ['250ms', 250],
  ['2s', 2_000],
  ['1.1s', 1_100],
  ['0.001s', 1],
  ['5m', 300_000],
  ['1.5h', 5_400_000],
  ['30d', 2_592_000_000],
])('a duration %s is %d ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms)
})

test.each([
  '',
  '5',
  's',
  '-1s',
  '+1s',
  '1e3s',
  ' 1s',
  '1 s',
  '1S',
  '1w',
  '1.s',
  '.5s',
  '0.5ms',
  '1.0005s',
  'NaNs',
  '9999999999999s',
])('a duration %j is none', text => {
  expect(parseDuration(text)).toBeUndefined()
})

test.each([
  ['0B', 0],
  ['512B', 512],
  ['64KiB', 65_536],
  ['1.5MiB', 1_572_864],
  ['1GiB', 1_073_741_824],
])('a size %s is %d bytes', (text, bytes) => {
  expect(parseSize(text)).toBe(bytes)
})

test.each(['', '64', '64KB', '64kib', '64K', '-1B', '0.5B', '1TiB'])('a size %j is none', text => {
  expect(parseSize(text)).toBeUndefined()
})

test('a formatted amount is in the largest unit that divides it', () => {
  expect([0, 250, 90_000, 3_600_000, 86_400_000].map(formatDuration)).toEqual(['0ms', '250ms', '90s', '1h', '1d'])
  expect([0, 1_000, 65_536, 1_572_864].map(formatSize)).toEqual(['0B', '1000B', '64KiB', '1536KiB'])
})

test('what is formatted is read back as the same amount', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 999_999_999_999 }), amount => {
      expect(parseDuration(formatDuration(amount))).toBe(amount)
      expect(parseSize(formatSize(amount))).toBe(amount)
    }),
    { seed: 47 },
  )
})
