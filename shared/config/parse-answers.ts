// What a rule or listener says of answers: CORS, error pages, and how many are recorded.

import type { CorsInput, ErrorPagesInput, RecordInput } from './config-http.ts'
import { bounds, defaults } from './defaults.ts'
import { type Findings, type Place, show } from './findings.ts'
import type { CorsConfig, ErrorPageConfig } from './parsed.ts'
import { checkFieldValue, checkHeaderName, readDuration } from './read-values.ts'
import { isToken, readHostname } from './tokens.ts'

export function readCors(input: CorsInput | undefined, place: Place, findings: Findings): CorsConfig | undefined {
  if (input === undefined) return undefined
  const { origins, methods = defaults.corsMethods, headers = [], expose = [], credentials = false, maxAge } = input
  for (const [index, method] of methods.entries()) {
    if (isToken(method)) continue
    const mend = 'Write one such as GET or PATCH, or * for any.'
    findings.error('bad-method', [...place, 'methods', index], `${show(method)} is not a method`, mend)
  }
  for (const [list, names] of [
    ['headers', headers],
    ['expose', expose],
  ] as const) {
    for (const [index, name] of names.entries()) {
      if (name !== '*') checkHeaderName(name, [...place, list, index], findings)
    }
  }
  if (credentials) warnOfStars(origins, expose, place, findings)
  return {
    origins: origins.map((origin, index) => readOrigin(origin, [...place, 'origins', index], findings)),
    methods: methods.map(method => method.toUpperCase()),
    headers: headers.map(name => name.toLowerCase()),
    expose: expose.map(name => name.toLowerCase()),
    hasCredentials: credentials,
    maxAgeS: Math.floor(
      readDuration(maxAge, defaults.corsMaxAge, bounds.corsAgeMs, [...place, 'maxAge'], findings) / 1_000,
    ),
  }
}

/** As browsers write it: lower case, without a default port. */
function readOrigin(text: string, place: Place, findings: Findings): string {
  if (text === '*') return text
  const parts = /^([a-z][a-z0-9+.-]{0,63}):\/\/([^/:[\]]{1,255}|\[[0-9a-f:.]{2,45}\])(?::(\d{1,5}))?$/i.exec(text)
  const scheme = parts?.[1]?.toLowerCase()
  const written = parts?.[2]?.toLowerCase()
  const host = written?.startsWith('[') || written === '*' ? written : written && readHostname(written)
  if (parts === null || scheme === undefined || host === undefined) {
    const mend = 'Write scheme and host without a path: https://app.example.com, https://*.example.com, https://* or *.'
    findings.error('bad-origin', place, `${show(text)} is not an origin`, mend)
    return text
  }
  const port = parts[3]
  const isDefault = port === undefined || Number(port) === (scheme === 'https' ? 443 : scheme === 'http' ? 80 : -1)
  return `${scheme}://${host}${isDefault ? '' : `:${Number(port)}`}`
}

/** With credentials a star no longer means any (Fetch standard, "CORS protocol and credentials"). */
function warnOfStars(origins: readonly string[], expose: readonly string[], place: Place, findings: Findings): void {
  if (origins.includes('*')) {
    const message = 'any site may read these answers with the cookies of whoever looks at it: each origin is echoed'
    const mend = 'Name the origins, or leave "credentials" out.'
    findings.warning('cors-any-with-credentials', [...place, 'origins'], message, mend)
  }
  if (expose.includes('*')) {
    const message = 'with credentials browsers take "*" here for the name of a header'
    findings.warning('cors-any-with-credentials', [...place, 'expose'], message, 'Name the headers.')
  }
}

/** In the order written. */
export function readErrorPages(
  input: ErrorPagesInput | undefined,
  place: Place,
  findings: Findings,
): readonly ErrorPageConfig[] {
  return Object.entries(input ?? {}).map(
    ([status, { body, contentType = defaults.errorPageType, replace = false }]) => {
      const here = [...place, status]
      if (!/^[45](?:\d\d|xx)$/.test(status)) {
        const mend = 'Write a status from 400 to 599, or 4xx or 5xx for a whole class.'
        findings.error('bad-status', here, `${show(status)} is not a status that has an error page`, mend)
      }
      checkFieldValue(contentType, [...here, 'contentType'], findings)
      checkPlaces(body, [...here, 'body'], findings)
      return { of: Number.parseInt(status, 10), contentType, body, replaces: replace }
    },
  )
}

/** Style sheets and scripts hold braces of their own, so only names that mean something elsewhere are told. */
function checkPlaces(body: string, place: Place, findings: Findings): void {
  for (const [whole] of body.matchAll(/\{(?:client\.address|rule|variant|country)\}/g)) {
    const mend = 'A page may hold {request.id} and {route}.'
    findings.warning('page-value-unknown', place, `${whole} is not filled in on an error page`, mend)
  }
}

/** The part of requests that are written down. */
export function readSample(input: RecordInput | undefined, otherwise: number): number {
  return input?.sample ?? otherwise
}
