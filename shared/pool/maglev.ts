// Maglev hashing: a table in which every endpoint owns its share of slots, and in which the slots of those that stay
// hardly move when one comes or goes. Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer",
// NSDI 2016, section 3.4.

import { combine } from './hash.ts'

export interface MaglevEntry {
  readonly hash: number
  /** Above 0. */
  readonly weight: number
}

/**
 * For each of `size` slots the index of the entry that owns it. The result depends on the entries' order: sort them by
 * something every relay knows. With another seed every slot is dealt anew. No entries: every slot is 0 and means nothing.
 *
 * Each entry walks the slots in an order of its own (`offset + n × skip mod size`) and takes the next free one when it
 * is its turn. Entries take turns; one with half the greatest weight takes every second turn (as Envoy does). Example
 * with 3 entries and 7 slots from the paper: B0 walks 3 0 4 1 5 2 6, B1 0 2 4 6 1 3 5, B2 3 4 5 6 0 1 2; dealt in turns
 * that gives B1 B0 B1 B0 B2 B2 B0.
 *
 * @param size a prime, so that every skip visits every slot; more than 100 times the entries for shares within 1 %.
 */
export function buildMaglev(entries: readonly MaglevEntry[], size = maglevSize, seed = 0): Uint16Array {
  const offsets = new Float64Array(entries.length)
  const skips = new Float64Array(entries.length)
  const weights = new Float64Array(entries.length)
  for (const [index, entry] of entries.entries()) {
    offsets[index] = combine(entry.hash, seed ^ offsetSalt) % size
    skips[index] = (combine(entry.hash, seed ^ skipSalt) % (size - 1)) + 1
    weights[index] = entry.weight
  }
  return populate(offsets, skips, weights, size)
}

/** The paper's populate, apart from how offsets and skips come about, so that its worked example can be tested. */
export function populate(offsets: Float64Array, skips: Float64Array, weights: Float64Array, size: number): Uint16Array {
  const table = new Uint16Array(size)
  const entries = offsets.length
  if (entries === 0) return table
  const isTaken = new Uint8Array(size)
  const at = Float64Array.from(offsets)
  const due = new Float64Array(entries)
  const greatest = weights.reduce((most, weight) => Math.max(most, weight), 0)
  let taken = 0
  for (let round = 1; ; round++) {
    for (let entry = 0; entry < entries; entry++) {
      if (round * weights[entry]! < due[entry]!) continue
      due[entry]! += greatest
      let slot = at[entry]!
      while (isTaken[slot] === 1) {
        slot += skips[entry]!
        if (slot >= size) slot -= size
      }
      table[slot] = entry
      isTaken[slot] = 1
      taken += 1
      if (taken === size) return table
      // Left on the slot it just took: the walk goes on from there.
      at[entry] = slot
    }
  }
}

/** A prime; Envoy's and Katran's size. Fits 16 bits of endpoint and loads into the kernel as one map. */
export const maglevSize = 65_537
const offsetSalt = 0x6d61676c
const skipSalt = 0x736b6970
