import fc from 'fast-check'
import { expect, test } from 'vitest'
import { normalizePath, redirectLocation, rewritePath } from '../../../shared/http/paths.ts'

test.each([
  ['/', '/'],
  ['/abc', '/abc'],
  ['/%7Esmith/%61bc', '/~smith/abc'],
  ['/a%2fb%c3%a9', '/a%2Fb%C3%A9'],
  ['/a%2Fb', '/a%2Fb'],
  ['/a//b/', '/a//b/'],
  ['/a/b/c/./../../g', '/a/g'],
  ['/mid/content=5/../6', '/mid/6'],
  ['/a/%2e%2E/b', '/b'],
  ['/a/%2e', '/a/'],
  ['/a/..', '/'],
  ['/a/b/..', '/a/'],
  ['/../../a', '/a'],
  ['/a//../b', '/a/b'],
  ['/.well-known/x', '/.well-known/x'],
  ['/a..b/...', '/a..b/...'],
  ['/..%2Fa', '/..%2Fa'],
  ['/%zz%4', '/%25zz%254'],
  ['/a/%%32e%%32e/b', '/a/%252e%252e/b'],
  ['/%25%36%31', '/%2561'],
  ['*', '*'],
  ['', ''],
])('%s has the one spelling %s', (path, normal) => {
  expect(normalizePath(path)).toBe(normal)
})

test('a normal path is normal, starts with a slash and has no dot segment', () => {
  const unit = fc.constantFrom('/', '.', '%', '2', 'e', 'E', 'F', 'a', '%2e', '%2F', '%41')
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 30 }), text => {
      const path = normalizePath(`/${text}`)
      expect(normalizePath(path)).toBe(path)
      expect(path.startsWith('/')).toBe(true)
      expect(path.split('/').some(segment => segment === '.' || segment === '..')).toBe(false)
    }),
    { seed: 3986, numRuns: 2_000 },
  )
})

test.each([
  // Gateway API, HTTPPathModifier.replacePrefixMatch.
  ['/foo/bar', '/foo', '/xyz', '/xyz/bar'],
  ['/foo/bar', '/foo', '/xyz/', '/xyz/bar'],
  ['/foo/bar', '/foo/', '/xyz', '/xyz/bar'],
  ['/foo/bar', '/foo/', '/xyz/', '/xyz/bar'],
  ['/foo', '/foo', '/xyz', '/xyz'],
  ['/foo/', '/foo', '/xyz', '/xyz/'],
  ['/foo/bar', '/foo', '', '/bar'],
  ['/foo/', '/foo', '', '/'],
  ['/foo', '/foo', '', '/'],
  ['/foo/', '/foo', '/', '/'],
  ['/foo', '/foo', '/', '/'],
  // And ours.
  ['/foo/bar', '/foo', '/', '/bar'],
  ['/bar', '/', '/xyz', '/xyz/bar'],
  ['/', '/', '/xyz', '/xyz/'],
  ['/foo//evil.example', '/foo', '/', '/evil.example'],
  ['/foo/\\evil.example', '/foo', '/', '/evil.example'],
  ['/foo//a', '/foo', '/xyz', '/xyz//a'],
])('%s with prefix %s rewritten to %j is %s', (path, matched, value, rewritten) => {
  expect(rewritePath(path, { kind: 'prefix', value }, matched)).toBe(rewritten)
})

test('a path rewrite takes the whole path', () => {
  expect(rewritePath('/a/b', { kind: 'path', value: '/c' }, '/a')).toBe('/c')
  expect(rewritePath('/a/b', { kind: 'path', value: '' }, '/a')).toBe('/')
})

const facts = { scheme: 'http', host: 'app.example', port: 0, path: '/a/b', search: '?q=1' } as const
const unchanged = { scheme: undefined, host: undefined, port: undefined, path: undefined, status: 302 } as const

test.each([
  [{ scheme: 'https' }, {}, 'https://app.example/a/b?q=1'],
  [{ scheme: 'https' }, { port: 8080 }, 'https://app.example/a/b?q=1'],
  [{ scheme: 'https', port: 8443 }, {}, 'https://app.example:8443/a/b?q=1'],
  [{ scheme: 'https', port: 443 }, {}, 'https://app.example/a/b?q=1'],
  [{ scheme: 'https', port: 80 }, {}, 'https://app.example:80/a/b?q=1'],
  [{ host: 'www.example' }, {}, 'http://www.example/a/b?q=1'],
  [{ host: 'www.example' }, { port: 8080 }, 'http://www.example:8080/a/b?q=1'],
  [{ port: 80 }, { port: 8080 }, 'http://app.example/a/b?q=1'],
  [{ path: { kind: 'path', value: '/new' } }, {}, 'http://app.example/new?q=1'],
  [{ path: { kind: 'path', value: '/new?x=2#y' } }, {}, 'http://app.example/new?x=2#y'],
  [{ path: { kind: 'prefix', value: '/z' } }, {}, 'http://app.example/z/b?q=1'],
  [{ path: { kind: 'prefix', value: '/' } }, { path: '/a//evil.example' }, 'http://app.example/evil.example?q=1'],
  [{}, { path: '//evil.example' }, 'http://app.example//evil.example?q=1'],
  [{}, { host: '[2001:db8::1]', port: 81 }, 'http://[2001:db8::1]:81/a/b?q=1'],
  [{ host: '2001:db8::1' }, {}, 'http://[2001:db8::1]/a/b?q=1'],
  [{}, { host: 'x/evil@y', path: '//evil.example' }, '/evil.example?q=1'],
  [{}, { path: '/a b\r\nX: y', search: '' }, 'http://app.example/a%20b%0D%0AX:%20y'],
  [{}, { path: '/é\ud800', search: '' }, 'http://app.example/%C3%A9%EF%BF%BD'],
] as const)('the redirect %j of %j goes to %s', (redirect, changed, location) => {
  expect(redirectLocation({ ...unchanged, ...redirect }, { ...facts, ...changed }, '/a')).toBe(location)
})

test('no request makes a redirect leave for another host, or breaks a line', () => {
  const unit = fc.constantFrom('/', '\\', '@', ':', '.', '?', '#', ' ', '\r', '\n', '\t', 'evil', 'http://', '[', ']')
  const text = fc.string({ unit, maxLength: 12 })
  fc.assert(
    fc.property(text, text, text, fc.constantFrom(undefined, '/', '/z'), (path, search, host, prefix) => {
      const replaced = prefix === undefined ? undefined : ({ kind: 'prefix', value: prefix } as const)
      const from = (name: string) =>
        redirectLocation(
          { ...unchanged, path: replaced },
          { ...facts, host: name, path: `/a${path}`, search: `?${search}` },
          '/a',
        )
      const location = from('app.example')
      expect(location).toMatch(/^[\x21-\x7e]+$/)
      expect(new URL(location, 'http://app.example').host).toBe('app.example')
      const strange = from(`${host}@app.example`)
      expect(new URL(strange, 'http://app.example').host).toBe('app.example')
    }),
    { seed: 601, numRuns: 2_000 },
  )
})
