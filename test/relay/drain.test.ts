import { expect, test } from 'vitest'
import type { RelayEvent } from '../../relay/event.ts'
import { client, echo, ending, lab, named, readAll, said } from './lab.ts'

test('a drained endpoint gets nothing new, what is open goes on, and it comes back', async () => {
  const [kept, other] = await Promise.all([echo(), named('other')])
  const events: RelayEvent[] = []
  const { port, relay } = await lab([kept.port, other.port], { onEvent: event => events.push(event), draw: () => 0 })
  const open = await client(port)
  expect(await said(open, 'one')).toBe('one')
  expect(relay.drain('pool/pool-0')).toBe(true)
  expect(relay.drain('pool/pool-0')).toBe(true)
  for (let flow = 0; flow < 3; flow++) {
    const socket = await client(port)
    expect(String(await readAll(socket))).toBe('other')
    socket.end()
  }
  expect(await said(open, 'two')).toBe('two')
  expect(relay.undrain('pool/pool-0')).toBe(true)
  expect(relay.undrain('pool/pool-0')).toBe(true)
  const before = kept.sockets.length
  for (let flow = 0; flow < 2; flow++) (await client(port)).end()
  await kept.accepted(before)
  expect(events).toMatchObject([
    { event: 'endpoint_draining', pool: 'pool', endpoint: 'pool-0', why: null },
    { event: 'endpoint_undrained', pool: 'pool', endpoint: 'pool-0', why: null },
  ])
})

test('what is still open on it when the time is up is reset, and nothing else', async () => {
  const [first, second] = await Promise.all([echo(), echo()])
  const { port, relay, recorded } = await lab([first.port, second.port])
  const flows = [await client(port), await client(port)]
  for (const flow of flows) await said(flow, 'hello')
  relay.drain('pool/pool-1', 0)
  const [record] = await recorded(1)
  expect(record).toMatchObject({ endpoint: 'pool-1', reason: 'drained' })
  const cut = flows.findIndex(flow => flow.localPort === record!.clientPort || flow.destroyed)
  expect(await ending(flows[cut]!)).toBe('ECONNRESET')
  expect(await said(flows[1 - cut]!, 'still')).toBe('still')
})

test('an endpoint that is not there cannot be drained', async () => {
  const { relay } = await lab([(await echo()).port])
  expect(relay.drain('pool/nobody')).toBe(false)
  expect(relay.undrain('pool/nobody')).toBe(false)
})
