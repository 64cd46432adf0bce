import fc from 'fast-check'
import { expect, test } from 'vitest'
import { pickCookies, privately, serializeCookie } from '../../../shared/http/cookies.ts'

test.each([
  ['a=1; b=2', ['1', '2']],
  ['b=2;a=1', ['1', '2']],
  ['a=1, b=2', ['1', '2']],
  ['x=0; a=1, x=3; b=2', ['1', '2']],
  ['a=1; a=9; b=', ['1', '']],
  ['a="quoted"; b="', ['quoted', '"']],
  ['a=x%20y; b=%E0%A4%A', ['x y', '%E0%A4%A']],
  ['a=1,2; b={"k":1,"l":2}', ['1,2', '{"k":1,"l":2}']],
  ['  a = 1 ; A=3', ['1', undefined]],
  ['a; b', [undefined, undefined]],
  ['ab=1; ba=2', [undefined, undefined]],
  ['', [undefined, undefined]],
  [null, [undefined, undefined]],
])('in %j a and b are %j', (header, picked) => {
  expect(pickCookies(header, ['a', 'b'])).toEqual(picked)
})

test('names of the object prototype are names like others', () => {
  expect(pickCookies('a=1', ['__proto__', 'constructor', 'toString'])).toEqual([undefined, undefined, undefined])
  expect(pickCookies('__proto__=1; constructor=2', ['__proto__', 'constructor'])).toEqual(['1', '2'])
})

test('an absurd header is read up to 32 KiB, in whole cookies', () => {
  const header = `a=1; ${'x=y; '.repeat(6_600)}b=2`
  expect(pickCookies(header, ['a', 'b', 'x'])).toEqual(['1', undefined, 'y'])
  expect(pickCookies(`b=${'2'.repeat(40_000)}`, ['b'])).toEqual([undefined])
})

test('any header is read without an exception', () => {
  const unit = fc.constantFrom('a', 'b', '=', ';', ',', ' ', '"', '%', '2', '\t', 'é', '\ud800')
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit, maxLength: 80 }),
        fc.string({ unit: fc.nat(0xffff).map(code => String.fromCharCode(code)) }),
      ),
      header => {
        for (const value of pickCookies(header, ['a', 'b', ''])) expect(['string', 'undefined']).toContain(typeof value)
      },
    ),
    { seed: 6265, numRuns: 2_000 },
  )
})

test('our cookies have one set of attributes', () => {
  const cookie = { name: 'fs_id', value: 'a.b-c_d~e', maxAgeS: 2_592_000 }
  const attributes = (line: string) => line.split('; ').sort()
  expect(attributes(serializeCookie(cookie, false))).toEqual([
    'HttpOnly',
    'Max-Age=2592000',
    'Path=/',
    'SameSite=Lax',
    'fs_id=a.b-c_d~e',
  ])
  expect(attributes(serializeCookie(cookie, true))).toContain('Secure')
  expect(serializeCookie({ ...cookie, maxAgeS: 0 }, true)).toContain('Max-Age=0')
})

test('any value comes back as it was set, and none adds an attribute or a line', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: fc.nat(0xffff).map(code => String.fromCharCode(code)) }),
        fc.constant('x; Domain=evil\r\nSet-Cookie: y=1'),
      ),
      value => {
        const line = serializeCookie({ name: 'a', value, maxAgeS: 60 }, true)
        expect(line).toMatch(
          /^a=[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*; Max-Age=60; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
        )
        const back = value.replace(/\p{Surrogate}/gu, '\ufffd')
        expect(pickCookies(line.slice(0, line.indexOf(';')), ['a'])).toEqual([back])
      },
    ),
    { seed: 42, numRuns: 1_000 },
  )
})

test.each([
  [null, 'private'],
  ['', 'private'],
  ['max-age=60', 'max-age=60, private'],
  ['public, max-age=60, s-maxage=600', 'max-age=60, private'],
  ['no-cache', 'no-cache, private'],
  ['private, max-age=60', undefined],
  ['No-Store', undefined],
])('an answer with a cookie of ours and Cache-Control %s is told to shared caches as %s', (given, expected) => {
  expect(privately(given)).toBe(expected)
})
