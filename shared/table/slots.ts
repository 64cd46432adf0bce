// A split owns 65,536 slots; each belongs to one variant. A user's slot never changes, so a change of weights moves
// only the users whose slots are dealt to another variant, and the deal moves as few slots as there can be.
//
// Worked example, two variants, 100/0 -> 75/25: stable owns [0, 65536). Its target is 49,152, so 16,384 of its slots,
// the highest, go to canary. Back to 90/10: canary gives its highest 9,830 back and keeps the rest; nobody else moves.

/** Who owns which slots, as ranges: range `i` is `starts[i]` up to the next start, and belongs to variant `owners[i]`. */
export interface Slots {
  readonly starts: readonly number[]
  readonly owners: readonly number[]
}

export const SLOT_COUNT = 65_536

/** All slots with variant 0: where every split begins. */
export const undealt: Slots = { starts: [0], owners: [0] }

/** The slots of a split that is known by its weights alone: variant 0 owns all, the others are dealt theirs in list order. */
export function dealFresh(weights: readonly number[]): Slots {
  return deal(undealt, weights)
}

/**
 * The slots after a change of weights. Moves slots from variants that shrink to variants that grow, and of those exactly
 * the difference: the total-variation distance between both shares, the least that any assignment could move.
 * Givers give their highest slots first; takers take in list order. `weights` must have one positive number at least.
 */
export function deal(before: Slots, weights: readonly number[]): Slots {
  const targets = targetCounts(weights)
  const surplus = ownedCounts(before, weights.length).map((owned, variant) => owned - (targets[variant] ?? 0))
  const takers = surplus.flatMap((extra, variant) => (extra < 0 ? [{ variant, wants: -extra }] : []))
  if (takers.length === 0) return before

  const ranges = rangesOf(before)
  const after: Range[] = []
  for (let i = ranges.length - 1; i >= 0; i--) {
    const range = ranges[i]!
    const given = Math.min(Math.max(surplus[range.owner] ?? range.end - range.start, 0), range.end - range.start)
    if (given > 0 && range.owner < surplus.length) surplus[range.owner]! -= given
    after.push({ start: range.start, end: range.end - given, owner: range.owner })
    after.push({ start: range.end - given, end: range.end, owner: -1 })
  }
  after.sort((a, b) => a.start - b.start || a.end - b.end)
  return fromRanges(after.flatMap(range => (range.owner === -1 ? handOut(range, takers) : [range])))
}

/** The variant that owns a slot. */
export function ownerOf(slots: Slots, slot: number): number {
  let low = 0
  let high = slots.starts.length - 1
  while (low < high) {
    const middle = (low + high + 1) >>> 1
    if (slots.starts[middle]! <= slot) low = middle
    else high = middle - 1
  }
  return slots.owners[low]!
}

/** The ranges as one list of numbers, `start * 1024 + owner`: one look at memory for a choice. Up to 1,024 variants. */
export function packRanges(slots: Slots): readonly number[] {
  return slots.starts.map((start, i) => start * OWNERS + slots.owners[i]!)
}

/** As `ownerOf`, of packed ranges. */
export function ownerAt(ranges: readonly number[], slot: number): number {
  const bound = slot * OWNERS + OWNERS
  let low = 0
  let high = ranges.length - 1
  while (low < high) {
    const middle = (low + high + 1) >>> 1
    if (ranges[middle]! < bound) low = middle
    else high = middle - 1
  }
  return ranges[low]! % OWNERS
}

/** How many slots each of the first `variants` variants owns. */
export function ownedCounts(slots: Slots, variants: number): number[] {
  const counts = new Array<number>(variants).fill(0)
  for (const range of rangesOf(slots)) {
    if (range.owner < variants) counts[range.owner]! += range.end - range.start
  }
  return counts
}

/** How many slots have another owner after than before. */
export function movedSlots(before: Slots, after: Slots): number {
  const cuts = [...new Set([...before.starts, ...after.starts])].sort((a, b) => a - b)
  return cuts.reduce((moved, start, i) => {
    const width = (cuts[i + 1] ?? SLOT_COUNT) - start
    return ownerOf(before, start) === ownerOf(after, start) ? moved : moved + width
  }, 0)
}

/** The least number of slots that any assignment with these weights would move: what the growing variants lack. */
export function leastMoves(before: Slots, weights: readonly number[]): number {
  const owned = ownedCounts(before, weights.length)
  return targetCounts(weights).reduce((moves, target, variant) => moves + Math.max(0, target - owned[variant]!), 0)
}

/** Whole slots for each weight by largest remainder, ties to the earlier variant; they add up to 65,536. */
export function targetCounts(weights: readonly number[]): number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const counts = weights.map(weight => Math.floor((weight * SLOT_COUNT) / total))
  const byRemainder = weights
    .map((weight, variant) => ({ variant, remainder: (weight * SLOT_COUNT) % total }))
    .sort((a, b) => b.remainder - a.remainder || a.variant - b.variant)
  const left = SLOT_COUNT - counts.reduce((sum, count) => sum + count, 0)
  for (const { variant } of byRemainder.slice(0, left)) counts[variant]! += 1
  return counts
}

interface Range {
  readonly start: number
  readonly end: number
  readonly owner: number
}

function rangesOf(slots: Slots): Range[] {
  return slots.starts.map((start, i) => ({ start, end: slots.starts[i + 1] ?? SLOT_COUNT, owner: slots.owners[i]! }))
}

/** Splits freed slots among the takers, first taker first; what a taker got is taken off its want. */
function handOut(freed: Range, takers: { variant: number; wants: number }[]): Range[] {
  const handed: Range[] = []
  let start = freed.start
  for (const taker of takers) {
    const taken = Math.min(taker.wants, freed.end - start)
    if (taken === 0) continue
    handed.push({ start, end: start + taken, owner: taker.variant })
    taker.wants -= taken
    start += taken
  }
  return handed
}

/** Ranges in order, empty ones dropped and neighbours of one owner joined, so that the number of ranges stays small. */
function fromRanges(ranges: readonly Range[]): Slots {
  const starts: number[] = []
  const owners: number[] = []
  for (const range of ranges) {
    if (range.start === range.end || owners.at(-1) === range.owner) continue
    starts.push(range.start)
    owners.push(range.owner)
  }
  return { starts, owners }
}

const OWNERS = 1_024
