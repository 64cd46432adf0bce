// What the relay benches have in common: client, relays and endpoint as processes on 127.0.0.1, and rounds in which every
// relay takes its turn with the same task.

import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Task } from './relay-client.ts'
import type { Seen } from './relay-endpoint.ts'
import { type Program, type RelaySide, SIDE_NAMES, startSide } from './relay-sides.ts'
import { type BenchRow, median } from './rounds.ts'
import { cpuNsOf } from './used.ts'

export interface Parties {
  /** Ours first. */
  readonly sides: readonly RelaySide[]
  /** Gives a task to the client. Rejects when it fails or takes longer than 30 s. */
  ask(task: Task): Promise<number>
  /** Throws unless as many connections and bytes came to the endpoint through each side since they were started. */
  checkSameWork(): Promise<void>
}

export interface Measured {
  readonly name: string
  /** One value a round, the same round at the same place for all sides. */
  readonly perSecond: number[]
  readonly cpuUs: number[]
}

/** Starts them, calls, and ends them all however that went. */
export async function withParties<Value>(
  kind: 'echo' | 'sink',
  call: (parties: Parties) => Promise<Value>,
): Promise<Value> {
  const { ends, ask, askEndpoint, ports } = await startEnds(kind, SIDE_NAMES.length)
  const sides: RelaySide[] = []
  try {
    for (const [i, name] of SIDE_NAMES.entries()) sides.push(await startSide(name, ports[i]!))
    await pause(SETTLE_MS)
    // Waiting for the sides to accept has opened some connections already.
    const before = await askEndpoint('counts')
    const checkSameWork = async () => {
      await pause(SETTLE_MS)
      const after = await askEndpoint('counts')
      const done = after.map(({ connections, bytes }, i) => {
        return `${connections - before[i]!.connections} connections and ${bytes - before[i]!.bytes} bytes`
      })
      if (new Set(done).size > 1)
        throw new Error(`not the same work: ${sides.map(({ name }, i) => `${name} ${done[i]}`)}`)
    }
    return await call({ sides, ask, checkSameWork })
  } finally {
    await Promise.all(sides.map(side => side.stop()))
    for (const end of ends) end.kill()
  }
}

export interface Ends {
  /** Client and endpoint. */
  readonly ends: readonly ChildProcess[]
  readonly ask: (task: Task) => Promise<number>
  /** `reset` resets its open connections. */
  readonly askEndpoint: (asked: 'counts' | 'reset') => Promise<readonly Seen[]>
  /** The endpoint's. */
  readonly ports: readonly number[]
}

export async function startEnds(kind: 'echo' | 'sink', count: number): Promise<Ends> {
  const client = fork(fileURLToPath(new URL('relay-client.ts', import.meta.url)))
  const endpoint = fork(fileURLToPath(new URL('relay-endpoint.ts', import.meta.url)), [kind, String(count)])
  const ports = await answerOf<number[]>(endpoint)
  return {
    ends: [client, endpoint],
    ports,
    async ask(task) {
      const answered = answerOf<{ value: number; error?: string }>(client)
      client.send(task)
      const { value, error } = await answered
      if (error !== undefined) throw new Error(error)
      return value
    },
    askEndpoint(asked) {
      const answered = answerOf<Seen[]>(endpoint)
      endpoint.send(asked)
      return answered
    },
  }
}

export function answerOf<Answer>(child: ChildProcess): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => end(() => reject(new Error('no answer within 30 s'))), 30_000)
    const onMessage = (answer: unknown) => end(() => resolve(answer as Answer))
    const onExit = () => end(() => reject(new Error('client or endpoint has ended')))
    const end = (settle: () => void) => {
      clearTimeout(timer)
      child.off('message', onMessage)
      child.off('exit', onExit)
      settle()
    }
    child.once('message', onMessage)
    child.once('exit', onExit)
  })
}

export interface Turns {
  readonly rounds: number
  /** No further round begins after these seconds. */
  readonly longestS: number
  /** How many units a task has. */
  readonly units: number
}

/** Every side does its task in every round, the order turning from round to round. The first round warms up. */
export async function takeTurns<Side extends Program, SideTask>(
  parties: { readonly sides: readonly Side[]; readonly ask: (task: SideTask) => Promise<number> },
  { rounds, longestS, units }: Turns,
  taskFor: (side: Side) => NoInfer<SideTask>,
): Promise<readonly Measured[]> {
  const { sides, ask } = parties
  const measured = sides.map(({ name }): Measured => ({ name, perSecond: [], cpuUs: [] }))
  const until = performance.now() + longestS * 1000
  for (let round = -1; round < rounds && performance.now() < until; round++) {
    for (let turn = 0; turn < sides.length; turn++) {
      const at = (turn + round + 1) % sides.length
      const side = sides[at]!
      const before = cpuNsOf(side.pid)
      const seconds = await ask(taskFor(side))
      await pause(TAIL_MS)
      if (round < 0) continue
      measured[at]!.cpuUs.push((cpuNsOf(side.pid) - before) / 1000 / units)
      measured[at]!.perSecond.push(units / seconds)
    }
  }
  return measured
}

export interface Wording {
  readonly case: string
  /** One of it: `MiB`. */
  readonly unit: string
  /** By peer. */
  readonly wantedRate?: Readonly<Record<string, string>>
  readonly wantedCpu?: Readonly<Record<string, string>>
}

/** A row of the rate and one of the CPU time for each peer. Ratios are taken within each round, then their median. */
export function rowsOf(measured: readonly Measured[], wording: Wording): BenchRow[] {
  const [ours, ...peers] = measured
  return peers.flatMap(({ name: peer, perSecond, cpuUs }): BenchRow[] => {
    const ratio = median(perSecond.map((theirs, round) => ours!.perSecond[round]! / theirs))
    const cpuRatio = median(cpuUs.map((theirs, round) => theirs / ours!.cpuUs[round]!))
    const wantedRate = wording.wantedRate?.[peer]
    const wantedCpu = wording.wantedCpu?.[peer]
    return [
      {
        case: `${wording.case}, rate`,
        peer,
        ...{ ours: median(ours!.perSecond), theirs: median(perSecond), unit: `${wording.unit}/s`, ratio, cpuRatio },
        ...(wantedRate === undefined ? {} : { wanted: wantedRate }),
      },
      {
        case: `${wording.case}, cpu`,
        peer,
        ...{ ours: median(ours!.cpuUs), theirs: median(cpuUs), unit: `us cpu/${wording.unit}`, ratio: cpuRatio },
        ...(wantedCpu === undefined ? {} : { wanted: wantedCpu }),
      },
    ]
  })
}

export function pause(ms: number): Promise<void> {
  return new Promise(later => setTimeout(later, ms))
}

const SETTLE_MS = 200
/** What a relay does after the client has all it waits for: closing, counting. */
const TAIL_MS = 30
