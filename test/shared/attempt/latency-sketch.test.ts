import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addSample, leastSamples, openSketch, quantile } from '../../../shared/attempt/latency-sketch.ts'

function sketchOf(samples: readonly number[]) {
  const sketch = openSketch()
  for (const ms of samples) addSample(sketch, ms)
  return sketch
}

test('nothing is known below 20 samples', () => {
  const sketch = sketchOf(Array.from({ length: leastSamples - 1 }, () => 10))
  expect(quantile(sketch, 50)).toBeUndefined()
  addSample(sketch, 10)
  expect(quantile(sketch, 50)).toBeCloseTo(10, 0)
})

test('a quantile is within 5 % of the sorted samples, whatever they are', () => {
  const samples = fc.array(fc.double({ min: 1, max: 60_000, noNaN: true }), { minLength: 20, maxLength: 900 })
  fc.assert(
    fc.property(samples, fc.constantFrom(50, 95, 99), (all, percentile) => {
      const exact = all.toSorted((a, b) => a - b)[Math.ceil((all.length * percentile) / 100) - 1]!
      const said = quantile(sketchOf(all), percentile)!
      expect(said / exact).toBeGreaterThan(0.95)
      expect(said / exact).toBeLessThan(1.05)
    }),
    { seed: 7_204, numRuns: 500 },
  )
})

test('what is below a millisecond or above any try counts at the ends', () => {
  expect(quantile(sketchOf(Array.from({ length: 20 }, () => 0)), 50)).toBe(1)
  const longest = quantile(sketchOf(Array.from({ length: 20 }, () => 10_000_000)), 50)!
  expect(longest).toBeGreaterThan(60_000)
  expect(longest).toBeLessThan(100_000)
})

test('a pool that became slower is known after a thousand requests', () => {
  const sketch = sketchOf(Array.from({ length: 5_000 }, () => 10))
  for (let count = 0; count < 1_000; count++) addSample(sketch, 500)
  expect(quantile(sketch, 50)! / 500).toBeCloseTo(1, 1)
  expect(sketch.total).toBeLessThan(1_000)
})
