import { expect, test } from 'vitest'
import { classOfStatus, isNamed, verdictOf } from '../../../shared/attempt/classes.ts'

test("Cloudflare's 52x answers have a failure class, every other status is the endpoint's own", () => {
  const classes: Record<string, number[]> = { 'connect-failure': [], ambiguous: [], sent: [] }
  for (let status = 100; status <= 599; status++) {
    const failure = classOfStatus(status)
    if (failure !== undefined) classes[failure]!.push(status)
  }
  expect(classes).toEqual({ 'connect-failure': [521, 523, 525, 526, 530], ambiguous: [522], sent: [520, 524] })
})

test.each([
  ['502', 502, true],
  ['502', 503, false],
  ['5xx', 500, true],
  ['5xx', 504, true],
  ['5xx', 499, false],
  ['5xx', 'timeout', false],
  ['5xx', 'connect-failure', false],
  ['gateway-error', 502, true],
  ['gateway-error', 504, true],
  ['gateway-error', 501, false],
  ['gateway-error', 520, false],
  ['connect-failure', 521, true],
  ['connect-failure', 'connect-failure', true],
  ['connect-failure', 522, false],
  ['ambiguous', 522, true],
  ['sent', 524, true],
  ['522', 522, true],
  ['timeout', 'timeout', true],
  ['timeout', 504, false],
  ['504', 504, true],
  ['504', 'timeout', false],
  ['reset', 'reset', true],
  ['reset', 'connect-failure', false],
  ['404', 404, true],
] as const)('%s names %s: %s', (word, outcome, isExpected) => {
  expect(isNamed([word], outcome)).toBe(isExpected)
  expect(isNamed([], outcome)).toBe(false)
})

test('the outlier judge counts 502, 503, 504 and every failure class; other 5xx are neutral', () => {
  for (const outcome of [502, 503, 504, 520, 521, 522, 524, 530, 'connect-failure', 'timeout', 'reset'] as const) {
    expect(verdictOf(outcome), String(outcome)).toBe('failure')
  }
  for (const outcome of [101, 200, 304, 404, 429, 'connected'] as const) expect(verdictOf(outcome)).toBe('success')
  for (const outcome of [500, 501, 505, 511, 599] as const) expect(verdictOf(outcome)).toBe('neutral')
})
