// Request and response of 200 bytes on 64 connections: first as fast as they come back, then at half of what the slowest
// side can do, on a clock, for the latency.

import type { Task } from './relay-client.ts'
import { type Parties, rowsOf, takeTurns, withParties } from './relay-rounds.ts'
import { type BenchReport, type BenchRow, median } from './rounds.ts'

export function runRelayMessages(say: (line: string) => void): Promise<BenchReport> {
  return withParties('echo', async parties => {
    for (const { port } of parties.sides) {
      await parties.ask({ do: 'open', port, connections: CONNECTIONS, echoes: true })
    }
    say(`relay-messages: ${ROUNDS} rounds of ${MESSAGES} messages`)
    const turns = { rounds: ROUNDS, longestS: LONGEST_S, units: MESSAGES }
    const measured = await takeTurns(parties, turns, ({ port }): Task => ({ do: 'messages', port, count: MESSAGES }))
    const slowest = Math.min(...measured.map(({ perSecond }) => median(perSecond)))
    const perSecond = Math.floor(slowest / 2)
    say(`relay-messages: ${PACED_ROUNDS} rounds of ${PACED_S} s at ${perSecond} messages a second`)
    const latency = await latencies(parties, perSecond)
    await parties.checkSameWork()
    const wanted = { haproxy: '>= 0.75' }
    return {
      bench: 'relay-messages',
      rows: [...rowsOf(measured, { case: 'messages', unit: 'message', wantedRate: wanted }), ...latency],
    }
  })
}

async function latencies({ sides, ask }: Parties, perSecond: number): Promise<BenchRow[]> {
  const p99s = sides.map((): number[] => [])
  for (let round = 0; round < PACED_ROUNDS; round++) {
    for (let turn = 0; turn < sides.length; turn++) {
      const at = (turn + round) % sides.length
      p99s[at]!.push(await ask({ do: 'paced', port: sides[at]!.port, perSecond, seconds: PACED_S }))
    }
  }
  const [ours, ...peers] = p99s
  return peers.map((theirs, i) => ({
    case: `p99 at ${perSecond}/s`,
    peer: sides[i + 1]!.name,
    ours: median(ours!),
    theirs: median(theirs),
    unit: 'ms',
    ratio: median(theirs.map((one, round) => one / ours![round]!)),
  }))
}

const CONNECTIONS = 64
const ROUNDS = 15
const MESSAGES = 6_400
const LONGEST_S = 30
const PACED_ROUNDS = 8
const PACED_S = 1
