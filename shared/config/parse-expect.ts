// Cases: what a request or a flow is to get. They stand beside the config and never reach a plane; what they promise is
// proven by `check`.

import { type HostPort, parseAddress, parseHostPort } from '../wire/address.ts'
import type { ExpectFlowInput, ExpectRequestInput, FlowGetsInput, HttpGetsInput } from './config-expect.ts'
import { defaults } from './defaults.ts'
import { type Door, doors } from './doors.ts'
import { didYouMean, type Findings, listNames, type Place, show } from './findings.ts'
import { nearest } from './near.ts'
import { readCountries, readHeaders } from './parse-match.ts'
import { readProtocols } from './parse-tls.ts'
import type { NamedValueMatch, PoolConfig, Route } from './parsed.ts'
import { checkCookieName, checkFieldValue, checkHeaderName, readHost } from './read-values.ts'
import { flowCase, requestCase } from './schema-expect.ts'
import { checkStructure } from './structure.ts'
import { isToken } from './tokens.ts'

/** One promise of the config. */
export interface ExpectedCase {
  readonly name: string | undefined
  readonly place: Place
  readonly ask: AskedRequest | AskedFlow
  readonly gets: Gets
}

export interface AskedRequest {
  readonly kind: 'request'
  readonly url: string
  readonly method: string
  /** Cookies are among them. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly address: string | undefined
  readonly country: string | undefined
  readonly listener: string | undefined
}

export interface AskedFlow {
  readonly kind: 'flow'
  readonly listener: string
  readonly from: HostPort
  readonly sni: string | undefined
  readonly alpn: readonly string[]
}

/** What is to come of it. An empty list and undefined ask for nothing; of a list any will do. */
export interface Gets {
  readonly route: readonly string[]
  readonly rule: readonly string[]
  readonly variant: readonly string[]
  readonly pool: readonly string[]
  readonly endpoint: readonly string[]
  readonly reason: string | undefined
  readonly status: number | undefined
  readonly location: string | undefined
  readonly body: string | undefined
  readonly path: string | undefined
  readonly requestHeaders: readonly NamedValueMatch[]
  readonly responseHeaders: readonly NamedValueMatch[]
}

export interface CaseScope {
  readonly findings: Findings
  /** Undefined when the listeners themselves cannot be read, as the next two: then nothing is said about their names. */
  readonly doorOf: ReadonlyMap<string, Door | undefined> | undefined
  readonly pools: readonly PoolConfig[] | undefined
  readonly routes: readonly Route[] | undefined
}

export function readCases(input: unknown, scope: CaseScope): readonly ExpectedCase[] {
  if (!Array.isArray(input)) return []
  return input.flatMap((raw: unknown, index) => {
    const place = ['expect', index]
    const isFlow = typeof raw === 'object' && raw !== null && 'flow' in raw
    const read = isFlow ? readFlowCase(raw, place, scope) : readRequestCase(raw, place, scope)
    if (read === undefined) return []
    if (Object.keys(read.gets).length === 0) {
      const mend = 'Say at least one of route, rule, variant, pool, status or reason.'
      scope.findings.error('missing-field', [...place, 'gets'], 'the case expects nothing', mend)
    }
    return [{ name: read.name, place, ask: read.ask, gets: readGets(read.gets, [...place, 'gets'], scope) }]
  })
}

interface ReadCase {
  readonly name: string | undefined
  readonly ask: ExpectedCase['ask']
  readonly gets: HttpGetsInput
}

function readRequestCase(raw: unknown, place: Place, scope: CaseScope): ReadCase | undefined {
  const part = { name: 'case', schema: requestCase, door: undefined }
  const { value } = checkStructure(part, raw, place, scope.findings)
  if (value === undefined) return undefined
  const isUrl = typeof value.request === 'string'
  const here = [...place, 'request']
  const request: ExpectRequestInput = typeof value.request === 'string' ? { url: value.request } : value.request
  return { name: value.name, gets: value.gets, ask: readRequest(request, here, isUrl ? here : [...here, 'url'], scope) }
}

function readRequest(input: ExpectRequestInput, place: Place, urlPlace: Place, scope: CaseScope): AskedRequest {
  const { findings } = scope
  const { url, address, country, listener } = input
  const method = input.method ?? 'GET'
  const protocol = URL.canParse(url) ? new URL(url).protocol : ''
  if (protocol !== 'http:' && protocol !== 'https:') {
    const mend = 'Write it whole: https://app.example.com/api.'
    findings.error('bad-url', urlPlace, `${show(url)} is not the URL of a request`, mend)
  }
  if (!isToken(method)) {
    const mend = 'Write one such as GET or POST.'
    findings.error('bad-method', [...place, 'method'], `${show(method)} is not a method`, mend)
  }
  if (listener !== undefined) checkListener(listener, 7, [...place, 'listener'], scope)
  return {
    kind: 'request',
    url,
    method: method.toUpperCase(),
    headers: [
      ...readFields(input.headers, [...place, 'headers'], findings),
      ...readCookieField(input.cookies, [...place, 'cookies'], findings),
    ],
    address: address === undefined ? undefined : readFrom(address, [...place, 'address'], findings).host,
    country: readCountries(country, [...place, 'country'], findings)[0],
    listener,
  }
}

type Texts = Readonly<Record<string, string>> | undefined

function readFields(input: Texts, place: Place, findings: Findings): [name: string, value: string][] {
  return Object.entries(input ?? {}).map(([name, value]) => {
    checkHeaderName(name, [...place, name], findings)
    checkFieldValue(value, [...place, name], findings)
    return [name.toLowerCase(), value]
  })
}

function readCookieField(input: Texts, place: Place, findings: Findings): [name: string, value: string][] {
  const pairs = Object.entries(input ?? {}).map(([name, value]) => {
    checkCookieName(name, [...place, name], findings)
    checkFieldValue(value, [...place, name], findings)
    return `${name}=${value}`
  })
  return pairs.length === 0 ? [] : [['cookie', pairs.join('; ')]]
}

function readFlowCase(raw: unknown, place: Place, scope: CaseScope): ReadCase | undefined {
  const part = { name: 'case', schema: flowCase, door: undefined }
  const { value } = checkStructure(part, raw, place, scope.findings)
  if (value === undefined) return undefined
  return { name: value.name, gets: value.gets, ask: readFlow(value.flow, [...place, 'flow'], scope) }
}

function readFlow(input: ExpectFlowInput, place: Place, scope: CaseScope): AskedFlow {
  const { findings, doorOf } = scope
  const { listener, sni, alpn } = input
  checkListener(listener, 4, [...place, 'listener'], scope)
  const door = doorOf?.get(listener)
  for (const key of ['sni', 'alpn'] as const) {
    if (input[key] === undefined || door === undefined || door === 'tls') continue
    const message = `listener ${show(listener)} is of kind "${door}" and never sees ${key}`
    findings.error('wrong-layer', [...place, key], message, 'Leave it out, or ask a tls listener.')
  }
  return {
    kind: 'flow',
    listener,
    from: readFrom(input.from ?? defaults.caseFrom, [...place, 'from'], findings),
    sni: sni === undefined ? undefined : readHost(sni, [...place, 'sni'], findings),
    alpn: readProtocols(typeof alpn === 'string' ? [alpn] : alpn, [...place, 'alpn'], findings),
  }
}

/** An address in canonical form, with port or without. */
function readFrom(text: string, place: Place, findings: Findings): HostPort {
  const alone = parseAddress(text)
  const both = alone === undefined ? parseHostPort(text) : undefined
  const address = alone ?? (both === undefined ? undefined : parseAddress(both.host))
  if (address === undefined) {
    const mend = 'Write one such as 203.0.113.7, 203.0.113.7:40000 or 2001:db8::1.'
    findings.error('bad-address', place, `${show(text)} is not the address of a client`, mend)
  }
  return { host: address?.text ?? text, port: both?.port ?? CLIENT_PORT }
}

function checkListener(name: string, layer: 4 | 7, place: Place, { doorOf, findings }: CaseScope): void {
  if (doorOf === undefined) return
  if (!doorOf.has(name)) {
    const otherwise = doorOf.size === 0 ? 'There are none.' : `There is ${listNames(doorOf.keys())}.`
    const mend = didYouMean(nearest(name, doorOf.keys()), otherwise)
    findings.error('unknown-listener', place, `no listener is named ${show(name)}`, mend)
    return
  }
  const door = doorOf.get(name)
  if (door === undefined || doors[door].layer === layer) return
  const message = `listener ${show(name)} is of kind "${door}", which takes ${layer === 4 ? 'requests' : 'connections or sessions'}`
  findings.error('wrong-layer', place, message, `Ask it with "${layer === 4 ? 'request' : 'flow'}".`)
}

function readGets(input: HttpGetsInput, place: Place, scope: CaseScope): Gets {
  const { findings } = scope
  checkNames(input, place, scope)
  return {
    route: listOf(input.route),
    rule: listOf(input.rule),
    variant: listOf(input.variant),
    pool: listOf(input.pool),
    endpoint: listOf(input.endpoint),
    reason: input.reason,
    status: input.status,
    location: input.location,
    body: input.body,
    path: input.path,
    requestHeaders: readHeaders(input.requestHeaders, [...place, 'requestHeaders'], findings),
    responseHeaders: readHeaders(input.responseHeaders, [...place, 'responseHeaders'], findings),
  }
}

/** A name that nothing has would fail each time, and say less about why. */
function checkNames(gets: FlowGetsInput, place: Place, { routes, pools, findings }: CaseScope): void {
  const check = (what: keyof typeof unknown, known: ReadonlySet<string>, where: string): void => {
    const given = gets[what]
    for (const [index, name] of listOf(given).entries()) {
      if (known.has(name)) continue
      const here = typeof given === 'string' ? [...place, what] : [...place, what, index]
      const mend = didYouMean(
        nearest(name, known),
        known.size === 0 ? 'There are none.' : `There is ${listNames(known)}.`,
      )
      findings.error(unknown[what].code, here, `no ${what}${where} is named ${show(name)}`, mend)
    }
  }
  if (pools !== undefined) check('pool', new Set(pools.map(pool => pool.name)), '')
  if (routes === undefined) return
  check('route', new Set(routes.map(route => route.name)), '')
  const inRoutes = routes.filter(route => gets.route === undefined || listOf(gets.route).includes(route.name))
  if (inRoutes.length === 0) return
  const of = gets.route === undefined ? '' : ` of route ${listNames(listOf(gets.route))}`
  check('rule', new Set(inRoutes.flatMap(route => route.rules.map(rule => rule.name))), of)
  check('variant', new Set(inRoutes.flatMap(variantsOf)), of)
}

function variantsOf(route: Route): string[] {
  if (route.layer === 4) return route.rules.flatMap(rule => rule.variants.map(variant => variant.name))
  return route.rules.flatMap(({ action }) => (action.do === 'forward' ? action.variants.map(({ name }) => name) : []))
}

function listOf(input: string | readonly string[] | undefined): readonly string[] {
  return typeof input === 'string' ? [input] : (input ?? [])
}

const unknown = {
  route: { code: 'unknown-route' },
  rule: { code: 'unknown-rule' },
  variant: { code: 'unknown-variant' },
  pool: { code: 'unknown-pool' },
} as const
const CLIENT_PORT = 50_000
