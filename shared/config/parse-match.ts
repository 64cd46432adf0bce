// Matches: the conditions of a rule.

import { checkRegex } from './check-regex.ts'
import type { TlsMatchInput } from './config-flow.ts'
import type { Door } from './doors.ts'
import { type Findings, type Place, show } from './findings.ts'
import { readBinary, readGrpcMatch } from './parse-grpc.ts'
import { readProtocols } from './parse-tls.ts'
import type { FlowRule, HttpMatchConfig, NamedValueMatch } from './parsed.ts'
import { pathProblem } from './path-text.ts'
import { checkCookieName, checkFieldValue, checkHeaderName, readCidrs, readHostnames } from './read-values.ts'
import { mayBeginWith } from './regex-syntax.ts'
import { flowMatch, tlsMatch } from './schema-flow.ts'
import { httpMatch } from './schema-http.ts'
import { checkStructure } from './structure.ts'
import { isToken } from './tokens.ts'

/** `raw` is one match or a list of them; none is one that takes everything. */
export function readHttpMatches(raw: unknown, place: Place, door: Door, findings: Findings): HttpMatchConfig[] {
  return eachMatch(raw, place, findings).map(([match, here]) => {
    const part = { name: 'match', schema: httpMatch, door, keysAround }
    const { value = {} } = checkStructure(part, match, here, findings)
    const headers = readHeaders(value.header, [...here, 'header'], findings)
    const call = value.grpc && readGrpcMatch(value.grpc, value, [...here, 'grpc'], door, findings)
    return {
      path: call?.path ?? readPath(value.path, [...here, 'path'], findings),
      methods: call?.methods ?? readMethods(value.method, [...here, 'method'], findings),
      headers:
        call === undefined
          ? headers
          : [...call.headers, ...headers.map(each => readBinary(each, [...here, 'header', each.name], findings))],
      queries: readQueries(value.query, [...here, 'query'], findings),
      cookies: readCookies(value.cookie, [...here, 'cookie'], findings),
      addresses: readCidrs(value.address, [...here, 'address'], findings),
      countries: readCountries(value.country, [...here, 'country'], findings),
    }
  })
}

export function readFlowMatches(raw: unknown, place: Place, door: Door, findings: Findings): FlowRule['matches'] {
  return eachMatch(raw, place, findings).map(([match, here]) => {
    const part = { name: 'match', door }
    const { value }: { readonly value: TlsMatchInput | undefined } =
      door === 'tls'
        ? checkStructure({ ...part, schema: tlsMatch }, match, here, findings)
        : checkStructure({ ...part, schema: flowMatch }, match, here, findings)
    const names = typeof value?.sni === 'string' ? [value.sni] : value?.sni
    return {
      address: readCidrs(value?.address, [...here, 'address'], findings),
      sni: readHostnames(names, [...here, 'sni'], findings),
      alpn: readProtocols(value?.alpn, [...here, 'alpn'], findings),
    }
  })
}

/** Each match with its place. */
function eachMatch(raw: unknown, place: Place, findings: Findings): (readonly [unknown, Place])[] {
  if (raw === undefined) return [[{}, place]]
  if (!Array.isArray(raw)) return [[raw, place]]
  if (raw.length > 0) return raw.map((match, index) => [match, [...place, index]])
  findings.error('empty-list', place, 'the list is empty', 'Name at least one, or leave the field out.')
  return [[{}, place]]
}

type PathInput = string | { prefix: string } | { exact: string } | { regex: string } | undefined

function readPath(input: PathInput, place: Place, findings: Findings): HttpMatchConfig['path'] {
  if (input === undefined) return { kind: 'prefix', value: '/' }
  if (typeof input === 'string') return { kind: 'prefix', value: readPrefix(input, place, findings) }
  if ('prefix' in input) return { kind: 'prefix', value: readPrefix(input.prefix, [...place, 'prefix'], findings) }
  if ('exact' in input) {
    checkPath(input.exact, [...place, 'exact'], findings)
    return { kind: 'exact', value: input.exact }
  }
  const isRegex = checkRegex(input.regex, [...place, 'regex'], findings)
  if (isRegex && !mayBeginWith(input.regex, '/')) {
    const mend = 'Begin it with / or .*: a regex has to match the whole path.'
    const message = `${show(input.regex)} takes no path: every path begins with /`
    findings.error('unreachable-regex', [...place, 'regex'], message, mend)
  }
  return { kind: 'regex', value: input.regex }
}

/** Without trailing slash, but for `/` itself: `/api/` and `/api` are the same prefix. */
export function readPrefix(text: string, place: Place, findings: Findings): string {
  checkPath(text, place, findings)
  return text.replace(/\/+$/, '') || '/'
}

export function checkPath(text: string, place: Place, findings: Findings): void {
  const problem = pathProblem(text)
  if (problem !== undefined)
    findings.error('bad-path', place, `the path ${show(text)} ${problem}`, 'Write a path such as /api/v1.')
}

function readMethods(
  input: string | readonly string[] | undefined,
  place: Place,
  findings: Findings,
): readonly string[] {
  const methods = eachText(input, place).map(([text, here]) => {
    if (!isToken(text))
      findings.error('bad-method', here, `${show(text)} is not a method`, 'Write one such as GET or POST.')
    return text.toUpperCase()
  })
  return [...new Set(methods)]
}

export function readCountries(
  input: string | readonly string[] | undefined,
  place: Place,
  findings: Findings,
): readonly string[] {
  const countries = eachText(input, place).map(([text, here]) => {
    if (!/^[A-Za-z][A-Za-z0-9]$/.test(text)) {
      findings.error(
        'bad-country',
        here,
        `${show(text)} is not a country code`,
        'Write ISO 3166-1 alpha-2: DE, FR; T1 is Tor at Cloudflare.',
      )
    }
    return text.toUpperCase()
  })
  return [...new Set(countries)]
}

function eachText(input: string | readonly string[] | undefined, place: Place): (readonly [string, Place])[] {
  if (typeof input === 'string') return [[input, place]]
  return (input ?? []).map((text, index) => [text, [...place, index]])
}

type ValueInput = string | { exact: string } | { regex: string } | { present: true } | { absent: true }
type ValuesInput = Readonly<Record<string, ValueInput>> | undefined

/** Values that header fields have to have. */
export function readHeaders(input: ValuesInput, place: Place, findings: Findings): NamedValueMatch[] {
  return readValues(input, place, findings, (name, here) => {
    checkHeaderName(name, here, findings)
    return name.toLowerCase()
  })
}

function readCookies(input: ValuesInput, place: Place, findings: Findings): NamedValueMatch[] {
  return readValues(input, place, findings, (name, here) => {
    checkCookieName(name, here, findings)
    return name
  })
}

function readQueries(input: ValuesInput, place: Place, findings: Findings): NamedValueMatch[] {
  return readValues(input, place, findings, (name, here) => {
    if (name === '') findings.error('empty-text', here, 'a query parameter has a name', 'Write its name.')
    return name
  })
}

function readValues(
  input: ValuesInput,
  place: Place,
  findings: Findings,
  readName: (name: string, here: Place) => string,
): NamedValueMatch[] {
  const taken = new Set<string>()
  return Object.entries(input ?? {}).map(([written, match]) => {
    const here = [...place, written]
    const name = readName(written, here)
    if (taken.has(name))
      findings.error('duplicate-name', here, `${show(name)} is there already`, 'Write one condition for each name.')
    taken.add(name)
    if (typeof match === 'string') return exactly(name, match, here, findings)
    if ('exact' in match) return exactly(name, match.exact, [...here, 'exact'], findings)
    if ('present' in match) return { name, op: 'present', value: '' }
    if ('absent' in match) return { name, op: 'absent', value: '' }
    checkRegex(match.regex, [...here, 'regex'], findings)
    return { name, op: 'regex', value: match.regex }
  })
}

/** No header, cookie or query value that reaches us holds a control character. */
function exactly(name: string, value: string, place: Place, findings: Findings): NamedValueMatch {
  if (place.includes('header')) checkFieldValue(value, place, findings)
  return { name, op: 'exact', value }
}

/** Elsewhere a host is matched like a path. */
const keysAround = ['hostnames']
