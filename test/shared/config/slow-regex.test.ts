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
    '.*.*x',
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

describe('a regex is refused when three loops in a row can share one text', () => {
  test.each([
    ['/.*/.*/.*\\.png', ['.*', '.*', '.*']],
    ['.*.*.*x', ['.*', '.*', '.*']],
    ['.*.*.*.*x', ['.*', '.*', '.*', '.*']],
    ['a*a*ba*a*', ['a*', 'a*', 'a*', 'a*']],
    ['.*a.*b.*c', ['.*', '.*', '.*']],
    ['(ab)*(?:ab)*(?:ab)+', ['(ab)*', '(?:ab)*', '(?:ab)+']],
    ['\\w+\\d+[a-z0-9]{2,}!', ['\\w+', '\\d+', '[a-z0-9]{2,}']],
    ['.*a.*b.*x?', ['.*', '.*', '.*']],
    ['.*a.*b.*\\b', ['.*', '.*', '.*']],
    ['.*a.*b.*(?!c)', ['.*', '.*', '.*']],
    ['(.*)a(.*)b\\1', ['.*', '.*', '\\1']],
    ['.*a.*b[^\\0]*', ['.*', '.*', '[^\\0]*']],
    ['.*a.*b.{0,30}', ['.*', '.*', '.{0,30}']],
    ['.{0,20}.{0,20}.{0,20}.{0,20}x', ['.{0,20}', '.{0,20}', '.{0,20}', '.{0,20}']],
    ['(?:(?=.*.*x).)*', ['.*', '.*']],
    ['.*.*(?=.*x)y', ['.*', '.*']],
  ])('%s', (pattern, overlapping) => {
    expect(() => new RegExp(pattern, 'u')).not.toThrow()
    expect(slowness(pattern)).toEqual({ overlapping })
  })
})

describe('loops in a row pass', () => {
  test.each([
    ['when there are two', '.*.*x'],
    ['when each ends where the next begins', '/[^/]*/[^/]*/.*\\.png'],
    ['when whoever comes to the last has matched', '.*Mobile.*Safari.*'],
    ['also behind anchors', '^/.*/.*/.*$'],
    ['when what is between parts them', '\\w+\\s+\\w+\\s+\\w+'],
    ['when they go round on different texts', '(ab)*(ba)*(ab)*c'],
    ['when they are short', '.{0,20}.{0,20}.{0,20}x'],
    ['behind lookarounds that are asked once', '(?=.*\\d)(?=.*[a-z]).+'],
  ])('%s: %s', (_, pattern) => {
    expect(() => new RegExp(pattern, 'u')).not.toThrow()
    expect(slowness(pattern)).toBeUndefined()
  })
})

test('a regex too large to be judged is not judged', () => {
  expect(slowness('a{1001}')).toBe('too-large')
  expect(slowness('(?:(?:(?:a{9}){9}){9}){9}')).toBe('too-large')
  expect(slowness('a'.repeat(1_001))).toBe('too-large')
  expect(slowness('(?:a.c.e.gh)*'.repeat(80))).toBe('too-large')
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
        // Three loops in a row would take 400³ / 6, ten million, and more; two take 400² / 2 times a few.
        const node = readRegex(pattern).whole
        for (const pump of ['a', 'b', 'ab', 'aab', 'abb']) {
          const text = pump.repeat(400 / pump.length)
          expect(countSteps(node, `${text}!`), `${pattern} on ${pump}`).toBeLessThan(MOST_STEPS)
        }
        expect(countSteps(node, `${'a'.repeat(200)}${'b'.repeat(200)}!`), pattern).toBeLessThan(MOST_STEPS)
      },
    ),
    { seed: 47, numRuns: 600 },
  )
  expect(slow).toBeGreaterThan(30)
})

test('loops in a row that pass are matched in few steps too', () => {
  const parts = fc.constantFrom('a*', 'b*', '[ab]*', '[ab]+', '(?:ab)*', '(?:aab?)*', 'a{0,12}', 'a', 'b')
  const texts = ['a', 'b', 'ab', 'aab', 'abb'].map(pump => `${pump.repeat(400 / pump.length)}!`)
  const mixed = ['aba', 'bab'].map(order => `${[...order].map(letter => letter.repeat(130)).join('')}!`)
  let slow = 0
  fc.assert(
    fc.property(fc.array(parts, { minLength: 2, maxLength: 5 }), row => {
      const pattern = row.join('')
      if (slowness(pattern) !== undefined) {
        slow += 1
        return
      }
      const { whole } = readRegex(pattern)
      for (const text of [...texts, ...mixed]) {
        expect(countSteps(whole, text), `${pattern} on ${text.slice(0, 10)}`).toBeLessThan(MOST_STEPS)
      }
    }),
    { seed: 48, numRuns: 300 },
  )
  expect(slow).toBeGreaterThan(30)
})

const MOST_STEPS = 3_000_000

/** A matcher as ECMA-262 section 22.2.2 has it, which counts its steps up to a bound. */
function countSteps(root: RegexNode, text: string): number {
  let steps = 0
  const match = (node: RegexNode, at: number, then: (at: number) => boolean): boolean => {
    steps += 1
    if (steps >= MOST_STEPS) return true
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
