// Datagrams there and back over a thousand sessions, of 64 and of 1,200 bytes, as fast as they come back, with 100 under
// way at once. A datagram counts each way: two for each exchange.

import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { answerOf, pause, rowsOf, takeTurns } from './relay-rounds.ts'
import type { Program } from './relay-sides.ts'
import type { BenchReport, BenchRow } from './rounds.ts'
import type { UdpTask } from './udp-client.ts'
import type { SeenDatagrams } from './udp-endpoint.ts'
import { startUdpSide, UDP_SIDE_NAMES, type UdpSideName } from './udp-sides.ts'

export async function runRelayUdp(say: (line: string) => void): Promise<BenchReport> {
  const client = fork(fileURLToPath(new URL('udp-client.ts', import.meta.url)))
  const endpoint = fork(fileURLToPath(new URL('udp-endpoint.ts', import.meta.url)), [String(UDP_SIDE_NAMES.length)])
  const sides: Program<UdpSideName>[] = []
  const rows: BenchRow[] = []
  try {
    const ports = await answerOf<number[]>(endpoint)
    const ask = async (task: UdpTask) => {
      const answered = answerOf<{ value: number; error?: string }>(client)
      client.send(task)
      const { value, error } = await answered
      if (error !== undefined) throw new Error(error)
      return value
    }
    for (const [i, name] of UDP_SIDE_NAMES.entries()) {
      const side = await startUdpSide(name, ports[i]!)
      sides.push(side)
      await ask({ do: 'open', port: side.port, sockets: SESSIONS })
    }
    for (const bytes of [64, 1_200]) {
      say(`relay-udp: ${bytes} bytes, ${ROUNDS} rounds of ${EXCHANGES} exchanges over ${SESSIONS} sessions`)
      const turns = { rounds: ROUNDS, longestS: LONGEST_S, units: 2 * EXCHANGES }
      const measured = await takeTurns({ sides, ask }, turns, ({ port }): UdpTask => {
        return { do: 'exchange', port, count: EXCHANGES, bytes, atOnce: AT_ONCE }
      })
      const [one, two, ...peers] = measured
      for (const side of [one!, two!]) {
        const wording = { case: `${bytes} bytes, ${side.name}`, unit: 'datagram', wantedRate: RATE, wantedCpu: CPU }
        rows.push(...rowsOf([side, ...peers], wording))
      }
    }
    const lost: number[] = []
    for (const { port } of sides) lost.push(await ask({ do: 'lost', port }))
    for (const [i, { name }] of sides.entries()) say(`relay-udp: ${name} lost ${lost[i]}`)
    await checkSameWork(endpoint, sides, lost)
  } finally {
    await Promise.all(sides.map(side => side.stop()))
    for (const end of [client, endpoint]) end.kill()
  }
  return { bench: 'relay-udp', rows }
}

/** Throws unless as many datagrams came to the endpoint through each side, but for what it lost, from as many sessions. */
async function checkSameWork(
  endpoint: ChildProcess,
  sides: readonly Program<UdpSideName>[],
  lost: readonly number[],
): Promise<void> {
  await pause(200)
  const answered = answerOf<SeenDatagrams[]>(endpoint)
  endpoint.send('counts')
  const most = Math.max(...(await answered).map(({ datagrams }) => datagrams))
  for (const [i, { datagrams, senders }] of (await answered).entries()) {
    // One is the question whether the side is ready, which may have been asked more than once.
    const isLess = datagrams < most - lost[i]! - MOST_QUESTIONS
    if (isLess || senders < SESSIONS || senders > SESSIONS + MOST_QUESTIONS) {
      throw new Error(
        `not the same work: through ${sides[i]!.name} came ${datagrams} of ${most} from ${senders} sessions`,
      )
    }
  }
}

const SESSIONS = 1_000
const EXCHANGES = 20_000
const ROUNDS = 15
const LONGEST_S = 60
/** No more than fits into the smallest queue on the way, so that what is lost was lost by a relay. */
const AT_ONCE = 100
const MOST_QUESTIONS = 50
const RATE = { nginx: '>= 0.5' }
const CPU = { dgram: '>= 1.0' }
