// The contract table's flows through the relay, with real sockets.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FlowRecord } from '../../relay/record.ts'
import { type Relay, startRelay } from '../../relay/relay.ts'
import { parse } from '../../shared/config/parse.ts'
import { suites } from './cases.ts'

const flows = suites.find(suite => suite.name === 'flows')!

describe('relay: flows', () => {
  const closing: (() => unknown)[] = []
  const records: FlowRecord[] = []
  let relay: Relay

  beforeAll(async () => {
    const variables = { ONE_TCP: await teller('one'), TWO_TCP: await teller('two'), THREE_TCP: await teller('three') }
    const { config } = parse(flows.config, { variables })
    relay = await startRelay({ config, variables, onRecord: record => records.push(record) })
    closing.push(() => relay.stop({ drainMs: 0 }))
  })
  afterAll(() => Promise.all(closing.map(close => close())))

  for (const [at, one] of flows.cases.entries()) {
    it(one.it, async () => {
      const said = await askFlow(relay.addresses.get(one.ask.slice(4))!.port, one.from!)
      for (let waited = 0; records.length <= at && waited < 5_000; waited += 5) await sleep(5)
      const record = records[at]!
      expect(record.rule === null ? null : `${record.route}/${record.rule}`).toBe(one.get.rule)
      if (one.get.variant !== undefined) expect(record.variant).toBe(one.get.variant)
      if (one.get.reason !== undefined) expect(record.reason).toBe(one.get.reason)
      if (one.get.pool !== undefined) expect(said).toBe(one.get.pool)
      if (one.get.rule === null) expect(said).toBe('')
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

async function askFlow(port: number, from: string): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, localAddress: from })
  let said = ''
  socket.on('data', chunk => {
    said += chunk
  })
  socket.on('error', () => {})
  await new Promise(closed => socket.on('close', closed))
  return said
}
