import { expect, test } from 'vitest'
import { familyHead, sampleLine } from '../../../shared/metrics/prometheus.ts'

test('label values are escaped, and an empty one is left out', () => {
  expect(sampleLine('n', { a: 'x"y\\z\nw', b: '' }, 1)).toBe('n{a="x\\"y\\\\z\\nw"} 1\n')
  expect(sampleLine('n', {}, 0.5)).toBe('n 0.5\n')
})

test('a help text stays on its line', () => {
  expect(familyHead('n', 'gauge', 'a\\b\nc')).toBe('# HELP n a\\\\b\\nc\n# TYPE n gauge\n')
})
