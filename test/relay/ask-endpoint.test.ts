import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer as createHttp } from 'node:http'
import { createServer as createHttp2, createSecureServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { createSecureContext, createServer as createTls } from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import { askEndpoint } from '../../relay/ask-endpoint.ts'
import { probeOpening } from '../../relay/opening.ts'
import type { ProbeInput } from '../../shared/config/config-pool.ts'
import { type EndpointAddress, parseEndpointAddress } from '../../shared/config/endpoint-address.ts'
import { parse } from '../../shared/config/parse.ts'
import type { ProbeConfig } from '../../shared/config/parsed.ts'
import { readProxyHeader } from '../../shared/wire/proxy-header.ts'
import { needs } from '../support/needs.ts'
import { freePort, haproxy, nginx, nginxStream, postgres, redis, selfSigned } from '../support/servers.ts'
import { endpoint, refusingPort } from './lab.ts'
import { closeSocket, udpClient, udpEndpoint, udpLab, udpNamed, until } from './udp-lab.ts'

describe('tcp', () => {
  test('passes when the endpoint takes the connection, and closes it', async () => {
    const silent = await endpoint(() => {})
    expect(await ask(silent.port, { kind: 'tcp' })).toBeUndefined()
    const socket = await silent.accepted(0)
    await once(socket.resume(), 'end')
  })

  test('fails when nothing listens', async () => {
    expect(await ask(await refusingPort(), { kind: 'tcp' })).toBe('ECONNREFUSED')
  })
})

describe('http', () => {
  test.each([
    [200, {}, undefined],
    [399, {}, undefined],
    [400, {}, 'status 400, not 200 to 399'],
    [503, {}, 'status 503, not 200 to 399'],
    [204, { status: 204 }, undefined],
    [200, { status: 204 }, 'status 200, not 204'],
    [404, { status: '400-499' }, undefined],
  ] as const)('status %i with %j', async (status, words, why) => {
    const port = await http((_, answer) => answer.writeHead(status).end())
    expect(await ask(port, { kind: 'http', ...words })).toBe(why)
  })

  test('asks for the path, as the host that the address names', async () => {
    let seen: object = {}
    const port = await http((request, answer) => {
      seen = { method: request.method, url: request.url, host: request.headers.host }
      answer.end()
    })
    await ask(port, { kind: 'http', path: '/ready?deep=1' })
    expect(seen).toEqual({ method: 'GET', url: '/ready?deep=1', host: `127.0.0.1:${port}` })
  })

  test.each([
    ['in the first bytes', 'state: ok', undefined],
    ['up to 10 KiB', `${'x'.repeat(10_238)}ok`, undefined],
    ['across 10 KiB', `${'x'.repeat(10_239)}ok`, 'the body does not hold the text'],
    ['nowhere', 'state: failing', 'the body does not hold the text'],
  ])('a text %s', async (_, body, why) => {
    const port = await http((__, answer) => answer.end(body))
    expect(await ask(port, { kind: 'http', body: 'ok' })).toBe(why)
  })

  test('a body without an end is read no further than it has to be', async () => {
    const port = await http((_, answer) => answer.write(`ok${'x'.repeat(20_000)}`))
    expect(await ask(port, { kind: 'http', body: 'ok' })).toBeUndefined()
    expect(await ask(port, { kind: 'http', body: 'missing' })).toBe('the body does not hold the text')
  })

  test('fails for what is not HTTP, for one that closes and for one that says nothing', async () => {
    const other = await endpoint(socket => socket.end('SSH-2.0-OpenSSH\r\n'))
    expect(await ask(other.port, { kind: 'http' })).toMatch(/^HPE_/)
    const closing = await endpoint(socket => socket.end())
    expect(await ask(closing.port, { kind: 'http' })).toBe('ECONNRESET')
    const silent = await endpoint(() => {})
    expect(await ask(silent.port, { kind: 'http', timeout: '50ms' })).toBe('no answer within 50ms')
  })
})

describe('redis', () => {
  test.each([
    ['+PONG\r\n', undefined],
    ['-NOAUTH Authentication required.\r\n', undefined],
    [
      '-LOADING Redis is loading the dataset in memory\r\n',
      'answered "-LOADING Redis is loading the dataset in memory\\r\\n"',
    ],
    ['', 'closed the connection'],
  ])('%j', async (said, why) => {
    const { port } = await endpoint(socket => socket.once('data', () => socket.end(said)))
    expect(await ask(port, { kind: 'redis' })).toBe(why)
  })

  needs('redis-server')('a real one passes, with a password too', async () => {
    const [open, closed] = [await freePort(), await freePort()]
    await redis(open)
    await redis(closed, ['--requirepass', 'secret'])
    expect(await ask(open, { kind: 'redis' })).toBeUndefined()
    expect(await ask(closed, { kind: 'redis' })).toBeUndefined()
  })
})

describe('postgres', () => {
  test.each([
    ['S', undefined],
    ['N', undefined],
    ['E', 'answered "E"'],
    ['', 'closed the connection'],
  ])('%j', async (said, why) => {
    const { port } = await endpoint(socket => socket.once('data', () => socket.end(said)))
    expect(await ask(port, { kind: 'postgres' })).toBe(why)
  })

  needs('postgres', 'initdb')('a real one passes', async () => {
    const port = await freePort()
    await postgres(port)
    expect(await ask(port, { kind: 'postgres' })).toBeUndefined()
  })
})

describe('http where nothing but HTTP/2 is spoken', () => {
  test.each(['h2c', 'grpc'])('%s:// is asked in it', async scheme => {
    let seen: object = {}
    const server = createHttp2((request, answer) => {
      seen = { method: request.method, url: request.url, authority: request.authority, version: request.httpVersion }
      answer.end('state: ok')
    })
    const port = await listen(server)
    const probe = { kind: 'http', path: '/ready?deep=1', body: 'ok' } as const
    expect(await ask(port, probe, undefined, `${scheme}://127.0.0.1:${port}`)).toBeUndefined()
    expect(seen).toEqual({ method: 'GET', url: '/ready?deep=1', authority: `127.0.0.1:${port}`, version: '2.0' })
  })

  test('its status and its body are looked at', async () => {
    const server = createHttp2((request, answer) => answer.writeHead(request.url === '/no' ? 503 : 200).end('failing'))
    const address = `h2c://127.0.0.1:${await listen(server)}`
    expect(await ask(0, { kind: 'http', path: '/no' }, undefined, address)).toBe('status 503, not 200 to 399')
    expect(await ask(0, { kind: 'http', body: 'ok' }, undefined, address)).toBe('the body does not hold the text')
  })

  test('what speaks HTTP/1.1 fails', async () => {
    const port = await http((_, answer) => answer.end())
    expect(await ask(port, { kind: 'http' }, undefined, `h2c://127.0.0.1:${port}`)).toBeDefined()
  })

  needs('openssl')('grpcs:// is asked in it inside TLS', async () => {
    const { key, cert } = selfSigned('cart.example.com')
    let scheme: string | undefined
    const server = createSecureServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, answer) => {
      scheme = request.scheme
      answer.end()
    })
    const port = await listen(server)
    expect(await ask(port, { kind: 'http' }, undefined, `grpcs://127.0.0.1:${port}`)).toBeUndefined()
    expect(scheme).toBe('https')
  })
})

describe('tls', () => {
  needs('openssl')('passes when the hands were shaken, whoever the certificate names', async () => {
    const { key, cert } = selfSigned('other.example.com')
    const server = createTls({ key: readFileSync(key), cert: readFileSync(cert) }, socket =>
      socket.on('error', () => {}),
    )
    expect(await ask(await listen(server), { kind: 'tls' })).toBeUndefined()
  })

  test('fails for what is not TLS', async () => {
    const { port } = await endpoint(socket => socket.once('data', () => socket.end('220 ready\r\n')))
    expect(await ask(port, { kind: 'tls' })).toMatch(/^ERR_SSL_/)
  })

  needs('openssl')('other questions are asked inside TLS of an endpoint that is tls://', async () => {
    const { key, cert } = selfSigned('redis.example.com')
    const server = createTls({ key: readFileSync(key), cert: readFileSync(cert) }, socket => {
      socket.on('error', () => {}).on('data', () => socket.write('+PONG\r\n'))
    })
    const port = await listen(server)
    expect(await ask(port, { kind: 'redis' }, undefined, `tls://127.0.0.1:${port}`)).toBeUndefined()
  })

  needs('openssl')('an endpoint that wants a certificate is shown the one of the pool', async () => {
    const { key, cert } = selfSigned('relay.example.com')
    const pems = { key: readFileSync(key), cert: readFileSync(cert) }
    const server = createTls({ ...pems, ca: pems.cert, requestCert: true, rejectUnauthorized: true }, socket => {
      socket.on('error', () => {}).on('data', () => socket.write('+PONG\r\n'))
    })
    const port = await listen(server)
    const tls = { context: createSecureContext(pems), serverName: 'redis.example.com' }
    const address = addressOf(`tls://127.0.0.1:${port}`)
    const probe = probeOf({ kind: 'redis', timeout: '10s' })
    const { signal } = new AbortController()
    expect(await askEndpoint(address, probe, undefined, signal, tls)).toBeUndefined()
    expect(await askEndpoint(address, probe, undefined, signal)).toBeDefined()
  })
})

test('a unix socket is asked like any other', async () => {
  const port = await http((_, answer) => answer.end())
  const server = createHttp((_, answer) => answer.end())
  const path = `/tmp/fourseven-probe-${process.pid}-${port}.sock`
  server.listen(path)
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  expect(await ask(0, { kind: 'http' }, undefined, `unix:${path}`)).toBeUndefined()
})

test('a probe that is stopped closes its connection', async () => {
  const silent = await endpoint(() => {})
  const stop = new AbortController()
  const asked = askEndpoint(
    addressOf(`tcp://127.0.0.1:${silent.port}`),
    probeOf({ kind: 'redis' }),
    undefined,
    stop.signal,
  )
  const socket = await silent.accepted(0)
  const ended = once(socket.resume(), 'end')
  stop.abort()
  await ended
  expect(await asked).toBe('closed the connection')
})

describe('an endpoint that reads the PROXY header', () => {
  const versions = [
    [1, 'PROXY UNKNOWN\r\n'],
    [2, '\r\n\r\n\0\r\nQUIT\n\x20\0\0\0'],
  ] as const

  test.each(versions)('hears version %i first', async (version, said) => {
    const { port } = await endpoint(socket => {
      socket.once('data', bytes =>
        socket.end(String(bytes) === `${said}PING\r\n` || String(bytes) === said ? '+PONG\r\n' : '?'),
      )
    })
    expect(await ask(port, { kind: 'redis' }, version)).toBeUndefined()
  })

  for (const [version] of versions) {
    needs('haproxy')(`HAProxy is up when asked with version ${version}, and down without`, async () => {
      const port = await freePort()
      const answer = 'http-request return status 200'
      await haproxy(port, `frontend f\n  mode http\n  bind 127.0.0.1:${port} accept-proxy\n  ${answer}`)
      expect(await ask(port, { kind: 'http' }, version)).toBeUndefined()
      expect(await ask(port, { kind: 'http' })).toBeDefined()
    })

    needs('nginx')(`nginx is up when asked with version ${version}, and down without`, async () => {
      const port = await freePort()
      await nginx(port, 'http', `server { listen 127.0.0.1:${port} proxy_protocol; return 200; }`)
      expect(await ask(port, { kind: 'http' }, version)).toBeUndefined()
      expect(await ask(port, { kind: 'http' })).toBeDefined()
    })
  }

  needs('nginx', nginxStream)('a plain tcp probe does not tell whether it is read', async () => {
    const port = await freePort()
    await nginx(port, 'stream', `server { listen 127.0.0.1:${port} proxy_protocol; return hello; }`)
    expect(await ask(port, { kind: 'tcp' })).toBeUndefined()
  })
})

function ask(port: number, probe: ProbeInput, version?: 1 | 2, address = `tcp://127.0.0.1:${port}`) {
  const opening = version === undefined ? undefined : probeOpening(poolOf({ sendProxy: version }).sendProxy!)
  return askEndpoint(addressOf(address), probeOf({ timeout: '10s', ...probe }), opening, new AbortController().signal)
}

function probeOf(probe: ProbeInput): ProbeConfig {
  return poolOf({ probe }).probe!
}

function poolOf(words: object) {
  const { config } = parse({
    listeners: { door: { kind: 'tcp', address: '127.0.0.1:0' } },
    pools: { pool: { endpoints: ['tcp://127.0.0.1:1'], ...words } },
    routes: [{ name: 'route', listener: 'door', pool: 'pool' }],
  })
  return config.pools[0]!
}

function addressOf(text: string): EndpointAddress {
  const address = parseEndpointAddress(text)
  if (typeof address === 'string') throw new Error(address)
  return address
}

function http(answer: Parameters<typeof createHttp>[1]): Promise<number> {
  return listen(createHttp(answer as never))
}

async function listen(
  server:
    | ReturnType<typeof createHttp>
    | ReturnType<typeof createTls>
    | ReturnType<typeof createHttp2>
    | ReturnType<typeof createSecureServer>,
): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    if ('closeAllConnections' in server) server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

describe('udp', () => {
  test('passes with an answer that begins as it should', async () => {
    const { port, heard } = await udpEndpoint(bytes => `pong ${bytes}`)
    expect(await askUdp(port, { payload: 'ping', expect: 'pong' })).toBeUndefined()
    expect(await askUdp(port, { payload: { hex: '70 69 6E 67' }, expect: { base64: 'cG9u' } })).toBeUndefined()
    expect(await askUdp(port, { payload: { base64: 'cGluZw==' } })).toBeUndefined()
    expect(heard.map(({ text }) => text)).toEqual(['ping', 'ping', 'ping'])
  })

  test('fails with another answer, with none, and where nobody is', async () => {
    const { port } = await udpEndpoint(() => 'no')
    expect(await askUdp(port, { payload: '', expect: 'pong' })).toBe('answered 6e6f')
    const silent = await udpEndpoint(() => undefined)
    expect(await askUdp(silent.port, { payload: 'ping', timeout: '100ms' })).toBe('no answer within 100ms')
    closeSocket(silent.socket)
    expect(await askUdp(silent.port, { payload: 'ping' })).toBe('ECONNREFUSED')
  })

  test('says who asks where a PROXY header is due', async () => {
    const { port, heard } = await udpEndpoint(() => 'ok')
    const sendProxy = { version: 2, hasChecksum: false } as Parameters<typeof probeOpening>[0]
    expect(await askUdp(port, { payload: 'ping' }, probeOpening(sendProxy))).toBeUndefined()
    const { bytes } = heard[0]!
    expect(readProxyHeader(bytes)).toMatchObject({ header: { says: { of: 'local' } }, length: 16 })
    expect(bytes.subarray(16).toString()).toBe('ping')
  })

  test('takes an endpoint down and brings it back', async () => {
    let isUp = true
    const a = await udpEndpoint(bytes => (isUp ? `a:${bytes}` : undefined))
    const b = await udpNamed('b')
    const probe = { kind: 'udp', payload: 'ping', interval: '100ms', timeout: '50ms', fall: 2, rise: 1 } as const
    const { relay, port } = await udpLab([a.port, b.port], { pool: { probe, panicPercent: 0 } })
    const clients = await Promise.all(Array.from({ length: 6 }, () => udpClient(port)))
    const before = await Promise.all(clients.map(client => client.ask('1')))
    expect(before.filter(text => text.startsWith('a'))).toHaveLength(3)
    isUp = false
    const { plane } = relay
    const { slot } = plane.table.pools[0]!.endpoints[0]!
    await until(() => plane.observed.flags[slot] === 1)
    expect(await Promise.all(clients.map(client => client.ask('2')))).toEqual(clients.map(() => 'b:2'))
    isUp = true
    await until(() => plane.observed.flags[slot] === 0)
    // Nobody is moved back.
    expect(await Promise.all(clients.map(client => client.ask('3')))).toEqual(clients.map(() => 'b:3'))
  })
})

function askUdp(port: number, words: Omit<ProbeInput, 'kind'>, opening?: Uint8Array): Promise<string | undefined> {
  const { config } = parse({
    listeners: { door: { kind: 'udp', address: '127.0.0.1:0' } },
    pools: { pool: { endpoints: [`udp://127.0.0.1:${port}`], probe: { kind: 'udp', ...words } } },
    routes: [{ name: 'route', listener: 'door', pool: 'pool' }],
  })
  const address = parseEndpointAddress(`udp://127.0.0.1:${port}`) as EndpointAddress
  return askEndpoint(address, config.pools[0]!.probe!, opening, new AbortController().signal)
}
