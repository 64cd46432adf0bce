// TLS that ends at a listener: certificates by name, protocols, client certificates, and files that change.

import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { PoolInput } from '../../shared/config/config-pool.ts'
import type { ConfigError, Problem } from '../../shared/config/problem.ts'
import { authority, type Pair, pemOf } from '../support/certificates.ts'
import { clientHello } from '../support/client-hello.ts'
import { needs } from '../support/needs.ts'
import { temporary } from '../support/servers.ts'
import { client, echo, ending, endpoint, readAll, said } from './lab.ts'
import { tlsClient, tlsLab } from './tls-lab.ts'

const withOpenssl = needs('openssl')

withOpenssl('each name gets its certificate, a wildcard its own, and any other the first of all', async () => {
  const { sign } = authority()
  const certificates = [sign('first.test'), sign('*.example.com'), sign('app.example.com', 'www.example.net')]
  const { port, recorded } = await tlsLab({ certificates }, await echoPool())
  const names = ['app.example.com', 'WWW.example.net', 'other.example.com', 'a.b.example.com', 'first.test', undefined]
  const seen: (string | undefined)[] = []
  for (const servername of names) {
    const socket = await tlsClient(port, servername === undefined ? {} : { servername })
    seen.push(String(socket.getPeerCertificate().subject.CN))
    socket.end('clear')
    expect(String(await readAll(socket))).toBe('clear')
  }
  expect(seen).toEqual([
    'app.example.com',
    'app.example.com',
    '*.example.com',
    'first.test',
    'first.test',
    'first.test',
  ])
  expect((await recorded(6))[1]).toMatchObject({ sni: 'www.example.net', bytesIn: 5, bytesOut: 5, reason: 'done' })
})

withOpenssl(
  'the protocol of the rule is agreed on, then that of the listener, and none where none is wanted',
  async () => {
    const certificates = [authority().sign('app.test')]
    const pool = await echoPool()
    const rules = [
      { name: 'h2', match: { alpn: 'h2' }, pool: 'pool' },
      { name: 'rest', pool: 'pool' },
    ]
    const own = await tlsLab({ certificates, alpn: ['http/1.1'] }, pool, rules)
    const agreed = async (port: number, ALPNProtocols: string[]) =>
      (await tlsClient(port, { ALPNProtocols })).alpnProtocol
    expect(await agreed(own.port, ['http/1.1', 'h2'])).toBe('h2')
    expect(await agreed(own.port, ['spdy/3', 'http/1.1'])).toBe('http/1.1')
    expect((await tlsClient(own.port)).alpnProtocol).toBe(false)
    await expect(agreed(own.port, ['spdy/3'])).rejects.toMatchObject({
      code: 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
    })
    const plain = await tlsLab({ certificates }, pool, rules)
    expect(await agreed(plain.port, ['http/1.1'])).toBe(false)
  },
)

withOpenssl('half-close, what an endpoint says first, and both ends reach the other side', async () => {
  const certificates = [authority().sign('app.test')]
  const { port: behind } = await endpoint(socket => {
    socket.write('220 ready ')
    void readAll(socket).then(question => socket.end(`${question} 42`))
  })
  const { port, recorded } = await tlsLab({ certificates }, poolAt(behind))
  const socket = await tlsClient(port)
  socket.end('the answer is')
  expect(String(await readAll(socket))).toBe('220 ready the answer is 42')
  expect((await recorded(1))[0]).toMatchObject({ reason: 'done', bytesIn: 13, bytesOut: 26 })
})

withOpenssl('30 MB pass both ways to a client that reads late, and nothing is missing', async () => {
  const certificates = [authority().sign('app.test')]
  const { port, recorded } = await tlsLab({ certificates }, await echoPool())
  const sent = Buffer.alloc(30_000_000, 'numbers 0123456789 ')
  const socket = await tlsClient(port)
  socket.end(sent)
  await new Promise(resolve => setTimeout(resolve, 500))
  expect((await readAll(socket)).equals(sent)).toBe(true)
  expect((await recorded(1))[0]).toMatchObject({ reason: 'done', bytesIn: sent.length, bytesOut: sent.length })
})

withOpenssl('a reset of either side reaches the other as one', async () => {
  const certificates = [authority().sign('app.test')]
  const { port: behind, accepted } = await echo()
  const { port, recorded } = await tlsLab({ certificates }, poolAt(behind))
  const carrier = await client(port)
  const first = await tlsClient(port, { socket: carrier })
  await said(first, 'x')
  carrier.resetAndDestroy()
  expect(await ending(await accepted(0))).toBe('ECONNRESET')
  const second = await tlsClient(port)
  await said(second, 'x')
  ;(await accepted(1)).resetAndDestroy()
  expect(await ending(second)).toBe('ECONNRESET')
  expect((await recorded(2)).map(({ reason }) => reason)).toEqual(['client_reset', 'endpoint_reset'])
})

withOpenssl('a client certificate is asked for, and only one of the right authority lets in', async () => {
  const [mine, other] = [authority(), authority('Somebody else')]
  const certificates = [mine.sign('app.test')]
  const { port: behind, sockets } = await echo()
  const { port, recorded } = await tlsLab({ certificates, clientCa: mine.ca }, poolAt(behind))
  expect(await said(await tlsClient(port, pemOf(mine.sign('client'))), 'in')).toBe('in')
  expect(await outcomeOf(port, undefined)).not.toBe('in')
  expect(await outcomeOf(port, other.sign('client'))).not.toBe('in')
  const records = await recorded(2)
  expect(records.map(({ reason }) => reason)).toEqual(['client_tls_error', 'client_tls_error'])
  expect(sockets).toHaveLength(1)
})

withOpenssl('where a client certificate is not required none will do, but a wrong one will not', async () => {
  const [mine, other] = [authority(), authority('Somebody else')]
  const listener = { certificates: [mine.sign('app.test')], clientCa: mine.ca, requireClientCertificate: false }
  const { port } = await tlsLab(listener, await echoPool())
  expect(await outcomeOf(port, undefined)).toBe('in')
  expect(await outcomeOf(port, mine.sign('client'))).toBe('in')
  expect(await outcomeOf(port, other.sign('client'))).not.toBe('in')
})

withOpenssl('a client with a certificate may resume its session', async () => {
  const mine = authority()
  const { port } = await tlsLab({ certificates: [mine.sign('app.test')], clientCa: mine.ca }, await echoPool())
  const pair = pemOf(mine.sign('client'))
  const first = await tlsClient(port, { ...pair, maxVersion: 'TLSv1.2' })
  expect(await said(first, 'in')).toBe('in')
  const again = await tlsClient(port, { ...pair, maxVersion: 'TLSv1.2', session: first.getSession()! })
  expect(await said(again, 'in')).toBe('in')
  expect(again.isSessionReused()).toBe(true)
})

withOpenssl('clear bytes are never passed on as if they had come through TLS', async () => {
  const certificates = [authority().sign('app.test')]
  const { port: behind, sockets } = await echo()
  const { port, recorded } = await tlsLab({ certificates }, poolAt(behind))
  const socket = await client(port)
  socket.write('GET / HTTP/1.1\r\n\r\n')
  expect(await ending(socket)).toBe('ECONNRESET')
  const half = await client(port)
  half.end('\x16\x03\x01')
  expect(await ending(half)).toBe('ECONNRESET')
  expect((await recorded(2)).map(({ reason }) => reason)).toEqual(['not_tls', 'client_hello_invalid'])
  expect(sockets).toEqual([])
})

withOpenssl('a handshake that is not finished in time, and one that fails, have their words', async () => {
  const certificates = [authority().sign('app.test')]
  const { port, recorded } = await tlsLab({ certificates, peekTimeout: '300ms' }, await echoPool())
  const senseless = await client(port)
  senseless.write(clientHello({ sni: 'app.test' }))
  await ending(senseless)
  await expect(
    tlsClient(port, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' }),
  ).rejects.toThrow()
  const stalled = await client(port)
  stalled.write(readHello('openssl-tls13'))
  await ending(stalled)
  expect((await recorded(3)).map(({ reason }) => reason)).toEqual([
    'client_tls_error',
    'client_tls_error',
    'peek_timeout',
  ])
})

withOpenssl(
  'a certificate that changes on disk is shown to the next client; one that cannot be read is not',
  async () => {
    const { sign } = authority()
    const folder = temporary()
    const pair: Pair = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
    const put = ({ cert, key }: Pair) => {
      copyFileSync(key, pair.key)
      copyFileSync(cert, pair.cert)
    }
    put(sign('old.test'))
    const problems: Problem[] = []
    const onProblem = (problem: Problem) => problems.push(problem)
    const { port } = await tlsLab({ certificates: [pair] }, await echoPool(), undefined, { onProblem })
    const shown = async () => String((await tlsClient(port)).getPeerCertificate().subject.CN)
    const staying = await tlsClient(port)
    expect(await shown()).toBe('old.test')
    put(sign('new.test'))
    while ((await shown()) !== 'new.test') await new Promise(resolve => setTimeout(resolve, 100))
    expect(await said(staying, 'still here')).toBe('still here')
    problems.length = 0
    writeFileSync(pair.cert, 'not a certificate')
    while (problems.length === 0) await new Promise(resolve => setTimeout(resolve, 100))
    expect(problems[0]).toMatchObject({
      severity: 'warning',
      code: 'bad-certificate',
      path: 'listeners.door.certificates',
    })
    expect(problems[0]!.message).toMatch(
      /cert\.pem holds no certificate in PEM: .*; what was there before stays in use/,
    )
    expect(await shown()).toBe('new.test')
  },
)

withOpenssl('files that cannot be used keep the relay from starting, all of them named', async () => {
  const { sign } = authority()
  const [one, two] = [sign('one.test'), sign('two.test')]
  const attempt = (certificates: readonly Pair[], pools = poolAt(1)) =>
    tlsLab({ certificates }, pools).then(
      () => [],
      error => (error as ConfigError).problems,
    )
  const mixed = await attempt([{ cert: one.cert, key: two.key }], {
    pool: { endpoints: ['tls://127.0.0.1:1'], tls: { ca: '/nowhere.pem' } },
  })
  expect(mixed).toMatchObject([
    { code: 'bad-certificate', path: 'pools.pool.tls', message: '/nowhere.pem cannot be read: ENOENT' },
    { code: 'bad-certificate', path: 'listeners.door.certificates' },
  ])
  expect(mixed[1]!.message).toMatch(/cannot be used together: .*mismatch/)
  expect((await attempt([{ cert: one.key, key: one.key }]))[0]!.message).toContain('holds no certificate in PEM')
})

/** What an endpoint that echoes says back, or how the connection ended. In TLS 1.3 a client is done before it is judged. */
async function outcomeOf(port: number, pair: Pair | undefined): Promise<string> {
  try {
    const socket = await tlsClient(port, pair === undefined ? {} : pemOf(pair))
    socket.end('in')
    return String(await readAll(socket))
  } catch (error) {
    return String(error)
  }
}

/** Of a real client, which then says no more. */
function readHello(name: string): Buffer {
  const file = join(import.meta.dirname, `../vectors/client-hello/${name}.json`)
  return Buffer.from((JSON.parse(readFileSync(file, 'utf8')) as { readonly bytes: string }).bytes, 'hex')
}

function poolAt(port: number): Readonly<Record<string, PoolInput>> {
  return { pool: { endpoints: [`tcp://127.0.0.1:${port}`] } }
}

async function echoPool() {
  return poolAt((await echo()).port)
}
