import { describe, expect, test } from 'vitest'
import { ejectionMs, ejectionsLeft, mayEjectMore, successRateFloor } from '../../../shared/pool/outlier.ts'

const outlier = {
  consecutiveFailures: 5,
  successRateFactor: 1.9,
  baseEjectionMs: 30_000,
  maxEjectionMs: 300_000,
  maxEjectedPercent: 10,
}

test('the n-th ejection lasts n times 30 s, at most 300 s', () => {
  expect([1, 2, 10, 11, 99].map(n => ejectionMs(outlier, n))).toEqual([30_000, 60_000, 300_000, 300_000, 300_000])
})

test('each base time without an ejection forgives one', () => {
  expect([0, 29_999, 30_000, 90_000, 1e9].map(back => ejectionsLeft(outlier, 3, back))).toEqual([3, 3, 2, 0, 0])
  expect(ejectionsLeft(outlier, 0, 1e12)).toBe(0)
})

test.each([
  [1, 0, true],
  [1, 1, false],
  [9, 1, false],
  [19, 1, false],
  [20, 1, true],
  [20, 2, false],
  [100, 9, true],
  [100, 10, false],
])('of %i endpoints with %i ejected one more may be: %s', (endpoints, ejected, expected) => {
  expect(mayEjectMore(outlier, endpoints, ejected)).toBe(expected)
  expect(mayEjectMore({ ...outlier, maxEjectedPercent: 0 }, endpoints, ejected)).toBe(ejected === 0)
})

describe('the success-rate floor', () => {
  test('is mean minus 1.9 standard deviations of the population', () => {
    // 1 1 1 1 0: mean 0.8, deviation 0.4.
    expect(successRateFloor(Float64Array.of(1, 1, 1, 1, 0), 1.9)).toBeCloseTo(0.8 - 1.9 * 0.4, 12)
  })

  test('needs five endpoints with enough requests', () => {
    expect(successRateFloor(Float64Array.of(1, 1, 1, 0, Number.NaN, Number.NaN), 1.9)).toBeUndefined()
    expect(successRateFloor(Float64Array.of(1, 1, 1, 0, Number.NaN, 1), 1.9)).toBeCloseTo(0.8 - 1.9 * 0.4, 12)
  })

  test('is no higher than the rate of equals', () => {
    expect(successRateFloor(new Float64Array(9).fill(0.5), 1.9)).toBe(0.5)
  })
})
