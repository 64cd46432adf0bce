import { expect, test } from 'vitest'
import { isAlwaysRecorded, isSampled } from '../../../shared/decide/sample.ts'

test('a sample is the part it says, and the same for one id everywhere', () => {
  const ids = Array.from({ length: 20_000 }, (_, i) => `id-${i}`)
  const kept = ids.filter(id => isSampled(0.1, id))
  // 2,000 expected, sigma 42: five sigma.
  expect(Math.abs(kept.length - 2_000)).toBeLessThan(212)
  expect(kept.every(id => isSampled(0.1, id) && isSampled(0.5, id))).toBe(true)
  expect(ids.some(id => isSampled(0, id))).toBe(false)
  expect(ids.every(id => isSampled(1, id))).toBe(true)
})

test('failures and answers of ours with a reason are always recorded', () => {
  expect(isAlwaysRecorded(200, undefined)).toBe(false)
  expect(isAlwaysRecorded(404, undefined)).toBe(false)
  expect(isAlwaysRecorded(404, 'destination_not_found')).toBe(true)
  expect(isAlwaysRecorded(500, undefined)).toBe(true)
})
