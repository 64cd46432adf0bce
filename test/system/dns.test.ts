// DNS over TCP through the relay, with Knot DNS behind it: one question a connection, an answer that UDP could not hold, a
// whole zone, and many questions at once on one connection.

import { execFile } from 'node:child_process'
import type { Socket } from 'node:net'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import { client } from '../relay/lab.ts'
import { dnsAnswer, dnsQuestion } from '../support/dns.ts'
import { needs, pathOf } from '../support/needs.ts'
import { knot } from '../support/servers.ts'
import { configTo, isRecord, type Program, relayProgram, sum } from './program.ts'

const withKnot = needs('knotd', 'dig')
const zone = 'big.example'
const addressesOfMany = Array.from({ length: 3000 }, (_, at) => `10.1.${at >> 8}.${at & 255}`)
const hosts = Array.from({ length: 5000 }, (_, at) => ({ name: `host-${at}`, address: `10.2.${at >> 8}.${at & 255}` }))
const zoneLines = [
  '@ SOA ns hostmaster 1 3600 600 86400 60',
  '@ NS ns',
  'ns A 127.0.0.1',
  ...addressesOfMany.map(address => `many A ${address}`),
  ...hosts.map(({ name, address }) => `${name} A ${address}`),
]

withKnot('a question is answered as by the server itself, and leaves one record', async () => {
  const { door, behind } = await relayToKnot()
  const question = ['+short', `host-7.${zone}`, 'A']
  expect(await dig(door.port, ...question)).toBe('10.2.0.7\n')
  expect(await dig(behind, ...question)).toBe('10.2.0.7\n')
  expect(await dig(door.port, '+noall', '+comments', `nobody.${zone}`)).toContain('status: NXDOMAIN')
  const records = await door.until(isRecord, 2)
  expect(records.map(({ reason }) => reason)).toEqual(['done', 'done'])
})

withKnot('an answer of 48,000 bytes comes whole', async () => {
  const { door } = await relayToKnot()
  const answer = await dig(door.port, '+short', `many.${zone}`, 'A')
  expect(new Set(answer.trim().split('\n'))).toEqual(new Set(addressesOfMany))
  const [record] = await door.until(isRecord)
  expect(record).toMatchObject({ reason: 'done' })
  expect(record!.bytesOut).toBeGreaterThan(16 * addressesOfMany.length)
})

withKnot('a zone is transferred whole: every line of it, in many messages', async () => {
  const { door, behind } = await relayToKnot()
  const transfer = ['+noall', '+answer', '+onesoa', zone, 'AXFR']
  const [through, direct] = [await dig(door.port, ...transfer), await dig(behind, ...transfer)]
  const lines = (text: string) => text.trim().split('\n').sort()
  expect(lines(through)).toEqual(lines(direct))
  expect(lines(through)).toHaveLength(zoneLines.length)
})

withKnot('a thousand questions sent at once on each of ten connections are each answered once', async () => {
  const { door } = await relayToKnot()
  const asking = Array.from({ length: 10 }, async (_, connection) => {
    const socket = await client(door.port)
    const asked = Array.from({ length: 1000 }, (_, id) => hosts[(id * 5 + connection) % hosts.length]!)
    socket.write(Buffer.concat(asked.map(({ name }, id) => questionFor(id, `${name}.${zone}`))))
    const answers = await answersOf(socket, asked.length)
    socket.resume().end()
    const right = asked.map(({ address }, id) => [id, address])
    expect([...answers].sort(([a], [b]) => a - b)).toEqual(right)
  })
  await Promise.all(asking)
  const records = await door.until(isRecord, 10)
  expect(records.map(({ reason }) => reason)).toEqual(Array(10).fill('done'))
  // Each host was asked for twice.
  const questions = hosts.reduce((bytes, { name }) => bytes + questionFor(0, `${name}.${zone}`).length, 0)
  expect(sum(records, 'bytesIn')).toBe(2 * questions)
})

async function relayToKnot(): Promise<{ readonly door: Program; readonly behind: number }> {
  const behind = await knot(zone, zoneLines)
  return { door: await relayProgram(configTo([behind])), behind }
}

/** What dig prints; at most one try, over TCP. */
async function dig(port: number, ...args: readonly string[]): Promise<string> {
  const way = ['@127.0.0.1', '-p', String(port), '+tcp', '+tries=1', '+time=10']
  const { stdout } = await promisify(execFile)(pathOf('dig')!, [...way, ...args], { maxBuffer: 10_000_000 })
  return stdout
}

/** A message of TCP: its length, then a question for A records (RFC 1035 sections 4.1 and 4.2.2). */
function questionFor(id: number, name: string): Buffer {
  const message = dnsQuestion(id, name)
  return Buffer.concat([Buffer.of(message.length >> 8, message.length & 255), message])
}

/** So many answers, each as the id of its question and the one address at its end. */
async function answersOf(socket: Socket, count: number): Promise<(readonly [id: number, address: string])[]> {
  const answers: (readonly [number, string])[] = []
  let bytes = Buffer.alloc(0)
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    bytes = Buffer.concat([bytes, chunk])
    while (bytes.length >= 2 && bytes.length >= 2 + bytes.readUInt16BE(0)) {
      const message = bytes.subarray(2, 2 + bytes.readUInt16BE(0))
      bytes = bytes.subarray(2 + message.length)
      answers.push(dnsAnswer(message))
    }
    if (answers.length >= count) break
  }
  return answers
}
