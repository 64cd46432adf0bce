// Short connections: connect, one message of 200 bytes there and back, close. Bounded counts, since every closed
// connection keeps its port for a while.

import type { Task } from './relay-client.ts'
import { rowsOf, takeTurns, withParties } from './relay-rounds.ts'
import type { BenchReport } from './rounds.ts'

export function runRelayConnections(say: (line: string) => void): Promise<BenchReport> {
  return withParties('echo', async parties => {
    say(`relay-connections: ${ROUNDS} rounds of ${COUNT}, ${AT_ONCE} at once`)
    const turns = { rounds: ROUNDS, longestS: LONGEST_S, units: COUNT }
    const measured = await takeTurns(parties, turns, ({ port }): Task => {
      return { do: 'short', port, count: COUNT, atOnce: AT_ONCE }
    })
    await parties.checkSameWork()
    const rows = rowsOf(measured, {
      case: 'short connections',
      unit: 'connection',
      wantedRate: { 'socket.pipe': '>= 1.0' },
      wantedCpu: { haproxy: '>= 0.45', 'socket.pipe': '>= 1.0' },
    })
    return { bench: 'relay-connections', rows }
  })
}

const ROUNDS = 21
const COUNT = 600
const AT_ONCE = 32
const LONGEST_S = 45
