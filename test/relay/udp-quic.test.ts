// A scripted QUIC client and endpoints: packets with the headers of RFC 9000, and no encryption behind them.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { quicIdsOf } from '../../shared/wire/quic.ts'
import { long, short } from '../support/quic.ts'
import { type UdpEndpoint, udpClient, udpEndpoint, udpLab, until } from './udp-lab.ts'

const listener = { key: { quic: { idLength: 8 } } } as const

/** Answers an Initial with one of its own, which names the id it chose, and a short packet with a short one. */
async function server(own: string): Promise<UdpEndpoint> {
  return udpEndpoint(bytes => {
    const ids = quicIdsOf(bytes, 8)
    if (ids === 'absent') return undefined
    return ids.isLong ? long(ids.source, own) : short('c1c1c1c1')
  })
}

test('a client that changes its port in mid-connection stays on its endpoint and its session', async () => {
  const servers = [await server('a0a0a0a0a0a0a0a0'), await server('b0b0b0b0b0b0b0b0')]
  const { port, relay, recorded } = await udpLab(
    servers.map(({ port }) => port),
    { listener, route: { timeouts: { idle: '600ms' } } },
  )
  const before = await udpClient(port)
  const answer = await before.ask(long('d1d1d1d1d1d1d1d1', 'c1c1c1c1'))
  const chosen = (quicIdsOf(Buffer.from(answer, 'latin1'), 4) as { source: string }).source
  await before.ask(short(chosen))
  const mine = servers.find(({ heard }) => heard.length > 0)!
  const after = await udpClient(port)
  await after.ask(short(chosen))
  await after.ask(short(chosen))
  expect(mine.heard).toHaveLength(4)
  expect(new Set(mine.heard.map(({ from }) => from.port)).size).toBe(1)
  expect(relay.counts.get('door')).toMatchObject({ accepted: 1, open: 1, moved: 0 })
  expect(before.heard).toHaveLength(2)
  expect((await recorded(1))[0]).toMatchObject({ datagramsIn: 4, datagramsOut: 4, clientPort: before.port })
})

test('Initials sent again before the first answer are of the same session, whatever port they come from', async () => {
  const silent = await udpEndpoint(() => undefined)
  const { port, relay } = await udpLab([silent.port], { listener })
  const [one, two] = [await udpClient(port), await udpClient(port)]
  one.send(long('d1d1d1d1d1d1d1d1', 'c1'))
  two.send(long('d1d1d1d1d1d1d1d1', 'c1'))
  await until(() => silent.heard.length === 2)
  expect(relay.counts.get('door')!.accepted).toBe(1)
})

test('two connections from one port are two sessions', async () => {
  const one = await server('a0a0a0a0a0a0a0a0')
  const { port, relay } = await udpLab([one.port], { listener })
  const client = await udpClient(port)
  await client.ask(long('d1d1d1d1d1d1d1d1', 'c1'))
  await client.ask(long('d2d2d2d2d2d2d2d2', 'c2'))
  expect(relay.counts.get('door')!.accepted).toBe(2)
  expect(new Set(one.heard.map(({ from }) => from.port)).size).toBe(2)
})

test('an id that the client takes on the same port is learned, and is good for another port then', async () => {
  const one = await server('a0a0a0a0a0a0a0a0')
  const { port, relay } = await udpLab([one.port], { listener })
  const [before, after] = [await udpClient(port), await udpClient(port)]
  await before.ask(long('d1d1d1d1d1d1d1d1', 'c1'))
  await before.ask(short('e1e1e1e1e1e1e1e1'))
  await after.ask(short('e1e1e1e1e1e1e1e1'))
  expect(relay.counts.get('door')!.accepted).toBe(1)
})

test('what is no QUIC goes by address and port', async () => {
  const echo = await udpEndpoint(bytes => bytes)
  const { port, relay } = await udpLab([echo.port], { listener })
  const client = await udpClient(port)
  expect(await client.ask('\u0001')).toBe('\u0001')
  expect(await client.ask('\u0002')).toBe('\u0002')
  expect(relay.counts.get('door')!.accepted).toBe(1)
})

test('the ids of a session are bounded, and go with it', async () => {
  const one = await server('a0a0a0a0a0a0a0a0')
  const { port, relay } = await udpLab([one.port], { listener, route: { timeouts: { idle: '400ms' } } })
  const client = await udpClient(port)
  await client.ask(long('d1d1d1d1d1d1d1d1', 'c1'))
  for (let each = 0; each < 30; each++) await client.ask(short(`e1e1e1e1e1e1e1${(each + 16).toString(16)}`))
  const [session] = [...relay.plane.flows] as unknown as { ids: string[] }[]
  expect(session!.ids).toHaveLength(8)
  await until(() => relay.counts.get('door')!.open === 0)
  // Its last id is nobody's now: another session begins.
  await client.ask(short('e1e1e1e1e1e1e12d'))
  expect(relay.counts.get('door')!.accepted).toBe(2)
})

test('any bytes, from clients and from the endpoint, leave the door as it was', async () => {
  const noisy = await udpEndpoint(bytes => (bytes.length > 40 ? undefined : Buffer.from(bytes).reverse()))
  const { port, relay } = await udpLab([noisy.port], {
    listener: { ...listener, maxSessions: 200, proxyProtocol: [{ from: ['127.0.0.3/32'], mode: 'require' }] },
    route: { session: { requests: 3 } },
  })
  const clients = [await udpClient(port), await udpClient(port), await udpClient(port, '127.0.0.3')]
  let sent = 0
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), fc.nat(2), fc.boolean(), async (bytes, from, isLong) => {
      if (bytes.length > 0 && isLong) bytes[0] = bytes[0]! | 0x80
      clients[from]!.send(bytes)
      sent += 1
      if (sent % 20 === 0) await new Promise(later => setTimeout(later, 1))
    }),
    { numRuns: 600 },
  )
  const { open, dropped } = relay.counts.get('door')!
  expect(open).toBeLessThanOrEqual(200)
  expect(dropped.proxy_header_missing).toBeGreaterThan(0)
  const late = await udpClient(port, '127.0.0.4')
  // The place of a noisy session may have to become free first.
  await until(() => {
    if (late.heard.length === 0) late.send('abc')
    return late.heard.length > 0
  })
  expect(late.heard[0]).toBe('cba')
}, 20_000)
