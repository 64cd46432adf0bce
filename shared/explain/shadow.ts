// Finds rules that nobody can reach, each with a witness: a request that the rule would take and another rule gets.
//
// For every match a witness is made and put through the production matcher. If the match gets it, it is reachable. If
// another match of the same hostname gets it and takes everything that this one takes, this one is shadowed. So each
// match costs one decision, and no reachable rule is ever reported.

import { longestRegexText } from '../config/defaults.ts'
import type { Config, EdgeListener, RelayHttpListener, Route } from '../config/parsed.ts'
import type { Problem } from '../config/problem.ts'
import type { RequestFacts } from '../decide/facts.ts'
import { matchHttp, takesPath, takesValue } from '../decide/match.ts'
import { isWildcard, listenerFor, servedHosts } from '../table/hostname.ts'
import type { HostMatches } from '../table/route-index.ts'
import type { Condition, HttpDoor, HttpListener, HttpMatch, Needs, Table } from '../table/table.ts'
import { type Cidr, parseAddress } from '../wire/address.ts'
import { sampleOf } from './sample.ts'

/** What a witness has to carry, by name: enough to write a `curl` line. */
export interface Witness {
  readonly host: string
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly cookies: Readonly<Record<string, string>>
  readonly queries: Readonly<Record<string, string>>
  readonly address: string | undefined
  readonly country: string | undefined
}

export interface Shadowed {
  readonly match: HttpMatch
  /** Who gets its requests. */
  readonly by: HttpMatch
  readonly witness: Witness
}

/** One warning for each rule, or match of a rule, that no request can reach. */
export function shadowProblems(table: Table, config: Config): Problem[] {
  const matchCount = new Map<HttpMatch['rule'], Set<HttpMatch>>()
  const shadowed = findShadowed(table)
  for (const { match } of shadowed) {
    const seen = matchCount.get(match.rule) ?? new Set()
    matchCount.set(match.rule, seen.add(match))
  }
  const all = matchesOfRules(table)
  const problems = shadowed.map(({ match, by, witness }): Problem => {
    const isWhole = matchCount.get(match.rule)!.size === all.get(match.rule)!.size
    const what = isWhole ? `the rule ${match.rule.id}` : `match ${match.place} of the rule ${match.rule.id}`
    return {
      severity: 'warning',
      code: isWhole ? 'shadowed-rule' : 'shadowed-match',
      path: isWhole ? match.rule.path : `${match.rule.path}.match[${match.place}]`,
      message: `${what} is shadowed: ${by.rule.id} takes every request it could${exceptFor(by, match)}; for one, ${describeWitness(witness)}`,
      mend: `Make its match narrower than that of ${by.rule.id}, put it before that rule, or remove it.`,
    }
  })
  return [...dedupe(problems), ...config.routes.flatMap((route, i) => unservedProblem(config, route, i))]
}

/** A prefix behind a regex still gets what no regex is asked about. */
function exceptFor(by: HttpMatch, match: HttpMatch): string {
  const isPartly = by.path.kind === 'regex' && match.path.kind === 'prefix'
  return isPartly ? `, but for paths longer than ${longestRegexText} characters` : ''
}

/** Every match that is shadowed under every hostname it stands under. */
export function findShadowed(table: Table): Shadowed[] {
  const shadowed = new Map<HttpMatch, Shadowed>()
  const reachable = new Set<HttpMatch>()
  for (const [name, door] of table.httpDoors) {
    for (const listener of door.listeners) {
      for (const entry of listener.index.hosts) {
        const members = new Set(entry.matches)
        for (const match of members) {
          const found = shadowIn(table.needs, name, door, listener, entry, members, match)
          if (found === undefined) reachable.add(match)
          else shadowed.set(match, found)
        }
      }
    }
  }
  return [...shadowed.values()].filter(({ match }) => !reachable.has(match))
}

/** A match without a method is tried with a rare one too: no narrower match may be the only one in its way. */
function shadowIn(
  needs: Needs,
  doorName: string,
  door: HttpDoor,
  listener: HttpListener,
  entry: HostMatches,
  members: ReadonlySet<HttpMatch>,
  match: HttpMatch,
): Shadowed | undefined {
  for (const method of match.methods?.slice(0, 1) ?? ['GET', 'PURGE']) {
    const witness = witnessOf(listener, entry.hostname, match, method)
    if (witness === undefined) return undefined
    const by = matchHttp(door, witnessFacts(doorName, needs, witness))
    if (by === match || by === undefined) return undefined
    if (members.has(by) && takesAll(by, match)) return { match, by, witness }
  }
  return undefined
}

/** A request that the match takes, with as little in it as can be. Undefined when a regex has no simple sample. */
export function witnessOf(
  listener: HttpListener,
  hostname: string | undefined,
  match: HttpMatch,
  method: string,
): Witness | undefined {
  const path = match.path.kind === 'regex' ? sampleOf(match.path.value) : match.path.value
  if (path === undefined) return undefined
  const values: Record<'header' | 'cookie' | 'query', Record<string, string>> = { header: {}, cookie: {}, query: {} }
  let address: string | undefined
  let country: string | undefined
  for (const condition of match.conditions) {
    if (condition.on === 'address') address = condition.cidrs[0]?.text.split('/')[0]
    else if (condition.on === 'country') country = condition.countries[0]
    else if (condition.op !== 'absent') {
      const value = condition.op === 'regex' ? sampleOf(condition.value) : condition.value || 'x'
      if (value === undefined) return undefined
      values[condition.on][condition.name] = value
    }
  }
  const host = sampleHost(hostname ?? listener.hostnames[0])
  return { host, method, path, headers: values.header, cookies: values.cookie, queries: values.query, address, country }
}

/** A host that a hostname takes and that nobody is likely to have named. */
function sampleHost(hostname: string | undefined): string {
  if (hostname === undefined) return 'any-host.invalid'
  return isWildcard(hostname) ? `any-label${hostname.slice(1)}` : hostname
}

export function witnessFacts(door: string, needs: Needs, witness: Witness): RequestFacts {
  return {
    door,
    scheme: 'http',
    host: witness.host,
    port: 0,
    serverName: undefined,
    method: witness.method,
    path: witness.path,
    search: '',
    headers: needs.headers.map(name => witness.headers[name]),
    cookies: needs.cookies.map(name => witness.cookies[name]),
    signedCookies: needs.signedCookies.map(() => undefined),
    queries: needs.queries.map(name => witness.queries[name]),
    clientAddress: witness.address,
    address: witness.address === undefined ? undefined : parseAddress(witness.address),
    country: witness.country,
    requestId: '',
    now: 0,
  }
}

/**
 * Whether `wide` holds for every request for which `narrow` holds. Never true wrongly, but for paths that no regex is asked
 * about; false where it cannot be told.
 */
export function takesAll(wide: HttpMatch, narrow: HttpMatch): boolean {
  if (!pathTakesAll(wide, narrow)) return false
  const methods = wide.methods
  if (methods !== undefined && !(narrow.methods?.every(method => methods.includes(method)) ?? false)) return false
  return wide.conditions.every(condition => narrow.conditions.some(other => impliedBy(condition, other)))
}

function pathTakesAll(wide: HttpMatch, narrow: HttpMatch): boolean {
  const [outer, inner] = [wide.path, narrow.path]
  if (outer.kind === 'prefix' && outer.value === '/') return true
  if (outer.kind === inner.kind && outer.value === inner.value) return true
  if (outer.kind === 'regex')
    return EVERYTHING.has(outer.value) || (inner.kind === 'exact' && takesPath(wide.regex!, inner.value))
  if (outer.kind === 'exact' || inner.kind === 'regex') return false
  return inner.value.startsWith(`${outer.value}/`) || inner.value === outer.value
}

function impliedBy(condition: Condition, other: Condition): boolean {
  if (condition.on === 'address') {
    return (
      other.on === 'address' && other.cidrs.every(inner => condition.cidrs.some(outer => holdsNetwork(outer, inner)))
    )
  }
  if (condition.on === 'country') {
    return other.on === 'country' && other.countries.every(country => condition.countries.includes(country))
  }
  if (condition.on !== other.on || !('index' in other) || condition.index !== other.index) return false
  if (condition.op === other.op && condition.value === other.value) return true
  if (condition.op === 'present') return other.op !== 'absent'
  return condition.op === 'regex' && other.op === 'exact' && takesValue(condition.regex!, other.value)
}

/** Whether every address of `inner` is one of `outer`. */
export function holdsNetwork(outer: Cidr, inner: Cidr): boolean {
  return (
    outer.family === inner.family &&
    outer.prefix <= inner.prefix &&
    outer.words.every((word, i) => word === (inner.words[i]! & outer.masks[i]!) >>> 0)
  )
}

function matchesOfRules(table: Table): Map<HttpMatch['rule'], Set<HttpMatch>> {
  const all = new Map<HttpMatch['rule'], Set<HttpMatch>>()
  for (const door of table.httpDoors.values()) {
    for (const listener of door.listeners) {
      for (const entry of listener.index.hosts) {
        for (const match of entry.matches) all.set(match.rule, (all.get(match.rule) ?? new Set()).add(match))
      }
    }
  }
  return all
}

/** A whole rule is one problem, however many matches it has. */
function dedupe(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map(problem => [`${problem.code} ${problem.path}`, problem])).values()]
}

/** A route none of whose hostnames its listeners get to serve: they name others, or a more specific listener takes them. */
function unservedProblem(config: Config, route: Route, index: number): Problem[] {
  if (route.layer !== 7) return []
  const listeners = config.listeners.filter(listener => listener.kind === 'edge' || listener.kind === 'http')
  const isServed = listeners.some(listener => {
    if (!route.listeners.includes(listener.name)) return false
    const served = servedHosts(listener.hostnames, route.hostnames)
    const hosts = served !== 'any' ? served : listener.hostnames.length > 0 ? listener.hostnames : [undefined]
    return hosts.some(
      host =>
        listenerFor<EdgeListener | RelayHttpListener>(
          listeners.filter(other => doorOf(other) === doorOf(listener)),
          sampleHost(host),
        ) === listener,
    )
  })
  if (isServed) return []
  return [
    {
      severity: 'warning',
      code: 'unserved-hostnames',
      path: `routes[${index}].hostnames`,
      message: `the listeners of the route ${route.name} serve none of its hostnames`,
      mend: 'A request is served by the listener with the most specific hostname only: name that one, or other hostnames.',
    },
  ]
}

function doorOf(listener: EdgeListener | RelayHttpListener): string {
  return listener.kind === 'edge' ? 'edge' : `http ${listener.shares ?? listener.name}`
}

function describeWitness(witness: Witness): string {
  const extras = [
    ...Object.entries(witness.headers).map(([name, value]) => `header ${name}: ${value}`),
    ...Object.entries(witness.cookies).map(([name, value]) => `cookie ${name}=${value}`),
    ...(witness.address === undefined ? [] : [`from ${witness.address}`]),
    ...(witness.country === undefined ? [] : [`in ${witness.country}`]),
  ]
  const query = Object.entries(witness.queries).map(([name, value]) => `${name}=${value}`)
  const url = `http://${witness.host}${witness.path}${query.length === 0 ? '' : `?${query.join('&')}`}`
  return `${witness.method} ${url}${extras.length === 0 ? '' : ` with ${extras.join(', ')}`}`
}

/** Regexes that take every path; what else one regex takes of another is not told. */
const EVERYTHING: ReadonlySet<string> = new Set(['.*', '/.*'])
