import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { smoothSequence } from '../../../shared/pool/sequence.ts'

const letters = (weights: number[], longest?: number) =>
  Array.from(smoothSequence(Float64Array.from(weights), longest), index => 'abcdefgh'[index]).join('')

describe('smooth weighted round robin', () => {
  test.each([
    // The example nginx gives.
    [[5, 1, 1], 'aabacaa'],
    [[1, 1, 1], 'abc'],
    [[10, 10, 10], 'abc'],
    [[3, 2], 'ababa'],
    [[1, 3], 'babb'],
    [[4, 2], 'aba'],
    [[7], 'a'],
    [[], ''],
  ])('%j is %s', (weights, expected) => {
    expect(letters(weights)).toBe(expected)
  })

  test('every index has exactly its weight in turns, and no prefix is a whole turn away from its share', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 8 }), weights => {
        const sequence = smoothSequence(Float64Array.from(weights))
        const sum = weights.reduce((a, b) => a + b, 0)
        const counts = weights.map(() => 0)
        for (const [turn, index] of sequence.entries()) {
          counts[index]! += 1
          for (const [each, weight] of weights.entries()) {
            expect(Math.abs(counts[each]! - ((turn + 1) * weight) / sum)).toBeLessThan(weights.length)
          }
        }
        for (const [each, weight] of weights.entries())
          expect(counts[each]! / sequence.length).toBeCloseTo(weight / sum, 12)
      }),
      { seed: 47, numRuns: 300 },
    )
  })

  test('too long a sequence is scaled down to the bound, to within a turn, with one turn at least', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 1_000_000 }), { minLength: 1, maxLength: 12 }), weights => {
        const sequence = smoothSequence(Float64Array.from(weights), 100)
        expect(sequence.length).toBeLessThanOrEqual(100)
        const sum = weights.reduce((a, b) => a + b, 0)
        for (const [index, weight] of weights.entries()) {
          const turns = sequence.filter(each => each === index).length
          expect(turns).toBeGreaterThanOrEqual(1)
          // Those lifted to one turn are paid for by the others, one turn each at most.
          expect(Math.abs(turns - (weight * sequence.length) / sum)).toBeLessThan(weights.length)
        }
      }),
      { seed: 47, numRuns: 500 },
    )
  })

  test('8,192 is the bound: 1,000,000 against 1 is 8,191 against 1', () => {
    const sequence = smoothSequence(Float64Array.of(1_000_000, 1))
    expect(sequence.length).toBe(8_192)
    expect(sequence.filter(index => index === 1).length).toBe(1)
  })

  test('fractions are scaled to the bound, and more indexes than the bound get one turn each', () => {
    expect(smoothSequence(Float64Array.of(0.75, 0.25), 8).filter(index => index === 0).length).toBe(6)
    expect(letters([9, 8, 7, 6, 5], 3)).toBe('abcde')
  })
})
