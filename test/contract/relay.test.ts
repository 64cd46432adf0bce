// The contract table's flows through the relay, with real sockets.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FlowRecord } from '../../relay/record.ts'
import { startRelay } from '../../relay/relay.ts'
import type { Relay } from '../../relay/relay-api.ts'
import { parse } from '../../shared/config/parse.ts'
import { clientHello } from '../support/client-hello.ts'
import { type Case, suites } from './cases.ts'

const flows = suites.filter(({ config }) =>
  Object.values(config.listeners).some(({ kind }) => kind !== 'edge' && kind !== 'http'),
)

describe.each(flows)('relay: $name', ({ config: written, cases }) => {
  const closing: (() => unknown)[] = []
  const records: FlowRecord[] = []
  let relay: Relay

  beforeAll(async () => {
    const variables = { ONE_TCP: await teller('one'), TWO_TCP: await teller('two'), THREE_TCP: await teller('three') }
    const { config } = parse(written, { variables })
    relay = await startRelay({ config, variables, onRecord: record => records.push(record) })
    closing.push(() => relay.stop({ drainMs: 0 }))
  })
  afterAll(() => Promise.all(closing.map(close => close())))

  for (const [at, one] of cases.entries()) {
    it(one.it, async () => {
      const said = await askFlow(relay.addresses.get(one.ask.slice(4))!.port, one)
      for (let waited = 0; records.length <= at && waited < 5_000; waited += 5) await sleep(5)
      const record = records[at]!
      expect(record.rule === null ? null : `${record.route}/${record.rule}`).toBe(one.get.rule)
      if (one.get.variant !== undefined) expect(record.variant).toBe(one.get.variant)
      if (one.get.reason !== undefined) expect(record.reason).toBe(one.get.reason)
      if (one.get.pool !== undefined) expect(said).toBe(one.get.pool)
      if (one.get.rule === null) expect(['', unrecognizedName]).toContain(said)
    })
  }

  /** An endpoint that says its name and closes. */
  async function teller(name: string): Promise<string> {
    const server = createServer(socket => socket.on('error', () => {}).end(name)).listen(0, '127.0.0.1')
    await once(server, 'listening')
    closing.push(() => server.close())
    return `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`
  }
})

async function askFlow(port: number, { from = '127.0.0.1', hello }: Case): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, localAddress: from })
  if (hello !== undefined) socket.write(typeof hello === 'string' ? hello : clientHello(hello))
  let said = ''
  socket.on('data', chunk => {
    said += chunk
  })
  socket.on('error', () => {})
  await new Promise(closed => socket.on('close', closed))
  return said
}

/** The alert that a client of TLS hears when nobody has the name. */
const unrecognizedName = String.fromCharCode(21, 3, 1, 0, 2, 2, 112)
