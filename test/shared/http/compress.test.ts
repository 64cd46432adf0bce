import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  acceptedEncodings,
  chooseEncoding,
  encodingFor,
  setEncoded,
  setVaryEncoding,
} from '../../../shared/http/compress.ts'

const rule = { types: ['text/*', 'application/json'], minBytes: 1024 }

describe('the encoding that a client gets', () => {
  test.each([
    [null, undefined],
    ['', undefined],
    ['gzip', 'gzip'],
    ['gzip, br', 'br'],
    ['gzip;q=1.0, br;q=0.5', 'gzip'],
    ['br;q=0', undefined],
    ['br;q=0, *', 'gzip'],
    ['*', 'br'],
    ['*;q=0', undefined],
    ['identity', undefined],
    ['identity, gzip;q=0.5', undefined],
    ['identity;q=0.5, gzip', 'gzip'],
    ['GZIP', 'gzip'],
    ['x-gzip', 'gzip'],
    ['gzip;q=2', undefined],
    ['deflate', undefined],
    ['br ; Q=0.001', 'br'],
  ] as const)('for Accept-Encoding %j is %s', (accepted, encoding) => {
    expect(chooseEncoding(accepted, ['br', 'gzip'])).toBe(encoding)
  })

  test('is one that was offered, whatever the client writes', () => {
    fc.assert(
      fc.property(fc.string(), text => {
        expect([undefined, 'br', 'gzip']).toContain(chooseEncoding(text, ['br', 'gzip']))
      }),
    )
  })
})

describe('an answer', () => {
  const fields = (more: Record<string, string>) => new Headers({ 'content-type': 'text/html; charset=utf-8', ...more })
  const ask = (more: Record<string, string>, status = 200, method = 'GET') =>
    encodingFor(rule, method, status, fields(more), 'br, gzip', ['br', 'gzip'])

  test('of a listed type is compressed', () => expect(ask({})).toBe('br'))
  test('as long as the bound is compressed', () => expect(ask({ 'content-length': '1024' })).toBe('br'))
  test('that is shorter stays', () => expect(ask({ 'content-length': '1023' })).toBeUndefined())
  test('of another type stays', () => expect(ask({ 'content-type': 'image/png' })).toBeUndefined())
  test('that is encoded already stays', () => expect(ask({ 'content-encoding': 'gzip' })).toBeUndefined())
  test('that says no-transform stays', () => expect(ask({ 'cache-control': 'public, no-transform' })).toBeUndefined())
  test('that is a part stays', () => expect(ask({ 'content-range': 'bytes 0-1/9' }, 206)).toBeUndefined())
  test('without a body stays', () => expect(ask({}, 304)).toBeUndefined())
  test('that streams events stays', () => expect(ask({ 'content-type': 'text/event-stream' })).toBeUndefined())
  test('to HEAD says that there are others', () => expect(ask({}, 200, 'HEAD')).toBe('vary'))

  test('loses its length and keeps a weak validator once it is encoded', () => {
    const edited = fields({ 'content-length': '2000', 'accept-ranges': 'bytes', etag: '"a"' })
    setEncoded(edited, 'gzip')
    expect(Object.fromEntries(edited)).toEqual({
      'content-encoding': 'gzip',
      'content-type': 'text/html; charset=utf-8',
      etag: 'W/"a"',
    })
  })

  test.each([
    [undefined, 'Accept-Encoding'],
    ['Origin', 'Origin, Accept-Encoding'],
    ['accept-encoding', 'accept-encoding'],
    ['*', '*'],
  ])('with Vary %j says Vary: %s', (before, after) => {
    const edited = fields(before === undefined ? {} : { vary: before })
    setVaryEncoding(edited)
    expect(edited.get('vary')).toBe(after)
  })
})

test('a client that asks for no change on the way gets nothing encoded', () => {
  expect(
    acceptedEncodings(new Headers({ 'accept-encoding': 'br', 'cache-control': 'max-age=0, no-transform' })),
  ).toBeNull()
  expect(acceptedEncodings(new Headers({ 'accept-encoding': 'br', 'cache-control': 'max-age=0' }))).toBe('br')
  expect(
    acceptedEncodings(new Headers({ 'accept-encoding': 'br', 'cache-control': 'no-transform' }), 'gzip'),
  ).toBeNull()
  expect(acceptedEncodings(new Headers({ 'accept-encoding': 'br' }), 'gzip')).toBe('gzip')
})
