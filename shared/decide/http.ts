// The decision for a request: a function of its arguments and nothing else.

import type { RedirectConfig, ReplyConfig } from '../config/parsed.ts'
import { next, whyNone } from '../pool/balance.ts'
import type { Draw } from '../pool/draw.ts'
import type { Observed } from '../pool/observed.ts'
import type { Endpoint, Pool } from '../pool/pool.ts'
import { listenerFor } from '../table/hostname.ts'
import type { CorsNeeds, HttpListener, HttpMatch, HttpRule, HttpVariant, Table } from '../table/table.ts'
import { splitKeyOf } from '../wire/address.ts'
import { keptEndpoint } from './affinity.ts'
import type { CookieOut, HttpDecision, Redirect, ReplyDecision } from './decision.ts'
import type { RequestFacts } from './facts.ts'
import { matchHttp } from './match.ts'
import { reasons } from './reason.ts'
import { chooseVariant } from './variant.ts'

/** What to do with a request. Reads `observed` as it is now; claims nothing. */
export function decideHttp(table: Table, facts: RequestFacts, observed: Observed, draw: Draw): HttpDecision {
  const door = table.httpDoors.get(facts.door)
  if (facts.serverName !== undefined && isMisdirected(door?.listeners ?? NONE, facts.serverName, facts.host)) {
    return MISDIRECTED
  }
  const match = matchHttp(door, facts)
  if (facts.method === 'OPTIONS' && table.needs.cors !== undefined) {
    const asked = preflightMatch(table, table.needs.cors, facts, match)
    if (asked !== undefined) return { do: 'preflight', rule: asked.rule, match: asked }
  }
  if (match === undefined) return NO_ROUTE
  if (match.only !== undefined) return forward(table, match, match.only, match.pool, NONE, facts, observed, draw)
  if (match.split !== undefined) {
    const choice = chooseVariant(match.split, match.variants, facts, draw)
    return forward(table, match, choice.variant, choice.variant.pool, choice.cookies, facts, observed, draw)
  }
  const rule = match.rule
  const action = rule.action
  if (action.do === 'redirect') {
    const redirect = withPort(action.redirect, table, facts)
    return { do: 'redirect', rule, match, variant: undefined, redirect, cookies: NONE }
  }
  if (action.do === 'forward') throw new Error(`the rule ${rule.id} has neither one variant nor a split`)
  const reply = action.reply
  return replyDecision(rule, undefined, reply, NONE)
}

/**
 * Whether a listener takes the host, and the client's TLS asked for the name of another one or of none: its certificate
 * may be another's, and so may what was asked of the client (RFC 9110 section 15.5.20; Gateway API, Listener.hostname).
 */
export function isMisdirected(listeners: readonly HttpListener[], serverName: string, host: string): boolean {
  const asked = listenerFor(listeners, host)
  return asked !== undefined && asked !== listenerFor(listeners, serverName)
}

/**
 * The match whose CORS answers a preflight: that of the request it asks about, else its own. Undefined: it is no
 * preflight (Fetch standard: `OPTIONS` with `Origin` and `Access-Control-Request-Method`), or nobody here speaks of CORS
 * and it goes to the endpoint like any request.
 */
export function preflightMatch(
  table: Table,
  needs: CorsNeeds,
  facts: RequestFacts,
  own: HttpMatch | undefined,
): HttpMatch | undefined {
  const method = facts.headers[needs.method]
  if (method === undefined || facts.headers[needs.origin] === undefined) return undefined
  const asked = matchHttp(table.httpDoors.get(facts.door), { ...facts, method })
  if (asked?.rule.cors !== undefined) return asked
  return own?.rule.cors === undefined ? undefined : own
}

/** `listener` is the port that the listener has; where the config does not say, the one the client named. */
function withPort(redirect: RedirectConfig, table: Table, facts: RequestFacts): Redirect {
  if (redirect.port !== 'listener') return { ...redirect, port: redirect.port }
  const listener = listenerFor(table.httpDoors.get(facts.door)?.listeners ?? NONE, facts.host)
  return { ...redirect, port: listener === undefined || listener.port === 0 ? undefined : listener.port }
}

function replyDecision(
  rule: HttpRule,
  variant: HttpVariant | undefined,
  reply: ReplyConfig,
  cookies: readonly CookieOut[],
): ReplyDecision {
  const { status } = reply
  return {
    do: 'reply',
    rule,
    variant,
    reason: undefined,
    status,
    details: undefined,
    reply,
    pool: undefined,
    cookies,
  }
}

function forward(
  table: Table,
  match: HttpMatch,
  variant: HttpVariant,
  pool: Pool | undefined,
  cookies: readonly CookieOut[],
  facts: RequestFacts,
  observed: Observed,
  draw: Draw,
): HttpDecision {
  const rule = match.rule
  if (pool === undefined) {
    const { redirect, reply } = variant
    if (redirect !== undefined) {
      return { do: 'redirect', rule, match, variant, redirect: withPort(redirect, table, facts), cookies }
    }
    return replyDecision(rule, variant, reply!, cookies)
  }
  const key = requestKey(pool, table, facts)
  const first =
    (pool.affinity === undefined ? undefined : keptEndpoint(pool, table.needs, facts, observed)) ??
    next(pool, UNTRIED, observed, facts.now, draw, key)
  if (first === undefined) {
    const reason = whyNone(pool, UNTRIED, observed, facts.now)
    const { status } = reasons[reason]
    return { do: 'reply', rule, variant, reason, status, details: undefined, reply: undefined, pool, cookies }
  }
  return { do: 'forward', rule, match, variant, gates: NONE, pool, first, key, cookies }
}

/** What the pool's hash goes by in this request; undefined when it does not hash or the request lacks it. */
export function requestKey(pool: Pool, table: Table, facts: RequestFacts): string | undefined {
  if (pool.balance.by !== 'hash') return undefined
  const key = pool.balance.key
  switch (key.from) {
    case 'header':
      return facts.headers[table.needs.headers.indexOf(key.name)]
    case 'cookie':
      return facts.cookies[table.needs.cookies.indexOf(key.name)]
    default:
      return facts.address === undefined ? undefined : splitKeyOf(facts.address)
  }
}

const NONE: readonly never[] = []
const UNTRIED: readonly Endpoint[] = []
const MISDIRECTED: HttpDecision = {
  do: 'reply',
  rule: undefined,
  variant: undefined,
  reason: 'misdirected_request',
  status: reasons.misdirected_request.status,
  details: undefined,
  reply: undefined,
  pool: undefined,
  cookies: NONE,
}
const NO_ROUTE: HttpDecision = {
  do: 'reply',
  rule: undefined,
  variant: undefined,
  reason: 'destination_not_found',
  status: reasons.destination_not_found.status,
  details: undefined,
  reply: undefined,
  pool: undefined,
  cookies: NONE,
}
