import type { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { readFacts } from '../../relay/facts.ts'

const socket = (words: Partial<Socket>) => words as Socket

test('a client that came as IPv4 through an IPv6 socket is known by its IPv4 address', () => {
  const facts = readFacts(
    socket({ remoteAddress: '::ffff:192.0.2.1', remotePort: 5, localAddress: '::ffff:10.0.0.1', localPort: 6 }),
    'door',
    7,
  )
  expect(facts).toMatchObject({
    listener: 'door',
    clientAddress: '192.0.2.1',
    address: { family: 4, text: '192.0.2.1' },
    clientPort: 5,
    localAddress: '10.0.0.1',
    localPort: 6,
    peerAddress: '192.0.2.1',
    peerPort: 5,
    proxyHeader: undefined,
    now: 7,
  })
})

test('a link-local client is known without its zone', () => {
  const facts = readFacts(socket({ remoteAddress: 'fe80::1%eth0', localAddress: 'fe80::2%eth0' }), 'door', 0)
  expect(facts).toMatchObject({ clientAddress: 'fe80::1', address: { family: 6 }, localAddress: 'fe80::2' })
})

test('a client that is gone already has no address', () => {
  const facts = readFacts(socket({}), 'door', 0)
  expect(facts).toMatchObject({ clientAddress: '', address: undefined, clientPort: 0, localAddress: '', localPort: 0 })
})
