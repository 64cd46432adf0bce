// TLS end to end: HTTPS listeners and misdirected requests, client certificates, TLS that passes through and TLS that ends.

import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, createServer } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Authority, authority, type Pair, pemOf } from '../support/certificates.ts'
import { endpoint, listening, type Running, run, teller } from './lab.ts'
import { file, gateway, httpRoute, imported, route, said, service, to } from './manifests.ts'

let ours: Authority
let ca: string
const folder = mkdtempSync(join(tmpdir(), 'fourseven-certs-'))
const files = new Set<string>()
let v1: Awaited<ReturnType<typeof endpoint>>
let v2: Awaited<ReturnType<typeof endpoint>>

function store(name: string, pair: Pair): void {
  copyFileSync(pair.cert, join(folder, `${name}.crt`))
  copyFileSync(pair.key, join(folder, `${name}.key`))
  files.add(`${name}.crt`).add(`${name}.key`)
}

beforeAll(async () => {
  ours = authority('Test authority', folder)
  ca = readFileSync(ours.ca, 'utf8')
  store('default_web', ours.sign('example.org', 'second-example.org', '*.wildcard.org', 'unknown-example.org'))
  store('other', ours.sign('other.test'))
  copyFileSync(ours.ca, join(folder, 'clients.ca.crt'))
  files.add('clients.ca.crt')
  ;[v1, v2] = await Promise.all([endpoint('v1'), endpoint('v2')])
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

const certificates = { folder, files }
const https = (name: string, hostname?: string, secret = 'web') => ({
  name,
  port: 443,
  protocol: 'HTTPS',
  tls: { certificateRefs: [{ name: secret }] },
  ...(hostname === undefined ? {} : { hostname }),
})
const services = [service('v1'), service('v2')]
const endpoints = () => ({ 'default/v1:8080': [v1.address], 'default/v2:8080': [v2.address] })
const at = (sectionName: string) => ({ parentRefs: [{ name: 'web', sectionName }] })

describe('HTTPS listeners of one port', () => {
  let running: Running
  beforeAll(async () => {
    running = await run(
      [
        ...services,
        gateway([
          https('any'),
          https('second', 'second-example.org'),
          https('wild', '*.wildcard.org'),
          https('fourth', 'fourth-example.wildcard.org'),
        ]),
        httpRoute({ backendRefs: [to('v1')] }, { ...at('any'), hostnames: ['example.org'] }, { name: 'a' }),
        httpRoute({ backendRefs: [to('v2')] }, at('second'), { name: 'b' }),
        httpRoute({ backendRefs: [to('v2')] }, at('wild'), { name: 'c' }),
        httpRoute({ backendRefs: [to('v1')] }, at('fourth'), { name: 'd' }),
      ],
      { endpoints: endpoints(), certificates },
    )
  })
  test.each<[servername: string, host: string, expected: string | number]>([
    ['example.org', 'example.org', 'v1'],
    ['example.org', 'second-example.org', 421],
    ['example.org', 'unknown-example.org', 404],
    ['second-example.org', 'second-example.org', 'v2'],
    ['second-example.org', 'example.org', 421],
    ['second-example.org', 'unknown-example.org', 421],
    ['third-example.wildcard.org', 'third-example.wildcard.org', 'v2'],
    ['third-example.wildcard.org', 'fith-example.wildcard.org', 'v2'],
    ['third-example.wildcard.org', 'fourth-example.wildcard.org', 421],
    ['fourth-example.wildcard.org', 'fourth-example.wildcard.org', 'v1'],
    ['fourth-example.wildcard.org', 'fith-example.wildcard.org', 421],
    ['unknown-example.org', 'example.org', 'v1'],
    ['unknown-example.org', 'unknown-example.org', 404],
  ])('asked for %s, then %s: %s', async (servername, host, expected) => {
    const { saw, status } = await running.ask('web:any', { host, tls: { servername, ca } })
    expect(saw?.endpoint ?? status).toBe(expected)
    if (saw !== undefined) expect(saw.headers).toMatchObject({ host, 'x-forwarded-proto': 'https' })
  })
})

test('each listener shows its own certificate', async () => {
  const running = await run(
    [
      ...services,
      gateway([https('web', 'example.org'), https('other', 'other.test', 'other')]),
      httpRoute({ backendRefs: [to('v1')] }),
    ],
    { endpoints: endpoints(), certificates },
  )
  for (const servername of ['example.org', 'other.test']) {
    expect((await running.ask('web:web', { host: servername, tls: { servername, ca } })).saw!.endpoint).toBe('v1')
  }
})

test('clients show a certificate where the Gateway asks for one, on its port', async () => {
  const validation = { caCertificateRefs: [{ kind: 'ConfigMap', group: '', name: 'clients' }] }
  const running = await run(
    [
      ...services,
      gateway([https('strict'), { ...https('open'), port: 8443 }], {
        tls: { frontend: { default: {}, perPort: [{ port: 443, tls: { validation } }] } },
      }),
      httpRoute({ backendRefs: [to('v1')] }),
    ],
    { endpoints: endpoints(), certificates },
  )
  const tls = { servername: 'example.org', ca }
  const own = pemOf(ours.sign('client.test'))
  expect((await running.ask('web:open', { host: 'example.org', tls })).status).toBe(200)
  expect((await running.ask('web:strict', { host: 'example.org', tls: { ...tls, ...own } })).status).toBe(200)
  await expect(running.ask('web:strict', { host: 'example.org', tls })).rejects.toThrow()
})

test('a listener whose clients nobody could verify is not served', () => {
  const validation = { caCertificateRefs: [{ kind: 'ConfigMap', group: '', name: 'gone' }] }
  const text = file(
    gateway([https('strict'), { name: 'plain', port: 80, protocol: 'HTTP' }], {
      tls: { frontend: { default: { validation } } },
    }),
  )
  const result = imported(text, { certificates, isEdge: false })
  expect(Object.keys(result.config!.listeners)).toEqual(['web:plain'])
  expect(said(result)).toEqual([expect.stringMatching(/^not-carried \d+ certificate-missing$/)])
})

test('a certificate that is missing, of another namespace without a grant, or of another kind closes the listener', () => {
  const of = (ref: object) =>
    imported(file(gateway([{ ...https('a'), tls: { certificateRefs: [ref] } }])), { certificates, isEdge: false })
  for (const [ref, code] of [
    [{ name: 'gone' }, 'not-carried 14 certificate-missing'],
    [{ name: 'web', namespace: 'secrets' }, 'warning 14 not-granted'],
    [{ name: 'web', kind: 'Vault', group: 'x.test' }, 'not-carried 14 unsupported-certificate'],
  ] as const) {
    const result = of(ref)
    expect(result.config!.listeners).toEqual({})
    expect(said(result)[0]).toMatch(new RegExp(`^${code.replace('14', '\\d+')}$`))
  }
})

describe('a TLS listener', () => {
  const tls = (name: string, hostname: string | undefined, more: object = { mode: 'Passthrough' }) => ({
    name,
    port: 8443,
    protocol: 'TLS',
    tls: more,
    ...(hostname === undefined ? {} : { hostname }),
  })

  /** What is said over TLS to whom asks for the name; the error's code when there is no TLS. */
  const heard = (port: number, servername: string): Promise<string> =>
    new Promise(resolve => {
      const socket = connect({ port, host: '127.0.0.1', servername, ca })
      let text = ''
      socket.on('data', chunk => {
        text += chunk
      })
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'))
      socket.on('close', () => resolve(text))
    })
  /** An endpoint that ends TLS itself and says its name. */
  const speaker = (name: string, ...names: string[]) =>
    listening(createServer(pemOf(ours.sign(...names)), socket => socket.on('error', () => {}).end(name)))

  test('passes TLS through by server name; what no route names is refused', async () => {
    const running = await run(
      [
        ...services,
        gateway([tls('all', undefined), tls('apart', 'apart.wildcard.org')]),
        route('TLSRoute', { backendRefs: [to('v1')] }, { ...at('all'), hostnames: ['a.example.org'] }, { name: 'a' }),
        route(
          'TLSRoute',
          { backendRefs: [to('v2')] },
          { ...at('all'), hostnames: ['*.wildcard.org', 'apart.wildcard.org'] },
          { name: 'b' },
        ),
      ],
      {
        endpoints: {
          'default/v1:8080': [await speaker('one', 'a.example.org')],
          'default/v2:8080': [await speaker('two', '*.wildcard.org')],
        },
      },
    )
    const port = running.portOf('web:all')
    expect(await heard(port, 'a.example.org')).toBe('one')
    expect(await heard(port, 'b.wildcard.org')).toBe('two')
    expect(await heard(port, 'other.example.org')).not.toMatch(/one|two/)
    // It belongs to the narrower listener, which has no route.
    expect(await heard(port, 'apart.wildcard.org')).not.toMatch(/one|two/)
  })

  test('ends TLS and hands the clear bytes on', async () => {
    const running = await run(
      [
        ...services,
        gateway([tls('ends', 'example.org', { mode: 'Terminate', certificateRefs: [{ name: 'web' }] })]),
        route('TLSRoute', { backendRefs: [to('v1')] }, { hostnames: ['example.org'] }),
      ],
      { endpoints: { 'default/v1:8080': [await teller('clear')] }, certificates },
    )
    expect(await heard(running.portOf('web:ends'), 'example.org')).toBe('clear')
  })

  test('shares connections by weight, and refuses the share of what is not there', async () => {
    const running = await run(
      [
        ...services,
        gateway([tls('all', undefined)]),
        route(
          'TLSRoute',
          { backendRefs: [to('v1', { weight: 1 }), to('gone', { weight: 1 })] },
          { hostnames: ['a.example.org'] },
        ),
      ],
      { endpoints: { 'default/v1:8080': [await speaker('one', 'a.example.org')], 'default/v2:8080': [] } },
    )
    const found = { one: 0, refused: 0 }
    for (let i = 0; i < 60; i++)
      found[(await heard(running.portOf('web:all'), 'a.example.org')) === 'one' ? 'one' : 'refused'] += 1
    expect(found.one).toBeGreaterThan(10)
    expect(found.refused).toBeGreaterThan(10)
  })
})

test('a Service that speaks TLS is believed as its policy says', async () => {
  const pair = pemOf(ours.sign('in.test'))
  const { createServer: createHttps } = await import('node:https')
  const address = await listening(createHttps(pair, (_, response) => response.end('over TLS')))
  const policy = (hostname: string) => ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'BackendTLSPolicy',
    metadata: { name: 'app' },
    spec: {
      targetRefs: [{ group: '', kind: 'Service', name: 'v1' }],
      validation: { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'clients' }], hostname },
    },
  })
  const ask = async (hostname: string) => {
    const objects = [
      service('v1'),
      policy(hostname),
      gateway([{ name: 'http', port: 80, protocol: 'HTTP' }]),
      httpRoute({ backendRefs: [to('v1')] }),
    ]
    const running = await run(objects, { endpoints: { 'default/v1:8080': [address] }, certificates })
    return running.ask('web:http', { host: 'a.test' })
  }
  expect((await ask('in.test')).text).toBe('over TLS')
  expect((await ask('out.test')).status).toBe(502)
})
