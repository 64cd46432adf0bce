// PROXY headers on datagrams, both ways.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseAddress } from '../../shared/wire/address.ts'
import { type ProxySays, readProxyHeader, writeProxyHeader } from '../../shared/wire/proxy-header.ts'
import { findTlv, tlvTypes } from '../../shared/wire/tlv.ts'
import { udpClient, udpEndpoint, udpLab, udpNamed, until } from './udp-lab.ts'

describe('headers that go out', () => {
  test('stand in the first datagram of a session', async () => {
    const a = await udpEndpoint(() => 'ok')
    const { port } = await udpLab([a.port], { pool: { sendProxy: 2 } })
    const client = await udpClient(port)
    await client.ask('one')
    await client.ask('two')
    const [first, second] = a.heard.map(({ bytes }) => bytes)
    expect(split(first!)).toEqual({
      payload: 'one',
      of: 'inet',
      transport: 'datagram',
      source: `127.0.0.1 ${client.port}`,
      destination: `127.0.0.1 ${port}`,
    })
    expect(second!.toString()).toBe('two')
  })

  test('or in each, with the values that the config names, and the record has the id', async () => {
    const a = await udpEndpoint(() => 'ok')
    const tlvs = { uniqueId: true, crc32c: true, custom: { E0: 'route {route}' } }
    const { port, recorded } = await udpLab([a.port], {
      pool: { sendProxy: { version: 2, datagrams: 'each', tlvs } },
      route: { timeouts: { idle: '300ms' } },
    })
    const client = await udpClient(port)
    await client.ask('one')
    await client.ask('two')
    for (const [at, { bytes }] of a.heard.entries()) {
      const read = readProxyHeader(bytes)
      if (read === 'more' || 'reason' in read) throw new Error('no header')
      expect(bytes.subarray(read.length).toString()).toBe(['one', 'two'][at])
      expect(Buffer.from(findTlv(read.header.tlvs, 0xe0)!).toString()).toBe('route route')
      const id = Buffer.from(findTlv(read.header.tlvs, tlvTypes.uniqueId)!).toString()
      expect((await recorded(1))[0]!.uniqueId).toBe(id)
    }
  })

  test('stand in the first datagram after a move again', async () => {
    const [a, b] = [await udpEndpoint(() => 'ok'), await udpEndpoint(() => 'ok')]
    const { port, relay } = await udpLab([a.port, b.port], { pool: { sendProxy: 2 } })
    const client = await udpClient(port)
    await client.ask('one')
    const [had, other] = a.heard.length > 0 ? [a, b] : [b, a]
    const endpoint = relay.plane.table.pools[0]!.endpoints.find(({ address }) => address.port === had.port)!
    relay.drain(endpoint.id, 0)
    await until(() => {
      client.send('two')
      return other.heard.length > 0
    })
    expect(split(other.heard[0]!.bytes)).toMatchObject({ payload: 'two', source: `127.0.0.1 ${client.port}` })
  })

  test('a datagram that no longer fits behind one is dropped and counted, and the next one goes', async () => {
    const a = await udpEndpoint(bytes => String(bytes.length))
    const { port, relay } = await udpLab([a.port], { pool: { sendProxy: { version: 2, datagrams: 'each' } } })
    const client = await udpClient(port)
    // 28 bytes of header for IPv4.
    expect(await client.ask(Buffer.alloc(65_507 - 28))).toBe('65507')
    client.send(Buffer.alloc(65_507 - 27))
    await until(() => relay.counts.get('door')!.dropped.datagram_too_long === 1)
    expect(await client.ask('x')).toBe('29')
    expect(a.heard).toHaveLength(2)
  })
})

describe('headers that come in', () => {
  const required = [{ from: ['127.0.0.1/32'], mode: 'require' }] as const

  test('in the first datagram tell who the client is, and later ones are payload', async () => {
    const a = await udpNamed('a')
    const { port, recorded } = await udpLab([a.port], {
      listener: { proxyProtocol: required },
      route: { timeouts: { idle: '300ms' } },
    })
    const proxy = await udpClient(port)
    expect(await proxy.ask(header('192.0.2.7', 4000, 'one'))).toBe('a:one')
    expect(await proxy.ask('two')).toBe('a:two')
    expect((await recorded(1))[0]).toMatchObject({
      clientAddress: '192.0.2.7',
      clientPort: 4000,
      peerAddress: '127.0.0.1',
      peerPort: proxy.port,
      datagramsIn: 2,
      bytesIn: 6,
    })
  })

  test('in each one speak for many clients: each has a session', async () => {
    const a = await udpNamed('a')
    const { port, relay } = await udpLab([a.port], {
      listener: { proxyProtocol: [{ ...required[0], datagrams: 'each' }] },
      pool: { sendProxy: { version: 2, datagrams: 'each' } },
    })
    const proxy = await udpClient(port)
    await proxy.ask(header('192.0.2.7', 4000, 'one'))
    await proxy.ask(header('192.0.2.8', 4000, 'two'))
    await proxy.ask(header('192.0.2.7', 4001, 'three'))
    await proxy.ask(header('192.0.2.7', 4000, 'four'))
    expect(relay.counts.get('door')!.open).toBe(3)
    const ports = a.heard.map(({ from }) => from.port)
    expect(ports[3]).toBe(ports[0])
    expect(new Set(ports).size).toBe(3)
    expect(a.heard.map(({ bytes }) => split(bytes).source)).toEqual([
      '192.0.2.7 4000',
      '192.0.2.8 4000',
      '192.0.2.7 4001',
      '192.0.2.7 4000',
    ])
  })

  test('LOCAL is the peer itself; nobody else has to send one', async () => {
    const a = await udpNamed('a')
    const { port, relay } = await udpLab([a.port], { listener: { proxyProtocol: required } })
    const local = Buffer.from(writeProxyHeader({ version: 2, says: { of: 'local' }, tlvs: [] }))
    expect(await (await udpClient(port)).ask(Buffer.concat([local, Buffer.from('hi')]))).toBe('a:hi')
    expect(await (await udpClient(port, '127.0.0.2')).ask('plain')).toBe('a:plain')
    expect(relay.counts.get('door')!.dropped).toEqual({})
  })

  test.each([
    ['nothing', 'hello', 'proxy_header_missing'],
    ['half of one', header('192.0.2.7', 4000, '').subarray(0, 20), 'proxy_header_malformed'],
    ['version 1', 'PROXY UDP4 192.0.2.7 192.0.2.1 4000 53\r\nhello', 'proxy_header_malformed'],
    ['a wrong checksum', wrongChecksum(), 'proxy_header_checksum'],
  ] as const)('%s is dropped, counted and written down', async (_, datagram, reason) => {
    const a = await udpNamed('a')
    const { port, relay, recorded } = await udpLab([a.port], { listener: { proxyProtocol: required } })
    const proxy = await udpClient(port)
    proxy.send(datagram)
    await until(() => relay.counts.get('door')!.dropped[reason] === 1)
    expect((await recorded(1))[0]).toMatchObject({ reason, datagramsIn: 1, endpoint: null })
    expect(a.heard).toEqual([])
    expect(relay.counts.get('door')!.open).toBe(0)
  })

  test('any bytes at all leave the door as it was, and every datagram is answered or counted', async () => {
    const a = await udpEndpoint(() => undefined)
    const { port, relay } = await udpLab([a.port], {
      listener: { proxyProtocol: [{ ...required[0], datagrams: 'each' }] },
      pool: { sendProxy: { version: 2, datagrams: 'each' } },
    })
    const proxy = await udpClient(port)
    const good = header('192.0.2.7', 4000, 'payload')
    let sent = 0
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.nat(60), fc.boolean(), async (noise, at, isInside) => {
        const bytes = isInside ? Buffer.from(good) : Buffer.from(noise)
        if (isInside) bytes.set(noise.subarray(0, Math.max(0, bytes.length - at)), Math.min(at, bytes.length))
        proxy.send(bytes)
        sent += 1
        if (sent % 20 === 0) await new Promise(later => setTimeout(later, 1))
      }),
      { numRuns: 500 },
    )
    const counts = relay.counts.get('door')!
    await until(() => Object.values(counts.dropped).reduce((sum, each) => sum + each, a.heard.length) >= sent)
    const before = a.heard.length
    proxy.send(good)
    await until(() => a.heard.length === before + 1)
  })
})

function header(address: string, port: number, payload: string): Buffer {
  return Buffer.concat([writeProxyHeader({ version: 2, says: says(address, port), tlvs: [] }), Buffer.from(payload)])
}

function says(address: string, port: number): ProxySays {
  const end = (text: string, at: number) => ({ address: parseAddress(text)!, port: at })
  return { of: 'inet', transport: 'datagram', source: end(address, port), destination: end('192.0.2.1', 53) }
}

function wrongChecksum(): Buffer {
  const bytes = Buffer.from(writeProxyHeader({ version: 2, says: says('192.0.2.7', 4000), tlvs: [] }, true))
  bytes[bytes.length - 1]! ^= 1
  return bytes
}

function split(bytes: Buffer) {
  const read = readProxyHeader(bytes)
  if (read === 'more' || 'reason' in read || read.header.says.of !== 'inet') throw new Error('no header')
  const { of, transport, source, destination } = read.header.says
  const text = ({ address, port }: { address: { text: string }; port: number }) => `${address.text} ${port}`
  const payload = bytes.subarray(read.length).toString()
  return { payload, of, transport, source: text(source), destination: text(destination) }
}
