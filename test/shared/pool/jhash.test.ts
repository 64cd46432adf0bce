// The kernel's hash. Its values are those that nftables itself gives: see test/system/kernel/foreseen.test.ts.

import { expect, test } from 'vitest'
import { jhash, jhashSlot } from '../../../shared/pool/jhash.ts'

test('one bit more in the key or another seed is another hash', () => {
  const key = Uint8Array.from([10, 47, 0, 1, 0x4e, 0x20, 0, 0])
  const other = Uint8Array.from([10, 47, 0, 1, 0x4e, 0x21, 0, 0])
  expect(jhash(key, 47)).not.toBe(jhash(other, 47))
  expect(jhash(key, 47)).not.toBe(jhash(key, 48))
  expect(jhash(key, 47)).toBe(jhash(Uint8Array.from(key), 47))
})

test('slots are all in reach and none comes too often', () => {
  const counts = new Array<number>(16).fill(0)
  for (let port = 0; port < 16_000; port++) {
    const slot = jhashSlot(Uint8Array.from([10, 0, 0, 1, port >>> 8, port & 255, 0, 0]), 16, 7)
    counts[slot]! += 1
  }
  for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(5 * Math.sqrt(1000))
})
