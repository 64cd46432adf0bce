// What an idle connection costs: resident memory of a fresh relay process before and after 9,000 connections that have
// exchanged one message each and then say nothing.

import { type Ends, pause, startEnds } from './relay-rounds.ts'
import { SIDE_NAMES, type SideName, startSide } from './relay-sides.ts'
import { type BenchReport, median } from './rounds.ts'
import { residentBytesOf } from './used.ts'

export async function runRelayMemory(say: (line: string) => void): Promise<BenchReport> {
  const ends = await startEnds('echo', SIDE_NAMES.length)
  const kib = SIDE_NAMES.map((): number[] => [])
  const until = performance.now() + LONGEST_S * 1000
  try {
    for (let round = 0; round < ROUNDS && (round === 0 || performance.now() < until); round++) {
      for (let turn = 0; turn < SIDE_NAMES.length; turn++) {
        const at = (turn + round) % SIDE_NAMES.length
        const one = await kibPerConnection(SIDE_NAMES[at]!, ends, at)
        say(`relay-memory: ${SIDE_NAMES[at]} ${one.toFixed(1)} KiB`)
        kib[at]!.push(one)
      }
    }
  } finally {
    for (const end of ends.ends) end.kill()
  }
  const [ours, ...peers] = kib.map(median)
  const rows = peers.map((theirs, i) => ({
    case: `${CONNECTIONS} idle connections`,
    ours: ours!,
    peer: SIDE_NAMES[i + 1]!,
    theirs,
    unit: 'KiB/connection',
    ratio: theirs / ours!,
    wanted: '<= 16 KiB',
  }))
  return { bench: 'relay-memory', rows }
}

async function kibPerConnection(name: SideName, { ask, askEndpoint, ports }: Ends, at: number): Promise<number> {
  const side = await startSide(name, ports[at]!)
  try {
    const { port } = side
    // What a first connection loads and compiles is not of the connections.
    await ask({ do: 'open', port, connections: WARM_UP, echoes: true })
    await ask({ do: 'reset', port })
    await pause(IDLE_MS)
    const before = residentBytesOf(side.pid)
    const seenBefore = (await askEndpoint('counts'))[at]!.connections
    await ask({ do: 'open', port, connections: CONNECTIONS, echoes: true })
    await pause(IDLE_MS)
    const after = residentBytesOf(side.pid)
    const came = (await askEndpoint('counts'))[at]!.connections - seenBefore
    if (came !== CONNECTIONS) throw new Error(`not the same work: through ${name} came ${came} of ${CONNECTIONS}`)
    // Resets on both sides, so that no port has to wait.
    await Promise.all([ask({ do: 'reset', port }), askEndpoint('reset')])
    return (after - before) / 1024 / CONNECTIONS
  } finally {
    await side.stop()
  }
}

const CONNECTIONS = 9_000
const WARM_UP = 200
const ROUNDS = 3
const IDLE_MS = 1_000
const LONGEST_S = 45
