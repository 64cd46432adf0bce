// What the door makes of URLs and Host headers that a local run of workerd mends or refuses before us; a Worker elsewhere
// may see them.

import { describe, expect, it } from 'vitest'
import { parse } from '../../shared/config/parse.ts'
import type { DoorFacts } from '../../shared/http/request-facts.ts'
import { compile } from '../../shared/table/compile.ts'
import { readFacts } from '../../workers/facts.ts'

const { config } = parse(
  {
    listeners: {
      web: { kind: 'edge', clientAddress: 'none' },
      behind: { kind: 'edge', hostnames: ['*.behind.test'], clientAddress: { trustedProxies: ['10.0.0.0/8'] } },
    },
    pools: { app: { endpoints: ['http://127.0.0.1:9'] } },
    routes: [{ name: 'app', pool: 'app', match: { query: { q: 'x' }, cookie: { c: 'x' }, header: { 'X-H': 'x' } } }],
  },
  { variables: {} },
)
const table = compile(config)

describe('a URL is read', () => {
  const cases: readonly [url: string, facts: Partial<DoorFacts>][] = [
    ['http://app.test', { scheme: 'http', host: 'app.test', port: 0, path: '/', search: '' }],
    ['https://APP.test.:8443/a?b=/c', { scheme: 'https', host: 'app.test', port: 8443, path: '/a', search: '?b=/c' }],
    ['http://app.test?b=/c', { host: 'app.test', path: '/', search: '?b=/c' }],
    ['http://[2001:DB8::0:1]:80/', { host: '[2001:db8::1]', port: 80 }],
    ['http://app.test/a/%2e%2e/%62', { path: '/b' }],
    ['http://app.test//a', { path: '//a' }],
  ]
  for (const [url, facts] of cases) {
    it(url, () => expect(factsOf(url)).toMatchObject({ ...facts, isMalformed: false }))
  }
})

describe('malformed is', () => {
  const cases: readonly [what: string, url: string, host?: string][] = [
    ['a host with a slash that the URL hides', 'http://x/evil@y/', 'x/evil@y'],
    ['a user before the host', 'http://user@app.test/'],
    ['an empty label', 'http://app..test/'],
    ['no host', 'http:///'],
    ['a port beyond 65535', 'http://app.test:65536/'],
    ['a bracket left open', 'http://[::1/'],
    ['an IPv4 address in brackets', 'http://[127.0.0.1]/'],
    ['a host longer than any name', `http://${'a.'.repeat(127)}ab/`],
    ['a backslash, which fetch reads as a slash', 'http://app.test/public\\..\\admin'],
    ['a tab, which fetch drops', 'http://app.test/.\t./admin'],
    ['a fragment, where fetch would cut', 'http://app.test/admin#/public'],
    ['a space', 'http://app.test/a b'],
  ]
  for (const [what, url, host] of cases) it(what, () => expect(factsOf(url, { host }).isMalformed).toBe(true))
})

it('only what the table needs is read', () => {
  const headers = { 'x-h': '1', 'x-other': '2', cookie: 'c=3; d=4', host: 'app.test' }
  const facts = factsOf('http://app.test/?q=a%20b&r=1', headers)
  expect([facts.headers, facts.cookies, facts.queries]).toEqual([['1'], ['3'], ['a b']])
})

it('the most specific listener says who the client is', () => {
  const headers = { 'x-forwarded-for': '192.0.2.1, 10.0.0.1', 'x-forwarded-proto': 'https', 'x-request-id': 'theirs' }
  const trusting = factsOf('http://a.behind.test/', headers)
  expect(trusting).toMatchObject({
    listener: 'behind',
    clientAddress: '192.0.2.1',
    scheme: 'https',
    requestId: 'theirs',
  })
  const trustless = factsOf('http://app.test/', headers)
  expect(trustless).toMatchObject({ listener: 'web', clientAddress: undefined, scheme: 'http' })
  expect(trustless.requestId).not.toBe('theirs')
})

/** Not a `Request`: that of Node mends the URL. */
function factsOf(url: string, headers: Readonly<Record<string, string | undefined>> = {}): DoorFacts {
  const get = (name: string) => headers[name] ?? null
  return readFacts({ url, method: 'GET', headers: { get } } as never, table, [], 1_000)
}
