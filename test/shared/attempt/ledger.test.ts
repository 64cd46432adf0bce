import { expect, test } from 'vitest'
import { openLedger, takeSubrequest } from '../../../shared/attempt/ledger.ts'

test('a ledger gives as many as it has', () => {
  const ledger = openLedger(3)
  expect([1, 2, 3, 4].map(() => takeSubrequest(ledger))).toEqual([true, true, true, false])
  expect(ledger.left).toBe(0)
})

test('what is kept for others is not taken', () => {
  const ledger = openLedger(3)
  expect([1, 2, 3].map(() => takeSubrequest(ledger, 1))).toEqual([true, true, false])
  expect(takeSubrequest(ledger)).toBe(true)
})
