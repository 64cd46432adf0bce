import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { parseAddress } from '../../shared/wire/address.ts'
import { type ProxySays, writeProxyHeader } from '../../shared/wire/proxy-header.ts'
import { needs } from '../support/needs.ts'
import { freePort, haproxy, nginx, nginxStream } from '../support/servers.ts'
import { client, configOf, echo, ending, lab, labOf, named, poolOf, readAll, ruleOf, said } from './lab.ts'

const fromHere = [{ cidrs: ['127.0.0.0/8'], isRequired: true, isInEach: false }]

test('the decision and the record see the client that the header carries', async () => {
  const [far, near] = await Promise.all([named('far'), named('near')])
  const { port, recorded } = await labOf({
    ...configOf([], { proxyProtocol: fromHere }),
    pools: [poolOf('far', [far.port]), poolOf('near', [near.port])],
    routes: [
      {
        layer: 4,
        name: 'route',
        listeners: ['door'],
        rules: [
          ruleOf({
            name: 'far',
            matches: [{ address: ['203.0.113.0/24'], sni: [], alpn: [] }],
            variants: [{ name: 'far', weight: 1, pool: 'far' }],
          }),
          ruleOf({ name: 'near', variants: [{ name: 'near', weight: 1, pool: 'near' }] }),
        ],
      },
    ],
  })
  const carried = await client(port)
  carried.end(headerFrom('203.0.113.7', 40_000))
  expect(String(await readAll(carried))).toBe('far')
  const own = await client(port)
  const { localPort } = own
  own.end(writeProxyHeader({ version: 2, says: { of: 'local' }, tlvs: [] }))
  expect(String(await readAll(own))).toBe('near')
  expect(await recorded(2)).toMatchObject([
    { rule: 'far', clientAddress: '203.0.113.7', clientPort: 40_000, peerAddress: '127.0.0.1', bytesIn: 0 },
    { rule: 'near', clientAddress: '127.0.0.1', clientPort: localPort, peerPort: localPort },
  ])
})

test('what is behind the header reaches the endpoint, byte for byte, however it is cut', async () => {
  const { port } = await echo()
  const { port: door, recorded } = await lab([port], { proxyProtocol: fromHere })
  const payload = 'hello'
  const bytes = Buffer.concat([headerFrom('203.0.113.7', 1), Buffer.from(payload)])
  for (const pieces of [1, 2, 7, bytes.length]) {
    const socket = (await client(door)).setNoDelay(true)
    for (let piece = 0; piece < pieces; piece++) {
      const cut = bytes.subarray((piece * bytes.length) / pieces, ((piece + 1) * bytes.length) / pieces)
      await new Promise(resolve => socket.write(cut, resolve))
      await new Promise(resolve => setImmediate(resolve))
    }
    socket.end()
    expect(String(await readAll(socket))).toBe(payload)
  }
  for (const { bytesIn, reason } of await recorded(4)) expect([bytesIn, reason]).toEqual([5, 'done'])
})

test('an endpoint that speaks first is not waited for by its client', async () => {
  const { port } = await named('welcome')
  const { port: door } = await lab([port], { proxyProtocol: fromHere })
  const socket = await client(door)
  expect(await said(socket, String(headerFrom('203.0.113.7', 1)))).toBe('welcome')
})

describe('under require', () => {
  const malformed: { name: string; bytes: string; reason: string }[] = JSON.parse(
    readFileSync(new URL('../vectors/proxy/malformed.json', import.meta.url), 'utf8'),
  ).headers

  test('each malformed header ends its connection with its reason, and no endpoint hears of it', async () => {
    const { port, sockets } = await echo()
    const { port: door, recorded } = await lab([port], { proxyProtocol: fromHere })
    for (const [at, { name, bytes, reason }] of malformed.entries()) {
      const socket = await client(door)
      socket.write(Buffer.from(bytes, 'hex'))
      expect(await ending(socket), name).toBe('ECONNRESET')
      expect((await recorded(at + 1))[at], name).toMatchObject({
        reason: `proxy_header_${reason}`,
        clientAddress: '127.0.0.1',
        route: null,
        attempts: [],
      })
    }
    expect(sockets).toEqual([])
  })

  test('no header, half a header and one cut short by the end are each named', async () => {
    const { port } = await echo()
    const { port: door, recorded } = await lab([port], { proxyProtocol: fromHere })
    const whole = headerFrom('203.0.113.7', 1)
    const reasonOf = async (act: (socket: Socket) => void) => {
      const socket = await client(door)
      const { localPort } = socket
      act(socket)
      await ending(socket)
      return localPort
    }
    const silent = reasonOf(() => {})
    const half = reasonOf(socket => socket.write(whole.subarray(0, 20)))
    const ended = reasonOf(socket => socket.end(whole.subarray(0, 20)))
    const gone = reasonOf(socket => socket.end())
    const ports = await Promise.all([silent, half, ended, gone])
    const byPort = new Map((await recorded(4)).map(record => [record.clientPort, record.reason]))
    expect(ports.map(each => byPort.get(each!))).toEqual([
      'proxy_header_timeout',
      'proxy_header_timeout',
      'proxy_header_malformed',
      'client_gone',
    ])
  })

  test('a stopped relay cuts a client that still owes its header', async () => {
    const { port } = await echo()
    const { port: door, relay, recorded } = await lab([port], { proxyProtocol: fromHere })
    const socket = await client(door)
    socket.write('PROXY ')
    while (relay.counts.get('door')!.open === 0) await new Promise(resolve => setImmediate(resolve))
    await relay.stop({ drainMs: 0 })
    expect((await recorded(1))[0]).toMatchObject({ reason: 'drained' })
  })
})

test('from everyone else a header is payload, and nobody is believed', async () => {
  const { port } = await echo()
  const { port: door, recorded } = await lab([port], {
    proxyProtocol: [{ cidrs: ['192.0.2.0/24'], isRequired: true, isInEach: false }],
  })
  const socket = await client(door)
  const header = headerFrom('203.0.113.7', 1)
  socket.end(header)
  expect(await readAll(socket)).toEqual(header)
  expect((await recorded(1))[0]).toMatchObject({ clientAddress: '127.0.0.1', bytesIn: header.length })
})

test('the narrowest CIDR decides', async () => {
  const { port } = await echo()
  const { port: door } = await lab([port], {
    proxyProtocol: [
      { cidrs: ['127.0.0.0/8'], isRequired: true, isInEach: false },
      { cidrs: ['127.0.0.9'], isRequired: false, isInEach: false },
    ],
  })
  const exempt = await client(door, { localAddress: '127.0.0.9' })
  expect(await said(exempt, 'plain')).toBe('plain')
  const bound = await client(door, { localAddress: '127.0.0.8' })
  bound.write('plain')
  expect(await ending(bound)).toBe('ECONNRESET')
})

test('UNKNOWN keeps the peer, and a client on a unix socket has a path for an address', async () => {
  const { port } = await echo()
  const { port: door, recorded } = await lab([port], { proxyProtocol: fromHere })
  const unix: ProxySays = { of: 'unix', transport: 'stream', source: '', destination: '/run/app.sock' }
  for (const says of [{ of: 'unknown' } as const, unix]) {
    const socket = await client(door)
    socket.end(writeProxyHeader({ version: 2, says, tlvs: [] }))
    await readAll(socket)
  }
  expect(await recorded(2)).toMatchObject([
    { clientAddress: '127.0.0.1', reason: 'done' },
    { clientAddress: 'unix:', clientPort: 0, peerAddress: '127.0.0.1', reason: 'done' },
  ])
})

describe('real senders', () => {
  const senders = [
    ['send-proxy', null],
    ['send-proxy-v2', null],
    ['send-proxy-v2 proxy-v2-options crc32c,unique-id', 'id-127.0.0.9'],
  ] as const
  for (const [words, uniqueId] of senders) {
    needs('haproxy')(`HAProxy with ${words} carries the client through`, async () => {
      const { port } = await echo()
      const { port: door, recorded } = await lab([port], { proxyProtocol: fromHere })
      const front = await freePort()
      const server = `server s 127.0.0.1:${door} ${words}`
      await haproxy(front, `listen l\n  mode tcp\n  unique-id-format id-%ci\n  bind 127.0.0.1:${front}\n  ${server}`)
      // The look whether HAProxy is there was its own connection.
      await recorded(1)
      const socket = await client(front, { localAddress: '127.0.0.9' })
      const { localPort } = socket
      expect(await said(socket, 'through')).toBe('through')
      socket.end()
      await readAll(socket)
      expect((await recorded(2))[1]).toMatchObject({
        clientAddress: '127.0.0.9',
        clientPort: localPort,
        peerAddress: '127.0.0.1',
        reason: 'done',
        bytesIn: 7,
        uniqueId,
      })
    })
  }

  needs('haproxy')("HAProxy's own checks are let in: version 1 with addresses, version 2 as LOCAL", async () => {
    const { port } = await echo()
    const { port: door, recorded } = await lab([port], { proxyProtocol: fromHere })
    const front = await freePort()
    const servers = ['send-proxy', 'send-proxy-v2'].map(
      (words, at) => `  server s${at} 127.0.0.1:${door} check inter 100 ${words}`,
    )
    await haproxy(front, `listen l\n  mode tcp\n  bind 127.0.0.1:${front}\n${servers.join('\n')}`)
    for (const { reason } of await recorded(6)) expect(reason).not.toMatch(/^proxy_header/)
  })

  needs('nginx', nginxStream)('nginx with proxy_protocol on carries the client through', async () => {
    const { port } = await echo()
    const { port: door, recorded } = await lab([port], { proxyProtocol: fromHere })
    const front = await freePort()
    const inside = `server { listen 127.0.0.1:${front}; proxy_pass 127.0.0.1:${door}; proxy_protocol on; }`
    await nginx(front, 'stream', inside)
    await recorded(1)
    const socket = await client(front, { localAddress: '127.0.0.9' })
    const { localPort } = socket
    expect(await said(socket, 'through')).toBe('through')
    socket.end()
    await readAll(socket)
    expect((await recorded(2))[1]).toMatchObject({ clientAddress: '127.0.0.9', clientPort: localPort, bytesIn: 7 })
  })
})

function headerFrom(address: string, port: number): Buffer {
  const source = { address: parseAddress(address)!, port }
  const destination = { address: parseAddress('198.51.100.1')!, port: 5432 }
  return Buffer.from(
    writeProxyHeader({ version: 1, says: { of: 'inet', transport: 'stream', source, destination }, tlvs: [] }),
  )
}
