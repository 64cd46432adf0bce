// The obviously right matcher: every match of every rule, one after the other, sorted by the order of precedence as the
// documentation tells it. Shares no code with the index.

import type { Config, HttpMatchConfig, NamedValueMatch } from '../../shared/config/parsed.ts'

export interface OracleRequest {
  readonly host: string
  readonly path: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly cookies: Readonly<Record<string, string>>
  readonly queries: Readonly<Record<string, string>>
}

/** `route/rule` of the rule that serves, or undefined. One edge listener without hostnames is assumed. */
export function linearMatch(config: Config, request: OracleRequest): string | undefined {
  const candidates: { id: string; worth: number[] }[] = []
  let order = 0
  for (const route of config.routes) {
    if (route.layer !== 7) continue
    for (const rule of route.rules) {
      for (const match of rule.matches) {
        order += 1
        if (!matchHolds(match, request)) continue
        for (const hostname of route.hostnames.length === 0 ? [''] : route.hostnames) {
          if (!hostHolds(hostname, request.host)) continue
          candidates.push({ id: `${route.name}/${rule.name}`, worth: worthOf(hostname, match, order) })
        }
      }
    }
  }
  candidates.sort((a, b) => {
    for (let i = 0; i < a.worth.length; i++) if (a.worth[i] !== b.worth[i]) return b.worth[i]! - a.worth[i]!
    return 0
  })
  return candidates[0]?.id
}

/** The larger number at the first difference comes first. */
function worthOf(hostname: string, match: HttpMatchConfig, order: number): number[] {
  const isWild = hostname.startsWith('*')
  return [
    isWild ? 0 : hostname.length,
    isWild ? hostname.length : 0,
    match.path.kind === 'exact' ? 3 : match.path.kind === 'regex' ? 2 : 1,
    match.path.value.length,
    match.methods.length > 0 ? 1 : 0,
    match.headers.length + match.cookies.length,
    match.queries.length,
    (match.addresses.length > 0 ? 1 : 0) + (match.countries.length > 0 ? 1 : 0),
    -order,
  ]
}

function hostHolds(hostname: string, host: string): boolean {
  if (hostname === '') return true
  return hostname.startsWith('*.') ? host.endsWith(hostname.slice(1)) : host === hostname
}

function matchHolds(match: HttpMatchConfig, request: OracleRequest): boolean {
  return (
    pathHolds(match.path, request.path) &&
    (match.methods.length === 0 || match.methods.includes(request.method)) &&
    match.headers.every(header => valueHolds(header, request.headers[header.name])) &&
    match.cookies.every(cookie => valueHolds(cookie, request.cookies[cookie.name])) &&
    match.queries.every(query => valueHolds(query, request.queries[query.name]))
  )
}

function pathHolds(wanted: HttpMatchConfig['path'], path: string): boolean {
  if (wanted.kind === 'exact') return path === wanted.value
  if (wanted.kind === 'regex') return new RegExp(`^(?:${wanted.value})$`, 'u').test(path)
  const elements = wanted.value.split('/').filter(element => element !== '')
  return (
    path
      .split('/')
      .slice(1, elements.length + 1)
      .every((element, i) => element === elements[i]) && path.split('/').length > elements.length
  )
}

function valueHolds(wanted: NamedValueMatch, value: string | undefined): boolean {
  if (wanted.op === 'present') return value !== undefined
  if (wanted.op === 'absent') return value === undefined
  if (value === undefined) return false
  return wanted.op === 'exact' ? value === wanted.value : new RegExp(`^(?:${wanted.value})$`, 'u').test(value)
}
