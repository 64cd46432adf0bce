// A full decision (host, path, method, headers, split, balance) at 10 to 100,000 rules on a Zipf request mix, beside
// routers that do the lookup only: find-my-way with host constraints, and Hono's TrieRouter with the host in the path.

import findMyWay from 'find-my-way'
import { TrieRouter } from 'hono/router/trie-router'
import type { ConfigInput } from '../shared/config/config.ts'
import { parse } from '../shared/config/parse.ts'
import type { RequestFacts } from '../shared/decide/facts.ts'
import { decideHttp } from '../shared/decide/http.ts'
import { createObserved } from '../shared/pool/observed.ts'
import { compile } from '../shared/table/compile.ts'
import { EDGE_DOOR } from '../shared/table/compile-http.ts'
import type { Table } from '../shared/table/table.ts'
import { readFacts } from '../workers/facts.ts'
import { type BenchReport, type BenchRow, interleave } from './rounds.ts'

interface Rule {
  readonly id: string
  readonly host: string
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly isPrefix: boolean
  readonly isSplit: boolean
  readonly wantsHeader: boolean
}

interface Asked {
  readonly rule: Rule
  readonly method: string
  readonly host: string
  readonly path: string
}

export async function runDecide(say: (line: string) => void): Promise<BenchReport> {
  const rows: BenchRow[] = []
  const cost = new Map<number, number>()
  for (const count of [10, 1_000, 10_000, 100_000]) {
    say(`decide: ${count} rules, building`)
    const rules = makeRules(count)
    const asked = askZipf(rules, REQUESTS)
    const table = compile(parse(configOf(rules)).config)
    const sides = makeSides(rules, table)
    checkAgreement(asked, sides)

    say(`decide: ${count} rules, ${ROUNDS} rounds of ${REQUESTS} requests`)
    const times = interleave(
      sides.map(({ name, decide }) => ({
        name,
        run(batch: readonly Asked[]) {
          for (const one of batch) if (decide(one) === undefined) throw new Error('lost a request')
        },
      })),
      asked,
      ROUNDS,
      withFreshText,
    )
    const ours = times.get('fourseven')!
    cost.set(count, ours.wallNs)
    for (const { name } of sides.slice(1)) {
      const theirs = times.get(name)!
      rows.push({
        case: `decide ${count} rules`,
        ours: ours.wallNs,
        peer: name,
        theirs: theirs.wallNs,
        unit: 'ns/decision',
        ratio: theirs.wallNs / ours.wallNs,
        cpuRatio: theirs.cpuNs / ours.cpuNs,
        ...(count === 10_000 && name === 'find-my-way' ? { wanted: '>= 3' } : {}),
      })
    }
  }
  for (const [count, wanted] of [
    [10_000, 2],
    [100_000, 4],
  ] as const) {
    rows.push({
      case: `growth ${count} rules`,
      ours: cost.get(count)!,
      peer: 'fourseven at 10 rules',
      theirs: cost.get(10)!,
      unit: 'ns/decision',
      ratio: cost.get(10)! / cost.get(count)!,
      wanted: `>= ${1 / wanted}`,
    })
  }
  rows.push(factsRow())
  return { bench: 'decide', rows }
}

/** About ten rules a host: exact paths, prefixes, two methods, every eighth with a header twin, every fourth split. */
function makeRules(count: number): Rule[] {
  const hosts = Math.max(1, Math.floor(count / 10))
  return Array.from({ length: count }, (_, i) => {
    const at = i % hosts
    const kind = Math.floor(i / hosts)
    // find-my-way takes at most 31 hosts on one path, so a third of the hosts' paths carry their service's name.
    const service = hosts > 30 ? `/s${Math.floor(at / 25)}` : ''
    return {
      id: `r${i}`,
      host: `app${at}.example.com`,
      method: i % 5 === 0 ? 'POST' : 'GET',
      path: `${service}/${NOUNS[kind % NOUNS.length]}${kind >= NOUNS.length ? kind : ''}${i % 3 === 0 ? '/list' : ''}`,
      isPrefix: i % 3 !== 0,
      isSplit: i % 4 === 0,
      wantsHeader: i % 8 === 0,
    }
  })
}

function configOf(rules: readonly Rule[]): ConfigInput {
  const byHost = new Map<string, Rule[]>()
  for (const rule of rules) byHost.set(rule.host, [...(byHost.get(rule.host) ?? []), rule])
  const endpoints = ['https://a.endpoint.test', 'https://b.endpoint.test', 'https://c.endpoint.test']
  return {
    listeners: { web: { kind: 'edge' } },
    pools: { app: { endpoints }, next: { endpoints } },
    routes: [...byHost].map(([host, mine], i) => ({
      name: `host${i}`,
      hostnames: [host],
      rules: mine.flatMap(rule => {
        const match = { path: rule.isPrefix ? rule.path : { exact: rule.path }, method: rule.method }
        const action = rule.isSplit
          ? {
              variants: [
                { name: 'app', weight: 95, pool: 'app' },
                { name: 'next', weight: 5, pool: 'next' },
              ],
            }
          : { pool: 'app' }
        const twin = { name: `${rule.id}-beta`, match: { ...match, header: { 'x-beta': '1' } }, pool: 'next' }
        return [{ name: rule.id, match, ...action }, ...(rule.wantsHeader ? [twin] : [])]
      }),
    })),
  }
}

/** Rules drawn by Zipf's law with exponent 1, in an order that has nothing to do with their place in the config. */
function askZipf(rules: readonly Rule[], count: number): Asked[] {
  const random = mulberry(47)
  const shuffled = [...rules].sort((a, b) => hash(a.id) - hash(b.id))
  const cumulative: number[] = []
  let sum = 0
  for (let rank = 1; rank <= shuffled.length; rank++) {
    sum += 1 / rank
    cumulative.push(sum)
  }
  return Array.from({ length: count }, () => {
    const rule = shuffled[lowerBound(cumulative, random() * sum)]!
    const under = rule.isPrefix && random() < 0.7 ? `/${Math.floor(random() * 1e6)}/detail` : ''
    return { rule, method: rule.method, host: rule.host, path: `${rule.path}${under}` }
  })
}

function makeSides(rules: readonly Rule[], table: Table) {
  const observed = createObserved({ slots: table.slots.size, pools: table.pools.length, shared: false, firstTurn: 0 })
  const ours = (asked: Asked): string | undefined =>
    decideHttp(table, factsOf(asked), observed, 4_503_599_627_370)?.rule?.name

  const router = findMyWay({ defaultRoute: () => undefined })
  const trie = new TrieRouter<string>()
  for (const rule of rules) {
    const store = { id: rule.id }
    router.on(rule.method, rule.path, { constraints: { host: rule.host } }, NOTHING, store)
    if (rule.isPrefix) router.on(rule.method, `${rule.path}/*`, { constraints: { host: rule.host } }, NOTHING, store)
    trie.add(rule.method, `/${rule.host}${rule.path}${rule.isPrefix ? '/*' : ''}`, rule.id)
  }
  return [
    { name: 'fourseven', decide: ours },
    {
      name: 'find-my-way',
      decide: (asked: Asked): string | undefined =>
        (router.find(asked.method as 'GET', asked.path, { host: asked.host })?.store as { id: string } | undefined)?.id,
    },
    {
      name: 'hono TrieRouter',
      decide: (asked: Asked): string | undefined => {
        const found = trie.match(asked.method, `/${asked.host}${asked.path}`)[0]
        return found[found.length - 1]?.[0] as string | undefined
      },
    },
  ]
}

function checkAgreement(asked: readonly Asked[], sides: ReturnType<typeof makeSides>): void {
  for (const one of asked) {
    for (const { name, decide } of sides) {
      const found = decide(one)
      if (found !== one.rule.id) {
        throw new Error(`${name} gives ${found} for ${one.method} ${one.host}${one.path}, expected ${one.rule.id}`)
      }
    }
  }
}

/** The facts that `readFacts` would give; the header and the cookie of the mix are absent, as with most requests. */
function factsOf(asked: Asked): RequestFacts {
  return {
    door: EDGE_DOOR,
    scheme: 'https',
    host: asked.host,
    port: 0,
    serverName: undefined,
    method: asked.method,
    path: asked.path,
    search: '',
    headers: ABSENT,
    cookies: NONE,
    signedCookies: KNOWN_USER,
    queries: NONE,
    clientAddress: '192.0.2.1',
    address: undefined,
    country: undefined,
    requestId: '',
    now: 1_000_000,
  }
}

/** A request's texts come off the wire, so none has its hash computed yet. */
function withFreshText(asked: Asked): Asked {
  const { rule } = asked
  return { rule, method: asked.method, host: fresh(asked.host), path: fresh(asked.path) }
}

function fresh(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}

/** `readFacts` of the edge beside what a hand-written Worker does first: `new URL`, one header, one cookie by regex. */
function factsRow(): BenchRow {
  const table = compile(parse(configOf(makeRules(1_000))).config)
  const requests = Array.from(
    { length: 2_000 },
    (_, i) =>
      new Request(`https://app${i % 100}.example.com/orders/${i}/detail?page=${i}`, {
        headers: { cookie: `session=abc${i}; fs_id=u${i}`, 'cf-connecting-ip': `192.0.2.${i % 250}`, accept: '*/*' },
      }),
  )
  let read = 0
  const times = interleave(
    [
      {
        name: 'fourseven',
        run(batch: readonly Request[]) {
          for (const request of batch) read += readFacts(request, table, [], 1_000_000).path.length
        },
      },
      {
        name: 'hand-written',
        run(batch: readonly Request[]) {
          for (const request of batch) {
            const url = new URL(request.url)
            const user = /(?:^|; )fs_id=([^;]*)/.exec(request.headers.get('cookie') ?? '')?.[1]
            const client = request.headers.get('cf-connecting-ip')
            read += url.hostname.length + url.pathname.length + (user?.length ?? 0) + (client?.length ?? 0)
          }
        },
      },
    ],
    requests,
    41,
    request => request,
  )
  if (read === 0) throw new Error('nothing was read')
  const [ours, theirs] = [times.get('fourseven')!, times.get('hand-written')!]
  return {
    case: 'readFacts (edge)',
    ours: ours.wallNs,
    peer: 'hand-written',
    theirs: theirs.wallNs,
    unit: 'ns/request',
    ratio: theirs.wallNs / ours.wallNs,
    cpuRatio: theirs.cpuNs / ours.cpuNs,
  }
}

function lowerBound(sorted: readonly number[], value: number): number {
  let low = 0
  let high = sorted.length - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if (sorted[middle]! < value) low = middle + 1
    else high = middle
  }
  return low
}

function hash(text: string): number {
  let h = 2_166_136_261
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16_777_619)
  return h >>> 0
}

/** mulberry32: a small seeded generator, so that every run asks the same. */
function mulberry(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000
  }
}

const REQUESTS = 50_000
const ROUNDS = 15
const NOUNS = ['orders', 'users', 'api', 'cart', 'search', 'static', 'login', 'pay', 'stock', 'help']
const NOTHING = () => undefined
const NONE: readonly never[] = []
const ABSENT: readonly undefined[] = [undefined]
const KNOWN_USER: readonly string[] = ['u7f3k2m9x1']
