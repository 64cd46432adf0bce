// Config -> Table: names become references, patterns become regular expressions and CIDRs, and what has to be read from a
// request becomes `needs`. Everything a decision would otherwise do twice is done here once.

import { parseEndpointAddress, resolveVariables, type Variables } from '../config/endpoint-address.ts'
import type {
  Config,
  Filters,
  FlowRoute,
  FlowRule as FlowRuleConfig,
  HttpMatchConfig,
  HttpRoute,
  HttpRule as HttpRuleConfig,
  HttpVariantConfig,
  NamedValueMatch,
  SplitConfig,
} from '../config/parse.ts'
import { ConfigError } from '../config/problem.ts'
import { hash32 } from '../pool/hash.ts'
import { compilePool, type Pool } from '../pool/pool.ts'
import { type Cidr, parseCidr } from '../wire/address.ts'
import { compileEdits } from './edits.ts'
import { servedHosts } from './hostname.ts'
import { matchRank } from './precedence.ts'
import { asksOf, buildRouteIndex } from './route-index.ts'
import { dealFresh, packRanges } from './slots.ts'
import type {
  Condition,
  FlowListener,
  FlowMatch,
  FlowRule,
  HttpDoor,
  HttpListener,
  HttpMatch,
  HttpRule,
  HttpVariant,
  Needs,
  Split,
  SplitKey,
  Table,
} from './table.ts'

/** The name under which facts ask for the listeners of the edge. */
export const EDGE_DOOR = 'edge'

/**
 * The table of a parsed config. `variables` fill `${NAME}` in endpoint addresses. With the `previous` table an endpoint
 * that stays keeps its slot, so that its counts and ejections survive a reload.
 * Throws ConfigError when a variable is unset here or makes an address that cannot be read.
 */
export function compile(config: Config, variables: Variables = {}, previous?: Table): Table {
  const slots = new Map(previous?.slots)
  const needs = needsBook()
  const pools = compilePools(config, variables, slots)
  const poolNamed = (name: string): Pool => pools.get(name)!
  for (const pool of pools.values()) noteBalanceNeeds(pool, needs)

  const httpMatches = new Map<HttpRoute, HttpMatch[]>()
  const flowMatches = new Map<FlowRoute, FlowMatch[]>()
  let order = 0
  for (const route of config.routes) {
    if (route.layer === 7) {
      httpMatches.set(
        route,
        route.rules.flatMap(rule => compileHttpRule(route, rule, poolNamed, needs, () => order++)),
      )
    } else {
      flowMatches.set(
        route,
        route.rules.flatMap(rule => compileFlowRule(route, rule, poolNamed, needs)),
      )
    }
  }
  return {
    needs: needs.close(),
    pools: [...pools.values()],
    slots,
    httpDoors: compileHttpDoors(config, httpMatches),
    flowListeners: compileFlowListeners(config, flowMatches),
  }
}

function compilePools(config: Config, variables: Variables, slots: Map<string, number>): Map<string, Pool> {
  const slotOf = (id: string): number => {
    const slot = slots.get(id) ?? slots.size
    slots.set(id, slot)
    return slot
  }
  const pools = new Map<string, Pool>()
  config.pools.forEach((pool, index) => {
    const resolve = (template: string) => resolveAddress(template, variables, `pools.${pool.name}`)
    pools.set(pool.name, compilePool(pool, index, resolve, slotOf))
  })
  return pools
}

function resolveAddress(template: string, variables: Variables, path: string) {
  const resolved = resolveVariables(template, variables)
  if ('unset' in resolved) {
    throw new ConfigError([
      {
        severity: 'error',
        code: 'unset-variable',
        path,
        message: `the variable ${resolved.unset} in "${template}" is not set`,
        mend: `Set ${resolved.unset}, or write a default: \${${resolved.unset}:-https://app.example.com}.`,
      },
    ])
  }
  const address = parseEndpointAddress(resolved.text)
  if (typeof address !== 'string') return address
  throw new ConfigError([
    {
      severity: 'error',
      code: 'bad-address',
      path,
      message: `"${resolved.text}": ${address}`,
      mend: 'Write an address such as https://app.example.com or tcp://db.example.com:5432.',
    },
  ])
}

/** Facts are read by index: every name a rule asks for is entered here once. */
function needsBook() {
  const headers: string[] = []
  const cookies: string[] = []
  const signedCookies: string[] = []
  const queries: string[] = []
  let address = false
  let country = false
  return {
    header: (name: string) => indexIn(headers, name.toLowerCase()),
    cookie: (name: string) => indexIn(cookies, name),
    signedCookie: (name: string) => indexIn(signedCookies, name),
    query: (name: string) => indexIn(queries, name),
    address: () => {
      address = true
    },
    country: () => {
      country = true
    },
    close: (): Needs => ({ headers, cookies, signedCookies, queries, address, country }),
  }
}
type NeedsBook = ReturnType<typeof needsBook>

function indexIn(names: string[], name: string): number {
  const known = names.indexOf(name)
  return known === -1 ? names.push(name) - 1 : known
}

function noteBalanceNeeds(pool: Pool, needs: NeedsBook): void {
  if (pool.affinity !== undefined) needs.signedCookie(pool.affinity.cookie)
  if (pool.balance.by !== 'hash') return
  const key = pool.balance.key
  if (key.from === 'header') needs.header(key.name)
  else if (key.from === 'cookie') needs.cookie(key.name)
  else needs.address()
}

function compileHttpRule(
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
    timeouts: rule.timeouts,
  }
  const { action } = compiled
  const variants = action.do === 'forward' ? action.variants : []
  const split = action.do === 'forward' ? action.split : undefined
  const only = split === undefined ? variants[0] : undefined
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
  }
}

function compileSplit(
  split: SplitConfig,
  variants: readonly { readonly name: string; readonly weight: number }[],
  needs: NeedsBook,
): Split {
  if (split.by.from === 'address' || split.fallback === 'address') needs.address()
  const slots = dealFresh(variants.map(variant => variant.weight))
  const pinCookie = pinCookieName(split.name)
  const force = split.force
  return {
    name: split.name,
    seed: hash32(`${split.name}\0${split.salt}`),
    slots,
    ranges: packRanges(slots),
    by: compileSplitKey(split.by, needs),
    fallback: split.fallback,
    pin: split.pin === 'first' ? { cookie: pinCookie, index: needs.signedCookie(pinCookie) } : undefined,
    epoch: split.epoch,
    force:
      force === undefined
        ? undefined
        : {
            header: force.header === undefined ? undefined : { name: force.header, index: needs.header(force.header) },
            cookie: force.cookie === undefined ? undefined : { name: force.cookie, index: needs.cookie(force.cookie) },
            to: variants.findIndex(variant => variant.name === force.to),
          },
    isExposed: split.isExposed,
  }
}

function compileSplitKey(by: SplitConfig['by'], needs: NeedsBook): SplitKey {
  if (by.from === 'address') return by
  if (by.from === 'header') return { from: 'header', name: by.name, index: needs.header(by.name) }
  const index = by.isIssued ? needs.signedCookie(by.name) : needs.cookie(by.name)
  return { from: 'cookie', name: by.name, index, isIssued: by.isIssued }
}

/** A cookie name for a split's pin: what a cookie name may not hold becomes `_`, and a hash keeps such names apart. */
function pinCookieName(split: string): string {
  const plain = split.replace(/[^A-Za-z0-9_.-]/g, '_')
  return plain === split ? `fs_pin_${plain}` : `fs_pin_${plain}_${hash32(split).toString(36)}`
}

function compileConditions(match: HttpMatchConfig, needs: NeedsBook): readonly Condition[] {
  const conditions: Condition[] = [
    ...match.headers.map(header => compileValueMatch('header', header, needs.header(header.name))),
    ...match.cookies.map(cookie => compileValueMatch('cookie', cookie, needs.cookie(cookie.name))),
    ...match.queries.map(query => compileValueMatch('query', query, needs.query(query.name))),
  ]
  if (match.addresses.length > 0) {
    needs.address()
    conditions.push({ on: 'address', cidrs: compileCidrs(match.addresses) })
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

/** A regex of the config has to match the whole value, as in Envoy and Gateway API: `v1` does not take `v10`. */
function wholeValue(pattern: string): RegExp {
  return new RegExp(`^(?:${pattern})$`)
}

/** Parsed once already by `parse`, so none is lost here. */
function compileCidrs(texts: readonly string[]): Cidr[] {
  return texts.map(text => parseCidr(text)).filter(cidr => cidr !== undefined)
}

function compileFlowRule(
  route: FlowRoute,
  rule: FlowRuleConfig,
  poolNamed: (name: string) => Pool,
  needs: NeedsBook,
): FlowMatch[] {
  const compiled: FlowRule = {
    id: `${route.name}/${rule.name}`,
    route: route.name,
    name: rule.name,
    path: rule.path,
    variants: rule.variants.map(variant => ({ ...variant, pool: poolNamed(variant.pool) })),
    split: rule.split === undefined ? undefined : compileSplit(rule.split, rule.variants, needs),
    attempts: rule.attempts,
    timeouts: rule.timeouts,
  }
  return rule.matches.map((match, place) => ({ rule: compiled, place, cidrs: compileCidrs(match.address) }))
}

function compileHttpDoors(config: Config, matches: ReadonlyMap<HttpRoute, HttpMatch[]>): Map<string, HttpDoor> {
  const listeners: HttpListener[] = config.listeners.flatMap(listener => {
    if (listener.kind !== 'edge') return []
    const entries: (readonly [string | undefined, HttpMatch])[] = []
    for (const [route, routeMatches] of matches) {
      if (!route.listeners.includes(listener.name)) continue
      const hosts = servedHosts(listener.hostnames, route.hostnames)
      for (const host of hosts === 'any' ? [undefined] : hosts) {
        for (const match of routeMatches) entries.push([host, match])
      }
    }
    const { name, hostnames, clientAddress } = listener
    return [{ name, hostnames, clientAddress, index: buildRouteIndex(entries) }]
  })
  return listeners.length === 0 ? new Map() : new Map([[EDGE_DOOR, { listeners }]])
}

function compileFlowListeners(config: Config, matches: ReadonlyMap<FlowRoute, FlowMatch[]>): Map<string, FlowListener> {
  const listeners = new Map<string, FlowListener>()
  for (const listener of config.listeners) {
    if (listener.kind !== 'tcp') continue
    const mine = [...matches].flatMap(([route, routeMatches]) =>
      route.listeners.includes(listener.name) ? routeMatches : [],
    )
    const { name, host, port, maxConnections } = listener
    listeners.set(name, { name, host, port, maxConnections, matches: mine.sort(byNarrowestAddress) })
  }
  return listeners
}

/** A match by address comes before one without, the longest shared prefix first; the sort is stable, so ties keep list order. */
function byNarrowestAddress(a: FlowMatch, b: FlowMatch): number {
  return narrowness(b) - narrowness(a)
}

/** The widest of a match's CIDRs decides, in bits of an IPv6 prefix so that both families compare. */
function narrowness(match: FlowMatch): number {
  if (match.cidrs.length === 0) return -1
  return Math.min(...match.cidrs.map(cidr => (cidr.family === 4 ? cidr.prefix + 96 : cidr.prefix)))
}

/** One for all, so that it stays in the processor's cache. */
const NO_CONDITIONS: readonly Condition[] = []
