import { expect, test } from 'vitest'
import type { Outcome } from '../../../shared/attempt/classes.ts'
import { type Body, bodyOf, mayRetry, planFlow, planHttp } from '../../../shared/attempt/plan.ts'

const defaults = {
  attempts: 2,
  on: ['connect-failure', '502', '503'],
  isUnsafe: false,
  maxBufferBytes: 65_536,
  mayRepeat: false,
  backoffMs: 0,
}
const timeouts = { requestMs: 30_000, tryMs: 15_000 }

const columns: readonly (readonly [outcome: Outcome, isNothingWritten: boolean])[] = [
  ['connect-failure', true],
  ['connect-failure', false],
  [521, false],
  [502, false],
  [503, false],
  [504, false],
  ['timeout', false],
  ['timeout', true],
  [522, false],
  [520, false],
  ['reset', false],
  [500, false],
]

/** One column for each of `columns`: `+` is tried again, `.` is not. */
const byDefault: readonly (readonly [method: string, body: Body, retried: string])[] = [
  ['GET', 'none', '+++++.......'],
  ['GET', 'buffered', '+++++.......'],
  ['GET', 'streamed', '+...........'],
  ['HEAD', 'none', '+++++.......'],
  ['OPTIONS', 'none', '+++++.......'],
  ['TRACE', 'none', '+++++.......'],
  ['PUT', 'none', '+++++.......'],
  ['PUT', 'buffered', '+++++.......'],
  ['PUT', 'streamed', '+...........'],
  ['DELETE', 'none', '+++++.......'],
  ['DELETE', 'buffered', '+++++.......'],
  ['DELETE', 'streamed', '+...........'],
  ['POST', 'none', '+...........'],
  ['POST', 'buffered', '+...........'],
  ['POST', 'streamed', '+...........'],
  ['PATCH', 'none', '+...........'],
  ['PATCH', 'buffered', '+...........'],
  ['PATCH', 'streamed', '+...........'],
  ['PROPFIND', 'none', '+...........'],
  ['get', 'none', '+...........'],
]

const withUnsafe: typeof byDefault = [
  ['POST', 'none', '+++++.......'],
  ['POST', 'buffered', '+++++.......'],
  ['POST', 'streamed', '+...........'],
  ['PATCH', 'buffered', '+++++.......'],
  ['PATCH', 'streamed', '+...........'],
  ['GET', 'none', '+++++.......'],
]

const withEverythingNamed: typeof byDefault = [
  ['GET', 'none', '++++++++++++'],
  ['PUT', 'buffered', '++++++++++++'],
  ['PUT', 'streamed', '+...........'],
  ['POST', 'buffered', '+...........'],
]

test.each(byDefault)('by default a %s with body %s is tried again on %s', (method, body, retried) => {
  expect(row(defaults, method, body)).toBe(retried)
})

test.each(withUnsafe)('with unsafe a %s with body %s is tried again on %s', (method, body, retried) => {
  expect(row({ ...defaults, isUnsafe: true }, method, body)).toBe(retried)
})

test.each(withEverythingNamed)('with all named a %s with body %s is tried again on %s', (method, body, retried) => {
  const on = ['connect-failure', 'ambiguous', 'sent', 'timeout', 'reset', '5xx']
  expect(row({ ...defaults, on }, method, body)).toBe(retried)
})

test('with nothing named nothing is tried again, not even what was never written', () => {
  expect(row({ ...defaults, on: [] }, 'GET', 'none')).toBe('............')
})

test('a flow is tried again on connect failure and timeout, whatever was written', () => {
  const plan = planFlow(3, 2_000, 1)
  expect(mayRetry(plan, 'connect-failure', false)).toBe(true)
  expect(mayRetry(plan, 'timeout', false)).toBe(true)
  expect(mayRetry(plan, 'reset', false)).toBe(false)
})

test('a body is kept only when it could be sent again and fits', () => {
  expect(bodyOf(defaults, 'PUT', true, 65_536)).toBe('buffered')
  expect(bodyOf(defaults, 'PUT', true, 65_537)).toBe('streamed')
  expect(bodyOf(defaults, 'PUT', true, undefined)).toBe('streamed')
  expect(bodyOf(defaults, 'PUT', true, 0)).toBe('none')
  expect(bodyOf(defaults, 'DELETE', false, undefined)).toBe('none')
  expect(bodyOf(defaults, 'POST', true, 10)).toBe('streamed')
  expect(bodyOf({ ...defaults, isUnsafe: true }, 'POST', true, 10)).toBe('buffered')
  expect(bodyOf({ ...defaults, attempts: 1 }, 'PUT', true, 10)).toBe('streamed')
})

function row(retry: typeof defaults, method: string, body: Body): string {
  const plan = planHttp(retry, timeouts, method, body, 1)
  return columns.map(([outcome, isNothingWritten]) => (mayRetry(plan, outcome, isNothingWritten) ? '+' : '.')).join('')
}
