// Bytes through the relay: one long stream and eight, from the client to the endpoint, which says when it has all.

import type { Task } from './relay-client.ts'
import { rowsOf, takeTurns, withParties } from './relay-rounds.ts'
import type { BenchReport, BenchRow } from './rounds.ts'

export async function runRelayThroughput(say: (line: string) => void): Promise<BenchReport> {
  const rows: BenchRow[] = []
  for (const streams of [1, 8]) {
    await withParties('sink', async parties => {
      say(`relay-throughput: ${streams} streams, ${ROUNDS} rounds of ${MIB} MiB; first with checksums`)
      for (const { port } of parties.sides) {
        await parties.ask({ do: 'open', port, connections: streams, echoes: false })
        await parties.ask({ do: 'stream', port, bytes: CHECKED_BYTES, checks: true })
      }
      const bytes = (MIB * 1024 * 1024) / streams
      const turns = { rounds: ROUNDS, longestS: LONGEST_S, units: MIB }
      const measured = await takeTurns(
        parties,
        turns,
        ({ port }): Task => ({ do: 'stream', port, bytes, checks: false }),
      )
      await parties.checkSameWork()
      const name = streams === 1 ? 'one stream' : `${streams} streams`
      rows.push(...rowsOf(measured, { case: name, unit: 'MiB', wantedRate: WANTED }))
    })
  }
  return { bench: 'relay-throughput', rows }
}

const ROUNDS = 15
const MIB = 256
const LONGEST_S = 30
// No whole number of anyone's buffers.
const CHECKED_BYTES = 33_333_333
const WANTED = { haproxy: '>= 1.0', 'socket.pipe': '>= 1.8' }
