import { expect, test } from 'vitest'
import type { Config, TcpListener } from '../../shared/config/parsed.ts'
import { client, configOf, echo, ending, labOf, said } from './lab.ts'

async function labWith(words: Partial<TcpListener>) {
  const { port } = await echo()
  const config = configOf([port])
  const listeners = [{ ...config.listeners[0]!, ...words }] as Config['listeners']
  let now = Date.now()
  const lab = await labOf({ ...config, listeners }, { host: { now: () => now } })
  return { ...lab, pass: (ms: number) => (now += ms) }
}

test('one client address has so many connections and no more, another still gets in, and an end gives the place back', async () => {
  const { port, recorded } = await labWith({ maxConnectionsPerAddress: 2 })
  const held = [await client(port), await client(port)]
  for (const socket of held) await said(socket, 'x')
  expect(await ending(await client(port))).toBe('ECONNRESET')
  expect((await recorded(1))[0]).toMatchObject({ reason: 'address_limit', endpoint: null })
  await said(await client(port, { localAddress: '127.0.0.2' }), 'x')
  held[0]!.end()
  await recorded(2)
  expect(await said(await client(port), 'in')).toBe('in')
})

test('connections beyond the accept rate are closed at once and counted, and a second later they are let in', async () => {
  const { port, recorded, relay, pass } = await labWith({ acceptRate: 3 })
  for (let at = 0; at < 3; at++) await said(await client(port), 'x')
  expect(await ending(await client(port))).toBe('ECONNRESET')
  expect((await recorded(1))[0]).toMatchObject({ reason: 'accept_rate' })
  expect(relay.counts.get('door')).toMatchObject({ accepted: 4, open: 3, overLimit: 1 })
  pass(1_000)
  for (let at = 0; at < 3; at++) await said(await client(port), 'x')
  expect(await ending(await client(port))).toBe('ECONNRESET')
})

test('only allowed addresses get in, and denied ones do not even when they are allowed', async () => {
  const { port, recorded } = await labWith({ allow: ['127.0.0.0/29'], deny: ['127.0.0.2/32'] })
  expect(await said(await client(port), 'in')).toBe('in')
  expect(await ending(await client(port, { localAddress: '127.0.0.2' }))).toBe('ECONNRESET')
  expect(await ending(await client(port, { localAddress: '127.0.0.9' }))).toBe('ECONNRESET')
  expect((await recorded(2)).map(({ reason, clientAddress }) => [reason, clientAddress])).toEqual([
    ['address_denied', '127.0.0.2'],
    ['address_denied', '127.0.0.9'],
  ])
})

test('behind a proxy the address that its header carries is limited, not the proxy', async () => {
  const { port, recorded } = await labWith({
    maxConnectionsPerAddress: 1,
    deny: ['192.0.2.66/32'],
    proxyProtocol: [{ cidrs: ['127.0.0.0/8'], isRequired: true, isInEach: false }],
  })
  const from = async (address: string) => {
    const socket = await client(port)
    socket.write(`PROXY TCP4 ${address} 192.0.2.1 4000 5432\r\n`)
    return socket
  }
  await said(await from('192.0.2.7'), 'x')
  await said(await from('192.0.2.8'), 'x')
  expect(await ending(await from('192.0.2.7'))).toBe('ECONNRESET')
  expect(await ending(await from('192.0.2.66'))).toBe('ECONNRESET')
  expect((await recorded(2)).map(({ reason }) => reason)).toEqual(['address_limit', 'address_denied'])
})
