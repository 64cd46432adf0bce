// Says why: runs the production decision for a request and tells every step of it in plain data. Nothing here decides;
// where a step is shown, the function that took it is asked again.

import { retriesPerSecond } from '../attempt/budget.ts'
import { mayHedge } from '../attempt/hedge.ts'
import { type Body, bodyOf, planHttp } from '../attempt/plan.ts'
import { longestRegexText } from '../config/defaults.ts'
import type { Filters } from '../config/parsed.ts'
import { affinityCookie } from '../decide/affinity.ts'
import type { CookieOut, ForwardDecision, HttpDecision, ReplyDecision } from '../decide/decision.ts'
import type { RequestFacts } from '../decide/facts.ts'
import { decideHttp, requestKey } from '../decide/http.ts'
import { holds, matchedPrefix, matchHttp, pathHolds } from '../decide/match.ts'
import { isMirrored } from '../decide/mirror.ts'
import { type Reason, reasons } from '../decide/reason.ts'
import { allowedOrigin } from '../http/cors.ts'
import { overBody } from '../http/door-limits.ts'
import { endpointUrl } from '../http/endpoint-url.ts'
import { grpcRefusal, grpcStatusNames } from '../http/grpc-status.ts'
import { endpointPath, redirectLocation } from '../http/paths.ts'
import type { Draw } from '../pool/draw.ts'
import type { Observed } from '../pool/observed.ts'
import { coversHost, listenerFor } from '../table/hostname.ts'
import { compareRanks, decidingStep, rankOfHost } from '../table/precedence.ts'
import type { HostMatches } from '../table/route-index.ts'
import type { Condition, HttpListener, HttpMatch, HttpRule, Table } from '../table/table.ts'
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
  /** Answered before any rule is asked. */
  readonly isAtDoor: boolean
  /** Every match of the listener in the order of precedence. */
  readonly candidates: readonly Candidate[]
  /** Why the match that serves comes before the next one that holds too. */
  readonly decidedBy: { readonly step: string; readonly over: string } | undefined
  readonly decision: DecisionExplanation
  readonly split: SplitExplanation | undefined
  readonly pool: PoolExplanation | undefined
  readonly retry: RetryExplanation | undefined
  readonly copies: CopiesExplanation | undefined
  /** What is changed: only the answer's header where no endpoint is asked. */
  readonly filters: Filters | undefined
  /** Cookies of ours that the answer sets, before they are signed. The endpoint's is that of the first one tried. */
  readonly cookies: readonly CookieOut[]
  /** Fields of the answer that tell the client its route and variant. */
  readonly exposed: Readonly<Record<string, string>>
  /** What else the rule says; undefined when no rule took the request. */
  readonly rule: RuleExplanation | undefined
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
      /** What the endpoint is asked for. */
      readonly url: string
    }
  | { readonly do: 'redirect'; readonly rule: string; readonly status: number; readonly location: string }
  | {
      readonly do: 'preflight'
      readonly rule: string
      readonly status: 204
      /** As `Access-Control-Allow-Origin` says it; undefined when the origin is not allowed. */
      readonly allowed: string | undefined
    }
  | {
      readonly do: 'reply'
      readonly rule: string | undefined
      readonly status: number
      readonly reason: string | undefined
      readonly says: string
      /** More of the reason. */
      readonly details: string | undefined
      /** `12 UNIMPLEMENTED`: how a gRPC call is answered. */
      readonly grpcStatus?: string
    }
  | { readonly do: 'operator'; readonly says: string }

export interface RetryExplanation {
  /** Tries that this request may take in all. */
  readonly attempts: number
  /** What the rule allows. */
  readonly allowed: number
  /** Why they are fewer, or only one; undefined when nothing else bounds them. */
  readonly why: string | undefined
  readonly on: readonly string[]
  readonly unsafe: boolean
  readonly body: Body
  readonly maxBufferBytes: number
  /** Undefined: a long upload has no clock. */
  readonly tryMs: number | undefined
  readonly requestMs: number
}

/** What is sent beside the facts: tries and copies go by it, the decision does not. */
export interface Sending {
  /** Bytes of the body; undefined without one. */
  readonly body: number | 'of unknown length' | undefined
  readonly isUpgrade: boolean
  /** A gRPC call at a door that knows what that is. */
  readonly isCall: boolean
}

export interface RuleExplanation {
  /** Origins whose pages may read the answers. */
  readonly cors: { readonly origins: readonly string[]; readonly credentials: boolean } | undefined
  /** Statuses with a page of their own, `5xx` for a class; those of the listener come after. */
  readonly errorPages: readonly string[]
  /** Undefined when not limited. */
  readonly maxBodyBytes: number | undefined
  /** The part of its requests that are recorded. */
  readonly sample: number
}

/** What is sent beside the first try, and what all of it may take. */
export interface CopiesExplanation {
  /** `p95`, or milliseconds; undefined: this request is never sent to two endpoints at once. */
  readonly hedgeAfter: string | number | undefined
  readonly mirrors: readonly {
    readonly pool: string
    readonly percent: number
    /** This request is copied. */
    readonly isSent: boolean
  }[]
  /** At most so many of the listener's. */
  readonly subrequests: {
    readonly tries: number
    readonly mirrors: number
    readonly total: number
    readonly of: number
  }
}

/** The decision for these facts and all that led to it. */
export function explainHttp(
  table: Table,
  asked: RequestFacts,
  observed: Observed,
  draw: Draw,
  sending: Sending = NOTHING,
): HttpExplanation {
  const door = table.httpDoors.get(asked.door)
  const decision = decideHttp(table, asked, observed, draw)
  const facts = matchedAs(decision, table, asked)
  const winner = matchHttp(door, facts)
  const listener = door === undefined ? undefined : listenerFor(door.listeners, facts.host)
  const ranked = listener === undefined ? [] : rankedMatches(listener)
  const later = ranked.filter(entry => entry.match !== winner && failedPredicate(entry, facts) === undefined)
  const first = ranked.find(entry => entry.match === winner && coversHost(entry.hostname, facts.host))
  const refusal = bodyRefusal(decision, sending)
  const pool = refusal === undefined ? poolWords(decision, table, facts, observed, draw) : undefined
  const sent = decision.do === 'forward' && pool !== undefined ? decision : undefined
  const tries = sent && triesOf(sent, listener!, facts, sending, pool!, draw)
  return {
    request: { ...requestWords(table, facts), method: asked.method },
    listener: listener?.name,
    isAtDoor: false,
    candidates: ranked.map(entry => candidateOf(entry, entry === first, facts)),
    decidedBy:
      first === undefined || later[0] === undefined
        ? undefined
        : { step: decidingStep(first.rank, later[0].rank), over: later[0].match.rule.id },
    decision: asStatus(refusal ?? decisionWords(decision, table, facts), sending),
    split: winner?.rule.action.do === 'forward' ? explainSplit(winner.rule.action, facts, draw) : undefined,
    pool,
    retry: tries,
    copies: sent && copyWords(sent.rule, listener!, facts, sending, tries!, draw),
    filters: sent === undefined ? answerFilters(decision) : sent.variant.filters,
    cookies: [...cookiesOf(decision), ...keptBy(sent, table, facts)],
    exposed: exposedBy(decision),
    rule: decision.rule === undefined ? undefined : ruleWords(decision.rule, listener!),
  }
}

/** What the door says before any rule is asked: it turns the request away, or it is the operator's. */
export function explainAtDoor(
  table: Table,
  facts: RequestFacts,
  listener: string | undefined,
  answer: ReplyDecision | 'operator',
  sending: Sending = NOTHING,
): HttpExplanation {
  return {
    request: requestWords(table, facts),
    listener,
    isAtDoor: true,
    candidates: [],
    decidedBy: undefined,
    decision:
      answer === 'operator'
        ? { do: 'operator', says: 'The operator routes answer: with the token, else 401.' }
        : asStatus(decisionWords(answer, table, facts), sending),
    split: undefined,
    pool: undefined,
    retry: undefined,
    copies: undefined,
    filters: undefined,
    cookies: [],
    exposed: {},
    rule: undefined,
  }
}

function requestWords(table: Table, facts: RequestFacts): HttpExplanation['request'] {
  return {
    method: facts.method,
    url: `${facts.scheme}://${facts.host}${facts.port === 0 ? '' : `:${facts.port}`}${facts.path}${facts.search}`,
    clientAddress: facts.clientAddress,
    country: facts.country,
    read: readValues(table, facts),
  }
}

/** A preflight may be matched as the request it asks about. */
function matchedAs(decision: HttpDecision, table: Table, facts: RequestFacts): RequestFacts {
  if (decision.do !== 'preflight') return facts
  const own = matchHttp(table.httpDoors.get(facts.door), facts)
  if (own === decision.match) return facts
  return { ...facts, method: facts.headers[table.needs.cors!.method]! }
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
    const got = match.path.kind === 'regex' ? askable(facts.path) : facts.path
    return { predicate: `path ${match.path.kind}`, wanted: match.path.value, got }
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
  const value = values[condition.index]
  const got = value === undefined ? 'absent' : condition.op === 'regex' ? askable(value) : value
  return { predicate: `${condition.on} ${condition.name}`, wanted, got }
}

/** The text, or why no regex takes it. */
function askable(text: string): string {
  if (text.length > longestRegexText) return `${text.length} characters, more than a regex is asked about`
  return text
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

/** What a client of gRPC gets in place of an HTTP status. */
function asStatus(words: DecisionExplanation, { isCall }: Sending): DecisionExplanation {
  if (!isCall || words.do !== 'reply') return words
  const number = grpcRefusal(words.reason as Reason | undefined, words.status)
  return { ...words, grpcStatus: `${number} ${grpcStatusNames[number]}` }
}

function decisionWords(decision: HttpDecision, table: Table, facts: RequestFacts): DecisionExplanation {
  switch (decision.do) {
    case 'forward':
      return {
        do: 'forward',
        rule: decision.rule.id,
        variant: decision.variant.name,
        pool: decision.pool.name,
        endpoint: decision.first.name,
        url: urlFor(decision, facts),
      }
    case 'redirect':
      return {
        do: 'redirect',
        rule: decision.rule.id,
        status: decision.redirect.status,
        location: redirectLocation(decision.redirect, facts, matchedPrefix(decision.match, facts.path)),
      }
    case 'preflight': {
      const origin = table.needs.cors === undefined ? undefined : facts.headers[table.needs.cors.origin]
      const allowed = allowedOrigin(decision.rule.cors!, origin)
      return { do: 'preflight', rule: decision.rule.id, status: 204, allowed }
    }
    case 'reply': {
      const reason = decision.reason
      const says = reason === undefined ? 'The config asks for this reply.' : reasons[reason].says
      return { do: 'reply', rule: decision.rule?.id, status: decision.status, reason, says, details: decision.details }
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

function urlFor(decision: ForwardDecision, facts: RequestFacts): string {
  const { rewrite, host } = decision.variant.filters
  const { address } = decision.first
  const path = endpointPath(facts, rewrite, matchedPrefix(decision.match, facts.path))
  return endpointUrl(address, facts, path, host).url
}

/** The rule takes no body of this length. */
function bodyRefusal(decision: HttpDecision, { body }: Sending): DecisionExplanation | undefined {
  if (decision.do !== 'forward' || body === undefined) return undefined
  const { id, maxBodyBytes } = decision.rule
  if (maxBodyBytes === Number.POSITIVE_INFINITY) return undefined
  const refusal = overBody(maxBodyBytes, typeof body === 'number' ? body : undefined)
  if (refusal === undefined) return undefined
  const reason = 'http_request_error'
  return { do: 'reply', rule: id, status: refusal.status, reason, says: reasons[reason].says, details: refusal.details }
}

/** As the planes plan them: by method and body, and never one endpoint twice. */
function triesOf(
  { rule, pool }: ForwardDecision,
  listener: HttpListener,
  { method }: RequestFacts,
  sending: Sending,
  { order }: PoolExplanation,
  draw: Draw,
): RetryExplanation {
  const { retry, timeouts } = rule
  const body = bodyKept(rule, method, sending)
  const plan = planHttp(retry, timeouts, method, body, draw)
  const { percent, perSecond } = pool.retryBudget
  const bounds: readonly (readonly [attempts: number, why: string])[] = [
    [
      planHttp(retry, timeouts, method, 'none', draw).isRepeatable ? plan.attempts : 1,
      sending.isCall
        ? 'a call that its endpoint has begun on is not sent again without retry.unsafe'
        : `${method} is not sent again without retry.unsafe`,
    ],
    [plan.isRepeatable ? plan.attempts : 1, 'a body that is not kept cannot be sent again'],
    [percent === 0 && (perSecond ?? retriesPerSecond.edge) === 0 ? 1 : plan.attempts, 'the retry budget is 0'],
    [order.length, `the pool has ${order.length} ${order.length === 1 ? 'endpoint' : 'endpoints'} to try`],
    [listener.subrequests, `the listener allows ${listener.subrequests} subrequests`],
  ]
  const attempts = Math.min(plan.attempts, ...bounds.map(([most]) => most))
  const why = attempts === plan.attempts ? undefined : bounds.find(([most]) => most === attempts)![1]
  return {
    attempts,
    allowed: plan.attempts,
    why,
    on: plan.on,
    unsafe: retry.isUnsafe,
    body,
    maxBufferBytes: retry.maxBufferBytes,
    tryMs: isLong(rule, sending) ? undefined : plan.tryMs,
    requestMs: plan.totalMs,
  }
}

/** A body on GET or HEAD is passed on as it comes: no runtime builds a request of its own with one. */
function bodyKept({ retry }: HttpRule, method: string, { body }: Sending): Body {
  const kept = bodyOf(retry, method, body !== undefined, typeof body === 'number' ? body : undefined)
  return kept === 'buffered' && (method === 'GET' || method === 'HEAD') ? 'streamed' : kept
}

/** Longer than the retry buffer, or nobody says how long. */
function isLong({ retry }: HttpRule, { body }: Sending): boolean {
  return body !== undefined && (typeof body === 'string' || body > retry.maxBufferBytes)
}

function copyWords(
  rule: HttpRule,
  listener: HttpListener,
  facts: RequestFacts,
  sending: Sending,
  { attempts, body }: RetryExplanation,
  draw: Draw,
): CopiesExplanation {
  const { hedge, mirrors, subrequests } = rule
  const { isUpgrade } = sending
  const isHedged = attempts > 1 && mayHedge(hedge, facts.method, body, isUpgrade)
  const isBodiless = facts.method === 'GET' || facts.method === 'HEAD'
  const mayBeCopied = !isUpgrade && (body === 'none' || !(isBodiless || isLong(rule, sending)))
  return {
    hedgeAfter: hedge === undefined || !isHedged ? undefined : hedge.by === 'time' ? hedge.ms : `p${hedge.percentile}`,
    mirrors: mirrors.map((mirror, index) => ({
      pool: mirror.pool.name,
      percent: mirror.share * 100,
      isSent: mayBeCopied && isMirrored(mirror, index, draw),
    })),
    subrequests: {
      tries: attempts,
      mirrors: subrequests.mirrors,
      total: attempts + subrequests.mirrors,
      of: listener.subrequests,
    },
  }
}

function ruleWords({ cors, pages, maxBodyBytes, sample }: HttpRule, listener: HttpListener): RuleExplanation {
  const all = [...(pages ?? []), ...(listener.pages ?? [])].map(({ of }) => (of < 10 ? `${of}xx` : String(of)))
  return {
    cors:
      cors === undefined
        ? undefined
        : {
            origins: [
              ...(cors.isAnyOrigin ? ['*'] : []),
              ...cors.origins,
              ...cors.wildcards.map(({ start, end }) => `${start}*${end}`),
            ],
            credentials: cors.hasCredentials,
          },
    errorPages: [...new Set(all)],
    maxBodyBytes: maxBodyBytes === Number.POSITIVE_INFINITY ? undefined : maxBodyBytes,
    sample,
  }
}

/** An answer without an endpoint has no request to change. */
function answerFilters(decision: HttpDecision): Filters | undefined {
  const variant = 'variant' in decision ? decision.variant : undefined
  const filters = variant?.filters ?? decision.rule?.filters
  return filters && { request: NO_EDITS, response: filters.response, rewrite: undefined, host: undefined }
}

function cookiesOf(decision: HttpDecision): readonly CookieOut[] {
  return 'cookies' in decision ? decision.cookies : []
}

function keptBy(sent: ForwardDecision | undefined, { needs }: Table, facts: RequestFacts): readonly CookieOut[] {
  const kept = sent && affinityCookie(sent.pool, sent.first, needs, facts)
  return kept === undefined ? [] : [kept]
}

function exposedBy(decision: HttpDecision): Readonly<Record<string, string>> {
  if (decision.do !== 'forward' && decision.do !== 'reply') return {}
  const { rule, variant } = decision
  if (rule?.action.do !== 'forward' || variant === undefined || rule.action.split?.isExposed !== true) return {}
  return { 'x-fourseven-route': rule.route, 'x-fourseven-variant': variant.name }
}

const NOTHING: Sending = { body: undefined, isUpgrade: false, isCall: false }
const NO_EDITS: Filters['request'] = { set: [], add: [], remove: [] }
