// The slot tables of the kernel modes: shares as the weights say, and as few slots moved as there can be.

import { expect, test } from 'vitest'
import { flowSlots } from '../../../shared/pool/flow-slots.ts'
import { markDown, markDraining, markUp, unmarkDraining } from '../../../shared/pool/health.ts'
import { maglevSize } from '../../../shared/pool/maglev.ts'
import type { Pool } from '../../../shared/pool/pool.ts'
import { makeObserved, makePool, many, named, noon } from './make-pool.ts'

const everywhere = () => true

test('every endpoint has its weight in slots', () => {
  const pool = makePool({ a: 1, b: 1, c: 2 })
  const counts = countsOf(pool, flowSlots(pool, makeObserved(pool), noon, 1, everywhere))
  expect(counts.a! / maglevSize).toBeCloseTo(0.25, 2)
  expect(counts.b! / maglevSize).toBeCloseTo(0.25, 2)
  expect(counts.c! / maglevSize).toBeCloseTo(0.5, 2)
})

test('two relays that see the same have the same table, whatever the order of the endpoints', () => {
  const one = makePool({ a: 1, b: 3, c: 2 })
  const two = makePool({ c: 2, a: 1, b: 3 })
  const names = (pool: Pool) =>
    Array.from(flowSlots(pool, makeObserved(pool), noon, 47, everywhere), place => pool.endpoints[place]!.name)
  expect(names(one)).toEqual(names(two))
  expect(Array.from(flowSlots(one, makeObserved(one), noon, 48, everywhere))).not.toEqual(
    Array.from(flowSlots(one, makeObserved(one), noon, 47, everywhere)),
  )
})

test('one that dies moves its own slots and no other, by weight to those that stay, and gets the same back', () => {
  const pool = makePool({ a: 1, b: 1, c: 1, d: 2 })
  const observed = makeObserved(pool)
  const before = flowSlots(pool, observed, noon, 1, everywhere)
  markDown(observed, pool, named(pool, 'a'))
  const without = flowSlots(pool, observed, noon, 1, everywhere)
  const took: Record<string, number> = {}
  for (const [slot, place] of before.entries()) {
    if (pool.endpoints[place]!.name !== 'a') expect(without[slot]).toBe(place)
    else {
      const taker = pool.endpoints[without[slot]!]!.name
      took[taker] = (took[taker] ?? 0) + 1
    }
  }
  const all = took.b! + took.c! + took.d!
  expect(took.a).toBeUndefined()
  expect(took.d! / all).toBeCloseTo(0.5, 1)
  markUp(observed, pool, named(pool, 'a'), noon)
  expect(flowSlots(pool, observed, noon, 1, everywhere)).toEqual(before)
})

test('one that drains has no slots, and one that is out of reach has none', () => {
  const pool = makePool(many(8))
  const observed = makeObserved(pool)
  markDraining(observed, pool, pool.endpoints[3]!)
  const slots = flowSlots(pool, observed, noon, 1, endpoint => endpoint !== pool.endpoints[5])
  expect(new Set(slots)).toEqual(new Set([0, 1, 2, 4, 6, 7]))
})

test('in slow start one has the part that its ramp allows, and never gives a slot back while it grows', () => {
  const pool = makePool({ a: 1, b: 1 }, { slowStartMs: 10_000 })
  const observed = makeObserved(pool)
  const whole = flowSlots(pool, observed, noon, 1, everywhere)
  markDraining(observed, pool, named(pool, 'a'))
  unmarkDraining(observed, pool, named(pool, 'a'), noon)
  let before = new Set<number>()
  for (const [seconds, part] of [
    [0, 0.1],
    [3, 0.37],
    [5, 0.55],
    [10, 1],
  ] as const) {
    const slots = flowSlots(pool, observed, noon + seconds * 1000, 1, everywhere)
    const its = new Set([...slots.keys()].filter(slot => whole[slot] === 0 && slots[slot] === 0))
    expect(its.size / (maglevSize / 2)).toBeCloseTo(part, 1)
    for (const slot of before) expect(its.has(slot)).toBe(true)
    before = its
  }
  expect(flowSlots(pool, observed, noon + 10_000, 1, everywhere)).toEqual(whole)
})

test('a second priority group has nothing until the first spills over', () => {
  const pool = makePool([{ name: 'a' }, { name: 'b' }, { name: 'c', priority: 1 }, { name: 'd', priority: 1 }])
  const observed = makeObserved(pool)
  expect(countsOf(pool, flowSlots(pool, observed, noon, 1, everywhere))).not.toHaveProperty('c')
  markDown(observed, pool, named(pool, 'a'))
  const counts = countsOf(pool, flowSlots(pool, observed, noon, 1, everywhere))
  // 1.4 times one half stays with the first group.
  expect(counts.b! / maglevSize).toBeCloseTo(0.7, 1)
  expect((counts.c! + counts.d!) / maglevSize).toBeCloseTo(0.3, 1)
})

test('with nothing in reach every slot is empty', () => {
  const pool = makePool({ a: 1, b: 1 })
  expect(new Set(flowSlots(pool, makeObserved(pool), noon, 1, () => false))).toEqual(new Set([-1]))
})

function countsOf(pool: Pool, slots: Int32Array): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const place of slots) {
    const { name } = pool.endpoints[place]!
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}
