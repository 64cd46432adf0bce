// What the contract table cannot ask: origins that no browser sends.

import { expect, test } from 'vitest'
import { allowedOrigin, preflightFields } from '../../../shared/http/cors.ts'
import { compileCors } from '../../../shared/table/cors.ts'

const base = { methods: ['GET'], headers: [], expose: [], hasCredentials: false, maxAgeS: 5 }
const cors = (origins: string[], more = {}) => compileCors({ ...base, origins, ...more })!

test('only an origin is echoed, never what merely looks like one', () => {
  const any = cors(['*'], { hasCredentials: true })
  for (const origin of ['https://a.test', 'http://[::1]:80', 'null', 'capacitor://localhost']) {
    expect(allowedOrigin(any, origin)).toBe(origin)
  }
  for (const said of ['', 'a.test', 'https://a.test/', 'https://a.test, https://b.test', 'https://a\u00e9.test']) {
    expect(allowedOrigin(any, said), said).toBeUndefined()
  }
})

test('a star stands for labels and nothing else', () => {
  const wild = cors(['https://*.a.test'])
  for (const said of [
    'https://.a.test',
    'https://x@y.a.test',
    'https://x:1.a.test',
    'https://x..a.test',
    'https://a.test',
  ]) {
    expect(allowedOrigin(wild, said), said).toBeUndefined()
  }
  expect(allowedOrigin(wild, 'https://x-1.y_2.a.test')).toBe('https://x-1.y_2.a.test')
})

test('null is allowed only where any origin is', () => {
  expect(allowedOrigin(cors(['https://a.test']), 'null')).toBeUndefined()
})

test('what a preflight asks for is echoed only when it may stand in a field', () => {
  const echo = cors(['*'], { hasCredentials: true, methods: ['*'], headers: ['*'] })
  const fields = new Map(preflightFields(echo, 'https://a.test', 'PATCH\u00e9', 'x-a, "x"'))
  expect(fields.has('access-control-allow-methods')).toBe(false)
  expect(fields.has('access-control-allow-headers')).toBe(false)
})
