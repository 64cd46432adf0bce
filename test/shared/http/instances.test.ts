import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isLoop, withInstance } from '../../../shared/http/instances.ts'

test('a request that brings our own id has been here', () => {
  expect(isLoop(null, 'a1')).toBe(false)
  expect(isLoop('b2, c3', 'a1')).toBe(false)
  expect(isLoop('b2, a1, c3', 'a1')).toBe(true)
  expect(isLoop('b2,a1', 'a1')).toBe(true)
  expect(isLoop('xa1, a1x', 'a1')).toBe(false)
})

test('a chain of different instances ends after sixteen', () => {
  let list: string | null = null
  for (let hop = 0; hop < 15; hop++) {
    expect(isLoop(list, `i${hop}`)).toBe(false)
    list = withInstance(list, `i${hop}`)
  }
  list = withInstance(list, 'last')
  expect(isLoop(list, 'another')).toBe(true)
})

test('whatever a client writes, the list that leaves is bounded or the request does not', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 2_000 }), said => {
      if (!isLoop(said, 'me')) expect(withInstance(said, 'me').length).toBeLessThan(520)
    }),
    { seed: 508, numRuns: 500 },
  )
})
