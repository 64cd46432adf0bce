// HTTP/1.1 requests and gRPC unary calls through the relay's `http` door and its peers: how many a second, and with how much
// CPU each, at 1, 10 and 100 at once; the latency at half of what the slowest can do; and what an open stream holds.

import { fork } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { h2load } from './h2load.ts'
import { BODY, hold, mostPerSecond, openLanes, pace } from './http-client.ts'
import { HTTP_SIDES, type HttpSideName, type Kind, startHttpSide } from './http-sides.ts'
import { pause } from './relay-rounds.ts'
import type { Program } from './relay-sides.ts'
import { type BenchReport, type BenchRow, median } from './rounds.ts'
import { cpuNsOf, residentBytesOf } from './used.ts'

export async function runHttp(say: (line: string) => void): Promise<BenchReport> {
  const folder = await mkdtemp(join(tmpdir(), 'fourseven-bench-'))
  const body = join(folder, 'body')
  await writeFile(body, BODY)
  try {
    const rows: BenchRow[] = []
    for (const kind of ['h1', 'grpc'] as const) {
      await withParties(kind, async parties => {
        await checkSameAnswers(kind, parties)
        for (const atOnce of [1, 10, 100]) {
          say(`http: ${kind}, ${atOnce} at once, ${ROUNDS} rounds of ${REQUESTS[atOnce]} requests`)
          rows.push(...(await closedLoop(kind, parties, atOnce, body)))
        }
        rows.push(...(await latencies(kind, parties, say)))
      })
    }
    rows.push(...(await memory(say)))
    return { bench: 'http', rows }
  } finally {
    await rm(folder, { recursive: true })
  }
}

interface Parties {
  /** Ours first. */
  readonly sides: readonly Program<HttpSideName>[]
  /** Requests that have come to the endpoint through each. */
  readonly seen: () => Promise<readonly number[]>
}

async function withParties<Value>(
  kind: Kind,
  call: (parties: Parties) => Promise<Value>,
  names: readonly HttpSideName[] = HTTP_SIDES,
): Promise<Value> {
  const endpoint = fork(fileURLToPath(new URL('http-endpoint.ts', import.meta.url)), [kind, String(names.length)])
  const answer = () =>
    new Promise<readonly number[]>(resolve => endpoint.once('message', said => resolve(said as never)))
  const sides: Program<HttpSideName>[] = []
  try {
    const ports = await answer()
    for (const [at, name] of names.entries()) sides.push(await startHttpSide(kind, name, ports[at]!))
    const seen = () => {
      const said = answer()
      endpoint.send('seen')
      return said
    }
    return await call({ sides, seen })
  } finally {
    await Promise.all(sides.map(side => side.stop()))
    endpoint.kill()
  }
}

/** Before anything is timed: through each the same bytes come back, with the same success at the end. */
async function checkSameAnswers(kind: Kind, { sides }: Parties): Promise<void> {
  for (const { name, port } of sides) {
    const lanes = openLanes(kind, port, 1)
    try {
      for (let i = 0; i < WARM_UP; i++) await lanes.send()
    } catch (error) {
      throw new Error(`not the same work: ${name}, ${kind}: ${(error as Error).message}`)
    } finally {
      lanes.close()
    }
  }
}

async function closedLoop(kind: Kind, { sides, seen }: Parties, atOnce: number, body: string) {
  const requests = REQUESTS[atOnce]!
  const connections = kind === 'h1' ? atOnce : Math.ceil(atOnce / STREAMS)
  const rate = sides.map((): number[] => [])
  const cpuUs = sides.map((): number[] => [])
  const before = await seen()
  for (let round = -1; round < ROUNDS; round++) {
    for (let turn = 0; turn < sides.length; turn++) {
      const at = (turn + round + 1) % sides.length
      const { port, pid } = sides[at]!
      const cpu = cpuNsOf(pid)
      const seconds = await h2load({ kind, port, requests, connections, streams: atOnce / connections, body })
      await pause(TAIL_MS)
      if (round < 0) continue
      cpuUs[at]!.push((cpuNsOf(pid) - cpu) / 1000 / requests)
      rate[at]!.push(requests / seconds)
    }
  }
  const after = await seen()
  for (const [at, { name }] of sides.entries()) {
    const came = after[at]! - before[at]!
    if (came !== requests * (ROUNDS + 1)) throw new Error(`not the same work: ${came} requests came through ${name}`)
  }
  const unit = kind === 'h1' ? 'request' : 'call'
  return sides.slice(1).flatMap(({ name: peer }, i): BenchRow[] => {
    const ratio = median(rate[i + 1]!.map((theirs, round) => rate[0]![round]! / theirs))
    const cpuRatio = median(cpuUs[i + 1]!.map((theirs, round) => theirs / cpuUs[0]![round]!))
    const wanted = WANTED[peer]
    const row = { case: `${kind}, ${atOnce} at once`, peer, ...(wanted === undefined ? {} : { wanted }) }
    return [
      { ...row, ours: median(rate[0]!), theirs: median(rate[i + 1]!), unit: `${unit}/s`, ratio, cpuRatio },
      { ...row, ours: median(cpuUs[0]!), theirs: median(cpuUs[i + 1]!), unit: `us cpu/${unit}`, ratio: cpuRatio },
    ]
  })
}

/** At half of what the slowest can do with this client, which is heavier than that of the closed loop. */
async function latencies(kind: Kind, { sides }: Parties, say: (line: string) => void): Promise<BenchRow[]> {
  const p99 = sides.map((): number[] => [])
  const lanes = sides.map(({ port }) => openLanes(kind, port, PACED_CONNECTIONS))
  try {
    let slowest = Number.POSITIVE_INFINITY
    for (const each of lanes) slowest = Math.min(slowest, await mostPerSecond(each, PACED_REQUESTS))
    const perSecond = Math.floor(slowest / 2)
    say(`http: ${kind}, ${PACED_ROUNDS} rounds of ${PACED_S} s at ${perSecond} a second`)
    for (let round = -1; round < PACED_ROUNDS; round++) {
      for (let turn = 0; turn < sides.length; turn++) {
        const at = (turn + round + 1) % sides.length
        const one = await pace(lanes[at]!, perSecond, PACED_S)
        if (round >= 0) p99[at]!.push(one)
      }
    }
    return sides.slice(1).map(({ name: peer }, i) => ({
      case: `${kind}, p99 at ${perSecond}/s`,
      peer,
      ours: median(p99[0]!),
      theirs: median(p99[i + 1]!),
      unit: 'ms',
      ratio: median(p99[i + 1]!.map((theirs, round) => theirs / p99[0]![round]!)),
    }))
  } finally {
    for (const each of lanes) each.close()
  }
}

/** Resident memory of a fresh process before and after so many gRPC streams that have had one message and stay open. */
async function memory(say: (line: string) => void): Promise<BenchRow[]> {
  const kib = HTTP_SIDES.map((): number[] => [])
  for (let round = 0; round < MEMORY_ROUNDS; round++) {
    for (const [at, name] of HTTP_SIDES.entries()) {
      const one = await withParties('grpc', ({ sides }) => kibPerStream(sides[0]!), [name])
      say(`http: an open stream at ${name} holds ${one.toFixed(1)} KiB`)
      kib[at]!.push(one)
    }
  }
  const [ours, ...peers] = kib.map(median)
  return peers.map((theirs, i) => ({
    case: `${HELD} open streams`,
    ours: ours!,
    peer: HTTP_SIDES[i + 1]!,
    theirs,
    unit: 'KiB/stream',
    ratio: theirs / ours!,
  }))
}

async function kibPerStream({ port, pid }: Program): Promise<number> {
  const warm = await hold(port, HELD_CONNECTIONS, HELD_CONNECTIONS * 10)
  warm()
  await pause(IDLE_MS)
  const before = residentBytesOf(pid)
  const release = await hold(port, HELD_CONNECTIONS, HELD)
  await pause(IDLE_MS)
  const after = residentBytesOf(pid)
  release()
  return (after - before) / 1024 / HELD
}

const ROUNDS = 3
/** In a round, by how many are at once. */
const REQUESTS: Readonly<Record<number, number>> = { 1: 1_000, 10: 4_000, 100: 8_000 }
/** On one HTTP/2 connection; 100 at once are on four. */
const STREAMS = 25
const WARM_UP = 50
const TAIL_MS = 30
const PACED_ROUNDS = 2
const PACED_S = 1
const PACED_REQUESTS = 4_000
const PACED_CONNECTIONS = 4
const HELD = 2_000
const HELD_CONNECTIONS = 20
const MEMORY_ROUNDS = 1
const IDLE_MS = 1_000
const WANTED: Partial<Record<HttpSideName, string>> = { 'bare node': '>= 0.9', nginx: '>= 0.3' }
