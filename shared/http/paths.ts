// Paths: one spelling before they are matched, and what rewrites and redirects make of them.

import type { Filters, RedirectConfig } from '../config/parsed.ts'

/**
 * One spelling for one path: percent-encoded unreserved characters decoded and other hex in upper case (RFC 3986 sections
 * 6.2.2.1 and 6.2.2.2), then dot segments removed (section 5.2.4), since decoding may have uncovered some. `%2F` stays
 * `%2F` and repeated slashes stay. A `%` that begins no escape becomes `%25`: left alone, `%%32e` would turn into `%2e`,
 * a dot that nobody looked at. What does not start with a slash (`*`) is returned as it is.
 */
export function normalizePath(path: string): string {
  if (path.charCodeAt(0) !== slash) return path
  const decoded = path.includes('%') ? path.replace(/%(?:[0-9A-Fa-f]{2})?/g, settleEscape) : path
  return decoded.includes('/.') ? removeDotSegments(decoded) : decoded
}

/**
 * The path towards the endpoint. A prefix rewrite replaces the prefix that the match consumed, by the table of Gateway
 * API's ReplacePrefixMatch: `/foo` -> `/xyz` makes `/foo/bar` `/xyz/bar` and `/foo` `/xyz`; `/foo` -> `/` makes
 * `/foo/bar` `/bar` and `/foo` `/`. Starts with exactly one slash: neither empty nor a `//host`.
 *
 * @param matchedPrefix as in the match; trailing slash or not is the same. For an exact match the whole path
 */
export function rewritePath(path: string, rewrite: NonNullable<Filters['rewrite']>, matchedPrefix: string): string {
  if (rewrite.kind === 'path') return withOneSlash(rewrite.value)
  const rest = path.slice(withoutEndSlash(matchedPrefix).length)
  return withOneSlash(`${withoutEndSlash(rewrite.value)}${rest === '' || rest.startsWith('/') ? rest : `/${rest}`}`)
}

/** The path and query that an endpoint is asked for: as they were matched, or rewritten. */
export function endpointPath(
  facts: { readonly path: string; readonly search: string },
  rewrite: Filters['rewrite'],
  matchedPrefix: string,
): string {
  return (rewrite === undefined ? facts.path : rewritePath(facts.path, rewrite, matchedPrefix)) + facts.search
}

/**
 * The `Location` of a redirect: scheme, host, port and path from the config where it names them, else from the request;
 * the query is kept unless the new path brings its own. A new scheme means its own default port (Gateway API,
 * HTTPRequestRedirectFilter.port); default ports are left out.
 *
 * The client goes to the configured host or to its own; nothing in a path can change that. A request host that is no host
 * (the door refuses those) gets a path on the same site.
 */
export function redirectLocation(
  redirect: Omit<RedirectConfig, 'port'> & { readonly port: number | undefined },
  facts: {
    readonly scheme: 'http' | 'https'
    readonly host: string
    readonly port: number
    readonly path: string
    readonly search: string
  },
  matchedPrefix: string,
): string {
  const { path: replaced } = redirect
  const path = replaced === undefined ? facts.path : rewritePath(facts.path, replaced, matchedPrefix)
  const bringsQuery = replaced !== undefined && /[?#]/.test(replaced.value)
  const target = locationText(bringsQuery ? path : path + facts.search)
  const scheme = redirect.scheme ?? facts.scheme
  const port = redirect.port ?? (redirect.scheme === undefined ? facts.port : 0)
  const named = redirect.host ?? facts.host
  const host = named.includes(':') && !named.startsWith('[') ? `[${named}]` : named
  if (!/^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])$/.test(host)) return withOneSlash(target)
  const isDefault = port === 0 || port === (scheme === 'https' ? 443 : 80)
  return `${scheme}://${host}${isDefault ? '' : `:${port}`}${target.startsWith('/') ? target : `/${target}`}`
}

function settleEscape(encoded: string): string {
  if (encoded === '%') return '%25'
  const character = String.fromCharCode(Number.parseInt(encoded.slice(1), 16))
  return /[A-Za-z0-9._~-]/.test(character) ? character : encoded.toUpperCase()
}

/** `/a/./b/../c` is `/a/c`; `/a/..` is `/`; never above the root. */
function removeDotSegments(path: string): string {
  const kept: string[] = []
  const segments = path.slice(1).split('/')
  for (let index = 0; index < segments.length; index++) {
    const segment = segments[index]!
    const isDot = segment === '.' || segment === '..'
    if (segment === '..') kept.pop()
    if (!isDot) kept.push(segment)
    else if (index === segments.length - 1) kept.push('')
  }
  return `/${kept.join('/')}`
}

function withoutEndSlash(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path
}

/** Browsers read `\` as `/`, so it counts as one at the start. */
function withOneSlash(path: string): string {
  return /^\/(?![/\\])/.test(path) ? path : `/${path.replace(/^[/\\]+/, '')}`
}

/** Printable ASCII only: controls, spaces and the rest are percent-encoded, half surrogates as U+FFFD. */
function locationText(text: string): string {
  return text.replace(/[^\x21-\x7e]/gu, character =>
    encodeURIComponent(/\p{Surrogate}/u.test(character) ? '\ufffd' : character),
  )
}

const slash = 0x2f
