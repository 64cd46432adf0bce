// The contract table's gRPC calls through the relay's http door, with endpoints that answer with a status alone.

import { once } from 'node:events'
import { connect, createServer, type IncomingHttpHeaders } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RelayRequestRecord } from '../../relay/http/plane.ts'
import { startRelay } from '../../relay/relay.ts'
import type { Relay } from '../../relay/relay-api.ts'
import { parse } from '../../shared/config/parse.ts'
import { suites } from './cases.ts'

for (const suite of suites.filter(({ config }) => 'calls' in config.listeners)) {
  describe(`relay: ${suite.name}`, () => {
    const closing: (() => unknown)[] = []
    const records: RelayRequestRecord[] = []
    let relay: Relay

    beforeAll(async () => {
      const variables = { ONE: await teller('one'), TWO: await teller('two'), THREE: await teller('three') }
      const { config } = parse(suite.config, { variables })
      relay = await startRelay({ config, variables, onRecord: () => {}, onRequest: record => records.push(record) })
      closing.push(() => relay.stop({ drainMs: 0 }))
    })
    afterAll(() => Promise.all(closing.map(close => close())))

    for (const { it: says, ask, with: fields, get } of suite.cases) {
      it(says, async () => {
        const [method, target] = ask.split(' ') as [string, string]
        const answer = await answerTo(method, new URL(target), fields ?? {})
        while (records.length === 0) await new Promise(later => setTimeout(later, 5))
        const record = records.pop()!
        expect(record.rule === null ? null : `${record.route}/${record.rule}`).toBe(get.rule)
        if (get.pool !== undefined) expect(answer['x-endpoint']).toBe(get.pool)
        const wanted = get.status !== undefined ? undefined : get.rule === null ? '12' : '0'
        expect(answer['grpc-status']).toBe(wanted)
        expect(record.grpcStatus).toBe(wanted === undefined ? undefined : Number(wanted))
      })
    }

    async function answerTo(method: string, { host, pathname }: URL, fields: Readonly<Record<string, string>>) {
      const session = connect(`http://127.0.0.1:${relay.addresses.get('calls')!.port}`)
      const head = { ':method': method, ':path': pathname, ':authority': host, ...fields }
      const stream = session.request(head, { endStream: true })
      const [answer] = (await once(stream, 'response')) as [IncomingHttpHeaders]
      session.destroy()
      return answer
    }

    async function teller(name: string): Promise<string> {
      const server = createServer().on('stream', stream => {
        const head = { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '0', 'x-endpoint': name }
        stream.respond(head, { endStream: true })
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      closing.push(() => server.close())
      return `h2c://127.0.0.1:${(server.address() as AddressInfo).port}`
    }
  })
}
