// iperf3 through the relay: eight streams at once beside their control connection, one way and the other.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import { needs, pathOf } from '../support/needs.ts'
import { freePort, iperf3 } from '../support/servers.ts'
import { configTo, isRecord, relayProgram, sum } from './program.ts'

needs('iperf3')('iperf3 moves 200 MB over eight streams, up and then down, and the records have them all', async () => {
  const port = await freePort()
  await iperf3(port)
  const door = await relayProgram(configTo([port]))
  for (const [way, bytes] of [[[], 'bytesIn'] as const, [['-R'], 'bytesOut'] as const]) {
    const before = door.lines.filter(isRecord).length
    const where = ['-c', '127.0.0.1', '-p', String(door.port)]
    const { stdout } = await promisify(execFile)(pathOf('iperf3')!, [...where, '-P', '8', '-n', '200M', '-J', ...way])
    const { end, error } = JSON.parse(stdout)
    expect(error).toBeUndefined()
    expect(end.sum_sent.bytes).toBeGreaterThanOrEqual(200 * 1024 * 1024)
    const records = (await door.until(isRecord, before + 9)).slice(before)
    expect(records).toHaveLength(9)
    expect(sum(records, bytes)).toBeGreaterThanOrEqual(end.sum_received.bytes)
  }
})
