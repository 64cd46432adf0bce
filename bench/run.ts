// `npm run bench -- NAME [--json]`: runs one bench, ours and the peers interleaved, and prints medians and ratios.
// A ratio above 1 means ours is better. Exit 1 when both sides do not do the same work.

import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { runCache } from './cache.bench.ts'
import { runDecide } from './decide.bench.ts'
import { runEdge } from './edge.bench.ts'
import { runHttp } from './http.bench.ts'
import { runKernel } from './kernel.bench.ts'
import { runOverlay } from './overlay.bench.ts'
import { runRelayConnections } from './relay-connections.bench.ts'
import { runRelayMemory } from './relay-memory.bench.ts'
import { runRelayMessages } from './relay-messages.bench.ts'
import { runRelayThroughput } from './relay-throughput.bench.ts'
import { runRelayUdp } from './relay-udp.bench.ts'
import type { BenchReport, BenchRow } from './rounds.ts'
import { runSize } from './size.bench.ts'

const benches: Readonly<Record<string, (say: (line: string) => void) => Promise<BenchReport>>> = {
  decide: runDecide,
  edge: runEdge,
  http: runHttp,
  kernel: runKernel,
  cache: runCache,
  overlay: runOverlay,
  'relay-throughput': runRelayThroughput,
  'relay-messages': runRelayMessages,
  'relay-connections': runRelayConnections,
  'relay-memory': runRelayMemory,
  'relay-udp': runRelayUdp,
  size: runSize,
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
})
const name = positionals[0]
const bench = name === undefined ? undefined : benches[name]
if (values.help || bench === undefined) {
  const known = Object.keys(benches).join(', ')
  console.error(`usage: npm run bench -- NAME [--json]\nbenches: ${known}\nexample: npm run bench -- decide --json`)
  process.exit(values.help ? 0 : 2)
}

const report = await bench(line => console.error(line))
console.log(`\n${render(report.rows)}`)
if (values.json) console.log(JSON.stringify(report))

function render(rows: readonly BenchRow[]): string {
  const table = new Table({
    head: ['case', 'ours', 'peer', 'theirs', 'unit', 'ratio', 'wanted'],
    style: { head: [], border: [] },
  })
  for (const row of rows) {
    table.push([row.case, round(row.ours), row.peer, round(row.theirs), row.unit, round(row.ratio), row.wanted ?? ''])
  }
  return table.toString()
}

function round(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}
