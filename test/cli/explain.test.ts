import { describe, expect, test } from 'vitest'
import { folderWith, fourseven } from './command.ts'

const HOSTED = ['--config', 'shared/routes.ts']

describe('explain URL', () => {
  test('says decision, candidates, split, pool, retry and header edits', async () => {
    const { code, stdout } = await fourseven(['explain', 'http://app.localhost/', '-b', 'canary=always', ...HOSTED])
    expect(stdout).toContain('forward to https://canary.app.example.com')
    expect(stdout).toContain('rule app/all, variant canary, pool canary')
    expect(stdout).toMatch(/app\/api .*does not hold .*path prefix: wants \/api, got \//)
    expect(stdout).toContain('force cookie canary "always": decided')
    expect(stdout).toMatch(/Pool canary \(balance round-robin\)/)
    expect(stdout).toContain('one try, 15s; the rule allows 2: the pool has 1 endpoint to try')
    expect(stdout).toContain('to the client: remove x-powered-by')
    expect(code).toBe(0)
  })

  test('takes cookies however they are dealt out over -b and -H, as curl does', async () => {
    const [canary, id] = ['canary=always', 'fs_id=visitor']
    const ways = [
      ['-b', `${id}; ${canary}`],
      ['-b', id, '-b', canary],
      ['-b', canary, '-b', id],
      ['-H', `Cookie: ${id}`, '-b', 'other=1', '-b', canary],
    ]
    for (const way of ways) {
      const { stdout } = await fourseven(['explain', 'http://app.localhost/', ...way, ...HOSTED])
      expect(stdout).toContain('cookie canary "always", signed cookie fs_id "visitor"')
      expect(stdout).toContain('variant canary')
    }
  })

  test('takes method, headers and client address as a client would send them', async () => {
    const args = ['explain', 'http://app.localhost/api/x', '-X', 'POST', '-H', 'Accept: a', '--client', '203.0.113.7']
    const { stdout } = await fourseven([...args, '--json', ...HOSTED])
    expect(JSON.parse(stdout)).toMatchObject({
      request: { method: 'POST', url: 'http://app.localhost/api/x', clientAddress: '203.0.113.7' },
      decision: { do: 'forward', rule: 'app/api-writes', pool: 'api' },
      decidedBy: { over: 'app/api' },
    })
  })

  test('gives the same answer for the same draw, and another one for some other draw', async () => {
    const variantOf = async (draw: number) => {
      const { stdout } = await fourseven([
        'explain',
        'http://app.localhost/',
        '--draw',
        String(draw),
        '--json',
        ...HOSTED,
      ])
      return JSON.parse(stdout).split.user.value as string
    }
    const [one, again, other] = await Promise.all([variantOf(7), variantOf(7), variantOf(8)])
    expect(again).toBe(one)
    expect(other).not.toBe(one)
  })

  test('tells redirects, replies, and requests that nobody routes', async () => {
    const redirect = await fourseven(['explain', 'http://app.localhost/docs/a?b=1', ...HOSTED])
    expect(redirect.stdout).toMatch(/redirect 301 to .*\/guide\/a\?b=1/)
    const reply = await fourseven(['explain', 'http://app.localhost/healthz', ...HOSTED])
    expect(reply.stdout).toContain('reply 200')
    const nobody = await fourseven(['explain', 'http://nobody.example.org/', ...HOSTED])
    expect(nobody.stdout).toContain('reply 404: destination_not_found')
    expect(nobody.code).toBe(0)
  })

  test('matches the country that is given', async () => {
    const yaml = `listeners: { web: { kind: edge } }
pools: {}
routes:
  - { name: german, match: { country: DE }, reply: { status: 200, body: hallo } }
  - { name: rest, reply: { status: 200, body: hello } }
`
    const cwd = folderWith({ 'routes.yaml': yaml })
    const ruleFor = async (country: string) => {
      const { stdout } = await fourseven(['explain', 'example.com/', '--country', country, '--json'], { cwd })
      return JSON.parse(stdout).decision.rule
    }
    expect(await ruleFor('DE')).toMatch(/^german\//)
    expect(await ruleFor('de')).toMatch(/^german\//)
    expect(await ruleFor('FR')).toMatch(/^rest\//)
  })

  test('says what a request may take, when it is hedged and what is copied', async () => {
    const yaml = `listeners: { web: { kind: edge, subrequests: 20 } }
pools:
  app: { endpoints: ['https://a.example.com', 'https://b.example.com', 'binding:SHOP'] }
  aside: { endpoints: ['https://aside.example.com'] }
routes:
  - { name: app, pool: app, retry: { attempts: 5 }, hedge: { after: p95 }, mirrors: [{ pool: aside }, { pool: aside, percent: 0 }] }
`
    const cwd = folderWith({ 'routes.yaml': yaml })
    const { stdout } = await fourseven(['explain', 'example.com/'], { cwd })
    expect(stdout).toContain('at most 4 of 20 (3 tries, 1 mirror)')
    expect(stdout).toContain("a second try beside the first after p95 of the pool's answers")
    expect(stdout).toContain('a copy to pool aside: 100 % of requests, this one too')
    expect(stdout).toContain('a copy to pool aside: 0 % of requests, not this one')
    const post = await fourseven(['explain', 'example.com/', '-X', 'POST'], { cwd })
    expect(post.stdout).not.toContain('beside the first')
  })

  test('of a bad config prints its problems and exits 1', async () => {
    const cwd = folderWith({ 'routes.yaml': 'listeners: {}\npools: {}\nroutes: [{ name: a, pool: b }]\n' })
    const { code, stderr } = await fourseven(['explain', 'http://app.localhost/'], { cwd })
    expect(stderr).toMatch(/error .*routes\[0\]/)
    expect(code).toBe(1)
  })
})

describe('explain URL says what the edge would do', () => {
  const yaml = `listeners: { web: { kind: edge } }
pools:
  app: { endpoints: ['https://a.example.com/base', 'https://b.example.com'], affinity: { cookie: kept } }
routes:
  - name: app
    rules:
      - { name: hosted, match: { path: /hosted, header: { host: 'app.localhost:8080' } }, pool: app }
      - { name: form, match: { header: { content-type: application/x-www-form-urlencoded } }, pool: app, limits: { maxBody: 1KiB } }
      - { name: old, match: { path: /old }, pool: app, filters: { rewrite: { prefix: /new } } }
      - name: split
        match: { path: /split }
        variants: [{ name: a, weight: 1, reply: { status: 200 }, filters: { responseHeaders: { set: { x-a: '1' } } } }]
        split: { expose: true }
`
  const explain = async (...args: string[]) => {
    const cwd = folderWith({ 'routes.yaml': yaml })
    return fourseven(['explain', ...args], { cwd, env: { FOURSEVEN_COOKIE_KEY: '', FOURSEVEN_OPERATOR_TOKEN: '' } })
  }

  test('with the Host of the URL', async () => {
    expect((await explain('http://app.localhost:8080/hosted')).stdout).toContain('rule app/hosted')
    expect((await explain('http://127.0.0.1/hosted', '-H', 'host: app.localhost:8080')).stdout).toContain('app/hosted')
    expect((await explain('http://[::1]:8787/old')).stdout).toContain('GET http://[::1]:8787/old')
  })

  test('when the door turns a request away', async () => {
    for (const host of ['a b', 'x/evil@app.localhost']) {
      const { stdout } = await explain('http://app.localhost/old', '-H', `host: ${host}`)
      expect(stdout, host).toContain('reply 400: http_request_error')
      expect(stdout, host).toContain('the door answers, no rule is asked')
    }
    const long = await explain(`http://app.localhost/${'a'.repeat(16_500)}`, '--json')
    expect(JSON.parse(long.stdout).decision).toMatchObject({ status: 414, details: 'the URL is longer than 16KiB' })
  })

  test('when the path is the operator’s', async () => {
    const url = 'http://app.localhost/.fourseven/healthz'
    expect((await explain(url, '--var', 'FOURSEVEN_OPERATOR_TOKEN=t')).stdout).toContain('The operator routes answer')
    const without = await explain(url)
    expect(without.stdout).toContain('destination_not_found')
    expect(without.stderr).toContain('note: where FOURSEVEN_OPERATOR_TOKEN is set')
  })

  test('with a body', async () => {
    const small = await explain('http://app.localhost/x', '-d', 'a=1')
    expect(small.stdout).toContain('POST http://app.localhost/x')
    expect(small.stdout).toContain('rule app/form')
    expect(small.stdout).toContain('one try, 15s; the rule allows 2: POST is not sent again without retry.unsafe')
    const large = await explain('http://app.localhost/x', '--data', 'é'.repeat(513), '-X', 'PUT')
    expect(large.stdout).toMatch(/reply 413: http_request_error\n.*the body is larger than 1KiB/)
    const chunked = await explain('http://app.localhost/old', '-X', 'PUT', '-H', 'transfer-encoding: chunked')
    expect(chunked.stdout).toContain('one try, without a clock for so long a body')
  })

  test('with the URL that the endpoint is asked for, and the cookies that are set', async () => {
    const { stdout } = await explain('http://app.localhost/old/z?q=1')
    expect(stdout).toContain('asked for https://a.example.com/base/new/z?q=1')
    expect(stdout).toMatch(/sets cookie kept=\w+ for 1d, before it is signed/)
    const reply = await explain('http://app.localhost/split')
    expect(reply.stdout).toContain('to the client: set x-a: 1')
    expect(reply.stdout).toContain('says x-fourseven-variant: a')
  })

  test('and that a signature could not be checked', async () => {
    const said = 'so the signature of cookie kept was not checked'
    expect((await explain('http://app.localhost/old', '-b', 'kept=x')).stderr).toContain(said)
    expect((await explain('http://app.localhost/old')).stderr).toBe('')
    const withKey = await explain('http://app.localhost/old', '-b', 'kept=x', '--var', 'FOURSEVEN_COOKIE_KEY=k')
    expect(withKey.stderr).toBe('')
    const json = await explain('http://app.localhost/old', '-b', 'kept=x', '--json')
    expect(JSON.parse(json.stdout).notes).toEqual([expect.stringContaining(said)])
  })

  test('but for no country that is none', async () => {
    const { code, stderr } = await explain('http://app.localhost/', '--country', 'deu')
    expect(stderr).toContain('Write an ISO 3166-1 alpha-2 code')
    expect(code).toBe(2)
    const unasked = await explain('http://app.localhost/', '--country', 'de')
    expect(unasked.stderr).toContain('note: nothing in the config asks for the country')
  })
})

describe('explain tcp', () => {
  test('of a pool that goes by the whole flow wants to know where the client connects to', async () => {
    const yaml = `listeners: { any: { kind: tcp, address: '[::]:7000' } }
pools: { db: { endpoints: ['tcp://10.0.0.1:1', 'tcp://10.0.0.2:1'], balance: { hash: flow } } }
routes: [{ name: db, listener: any, pool: db }]
`
    const cwd = folderWith({ 'routes.yaml': yaml })
    const args = ['explain', 'tcp', '[2001:db8::1]:4000']
    const open = await fourseven(args, { cwd })
    expect(open.stdout).toContain('[2001:db8::1]:4000 to listener any ([::]:7000)')
    expect(open.stdout).toContain('to an endpoint that cannot be told')
    const told = await fourseven([...args, '--to', '[2001:db8::2]:7000'], { cwd })
    expect(told.stdout).toContain('listener any ([2001:db8::2]:7000)')
    expect(told.stdout).toContain('key "2001:db8::1 4000 2001:db8::2 7000"')
    const name = await fourseven([...args, '--to', 'localhost:7000'], { cwd })
    expect(name.stderr).toContain('Write it as ADDRESS:PORT.')
  })

  test('says which endpoint a connection gets', async () => {
    const { code, stdout } = await fourseven(['explain', 'tcp', '203.0.113.7:40000', '--listener', 'echo', ...HOSTED])
    expect(stdout).toContain('203.0.113.7:40000 to listener echo (127.0.0.1:7007)')
    expect(stdout).toContain('forward to tcp://127.0.0.1:9105')
    expect(code).toBe(0)
  })

  test('needs a listener that is there, and an address', async () => {
    const unknown = await fourseven(['explain', 'tcp', '203.0.113.7:40000', '--listener', 'db', ...HOSTED])
    expect(unknown.stderr).toContain('no tcp listener is named "db": there is echo, who')
    expect(unknown.code).toBe(2)
    const name = await fourseven(['explain', 'tcp', 'example.com:1', ...HOSTED])
    expect(name.stderr).toContain('"example.com:1" is not an address and port')
    expect(name.code).toBe(2)
  })
})

describe('explain tls', () => {
  const yaml = `listeners:
  secure: { kind: tls, address: '[::]:7443' }
  plain: { kind: tcp, address: '127.0.0.1:7007' }
pools: { app: { endpoints: ['tcp://app.internal:443'] }, rest: { endpoints: ['unix:/run/rest.sock'] } }
routes:
  - name: names
    listener: secure
    rules:
      - { name: h2, match: { sni: '*.example.com', alpn: h2 }, pool: app }
      - { name: app, match: { sni: app.example.com }, pool: app }
      - { name: rest, pool: rest }
  - { name: echo, listener: plain, pool: app }
`

  test('says which rule a name gets, and by which step', async () => {
    const cwd = folderWith({ 'routes.yaml': yaml })
    const args = ['explain', 'tls', '203.0.113.7:40000', '--listener', 'secure', '--sni', 'App.example.com']
    const { code, stdout } = await fourseven([...args, '--alpn', 'h2,http/1.1'], { cwd })
    expect(stdout).toContain('203.0.113.7:40000 to listener secure ([::]:7443)')
    expect(stdout).toContain('asks for app.example.com, offers h2, http/1.1')
    expect(stdout).toContain('rule names/app, variant app, pool app')
    expect(stdout).toContain('names/h2 would hold too; decided by a whole server name')
    expect(code).toBe(0)
    const other = await fourseven(['explain', 'tls', '203.0.113.7:1', '--sni', 'x.example.com', '--json'], { cwd })
    expect(JSON.parse(other.stdout)).toMatchObject({
      flow: { tls: { sni: 'x.example.com', alpn: [] } },
      decision: { do: 'forward', rule: 'names/rest', endpoint: 'unix:/run/rest.sock' },
      candidates: [
        { rule: 'names/app', failed: { predicate: 'sni', wanted: 'app.example.com', got: 'x.example.com' } },
        { rule: 'names/h2', failed: { predicate: 'alpn', wanted: 'h2', got: 'none' } },
        { rule: 'names/rest', verdict: 'serves' },
      ],
    })
  })

  test('needs a name that is one, and a listener of its kind', async () => {
    const cwd = folderWith({ 'routes.yaml': yaml })
    const name = await fourseven(['explain', 'tls', '203.0.113.7:1', '--sni', '*.example.com'], { cwd })
    expect(name.stderr).toContain('Write a name, "app.example.com".')
    const kind = await fourseven(['explain', 'tls', '203.0.113.7:1', '--listener', 'plain'], { cwd })
    expect(kind.stderr).toContain('no tls listener is named "plain": there is secure')
    expect([name.code, kind.code]).toEqual([2, 2])
  })
})

describe('explain udp', () => {
  const yaml = `
listeners:
  dns: { kind: udp, address: '[::]:53', key: { quic: { idLength: 8 } } }
  inside: { kind: udp, address: '10.0.0.1:5353' }
pools:
  a: { endpoints: [{ address: 'udp://10.0.0.5:53', name: one }, { address: 'udp://10.0.0.6:53', name: two }], balance: { hash: address } }
  b: { endpoints: ['udp://10.0.0.7:53'] }
routes:
  - { name: office, listener: [dns, inside], match: { address: 203.0.113.0/24 }, pool: b }
  - name: rest
    listener: [dns, inside]
    variants: [{ name: stable, weight: 9, pool: a }, { name: next, weight: 1, pool: b }]
    session: { requests: 1, responses: 2 }
    timeouts: { idle: 5s }
`

  test('says what a session is, where it goes, how it ends, and nothing of tries', async () => {
    const cwd = folderWith({ 'routes.yaml': yaml })
    const { code, stdout } = await fourseven(['explain', 'udp', '203.0.113.7:40000', '--listener', 'dns'], { cwd })
    expect(stdout).toContain('Session\n  203.0.113.7:40000 to listener dns ([::]:53)')
    expect(stdout).toContain('a session is a QUIC connection id, of 8 bytes where the endpoint chose it')
    expect(stdout).toContain('forward to udp://10.0.0.7:53')
    expect(stdout).toContain('idle for at most 1m')
    expect(stdout).not.toContain('tries')
    expect(code).toBe(0)
    const other = await fourseven(['explain', 'udp', '198.51.100.7:1', '--listener', 'inside', '--json'], { cwd })
    expect(JSON.parse(other.stdout)).toMatchObject({
      flow: { key: { by: 'flow' } },
      decision: { do: 'forward', rule: 'rest/0', idleMs: 5_000, session: { requests: 1, responses: 2 } },
      candidates: [
        { rule: 'office/0', failed: { predicate: 'address' } },
        { rule: 'rest/0', verdict: 'serves' },
      ],
    })
    const words = await fourseven(['explain', 'udp', '198.51.100.7:1', '--listener', 'inside'], { cwd })
    expect(words.stdout).toContain('a session is the address and port of a client')
    expect(words.stdout).toContain('idle for at most 5s, over after 1 datagram, 2 answered to each')
    const kind = await fourseven(['explain', 'tcp', '198.51.100.7:1', '--listener', 'dns'], { cwd })
    expect([kind.code, kind.stderr]).toEqual([2, expect.stringContaining('no tcp listener is named "dns"')])
  })
})

describe('an http listener of the relay', () => {
  const config = 'examples/grpc/routes.ts'

  test('is asked for a gRPC call by service and method, and says the status that it would get', async () => {
    const asked = await explain('grpc', '127.0.0.1:50051/shop.Cart/Add', '--config', config)
    expect(asked.decision).toMatchObject({ do: 'forward', rule: 'calls/cart', pool: 'cart' })
    expect(asked.listener).toBe('calls')
    const unknown = await explain('grpc', '127.0.0.1:50051/shop.Other/Add', '--config', config)
    expect(unknown.decision).toMatchObject({ status: 404, grpcStatus: '12 UNIMPLEMENTED' })
  })

  test('is asked for a URL where there is no edge, by the client at the other end of the connection', async () => {
    const asked = await explain('http://x.test/', '--client', '203.0.113.7', '--config', config)
    expect(asked.listener).toBe('calls')
    expect(asked.request.clientAddress).toBe('203.0.113.7')
    expect(asked.decision).toMatchObject({ status: 404, reason: 'destination_not_found' })
  })

  test('is asked beside an edge when it is named', async () => {
    const stacked = ['--config', 'examples/stacked/routes.ts'] as const
    expect((await explain('http://x.test/', ...stacked)).listener).toBe('worker')
    expect((await explain('http://x.test/', '--listener', 'door-b', ...stacked)).listener).toBe('door-b')
    const { code, stderr } = await fourseven(['explain', 'grpc', 'x.test/a.B/C', ...stacked])
    expect([code, stderr]).toEqual([2, expect.stringContaining('name a --listener: there is door-a, door-b')])
  })

  async function explain(...args: readonly string[]) {
    const { stdout } = await fourseven(['explain', ...args, '--json'])
    return JSON.parse(stdout)
  }
})
