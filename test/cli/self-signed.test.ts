import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect, createServer } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { selfSigned } from '../../cli/self-signed.ts'
import { needs } from '../support/needs.ts'
import { temporary } from '../support/servers.ts'

const now = new Date('2026-11-23T07:45:00Z')

test('a certificate signed by itself is for its name and its time, and no two are alike', () => {
  const [one, other] = [selfSigned('demo.localhost', now, 30), selfSigned('demo.localhost', now, 30)]
  const certificate = new X509Certificate(one.cert)
  expect(certificate).toMatchObject({
    subject: 'CN=demo.localhost',
    issuer: 'CN=demo.localhost',
    subjectAltName: 'DNS:demo.localhost',
    validFrom: 'Nov 23 06:45:00 2026 GMT',
    validTo: 'Dec 23 07:45:00 2026 GMT',
  })
  expect(certificate.verify(certificate.publicKey)).toBe(true)
  expect(new X509Certificate(other.cert).serialNumber).not.toBe(certificate.serialNumber)
})

test('a client that trusts it believes it for its name and for no other', async () => {
  const pair = selfSigned('demo.localhost', new Date(), 1)
  const server = createServer(pair, socket => socket.on('error', () => {}).end()).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const handshake = async (servername: string) => {
    const socket = connect({ port, host: '127.0.0.1', servername, ca: pair.cert })
    onTestFinished(() => void socket.destroy())
    return once(socket, 'secureConnect').then(
      () => 'good',
      (error: NodeJS.ErrnoException) => error.code,
    )
  }
  expect(await handshake('demo.localhost')).toBe('good')
  expect(await handshake('other.localhost')).toBe('ERR_TLS_CERT_ALTNAME_INVALID')
})

needs('openssl')('openssl verifies it, with names as long as names may be', () => {
  for (const name of ['a', `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(61)}`]) {
    const file = join(temporary(), 'cert.pem')
    writeFileSync(file, selfSigned(name, new Date(), 1).cert)
    expect(execFileSync('openssl', ['verify', '-CAfile', file, file], { encoding: 'utf8' })).toContain(': OK')
  }
})
