// What changing without a deploy costs those who are served: a decision by a table with an overlay of 1,000 entries over it
// beside the same table without, and whole requests through raw workerd with the control object bound beside without.

import { bundleEdge } from '../cli/edge.ts'
import { parse } from '../shared/config/parse.ts'
import type { RequestFacts } from '../shared/decide/facts.ts'
import { decideHttp } from '../shared/decide/http.ts'
import { apply } from '../shared/overlay/apply.ts'
import { type Command, change } from '../shared/overlay/command.ts'
import { markEndpoints } from '../shared/overlay/mark.ts'
import { emptyOverlay, type Overlay } from '../shared/overlay/overlay.ts'
import { createObserved, type Observed } from '../shared/pool/observed.ts'
import { compile } from '../shared/table/compile.ts'
import { EDGE_DOOR } from '../shared/table/compile-http.ts'
import type { Table } from '../shared/table/table.ts'
import { bundle, bytesOf, edgeConfig, exchange, makeMix, startEndpoints } from './edge.bench.ts'
import { sendAll } from './load.ts'
import { type BenchReport, type BenchRow, interleave, median } from './rounds.ts'
import { startWorkerd, type Workerd } from './workerd.ts'

export async function runOverlay(say: (line: string) => void): Promise<BenchReport> {
  say(`overlay: ${DECISION_ROUNDS} rounds of ${DECISIONS} decisions`)
  const decision = decisionRow()
  return { bench: 'overlay', rows: [decision, ...(await edgeRows(say))] }
}

/** 500 splits with other weights, 250 drains, 250 ejections: every entry is in force. */
function decisionRow(): BenchRow {
  const table = compile(parse(splitsConfig()).config)
  const overlay = overlayOf(table)
  const entries = overlay.splits.length + overlay.drains.length + overlay.ejections.length
  if (entries !== 1_000) throw new Error(`${entries} entries`)
  const { table: over, retired, ignored } = apply(table, overlay)
  if (retired.length + ignored.length > 0) throw new Error('an entry is not in force')
  const observedFor = (of: Table) =>
    createObserved({ slots: of.slots.size, pools: of.pools.length, shared: false, firstTurn: 0 })
  const [plain, marked] = [observedFor(table), observedFor(over)]
  markEndpoints(marked, over, overlay, undefined, NOW, { skewMs: 0, probes: 'elsewhere' })

  const asked = Array.from({ length: DECISIONS }, (_, at) => factsOf(at))
  const decide = (by: Table, observed: Observed, facts: RequestFacts) =>
    decideHttp(by, facts, observed, 4_503_599_627_370)
  let isOther = 0
  for (const facts of asked) {
    const [one, other] = [decide(table, plain, facts), decide(over, marked, facts)]
    if (one.do !== 'forward' || other.do !== 'forward' || one.rule.id !== other.rule.id) {
      throw new Error(`not the same rule for ${facts.host}`)
    }
    if (one.variant.name !== other.variant.name) isOther += 1
  }
  // Half of the splits went from 95 to 70: a quarter of their users has another variant now.
  if (isOther < DECISIONS / 20 || isOther > DECISIONS / 5) throw new Error(`${isOther} users of ${DECISIONS} moved`)
  const side = (name: string, by: Table, observed: Observed) => ({
    name,
    run(batch: readonly RequestFacts[]) {
      for (const facts of batch) if (decide(by, observed, facts).do !== 'forward') throw new Error('lost a request')
    },
  })
  const sides = [side('with', over, marked), side('without', table, plain)]
  const times = interleave(sides, asked, DECISION_ROUNDS, facts => ({ ...facts, host: fresh(facts.host) }))
  const [ours, theirs] = [times.get('with')!, times.get('without')!]
  return {
    case: 'decision, overlay of 1,000 entries',
    ours: ours.wallNs,
    peer: 'no overlay',
    theirs: theirs.wallNs,
    unit: 'ns/decision',
    ratio: theirs.wallNs / ours.wallNs,
    cpuRatio: theirs.cpuNs / ours.cpuNs,
    wanted: '>= 0.95',
  }
}

function splitsConfig() {
  const endpoints = ['a', 'b', 'c'].map(name => ({ name, address: `https://${name}.endpoint.test` }))
  const pools = Array.from({ length: POOLS }, (_, at) => [`app${at}`, { endpoints, outlier: false }] as const)
  return {
    listeners: { web: { kind: 'edge' } },
    pools: { ...Object.fromEntries(pools), next: { endpoints } },
    routes: Array.from({ length: SPLITS }, (_, at) => ({
      name: `host${at}`,
      hostnames: [`app${at}.example.com`],
      variants: [
        { name: 'app', weight: 95, pool: `app${at % POOLS}` },
        { name: 'next', weight: 5, pool: 'next' },
      ],
      split: { name: `split${at}` },
    })),
  } as unknown as Parameters<typeof parse>[0]
}

function overlayOf(table: Table): Overlay {
  const commands: Command[] = [
    ...Array.from({ length: 500 }, (_, at): Command => {
      return { do: 'weight', split: `split${at}`, weights: { app: 70, next: 30 } }
    }),
    ...Array.from({ length: 250 }, (_, at): Command => ({ do: 'drain', endpoint: `app${at}/a` })),
    ...Array.from({ length: 250 }, (_, at): Command => {
      return { do: 'eject', endpoint: `app${at}/b`, forMs: 86_400_000 }
    }),
  ]
  return commands.reduce<Overlay>((overlay, command) => {
    const changed = change(table, overlay, command, NOW)
    if ('code' in changed) throw new Error(changed.message)
    return changed.overlay
  }, emptyOverlay)
}

function factsOf(at: number): RequestFacts {
  return {
    door: EDGE_DOOR,
    scheme: 'https',
    host: `app${at % SPLITS}.example.com`,
    port: 0,
    serverName: undefined,
    method: 'GET',
    path: '/orders',
    search: '',
    headers: [],
    cookies: [],
    signedCookies: [`user-${at}`],
    queries: [],
    clientAddress: '192.0.2.1',
    address: undefined,
    country: undefined,
    requestId: '',
    now: NOW,
  }
}

/** The same Worker twice; one has its control object, an operator who has changed weights, and follows it. */
async function edgeRows(say: (line: string) => void): Promise<readonly BenchRow[]> {
  const [endpoints, addresses] = await startEndpoints()
  const workers: Workerd[] = []
  try {
    const modules = { 'main.js': await bundleEdge(parse(edgeConfig(), { variables: addresses }).config) }
    const bindings = { ...addresses, FOURSEVEN_OPERATOR_TOKEN: TOKEN }
    const more = { keepsLog: false, cache: await bundle('cache-shelf.ts') }
    const objects = { FOURSEVEN_CONTROL: 'Control', FOURSEVEN_PROBES: 'Probes' }
    workers.push(await startWorkerd({ modules, bindings, ...more, objects }))
    workers.push(await startWorkerd({ modules, bindings, ...more }))
    const [follows] = workers as [Workerd, Workerd]
    say('overlay: does the Worker follow?')
    await weigh(follows, 0, 100)
    await untilCanary(follows)
    await weigh(follows, 90, 10)
    const requests = makeMix().map(bytesOf)
    for (const { port } of workers) await sendAll(port, requests, WARM_UP, CONNECTIONS)
    say(`overlay: ${ROUNDS} rounds of ${REQUESTS} requests on ${CONNECTIONS} connections`)
    const perSecond = workers.map(() => [] as number[])
    const cpuUs = workers.map(() => [] as number[])
    for (let round = 0; round < ROUNDS; round++) {
      for (let i = 0; i < workers.length; i++) {
        const at = (i + round) % workers.length
        const { port, cpuNs } = workers[at]!
        const before = cpuNs()
        perSecond[at]!.push(REQUESTS / (await sendAll(port, requests, REQUESTS, CONNECTIONS)))
        cpuUs[at]!.push((cpuNs() - before) / 1_000 / REQUESTS)
      }
    }
    const [rate, bareRate] = perSecond as [number[], number[]]
    const [cpu, bareCpu] = cpuUs as [number[], number[]]
    const ratio = median(bareRate.map((theirs, round) => rate[round]! / theirs))
    const cpuRatio = median(bareCpu.map((theirs, round) => theirs / cpu[round]!))
    const row = { peer: 'no control object', cpuRatio, wanted: '>= 0.98' }
    return [
      { case: 'edge rate, fan-out', ...row, ours: median(rate), theirs: median(bareRate), unit: 'requests/s', ratio },
      {
        case: 'edge cpu, fan-out',
        ...row,
        ours: median(cpu),
        theirs: median(bareCpu),
        unit: 'us cpu/request',
        ratio: cpuRatio,
      },
    ]
  } finally {
    await Promise.all(workers.map(worker => worker.stop()))
    endpoints.kill()
  }
}

async function weigh({ port }: Workerd, stable: number, canary: number): Promise<void> {
  const command: Command = { do: 'weight', split: 'app/all', weights: { stable, canary } }
  const response = await fetch(`http://127.0.0.1:${port}/.fourseven/changes`, {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify({ command, author: 'bench' }),
  })
  if (response.status !== 200) throw new Error(`the change was answered ${response.status}: ${await response.text()}`)
}

async function untilCanary({ port }: Workerd): Promise<void> {
  const asked = makeMix().find(({ path }) => path.startsWith('/home/'))!
  for (const from = performance.now(); performance.now() - from < 10_000; ) {
    const { body } = await exchange(port, asked, 'what-came')
    if (body.toLowerCase().includes('x-fourseven-variant: canary')) return
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  throw new Error('the Worker does not follow the control object')
}

function fresh(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}

const NOW = 1_000_000
const SPLITS = 1_000
const POOLS = 500
const DECISIONS = 50_000
const DECISION_ROUNDS = 15
const ROUNDS = 41
const REQUESTS = 1_000
const WARM_UP = 8_000
const CONNECTIONS = 16
const TOKEN = 'the-token-of-the-bench'
