import { connect as startTls } from 'node:tls'
import { describe, expect, test } from 'vitest'
import type { PoolInput } from '../../shared/config/config-pool.ts'
import { parse } from '../../shared/config/parse.ts'
import { type ProxyHeader, readProxyHeader } from '../../shared/wire/proxy-header.ts'
import { findTlv, readSsl, tlvTypes } from '../../shared/wire/tlv.ts'
import { needs } from '../support/needs.ts'
import { freePort, haproxy, nginx, nginxStream, selfSigned } from '../support/servers.ts'
import { client, endpoint, type Lab, labOf, readAll, refusingPort } from './lab.ts'

test('the header is the first thing an endpoint hears, before the client has said a word', async () => {
  for (const sendProxy of [1, 2] as const) {
    const silent = await endpoint(() => {})
    const { port } = await relayTo([silent.port], { sendProxy })
    const socket = await client(port, { localAddress: '127.0.0.9' })
    const first = await new Promise<Buffer>(resolve => {
      void silent.accepted(0).then(accepted => accepted.once('data', resolve))
    })
    const { header, length } = readProxyHeader(first) as { header: ProxyHeader; length: number }
    expect(length).toBe(first.length)
    expect(header).toMatchObject({
      version: sendProxy,
      says: {
        of: 'inet',
        transport: 'stream',
        source: { address: { text: '127.0.0.9' }, port: socket.localPort },
        destination: { address: { text: '127.0.0.1' }, port },
      },
      tlvs: [],
    })
  }
})

test('behind it comes every byte of the client, and the record does not count the header', async () => {
  const { bytes, record } = await through({ sendProxy: 2 }, 'hello')
  const { length } = readProxyHeader(bytes) as { length: number }
  expect(String(bytes.subarray(length))).toBe('hello')
  expect(record).toMatchObject({ bytesIn: 5, uniqueId: null, reason: 'done' })
})

test('the endpoint of a second try hears it once', async () => {
  const heard = await endpoint(socket => socket.resume().on('end', () => socket.end()))
  let bytes = Buffer.alloc(0)
  heard.server.on('connection', socket => {
    socket.on('data', chunk => {
      bytes = Buffer.concat([bytes, chunk])
    })
  })
  const { port, recorded } = await relayTo([await refusingPort(), heard.port], { sendProxy: 1 })
  for (let flow = 1; flow <= 2; flow++) {
    const socket = await client(port)
    socket.end('x')
    await readAll(socket)
    await recorded(flow)
  }
  expect(String(bytes).match(/PROXY TCP4 [\d. ]+\r\nx/g)).toHaveLength(2)
  expect(String(bytes).match(/PROXY/g)).toHaveLength(2)
})

describe('the values of version 2', () => {
  const tlvs = {
    authority: 'db.example.com',
    alpn: 'postgresql',
    uniqueId: true,
    ssl: true,
    crc32c: true,
    custom: { E0: 'from {client.address} by {route}/{rule} to {variant}', EF: 'é' },
  } as const

  test('are those of the config, and the record has the id', async () => {
    const { bytes, record } = await through({ sendProxy: { version: 2, tlvs } }, '')
    const { header } = readProxyHeader(bytes) as { header: ProxyHeader }
    const text = (type: number) => Buffer.from(findTlv(header.tlvs, type) ?? []).toString()
    expect(text(tlvTypes.authority)).toBe('db.example.com')
    expect(text(tlvTypes.alpn)).toBe('postgresql')
    expect(text(0xe0)).toBe('from 127.0.0.1 by app/0 to db')
    expect(text(0xef)).toBe('é')
    expect(findTlv(header.tlvs, tlvTypes.crc32c)).toHaveLength(4)
    expect(text(tlvTypes.uniqueId)).toMatch(/^[0-9a-f-]{36}$/)
    expect(record.uniqueId).toBe(text(tlvTypes.uniqueId))
    // Nothing is known of any TLS.
    expect(findTlv(header.tlvs, tlvTypes.ssl)).toBeUndefined()
  })

  test('go through a second relay as they came, the id in both records', async () => {
    const heard = await endpoint(socket => socket.resume().on('end', () => socket.end()))
    const all = { authority: true, alpn: true, uniqueId: true, ssl: true, crc32c: true }
    const second = await relayTo([heard.port], { sendProxy: { version: 2, tlvs: all } }, true)
    const first = await relayTo([second.port], { sendProxy: { version: 2, tlvs } })
    const socket = await client(first.port, { localAddress: '127.0.0.9' })
    const bytes = firstBytes(await heard.accepted(0))
    socket.end()
    await readAll(socket)
    const { header } = readProxyHeader(await bytes) as { header: ProxyHeader }
    expect(header.says).toMatchObject({ source: { address: { text: '127.0.0.9' } }, destination: { port: first.port } })
    expect(String(Buffer.from(findTlv(header.tlvs, tlvTypes.authority)!))).toBe('db.example.com')
    const [one] = await first.recorded(1)
    const [two] = await second.recorded(1)
    expect(one!.uniqueId).toMatch(/^[0-9a-f-]{36}$/)
    expect(two).toMatchObject({ uniqueId: one!.uniqueId, clientAddress: '127.0.0.9', peerAddress: '127.0.0.1' })
  })

  needs('openssl')('say how the client spoke TLS where it ends here', async () => {
    const { key, cert } = selfSigned('app.example.com')
    const heard = await endpoint(() => {})
    const { config } = parse({
      listeners: {
        door: { kind: 'tls', address: '127.0.0.1:0', certificates: [{ cert, key }], alpn: ['h2'] },
      },
      pools: {
        db: {
          endpoints: [`tcp://127.0.0.1:${heard.port}`],
          sendProxy: { version: 2, tlvs: { authority: true, alpn: true, ssl: true } },
        },
      },
      routes: [{ name: 'app', listener: 'door', pool: 'db' }],
    })
    const { port } = await labOf(config)
    const name = { servername: 'app.example.com', ALPNProtocols: ['h2'], rejectUnauthorized: false }
    const socket = startTls({ port, host: '127.0.0.1', ...name })
    socket.on('error', () => {})
    const { header } = readProxyHeader(await firstBytes(await heard.accepted(0))) as { header: ProxyHeader }
    expect(String(Buffer.from(findTlv(header.tlvs, tlvTypes.authority)!))).toBe('app.example.com')
    expect(String(Buffer.from(findTlv(header.tlvs, tlvTypes.alpn)!))).toBe('h2')
    expect(readSsl(findTlv(header.tlvs, tlvTypes.ssl)!)).toMatchObject({
      isTls: true,
      sentCertificate: false,
      isVerified: false,
      version: 'TLSv1.3',
      cipher: expect.stringContaining('AES'),
    })
    socket.destroy()
  })
})

describe('real receivers', () => {
  for (const sendProxy of [1, 2] as const) {
    needs('nginx', nginxStream)(`nginx reads version ${sendProxy}`, async () => {
      const port = await freePort()
      const say = '$proxy_protocol_addr $proxy_protocol_port $remote_addr'
      await nginx(port, 'stream', `server { listen 127.0.0.1:${port} proxy_protocol; return "${say}"; }`)
      const { port: door } = await relayTo([port], { sendProxy })
      const socket = await client(door, { localAddress: '127.0.0.9' })
      expect(String(await readAll(socket))).toBe(`127.0.0.9 ${socket.localPort} 127.0.0.1`)
    })

    needs('haproxy')(`HAProxy reads version ${sendProxy}`, async () => {
      expect(await askHaproxy({ sendProxy }, '%ci %cp %[dst_port]')).toMatch(/^127\.0\.0\.9 \d+ \d+$/)
    })
  }

  needs('haproxy')('HAProxy verifies our checksum and reads our values', async () => {
    const sendProxy = { version: 2, tlvs: { authority: 'db.example.com', uniqueId: true, crc32c: true } } as const
    const said = await askHaproxy({ sendProxy }, '%ci %[fc_pp_authority] %[fc_pp_unique_id]')
    expect(said).toMatch(/^127\.0\.0\.9 db\.example\.com [0-9a-f-]{36}$/)
  })
})

/** What HAProxy answers to an HTTP request that came through a relay with this pool. */
async function askHaproxy(pool: Omit<PoolInput, 'endpoints'>, format: string): Promise<string> {
  const port = await freePort()
  const answer = `http-request return status 200 content-type text/plain lf-string "${format}"`
  await haproxy(port, `frontend f\n  mode http\n  bind 127.0.0.1:${port} accept-proxy\n  ${answer}`)
  const { port: door } = await relayTo([port], pool)
  const socket = await client(door, { localAddress: '127.0.0.9' })
  socket.write('GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n')
  return String(await readAll(socket)).split('\r\n\r\n')[1]!
}

/** All that an endpoint heard through a relay with this pool, and the record. */
async function through(pool: Omit<PoolInput, 'endpoints'>, payload: string) {
  let bytes = Buffer.alloc(0)
  const heard = await endpoint(socket => {
    socket.on('data', chunk => {
      bytes = Buffer.concat([bytes, chunk])
    })
    socket.on('end', () => socket.end())
  })
  const { port, recorded } = await relayTo([heard.port], pool)
  const socket = await client(port)
  socket.end(payload)
  await readAll(socket)
  const [record] = await recorded(1)
  return { bytes, record: record! }
}

function relayTo(ports: readonly number[], pool: Omit<PoolInput, 'endpoints'>, isCarried = false): Promise<Lab> {
  const proxyProtocol = isCarried ? { proxyProtocol: [{ from: ['127.0.0.0/8'], mode: 'require' as const }] } : {}
  const { config } = parse({
    listeners: { door: { kind: 'tcp', address: '127.0.0.1:0', ...proxyProtocol } },
    pools: { db: { endpoints: ports.map(port => `tcp://127.0.0.1:${port}`), ...pool } },
    routes: [{ name: 'app', listener: 'door', pool: 'db' }],
  })
  return labOf(config)
}

function firstBytes(socket: { once: (event: 'data', take: (bytes: Buffer) => void) => unknown }): Promise<Buffer> {
  return new Promise(resolve => socket.once('data', resolve))
}
