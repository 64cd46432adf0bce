// What `check` says of the certificates that a config names, with real files made by openssl.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { expect, test } from 'vitest'
import { certificateProblems } from '../../cli/check-certificates.ts'
import { parse } from '../../shared/config/parse.ts'
import { authority, type Pair } from '../support/certificates.ts'
import { folderWith, fourseven, startFourseven } from './command.ts'

/** Made for one test. */
function pairs() {
  const { sign } = authority()
  return { shop: sign('shop.example.com', '*.shop.example.com'), other: sign('other.example.com') }
}

function configOf(certificates: readonly Pair[], sni: readonly string[] = ['shop.example.com'], port = 8443) {
  return {
    listeners: { secure: { kind: 'tls', address: `127.0.0.1:${port}`, certificates } },
    pools: { app: { endpoints: ['tcp://app.example.com:9000'] } },
    routes: [{ name: 'app', listener: 'secure', match: { sni }, pool: 'app' }],
  }
}

function said(config: unknown, now = Date.now()): string[] {
  return certificateProblems(parse(config).config, {}, now).map(
    ({ severity, code, path, message }) => `${severity} ${code} ${path}: ${message}`,
  )
}

test('nothing of certificates that are right, one label under a wildcard too', () => {
  const { shop, other } = pairs()
  expect(said(configOf([shop]))).toEqual([])
  expect(said(configOf([shop, other], ['de.shop.example.com', '*.shop.example.com', 'other.example.com']))).toEqual([])
})

test('a file that is not there, and a key of another certificate', () => {
  const { shop, other } = pairs()
  expect(said(configOf([{ cert: '/nowhere/tls.crt', key: shop.key }]))).toEqual([
    expect.stringMatching(
      /^warning bad-certificate listeners\.secure\.certificates: \/nowhere\/tls\.crt cannot be read: ENOENT/,
    ),
  ])
  expect(said(configOf([{ cert: shop.cert, key: other.key }]))).toEqual([
    expect.stringMatching(/^warning bad-certificate listeners\.secure\.certificates: .* cannot be used together/),
  ])
})

test('a name that rules ask for and no certificate has', () => {
  const { shop } = pairs()
  expect(said(configOf([shop], ['shop.example.com', 'www.example.com']))).toEqual([
    expect.stringMatching(
      /^warning certificate-without-name .* has the name www\.example\.com, .*: it has shop\.example\.com, \*\.shop/,
    ),
  ])
  expect(said(configOf([shop], ['a.b.shop.example.com']))).toEqual([expect.stringContaining('a.b.shop.example.com')])
})

test('a certificate that is over, or not yet valid', () => {
  const { shop, other } = pairs()
  const day = 86_400_000
  expect(said(configOf([shop, other]), Date.now() + 3 * day)).toEqual([
    expect.stringMatching(/^warning certificate-out-of-time listeners\.secure\.certificates\[0\]: .* was valid until /),
    expect.stringMatching(/certificates\[1\]: /),
  ])
  expect(said(configOf([shop]), Date.now() - 3 * day)).toEqual([expect.stringMatching(/ is valid from /)])
})

test('the command says it with file and line, and --strict makes it fail', async () => {
  const cwd = folderWith({ 'routes.json': JSON.stringify(configOf([{ cert: 'no.pem', key: 'no.key' }]), null, 2) })
  const { code, stdout } = await fourseven(['check', 'routes.json', '--strict'], { cwd })
  expect(stdout).toMatch(/warning routes\.json:6 listeners\.secure\.certificates: no\.pem cannot be read: ENOENT/)
  expect(code).toBe(1)
})

test('dev ends TLS with them, named from the folder it runs in', async () => {
  const { shop } = pairs()
  const cwd = folderWith({ 'routes.json': '' })
  const config = configOf([shop], ['shop.example.com'], 0)
  writeFileSync(join(cwd, 'routes.json'), JSON.stringify(config))
  const running = startFourseven(['dev', 'routes.json', '--json'], { cwd })
  const { listening } = JSON.parse(await running.line(line => line.includes('listening')))
  const port = Number(listening[0].address.split(':').at(-1))
  const subject = await new Promise((resolve, reject) => {
    const socket = connect(
      { host: '127.0.0.1', port, servername: 'shop.example.com', rejectUnauthorized: false },
      () => {
        resolve(socket.getPeerCertificate().subjectaltname)
        socket.destroy()
      },
    )
    socket.once('error', reject)
  })
  expect(subject).toBe('DNS:shop.example.com, DNS:*.shop.example.com')
  running.child.kill('SIGINT')
  expect((await running.ended).code).toBe(0)
})
