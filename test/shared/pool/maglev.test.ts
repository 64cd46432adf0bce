import { describe, expect, test } from 'vitest'
import { hash32 } from '../../../shared/pool/hash.ts'
import { buildMaglev, maglevSize, populate } from '../../../shared/pool/maglev.ts'

const entries = (count: number, weight: (index: number) => number = () => 1) =>
  Array.from({ length: count }, (_, index) => ({ hash: hash32(`pool/${index}`), weight: weight(index) }))

function counts(table: Uint16Array, entries: number): number[] {
  const result = new Array<number>(entries).fill(0)
  for (const owner of table) result[owner]! += 1
  return result
}

describe('Maglev', () => {
  test("the paper's example: before and after B1 is gone", () => {
    // Table 1 of the paper: offsets and skips read off its permutations (3 0 4 1 …, 0 2 4 6 …, 3 4 5 6 …).
    const [offsets, skips] = [Float64Array.of(3, 0, 3), Float64Array.of(4, 2, 1)]
    const ones = Float64Array.of(1, 1, 1)
    expect([...populate(offsets, skips, ones, 7)]).toEqual([1, 0, 1, 0, 2, 2, 0])
    // Without B1 (index 1 is B2 here): B0 B0 B0 B0 B2 B2 B2.
    const after = populate(Float64Array.of(3, 3), Float64Array.of(4, 1), Float64Array.of(1, 1), 7)
    expect([...after]).toEqual([0, 0, 0, 0, 1, 1, 1])
  })

  test('with equal weights no two entries differ by more than one slot', () => {
    for (const size of [1, 3, 64, 1_000]) {
      const owned = counts(buildMaglev(entries(size)), size)
      expect(Math.max(...owned) - Math.min(...owned)).toBeLessThanOrEqual(1)
    }
  })

  test('slots follow the weights to within 1 %', () => {
    const weight = (index: number) => (index % 3) + 1
    const table = buildMaglev(entries(90, weight))
    const owned = counts(table, 90)
    for (const [index, slots] of owned.entries()) {
      const share = (maglevSize * weight(index)) / 180
      expect(Math.abs(slots - share)).toBeLessThan(0.01 * share + 2)
    }
  })

  test('when one of 100 goes, hardly any slot of the others moves', () => {
    const all = entries(100)
    const before = buildMaglev(all)
    const after = buildMaglev(all.slice(0, 99))
    let moved = 0
    let others = 0
    for (const [slot, owner] of before.entries()) {
      if (owner === 99) continue
      others += 1
      if (after[slot] !== owner) moved += 1
    }
    // Figure 12 of the paper: about 2 % at this size; a plain modulo would move 99 %.
    expect(moved / others).toBeLessThan(0.03)
  })

  test('another seed deals every slot anew; the same seed never does', () => {
    const all = entries(64)
    expect(buildMaglev(all)).toEqual(buildMaglev(all))
    const other = buildMaglev(all, maglevSize, 1)
    const kept = buildMaglev(all).reduce((sum, owner, slot) => sum + Number(other[slot] === owner), 0)
    expect(kept / maglevSize).toBeLessThan(0.05)
  })

  test('nobody gives an empty meaning, one owns all', () => {
    expect(buildMaglev([], 7)).toEqual(new Uint16Array(7))
    expect(buildMaglev([{ hash: 1, weight: 1_000_000 }], 7)).toEqual(new Uint16Array(7))
  })
})
