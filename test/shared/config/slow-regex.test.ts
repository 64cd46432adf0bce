import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type RegexNode, readRegex } from '../../../shared/config/regex-syntax.ts'
import { slowness } from '../../../shared/config/slow-regex.ts'

describe('a regex is refused when it can backtrack exponentially', () => {
  test.each([
    '(a|a)*$',
    '(a+)+$',
    '(a|aa)+$',
    '(.*)*x',
    '(a*)*',
    '(a?a?)*',
    '((a?|b?)c)*',
    '([a-zA-Z]+)*$',
    '(a|a?)+',
    '(.|[^x])*x',
    '^(([a-z])+.)+[A-Z]([a-z])+$',
    '(\\w+\\s?)*',
    '(a{1,30}){1,30}',
    '(?:a|b|ab)*c',
    '(x+x+)+y',
    '(?i:(a|A))*b',
    '(\\d|[0-9])+z',
    '(?=(a+)+b)a',
    '(a{10}|a{7})*',
    '(?:(?:a?)b|b)*',
    '(\\S+\\s*)+:',
    '(?:(?:(?:ab)?)+a)+',
    '(?<y>a)(\\k<y>)*b',
    '(a(b?c?)*)*',
    '[a-z-]+([\\w-]+)+x',
    '(?:[\\u0061]|\\x61)*b',
    '(?:[\\p{L}]|a)*b',
    '(?:[^b]|a)*c',
    '(?:\\u{61}|a)*b',
    '((?:a|b)?(?:b|c)?)*d',
  ])('%s', pattern => {
    expect(() => new RegExp(pattern, 'u')).not.toThrow()
    expect(slowness(pattern)).toBe('exponential')
  })
})

describe('an ordinary regex passes', () => {
  test.each([
    '/api/v\\d+(?:/.*)?',
    '(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,}',
    '.*\\.(?:jpg|png|gif)',
    '/users/(?<id>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})',
    '(/[^/]+)*',
    '(?:(?!foo).)*',
    '(a?)*',
    'a{1000}',
    'v1|v2',
    '(ab*)*',
    '((a)*)b',
    '',
    '(?:/[a-z]+){1,3}',
    '([a-z]{1,63}\\.){1,5}',
    '[^;]*;.*',
    '(?:\\d{1,3}\\.){3}\\d{1,3}',
    '(?:en|de|fr)(?:-[A-Z]{2})?',
    '\\p{L}+',
    '.*.*.*x',
    '(a|b)*',
    '(?:a?b)*',
    'Mozilla/.*(?:Chrome|Firefox)/\\d+(\\.\\d+)*',
    '(?:"[^"\\\\]*(?:\\\\.[^"\\\\]*)*")',
    '[\\u{1F600}-\\u{1F64F}]+',
    '(?:a|b?c)*',
    '([^,]+,)*[^,]+',
    '(?:.{8}){50}',
    '(a)\\1',
    '\\cA*\\x41+\\u0041',
    '[\\]\\-]*\\/',
  ])('%s', pattern => {
    expect(() => new RegExp(pattern, 'u')).not.toThrow()
    expect(slowness(pattern)).toBeUndefined()
  })
})

test('a regex too large to be judged is not judged', () => {
  expect(slowness('a{1001}')).toBe('too-large')
  expect(slowness('(?:(?:(?:a{9}){9}){9}){9}')).toBe('too-large')
  expect(slowness('a'.repeat(1_001))).toBe('too-large')
})

test('a regex that passes is matched in few steps by a backtracking matcher', () => {
  const patterns = fc.letrec<{ regex: string }>(tie => ({
    regex: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom('a', 'b', '[ab]'),
      fc.tuple(tie('regex'), tie('regex')).map(([x, y]) => x + y),
      fc.tuple(tie('regex'), tie('regex')).map(([x, y]) => `(?:${x}|${y})`),
      fc.tuple(tie('regex'), fc.constantFrom('*', '+', '?')).map(([x, repeat]) => `(?:${x})${repeat}`),
    ),
  })).regex
  let slow = 0
  fc.assert(
    fc.property(
      patterns.filter(pattern => pattern.length < 30),
      pattern => {
        if (slowness(pattern) !== undefined) {
          slow += 1
          return
        }
        // Exponential would be 2^20 and more at this length; polynomials of patterns this short stay far below.
        const node = readRegex(pattern)[0]!
        for (const pump of ['a', 'b', 'ab', 'aab', 'abb']) {
          expect(countSteps(node, `${pump.repeat(40)}!`)).toBeLessThan(1_000_000)
        }
      },
    ),
    { seed: 47, numRuns: 600 },
  )
  expect(slow).toBeGreaterThan(30)
})

/** A matcher as ECMA-262 section 22.2.2 has it, which counts its steps up to a million. */
function countSteps(root: RegexNode, text: string): number {
  let steps = 0
  const match = (node: RegexNode, at: number, then: (at: number) => boolean): boolean => {
    steps += 1
    if (steps >= 1_000_000) return true
    if (node.kind === 'set') {
      const code = text.charCodeAt(at)
      return at < text.length && node.set.some(([first, last]) => first <= code && code <= last) && then(at + 1)
    }
    if (node.kind === 'choice') return node.items.some(item => match(item, at, then))
    if (node.kind === 'sequence') {
      const from = (index: number, here: number): boolean =>
        index === node.items.length ? then(here) : match(node.items[index]!, here, next => from(index + 1, next))
      return from(0, at)
    }
    const round = (min: number, max: number, here: number): boolean =>
      (max > 0 &&
        match(node.item, here, next => (min > 0 || next > here) && round(Math.max(0, min - 1), max - 1, next))) ||
      (min === 0 && then(here))
    return round(node.min, node.max, at)
  }
  match(root, 0, at => at === text.length)
  return steps
}
