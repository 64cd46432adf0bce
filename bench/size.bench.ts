// What the Worker weighs: the gzipped bundle, and what a fresh isolate spends before it has answered for the first time.

import { gzipSync } from 'node:zlib'
import { bundleEdge } from '../cli/edge.ts'
import type { ConfigInput } from '../shared/config/config.ts'
import { parse } from '../shared/config/parse.ts'
import type { Config } from '../shared/config/parsed.ts'
import routes from '../shared/routes.ts'
import { type BenchReport, type BenchRow, median } from './rounds.ts'
import { startWorkerd } from './workerd.ts'

export async function runSize(say: (line: string) => void): Promise<BenchReport> {
  const rows: BenchRow[] = []
  const shipped = parse(routes).config
  const large = parse(largeConfig()).config
  for (const [name, config, wanted] of [
    ['shipped routes', shipped, '>= 1'],
    ['1,000 rules', large, undefined],
  ] as const) {
    const bytes = gzipSync(await bundleEdge(config, { minify: true }), { level: 9 }).length
    const limits = { peer: 'limit', theirs: MOST_BYTES, unit: 'bytes gzip', ratio: MOST_BYTES / bytes }
    rows.push({ case: `bundle, ${name}`, ours: bytes, ...limits, ...(wanted === undefined ? {} : { wanted }) })
  }
  say(`size: ${STARTS} fresh workerd processes for each of two configs, in turn`)
  const [few, many] = await timeStarts([shipped, large])
  for (const [name, { wallMs, cpuMs }, wanted] of [
    ['shipped routes', few!, {}],
    ['1,000 rules', many!, { wanted: '>= 1' }],
  ] as const) {
    const limit = { peer: 'limit', theirs: MOST_MS }
    rows.push({ case: `start, ${name}`, ours: wallMs, ...limit, unit: 'ms', ratio: MOST_MS / wallMs, ...wanted })
    rows.push({ case: `start, ${name}`, ours: cpuMs, ...limit, unit: 'ms cpu', ratio: MOST_MS / cpuMs })
  }
  return { bench: 'size', rows }
}

interface Start {
  readonly wallMs: number
  readonly cpuMs: number
}

/**
 * What a fresh isolate costs until its first answer, medians in the order of the configs: a workerd process with our
 * Worker from its start to its first answer, less the same of one whose Worker does nothing but answer. So it holds all
 * of it: parsing and evaluating the module (workerd does that before it listens), the table, the decision, the answer and
 * the record. CPU time is of the whole process, helper threads of V8 too.
 */
async function timeStarts(configs: readonly Config[]): Promise<Start[]> {
  const sources = [EMPTY, ...(await Promise.all(configs.map(config => bundleEdge(config, { minify: true }))))]
  const starts = sources.map(() => [] as Start[])
  for (let round = 0; round < STARTS; round++) {
    for (let i = 0; i < sources.length; i++) {
      const at = (i + round) % sources.length
      starts[at]!.push(await timeStart(sources[at]!))
    }
  }
  const [empty, ...ours] = starts
  return ours.map(mine => ({
    wallMs: median(mine.map(({ wallMs }, round) => wallMs - empty![round]!.wallMs)),
    cpuMs: median(mine.map(({ cpuMs }, round) => cpuMs - empty![round]!.cpuMs)),
  }))
}

async function timeStart(source: string): Promise<Start> {
  const start = performance.now()
  const worker = await startWorkerd({ modules: { 'main.js': source }, bindings: {}, keepsLog: false })
  try {
    const { status } = await fetch(`http://127.0.0.1:${worker.port}/nowhere`)
    if (status !== 404) throw new Error(`the first request is answered ${status}`)
    return { wallMs: performance.now() - start, cpuMs: worker.cpuNs() / 1e6 }
  } finally {
    await worker.stop()
  }
}

/** 100 hosts with ten rules each: prefixes, methods, a header, a cookie, header edits and a split. */
function largeConfig(): ConfigInput {
  const endpoints = ['https://a.endpoint.test', 'https://b.endpoint.test', 'https://c.endpoint.test']
  const filters = { requestHeaders: { set: { 'x-rule': '{route}/{rule}' } } }
  return {
    listeners: { web: { kind: 'edge' } },
    pools: Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`pool${i}`, { endpoints }])),
    routes: Array.from({ length: 100 }, (_, i) => ({
      name: `host${i}`,
      hostnames: [`app${i}.example.com`],
      rules: Array.from({ length: 10 }, (_, j) => {
        const match = {
          path: j % 3 === 0 ? { exact: `/section${j}` } : `/section${j}`,
          ...(j % 4 === 1 ? { method: ['GET', 'HEAD'] } : {}),
          ...(j % 5 === 2 ? { header: { 'x-beta': '1' } } : {}),
        }
        const to =
          j === 9
            ? {
                variants: [
                  { name: 'stable', weight: 95, pool: `pool${i}` },
                  { name: 'canary', weight: 5, pool: `pool${(i + 1) % 100}` },
                ],
              }
            : { pool: `pool${i}` }
        return { name: `rule${j}`, match, filters, ...to }
      }),
    })),
  }
}

const STARTS = 21
const MOST_BYTES = 65_536
const MOST_MS = 20
const EMPTY = 'export default { fetch: () => new Response(null, { status: 404 }) }'
