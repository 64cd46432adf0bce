// NAT and direct server return beside the direct connection, HAProxy with splice and our userspace relay, all in the same
// round: one stream up and down, new connections, 64-byte datagrams; and the CPU of the whole machine, less what the
// direct connection takes.

import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import type { Lab } from '../test/system/kernel/lab.ts'
import { type KernelSideName, type KernelSides, shortPort, streamPort, withKernelSides } from './kernel-sides.ts'
import { type BenchReport, type BenchRow, median } from './rounds.ts'

export function runKernel(say: (line: string) => void): Promise<BenchReport> {
  return withKernelSides(async sides => {
    const rows: BenchRow[] = []
    for (const work of works) {
      say(`kernel: ${work.name}, ${ROUNDS} rounds`)
      rows.push(...rowsOf(work, takeTurns(sides, work)))
    }
    return { bench: 'kernel', rows }
  })
}

interface Work {
  readonly name: string
  readonly unit: string
  readonly sides: readonly KernelSideName[]
  /** How many units were done, and in how many seconds. */
  readonly run: (sides: KernelSides, host: string) => { readonly units: number; readonly seconds: number }
  /** By mode and peer. */
  readonly wanted: Readonly<Record<string, string>>
}

const works: readonly Work[] = [
  {
    name: 'throughput up',
    unit: 'MiB',
    sides: ['direct', 'nat', 'dsr', 'haproxy', 'proxy'],
    run: (sides, host) => stream(sides, host, []),
    wanted: { 'nat direct': '>= 0.85', 'nat haproxy': '>= 1.6' },
  },
  {
    name: 'throughput down',
    unit: 'MiB',
    sides: ['direct', 'nat', 'dsr', 'haproxy', 'proxy'],
    run: (sides, host) => stream(sides, host, ['--reverse']),
    wanted: { 'nat direct': '>= 0.85', 'nat haproxy': '>= 1.6', 'dsr direct': '>= 0.95' },
  },
  {
    name: 'new connections',
    unit: 'connection',
    sides: ['direct', 'nat', 'dsr', 'haproxy', 'proxy'],
    run: connections,
    wanted: { 'nat direct': '>= 0.85', 'dsr direct': '>= 0.85' },
  },
  {
    name: 'UDP packets',
    unit: 'packet',
    sides: ['direct', 'nat', 'dsr', 'proxy'],
    run: packets,
    wanted: { 'nat direct': '>= 0.8', 'dsr direct': '>= 0.8' },
  },
]

interface Measured {
  readonly perSecond: Map<KernelSideName, number[]>
  /** Microseconds of the whole machine for one unit. */
  readonly cpuUs: Map<KernelSideName, number[]>
}

/** Every side in every round, the order turning. The first round warms up. */
function takeTurns(sides: KernelSides, work: Work): Measured {
  const measured: Measured = { perSecond: new Map(), cpuUs: new Map() }
  for (let round = -1; round < ROUNDS; round++) {
    for (let turn = 0; turn < work.sides.length; turn++) {
      const side = work.sides[(turn + round + 1) % work.sides.length]!
      const before = busyUs()
      const { units, seconds } = work.run(sides, sides.hosts[side])
      const used = busyUs() - before
      if (units === 0) throw new Error(`${work.name}: nothing came through ${side}`)
      if (round < 0) continue
      push(measured.perSecond, side, units / seconds)
      push(measured.cpuUs, side, used / units)
    }
  }
  return measured
}

function stream({ lab }: KernelSides, host: string, more: readonly string[]) {
  const { bytes, seconds } = iperf3(lab, host, more).sum_received!
  return { units: bytes! / 1024 / 1024, seconds: seconds! }
}

/** Each command of redis-benchmark on a connection of its own. */
function connections({ lab }: KernelSides, host: string) {
  const args = [
    '-h',
    host,
    '-p',
    String(shortPort),
    '-k',
    '0',
    '-n',
    String(CONNECTIONS),
    '-c',
    '32',
    '-t',
    'ping_inline',
    '--csv',
  ]
  const said = lab.run('c1', 'redis-benchmark', ...args)
  const perSecond = Number(/"PING_INLINE","([\d.]+)"/.exec(said)?.[1])
  return { units: CONNECTIONS, seconds: CONNECTIONS / perSecond }
}

/**
 * As many as the client can send; those count that arrive. A server would take what is late of one stream for the
 * beginning of the next: each has its own.
 */
function packets({ lab, renewServers }: KernelSides, host: string) {
  renewServers()
  const { packets: sent, lost_packets: lost, seconds } = iperf3(lab, host, ['-u', '-b', '0', '-l', '64']).sum!
  return { units: sent! - lost!, seconds: seconds! }
}

function iperf3(lab: Lab, host: string, more: readonly string[]): Readonly<Record<string, Record<string, number>>> {
  const args = ['-c', host, '-p', String(streamPort), '-t', '1', '-J', ...more]
  const { end, error } = JSON.parse(lab.run('c1', 'iperf3', ...args))
  if (error !== undefined) throw new Error(`iperf3 to ${host}: ${error}`)
  return end
}

/** Ratios are taken within each round, then their median. */
function rowsOf(work: Work, { perSecond, cpuUs }: Measured): BenchRow[] {
  return (['nat', 'dsr'] as const).flatMap(mode =>
    work.sides
      .filter(side => side !== 'nat' && side !== 'dsr')
      .flatMap((peer): BenchRow[] => {
        const [ours, theirs] = [perSecond.get(mode)!, perSecond.get(peer)!]
        const wanted = work.wanted[`${mode} ${peer}`]
        const rate: BenchRow = {
          case: `${mode} ${work.name}`,
          peer,
          ...{ ours: median(ours), theirs: median(theirs), unit: `${work.unit}/s` },
          ratio: median(ours.map((value, round) => value / theirs[round]!)),
          ...(wanted === undefined ? {} : { wanted }),
        }
        if (peer === 'direct') return [rate]
        // What the relay costs the machine: all that is used, less what both ends use by themselves.
        const direct = median(cpuUs.get('direct')!)
        const [mine, its] = [median(cpuUs.get(mode)!) - direct, median(cpuUs.get(peer)!) - direct]
        const cpu = {
          ours: mine,
          theirs: its,
          unit: `us cpu/${work.unit}`,
          ratio: its / Math.max(mine, direct * leastPart),
        }
        return [rate, { case: `${mode} ${work.name}, cpu less direct`, peer, ...cpu }]
      }),
  )
}

/** Of all cores, in steps of 10 ms (proc(5)). */
function busyUs(): number {
  const [user, nice, system, , , irq, softirq] = readFileSync('/proc/stat', 'latin1')
    .split('\n')[0]!
    .split(/\s+/)
    .slice(1)
    .map(Number)
  return (user! + nice! + system! + irq! + softirq!) * 10_000
}

function push(columns: Map<KernelSideName, number[]>, side: KernelSideName, value: number): void {
  const column = columns.get(side)
  if (column === undefined) columns.set(side, [value])
  else column.push(value)
}

const ROUNDS = 7
const CONNECTIONS = 2_000 * Math.max(1, Math.floor(cpus().length / 2))
/** A smaller part of what the direct connection takes cannot be told from nothing. */
const leastPart = 0.02
