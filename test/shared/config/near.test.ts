import { expect, test } from 'vitest'
import { nearest } from '../../../shared/config/near.ts'

const known = ['pool', 'variants', 'redirect', 'reply']

test.each([
  ['poool', 'pool'],
  ['polo', 'pool'],
  ['Pool', 'pool'],
  ['varients', 'variants'],
  ['redirct', 'redirect'],
  ['repyl', 'reply'],
])('%s is near %s', (text, near) => {
  expect(nearest(text, known)).toBe(near)
})

test.each(['', 'x', 'zebra', 'address', 'p'.repeat(1_000)])('%s is near nothing', text => {
  expect(nearest(text, known)).toBeUndefined()
})

test('the nearest of several is meant', () => {
  expect(nearest('app-v2', ['app-v1', 'app-v22', 'app-v2x', 'app-v2'])).toBe('app-v2')
})
