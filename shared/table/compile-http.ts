// HTTP rules and the doors they stand at: patterns become regular expressions, conditions places in the facts, filters one
// list of edits.

import { defaults } from '../config/defaults.ts'
import type {
  Config,
  EdgeListener,
  Filters,
  HttpMatchConfig,
  HttpRoute,
  HttpRule as HttpRuleConfig,
  HttpVariantConfig,
  NamedValueMatch,
  RelayHttpListener,
} from '../config/parsed.ts'
import { planSubrequests } from '../config/subrequests.ts'
import { parseDuration } from '../config/units.ts'
import type { Pool } from '../pool/pool.ts'
import { parseCidrs } from '../wire/address.ts'
import { compileSplit } from './compile-split.ts'
import { compileCors } from './cors.ts'
import { compileEdits, fillsIn } from './edits.ts'
import { servedHosts } from './hostname.ts'
import type { NeedsBook } from './needs-book.ts'
import { compilePages } from './pages.ts'
import { matchRank } from './precedence.ts'
import { asksOf, buildRouteIndex } from './route-index.ts'
import type { Condition, HttpDoor, HttpListener, HttpMatch, HttpRule, HttpVariant, Table } from './table.ts'

/** The name under which facts ask for the listeners of the edge. */
export const EDGE_DOOR = 'edge'

/** The same for an `http` listener of the relay. */
export function httpDoorName(listener: string): string {
  return `http ${listener}`
}

/** The door behind which a listener of the relay stands: its own, or that of the one it shares an address with. */
export function httpDoorOf({ httpDoors }: Pick<Table, 'httpDoors'>, listener: string): string {
  const has = ([, { listeners }]: readonly [string, HttpDoor]) => listeners.some(({ name }) => name === listener)
  return [...httpDoors].find(has)?.[0] ?? httpDoorName(listener)
}

export function compileHttpRule(
  route: HttpRoute,
  rule: HttpRuleConfig,
  poolNamed: (name: string) => Pool,
  needs: NeedsBook,
  nextOrder: () => number,
): HttpMatch[] {
  const compiled: HttpRule = {
    id: `${route.name}/${rule.name}`,
    route: route.name,
    name: rule.name,
    path: rule.path,
    action: compileAction(rule, poolNamed, needs),
    filters: rule.filters,
    responseEdits: compileEdits(rule.filters.response),
    retry: rule.retry,
    hedge: rule.hedge,
    mirrors: rule.mirrors.map(({ pool, percent }) => ({ pool: poolNamed(pool), share: percent / 100 })),
    subrequests: planSubrequests(rule, name => poolNamed(name).endpoints.filter(({ weight }) => weight > 0).length),
    timeouts: {
      ...rule.timeouts,
      connectMs: rule.timeouts.connectMs ?? parseDuration(defaults.connectTimeout)!,
      idleMs: rule.timeouts.idleMs ?? parseDuration(defaults.idleTimeout)!,
      callMs: rule.timeouts.callMs ?? Number.POSITIVE_INFINITY,
    },
    cors: compileCors(rule.cors),
    pages: compilePages(rule.errorPages),
    maxBodyBytes: rule.maxBodyBytes ?? Number.POSITIVE_INFINITY,
    sample: rule.sample,
    cache: rule.cache,
    compress: rule.compress,
  }
  if (compiled.cors !== undefined) needs.cors()
  const { action } = compiled
  const variants = action.do === 'forward' ? action.variants : []
  const split = action.do === 'forward' ? action.split : undefined
  const only = split === undefined ? variants[0] : undefined
  const edits = [compiled.responseEdits, ...variants.flatMap(variant => [variant.requestEdits, variant.responseEdits])]
  if (edits.some(some => fillsIn(some, 'country'))) needs.country()
  return rule.matches.map((match, place) => {
    const methods = match.methods.length === 0 ? undefined : match.methods
    const conditions = compileConditions(match, needs)
    return {
      text: textOf(match.path),
      asks: asksOf(methods, conditions),
      only,
      pool: only?.pool,
      rule: compiled,
      split,
      variants,
      place,
      path: match.path,
      regex: match.path.kind === 'regex' ? wholeValue(match.path.value) : undefined,
      methods,
      conditions,
      rank: matchRank(match, nextOrder()),
    }
  })
}

function textOf(path: HttpMatchConfig['path']): string {
  return path.kind === 'regex' || (path.kind === 'prefix' && path.value === '/') ? '' : path.value
}

function compileAction(rule: HttpRuleConfig, poolNamed: (name: string) => Pool, needs: NeedsBook): HttpRule['action'] {
  if (rule.action.do !== 'forward') return rule.action
  const variants = rule.action.variants.map(variant => compileVariant(rule, variant, poolNamed))
  const split = rule.action.split
  return {
    do: 'forward',
    variants,
    split: split === undefined ? undefined : compileSplit(split, rule.action.variants, needs),
  }
}

function compileVariant(
  rule: HttpRuleConfig,
  variant: HttpVariantConfig,
  poolNamed: (name: string) => Pool,
): HttpVariant {
  const filters = joinFilters(rule.filters, variant.filters)
  return {
    name: variant.name,
    weight: variant.weight,
    pool: 'pool' in variant.to ? poolNamed(variant.to.pool) : undefined,
    redirect: 'redirect' in variant.to ? variant.to.redirect : undefined,
    reply: 'reply' in variant.to ? variant.to.reply : undefined,
    filters,
    requestEdits: compileEdits(filters.request),
    responseEdits: compileEdits(filters.response),
  }
}

/** The rule's edits and then the variant's, in one list; a rewrite of the variant replaces the rule's. */
function joinFilters(first: Filters, second: Filters): Filters {
  const join = (a: Filters['request'], b: Filters['request']): Filters['request'] => ({
    set: [...a.set, ...b.set],
    add: [...a.add, ...b.add],
    remove: [...a.remove, ...b.remove],
  })
  return {
    request: join(first.request, second.request),
    response: join(first.response, second.response),
    rewrite: second.rewrite ?? first.rewrite,
    host: second.host ?? first.host,
  }
}

function compileConditions(match: HttpMatchConfig, needs: NeedsBook): readonly Condition[] {
  const conditions: Condition[] = [
    ...match.headers.map(header => compileValueMatch('header', header, needs.header(header.name))),
    ...match.cookies.map(cookie => compileValueMatch('cookie', cookie, needs.cookie(cookie.name))),
    ...match.queries.map(query => compileValueMatch('query', query, needs.query(query.name))),
  ]
  if (match.addresses.length > 0) {
    needs.address()
    conditions.push({ on: 'address', cidrs: parseCidrs(match.addresses) })
  }
  if (match.countries.length > 0) {
    needs.country()
    conditions.push({ on: 'country', countries: match.countries })
  }
  return conditions.length === 0 ? NO_CONDITIONS : conditions
}

function compileValueMatch(on: 'header' | 'cookie' | 'query', match: NamedValueMatch, index: number): Condition {
  return {
    on,
    name: match.name,
    index,
    op: match.op,
    value: match.value,
    regex: match.op === 'regex' ? wholeValue(match.value) : undefined,
  }
}

/**
 * A regex of the config has to match the whole value, as in Envoy and Gateway API: `v1` does not take `v10`. With the flag
 * with which `parse` has judged it.
 */
function wholeValue(pattern: string): RegExp {
  return new RegExp(`^(?:${pattern})$`, 'u')
}

/** The listeners of the edge share one door, and those of the relay at one address: there the host says which is asked. */
export function compileHttpDoors(config: Config, matches: ReadonlyMap<HttpRoute, HttpMatch[]>): Map<string, HttpDoor> {
  const doors = new Map<string, { listeners: HttpListener[] }>()
  for (const listener of config.listeners) {
    if (listener.kind !== 'edge' && listener.kind !== 'http') continue
    const name = listener.kind === 'edge' ? EDGE_DOOR : httpDoorName(listener.shares ?? listener.name)
    const door = doors.get(name) ?? { listeners: [] }
    door.listeners.push(compileHttpListener(listener, matches))
    doors.set(name, door)
  }
  return doors
}

function compileHttpListener(
  listener: EdgeListener | RelayHttpListener,
  matches: ReadonlyMap<HttpRoute, HttpMatch[]>,
): HttpListener {
  const entries: (readonly [string | undefined, HttpMatch])[] = []
  for (const [route, routeMatches] of matches) {
    if (!route.listeners.includes(listener.name)) continue
    const hosts = servedHosts(listener.hostnames, route.hostnames)
    for (const host of hosts === 'any' ? [undefined] : hosts) {
      for (const match of routeMatches) entries.push([host, match])
    }
  }
  const { name, hostnames, clientAddress, limits, hasVia } = listener
  const subrequests = listener.kind === 'edge' ? listener.subrequests : Number.POSITIVE_INFINITY
  const port = listener.kind === 'edge' ? 0 : listener.port
  const pages = compilePages(listener.errorPages)
  return { name, port, hostnames, clientAddress, subrequests, pages, limits, hasVia, index: buildRouteIndex(entries) }
}

/** One for all, so that it stays in the processor's cache. */
const NO_CONDITIONS: readonly Condition[] = []
