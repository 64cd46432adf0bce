// The key under which an answer is stored.

import type { CacheConfig } from '../config/parse-cache.ts'
import type { RequestFacts } from '../decide/facts.ts'
import type { HeaderFields } from '../http/header-fields.ts'
import type { HttpRule, HttpVariant } from '../table/table.ts'

/**
 * One line, the same for all requests that may share an answer apart from `Vary`. Variants never share: a user of one
 * must not be given the other's answer.
 *
 * @param place route, rule and variant, and what else divides (a generation that a purge raised)
 * @param url as the client asked for it, without fragment
 */
export function cacheKey(rule: CacheConfig, place: readonly string[], url: string, request: HeaderFields): string {
  const parts = [...place, keyUrl(rule, url)]
  for (const name of rule.headers) parts.push(request.get(name) ?? '')
  return parts.map(part => encodeURIComponent(part)).join('/')
}

/** The whole key of an answer of one variant. */
export function keyOf(rule: HttpRule, variant: HttpVariant, url: string, request: HeaderFields): string {
  return cacheKey(rule.cache!, [rule.route, rule.name, variant.name], url, request)
}

/** As the client asked: scheme, host, port where it named one, path and query. */
export function urlOf({ scheme, host, port, path, search }: Asked): string {
  return `${scheme}://${host}${port === 0 ? '' : `:${port}`}${path}${search}`
}

type Asked = Pick<RequestFacts, 'scheme' | 'host' | 'port' | 'path' | 'search'>

/** Scheme, host, path and those parameters of the query that count, in the order in which they came. */
export function keyUrl(rule: CacheConfig, url: string): string {
  const { query } = rule
  const at = url.indexOf('?')
  if (at === -1 || query === 'all') return url
  const names = new Set('only' in query ? query.only : query.except)
  const isKept = (name: string) => names.has(name) === 'only' in query
  const kept = url
    .slice(at + 1)
    .split('&')
    .filter(pair => isKept(nameOf(pair)))
  return kept.length === 0 ? url.slice(0, at) : `${url.slice(0, at)}?${kept.join('&')}`
}

function nameOf(pair: string): string {
  const name = pair.split('=', 1)[0]!.replaceAll('+', ' ')
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}
