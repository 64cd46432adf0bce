// The contract: what a request or flow gets, one line a case. The same table runs through the core, through the Worker in
// workerd and through the relay. Every pool has the endpoint of its own name, at `${NAME}`.

import type { ConfigInput } from '../../shared/config/config.ts'

export interface Suite {
  readonly name: string
  readonly config: ConfigInput
  readonly cases: readonly Case[]
}

export interface Case {
  readonly it: string
  /** `GET http://host/path`, or `tcp LISTENER` or `tls LISTENER` for a flow. */
  readonly ask: string
  readonly with?: Readonly<Record<string, string>>
  /** What a client of a `tls` listener asks for, or its first bytes when it speaks no TLS. */
  readonly hello?: { readonly sni?: string; readonly alpn?: readonly string[] } | string
  /** Client address; for a flow a loopback address that the client binds. */
  readonly from?: string
  readonly country?: string
  readonly get: Expected
  /** What only the core can be asked: the planes cannot set it here. */
  readonly coreOnly?: true
}

export interface Expected {
  /** `route/rule`; null: no rule. */
  readonly rule: string | null
  readonly variant?: string
  /** The pool that serves; its endpoint is the only one. */
  readonly pool?: string
  readonly status?: number
  readonly reason?: string
  readonly location?: string
  /** Names of the cookies that the answer sets. */
  readonly cookies?: readonly string[]
  /** What the endpoint sees: path, or header fields; null: absent. */
  readonly sees?: { readonly path?: string; readonly headers?: Readonly<Record<string, string | null>> }
  /** Header fields of the answer. */
  readonly answer?: Readonly<Record<string, string | null>>
  /** The body of a reply. */
  readonly body?: string
}

const pools = {
  one: { endpoints: ['${ONE}'] },
  two: { endpoints: ['${TWO}'] },
  three: { endpoints: ['${THREE}'] },
} as const

const edge = { web: { kind: 'edge' } } as const

/** What every gRPC call has. */
const call = { 'content-type': 'application/grpc', te: 'trailers' }

export const suites: readonly Suite[] = [
  {
    name: 'gRPC',
    config: {
      listeners: { calls: { kind: 'http', address: '127.0.0.1:0' } },
      pools,
      routes: [
        {
          name: 'calls',
          rules: [
            { name: 'add', match: { grpc: { service: 'shop.Cart', method: 'Add' } }, pool: 'one' },
            { name: 'cart', match: { grpc: { service: 'shop.Cart' } }, pool: 'two' },
            {
              name: 'reads',
              match: { grpc: { service: { regex: 'shop\\..*' }, method: { regex: 'Get.*' } } },
              pool: 'three',
            },
            { name: 'ping', match: { grpc: { method: 'Ping' } }, pool: 'three' },
            {
              name: 'tenant',
              match: { grpc: { service: 'shop.Cart', method: 'Add' }, header: { 'x-tenant-bin': 'AQI=' } },
              pool: 'two',
            },
            { name: 'page', match: { path: '/shop.Cart' }, reply: { status: 200, body: 'a page' } },
          ],
        },
      ],
    },
    cases: [
      {
        it: 'service and method together are an exact path',
        ask: 'POST http://x.test/shop.Cart/Add',
        with: call,
        get: { rule: 'calls/add', pool: 'one' },
      },
      {
        it: 'a service takes its other methods',
        ask: 'POST http://x.test/shop.Cart/Remove',
        with: call,
        get: { rule: 'calls/cart', pool: 'two' },
      },
      {
        it: 'and no service whose name is longer',
        ask: 'POST http://x.test/shop.Carts/Remove',
        with: call,
        get: { rule: null },
      },
      {
        it: 'names are compared with case',
        ask: 'POST http://x.test/shop.cart/Remove',
        with: call,
        get: { rule: null },
      },
      {
        it: 'a regex takes whole names',
        ask: 'POST http://x.test/shop.Catalog/GetItem',
        with: call,
        get: { rule: 'calls/reads', pool: 'three' },
      },
      {
        it: 'and comes before a service alone, as regexes come before prefixes',
        ask: 'POST http://x.test/shop.Cart/GetAll',
        with: call,
        get: { rule: 'calls/reads' },
      },
      {
        it: 'a method alone is taken of any service',
        ask: 'POST http://x.test/other.Service/Ping',
        with: call,
        get: { rule: 'calls/ping' },
      },
      {
        it: 'a content type with more behind it is gRPC',
        ask: 'POST http://x.test/shop.Cart/Add',
        with: { ...call, 'content-type': 'application/grpc+proto' },
        get: { rule: 'calls/add' },
      },
      {
        it: 'metadata of bytes is compared padded or not',
        ask: 'POST http://x.test/shop.Cart/Add',
        with: { ...call, 'x-tenant-bin': 'AQI' },
        get: { rule: 'calls/tenant', pool: 'two' },
      },
      {
        it: 'and other bytes are others',
        ask: 'POST http://x.test/shop.Cart/Add',
        with: { ...call, 'x-tenant-bin': 'AQM=' },
        get: { rule: 'calls/add' },
      },
      {
        it: 'what is no POST is no call',
        ask: 'GET http://x.test/shop.Cart/Add',
        with: call,
        get: { rule: 'calls/page', status: 200 },
      },
      {
        it: 'nor is another content type, gRPC-Web not either',
        ask: 'POST http://x.test/shop.Cart/Add',
        with: { 'content-type': 'application/grpc-web' },
        get: { rule: 'calls/page', status: 200 },
      },
    ],
  },
  {
    name: 'regexes',
    config: {
      listeners: edge,
      pools,
      routes: [
        {
          name: 'regexes',
          rules: [
            { name: 'code', match: { path: { regex: '/\\u{61}b' } }, pool: 'one' },
            { name: 'upper', match: { path: '/who', header: { 'x-name': { regex: '\\p{Lu}.*' } } }, pool: 'one' },
            { name: 'cookie', match: { path: '/who', cookie: { name: { regex: '\\p{Lu}.*' } } }, pool: 'two' },
            { name: 'query', match: { path: '/asked', query: { q: { regex: '[^]*' } } }, pool: 'two' },
            { name: 'any', match: { path: { regex: '/long.*' } }, pool: 'three' },
          ],
        },
      ],
    },
    cases: [
      { it: 'a code point in braces is that character', ask: 'GET http://x.test/ab', get: { rule: 'regexes/code' } },
      {
        it: 'and not the letter u so many times',
        ask: `GET http://x.test/${'u'.repeat(61)}b`,
        get: { rule: null },
      },
      {
        it: 'a Unicode property holds for a header',
        ask: 'GET http://x.test/who',
        with: { 'x-name': 'Ada' },
        get: { rule: 'regexes/upper' },
      },
      {
        it: 'and does not for one without it',
        ask: 'GET http://x.test/who',
        with: { 'x-name': 'p{Lu}' },
        get: { rule: null },
      },
      {
        it: 'a Unicode property holds for a cookie',
        ask: 'GET http://x.test/who',
        with: { cookie: 'name=Ada' },
        get: { rule: 'regexes/cookie' },
      },
      {
        it: 'a regex takes a path of 2,048 characters',
        ask: `GET http://x.test/long${'a'.repeat(2_043)}`,
        get: { rule: 'regexes/any' },
      },
      { it: 'and none of more', ask: `GET http://x.test/long${'a'.repeat(2_044)}`, get: { rule: null } },
      {
        it: 'a regex takes a header of 2,048 characters',
        ask: 'GET http://x.test/who',
        with: { 'x-name': `A${'b'.repeat(2_047)}` },
        get: { rule: 'regexes/upper' },
      },
      {
        it: 'and none that is longer',
        ask: 'GET http://x.test/who',
        with: { 'x-name': `A${'b'.repeat(2_048)}` },
        get: { rule: null },
      },
      {
        it: 'a regex takes a value of a query',
        ask: 'GET http://x.test/asked?q=a%20b',
        get: { rule: 'regexes/query' },
      },
      { it: 'but none with a line break', ask: 'GET http://x.test/asked?q=a%0Ab', get: { rule: null } },
    ],
  },
  {
    name: 'paths',
    config: {
      listeners: edge,
      pools,
      routes: [
        {
          name: 'paths',
          rules: [
            { name: 'root', match: { path: '/' }, pool: 'one' },
            { name: 'api', match: { path: '/api' }, pool: 'one' },
            { name: 'api-v1', match: { path: '/api/v1/' }, pool: 'one' },
            { name: 'api-v1-users', match: { path: '/api/v1/users' }, pool: 'one' },
            { name: 'exact', match: { path: { exact: '/api/v1/users' } }, pool: 'two' },
            { name: 'exact-slash', match: { path: { exact: '/exact/' } }, pool: 'two' },
            { name: 'exact-root', match: { path: { exact: '/' } }, pool: 'two' },
            { name: 'digits', match: { path: { regex: '/items/[0-9]+' } }, pool: 'three' },
            { name: 'digits-long', match: { path: { regex: '/items/[0-9]{3,8}' } }, pool: 'three' },
            { name: 'items', match: { path: '/items' }, pool: 'one' },
            { name: 'images', match: { path: { regex: '/static/.*\\.png' } }, pool: 'three' },
            { name: 'static', match: { path: '/static/images/deep' }, pool: 'one' },
            { name: 'encoded', match: { path: '/a%2Fb' }, pool: 'two' },
            { name: 'tilde', match: { path: '/~home' }, pool: 'two' },
            { name: 'long', match: { path: '/apiary/bees' }, pool: 'two' },
          ],
        },
      ],
    },
    cases: [
      {
        it: 'the prefix / takes what nothing else takes',
        ask: 'GET http://x.test/other',
        get: { rule: 'paths/root', pool: 'one' },
      },
      {
        it: 'an exact / comes before the prefix /',
        ask: 'GET http://x.test/',
        get: { rule: 'paths/exact-root', pool: 'two' },
      },
      { it: 'a prefix takes itself', ask: 'GET http://x.test/api', get: { rule: 'paths/api' } },
      { it: 'a prefix takes itself with a slash', ask: 'GET http://x.test/api/', get: { rule: 'paths/api' } },
      { it: 'a prefix takes what is under it', ask: 'GET http://x.test/api/def', get: { rule: 'paths/api' } },
      { it: 'a prefix never takes a longer element', ask: 'GET http://x.test/apis', get: { rule: 'paths/root' } },
      {
        it: 'a prefix never takes a longer element with more behind it',
        ask: 'GET http://x.test/apis/v1',
        get: { rule: 'paths/root' },
      },
      { it: 'a prefix never takes a shorter path', ask: 'GET http://x.test/ap', get: { rule: 'paths/root' } },
      {
        it: 'a prefix with a slash at its end takes the path without it',
        ask: 'GET http://x.test/api/v1',
        get: { rule: 'paths/api-v1' },
      },
      {
        it: 'the longest prefix wins',
        ask: 'GET http://x.test/api/v1/users/7',
        get: { rule: 'paths/api-v1-users', pool: 'one' },
      },
      {
        it: 'an exact path comes before the prefix of the same length',
        ask: 'GET http://x.test/api/v1/users',
        get: { rule: 'paths/exact', pool: 'two' },
      },
      {
        it: 'an exact path takes nothing but itself',
        ask: 'GET http://x.test/api/v1/users/',
        get: { rule: 'paths/api-v1-users' },
      },
      { it: 'an exact path keeps its slash', ask: 'GET http://x.test/exact/', get: { rule: 'paths/exact-slash' } },
      {
        it: 'an exact path with a slash does not take the path without',
        ask: 'GET http://x.test/exact',
        get: { rule: 'paths/root' },
      },
      {
        it: 'a prefix falls back to the next shorter one',
        ask: 'GET http://x.test/api/v2/users',
        get: { rule: 'paths/api' },
      },
      {
        it: 'a regex comes before a prefix, however long',
        ask: 'GET http://x.test/static/images/deep/a.png',
        get: { rule: 'paths/images', pool: 'three' },
      },
      {
        it: 'the prefix takes what the regex does not',
        ask: 'GET http://x.test/static/images/deep/a.gif',
        get: { rule: 'paths/static' },
      },
      { it: 'the longer regex comes first', ask: 'GET http://x.test/items/1234', get: { rule: 'paths/digits-long' } },
      {
        it: 'the shorter regex takes what the longer does not',
        ask: 'GET http://x.test/items/12',
        get: { rule: 'paths/digits' },
      },
      {
        it: 'a regex has to match the whole path',
        ask: 'GET http://x.test/items/12/parts',
        get: { rule: 'paths/items' },
      },
      { it: 'paths are compared with case', ask: 'GET http://x.test/API', get: { rule: 'paths/root' } },
      {
        it: 'dot segments are gone before the match',
        ask: 'GET http://x.test/other/../api/x',
        get: { rule: 'paths/api' },
      },
      {
        it: 'encoded dot segments are gone too',
        ask: 'GET http://x.test/other/%2e%2e/api/x',
        get: { rule: 'paths/api' },
      },
      { it: 'no dot segment climbs above the root', ask: 'GET http://x.test/../../api', get: { rule: 'paths/api' } },
      { it: '%2F stays %2F', ask: 'GET http://x.test/a%2Fb', get: { rule: 'paths/encoded' } },
      { it: '%2f is compared as %2F', ask: 'GET http://x.test/a%2fb/c', get: { rule: 'paths/encoded' } },
      { it: '%2F is no slash', ask: 'GET http://x.test/api%2Fv1', get: { rule: 'paths/root' } },
      { it: 'an encoded letter is the letter', ask: 'GET http://x.test/%61pi/x', get: { rule: 'paths/api' } },
      { it: 'an encoded tilde is a tilde', ask: 'GET http://x.test/%7Ehome', get: { rule: 'paths/tilde' } },
      { it: 'a double slash is left alone', ask: 'GET http://x.test//api', get: { rule: 'paths/root' } },
      {
        it: 'a double slash after the prefix is under it',
        ask: 'GET http://x.test/api//v1',
        get: { rule: 'paths/api' },
      },
      {
        it: 'the query is no part of the path',
        ask: 'GET http://x.test/api?x=/api/v1/users',
        get: { rule: 'paths/api' },
      },
      {
        it: 'a query right after the prefix is not part of it',
        ask: 'GET http://x.test/apiary/bees?y',
        get: { rule: 'paths/long' },
      },
      {
        it: 'two rules with a common beginning part where they differ',
        ask: 'GET http://x.test/apiary/bee',
        get: { rule: 'paths/root' },
      },
      {
        it: 'a path parameter is part of its element',
        ask: 'GET http://x.test/api;v=1/x',
        get: { rule: 'paths/root' },
      },
    ],
  },
  {
    name: 'hosts',
    config: {
      listeners: edge,
      pools,
      routes: [
        { name: 'any', match: { path: '/everywhere' }, pool: 'one' },
        {
          name: 'wide',
          hostnames: ['*.example.com'],
          rules: [
            { match: { path: '/' }, pool: 'one' },
            { name: 'special', match: { path: { exact: '/special' } }, pool: 'two' },
          ],
        },
        { name: 'narrow', hostnames: ['*.api.example.com'], pool: 'two' },
        { name: 'exact', hostnames: ['app.example.com'], rules: [{ match: { path: '/app' }, pool: 'three' }] },
        { name: 'both', hostnames: ['one.test', 'two.test'], pool: 'three' },
        { name: 'punycode', hostnames: ['xn--bcher-kva.test'], pool: 'two' },
      ],
    },
    cases: [
      {
        it: 'a whole hostname comes before a wildcard',
        ask: 'GET http://app.example.com/app',
        get: { rule: 'exact/0', pool: 'three' },
      },
      {
        it: 'a wildcard serves a host whose own rules do not hold',
        ask: 'GET http://app.example.com/other',
        get: { rule: 'wide/0', pool: 'one' },
      },
      {
        it: 'a whole hostname with a prefix comes before a wildcard with an exact path',
        ask: 'GET http://app.example.com/app/special',
        get: { rule: 'exact/0' },
      },
      { it: 'a wildcard takes one label', ask: 'GET http://www.example.com/', get: { rule: 'wide/0' } },
      { it: 'a wildcard takes several labels', ask: 'GET http://a.b.c.example.com/', get: { rule: 'wide/0' } },
      {
        it: 'a wildcard does not take the bare name',
        ask: 'GET http://example.com/',
        get: { rule: null, status: 404, reason: 'destination_not_found' },
      },
      {
        it: 'a wildcard does not take a name that only ends alike',
        ask: 'GET http://badexample.com/',
        get: { rule: null, status: 404 },
      },
      {
        it: 'the longer wildcard comes first',
        ask: 'GET http://v1.api.example.com/special',
        get: { rule: 'narrow/0', pool: 'two' },
      },
      {
        it: 'the longer wildcard does not take its bare name',
        ask: 'GET http://api.example.com/',
        get: { rule: 'wide/0' },
      },
      {
        it: 'an exact path within one wildcard comes before its prefix',
        ask: 'GET http://www.example.com/special',
        get: { rule: 'wide/special', pool: 'two' },
      },
      {
        it: 'a route without hostnames takes any host',
        ask: 'GET http://nowhere.test/everywhere/x',
        get: { rule: 'any/0' },
      },
      {
        it: 'a route without hostnames comes last',
        ask: 'GET http://www.example.com/everywhere',
        get: { rule: 'wide/0' },
      },
      {
        it: 'no route at all is 404',
        ask: 'GET http://nowhere.test/',
        get: { rule: null, status: 404, reason: 'destination_not_found' },
      },
      { it: 'hosts are compared without case', ask: 'GET http://APP.Example.COM/app', get: { rule: 'exact/0' } },
      { it: 'a trailing dot is no part of the host', ask: 'GET http://app.example.com./app', get: { rule: 'exact/0' } },
      { it: 'a port is no part of the host', ask: 'GET http://app.example.com:8443/app', get: { rule: 'exact/0' } },
      { it: 'a route may have several hostnames: the first', ask: 'GET http://one.test/', get: { rule: 'both/0' } },
      { it: 'a route may have several hostnames: the second', ask: 'GET http://two.test/x', get: { rule: 'both/0' } },
      {
        it: 'a subdomain of a whole hostname is not that hostname',
        ask: 'GET http://www.one.test/',
        get: { rule: null, status: 404 },
      },
      {
        it: 'names beyond ASCII are compared in their ASCII form',
        ask: 'GET http://bücher.test/',
        get: { rule: 'punycode/0' },
      },
      { it: 'an address is a host like any other', ask: 'GET http://127.0.0.1/', get: { rule: null, status: 404 } },
    ],
  },
  {
    name: 'listeners with hostnames',
    config: {
      listeners: {
        shop: { kind: 'edge', hostnames: ['shop.test', '*.shop.test'] },
        admin: { kind: 'edge', hostnames: ['admin.shop.test'] },
        rest: { kind: 'edge' },
      },
      pools,
      routes: [
        { name: 'shop', listener: 'shop', pool: 'one' },
        { name: 'cart', listener: 'shop', hostnames: ['cart.shop.test', 'elsewhere.test'], pool: 'two' },
        { name: 'admin', listener: 'admin', match: { path: '/admin' }, pool: 'three' },
        { name: 'rest', listener: 'rest', match: { path: '/ok' }, pool: 'two' },
        { name: 'everywhere', match: { path: { exact: '/ping' } }, pool: 'three' },
      ],
    },
    cases: [
      { it: 'a listener serves its hostname', ask: 'GET http://shop.test/', get: { rule: 'shop/0', pool: 'one' } },
      { it: 'a listener serves its wildcard', ask: 'GET http://www.shop.test/', get: { rule: 'shop/0' } },
      { it: 'a route narrows its listener', ask: 'GET http://cart.shop.test/', get: { rule: 'cart/0', pool: 'two' } },
      {
        it: 'the most specific listener serves a host',
        ask: 'GET http://admin.shop.test/admin',
        get: { rule: 'admin/0' },
      },
      {
        it: 'the most specific listener serves it alone: no other one helps out',
        ask: 'GET http://admin.shop.test/',
        get: { rule: null, status: 404 },
      },
      { it: 'a listener without hostnames takes the rest', ask: 'GET http://other.test/ok', get: { rule: 'rest/0' } },
      {
        it: 'a hostname of a route that its listener does not serve is not served',
        ask: 'GET http://elsewhere.test/',
        get: { rule: null, status: 404 },
      },
      {
        it: 'a route without a listener is on all: the first',
        ask: 'GET http://shop.test/ping',
        get: { rule: 'everywhere/0' },
      },
      {
        it: 'a route without a listener is on all: the second',
        ask: 'GET http://admin.shop.test/ping',
        get: { rule: 'everywhere/0' },
      },
      {
        it: 'a route without a listener is on all: the rest',
        ask: 'GET http://other.test/ping',
        get: { rule: 'everywhere/0' },
      },
    ],
  },
  {
    name: 'methods, headers, queries and cookies',
    config: {
      listeners: edge,
      pools,
      routes: [
        {
          name: 'm',
          rules: [
            { name: 'rest', match: { path: '/' }, pool: 'one' },
            { name: 'post', match: { path: '/m', method: 'POST' }, pool: 'two' },
            { name: 'put-delete', match: { path: '/m', method: ['PUT', 'DELETE'] }, pool: 'three' },
            { name: 'lower', match: { path: '/lower', method: 'post' }, pool: 'two' },
            { name: 'header', match: { path: '/h', header: { 'X-Tier': 'gold' } }, pool: 'two' },
            {
              name: 'header-regex',
              match: { path: '/h', header: { 'x-version': { regex: 'v[0-9]+' } } },
              pool: 'three',
            },
            { name: 'present', match: { path: '/present', header: { 'x-debug': { present: true } } }, pool: 'two' },
            { name: 'absent', match: { path: '/absent', header: { 'x-debug': { absent: true } } }, pool: 'two' },
            { name: 'query', match: { path: '/q', query: { page: '2' } }, pool: 'two' },
            { name: 'query-regex', match: { path: '/q', query: { lang: { regex: 'de|fr' } } }, pool: 'three' },
            { name: 'query-present', match: { path: '/qp', query: { debug: { present: true } } }, pool: 'two' },
            { name: 'query-absent', match: { path: '/qa', query: { debug: { absent: true } } }, pool: 'two' },
            { name: 'cookie', match: { path: '/c', cookie: { beta: 'yes' } }, pool: 'two' },
            { name: 'cookie-present', match: { path: '/cp', cookie: { session: { present: true } } }, pool: 'two' },
            {
              name: 'cookie-regex',
              match: { path: '/cr', cookie: { plan: { regex: '(gold|silver)-.*' } } },
              pool: 'two',
            },
            { name: 'any-of', match: [{ path: '/any1' }, { path: '/any2', method: 'POST' }], pool: 'two' },
            {
              name: 'all-of',
              match: { path: '/all', method: 'GET', header: { a: '1', b: '2' }, query: { c: '3' } },
              pool: 'two',
            },
          ],
        },
      ],
    },
    cases: [
      { it: 'a method match takes its method', ask: 'POST http://x.test/m', get: { rule: 'm/post', pool: 'two' } },
      { it: 'a method match takes no other method', ask: 'GET http://x.test/m', get: { rule: 'm/rest' } },
      { it: 'a list of methods takes the first', ask: 'PUT http://x.test/m', get: { rule: 'm/put-delete' } },
      { it: 'a list of methods takes the last', ask: 'DELETE http://x.test/m', get: { rule: 'm/put-delete' } },
      { it: 'HEAD is not GET', ask: 'HEAD http://x.test/all?c=3', with: { a: '1', b: '2' }, get: { rule: 'm/rest' } },
      { it: 'methods may be written in lower case', ask: 'POST http://x.test/lower', get: { rule: 'm/lower' } },
      {
        it: 'a header match takes its value',
        ask: 'GET http://x.test/h',
        with: { 'x-tier': 'gold' },
        get: { rule: 'm/header' },
      },
      {
        it: 'header names are compared without case',
        ask: 'GET http://x.test/h',
        with: { 'X-TIER': 'gold' },
        get: { rule: 'm/header' },
      },
      {
        it: 'header values are compared with case',
        ask: 'GET http://x.test/h',
        with: { 'x-tier': 'Gold' },
        get: { rule: 'm/rest' },
      },
      { it: 'a header that is absent does not match', ask: 'GET http://x.test/h', get: { rule: 'm/rest' } },
      {
        it: 'repeated header fields are one joined value',
        ask: 'GET http://x.test/h',
        with: { 'x-tier': 'gold, silver' },
        get: { rule: 'm/rest' },
      },
      {
        it: 'a header regex takes a whole value',
        ask: 'GET http://x.test/h',
        with: { 'x-version': 'v12' },
        get: { rule: 'm/header-regex' },
      },
      {
        it: 'a header regex does not take a part',
        ask: 'GET http://x.test/h',
        with: { 'x-version': 'v12-beta' },
        get: { rule: 'm/rest' },
      },
      {
        it: 'list order decides between two equal matches that hold',
        ask: 'GET http://x.test/h',
        with: { 'x-tier': 'gold', 'x-version': 'v1' },
        get: { rule: 'm/header' },
      },
      {
        it: 'present takes any value',
        ask: 'GET http://x.test/present',
        with: { 'x-debug': 'whatever' },
        get: { rule: 'm/present' },
      },
      { it: 'present does not take absence', ask: 'GET http://x.test/present', get: { rule: 'm/rest' } },
      { it: 'absent takes absence', ask: 'GET http://x.test/absent', get: { rule: 'm/absent' } },
      {
        it: 'absent does not take presence',
        ask: 'GET http://x.test/absent',
        with: { 'x-debug': '1' },
        get: { rule: 'm/rest' },
      },
      { it: 'a query match takes its value', ask: 'GET http://x.test/q?page=2', get: { rule: 'm/query' } },
      { it: 'a query match takes no other value', ask: 'GET http://x.test/q?page=20', get: { rule: 'm/rest' } },
      {
        it: 'the first of repeated parameters counts',
        ask: 'GET http://x.test/q?page=2&page=3',
        get: { rule: 'm/query' },
      },
      {
        it: 'a later repeated parameter does not count',
        ask: 'GET http://x.test/q?page=3&page=2',
        get: { rule: 'm/rest' },
      },
      { it: 'query names are compared with case', ask: 'GET http://x.test/q?Page=2', get: { rule: 'm/rest' } },
      { it: 'query values are decoded', ask: 'GET http://x.test/q?page=%32', get: { rule: 'm/query' } },
      {
        it: 'a query regex takes one of its alternatives',
        ask: 'GET http://x.test/q?lang=fr',
        get: { rule: 'm/query-regex' },
      },
      {
        it: 'a query regex with alternatives still takes whole values only',
        ask: 'GET http://x.test/q?lang=french',
        get: { rule: 'm/rest' },
      },
      { it: 'an empty query value is present', ask: 'GET http://x.test/qp?debug', get: { rule: 'm/query-present' } },
      { it: 'a missing parameter is absent', ask: 'GET http://x.test/qa?other=1', get: { rule: 'm/query-absent' } },
      { it: 'an empty parameter is not absent', ask: 'GET http://x.test/qa?debug=', get: { rule: 'm/rest' } },
      {
        it: 'a cookie match takes its value',
        ask: 'GET http://x.test/c',
        with: { cookie: 'beta=yes' },
        get: { rule: 'm/cookie' },
      },
      {
        it: 'a cookie among others is found',
        ask: 'GET http://x.test/c',
        with: { cookie: 'a=1; beta=yes; c=3' },
        get: { rule: 'm/cookie' },
      },
      {
        it: 'a cookie of two joined lines is found',
        ask: 'GET http://x.test/c',
        with: { cookie: 'a=1, beta=yes' },
        get: { rule: 'm/cookie' },
      },
      {
        it: 'the first of repeated cookies counts',
        ask: 'GET http://x.test/c',
        with: { cookie: 'beta=no; beta=yes' },
        get: { rule: 'm/rest' },
      },
      {
        it: 'cookie names are compared with case',
        ask: 'GET http://x.test/c',
        with: { cookie: 'Beta=yes' },
        get: { rule: 'm/rest' },
      },
      {
        it: 'a cookie whose name only ends alike is another cookie',
        ask: 'GET http://x.test/c',
        with: { cookie: 'notbeta=yes' },
        get: { rule: 'm/rest' },
      },
      {
        it: 'an empty cookie is present',
        ask: 'GET http://x.test/cp',
        with: { cookie: 'session=' },
        get: { rule: 'm/cookie-present' },
      },
      {
        it: 'a cookie regex takes a whole value',
        ask: 'GET http://x.test/cr',
        with: { cookie: 'plan=gold-2026' },
        get: { rule: 'm/cookie-regex' },
      },
      {
        it: 'a malformed cookie header matches nothing',
        ask: 'GET http://x.test/c',
        with: { cookie: ';;==;beta' },
        get: { rule: 'm/rest' },
      },
      { it: 'any match of a rule is enough: the first', ask: 'GET http://x.test/any1', get: { rule: 'm/any-of' } },
      { it: 'any match of a rule is enough: the second', ask: 'POST http://x.test/any2', get: { rule: 'm/any-of' } },
      { it: 'inside one match all must hold', ask: 'GET http://x.test/any2', get: { rule: 'm/rest' } },
      {
        it: 'all conditions together hold',
        ask: 'GET http://x.test/all?c=3',
        with: { a: '1', b: '2' },
        get: { rule: 'm/all-of' },
      },
      {
        it: 'one header missing is enough to fail',
        ask: 'GET http://x.test/all?c=3',
        with: { a: '1' },
        get: { rule: 'm/rest' },
      },
      {
        it: 'one query missing is enough to fail',
        ask: 'GET http://x.test/all',
        with: { a: '1', b: '2' },
        get: { rule: 'm/rest' },
      },
    ],
  },
  {
    name: 'addresses and countries',
    config: {
      listeners: edge,
      pools,
      routes: [
        {
          name: 'a',
          rules: [
            { name: 'rest', match: { path: '/' }, pool: 'one' },
            { name: 'office', match: { path: '/', address: ['198.51.100.0/24', '2001:db8::/32'] }, pool: 'two' },
            { name: 'one-client', match: { path: '/', address: '203.0.113.9' }, pool: 'three' },
            { name: 'country', match: { path: '/geo', country: ['DE', 'at'] }, pool: 'two' },
          ],
        },
      ],
    },
    cases: [
      {
        it: 'an address in the CIDR matches',
        ask: 'GET http://x.test/',
        from: '198.51.100.7',
        get: { rule: 'a/office', pool: 'two' },
      },
      {
        it: 'the first address of the CIDR matches',
        ask: 'GET http://x.test/',
        from: '198.51.100.0',
        get: { rule: 'a/office' },
      },
      {
        it: 'the last address of the CIDR matches',
        ask: 'GET http://x.test/',
        from: '198.51.100.255',
        get: { rule: 'a/office' },
      },
      { it: 'the next address does not', ask: 'GET http://x.test/', from: '198.51.101.0', get: { rule: 'a/rest' } },
      {
        it: 'an IPv6 address in its CIDR matches',
        ask: 'GET http://x.test/',
        from: '2001:db8:ffff::1',
        get: { rule: 'a/office' },
      },
      {
        it: 'an IPv6 address outside does not',
        ask: 'GET http://x.test/',
        from: '2001:db9::1',
        get: { rule: 'a/rest' },
      },
      {
        it: 'an IPv4 address written as IPv6 is the IPv4 address',
        ask: 'GET http://x.test/',
        from: '::ffff:198.51.100.7',
        get: { rule: 'a/office' },
      },
      {
        it: 'a single address is a CIDR of one',
        ask: 'GET http://x.test/',
        from: '203.0.113.9',
        get: { rule: 'a/one-client' },
      },
      {
        it: 'an address that cannot be read matches nothing',
        ask: 'GET http://x.test/',
        from: 'not-an-address',
        get: { rule: 'a/rest' },
      },
      {
        it: 'forwarded headers of an untrusted client say nothing',
        ask: 'GET http://x.test/',
        from: '192.0.2.1',
        with: { 'x-forwarded-for': '198.51.100.7' },
        get: { rule: 'a/rest' },
      },
      {
        it: 'a country matches',
        ask: 'GET http://x.test/geo',
        country: 'DE',
        coreOnly: true,
        get: { rule: 'a/country' },
      },
      {
        it: 'countries are compared without case in the config',
        ask: 'GET http://x.test/geo',
        country: 'AT',
        coreOnly: true,
        get: { rule: 'a/country' },
      },
      {
        it: 'another country does not match',
        ask: 'GET http://x.test/geo',
        country: 'FR',
        coreOnly: true,
        get: { rule: 'a/rest' },
      },
      {
        it: 'an unknown country does not match',
        ask: 'GET http://x.test/geo',
        coreOnly: true,
        get: { rule: 'a/rest' },
      },
    ],
  },
  {
    name: 'precedence',
    config: {
      listeners: edge,
      pools,
      routes: [
        {
          name: 'p',
          hostnames: ['p.test'],
          rules: [
            { name: 'plain', match: { path: '/s' }, pool: 'one' },
            { name: 'method', match: { path: '/s', method: 'GET' }, pool: 'one' },
            { name: 'two-headers', match: { path: '/s', header: { a: '1', b: '1' } }, pool: 'one' },
            { name: 'header', match: { path: '/s', header: { a: '1' } }, pool: 'one' },
            { name: 'cookie-and-header', match: { path: '/t', header: { a: '1' }, cookie: { c: '1' } }, pool: 'one' },
            { name: 'three-queries', match: { path: '/t', query: { x: '1', y: '1', z: '1' } }, pool: 'one' },
            { name: 'one-header', match: { path: '/t', header: { a: '1' } }, pool: 'one' },
            { name: 'two-queries', match: { path: '/t', query: { x: '1', y: '1' } }, pool: 'one' },
            { name: 'method-only', match: { path: '/u', method: 'POST' }, pool: 'one' },
            { name: 'many', match: { path: '/u', header: { a: '1', b: '1' }, query: { x: '1' } }, pool: 'one' },
            { name: 'longer', match: { path: '/u/longer' }, pool: 'one' },
            { name: 'by-address', match: { path: '/v', address: '192.0.2.0/24' }, pool: 'one' },
            { name: 'by-query', match: { path: '/v', query: { x: '1' } }, pool: 'one' },
            { name: 'first', match: { path: '/tie', header: { a: '1' } }, pool: 'one' },
            { name: 'second', match: { path: '/tie', header: { b: '1' } }, pool: 'two' },
          ],
        },
        {
          name: 'wild',
          hostnames: ['*.test'],
          match: { path: { exact: '/s' }, method: 'GET', header: { a: '1', b: '1' } },
          pool: 'two',
        },
      ],
    },
    cases: [
      {
        it: 'the host comes before everything else',
        ask: 'GET http://p.test/s',
        with: { a: '1', b: '1' },
        get: { rule: 'p/method' },
      },
      {
        it: 'the wildcard serves other hosts',
        ask: 'GET http://q.test/s',
        with: { a: '1', b: '1' },
        get: { rule: 'wild/0', pool: 'two' },
      },
      {
        it: 'a method match comes before header matches',
        ask: 'GET http://p.test/s',
        with: { a: '1' },
        get: { rule: 'p/method' },
      },
      {
        it: 'most header matches come first',
        ask: 'POST http://p.test/s',
        with: { a: '1', b: '1' },
        get: { rule: 'p/two-headers' },
      },
      {
        it: 'fewer header matches come next',
        ask: 'POST http://p.test/s',
        with: { a: '1' },
        get: { rule: 'p/header' },
      },
      { it: 'no condition comes last', ask: 'POST http://p.test/s', get: { rule: 'p/plain' } },
      {
        it: 'cookie and header matches count together',
        ask: 'GET http://p.test/t',
        with: { a: '1', cookie: 'c=1' },
        get: { rule: 'p/cookie-and-header' },
      },
      {
        it: 'one header comes before three queries',
        ask: 'GET http://p.test/t?x=1&y=1&z=1',
        with: { a: '1' },
        get: { rule: 'p/one-header' },
      },
      { it: 'most queries come first', ask: 'GET http://p.test/t?x=1&y=1&z=1', get: { rule: 'p/three-queries' } },
      { it: 'fewer queries come next', ask: 'GET http://p.test/t?x=1&y=1', get: { rule: 'p/two-queries' } },
      {
        it: 'the longer path comes before any number of conditions',
        ask: 'POST http://p.test/u/longer?x=1',
        with: { a: '1', b: '1' },
        get: { rule: 'p/longer' },
      },
      {
        it: 'a method comes before headers and queries together',
        ask: 'POST http://p.test/u?x=1',
        with: { a: '1', b: '1' },
        get: { rule: 'p/method-only' },
      },
      {
        it: 'without the method the others get their turn',
        ask: 'GET http://p.test/u?x=1',
        with: { a: '1', b: '1' },
        get: { rule: 'p/many' },
      },
      {
        it: 'a query match comes before an address match',
        ask: 'GET http://p.test/v?x=1',
        from: '192.0.2.7',
        get: { rule: 'p/by-query' },
      },
      {
        it: 'an address match gets the rest of its clients',
        ask: 'GET http://p.test/v',
        from: '192.0.2.7',
        get: { rule: 'p/by-address' },
      },
      {
        it: 'list order is the last word',
        ask: 'GET http://p.test/tie',
        with: { a: '1', b: '1' },
        get: { rule: 'p/first', pool: 'one' },
      },
      {
        it: 'list order does not matter to a rule that does not hold',
        ask: 'GET http://p.test/tie',
        with: { b: '1' },
        get: { rule: 'p/second', pool: 'two' },
      },
    ],
  },
  {
    name: 'redirects and replies',
    config: {
      listeners: edge,
      pools,
      routes: [
        {
          name: 'r',
          rules: [
            { name: 'https', match: { path: '/secure' }, redirect: { scheme: 'https', status: 301 } },
            { name: 'host', match: { path: '/host' }, redirect: { host: 'new.test' } },
            { name: 'full', match: { path: '/full' }, redirect: { path: '/landing', status: 308 } },
            { name: 'prefix', match: { path: '/old' }, redirect: { prefix: '/new', status: 307 } },
            { name: 'strip', match: { path: '/strip' }, redirect: { prefix: '/' } },
            { name: 'port', match: { path: '/port' }, redirect: { port: 8443, scheme: 'https', status: 303 } },
            {
              name: 'down',
              match: { path: '/down' },
              reply: { status: 503, body: 'back at noon', headers: { 'retry-after': '3600' } },
            },
            { name: 'empty', match: { path: '/empty' }, reply: { status: 204 } },
            {
              name: 'html',
              match: { path: '/html' },
              reply: { status: 200, body: '<p>hi</p>', contentType: 'text/html' },
            },
            {
              name: 'teapot',
              match: { path: '/variant' },
              variants: [
                { name: 'fails', weight: 1, reply: { status: 500, body: 'on purpose' } },
                { name: 'idle', weight: 0, pool: 'one' },
              ],
            },
            {
              name: 'away',
              match: { path: '/away' },
              variants: [
                {
                  name: 'gone',
                  weight: 1,
                  redirect: { prefix: '/new', status: 308 },
                  filters: { responseHeaders: { set: { 'x-by': '{variant}' } } },
                },
                { name: 'idle', weight: 0, pool: 'one' },
              ],
            },
            {
              name: 'anew',
              match: { path: '/anew' },
              variants: [
                { name: 'all', weight: 1, pool: 'two' },
                { name: 'idle', weight: 0, pool: 'one' },
              ],
              split: { by: 'draw' },
            },
            { name: 'same-port', match: { path: '/same-port' }, redirect: { port: 'listener', path: '/here' } },
          ],
        },
      ],
    },
    cases: [
      {
        it: 'a variant may be a redirect, with headers of its own',
        ask: 'GET http://x.test/away/a',
        get: {
          rule: 'r/away',
          variant: 'gone',
          status: 308,
          location: 'http://x.test/new/a',
          cookies: ['fs_id'],
          answer: { 'x-by': 'gone' },
        },
      },
      {
        it: 'a split by draw sets no cookie',
        ask: 'GET http://x.test/anew',
        get: { rule: 'r/anew', variant: 'all', pool: 'two', cookies: [] },
      },
      {
        it: 'a redirect to the port of the listener, which the edge does not have, stays where the client is',
        ask: 'GET http://x.test/same-port',
        get: { rule: 'r/same-port', status: 302, location: 'http://x.test/here' },
      },
      {
        it: 'a redirect to https keeps host, path and query',
        ask: 'GET http://x.test/secure/a?b=c',
        get: { rule: 'r/https', status: 301, location: 'https://x.test/secure/a?b=c' },
      },
      {
        it: 'a redirect to another host keeps the path',
        ask: 'GET http://x.test/host/a',
        get: { rule: 'r/host', status: 302, location: 'http://new.test/host/a' },
      },
      {
        it: 'a redirect to a path replaces all of it',
        ask: 'GET http://x.test/full/a/b',
        get: { rule: 'r/full', status: 308, location: 'http://x.test/landing' },
      },
      {
        it: 'a redirect of a prefix keeps the rest',
        ask: 'GET http://x.test/old/a/b?q=1',
        get: { rule: 'r/prefix', status: 307, location: 'http://x.test/new/a/b?q=1' },
      },
      {
        it: 'a redirect of the bare prefix',
        ask: 'GET http://x.test/old',
        get: { rule: 'r/prefix', status: 307, location: 'http://x.test/new' },
      },
      {
        it: 'a prefix replaced by / leaves one slash',
        ask: 'GET http://x.test/strip/a',
        get: { rule: 'r/strip', status: 302, location: 'http://x.test/a' },
      },
      {
        it: 'a bare prefix replaced by / is /',
        ask: 'GET http://x.test/strip',
        get: { rule: 'r/strip', status: 302, location: 'http://x.test/' },
      },
      {
        it: 'a stripped prefix cannot become another host',
        ask: 'GET http://x.test/strip//evil.test/a',
        get: { rule: 'r/strip', status: 302, location: 'http://x.test/evil.test/a' },
      },
      {
        it: 'a redirect to a port names it',
        ask: 'GET http://x.test/port',
        get: { rule: 'r/port', status: 303, location: 'https://x.test:8443/port' },
      },
      {
        it: 'a fixed reply has its status, body and headers',
        ask: 'GET http://x.test/down',
        get: {
          rule: 'r/down',
          status: 503,
          body: 'back at noon',
          answer: { 'retry-after': '3600', 'content-type': 'text/plain; charset=utf-8' },
        },
      },
      {
        it: 'a fixed reply answers any method',
        ask: 'POST http://x.test/down',
        get: { rule: 'r/down', status: 503, body: 'back at noon' },
      },
      {
        it: 'a fixed reply to HEAD has no body',
        ask: 'HEAD http://x.test/down',
        get: { rule: 'r/down', status: 503, body: '' },
      },
      { it: 'a reply without a body', ask: 'GET http://x.test/empty', get: { rule: 'r/empty', status: 204, body: '' } },
      {
        it: 'a reply has the content type that was asked for',
        ask: 'GET http://x.test/html',
        get: { rule: 'r/html', status: 200, answer: { 'content-type': 'text/html' } },
      },
      {
        it: 'a variant may be a reply',
        ask: 'GET http://x.test/variant',
        get: { rule: 'r/teapot', variant: 'fails', status: 500, body: 'on purpose', cookies: ['fs_id'] },
      },
      {
        it: 'a configured reply says in Proxy-Status that nobody else made it',
        ask: 'GET http://x.test/down',
        get: { rule: 'r/down', status: 503, answer: { 'proxy-status': 'fourseven; error=proxy_internal_response' } },
      },
    ],
  },
  {
    name: 'splits',
    config: {
      listeners: edge,
      pools,
      routes: [
        {
          name: 'canary',
          hostnames: ['canary.test'],
          variants: [
            { name: 'stable', weight: 100, pool: 'one' },
            { name: 'next', weight: 0, pool: 'two' },
          ],
          split: { force: { header: 'x-canary', cookie: 'canary', to: 'next' }, expose: true },
        },
        {
          name: 'all',
          hostnames: ['all.test'],
          variants: [
            { name: 'stable', weight: 0, pool: 'one' },
            { name: 'next', weight: 1, pool: 'two' },
          ],
          split: { force: { header: 'x-canary', cookie: 'canary', to: 'next' } },
        },
        {
          name: 'three',
          hostnames: ['three.test'],
          variants: [
            { name: 'a', weight: 1, pool: 'one' },
            { name: 'b', weight: 0, pool: 'two' },
            { name: 'c', weight: 0, pool: 'three' },
          ],
          split: { by: { header: 'x-user' }, force: { header: 'x-variant', to: 'c' } },
        },
        {
          name: 'pinned',
          hostnames: ['pinned.test'],
          variants: [
            { name: 'a', weight: 1, pool: 'one' },
            { name: 'b', weight: 0, pool: 'two' },
          ],
          split: { pin: 'first', epoch: 3 },
        },
        {
          name: 'by-address',
          hostnames: ['address.test'],
          variants: [
            { name: 'a', weight: 0, pool: 'one' },
            { name: 'b', weight: 1, pool: 'two' },
          ],
          split: { by: 'address' },
        },
        {
          name: 'own',
          hostnames: ['own.test'],
          variants: [
            { name: 'a', weight: 1, pool: 'one' },
            { name: 'b', weight: 0, pool: 'two' },
          ],
          split: { by: { cookie: 'sid', issue: false } },
        },
        {
          name: 'limited',
          hostnames: ['limited.test'],
          rules: [
            {
              name: 'beta',
              match: { cookie: { beta: { present: true } } },
              variants: [
                { name: 'old', weight: 0, pool: 'one' },
                { name: 'new', weight: 1, pool: 'two' },
              ],
            },
            { name: 'rest', pool: 'one' },
          ],
        },
      ],
    },
    cases: [
      {
        it: 'the weights decide, and a new user gets the cookie with this very answer',
        ask: 'GET http://canary.test/',
        get: { rule: 'canary/0', variant: 'stable', pool: 'one', cookies: ['fs_id'] },
      },
      {
        it: 'a user who has the cookie gets no new one',
        ask: 'GET http://canary.test/',
        with: { cookie: 'fs_id=abc123' },
        get: { rule: 'canary/0', variant: 'stable', cookies: [] },
      },
      {
        it: 'expose says route and variant in the answer',
        ask: 'GET http://canary.test/',
        get: { rule: 'canary/0', answer: { 'x-fourseven-route': 'canary', 'x-fourseven-variant': 'stable' } },
      },
      {
        it: 'without expose the answer says neither',
        ask: 'GET http://all.test/',
        get: { rule: 'all/0', answer: { 'x-fourseven-route': null, 'x-fourseven-variant': null } },
      },
      {
        it: 'always in the header forces in',
        ask: 'GET http://canary.test/',
        with: { 'x-canary': 'always' },
        get: { rule: 'canary/0', variant: 'next', pool: 'two' },
      },
      {
        it: 'never in the header forces out',
        ask: 'GET http://all.test/',
        with: { 'x-canary': 'never' },
        get: { rule: 'all/0', variant: 'stable', pool: 'one' },
      },
      {
        it: "a variant's name in the header forces it",
        ask: 'GET http://all.test/',
        with: { 'x-canary': 'stable' },
        get: { rule: 'all/0', variant: 'stable' },
      },
      {
        it: 'always in the cookie forces in',
        ask: 'GET http://canary.test/',
        with: { cookie: 'canary=always' },
        get: { rule: 'canary/0', variant: 'next' },
      },
      {
        it: 'never in the cookie forces out',
        ask: 'GET http://all.test/',
        with: { cookie: 'canary=never' },
        get: { rule: 'all/0', variant: 'stable' },
      },
      {
        it: 'the header comes before the cookie',
        ask: 'GET http://canary.test/',
        with: { 'x-canary': 'never', cookie: 'canary=always' },
        get: { rule: 'canary/0', variant: 'stable' },
      },
      {
        it: 'a header that means nothing leaves it to the cookie',
        ask: 'GET http://canary.test/',
        with: { 'x-canary': 'maybe', cookie: 'canary=always' },
        get: { rule: 'canary/0', variant: 'next' },
      },
      {
        it: 'a force that means nothing leaves it to the weights',
        ask: 'GET http://canary.test/',
        with: { 'x-canary': 'Always' },
        get: { rule: 'canary/0', variant: 'stable' },
      },
      {
        it: 'a forced request sets no cookie',
        ask: 'GET http://canary.test/',
        with: { 'x-canary': 'always' },
        get: { rule: 'canary/0', cookies: [] },
      },
      {
        it: 'a third variant may be forced by name',
        ask: 'GET http://three.test/',
        with: { 'x-variant': 'b' },
        get: { rule: 'three/0', variant: 'b', pool: 'two' },
      },
      {
        it: 'a split by header sets no cookie',
        ask: 'GET http://three.test/',
        with: { 'x-user': 'ada' },
        get: { rule: 'three/0', variant: 'a', cookies: [] },
      },
      {
        it: 'a split by header without the header draws and sets no cookie',
        ask: 'GET http://three.test/',
        get: { rule: 'three/0', variant: 'a', cookies: [] },
      },
      {
        it: 'a pin is set with the first answer',
        ask: 'GET http://pinned.test/',
        get: { rule: 'pinned/0', variant: 'a', cookies: ['fs_id', 'fs_pin_pinned'] },
      },
      {
        it: 'a pinned user keeps a variant that has lost all weight',
        ask: 'GET http://pinned.test/',
        with: { cookie: 'fs_id=u1; fs_pin_pinned=3.b' },
        get: { rule: 'pinned/0', variant: 'b', pool: 'two', cookies: [] },
      },
      {
        it: 'a pin of another epoch counts as absent',
        ask: 'GET http://pinned.test/',
        with: { cookie: 'fs_id=u1; fs_pin_pinned=2.b' },
        get: { rule: 'pinned/0', variant: 'a', cookies: ['fs_pin_pinned'] },
      },
      {
        it: 'a pin to a variant that is gone counts as absent',
        ask: 'GET http://pinned.test/',
        with: { cookie: 'fs_id=u1; fs_pin_pinned=3.zz' },
        get: { rule: 'pinned/0', variant: 'a', cookies: ['fs_pin_pinned'] },
      },
      {
        it: 'a malformed pin counts as absent',
        ask: 'GET http://pinned.test/',
        with: { cookie: 'fs_id=u1; fs_pin_pinned=b' },
        get: { rule: 'pinned/0', variant: 'a', cookies: ['fs_pin_pinned'] },
      },
      {
        it: 'a split by address sets no cookie',
        ask: 'GET http://address.test/',
        from: '192.0.2.77',
        get: { rule: 'by-address/0', variant: 'b', cookies: [] },
      },
      {
        it: 'a cookie of the application is read and never set',
        ask: 'GET http://own.test/',
        get: { rule: 'own/0', variant: 'a', cookies: [] },
      },
      {
        it: 'a match limits a split to part of the traffic',
        ask: 'GET http://limited.test/',
        with: { cookie: 'beta=1' },
        get: { rule: 'limited/beta', variant: 'new', pool: 'two', cookies: ['fs_id'] },
      },
      {
        it: 'the rest of the traffic is not split and gets no cookie',
        ask: 'GET http://limited.test/',
        get: { rule: 'limited/rest', pool: 'one', cookies: [] },
      },
    ],
  },
  {
    name: 'filters',
    config: {
      listeners: edge,
      pools: { ...pools, based: { endpoints: ['${ONE}/base'] } },
      routes: [
        {
          name: 'f',
          rules: [
            {
              name: 'set',
              match: { path: '/set' },
              pool: 'one',
              filters: {
                requestHeaders: { set: { 'x-team': 'blue' }, remove: ['x-secret'] },
                responseHeaders: { set: { 'x-served-by': '{route}/{rule}' }, remove: ['x-internal'] },
              },
            },
            {
              name: 'add',
              match: { path: '/add' },
              pool: 'one',
              filters: { requestHeaders: { add: { 'x-list': 'b' } } },
            },
            {
              name: 'template',
              match: { path: '/template' },
              pool: 'one',
              filters: { requestHeaders: { set: { 'x-client': 'from {client.address} to {variant}' } } },
            },
            { name: 'prefix', match: { path: '/prefix' }, pool: 'one', filters: { rewrite: { prefix: '/inner' } } },
            { name: 'strip', match: { path: '/strip' }, pool: 'one', filters: { rewrite: { prefix: '/' } } },
            { name: 'full', match: { path: '/full' }, pool: 'one', filters: { rewrite: { path: '/always' } } },
            { name: 'based', match: { path: '/based' }, pool: 'based' },
            {
              name: 'variant',
              match: { path: '/variant' },
              filters: { requestHeaders: { set: { 'x-from': 'rule', 'x-rule': '1' } } },
              variants: [
                { name: 'v', weight: 1, pool: 'one', filters: { requestHeaders: { set: { 'x-from': 'variant' } } } },
                { name: 'w', weight: 0, pool: 'two' },
              ],
            },
            { name: 'plain', match: { path: '/' }, pool: 'one' },
          ],
        },
      ],
    },
    cases: [
      {
        it: 'a header is set for the endpoint',
        ask: 'GET http://x.test/set',
        get: { rule: 'f/set', sees: { headers: { 'x-team': 'blue' } } },
      },
      {
        it: "a header that is set replaces the client's",
        ask: 'GET http://x.test/set',
        with: { 'x-team': 'red' },
        get: { rule: 'f/set', sees: { headers: { 'x-team': 'blue' } } },
      },
      {
        it: 'a header is removed before the endpoint sees it',
        ask: 'GET http://x.test/set',
        with: { 'x-secret': 'hush' },
        get: { rule: 'f/set', sees: { headers: { 'x-secret': null } } },
      },
      {
        it: 'a header is set on the answer, with route and rule in it',
        ask: 'GET http://x.test/set',
        get: { rule: 'f/set', answer: { 'x-served-by': 'f/set' } },
      },
      {
        it: 'a header of the endpoint is removed from the answer',
        ask: 'GET http://x.test/set',
        get: { rule: 'f/set', answer: { 'x-internal': null } },
      },
      {
        it: "without a filter the endpoint's header stays",
        ask: 'GET http://x.test/',
        get: { rule: 'f/plain', answer: { 'x-internal': 'yes' } },
      },
      {
        it: "a header is added to the client's",
        ask: 'GET http://x.test/add',
        with: { 'x-list': 'a' },
        get: { rule: 'f/add', sees: { headers: { 'x-list': 'a, b' } } },
      },
      {
        it: 'a header value may hold what is known',
        ask: 'GET http://x.test/template',
        from: '192.0.2.33',
        get: { rule: 'f/template', sees: { headers: { 'x-client': 'from 192.0.2.33 to one' } } },
      },
      {
        it: 'the endpoint learns route and variant',
        ask: 'GET http://x.test/',
        get: { rule: 'f/plain', sees: { headers: { 'x-fourseven-route': 'f', 'x-fourseven-variant': 'one' } } },
      },
      {
        it: 'a client cannot say route or variant itself',
        ask: 'GET http://x.test/',
        with: { 'x-fourseven-route': 'evil' },
        get: { rule: 'f/plain', sees: { headers: { 'x-fourseven-route': 'f' } } },
      },
      {
        it: 'the endpoint learns the client address',
        ask: 'GET http://x.test/',
        from: '192.0.2.44',
        get: { rule: 'f/plain', sees: { headers: { 'x-forwarded-for': '192.0.2.44' } } },
      },
      {
        it: 'what an untrusted client forwards is dropped, not appended to',
        ask: 'GET http://x.test/',
        from: '192.0.2.44',
        with: { 'x-forwarded-for': '10.0.0.1', forwarded: 'for=10.0.0.1' },
        get: { rule: 'f/plain', sees: { headers: { 'x-forwarded-for': '192.0.2.44' } } },
      },
      {
        it: 'the endpoint learns the host that the client asked for',
        ask: 'GET http://x.test/',
        get: { rule: 'f/plain', sees: { headers: { 'x-forwarded-host': 'x.test' } } },
      },
      {
        it: 'a prefix is replaced on the way to the endpoint',
        ask: 'GET http://x.test/prefix/a?b=1',
        get: { rule: 'f/prefix', sees: { path: '/inner/a?b=1' } },
      },
      {
        it: 'a bare prefix is replaced',
        ask: 'GET http://x.test/prefix',
        get: { rule: 'f/prefix', sees: { path: '/inner' } },
      },
      {
        it: 'a stripped prefix leaves the rest',
        ask: 'GET http://x.test/strip/a',
        get: { rule: 'f/strip', sees: { path: '/a' } },
      },
      {
        it: 'a path is replaced whole and keeps the query',
        ask: 'GET http://x.test/full/a/b?c=1',
        get: { rule: 'f/full', sees: { path: '/always?c=1' } },
      },
      {
        it: 'the base path of an endpoint comes in front',
        ask: 'GET http://x.test/based/a',
        get: { rule: 'f/based', sees: { path: '/base/based/a' } },
      },
      {
        it: 'the filters of a variant come after those of its rule',
        ask: 'GET http://x.test/variant',
        get: { rule: 'f/variant', variant: 'v', sees: { headers: { 'x-from': 'variant', 'x-rule': '1' } } },
      },
      {
        it: 'fields named in Connection do not pass',
        ask: 'GET http://x.test/',
        with: { 'proxy-authorization': 'Basic x' },
        get: { rule: 'f/plain', sees: { headers: { 'proxy-authorization': null } } },
      },
    ],
  },
  {
    name: 'CORS',
    config: {
      listeners: edge,
      pools,
      routes: [
        {
          name: 'c',
          rules: [
            {
              name: 'named',
              match: { path: '/named' },
              pool: 'one',
              cors: {
                origins: ['https://app.test', 'https://*.app.test:8443'],
                methods: ['GET', 'put'],
                headers: ['X-Token', 'Content-Type'],
                expose: ['X-Total'],
                credentials: true,
                maxAge: '10m',
              },
            },
            { name: 'any', match: { path: '/any' }, pool: 'one', cors: { origins: ['*'] } },
            {
              name: 'any-credentials',
              match: { path: '/echo' },
              pool: 'one',
              cors: { origins: ['*'], methods: ['*'], headers: ['*'], credentials: true },
            },
            {
              name: 'post',
              match: { path: '/post', method: 'POST' },
              pool: 'two',
              cors: { origins: ['https://app.test'] },
            },
            {
              name: 'own',
              match: { path: '/own', method: 'OPTIONS' },
              pool: 'three',
              cors: { origins: ['https://app.test'] },
            },
            { name: 'own-post', match: { path: '/own', method: 'POST' }, pool: 'two' },
            { name: 'redirect', match: { path: '/old' }, redirect: { path: '/new' }, cors: { origins: ['*'] } },
            {
              name: 'encrypted',
              match: { path: '/encrypted' },
              pool: 'one',
              cors: { origins: ['https://*'], expose: ['x-seen'] },
            },
            {
              name: 'filtered',
              match: { path: '/filtered' },
              pool: 'one',
              cors: { origins: ['https://app.test'] },
              filters: { responseHeaders: { set: { 'timing-allow-origin': '*' } } },
            },
            { name: 'plain', match: { path: '/' }, pool: 'one' },
          ],
        },
      ],
    },
    cases: [
      {
        it: 'a page of an allowed origin may read the answer',
        ask: 'GET http://x.test/named',
        with: { origin: 'https://app.test' },
        get: {
          rule: 'c/named',
          pool: 'one',
          answer: {
            'access-control-allow-origin': 'https://app.test',
            'access-control-allow-credentials': 'true',
            'access-control-expose-headers': 'x-total',
            'access-control-allow-methods': null,
            vary: 'Accept-Encoding, Origin',
          },
        },
      },
      {
        it: 'another origin passes and gets no permission',
        ask: 'GET http://x.test/named',
        with: { origin: 'https://evil.test' },
        get: {
          rule: 'c/named',
          answer: {
            'access-control-allow-origin': null,
            'access-control-allow-credentials': null,
            vary: 'Accept-Encoding, Origin',
          },
        },
      },
      {
        it: 'a request without an origin varies by it all the same',
        ask: 'GET http://x.test/named',
        get: { rule: 'c/named', answer: { 'access-control-allow-origin': null, vary: 'Accept-Encoding, Origin' } },
      },
      {
        it: 'a star in an origin takes one label',
        ask: 'GET http://x.test/named',
        with: { origin: 'https://a.app.test:8443' },
        get: { rule: 'c/named', answer: { 'access-control-allow-origin': 'https://a.app.test:8443' } },
      },
      {
        it: 'a star in an origin takes several labels',
        ask: 'GET http://x.test/named',
        with: { origin: 'https://a.b.app.test:8443' },
        get: { rule: 'c/named', answer: { 'access-control-allow-origin': 'https://a.b.app.test:8443' } },
      },
      {
        it: 'a star in an origin does not take the bare name',
        ask: 'GET http://x.test/named',
        with: { origin: 'https://app.test:8443' },
        get: { rule: 'c/named', answer: { 'access-control-allow-origin': null } },
      },
      {
        it: 'a name that only ends alike is another origin',
        ask: 'GET http://x.test/named',
        with: { origin: 'https://evilapp.test:8443' },
        get: { rule: 'c/named', answer: { 'access-control-allow-origin': null } },
      },
      {
        it: 'another scheme is another origin',
        ask: 'GET http://x.test/named',
        with: { origin: 'http://app.test' },
        get: { rule: 'c/named', answer: { 'access-control-allow-origin': null } },
      },
      {
        it: 'any origin gets a star, which varies by nothing',
        ask: 'GET http://x.test/any',
        with: { origin: 'https://evil.test' },
        get: { rule: 'c/any', answer: { 'access-control-allow-origin': '*', vary: 'Accept-Encoding' } },
      },
      {
        it: 'any origin with credentials gets itself',
        ask: 'GET http://x.test/echo',
        with: { origin: 'https://evil.test' },
        get: {
          rule: 'c/any-credentials',
          answer: { 'access-control-allow-origin': 'https://evil.test', 'access-control-allow-credentials': 'true' },
        },
      },
      {
        it: "without CORS the endpoint's own fields stay",
        ask: 'GET http://x.test/plain',
        with: { origin: 'https://app.test' },
        get: { rule: 'c/plain', answer: { 'access-control-allow-origin': 'https://endpoint.test' } },
      },
      {
        it: 'a preflight is answered here',
        ask: 'OPTIONS http://x.test/named',
        with: {
          origin: 'https://app.test',
          'access-control-request-method': 'PUT',
          'access-control-request-headers': 'x-token',
        },
        get: {
          rule: 'c/named',
          status: 204,
          body: '',
          answer: {
            'access-control-allow-origin': 'https://app.test',
            'access-control-allow-credentials': 'true',
            'access-control-allow-methods': 'GET, PUT',
            'access-control-allow-headers': 'x-token, content-type',
            'access-control-max-age': '600',
            'access-control-expose-headers': 'x-total',
            vary: 'Origin',
          },
        },
      },
      {
        it: 'a preflight of another origin gets no permission',
        ask: 'OPTIONS http://x.test/named',
        with: { origin: 'https://evil.test', 'access-control-request-method': 'PUT' },
        get: {
          rule: 'c/named',
          status: 204,
          answer: { 'access-control-allow-origin': null, 'access-control-allow-methods': null, vary: 'Origin' },
        },
      },
      {
        it: 'a preflight for any origin gets the safe methods and five seconds',
        ask: 'OPTIONS http://x.test/any',
        with: { origin: 'https://evil.test', 'access-control-request-method': 'GET' },
        get: {
          rule: 'c/any',
          status: 204,
          answer: {
            'access-control-allow-origin': '*',
            'access-control-allow-methods': 'GET, HEAD, POST',
            'access-control-allow-headers': null,
            'access-control-max-age': '5',
            vary: null,
          },
        },
      },
      {
        it: 'with credentials stars become what was asked',
        ask: 'OPTIONS http://x.test/echo',
        with: {
          origin: 'https://evil.test',
          'access-control-request-method': 'PATCH',
          'access-control-request-headers': 'x-a,x-b',
        },
        get: {
          rule: 'c/any-credentials',
          status: 204,
          answer: {
            'access-control-allow-origin': 'https://evil.test',
            'access-control-allow-methods': 'PATCH',
            'access-control-allow-headers': 'x-a,x-b',
            vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
          },
        },
      },
      {
        it: 'a preflight is matched as the request it asks about',
        ask: 'OPTIONS http://x.test/post',
        with: { origin: 'https://app.test', 'access-control-request-method': 'POST' },
        get: { rule: 'c/post', status: 204, answer: { 'access-control-allow-origin': 'https://app.test' } },
      },
      {
        it: 'a preflight about a method that the rule does not take goes to the endpoint',
        ask: 'OPTIONS http://x.test/post',
        with: { origin: 'https://app.test', 'access-control-request-method': 'DELETE' },
        get: { rule: 'c/plain', pool: 'one' },
      },
      {
        it: 'a rule for OPTIONS with CORS answers when the request asked about has none',
        ask: 'OPTIONS http://x.test/own',
        with: { origin: 'https://app.test', 'access-control-request-method': 'POST' },
        get: { rule: 'c/own', status: 204, answer: { 'access-control-allow-origin': 'https://app.test' } },
      },
      {
        it: 'OPTIONS without a method to ask about is no preflight',
        ask: 'OPTIONS http://x.test/named',
        with: { origin: 'https://app.test' },
        get: { rule: 'c/named', pool: 'one', answer: { 'access-control-allow-origin': 'https://app.test' } },
      },
      {
        it: 'OPTIONS without an origin is no preflight',
        ask: 'OPTIONS http://x.test/named',
        with: { 'access-control-request-method': 'PUT' },
        get: { rule: 'c/named', pool: 'one' },
      },
      {
        it: 'an origin may be any host of a scheme; a preflight says what may be read',
        ask: 'OPTIONS http://x.test/encrypted',
        with: { origin: 'https://any.host.test', 'access-control-request-method': 'GET' },
        get: {
          rule: 'c/encrypted',
          status: 204,
          answer: {
            'access-control-allow-origin': 'https://any.host.test',
            'access-control-expose-headers': 'x-seen',
          },
        },
      },
      {
        it: 'any host of a scheme is not any scheme',
        ask: 'OPTIONS http://x.test/encrypted',
        with: { origin: 'http://any.host.test', 'access-control-request-method': 'GET' },
        get: { rule: 'c/encrypted', status: 204, answer: { 'access-control-allow-origin': null } },
      },
      {
        it: 'a redirect may be read too',
        ask: 'GET http://x.test/old',
        with: { origin: 'https://app.test' },
        get: { rule: 'c/redirect', status: 302, answer: { 'access-control-allow-origin': '*' } },
      },
      {
        it: 'the response filters of the rule are on a preflight as well',
        ask: 'OPTIONS http://x.test/filtered',
        with: { origin: 'https://app.test', 'access-control-request-method': 'GET' },
        get: { rule: 'c/filtered', status: 204, answer: { 'timing-allow-origin': '*' } },
      },
    ],
  },
  {
    name: 'error pages',
    config: {
      listeners: {
        web: {
          kind: 'edge',
          errorPages: {
            '404': { body: '<p>nothing here</p>' },
            '4xx': { body: 'client {request.id}', contentType: 'text/plain' },
            '5xx': { body: '<p>sorry</p>{route}' },
          },
        },
      },
      pools,
      routes: [
        {
          name: 'e',
          hostnames: ['x.test'],
          rules: [
            { name: 'reply', match: { path: '/reply' }, reply: { status: 404, body: 'as written' } },
            { name: 'plain', match: { path: '/plain' }, pool: 'one' },
          ],
        },
      ],
    },
    cases: [
      {
        it: 'the 404 without a route has the page of the listener',
        ask: 'GET http://x.test/nowhere',
        get: {
          rule: null,
          status: 404,
          body: '<p>nothing here</p>',
          answer: {
            'content-type': 'text/html; charset=utf-8',
            'proxy-status': 'fourseven; error=destination_not_found',
            'cache-control': 'no-store',
          },
        },
      },
      {
        it: 'HEAD gets the page without its body',
        ask: 'HEAD http://x.test/nowhere',
        get: { rule: null, status: 404, body: '', answer: { 'content-type': 'text/html; charset=utf-8' } },
      },
      {
        it: 'a reply of the config is no error of ours',
        ask: 'GET http://x.test/reply',
        get: { rule: 'e/reply', status: 404, body: 'as written' },
      },
      { it: 'an answer that is no error has no page', ask: 'GET http://x.test/plain', get: { rule: 'e/plain' } },
    ],
  },
  {
    name: 'traces and loops',
    config: { listeners: edge, pools, routes: [{ name: 't', pool: 'one' }] },
    cases: [
      {
        it: 'tracestate stays with a trace that is continued',
        ask: 'GET http://x.test/',
        with: { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', tracestate: 'a=1,b=2' },
        get: { rule: 't/0', sees: { headers: { tracestate: 'a=1,b=2' } } },
      },
      {
        it: 'tracestate goes when there is no trace to continue',
        ask: 'GET http://x.test/',
        with: { traceparent: '00-00000000000000000000000000000000-00f067aa0ba902b7-01', tracestate: 'a=1' },
        get: { rule: 't/0', sees: { headers: { tracestate: null } } },
      },
      {
        it: 'the list of instances is never in an answer',
        ask: 'GET http://x.test/',
        with: { 'x-fourseven-instances': 'other' },
        get: { rule: 't/0', answer: { 'x-fourseven-instances': null } },
      },
    ],
  },
  {
    name: 'flows',
    config: {
      listeners: { db: { kind: 'tcp', address: '127.0.0.1:0' }, bare: { kind: 'tcp', address: '127.0.0.1:0' } },
      pools: {
        one: { endpoints: ['${ONE_TCP}'] },
        two: { endpoints: ['${TWO_TCP}'] },
        three: { endpoints: ['${THREE_TCP}'] },
      },
      routes: [
        {
          name: 'db',
          listener: 'db',
          rules: [
            { name: 'rest', pool: 'one' },
            { name: 'net', match: { address: '127.0.1.0/24' }, pool: 'two' },
            { name: 'one-client', match: { address: ['127.0.1.9'] }, pool: 'three' },
            { name: 'wide', match: { address: '127.1.0.0/16' }, pool: 'three' },
            { name: 'mixed', match: { address: ['127.1.3.0/24', '2001::/16'] }, pool: 'two' },
            {
              name: 'split',
              match: { address: '127.0.2.0/24' },
              variants: [
                { name: 'old', weight: 0, pool: 'one' },
                { name: 'new', weight: 1, pool: 'three' },
              ],
            },
          ],
        },
        { name: 'bare', listener: 'bare', match: { address: '127.0.9.0/24' }, pool: 'one' },
      ],
    },
    cases: [
      {
        it: 'a rule without a match takes every flow',
        ask: 'tcp db',
        from: '127.0.0.1',
        get: { rule: 'db/rest', pool: 'one' },
      },
      {
        it: 'a rule for a network comes before one for everybody',
        ask: 'tcp db',
        from: '127.0.1.1',
        get: { rule: 'db/net', pool: 'two' },
      },
      {
        it: 'the narrower network comes first',
        ask: 'tcp db',
        from: '127.0.1.9',
        get: { rule: 'db/one-client', pool: 'three' },
      },
      { it: 'the last address of a network is in it', ask: 'tcp db', from: '127.0.1.255', get: { rule: 'db/net' } },
      {
        it: 'a narrow network in a list with a wide one still counts as narrow',
        ask: 'tcp db',
        from: '127.1.3.1',
        get: { rule: 'db/mixed', pool: 'two' },
      },
      {
        it: 'a flow may be split',
        ask: 'tcp db',
        from: '127.0.2.1',
        get: { rule: 'db/split', variant: 'new', pool: 'three' },
      },
      {
        it: 'a listener whose rules do not hold takes what they take',
        ask: 'tcp bare',
        from: '127.0.9.1',
        get: { rule: 'bare/0', pool: 'one' },
      },
      {
        it: 'a flow that no rule takes is refused',
        ask: 'tcp bare',
        from: '127.0.0.1',
        get: { rule: null, reason: 'destination_not_found' },
      },
    ],
  },
  {
    name: 'tls',
    config: {
      listeners: { door: { kind: 'tls', address: '127.0.0.1:0' }, strict: { kind: 'tls', address: '127.0.0.1:0' } },
      pools: {
        one: { endpoints: ['${ONE_TCP}'] },
        two: { endpoints: ['${TWO_TCP}'] },
        three: { endpoints: ['${THREE_TCP}'] },
      },
      routes: [
        {
          name: 'door',
          listener: 'door',
          rules: [
            { name: 'rest', pool: 'one' },
            { name: 'net', match: { address: '127.0.1.0/24' }, pool: 'two' },
            { name: 'h2', match: { alpn: 'h2' }, pool: 'two' },
            { name: 'wild', match: { sni: '*.example.com' }, pool: 'one' },
            { name: 'deeper', match: { sni: '*.deep.example.com' }, pool: 'two' },
            { name: 'app', match: { sni: ['app.example.com', 'www.example.com'] }, pool: 'three' },
            { name: 'app-net', match: { sni: 'app.example.com', address: '127.0.1.0/24' }, pool: 'two' },
            { name: 'app-h2', match: { sni: 'app.example.com', alpn: ['h2', 'h3'] }, pool: 'one' },
            { name: 'only-h2', match: { sni: 'h2.example.com', alpn: 'h2' }, pool: 'three' },
          ],
        },
        {
          name: 'strict',
          listener: 'strict',
          rules: [
            { name: 'app', match: { sni: 'app.example.com' }, pool: 'one' },
            { name: 'pg', match: { alpn: 'postgresql', address: '127.0.1.0/24' }, pool: 'two' },
            {
              name: 'split',
              match: { sni: 'split.example.com' },
              variants: [
                { name: 'old', weight: 0, pool: 'one' },
                { name: 'new', weight: 1, pool: 'three' },
              ],
            },
          ],
        },
      ],
    },
    cases: [
      {
        it: 'a whole name comes before its wildcard',
        ask: 'tls door',
        hello: { sni: 'app.example.com' },
        get: { rule: 'door/app', pool: 'three' },
      },
      {
        it: 'any name of a list will do',
        ask: 'tls door',
        hello: { sni: 'www.example.com' },
        get: { rule: 'door/app', pool: 'three' },
      },
      {
        it: 'names are compared without case',
        ask: 'tls door',
        hello: { sni: 'APP.Example.COM' },
        get: { rule: 'door/app', pool: 'three' },
      },
      {
        it: 'a wildcard takes one label',
        ask: 'tls door',
        hello: { sni: 'other.example.com' },
        get: { rule: 'door/wild', pool: 'one' },
      },
      {
        it: 'a wildcard takes several labels',
        ask: 'tls door',
        hello: { sni: 'a.b.example.com' },
        get: { rule: 'door/wild', pool: 'one' },
      },
      {
        it: 'the longest wildcard wins',
        ask: 'tls door',
        hello: { sni: 'a.deep.example.com' },
        get: { rule: 'door/deeper', pool: 'two' },
      },
      {
        it: 'a wildcard does not take the name behind it',
        ask: 'tls door',
        hello: { sni: 'example.com' },
        get: { rule: 'door/rest', pool: 'one' },
      },
      {
        it: 'of rules with one name the one with a protocol comes first',
        ask: 'tls door',
        hello: { sni: 'app.example.com', alpn: ['http/1.1', 'h2'] },
        get: { rule: 'door/app-h2', pool: 'one' },
      },
      {
        it: 'a protocol comes before an address',
        ask: 'tls door',
        from: '127.0.1.1',
        hello: { sni: 'app.example.com', alpn: ['h3'] },
        get: { rule: 'door/app-h2', pool: 'one' },
      },
      {
        it: 'then the one with the narrowest address',
        ask: 'tls door',
        from: '127.0.1.1',
        hello: { sni: 'app.example.com' },
        get: { rule: 'door/app-net', pool: 'two' },
      },
      {
        it: 'a name whose only rule wants another protocol goes on to its wildcard',
        ask: 'tls door',
        hello: { sni: 'h2.example.com', alpn: ['http/1.1'] },
        get: { rule: 'door/wild', pool: 'one' },
      },
      {
        it: 'a wildcard comes before a protocol alone',
        ask: 'tls door',
        hello: { sni: 'other.example.com', alpn: ['h2'] },
        get: { rule: 'door/wild', pool: 'one' },
      },
      {
        it: 'a protocol alone takes any name that nobody has',
        ask: 'tls door',
        hello: { sni: 'elsewhere.test', alpn: ['h2'] },
        get: { rule: 'door/h2', pool: 'two' },
      },
      {
        it: 'a protocol alone takes a client without a name',
        ask: 'tls door',
        hello: { alpn: ['h2', 'http/1.1'] },
        get: { rule: 'door/h2', pool: 'two' },
      },
      {
        it: 'a client without a name reaches the rule that asks for none',
        ask: 'tls door',
        hello: {},
        get: { rule: 'door/rest', pool: 'one' },
      },
      {
        it: 'a client that speaks no TLS reaches the rule that asks for none',
        ask: 'tls door',
        hello: 'GET / HTTP/1.1\r\n\r\n',
        get: { rule: 'door/rest', pool: 'one' },
      },
      {
        it: 'a client that speaks no TLS has an address all the same',
        ask: 'tls door',
        from: '127.0.1.1',
        hello: 'SSH-2.0-x\r\n',
        get: { rule: 'door/net', pool: 'two' },
      },
      {
        it: 'a rule for a name may split',
        ask: 'tls strict',
        hello: { sni: 'split.example.com' },
        get: { rule: 'strict/split', variant: 'new', pool: 'three' },
      },
      {
        it: 'a name that nobody has is refused',
        ask: 'tls strict',
        hello: { sni: 'other.example.com' },
        get: { rule: null, reason: 'destination_not_found' },
      },
      {
        it: 'no name is refused where every rule asks for one',
        ask: 'tls strict',
        hello: { alpn: ['h2'] },
        get: { rule: null, reason: 'server_name_missing' },
      },
      {
        it: 'no TLS is refused where every rule asks for something in it',
        ask: 'tls strict',
        hello: 'GET / HTTP/1.1\r\n\r\n',
        get: { rule: null, reason: 'not_tls' },
      },
      {
        it: 'a protocol and an address have to hold both',
        ask: 'tls strict',
        hello: { sni: 'x.test', alpn: ['postgresql'] },
        get: { rule: null, reason: 'destination_not_found' },
      },
      {
        it: 'a protocol and an address that hold both serve',
        ask: 'tls strict',
        from: '127.0.1.7',
        hello: { alpn: ['postgresql'] },
        get: { rule: 'strict/pg', pool: 'two' },
      },
    ],
  },
  {
    name: 'copies',
    config: {
      listeners: { web: { kind: 'edge', subrequests: 4 } },
      pools: { ...pools, two: { endpoints: [{ address: '${TWO}' }, { address: '${THREE}', priority: 1 }] } },
      routes: [
        {
          name: 'copies',
          rules: [
            {
              name: 'mirrored',
              match: { path: '/mirrored' },
              pool: 'one',
              mirrors: [{ pool: 'two' }, { pool: 'three' }],
            },
            { name: 'hedged', match: { path: '/hedged' }, pool: 'two', hedge: { after: '10s' } },
            {
              name: 'split',
              match: { path: '/split' },
              variants: [
                { name: 'reply', weight: 1, reply: { status: 418, body: 'short' } },
                { name: 'one', weight: 0, pool: 'one' },
              ],
              split: { by: 'address', force: { header: 'x-to', to: 'one' } },
              mirrors: [{ pool: 'three' }],
            },
          ],
        },
      ],
    },
    cases: [
      {
        it: 'a mirrored request is answered by its own pool, whose endpoint sees nothing of the mirrors',
        ask: 'GET http://x.test/mirrored',
        get: { rule: 'copies/mirrored', pool: 'one', sees: { headers: { 'x-fourseven-mirror': null } } },
      },
      {
        it: 'a client cannot say that its request is a copy',
        ask: 'GET http://x.test/mirrored',
        with: { 'x-fourseven-mirror': '1' },
        get: { rule: 'copies/mirrored', pool: 'one', sees: { headers: { 'x-fourseven-mirror': null } } },
      },
      {
        it: 'a hedged request that is answered in time is as any other',
        ask: 'GET http://x.test/hedged',
        get: { rule: 'copies/hedged', pool: 'two' },
      },
      {
        it: 'a variant that replies mirrors nothing',
        ask: 'GET http://x.test/split',
        from: '203.0.113.7',
        get: { rule: 'copies/split', variant: 'reply', status: 418, body: 'short' },
      },
      {
        it: 'a variant with a pool beside it is forwarded',
        ask: 'GET http://x.test/split',
        with: { 'x-to': 'always' },
        from: '203.0.113.7',
        get: { rule: 'copies/split', variant: 'one', pool: 'one' },
      },
    ],
  },
]
