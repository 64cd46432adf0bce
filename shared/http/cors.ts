// CORS: what a browser is told of who may read an answer (Fetch standard, section "CORS protocol"; the words of a rule
// mean what they mean in Gateway API's HTTPCORSFilter). Nothing is refused here: the browser decides by these fields.

import type { Cors } from '../table/cors.ts'
import type { HeaderFields } from './header-fields.ts'

/**
 * The fields of the answer to a preflight. None but `Vary` when the origin is not allowed. Whether the method and the
 * headers asked for are among those listed is for the browser to see.
 */
export function preflightFields(
  cors: Cors,
  origin: string | undefined,
  askedMethod: string | undefined,
  askedHeaders: string | undefined,
): readonly (readonly [name: string, value: string])[] {
  const fields: (readonly [string, string])[] = []
  const allowed = allowedOrigin(cors, origin)
  const vary = variesByOrigin(cors) ? ['Origin'] : []
  if (allowed !== undefined) {
    fields.push(['access-control-allow-origin', allowed])
    if (cors.hasCredentials) fields.push(['access-control-allow-credentials', 'true'])
    // With credentials a star is a name like any other (Fetch, "CORS-preflight fetch"), so what was asked is echoed.
    const methods = cors.methods ?? (cors.hasCredentials ? echoed(askedMethod) : '*')
    const headers = cors.headers ?? (cors.hasCredentials ? echoed(askedHeaders) : '*')
    if (methods !== '') fields.push(['access-control-allow-methods', methods])
    if (headers !== '') fields.push(['access-control-allow-headers', headers])
    fields.push(['access-control-max-age', cors.maxAge])
    if (cors.expose !== '') fields.push(['access-control-expose-headers', cors.expose])
    if (cors.hasCredentials && cors.methods === undefined) vary.push('Access-Control-Request-Method')
    if (cors.hasCredentials && cors.headers === undefined) vary.push('Access-Control-Request-Headers')
  }
  if (vary.length > 0) fields.push(['vary', vary.join(', ')])
  return fields
}

/** The fields of an actual answer; whatever the endpoint said of CORS goes. */
export function setCors(fields: HeaderFields, cors: Cors, origin: string | undefined): void {
  for (const name of corsFields) fields.delete(name)
  if (variesByOrigin(cors)) addVary(fields, 'Origin')
  const allowed = allowedOrigin(cors, origin)
  if (allowed === undefined) return
  fields.set('access-control-allow-origin', allowed)
  if (cors.hasCredentials) fields.set('access-control-allow-credentials', 'true')
  if (cors.expose !== '') fields.set('access-control-expose-headers', cors.expose)
}

/** The value of `Access-Control-Allow-Origin`: `*`, the origin itself, or undefined when it is not allowed. */
export function allowedOrigin(cors: Cors, origin: string | undefined): string | undefined {
  if (cors.isAnyOrigin && !cors.hasCredentials) return '*'
  if (origin === undefined || !isOrigin.test(origin)) return undefined
  if (cors.isAnyOrigin || cors.origins.includes(origin)) return origin
  return cors.wildcards.some(({ start, end }) => fits(origin, start, end)) ? origin : undefined
}

/** As for hostnames, a star takes one or more labels. */
function fits(origin: string, start: string, end: string): boolean {
  if (!origin.startsWith(start) || !origin.endsWith(end) || origin.length <= start.length + end.length) return false
  return isLabels.test(origin.slice(start.length, origin.length - end.length))
}

/** A cache that kept one answer for all would give one origin's permission to another. */
function variesByOrigin(cors: Cors): boolean {
  return !cors.isAnyOrigin || cors.hasCredentials
}

function addVary(fields: HeaderFields, name: string): void {
  const said = fields.get('vary')
  if (said === null) fields.set('vary', name)
  else if (!said.split(',').some(each => each.trim() === '*' || each.trim().toLowerCase() === name.toLowerCase())) {
    fields.append('vary', name)
  }
}

/** Names and commas as the client wrote them, or nothing. */
function echoed(asked: string | undefined): string {
  return asked !== undefined && /^[!#$%&'*+.^_`|~0-9A-Za-z, -]{1,4096}$/.test(asked) ? asked : ''
}

const corsFields: readonly string[] = [
  'access-control-allow-origin',
  'access-control-allow-credentials',
  'access-control-allow-methods',
  'access-control-allow-headers',
  'access-control-allow-private-network',
  'access-control-expose-headers',
  'access-control-max-age',
]
/** `null`, or scheme, host and port as RFC 6454 section 7 writes them. */
const isOrigin = /^(?:null|[a-z][a-z0-9+.-]{0,63}:\/\/[A-Za-z0-9_.:[\]-]{1,260})$/
const isLabels = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/
