// Says why: runs the production decision for a request and tells every step of it in plain data. Nothing here decides;
// where a step is shown, the function that took it is asked again.

import type { Filters, RetryConfig } from '../config/parse.ts'
import type { HttpDecision } from '../decide/decision.ts'
import type { RequestFacts } from '../decide/facts.ts'
import { decideHttp, requestKey } from '../decide/http.ts'
import { holds, matchHttp, pathHolds } from '../decide/match.ts'
import { reasons } from '../decide/reason.ts'
import { redirectLocation } from '../http/paths.ts'
import type { Draw } from '../pool/draw.ts'
import type { Observed } from '../pool/observed.ts'
import { coversHost, listenerFor } from '../table/hostname.ts'
import { compareRanks, decidingStep, rankOfHost } from '../table/precedence.ts'
import type { HostMatches } from '../table/route-index.ts'
import type { Condition, HttpListener, HttpMatch, Table } from '../table/table.ts'
import { explainPool, type PoolExplanation } from './pool.ts'
import { explainSplit, type SplitExplanation } from './split.ts'

export interface HttpExplanation {
  readonly request: {
    readonly method: string
    readonly url: string
    readonly clientAddress: string | undefined
    readonly country: string | undefined
    /** What the table asks of a request, as this one has it. */
    readonly read: Readonly<Record<string, string | undefined>>
  }
  readonly listener: string | undefined
  /** Every match of the listener in the order of precedence. */
  readonly candidates: readonly Candidate[]
  /** Why the match that serves comes before the next one that holds too. */
  readonly decidedBy: { readonly step: string; readonly over: string } | undefined
  readonly decision: DecisionExplanation
  readonly split: SplitExplanation | undefined
  readonly pool: PoolExplanation | undefined
  readonly retry: RetryExplanation | undefined
  readonly filters: Filters | undefined
}

export interface Candidate {
  readonly rule: string
  readonly path: string
  readonly match: number
  /** As the route writes it; `any` without one. */
  readonly hostname: string
  readonly verdict: 'serves' | 'holds, but comes later' | 'does not hold'
  /** The first predicate that failed, in the order host, path, method, headers, cookies, queries, address, country. */
  readonly failed: FailedPredicate | undefined
}

export interface FailedPredicate {
  readonly predicate: string
  readonly wanted: string
  readonly got: string
}

export type DecisionExplanation =
  | {
      readonly do: 'forward'
      readonly rule: string
      readonly variant: string
      readonly pool: string
      readonly endpoint: string
    }
  | { readonly do: 'redirect'; readonly rule: string; readonly status: number; readonly location: string }
  | {
      readonly do: 'reply'
      readonly rule: string | undefined
      readonly status: number
      readonly reason: string | undefined
      readonly says: string
    }

export interface RetryExplanation {
  readonly attempts: number
  readonly on: readonly string[]
  readonly unsafe: boolean
  readonly maxBufferBytes: number
  readonly tryMs: number
  readonly requestMs: number
}

/** The decision for these facts and all that led to it. */
export function explainHttp(table: Table, facts: RequestFacts, observed: Observed, draw: Draw): HttpExplanation {
  const door = table.httpDoors.get(facts.door)
  const decision = decideHttp(table, facts, observed, draw)
  const winner = matchHttp(door, facts)
  const listener = door === undefined ? undefined : listenerFor(door.listeners, facts.host)
  const ranked = listener === undefined ? [] : rankedMatches(listener)
  const later = ranked.filter(entry => entry.match !== winner && failedPredicate(entry, facts) === undefined)
  const first = ranked.find(entry => entry.match === winner && coversHost(entry.hostname, facts.host))
  return {
    request: {
      method: facts.method,
      url: `${facts.scheme}://${facts.host}${facts.port === 0 ? '' : `:${facts.port}`}${facts.path}${facts.search}`,
      clientAddress: facts.clientAddress,
      country: facts.country,
      read: readValues(table, facts),
    },
    listener: listener?.name,
    candidates: ranked.map(entry => candidateOf(entry, entry === first, facts)),
    decidedBy:
      first === undefined || later[0] === undefined
        ? undefined
        : { step: decidingStep(first.rank, later[0].rank), over: later[0].match.rule.id },
    decision: decisionWords(decision, facts),
    split: winner?.rule.action.do === 'forward' ? explainSplit(winner.rule.action, facts, draw) : undefined,
    pool: poolWords(decision, table, facts, observed, draw),
    retry: decision.do === 'forward' ? retryWords(decision.rule) : undefined,
    filters: filtersOf(decision),
  }
}

interface RankedMatch {
  readonly hostname: string | undefined
  readonly match: HttpMatch
  readonly rank: readonly number[]
}

function rankedMatches(listener: HttpListener): RankedMatch[] {
  const entries = listener.index.hosts.flatMap(({ hostname, matches }: HostMatches) =>
    matches.map(match => ({ hostname, match, rank: [...rankOfHost(hostname), ...match.rank] })),
  )
  return entries.sort((a, b) => compareRanks(a.rank, b.rank))
}

function candidateOf(entry: RankedMatch, serves: boolean, facts: RequestFacts): Candidate {
  const failed = failedPredicate(entry, facts)
  return {
    rule: entry.match.rule.id,
    path: entry.match.rule.path,
    match: entry.match.place,
    hostname: entry.hostname ?? 'any',
    verdict: serves ? 'serves' : failed === undefined ? 'holds, but comes later' : 'does not hold',
    failed,
  }
}

/** What keeps a match from holding, or undefined when it holds: then `holds` and `pathHolds` say so too. */
function failedPredicate(entry: RankedMatch, facts: RequestFacts): FailedPredicate | undefined {
  const { match, hostname } = entry
  if (!coversHost(hostname, facts.host)) return { predicate: 'hostname', wanted: hostname!, got: facts.host }
  if (!pathHolds(match, facts.path)) {
    return { predicate: `path ${match.path.kind}`, wanted: match.path.value, got: facts.path }
  }
  if (holds(match, facts)) return undefined
  if (match.methods !== undefined && !match.methods.includes(facts.method)) {
    return { predicate: 'method', wanted: match.methods.join(', '), got: facts.method }
  }
  const failed = match.conditions.find(condition => !holds({ ...match, conditions: [condition] }, facts))
  return failed === undefined ? undefined : describeFailure(failed, facts)
}

function describeFailure(condition: Condition, facts: RequestFacts): FailedPredicate {
  if (condition.on === 'address') {
    const wanted = condition.cidrs.map(cidr => cidr.text).join(', ')
    return { predicate: 'address', wanted, got: facts.clientAddress ?? 'unknown' }
  }
  if (condition.on === 'country') {
    return { predicate: 'country', wanted: condition.countries.join(', '), got: facts.country ?? 'unknown' }
  }
  const values = { header: facts.headers, cookie: facts.cookies, query: facts.queries }[condition.on]
  const wanted =
    condition.op === 'exact' || condition.op === 'regex' ? `${condition.op} ${condition.value}` : condition.op
  return { predicate: `${condition.on} ${condition.name}`, wanted, got: values[condition.index] ?? 'absent' }
}

function readValues(table: Table, facts: RequestFacts): Record<string, string | undefined> {
  const { needs } = table
  return Object.fromEntries([
    ...needs.headers.map((name, i) => [`header ${name}`, facts.headers[i]]),
    ...needs.cookies.map((name, i) => [`cookie ${name}`, facts.cookies[i]]),
    ...needs.signedCookies.map((name, i) => [`signed cookie ${name}`, facts.signedCookies[i]]),
    ...needs.queries.map((name, i) => [`query ${name}`, facts.queries[i]]),
  ])
}

function decisionWords(decision: HttpDecision, facts: RequestFacts): DecisionExplanation {
  switch (decision.do) {
    case 'forward':
      return {
        do: 'forward',
        rule: decision.rule.id,
        variant: decision.variant.name,
        pool: decision.pool.name,
        endpoint: decision.first.name,
      }
    case 'redirect':
      return {
        do: 'redirect',
        rule: decision.rule.id,
        status: decision.redirect.status,
        location: redirectLocation(decision.redirect, facts, decision.match.path.value),
      }
    case 'reply': {
      const reason = decision.reason
      const says = reason === undefined ? 'The config asks for this reply.' : reasons[reason].says
      return { do: 'reply', rule: decision.rule?.id, status: decision.status, reason, says }
    }
  }
}

function poolWords(
  decision: HttpDecision,
  table: Table,
  facts: RequestFacts,
  observed: Observed,
  draw: Draw,
): PoolExplanation | undefined {
  const pool = decision.do === 'forward' ? decision.pool : decision.do === 'reply' ? decision.variant?.pool : undefined
  if (pool === undefined) return undefined
  const key = requestKey(pool, table, facts)
  const first = decision.do === 'forward' ? decision.first : undefined
  return explainPool(pool, first, observed, facts.now, draw, key)
}

function retryWords(rule: {
  readonly retry: RetryConfig
  readonly timeouts: { readonly requestMs: number; readonly tryMs: number }
}): RetryExplanation {
  const { attempts, on, isUnsafe, maxBufferBytes } = rule.retry
  return { attempts, on, unsafe: isUnsafe, maxBufferBytes, ...rule.timeouts }
}

function filtersOf(decision: HttpDecision): Filters | undefined {
  if (decision.do === 'forward') return decision.variant.filters
  return decision.rule?.filters
}
