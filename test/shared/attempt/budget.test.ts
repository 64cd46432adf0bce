import fc from 'fast-check'
import { expect, test } from 'vitest'
import { countRequest, openBudget, takeRetry } from '../../../shared/attempt/budget.ts'

const start = 1_700_000_000_000

test('20 % of the requests and ten times the retries a second may be taken, and not one more', () => {
  const budget = openBudget()
  for (let request = 0; request < 100; request++) countRequest(budget, start)
  expect(takeAll(budget, 20, 1, start)).toBe(30)
})

test('a quiet pool lives on its retries a second; zero of both means none', () => {
  expect(takeAll(openBudget(), 20, 10, start)).toBe(100)
  expect(takeAll(openBudget(), 20, 0, start)).toBe(0)
})

test('requests and retries are forgotten with their second', () => {
  const budget = openBudget()
  for (let request = 0; request < 100; request++) countRequest(budget, start)
  expect(takeAll(budget, 20, 0, start)).toBe(20)
  expect(takeAll(budget, 20, 0, start + 9_000)).toBe(0)
  for (let request = 0; request < 50; request++) countRequest(budget, start + 9_999)
  expect(takeAll(budget, 20, 0, start + 9_999)).toBe(10)
  expect(takeAll(budget, 20, 0, start + 10_000)).toBe(0)
  expect(budget.requestTotal).toBe(50)
  expect(budget.retryTotal).toBe(10)
  takeRetry(budget, 20, 0, start + 3_600_000)
  expect([budget.requestTotal, budget.retryTotal]).toEqual([0, 0])
})

test('a clock that steps back counts into the newest second', () => {
  const budget = openBudget()
  countRequest(budget, start)
  countRequest(budget, start - 60_000)
  expect(budget.requestTotal).toBe(2)
})

test('the ring agrees with a list of everything that happened', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(4_000), fc.boolean()), { maxLength: 200 }), events => {
      const budget = openBudget()
      const requests: number[] = []
      const retries: number[] = []
      let now = start
      for (const [ms, isRequest] of events) {
        now += ms
        const oldest = Math.floor(now / 1000) - 9
        const since = (list: number[]) => list.filter(second => second >= oldest).length
        if (isRequest) {
          countRequest(budget, now)
          requests.push(Math.floor(now / 1000))
        } else {
          const isAllowed = since(retries) + 1 <= since(requests) * 0.2 + 1
          expect(takeRetry(budget, 20, 0.1, now)).toBe(isAllowed)
          if (isAllowed) retries.push(Math.floor(now / 1000))
        }
      }
    }),
    { seed: 99, numRuns: 300 },
  )
})

function takeAll(budget: ReturnType<typeof openBudget>, percent: number, perSecond: number, now: number): number {
  let taken = 0
  while (taken < 1_000 && takeRetry(budget, percent, perSecond, now)) taken += 1
  return taken
}
