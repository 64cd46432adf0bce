import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  deal,
  dealFresh,
  leastMoves,
  movedSlots,
  ownedCounts,
  ownerOf,
  SLOT_COUNT,
  targetCounts,
} from '../../../shared/table/slots.ts'

const weightsOf = (variants: number) =>
  fc
    .array(fc.integer({ min: 0, max: 1000 }), { minLength: variants, maxLength: variants })
    .filter(w => w.some(x => x > 0))

const histories = fc
  .integer({ min: 2, max: 8 })
  .chain(variants => fc.array(weightsOf(variants), { minLength: 1, maxLength: 12 }))

describe('the deal', () => {
  it('gives all slots to the first variant when it has all the weight', () => {
    expect(dealFresh([100, 0])).toEqual({ starts: [0], owners: [0] })
  })

  it('takes the highest slots of the variant that shrinks', () => {
    expect(dealFresh([75, 25])).toEqual({ starts: [0, 49_152], owners: [0, 1] })
  })

  it('gives back the highest slots when a canary is rolled back in part, and nobody else moves', () => {
    const before = dealFresh([75, 25])
    const after = deal(before, [90, 10])
    expect(ownedCounts(after, 2)).toEqual([58_982, 6_554])
    expect(movedSlots(before, after)).toBe(16_384 - 6_554)
    for (let slot = 0; slot < SLOT_COUNT; slot += 101) {
      if (ownerOf(after, slot) === 1) expect(ownerOf(before, slot)).toBe(1)
    }
  })

  it('moves exactly the total-variation minimum over any history of 2 to 8 variants', () => {
    fc.assert(
      fc.property(histories, history => {
        let slots = dealFresh(history[0]!)
        for (const weights of history.slice(1)) {
          const before = ownedCounts(slots, weights.length)
          const target = targetCounts(weights)
          const totalVariation = before.reduce((sum, owned, i) => sum + Math.abs(owned - target[i]!), 0) / 2
          const after = deal(slots, weights)
          expect(movedSlots(slots, after)).toBe(totalVariation)
          expect(leastMoves(slots, weights)).toBe(totalVariation)
          expect(ownedCounts(after, weights.length)).toEqual(target)
          slots = after
        }
      }),
      { seed: 47, numRuns: 300 },
    )
  })

  it('moves no slot between two variants that both grow or both shrink', () => {
    fc.assert(
      fc.property(histories, history => {
        let slots = dealFresh(history[0]!)
        for (const weights of history.slice(1)) {
          const before = ownedCounts(slots, weights.length)
          const target = targetCounts(weights)
          const after = deal(slots, weights)
          for (const start of new Set([...slots.starts, ...after.starts])) {
            const [from, to] = [ownerOf(slots, start), ownerOf(after, start)]
            if (from !== to) {
              expect(target[from]!).toBeLessThan(before[from]!)
              expect(target[to]!).toBeGreaterThan(before[to]!)
            }
          }
          slots = after
        }
      }),
      { seed: 48, numRuns: 200 },
    )
  })

  it('hands the slots of a variant that is gone to the others', () => {
    const three = dealFresh([50, 25, 25])
    const two = deal(three, [50, 50])
    expect(ownedCounts(two, 2)).toEqual([32_768, 32_768])
    expect(movedSlots(three, two)).toBe(16_384)
  })

  it('keeps the number of ranges small over a long history', () => {
    let slots = dealFresh([100, 0, 0])
    for (let i = 0; i < 500; i++) slots = deal(slots, [100 - (i % 50), i % 30, (i * 7) % 20])
    expect(slots.starts.length).toBeLessThan(200)
  })

  it('gives the same slots for the same weights at any scale', () => {
    expect(dealFresh([9, 1])).toEqual(dealFresh([900, 100]))
  })

  it('adds up to 65,536 for weights that do not divide it', () => {
    fc.assert(
      fc.property(weightsOf(7), weights => {
        const counts = targetCounts(weights)
        expect(counts.reduce((a, b) => a + b, 0)).toBe(SLOT_COUNT)
        const total = weights.reduce((a, b) => a + b, 0)
        counts.forEach((count, i) => {
          expect(Math.abs(count - (weights[i]! * SLOT_COUNT) / total)).toBeLessThan(1)
        })
      }),
      { seed: 49 },
    )
  })
})
