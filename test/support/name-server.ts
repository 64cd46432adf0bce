// A name server of a few lines over UDP (RFC 1035 section 4): A records as the test wants them, NXDOMAIN for all else.

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { onTestFinished } from 'vitest'

export interface NameServer {
  /** `127.0.0.1:5353`, as `Resolver.setServers` takes it. */
  readonly address: string
  /** By name; empty for a name that has none. */
  readonly records: Map<string, { readonly ips: readonly string[]; readonly ttlS: number }>
  /** Questions for A records so far, by name. */
  readonly asked: Map<string, number>
}

export async function nameServer(): Promise<NameServer> {
  const records: NameServer['records'] = new Map()
  const asked = new Map<string, number>()
  const socket = createSocket('udp4')
  socket.on('message', (query, { address, port }) => {
    const { name, type, end } = questionOf(query)
    if (type === typeA) asked.set(name, (asked.get(name) ?? 0) + 1)
    const found = records.get(name)
    const ips = type === typeA ? (found?.ips ?? []) : []
    const head = Buffer.from(query.subarray(0, 12))
    // An answer, recursion available; NXDOMAIN for a name that is not there.
    head.writeUInt16BE(0x8180 | (found === undefined ? 3 : 0), 2)
    head.writeUInt16BE(1, 4)
    head.writeUInt16BE(ips.length, 6)
    head.writeUInt32BE(0, 8)
    const answers = ips.map(ip => {
      const record = Buffer.alloc(16)
      // The name of the question.
      record.writeUInt16BE(0xc00c, 0)
      record.writeUInt16BE(typeA, 2)
      record.writeUInt16BE(1, 4)
      record.writeUInt32BE(found!.ttlS, 6)
      record.writeUInt16BE(4, 10)
      record.set(ip.split('.').map(Number), 12)
      return record
    })
    socket.send(Buffer.concat([head, query.subarray(12, end), ...answers]), port, address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  onTestFinished(() => void socket.close())
  return { address: `127.0.0.1:${socket.address().port}`, records, asked }
}

function questionOf(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = []
  let at = 12
  for (let length = query[at]!; length !== 0; length = query[at]!) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 }
}

const typeA = 1
