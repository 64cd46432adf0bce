// TLS passed through: routed by what the client asks for, and not a byte of it changed.

import { execFile } from 'node:child_process'
import { createHash, randomBytes, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureServer } from 'node:http2'
import { createServer } from 'node:https'
import { expect, test } from 'vitest'
import { authority } from '../support/certificates.ts'
import { clientHello } from '../support/client-hello.ts'
import { needs } from '../support/needs.ts'
import { client, echo, ending, endpoint, readAll, said } from './lab.ts'
import { listening, tell, tlsClient, tlsEndpoint, tlsLab } from './tls-lab.ts'

const byName = [
  { name: 'one', match: { sni: 'one.example.com' }, pool: 'one' },
  { name: 'two', match: { sni: '*.example.com' }, pool: 'two' },
]

needs('openssl')('openssl sees the certificate of the endpoint its name leads to', async () => {
  const { sign, ca } = authority()
  const [one, two] = [sign('one.example.com'), sign('*.example.com')]
  const pools = {
    one: { endpoints: [`tcp://127.0.0.1:${await tlsEndpoint(one, tell('one'))}`] },
    two: { endpoints: [`tcp://127.0.0.1:${await tlsEndpoint(two, tell('two'))}`] },
  }
  const { port, recorded } = await tlsLab({}, pools, byName)
  for (const [name, pair] of [
    ['one.example.com', one],
    ['other.example.com', two],
  ] as const) {
    const args = [
      '-servername',
      name,
      '-alpn',
      'h2,http/1.1',
      '-CAfile',
      ca,
      '-verify_hostname',
      name,
      '-verify_return_error',
    ]
    const text = await run('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...args])
    const seen = new X509Certificate(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/.exec(text)![0])
    expect(seen.fingerprint256).toBe(new X509Certificate(readFileSync(pair.cert)).fingerprint256)
    expect(text).toContain('Verify return code: 0 (ok)')
  }
  expect(await recorded(2)).toMatchObject([
    { rule: 'one', sni: 'one.example.com', alpn: ['h2', 'http/1.1'], reason: 'done' },
    { rule: 'two', sni: 'other.example.com' },
  ])
})

needs('openssl', 'curl')('curl speaks HTTP/2 and HTTP/1.1 with the endpoint, each with its own pool', async () => {
  const { sign, ca } = authority()
  const pair = sign('app.example.com')
  const [key, cert] = [readFileSync(pair.key), readFileSync(pair.cert)]
  const h2 = await listening(
    createSecureServer({ key, cert }, (request, response) => {
      response.end(`h2 ${request.httpVersion}`)
    }),
  )
  const h1 = await listening(
    createServer({ key, cert }, (request, response) => {
      response.end(`h1 ${request.httpVersion}`)
    }),
  )
  const pools = { h1: { endpoints: [`tcp://127.0.0.1:${h1}`] }, h2: { endpoints: [`tcp://127.0.0.1:${h2}`] } }
  const { port } = await tlsLab({}, pools, [
    { match: { sni: 'app.example.com' }, pool: 'h1' },
    { match: { sni: 'app.example.com', alpn: 'h2' }, pool: 'h2' },
  ])
  const curl = (...args: readonly string[]) =>
    run('curl', [
      '-s',
      '--cacert',
      ca,
      '--resolve',
      `app.example.com:${port}:127.0.0.1`,
      ...args,
      `https://app.example.com:${port}/`,
    ])
  expect(await curl('--http2')).toBe('h2 2.0')
  expect(await curl('--http1.1')).toBe('h1 1.1')
})

test('a ClientHello that comes one byte at a time reaches the endpoint as it was', async () => {
  const hello = clientHello({ sni: 'one.example.com', alpn: ['h2'] })
  const { port: behind } = await echo()
  const { port, recorded } = await tlsLab({}, { one: { endpoints: [`tcp://127.0.0.1:${behind}`] } }, [byName[0]!])
  const socket = await client(port, { noDelay: true })
  for (const byte of hello) {
    socket.write(Uint8Array.of(byte))
    await new Promise(resolve => setImmediate(resolve))
  }
  socket.end('and what comes behind')
  expect(await readAll(socket)).toEqual(Buffer.concat([hello, Buffer.from('and what comes behind')]))
  const length = hello.length + 21
  expect((await recorded(1))[0]).toMatchObject({
    reason: 'done',
    sni: 'one.example.com',
    bytesIn: length,
    bytesOut: length,
  })
})

test('a client that says its ClientHello too slowly is cut after 3 s, and no endpoint hears of it', async () => {
  const { port: behind, sockets } = await echo()
  const { port, recorded } = await tlsLab({}, { one: { endpoints: [`tcp://127.0.0.1:${behind}`] } })
  const socket = await client(port)
  const hello = clientHello({ sni: 'one.example.com' })
  let at = 0
  const dripping = setInterval(() => socket.write(hello.subarray(at, ++at)), 100)
  expect(await ending(socket)).toBe('ECONNRESET')
  clearInterval(dripping)
  const [record] = await recorded(1)
  expect(record).toMatchObject({ reason: 'peek_timeout', rule: null, sni: null, alpn: null })
  expect(at).toBeLessThan(hello.length)
  expect(sockets).toEqual([])
})

test('a client that says nothing is cut too, and one that leaves before is client_gone', async () => {
  const { port: behind } = await echo()
  const { port, recorded } = await tlsLab(
    { peekTimeout: '200ms' },
    { one: { endpoints: [`tcp://127.0.0.1:${behind}`] } },
  )
  expect(await ending(await client(port))).toBe('ECONNRESET')
  ;(await client(port)).end()
  await recorded(2)
  ;(await client(port)).resetAndDestroy()
  expect((await recorded(3)).map(({ reason }) => reason)).toEqual(['peek_timeout', 'client_gone', 'client_gone'])
})

test('a ClientHello longer than maxPeek is routed by what was seen, or by no name at all', async () => {
  const { port: behind } = await echo()
  const pools = { one: { endpoints: [`tcp://127.0.0.1:${behind}`] } }
  const many = Array.from({ length: 250 }, (_, at) => `protocol-${at}`)
  const named = clientHello({ sni: 'one.example.com', alpn: many })
  const { port, recorded } = await tlsLab({ maxPeek: '512B' }, pools, [byName[0]!])
  const socket = await client(port)
  socket.end(named)
  expect(await readAll(socket)).toEqual(named)
  // The name behind the protocols: not seen.
  const late = clientHello({ alpn: many, sni: 'one.example.com', isNameLast: true })
  const refused = await client(port)
  refused.write(late)
  expect(await ending(refused)).toBe('ECONNRESET')
  expect(await recorded(2)).toMatchObject([
    { rule: 'one', sni: 'one.example.com', alpn: [] },
    { rule: null, reason: 'client_hello_invalid', sni: null },
  ])
})

test('a malformed hello and a half one reach only the rule that asks for nothing', async () => {
  const { port: behind } = await echo()
  const pools = { rest: { endpoints: [`tcp://127.0.0.1:${behind}`] }, one: { endpoints: ['tcp://127.0.0.1:1'] } }
  const rest = { name: 'rest', pool: 'rest' }
  const malformed = Buffer.of(22, 3, 1, 0, 0, 9, 9)
  const half = clientHello({ sni: 'one.example.com' }).subarray(0, 30)
  const open = await tlsLab({}, pools, [byName[0]!, rest])
  const strict = await tlsLab({}, pools, [byName[0]!])
  for (const bytes of [malformed, half]) {
    const socket = await client(open.port)
    socket.end(bytes)
    expect(await readAll(socket)).toEqual(bytes)
    const refused = await client(strict.port)
    refused.end(bytes)
    expect(await ending(refused)).toBe('ECONNRESET')
  }
  expect((await open.recorded(2)).map(({ rule, reason }) => [rule, reason])).toEqual([
    ['rest', 'done'],
    ['rest', 'done'],
  ])
  expect((await strict.recorded(2)).map(({ reason }) => reason)).toEqual([
    'client_hello_invalid',
    'client_hello_invalid',
  ])
})

needs('openssl')('a name that nobody has is refused with an alert that openssl understands', async () => {
  const { port } = await tlsLab({}, { one: { endpoints: ['tcp://127.0.0.1:1'] } }, [byName[0]!])
  const args = ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', 'nobody.test']
  expect(await run('openssl', args)).toMatch(/unrecognized name/)
})

needs('openssl')('10 MB come back byte for byte behind a half-close', async () => {
  const pair = authority().sign('one.example.com')
  const behind = await tlsEndpoint(pair, socket => socket.pipe(socket))
  const { port, recorded } = await tlsLab({}, { one: { endpoints: [`tcp://127.0.0.1:${behind}`] } }, [byName[0]!])
  const sent = randomBytes(10_000_000)
  const socket = await tlsClient(port, { servername: 'one.example.com' })
  socket.end(sent)
  expect(sha256(await readAll(socket))).toBe(sha256(sent))
  const [record] = await recorded(1)
  expect(record!.reason).toBe('done')
  expect(record!.bytesIn).toBeGreaterThan(10_000_000)
})

test('a reset passes through, with the name in the record', async () => {
  const { port: silent, accepted } = await endpoint(() => {})
  const other = await tlsLab({}, { one: { endpoints: [`tcp://127.0.0.1:${silent}`] } })
  const resetting = await client(other.port)
  resetting.write(clientHello({ sni: 'one.example.com' }))
  const there = await accepted(0)
  await new Promise(resolve => there.once('data', resolve))
  resetting.resetAndDestroy()
  expect(await ending(there)).toBe('ECONNRESET')
  expect((await other.recorded(1))[0]).toMatchObject({ reason: 'client_reset', sni: 'one.example.com' })
})

test('a relay that stops resets a client whose ClientHello it still waits for', async () => {
  const { port, relay, recorded } = await tlsLab({ peekTimeout: '1h' }, { one: { endpoints: ['tcp://127.0.0.1:1'] } })
  const socket = await client(port)
  socket.write('\x16\x03')
  while (relay.counts.get('door')!.open === 0) await new Promise(resolve => setTimeout(resolve, 5))
  await relay.stop({ drainMs: 0 })
  expect(await ending(socket)).toBe('ECONNRESET')
  expect((await recorded(1))[0]).toMatchObject({ reason: 'drained' })
})

test('a listener on an IPv6 address takes IPv6 clients, and one on [::] takes both', async () => {
  const { port: behind } = await echo()
  const pools = { one: { endpoints: [`tcp://127.0.0.1:${behind}`] } }
  const loopback = await tlsLab({ address: '[::1]:0' }, pools)
  const any = await tlsLab({ address: '[::]:0' }, pools)
  const hello = String(clientHello({ sni: 'x.test' }))
  for (const [port, host] of [
    [loopback.port, '::1'],
    [any.port, '::1'],
    [any.port, '127.0.0.1'],
  ] as const) {
    expect(await said(await client(port, { host }), hello)).toBe(hello)
  }
  await any.relay.stop({ drainMs: 0 })
  expect(any.records.map(({ clientAddress }) => clientAddress).sort()).toEqual(['127.0.0.1', '::1'])
})

/** What the program says on both streams; stdin is closed. */
function run(program: string, args: readonly string[]): Promise<string> {
  return new Promise(resolve => {
    const child = execFile(program, args, { timeout: 20_000 }, (_, stdout, stderr) => resolve(stdout + stderr))
    child.stdin!.end()
  })
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
