import fc from 'fast-check'
import { expect, test } from 'vitest'
import { removeHopByHop } from '../../../shared/http/hop-by-hop.ts'

test('fields about the connection, and those named in Connection, stay behind', () => {
  const fields = new Headers({
    Connection: 'close, X-Secret , keep-alive,,x-other',
    'Keep-Alive': 'timeout=5',
    'Proxy-Connection': 'keep-alive',
    'Proxy-Authorization': 'Basic Zm9vOmJhcg==',
    'Proxy-Authenticate': 'Basic',
    'Proxy-Authentication-Info': 'x',
    TE: 'trailers',
    Trailer: 'x',
    'Transfer-Encoding': 'chunked',
    Expect: '100-continue',
    'HTTP2-Settings': 'AAMAAABkAAQAAP__',
    Upgrade: 'h2c',
    'X-Secret': '1',
    'X-Other': '2',
    'X-Kept': '3',
    'CDN-Loop': 'cloudflare',
  })
  expect(removeHopByHop(fields, true)).toBe(false)
  expect([...fields]).toEqual([
    ['cdn-loop', 'cloudflare'],
    ['x-kept', '3'],
  ])
})

test('Connection cannot remove what routing, identity and security rest on', () => {
  const fields = new Headers({
    connection: 'host, cookie, authorization, x-forwarded-for, content-length, X-Real-User',
    host: 'app.example',
    cookie: 'a=1',
    authorization: 'Bearer x',
    'x-forwarded-for': '192.0.2.1',
    'content-length': '3',
    'x-real-user': 'root',
  })
  removeHopByHop(fields, false)
  expect([...fields.keys()]).toEqual(['authorization', 'content-length', 'cookie', 'host', 'x-forwarded-for'])
})

test('an upgrade to WebSocket is kept when the door can pass it on, and only that one', () => {
  const upgrade = (value: string) => new Headers({ connection: 'Upgrade', upgrade: value })
  const kept = upgrade('WebSocket')
  expect(removeHopByHop(kept, true)).toBe(true)
  expect([...kept]).toEqual([['upgrade', 'WebSocket']])
  for (const [fields, keepsUpgrade] of [
    [upgrade('websocket'), false],
    [upgrade('h2c'), true],
    [upgrade('websocket, h2c'), true],
    [upgrade('TLS/1.0'), true],
  ] as const) {
    expect(removeHopByHop(fields, keepsUpgrade)).toBe(false)
    expect([...fields]).toEqual([])
  }
  const named = new Headers({ connection: 'keep-alive, Upgrade', upgrade: 'websocket' })
  expect(removeHopByHop(named, true)).toBe(true)
  expect(named.get('upgrade')).toBe('websocket')
})

test('ten thousand names cost one pass', () => {
  const names = Array.from({ length: 10_000 }, (_, index) => `x-${index}`)
  const fields = new Headers({ connection: names.join(','), 'x-9999': 'last', 'x-10000': 'not named' })
  removeHopByHop(fields, false)
  expect([...fields.keys()]).toEqual(['x-10000'])
})

test('several Set-Cookie stay apart and whole', () => {
  const fields = new Headers({ connection: 'set-cookie, x-a', 'x-a': '1' })
  fields.append('set-cookie', 'a=1; Expires=Wed, 09 Jun 2027 10:18:14 GMT')
  fields.append('set-cookie', 'b=2')
  removeHopByHop(fields, false)
  expect(fields.getSetCookie()).toEqual(['a=1; Expires=Wed, 09 Jun 2027 10:18:14 GMT', 'b=2'])
})

test('no hop-by-hop field and no named one ever passes; all others do', () => {
  const hop = [
    'connection',
    'keep-alive',
    'proxy-connection',
    'te',
    'transfer-encoding',
    'proxy-authorization',
    'upgrade',
  ]
  const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,6}$/)
  fc.assert(
    fc.property(
      fc.array(name, { maxLength: 12 }),
      fc.array(name, { maxLength: 12 }),
      fc.subarray(hop.slice(1)),
      fc.constantFrom(',', ', ', ' ,\t', ',,'),
      (present, named, hops, separator) => {
        const fields = new Headers()
        for (const field of [...present, ...hops]) fields.set(field, 'v')
        fields.set('connection', [...named, ...hops].join(separator))
        removeHopByHop(fields, true)
        const gone = new Set([...hop, 'trailer', 'expect', ...named.map(field => field.toLowerCase())])
        const endToEnd = ['host', 'cookie', 'range', 'origin', 'vary', 'via', 'referer']
        for (const field of endToEnd) gone.delete(field)
        const expected = new Set(present.map(field => field.toLowerCase()).filter(field => !gone.has(field)))
        expect(new Set(fields.keys())).toEqual(expected)
      },
    ),
    { seed: 71, numRuns: 500 },
  )
})

test('every Set-Cookie stays whole and in order, whatever Connection names', () => {
  const cookie = fc.stringMatching(/^[a-c]=[!-+.-:<-~]{0,8}(; Expires=Wed, 09 Jun 2027 10:18:14 GMT)?(; Path=\/)?$/)
  fc.assert(
    fc.property(
      fc.array(cookie, { maxLength: 5 }),
      fc.subarray(['set-cookie', 'Set-Cookie', 'x-a', '']),
      (set, named) => {
        const fields = new Headers({ connection: named.join(','), 'x-a': '1' })
        for (const value of set) fields.append('set-cookie', value)
        removeHopByHop(fields, false)
        expect(fields.getSetCookie()).toEqual(set)
      },
    ),
    { seed: 72, numRuns: 300 },
  )
})
