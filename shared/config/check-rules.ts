// Rules that are right in form and hardly meant so: a word of another program, a match that nothing can hold for as it was
// meant, a change that takes itself back, a split that decides nothing.

import { parseAddress } from '../wire/address.ts'
import { countryCodes } from './country-codes.ts'
import type { Findings, Place } from './findings.ts'
import { listNames, show } from './findings.ts'
import { nearest } from './near.ts'
import type { Config, FlowRule, HeaderEdits, HttpMatchConfig, HttpRule, PoolConfig } from './parsed.ts'

type PlaceOf = ReadonlyMap<HttpRule | FlowRule, Place>

export function checkRules(config: Config, placeOf: PlaceOf, findings: Findings): void {
  const pools = new Map(config.pools.map(pool => [pool.name, pool]))
  for (const route of config.routes) {
    if (route.layer === 4) {
      for (const rule of route.rules) checkFlowRule(rule, placeOf, findings)
      continue
    }
    for (const rule of route.rules) checkHttpRule(rule, pools, placeOf, findings)
  }
}

function checkFlowRule(rule: FlowRule, placeOf: PlaceOf, findings: Findings): void {
  checkAlone(rule, placeOf, findings)
  for (const [index, { sni, alpn }] of rule.matches.entries()) {
    const here = [...placeOf.get(rule)!, 'match', ...(rule.matches.length === 1 ? [] : [index])]
    const address = sni.find(name => parseAddress(name) !== undefined)
    if (address !== undefined) {
      const message = `no client asks for ${address} by TLS: a server name is never an address (RFC 6066 section 3)`
      findings.warning('sni-is-address', [...here, 'sni'], message, 'Write a name, or leave "sni" out.')
    }
    const slip = alpn.find(protocol => protocolSlips.has(protocol.toLowerCase()))
    if (slip !== undefined) {
      const mend = `Did you mean ${show(protocolSlips.get(slip.toLowerCase()))}?`
      findings.warning('protocol-unknown', [...here, 'alpn'], `no client offers ${show(slip)} by ALPN`, mend)
    }
  }
}

function checkHttpRule(
  rule: HttpRule,
  pools: ReadonlyMap<string, PoolConfig>,
  placeOf: PlaceOf,
  findings: Findings,
): void {
  const place = placeOf.get(rule)!
  for (const [index, match] of rule.matches.entries()) {
    const here = [...place, 'match', ...(rule.matches.length === 1 ? [] : [index])]
    checkPath(match.path, [...here, 'path'], findings)
    checkWords(match, here, findings)
  }
  checkEdits(rule.filters.request, [...place, 'filters', 'requestHeaders'], findings)
  checkEdits(rule.filters.response, [...place, 'filters', 'responseHeaders'], findings)
  const { action } = rule
  if (action.do === 'reply') {
    const isMoved = MOVED.has(action.reply.status)
    if (!isMoved || [...action.reply.headers, ...rule.filters.response.set].some(([name]) => name === 'location'))
      return
    const message = `a reply with status ${action.reply.status} says that the client goes elsewhere, and names no place`
    findings.warning('reply-without-location', [...place, 'reply'], message, 'Write a redirect, or a location header.')
  }
  if (action.do !== 'forward') return
  const { variants, split } = action
  for (const [index, variant] of variants.entries()) {
    if (split === undefined) break
    const here = [...place, 'variants', index, 'filters']
    checkEdits(variant.filters.request, [...here, 'requestHeaders'], findings)
    checkEdits(variant.filters.response, [...here, 'responseHeaders'], findings)
  }
  checkAlone(rule, placeOf, findings)
  checkMirrors(rule, [...place, 'mirrors'], findings)
  checkCookies(rule, pools, place, findings)
}

/** What nginx, Express and Envoy take for a pattern is a plain character here. */
function checkPath({ kind, value }: HttpMatchConfig['path'], place: Place, findings: Findings): void {
  if (kind === 'regex') {
    // `^/api/` is nginx's prefix; a regex of ours has to match the whole path.
    if (!/^\^[\w/.-]*\/?$/.test(value)) return
    const message = `${show(value)} has to match the whole path, so that it takes ${show(value.slice(1))} and nothing below it`
    findings.warning('regex-looks-like-prefix', [...place, 'regex'], message, 'Write it as a prefix, or end it with .*')
    return
  }
  const pattern = value.split('/').find(part => part.includes('*') || /^:[A-Za-z_]\w*$/.test(part))
  if (pattern === undefined) return
  const message = `${show(pattern)} in ${show(value)} is taken as it stands: a path is no pattern`
  const mend = 'A prefix takes all below it as it is; for one element in the middle write { regex: "/users/[^/]+" }.'
  findings.warning('path-looks-like-pattern', place, message, mend)
}

function checkWords({ methods, headers, countries }: HttpMatchConfig, place: Place, findings: Findings): void {
  for (const method of methods) {
    if (knownMethods.has(method)) continue
    const near = nearest(method, knownMethods)
    const parts = method.split('|')
    if (near === undefined && !(parts.length > 1 && parts.every(part => knownMethods.has(part)))) continue
    const mend = near === undefined ? `Write a list: ${parts.join(', ')}.` : `Did you mean ${near}?`
    findings.warning('method-unknown', [...place, 'method'], `${show(method)} is not a method that clients use`, mend)
  }
  for (const { name, op } of headers) {
    const word = op === 'absent' || op === 'present' ? undefined : ownWords.get(name)
    if (word === undefined) continue
    const message = `the field ${show(name)} is compared as a whole, as the client wrote it`
    findings.warning('header-has-own-word', [...place, 'header', name], message, `Write "${word}", which reads it.`)
  }
  for (const country of countries) {
    if (countryCodes.has(country)) continue
    const mend = country === 'UK' ? 'The United Kingdom is GB.' : 'Write ISO 3166-1 alpha-2: DE, FR, GB.'
    findings.warning('country-unassigned', [...place, 'country'], `no country has the code ${show(country)}`, mend)
  }
}

function checkEdits({ set, add, remove }: HeaderEdits, place: Place, findings: Findings): void {
  for (const [field, entries] of [
    ['set', set],
    ['add', add],
  ] as const) {
    for (const [name, value] of entries) {
      const foreign = FOREIGN.exec(value)?.[0]
      if (foreign === undefined) continue
      const message = `${show(foreign)} is filled in by other programs, and sent as it stands by this one`
      const mend = 'Take one of ours: {client.address}, {country}, {request.id}, {route}, {rule}, {variant}.'
      findings.warning('foreign-variable', [...place, field, name], message, mend)
    }
  }
  const gone = remove.find(name => [...set, ...add].some(([other]) => other.toLowerCase() === name.toLowerCase()))
  if (gone === undefined) return
  const message = `the field ${show(gone)} is removed and written in one place`
  findings.warning(
    'edit-contradicts',
    [...place, 'remove'],
    message,
    'Leave out one of them: "set" replaces what is there.',
  )
}

/** A split of one decides nothing; of two that send to one pool the endpoint is told which it is. */
function checkAlone(rule: HttpRule | FlowRule, placeOf: PlaceOf, findings: Findings): void {
  const { split, variants } = 'variants' in rule ? rule : rule.action.do === 'forward' ? rule.action : NO_VARIANTS
  const [first, second] = variants
  if (first === undefined || second !== undefined) return
  const pool = 'pool' in first ? first.pool : 'pool' in first.to ? first.to.pool : undefined
  // A rule with `pool` has one variant too, named as the pool; and one variant may be there for what it changes.
  const changes = 'filters' in first && JSON.stringify(first.filters) !== NO_FILTERS
  if (pool === undefined || changes || (split === undefined && first.name === pool)) return
  const message = 'one variant is no split: everybody gets it'
  const mend = 'Write "pool" in place of "variants", or add the other variant.'
  findings.warning('split-of-one', [...placeOf.get(rule)!, 'variants'], message, mend)
}

function checkMirrors({ mirrors, action }: HttpRule, place: Place, findings: Findings): void {
  const own = action.do === 'forward' ? action.variants.flatMap(({ to }) => ('pool' in to ? [to.pool] : [])) : []
  for (const [index, { pool }] of mirrors.entries()) {
    if (own.every(name => name === pool)) {
      const message = `the pool ${show(pool)} serves the request and gets its copy too: it would do everything twice`
      findings.warning('mirror-to-itself', [...place, index, 'pool'], message, 'Name another pool.')
    }
  }
}

/** One cookie cannot hold a user, an endpoint and a wish at once: each would take the other's value for its own. */
function checkCookies(rule: HttpRule, pools: ReadonlyMap<string, PoolConfig>, place: Place, findings: Findings): void {
  if (rule.action.do !== 'forward' || rule.action.split === undefined) return
  const { split, variants } = rule.action
  const user = split.by.from === 'cookie' ? split.by.name : undefined
  const uses = new Map<string, string[]>()
  const use = (name: string | undefined, what: string) => {
    if (name !== undefined) uses.set(name, [...new Set([...(uses.get(name) ?? []), what])])
  }
  use(user, 'split.by')
  use(split.force?.cookie, 'split.force')
  for (const { to } of variants) if ('pool' in to) use(pools.get(to.pool)?.affinity?.cookie, 'the affinity of a pool')
  for (const [name, whats] of uses) {
    if (whats.length < 2) continue
    const message = `the cookie ${show(name)} is ${listNames(whats, 'and').replaceAll('"', '')} at once`
    findings.warning('cookie-clash', [...place, 'split'], message, 'Give each a cookie of its own.')
  }
}

/** How IANA's ALPN protocol IDs are not written. */
const protocolSlips: ReadonlyMap<string, string> = new Map([
  ['http/2', 'h2'],
  ['http2', 'h2'],
  ['http/2.0', 'h2'],
  ['grpc', 'h2'],
  ['http', 'http/1.1'],
  ['http1.1', 'http/1.1'],
  ['http/1', 'http/1.1'],
  ['postgres', 'postgresql'],
])
const NO_VARIANTS = { split: undefined, variants: [] } as const
const NO_EDITS = { set: [], add: [], remove: [] }
/** As `readFilters` gives them where nothing is written. */
const NO_FILTERS = JSON.stringify({ request: NO_EDITS, response: NO_EDITS, rewrite: undefined, host: undefined })
const MOVED: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
/** Variables of nginx, HAProxy, Envoy and Go templates. */
const FOREIGN =
  /\$(?:[a-z]+_)?(?:addr|host|scheme|uri|request|forwarded_for|proto|port|id)\b|%\[[^\]]*\]|%[A-Z_]{3,}(?:\([^)]*\))?%|%ci\b|\{\{.*\}\}/
const ownWords: ReadonlyMap<string, string> = new Map([
  ['host', 'hostnames'],
  ['cookie', 'match.cookie'],
])
/** RFC 9110 section 9, PATCH, and those of WebDAV and caches that clients do use. */
const knownMethods: ReadonlySet<string> = new Set(
  'GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK REPORT SEARCH PURGE BAN LINK UNLINK BIND MERGE ACL MKCALENDAR QUERY'.split(
    ' ',
  ),
)
