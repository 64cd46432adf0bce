// What RFC 9111 asks of a shared cache, sentence by sentence, as exchanges. The same table runs through every HTTP door.
//
// A step is one request: `answer` is what the endpoint would say, `gets` what the client must get. `asked: 'nothing'` means
// that no endpoint was asked; an object names fields that the endpoint must have seen (null: must not).

export interface CacheCase {
  /** Of RFC 9111, unless it names another. */
  readonly section: string
  readonly says: string
  /** Which of `rules`; default `plain`. */
  readonly rule?: keyof typeof rules
  readonly steps: readonly Step[]
}

export interface Step {
  readonly method?: string
  readonly headers?: Headers
  /** Behind the case's own path. */
  readonly query?: string
  readonly answer?: ScriptedAnswer
  readonly gets: Expected
}

export interface ScriptedAnswer {
  readonly status?: number
  /** `{path}` in a value is the case's own path. */
  readonly headers?: Headers
  readonly body?: string
  /** The connection breaks: before the answer, or in the middle of the body. */
  readonly breaks?: 'before' | 'within'
  /** What it says instead to a request without conditions. */
  readonly unasked?: ScriptedAnswer
}

export interface Expected {
  readonly status?: number
  readonly body?: string
  readonly headers?: Readonly<Record<string, string | RegExp | null>>
  readonly asked?: 'nothing' | Readonly<Record<string, string | null>>
}

type Headers = Readonly<Record<string, string | readonly string[]>>

export const rules = {
  plain: true,
  heuristic: { heuristic: true },
  ttl: { ttl: { '200': '60s', '302': '60s', '404': '60s', '503': '60s' } },
  stale: { staleIfError: '1h', staleWhileRevalidate: '0ms' },
  small: { maxBody: '1KiB' },
  keyed: { key: { query: { except: ['utm'] }, headers: ['x-tenant'] } },
} as const

const ago = (seconds: number) => new Date(Date.now() - seconds * 1000).toUTCString()
const ahead = (seconds: number) => ago(-seconds)
const fresh: Headers = { 'cache-control': 'max-age=600' }
/** Stale when it comes, with a validator. */
const staleWithTag: Headers = { 'cache-control': 'max-age=10', age: '100', etag: '"a"' }
const stale: Headers = { ...staleWithTag, 'cache-control': 'max-age=10, stale-if-error=600' }

/** Stored by the first request and given by the second. */
const reused = (headers: Headers, more: Partial<ScriptedAnswer> = {}): readonly Step[] => [
  { answer: { headers, body: 'one', ...more }, gets: { body: 'one', status: more.status ?? 200 } },
  { gets: { body: 'one', asked: 'nothing', status: more.status ?? 200 } },
]

/** The second request is asked again, from scratch. */
const notReused = (headers: Headers, more: Partial<ScriptedAnswer> = {}): readonly Step[] => [
  { answer: { headers, body: 'one', ...more }, gets: { body: 'one', status: more.status ?? 200 } },
  { answer: { body: 'two' }, gets: { body: 'two' } },
]

export const cases: readonly CacheCase[] = [
  // 2, 3: what is stored
  { section: '3', says: 'an answer that says max-age is stored', steps: reused(fresh) },
  { section: '3', says: 'an answer that says s-maxage is stored', steps: reused({ 'cache-control': 's-maxage=600' }) },
  { section: '3', says: 'an answer that says Expires is stored', steps: reused({ expires: ahead(600) }) },
  { section: '3', says: 'an answer that says nothing is not given again', steps: notReused({}) },
  { section: '3', says: 'no-store is not stored', steps: notReused({ 'cache-control': 'no-store, max-age=600' }) },
  { section: '3', says: 'private is not stored', steps: notReused({ 'cache-control': 'private, max-age=600' }) },
  {
    section: '3',
    says: 'an answer to POST is not stored',
    steps: [
      { method: 'POST', answer: { headers: fresh, body: 'one' }, gets: { body: 'one' } },
      { answer: { body: 'two' }, gets: { body: 'two' } },
    ],
  },
  {
    section: '3',
    says: 'an unknown final status with explicit freshness is stored',
    steps: reused(fresh, { status: 418 }),
  },
  { section: '3', says: 'a 404 with explicit freshness is stored', steps: reused(fresh, { status: 404 }) },
  {
    section: '3',
    says: 'a redirect with explicit freshness is stored',
    steps: reused({ ...fresh, location: '/x' }, { status: 302 }),
  },
  {
    section: '3',
    says: 'must-understand with a status that is known takes no-store back',
    steps: reused({ 'cache-control': 'no-store, must-understand, max-age=600' }),
  },
  {
    section: '3',
    says: 'must-understand with a status that is not known is not stored',
    steps: notReused({ 'cache-control': 'must-understand, max-age=600' }, { status: 418 }),
  },
  {
    section: '3.1',
    says: 'fields named in Connection are not stored',
    steps: [
      { answer: { headers: { ...fresh, connection: 'x-hop', 'x-hop': '1', 'x-kept': '2' } }, gets: {} },
      { gets: { asked: 'nothing', headers: { 'x-hop': null, 'x-kept': '2' } } },
    ],
  },
  {
    section: '3.1',
    says: 'proxy authentication fields are not stored',
    steps: [
      { answer: { headers: { ...fresh, 'proxy-authenticate': 'Basic', 'proxy-authentication-info': 'a' } }, gets: {} },
      { gets: { asked: 'nothing', headers: { 'proxy-authenticate': null, 'proxy-authentication-info': null } } },
    ],
  },
  {
    section: '3.3',
    says: 'an answer that ended early is not stored',
    steps: [
      {
        answer: { headers: { ...fresh, 'content-length': '100' }, body: 'half', breaks: 'within' },
        gets: { status: 0 },
      },
      { answer: { headers: fresh, body: 'whole' }, gets: { body: 'whole' } },
    ],
  },
  {
    section: '3.3',
    says: 'nor one in chunks that ended early',
    steps: [
      { answer: { headers: fresh, body: 'half', breaks: 'within' }, gets: { status: 0 } },
      { answer: { headers: fresh, body: 'whole' }, gets: { body: 'whole' } },
    ],
  },
  {
    section: '3.3',
    says: 'a part is not stored as the whole',
    steps: [
      {
        headers: { range: 'bytes=0-1' },
        answer: { status: 206, headers: { ...fresh, 'content-range': 'bytes 0-1/4' }, body: 'ab' },
        gets: { status: 206, body: 'ab' },
      },
      { answer: { body: 'abcd' }, gets: { status: 200, body: 'abcd' } },
    ],
  },
  {
    section: '3.5',
    says: 'an answer to a request with Authorization is not stored',
    steps: [
      { headers: { authorization: 'Basic a' }, answer: { headers: fresh, body: 'one' }, gets: { body: 'one' } },
      { answer: { body: 'two' }, gets: { body: 'two' } },
    ],
  },
  ...['public, max-age=600', 's-maxage=600', 'must-revalidate, max-age=600'].map(
    (control): CacheCase => ({
      section: '3.5',
      says: `unless it says ${control}`,
      steps: [
        {
          headers: { authorization: 'Basic a' },
          answer: { headers: { 'cache-control': control }, body: 'one' },
          gets: { body: 'one' },
        },
        { gets: { body: 'one', asked: 'nothing' } },
      ],
    }),
  ),
  {
    section: '3.5',
    says: 'proxy-revalidate is not among what allows it',
    steps: [
      {
        headers: { authorization: 'Basic a' },
        answer: { headers: { 'cache-control': 'proxy-revalidate, max-age=600' }, body: 'one' },
        gets: { body: 'one' },
      },
      { headers: { authorization: 'Basic a' }, answer: { body: 'two' }, gets: { body: 'two' } },
    ],
  },
  {
    section: '3.5',
    says: 'what was stored without Authorization is given to a request with it',
    steps: [
      { answer: { headers: fresh, body: 'one' }, gets: { body: 'one' } },
      { headers: { authorization: 'Basic a' }, gets: { body: 'one', asked: 'nothing' } },
    ],
  },
  {
    section: '3',
    says: 'no-cache alone does not have an unknown status stored',
    steps: [
      {
        answer: { status: 418, headers: { 'cache-control': 'no-cache', etag: '"a"' }, body: 'one' },
        gets: { status: 418 },
      },
      { answer: { body: 'two' }, gets: { body: 'two', asked: { 'if-none-match': null } } },
    ],
  },
  {
    section: '3',
    says: 'public and private together is private',
    steps: notReused({ 'cache-control': 'public, private, max-age=600' }),
  },
  {
    section: '3',
    says: "a 304 to a client's own condition is not stored",
    steps: [
      {
        headers: { 'if-none-match': '"a"' },
        answer: { status: 304, headers: { ...fresh, etag: '"a"' } },
        gets: { status: 304 },
      },
      { answer: { body: 'two' }, gets: { status: 200, body: 'two' } },
    ],
  },
  {
    section: '3',
    says: 'an answer to HEAD is not stored for GET',
    steps: [
      { method: 'HEAD', answer: { headers: fresh }, gets: { status: 200, body: '' } },
      { answer: { body: 'two' }, gets: { status: 200, body: 'two' } },
    ],
  },
  {
    section: '3.1',
    says: 'fields that nobody knows are stored with it',
    steps: [
      { answer: { headers: { ...fresh, 'x-nobody-knows': 'a, b;c="d"' }, body: 'one' }, gets: { body: 'one' } },
      { gets: { body: 'one', asked: 'nothing', headers: { 'x-nobody-knows': 'a, b;c="d"' } } },
    ],
  },
  {
    section: '5.2',
    says: 'directives are passed on, to the endpoint and to the client',
    steps: [
      {
        headers: { 'cache-control': 'max-age=30, x-own=1' },
        answer: { headers: { 'cache-control': 'max-age=600, x-its="2"' }, body: 'one' },
        gets: {
          headers: { 'cache-control': 'max-age=600, x-its="2"' },
          asked: { 'cache-control': 'max-age=30, x-own=1' },
        },
      },
      { gets: { asked: 'nothing', headers: { 'cache-control': 'max-age=600, x-its="2"' } } },
    ],
  },
  {
    section: '7.3',
    says: 'an answer that sets a cookie is not stored, public or not',
    steps: notReused({ 'cache-control': 'public, max-age=600', 'set-cookie': 'a=1' }),
  },
  {
    section: '5.2.2.7',
    says: 'private with field names keeps only those out',
    steps: [
      {
        answer: { headers: { 'cache-control': 'max-age=600, private="x-own"', 'x-own': '1', 'x-all': '2' } },
        gets: { headers: { 'x-own': '1' } },
      },
      { gets: { asked: 'nothing', headers: { 'x-own': null, 'x-all': '2' } } },
    ],
  },
  {
    section: '5.2.2.4',
    says: 'no-cache with field names keeps only those out',
    steps: [
      {
        answer: { headers: { 'cache-control': 'max-age=600, no-cache="set-cookie"', 'set-cookie': 'a=1' } },
        gets: { headers: { 'set-cookie': /a=1/ } },
      },
      { gets: { asked: 'nothing', headers: { 'set-cookie': null } } },
    ],
  },
  {
    section: '5.2.1.5',
    says: 'a request that says no-store is not stored',
    steps: [
      { headers: { 'cache-control': 'no-store' }, answer: { headers: fresh, body: 'one' }, gets: { body: 'one' } },
      { answer: { body: 'two' }, gets: { body: 'two' } },
    ],
  },
  // 4: what is given
  {
    section: '4',
    says: 'what comes from the store says its Age',
    steps: [
      { answer: { headers: { ...fresh, age: '30' } }, gets: {} },
      { gets: { asked: 'nothing', headers: { age: /^3[0-9]$/ } } },
    ],
  },
  {
    section: '4',
    says: 'another query is another answer',
    steps: [
      { query: '?a=1', answer: { headers: fresh, body: 'one' }, gets: { body: 'one' } },
      { query: '?a=2', answer: { body: 'two' }, gets: { body: 'two' } },
    ],
  },
  {
    section: '4',
    says: 'HEAD is answered from what GET stored',
    steps: [
      { answer: { headers: { ...fresh, 'x-kept': '1' }, body: 'one' }, gets: { body: 'one' } },
      { method: 'HEAD', gets: { body: '', asked: 'nothing', headers: { 'x-kept': '1' } } },
    ],
  },
  {
    section: '4',
    says: 'an unsafe method always goes to the endpoint',
    steps: [
      { answer: { headers: fresh, body: 'one' }, gets: { body: 'one' } },
      { method: 'POST', answer: { status: 500, body: 'two' }, gets: { status: 500, body: 'two' } },
      { gets: { body: 'one', asked: 'nothing' } },
    ],
  },
  {
    section: '4.1',
    says: 'an answer that varies is given to requests that say the same',
    steps: [
      { headers: { 'x-a': '1' }, answer: { headers: { ...fresh, vary: 'X-A' }, body: 'one' }, gets: { body: 'one' } },
      { headers: { 'x-a': '1', 'x-b': '9' }, gets: { body: 'one', asked: 'nothing' } },
    ],
  },
  {
    section: '4.1',
    says: 'and not to others, nor to those who say nothing',
    steps: [
      { headers: { 'x-a': '1' }, answer: { headers: { ...fresh, vary: 'X-A' }, body: 'one' }, gets: { body: 'one' } },
      { headers: { 'x-a': '2' }, answer: { headers: { ...fresh, vary: 'X-A' }, body: 'two' }, gets: { body: 'two' } },
      { answer: { headers: { ...fresh, vary: 'X-A' }, body: 'three' }, gets: { body: 'three' } },
      { headers: { 'x-a': '1' }, gets: { body: 'one', asked: 'nothing' } },
      { headers: { 'x-a': '2' }, gets: { body: 'two', asked: 'nothing' } },
      { gets: { body: 'three', asked: 'nothing' } },
    ],
  },
  {
    section: '4.1',
    says: 'white space in a list makes no other request',
    steps: [
      { headers: { 'x-a': '1,2' }, answer: { headers: { ...fresh, vary: 'x-a' }, body: 'one' }, gets: { body: 'one' } },
      { headers: { 'x-a': '1,  2' }, gets: { body: 'one', asked: 'nothing' } },
    ],
  },
  {
    section: '4.1',
    says: 'nor do case and order of languages',
    steps: [
      {
        headers: { 'accept-language': 'en, de' },
        answer: { headers: { ...fresh, vary: 'Accept-Language' }, body: 'one' },
        gets: { body: 'one' },
      },
      { headers: { 'accept-language': 'DE,en' }, gets: { body: 'one', asked: 'nothing' } },
    ],
  },
  { section: '4.1', says: 'Vary: * fits nobody', steps: notReused({ ...fresh, vary: '*' }) },
  { section: '4.1', says: 'nor does a list with *', steps: notReused({ ...fresh, vary: 'x-a, *' }) },
  {
    section: '4.1',
    says: 'a field that was absent fits only where it is absent',
    steps: [
      { answer: { headers: { ...fresh, vary: 'x-a' }, body: 'one' }, gets: { body: 'one' } },
      { gets: { body: 'one', asked: 'nothing' } },
      { headers: { 'x-a': '' }, answer: { body: 'two' }, gets: { body: 'two' } },
    ],
  },
  {
    section: '4.1',
    says: 'two names in Vary have to fit both',
    steps: [
      {
        headers: { 'x-a': '1', 'x-b': '1' },
        answer: { headers: { ...fresh, vary: 'x-a, X-B' }, body: 'one' },
        gets: { body: 'one' },
      },
      { headers: { 'x-a': '1', 'x-b': '1' }, gets: { body: 'one', asked: 'nothing' } },
      { headers: { 'x-a': '1', 'x-b': '2' }, answer: { body: 'two' }, gets: { body: 'two' } },
    ],
  },
  {
    section: '4',
    says: 'of two answers that fit the newer one counts',
    steps: [
      { headers: { 'x-a': '1' }, answer: { headers: { ...fresh, vary: 'x-a' }, body: 'one' }, gets: { body: 'one' } },
      { headers: { 'x-a': '2' }, answer: { headers: fresh, body: 'two' }, gets: { body: 'two' } },
      { headers: { 'x-a': '1' }, gets: { body: 'two', asked: 'nothing' } },
    ],
  },
  {
    section: '4',
    says: 'another host is another answer',
    steps: [
      { headers: { host: 'a.test' }, answer: { headers: fresh, body: 'one' }, gets: { body: 'one' } },
      { headers: { host: 'b.test' }, answer: { body: 'two' }, gets: { body: 'two' } },
    ],
  },
  {
    section: '4',
    says: 'what was asked of the endpoint has the Age that the endpoint says, or none',
    steps: [
      { answer: { headers: { ...fresh, age: '7' }, body: 'one' }, gets: { headers: { age: '7' } } },
      { query: '?b', answer: { headers: fresh, body: 'one' }, gets: { headers: { age: null } } },
    ],
  },
  // 4.2: freshness
  {
    section: '4.2',
    says: 'a stale answer without validator is asked for anew',
    steps: notReused({ 'cache-control': 'max-age=10', age: '100' }),
  },
  {
    section: '4.2.1',
    says: 's-maxage goes before max-age',
    steps: reused({ 'cache-control': 'max-age=0, s-maxage=600' }),
  },
  {
    section: '4.2.1',
    says: 'also when it is shorter',
    steps: notReused({ 'cache-control': 'max-age=600, s-maxage=0' }),
  },
  {
    section: '4.2.1',
    says: 'max-age goes before Expires',
    steps: reused({ 'cache-control': 'max-age=600', expires: ago(600) }),
  },
  {
    section: '4.2.1',
    says: 'also when it is shorter than Expires',
    steps: notReused({ 'cache-control': 'max-age=0', expires: ahead(600) }),
  },
  { section: '4.2.1', says: 'Expires counts from Date', steps: notReused({ expires: ahead(60), date: ahead(3600) }) },
  { section: '4.2.1', says: 'an invalid Expires has passed', steps: notReused({ expires: '0' }) },
  { section: '4.2.1', says: 'two Expires are invalid', steps: notReused({ expires: [ahead(600), ahead(700)] }) },
  {
    section: '4.2.1',
    says: 'max-age that is no number is stale',
    steps: notReused({ 'cache-control': 'max-age=many' }),
  },
  { section: '4.2.1', says: 'a negative max-age is stale', steps: notReused({ 'cache-control': 'max-age=-600' }) },
  {
    section: '4.2.1',
    says: 'of two max-age the first counts',
    steps: reused({ 'cache-control': 'max-age=600, max-age=0' }),
  },
  {
    section: '1.2.2',
    says: 'a max-age beyond 2^31 is long',
    steps: reused({ 'cache-control': 'max-age=99999999999' }),
  },
  { section: '5.2', says: 'names of directives have no case', steps: reused({ 'cache-control': 'MaX-aGe=600' }) },
  { section: '5.2', says: 'a quoted argument is an argument', steps: reused({ 'cache-control': 'max-age="600"' }) },
  {
    section: '5.2.3',
    says: 'an unknown directive is passed over',
    steps: reused({ 'cache-control': 'x="a, no-store", max-age=600' }),
  },
  {
    section: '4.2.2',
    says: 'a heuristic is used only where the rule asks for it',
    steps: notReused({ 'last-modified': ago(86_400 * 10), date: ago(0) }).slice(0, 1),
  },
  {
    section: '4.2.2',
    says: 'and then an answer with Last-Modified is fresh for a while',
    rule: 'heuristic',
    steps: reused({ 'last-modified': ago(86_400 * 10) }),
  },
  {
    section: '4.2.2',
    says: 'unless its status is not cacheable by itself',
    rule: 'heuristic',
    steps: notReused({ 'last-modified': ago(86_400 * 10) }, { status: 503 }),
  },
  {
    section: '4.2.2',
    says: 'the time that the rule gives for a status counts where the answer says nothing',
    rule: 'ttl',
    steps: reused({}, { status: 404 }),
  },
  {
    section: '4.2.2',
    says: 'and not where it says something',
    rule: 'ttl',
    steps: notReused({ 'cache-control': 'max-age=0' }),
  },
  {
    section: '4.2.2',
    says: 'the time of the rule counts for every status that it names',
    rule: 'ttl',
    steps: reused({ location: '/x' }, { status: 302 }),
  },
  { section: '4.2.2', says: 'also for errors', rule: 'ttl', steps: reused({}, { status: 503 }) },
  {
    section: '4.2.2',
    says: 'no heuristic where the answer says when it expires',
    rule: 'heuristic',
    steps: notReused({ 'last-modified': ago(86_400 * 10), 'cache-control': 'max-age=0' }),
  },
  {
    section: '4.2.2',
    says: 'nor where it says so in a way that cannot be read',
    rule: 'heuristic',
    steps: notReused({ 'last-modified': ago(86_400 * 10), expires: 'soon' }),
  },
  {
    section: '4.2.2',
    says: 'public makes any status fit for a heuristic',
    rule: 'heuristic',
    steps: reused({ 'last-modified': ago(86_400 * 10), 'cache-control': 'public' }, { status: 503 }),
  },
  {
    section: '5.1',
    says: 'of two Ages the first counts',
    steps: reused({ 'cache-control': 'max-age=600', age: '0, 700' }),
  },
  {
    section: '1.2.2',
    says: 'an Age beyond 2^31 is old',
    steps: notReused({ 'cache-control': 'max-age=600', age: '99999999999' }),
  },
  {
    section: '5.3',
    says: 'Expires may be written as asctime writes it',
    steps: reused({ expires: 'Sun Nov  6 08:49:37 2094' }),
  },
  { section: '5.3', says: 'and has to be in GMT', steps: notReused({ expires: 'Sun, 06 Nov 2094 08:49:37 CET' }) },
  { section: '4.2.3', says: 'Age counts', steps: notReused({ 'cache-control': 'max-age=600', age: '600' }) },
  {
    section: '4.2.3',
    says: 'so does a Date that is long ago',
    steps: notReused({ 'cache-control': 'max-age=600', date: ago(700) }),
  },
  {
    section: '4.2.3',
    says: 'an Age that is no number does not',
    steps: reused({ 'cache-control': 'max-age=600', age: 'old' }),
  },
  {
    section: '4.2.4',
    says: 'a stale answer with must-revalidate is not given when the endpoint fails',
    steps: [
      {
        answer: {
          headers: { ...stale, 'cache-control': 'max-age=10, must-revalidate, stale-if-error=600' },
          body: 'one',
        },
        gets: { body: 'one' },
      },
      { answer: { breaks: 'before' }, gets: { status: 502 } },
    ],
  },
  ...['s-maxage=10', 'proxy-revalidate, max-age=10', 'no-cache, max-age=10'].map(
    (control): CacheCase => ({
      section: '4.2.4',
      says: `nor is one that says ${control}`,
      steps: [
        {
          answer: { headers: { ...stale, 'cache-control': `${control}, stale-if-error=600` }, body: 'one' },
          gets: { body: 'one' },
        },
        { answer: { breaks: 'before' }, gets: { status: 502 } },
      ],
    }),
  ),
  {
    section: '5.2.2.2',
    says: 'max-stale of a client does not go before must-revalidate',
    steps: [
      {
        answer: { headers: { ...staleWithTag, 'cache-control': 'max-age=10, must-revalidate' }, body: 'one' },
        gets: { body: 'one' },
      },
      {
        headers: { 'cache-control': 'max-stale' },
        answer: { headers: fresh, body: 'two' },
        gets: { body: 'two', asked: { 'if-none-match': '"a"' } },
      },
    ],
  },
  {
    section: '5.5',
    says: 'no Warning is written on a stale answer',
    steps: [
      { answer: { headers: stale, body: 'one' }, gets: { body: 'one' } },
      { answer: { status: 503 }, gets: { status: 200, headers: { warning: null } } },
    ],
  },
  {
    section: 'RFC 5861 4',
    says: 'stale-if-error gives the stale answer when the endpoint breaks',
    steps: [
      { answer: { headers: stale, body: 'one' }, gets: { body: 'one' } },
      {
        answer: { breaks: 'before' },
        gets: { body: 'one', status: 200, headers: { 'cache-status': /detail=stale-if-error/ } },
      },
    ],
  },
  {
    section: 'RFC 5861 4',
    says: 'and when it answers 503',
    steps: [
      { answer: { headers: stale, body: 'one' }, gets: { body: 'one' } },
      { answer: { status: 503 }, gets: { body: 'one', status: 200 } },
    ],
  },
  {
    section: 'RFC 5861 4',
    says: 'but not when it answers 404',
    steps: [
      { answer: { headers: stale, body: 'one' }, gets: { body: 'one' } },
      { answer: { status: 404, body: 'gone' }, gets: { status: 404, body: 'gone' } },
    ],
  },
  {
    section: 'RFC 5861 4',
    says: 'the rule may say it for all answers',
    rule: 'stale',
    steps: [
      { answer: { headers: staleWithTag, body: 'one' }, gets: { body: 'one' } },
      { answer: { breaks: 'before' }, gets: { body: 'one', status: 200 } },
    ],
  },
  {
    section: 'RFC 5861 4',
    says: 'a stale answer without a word on it is not given',
    steps: [
      { answer: { headers: staleWithTag, body: 'one' }, gets: { body: 'one' } },
      { answer: { breaks: 'before' }, gets: { status: 502 } },
    ],
  },
  {
    section: 'RFC 5861 3',
    says: 'stale-while-revalidate gives the stale answer at once',
    steps: [
      {
        answer: { headers: { 'cache-control': 'max-age=10, stale-while-revalidate=600', age: '100' }, body: 'one' },
        gets: { body: 'one' },
      },
      {
        answer: { headers: fresh, body: 'two' },
        gets: { body: 'one', headers: { 'cache-status': /^fourseven; hit; ttl=-/ } },
      },
    ],
  },
  // 4.3: validation
  {
    section: '4.3.1',
    says: 'a stale answer is validated with its entity tag',
    steps: [
      { answer: { headers: staleWithTag, body: 'one' }, gets: { body: 'one' } },
      {
        answer: { status: 304, headers: { ...fresh, etag: '"a"' } },
        gets: { status: 200, body: 'one', asked: { 'if-none-match': '"a"' } },
      },
      { gets: { body: 'one', asked: 'nothing' } },
    ],
  },
  {
    section: '4.3.1',
    says: 'and with its Last-Modified',
    steps: [
      {
        answer: {
          headers: { 'cache-control': 'max-age=10', age: '100', 'last-modified': 'Sun, 06 Nov 1994 08:49:37 GMT' },
          body: 'one',
        },
        gets: { body: 'one' },
      },
      {
        answer: { status: 304, headers: fresh },
        gets: { status: 200, body: 'one', asked: { 'if-modified-since': 'Sun, 06 Nov 1994 08:49:37 GMT' } },
      },
    ],
  },
  {
    section: '4.3.3',
    says: 'a new answer replaces the stale one',
    steps: [
      { answer: { headers: staleWithTag, body: 'one' }, gets: { body: 'one' } },
      { answer: { headers: { ...fresh, etag: '"b"' }, body: 'two' }, gets: { body: 'two' } },
      { gets: { body: 'two', asked: 'nothing' } },
    ],
  },
  {
    section: '4.3.4',
    says: 'a 304 brings its fields along, and the others stay',
    steps: [
      {
        answer: {
          headers: { ...staleWithTag, 'x-old': '1', 'x-both': '1', 'content-type': 'text/plain' },
          body: 'one',
        },
        gets: { body: 'one' },
      },
      {
        answer: { status: 304, headers: { ...fresh, etag: '"a"', 'x-both': '2', 'content-type': 'image/png' } },
        gets: { body: 'one', headers: { 'x-old': '1', 'x-both': '2', 'content-type': 'text/plain' } },
      },
      { gets: { asked: 'nothing', headers: { 'x-old': '1', 'x-both': '2' } } },
    ],
  },
  {
    section: '4.3.4',
    says: 'a 304 with another strong tag says nothing of what is stored',
    steps: [
      { answer: { headers: staleWithTag, body: 'one' }, gets: { body: 'one' } },
      {
        answer: { status: 304, headers: { etag: '"z"' }, unasked: { headers: { ...fresh, etag: '"z"' }, body: 'two' } },
        gets: { status: 200, body: 'two', asked: { 'if-none-match': null } },
      },
      { gets: { body: 'two', asked: 'nothing' } },
    ],
  },
  {
    section: '4.3.4',
    says: 'a 304 that says no tag is of the one that was asked about',
    steps: [
      { answer: { headers: staleWithTag, body: 'one' }, gets: { body: 'one' } },
      { answer: { status: 304, headers: { ...fresh, 'x-new': '1' } }, gets: { status: 200, body: 'one' } },
      { gets: { body: 'one', asked: 'nothing', headers: { etag: '"a"', 'x-new': '1' } } },
    ],
  },
  {
    section: '3.2',
    says: 'a 304 changes neither length nor encoding of what is stored',
    steps: [
      { answer: { headers: staleWithTag, body: 'one' }, gets: { body: 'one' } },
      {
        answer: {
          status: 304,
          headers: { ...fresh, etag: '"a"', 'content-encoding': 'gzip', 'content-range': 'bytes 0-0/9' },
        },
        gets: { status: 200, body: 'one', headers: { 'content-encoding': null, 'content-range': null } },
      },
      { gets: { body: 'one', asked: 'nothing', headers: { 'content-encoding': null, 'content-range': null } } },
    ],
  },
  {
    section: '4.3.3',
    says: 'a 503 where nothing allows the stale answer goes to the client',
    steps: [
      { answer: { headers: staleWithTag, body: 'one' }, gets: { body: 'one' } },
      { answer: { status: 503, body: 'busy' }, gets: { status: 503, body: 'busy' } },
    ],
  },
  {
    section: '4.3.3',
    says: 'and does not take the place of what is stored',
    steps: [
      { answer: { headers: staleWithTag, body: 'one' }, gets: { body: 'one' } },
      { answer: { status: 503, body: 'busy' }, gets: { status: 503 } },
      {
        answer: { status: 304, headers: { ...fresh, etag: '"a"' } },
        gets: { status: 200, body: 'one', asked: { 'if-none-match': '"a"' } },
      },
    ],
  },
  {
    section: '4.3.2',
    says: 'a client that has the stored answer gets 304',
    steps: [
      { answer: { headers: { ...fresh, etag: '"a"' }, body: 'one' }, gets: { body: 'one' } },
      { headers: { 'if-none-match': '"x", W/"a"' }, gets: { status: 304, asked: 'nothing', headers: { etag: '"a"' } } },
      { headers: { 'if-none-match': '"x"' }, gets: { status: 200, body: 'one', asked: 'nothing' } },
    ],
  },
  {
    section: '4.3.2',
    says: 'If-None-Match goes before If-Modified-Since',
    steps: [
      {
        answer: { headers: { ...fresh, etag: '"a"', 'last-modified': ago(5000) }, body: 'one' },
        gets: { body: 'one' },
      },
      { headers: { 'if-none-match': '"x"', 'if-modified-since': ago(0) }, gets: { status: 200, asked: 'nothing' } },
    ],
  },
  {
    section: '4.3.2',
    says: 'If-Modified-Since is compared with Last-Modified',
    steps: [
      { answer: { headers: { ...fresh, 'last-modified': ago(5000) }, body: 'one' }, gets: { body: 'one' } },
      { headers: { 'if-modified-since': ago(4000) }, gets: { status: 304, asked: 'nothing' } },
      { headers: { 'if-modified-since': ago(6000) }, gets: { status: 200, asked: 'nothing' } },
    ],
  },
  {
    section: '4.3.2',
    says: "a client's own condition goes on where nothing is stored",
    steps: [
      {
        headers: { 'if-none-match': '"a"' },
        answer: { status: 304, headers: { etag: '"a"' } },
        gets: { status: 304, asked: { 'if-none-match': '"a"' } },
      },
    ],
  },
  {
    section: '4.3.2',
    says: 'If-Match is for the endpoint to judge',
    steps: [
      { answer: { headers: { ...fresh, etag: '"a"' }, body: 'one' }, gets: { body: 'one' } },
      { headers: { 'if-match': '"a"' }, answer: { status: 412 }, gets: { status: 412, asked: { 'if-match': '"a"' } } },
    ],
  },
  {
    section: '4.3.5',
    says: 'a HEAD that agrees makes the stored answer fresh',
    steps: [
      { answer: { headers: staleWithTag, body: 'one' }, gets: { body: 'one' } },
      { method: 'HEAD', answer: { headers: { ...fresh, etag: '"a"' } }, gets: { status: 200, body: '' } },
      { gets: { body: 'one', asked: 'nothing' } },
    ],
  },
  {
    section: '4.3.5',
    says: 'one that does not agree takes it out',
    steps: [
      { answer: { headers: staleWithTag, body: 'one' }, gets: { body: 'one' } },
      { method: 'HEAD', answer: { headers: { ...fresh, etag: '"b"' } }, gets: { status: 200, body: '' } },
      { answer: { body: 'two' }, gets: { body: 'two', asked: { 'if-none-match': null } } },
    ],
  },
  {
    section: '4.3.5',
    says: 'one without validators may be of another than the stored one that has some, and makes nothing fresh',
    steps: [
      { answer: { headers: staleWithTag, body: 'one' }, gets: { body: 'one' } },
      { method: 'HEAD', answer: { headers: fresh }, gets: { status: 200, body: '' } },
      {
        answer: { status: 304, headers: { ...fresh, etag: '"a"' } },
        gets: { status: 200, body: 'one', asked: { 'if-none-match': '"a"' } },
      },
    ],
  },
  {
    section: '4.3.5',
    says: 'where neither has any it does',
    rule: 'stale',
    steps: [
      { answer: { headers: { 'cache-control': 'max-age=10', age: '100' }, body: 'one' }, gets: { body: 'one' } },
      { method: 'HEAD', answer: { headers: { ...fresh, 'x-new': '1' } }, gets: { status: 200, body: '' } },
      { gets: { body: 'one', asked: 'nothing', headers: { 'x-new': '1' } } },
    ],
  },
  {
    section: '4.3.5',
    says: 'one whose length is another takes it out',
    steps: [
      { answer: { headers: { ...staleWithTag, 'content-length': '3' }, body: 'one' }, gets: { body: 'one' } },
      { method: 'HEAD', answer: { headers: { ...fresh, etag: '"a"', 'content-length': '9' } }, gets: { status: 200 } },
      { answer: { body: 'two' }, gets: { body: 'two', asked: { 'if-none-match': null } } },
    ],
  },
  {
    section: '4.3.2',
    says: 'a client that asks for any answer but one that it has gets 304 too',
    steps: [
      { answer: { headers: { ...fresh, etag: '"a"' }, body: 'one' }, gets: { body: 'one' } },
      { headers: { 'if-none-match': '*' }, gets: { status: 304, asked: 'nothing' } },
    ],
  },
  {
    section: '4.3.2',
    says: 'without Last-Modified, If-Modified-Since is compared with Date',
    steps: [
      { answer: { headers: { ...fresh, date: ago(100) }, body: 'one' }, gets: { body: 'one' } },
      { headers: { 'if-modified-since': ago(50) }, gets: { status: 304, asked: 'nothing' } },
      { headers: { 'if-modified-since': ago(150) }, gets: { status: 200, body: 'one', asked: 'nothing' } },
    ],
  },
  {
    section: '4.3.2',
    says: 'an If-Modified-Since that is no date is passed over',
    steps: [
      { answer: { headers: { ...fresh, 'last-modified': ago(5000) }, body: 'one' }, gets: { body: 'one' } },
      { headers: { 'if-modified-since': 'today' }, gets: { status: 200, body: 'one', asked: 'nothing' } },
    ],
  },
  {
    section: '4.3.2',
    says: 'a client that has what the endpoint then confirms gets 304',
    steps: [
      { answer: { headers: staleWithTag, body: 'one' }, gets: { body: 'one' } },
      {
        headers: { 'if-none-match': '"a"' },
        answer: { status: 304, headers: { ...fresh, etag: '"a"' } },
        gets: { status: 304, asked: { 'if-none-match': '"a"' } },
      },
      { gets: { body: 'one', asked: 'nothing' } },
    ],
  },
  {
    section: '4.3.2',
    says: 'one that has another gets the answer that the endpoint confirms',
    steps: [
      { answer: { headers: staleWithTag, body: 'one' }, gets: { body: 'one' } },
      {
        headers: { 'if-none-match': '"z"' },
        answer: { status: 304, headers: { ...fresh, etag: '"a"' } },
        gets: { status: 200, body: 'one', asked: { 'if-none-match': '"a"' } },
      },
    ],
  },
  // 4.4: invalidation
  {
    section: '4.4',
    says: 'what Location and Content-Location name goes too',
    steps: ['location', 'content-location'].flatMap((field): readonly Step[] => [
      { query: `?${field}`, answer: { headers: fresh, body: 'one' }, gets: { body: 'one' } },
      { method: 'POST', answer: { status: 201, headers: { [field]: `?${field}` } }, gets: { status: 201 } },
      { query: `?${field}`, answer: { body: 'two' }, gets: { body: 'two' } },
    ]),
  },
  {
    section: '4.4',
    says: 'of another host it does not',
    steps: [
      { answer: { headers: fresh, body: 'one' }, gets: { body: 'one' } },
      {
        method: 'POST',
        headers: { host: 'other.test' },
        query: '?a',
        answer: { status: 201, headers: { location: 'http://app.test{path}' } },
        gets: { status: 201 },
      },
      { gets: { body: 'one', asked: 'nothing' } },
    ],
  },
  {
    section: '4.4',
    says: 'a redirect after a POST is a success',
    steps: [
      { answer: { headers: fresh, body: 'one' }, gets: { body: 'one' } },
      { method: 'POST', answer: { status: 303, headers: { location: '/x' } }, gets: { status: 303 } },
      { answer: { body: 'two' }, gets: { body: 'two' } },
    ],
  },
  {
    section: '4.4',
    says: 'a safe method takes nothing out',
    steps: [
      { answer: { headers: fresh, body: 'one' }, gets: { body: 'one' } },
      { method: 'OPTIONS', answer: { status: 200 }, gets: { status: 200 } },
      { gets: { body: 'one', asked: 'nothing' } },
    ],
  },
  {
    section: '4.4',
    says: 'every answer of the URL goes, whatever it varies by',
    steps: [
      { headers: { 'x-a': '1' }, answer: { headers: { ...fresh, vary: 'x-a' }, body: 'one' }, gets: { body: 'one' } },
      { headers: { 'x-a': '2' }, answer: { headers: { ...fresh, vary: 'x-a' }, body: 'two' }, gets: { body: 'two' } },
      { method: 'DELETE', answer: { status: 204 }, gets: { status: 204 } },
      { headers: { 'x-a': '1' }, answer: { body: 'new one' }, gets: { body: 'new one' } },
      { headers: { 'x-a': '2' }, answer: { body: 'new two' }, gets: { body: 'new two' } },
    ],
  },
  ...['POST', 'PUT', 'DELETE', 'PATCH'].map(
    (method): CacheCase => ({
      section: '4.4',
      says: `a ${method} that succeeds takes the stored answer out`,
      steps: [
        { answer: { headers: fresh, body: 'one' }, gets: { body: 'one' } },
        { method, answer: { status: 200, body: 'done' }, gets: { status: 200 } },
        { answer: { body: 'two' }, gets: { body: 'two' } },
      ],
    }),
  ),
  {
    section: '4.4',
    says: 'one that fails does not',
    steps: [
      { answer: { headers: fresh, body: 'one' }, gets: { body: 'one' } },
      { method: 'DELETE', answer: { status: 404 }, gets: { status: 404 } },
      { gets: { body: 'one', asked: 'nothing' } },
    ],
  },
  // 5.2: directives
  {
    section: '5.2.1.1',
    says: 'a request may ask for a younger answer',
    steps: [
      { answer: { headers: { ...fresh, age: '60' }, body: 'one' }, gets: { body: 'one' } },
      { headers: { 'cache-control': 'max-age=30' }, answer: { headers: fresh, body: 'two' }, gets: { body: 'two' } },
    ],
  },
  {
    section: '5.2.1.2',
    says: 'or for one that is not stale for long',
    steps: [
      {
        answer: { headers: { 'cache-control': 'max-age=10', age: '20', etag: '"a"' }, body: 'one' },
        gets: { body: 'one' },
      },
      { headers: { 'cache-control': 'max-stale=600' }, gets: { body: 'one', asked: 'nothing' } },
      { headers: { 'cache-control': 'max-stale=1' }, answer: { body: 'two' }, gets: { body: 'two' } },
    ],
  },
  {
    section: '5.2.1.3',
    says: 'or for one that stays fresh for a while',
    steps: [
      { answer: { headers: { ...fresh, age: '590' }, body: 'one' }, gets: { body: 'one' } },
      { headers: { 'cache-control': 'min-fresh=60' }, answer: { body: 'two' }, gets: { body: 'two' } },
    ],
  },
  {
    section: '5.2.1.4',
    says: 'no-cache in a request asks the endpoint',
    steps: [
      { answer: { headers: { ...fresh, etag: '"a"' }, body: 'one' }, gets: { body: 'one' } },
      {
        headers: { 'cache-control': 'no-cache' },
        answer: { status: 304, headers: { etag: '"a"' } },
        gets: { status: 200, body: 'one', asked: { 'if-none-match': '"a"' } },
      },
    ],
  },
  {
    section: '5.4',
    says: 'so does Pragma: no-cache',
    steps: [
      { answer: { headers: fresh, body: 'one' }, gets: { body: 'one' } },
      { headers: { pragma: 'no-cache' }, answer: { body: 'two' }, gets: { body: 'two' } },
    ],
  },
  {
    section: '5.2.1.7',
    says: 'only-if-cached is answered 504 when there is nothing',
    steps: [{ headers: { 'cache-control': 'only-if-cached' }, gets: { status: 504, asked: 'nothing' } }],
  },
  {
    section: '5.2.1.7',
    says: 'and with what is stored when there is something',
    steps: [
      { answer: { headers: fresh, body: 'one' }, gets: { body: 'one' } },
      { headers: { 'cache-control': 'only-if-cached' }, gets: { body: 'one', asked: 'nothing' } },
    ],
  },
  {
    section: '5.2.1.2',
    says: 'max-stale without a value takes any stale answer',
    steps: [
      { answer: { headers: staleWithTag, body: 'one' }, gets: { body: 'one' } },
      { headers: { 'cache-control': 'max-stale' }, gets: { body: 'one', asked: 'nothing' } },
    ],
  },
  {
    section: '5.4',
    says: 'Pragma counts for nothing beside Cache-Control',
    steps: [
      { answer: { headers: fresh, body: 'one' }, gets: { body: 'one' } },
      { headers: { pragma: 'no-cache', 'cache-control': 'max-age=600' }, gets: { body: 'one', asked: 'nothing' } },
    ],
  },
  {
    section: '5.2.2.4',
    says: 'no-cache in an answer has it validated each time',
    steps: [
      {
        answer: { headers: { 'cache-control': 'no-cache, max-age=600', etag: '"a"' }, body: 'one' },
        gets: { body: 'one' },
      },
      {
        answer: { status: 304, headers: { etag: '"a"' } },
        gets: { status: 200, body: 'one', asked: { 'if-none-match': '"a"' } },
      },
    ],
  },
  // RFC 9110 14: ranges
  {
    section: 'RFC 9110 14',
    says: 'a range is cut out of the stored whole',
    steps: [
      { answer: { headers: fresh, body: '0123456789' }, gets: { body: '0123456789' } },
      {
        headers: { range: 'bytes=2-4' },
        gets: { status: 206, body: '234', asked: 'nothing', headers: { 'content-range': 'bytes 2-4/10' } },
      },
      { headers: { range: 'bytes=-3' }, gets: { status: 206, body: '789', asked: 'nothing' } },
      { headers: { range: 'bytes=8-' }, gets: { status: 206, body: '89', asked: 'nothing' } },
      {
        headers: { range: 'bytes=10-' },
        gets: { status: 416, asked: 'nothing', headers: { 'content-range': 'bytes */10' } },
      },
      { headers: { range: 'bytes=0-1,3-4' }, gets: { status: 200, body: '0123456789', asked: 'nothing' } },
    ],
  },
  {
    section: 'RFC 9110 13.1.5',
    says: 'If-Range that does not hold gives the whole',
    steps: [
      { answer: { headers: { ...fresh, etag: '"a"' }, body: '0123456789' }, gets: { body: '0123456789' } },
      {
        headers: { range: 'bytes=2-4', 'if-range': '"b"' },
        gets: { status: 200, body: '0123456789', asked: 'nothing' },
      },
      { headers: { range: 'bytes=2-4', 'if-range': '"a"' }, gets: { status: 206, body: '234', asked: 'nothing' } },
    ],
  },
  // RFC 9213
  {
    section: 'RFC 9213 2',
    says: 'CDN-Cache-Control goes before Cache-Control',
    steps: reused({ 'cache-control': 'no-store', 'cdn-cache-control': 'max-age=600' }),
  },
  {
    section: 'RFC 9213 2',
    says: 'also when it forbids',
    steps: notReused({ 'cache-control': 'max-age=600', 'cdn-cache-control': 'no-store' }),
  },
  {
    section: 'RFC 9213 2',
    says: 'and before Expires',
    steps: notReused({ expires: ahead(600), 'cdn-cache-control': 'max-age=0' }),
  },
  {
    section: 'RFC 9213 2.1',
    says: 'one that cannot be read is not there',
    steps: notReused({ 'cache-control': 'no-store', 'cdn-cache-control': 'max-age=600, &&' }),
  },
  {
    section: 'RFC 9213 2.1',
    says: 'nor is a number that is written as a string',
    steps: notReused({ 'cache-control': 'no-store', 'cdn-cache-control': 'max-age="600"' }),
  },
  // ours
  {
    section: 'ours',
    says: 'parameters that the key leaves out make no other answer',
    rule: 'keyed',
    steps: [
      { query: '?a=1&utm=x', answer: { headers: fresh, body: 'one' }, gets: { body: 'one' } },
      { query: '?a=1&utm=y', gets: { body: 'one', asked: 'nothing' } },
      { query: '?a=2&utm=x', answer: { body: 'two' }, gets: { body: 'two' } },
    ],
  },
  {
    section: 'ours',
    says: 'headers of the key do',
    rule: 'keyed',
    steps: [
      { headers: { 'x-tenant': 'a' }, answer: { headers: fresh, body: 'one' }, gets: { body: 'one' } },
      { headers: { 'x-tenant': 'b' }, answer: { body: 'two' }, gets: { body: 'two' } },
    ],
  },
  {
    section: 'ours',
    says: 'an answer larger than maxBody is not stored',
    rule: 'small',
    steps: [
      { answer: { headers: fresh, body: 'x'.repeat(2000) }, gets: { body: 'x'.repeat(2000) } },
      { answer: { body: 'two' }, gets: { body: 'two' } },
    ],
  },
]
