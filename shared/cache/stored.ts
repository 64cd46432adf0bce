// An answer as the cache keeps it, and what is worked out of it once, when it is stored.

import type { CacheConfig } from '../config/parse-cache.ts'
import type { HeaderFields } from '../http/header-fields.ts'
import { readHttpDate } from '../wire/http-date.ts'
import { type Directives, readCacheControl, readCdnCacheControl } from './directives.ts'

/** The head of a stored answer. Plain data: the edge writes it beside the body as JSON. */
export interface StoredAnswer {
  readonly status: number
  /** Lower-case names, as they came, without what must not be stored; several `Set-Cookie` cannot be among them. */
  readonly fields: readonly (readonly [string, string])[]
  /** Milliseconds since 1970 when the answer came, or was last freshened. */
  readonly receivedAt: number
  /** Its age then: `corrected_initial_age` of RFC 9111 section 4.2.3. */
  readonly initialAgeMs: number
  readonly lifetimeMs: number
  /** Fresh or not, it is validated before each use. */
  readonly noCache: boolean
  /** Once stale it is never used without validation. */
  readonly mustRevalidate: boolean
  readonly staleWhileRevalidateMs: number
  readonly staleIfErrorMs: number
  /** What the request said in the fields that `Vary` names; null when it said nothing. */
  readonly vary: readonly (readonly [string, string | null])[]
  /** For purges: scheme, host, path and query that it was asked for, and its tags. */
  readonly url: string
  readonly tags: readonly string[]
}

/** When an answer was asked for and when it came, milliseconds since 1970. */
export interface Exchange {
  readonly requestedAt: number
  readonly receivedAt: number
}

/** What counts for a shared cache: `CDN-Cache-Control` in place of `Cache-Control` when it can be read (RFC 9213). */
export interface AnswerSays {
  readonly directives: Directives
  readonly isTargeted: boolean
}

export function readAnswer(fields: HeaderFields): AnswerSays {
  const targeted = readCdnCacheControl(fields.get('cdn-cache-control'))
  if (targeted !== undefined) return { directives: targeted, isTargeted: true }
  return { directives: readCacheControl(fields.get('cache-control')), isTargeted: false }
}

/** Age of a stored answer now, in milliseconds (RFC 9111 section 4.2.3). */
export function ageMs(stored: StoredAnswer, now: number): number {
  return stored.initialAgeMs + Math.max(0, now - stored.receivedAt)
}

/** How long it stays fresh from now on, in milliseconds; negative: for so long it has been stale. */
export function freshForMs(stored: StoredAnswer, now: number): number {
  return stored.lifetimeMs - ageMs(stored, now)
}

/** `corrected_initial_age` in milliseconds. An `Age` that cannot be read is not there; of a list the first counts. */
export function initialAgeMs(fields: HeaderFields, { requestedAt, receivedAt }: Exchange): number {
  const date = readHttpDate(fields.get('date'), receivedAt)
  const apparent = date === undefined ? 0 : Math.max(0, receivedAt - date)
  const [said = ''] = (fields.get('age') ?? '').split(',', 1)
  const age = /^\d+$/.test(said.trim()) ? Math.min(Number(said), 2 ** 31) * 1000 : 0
  return Math.max(apparent, age + receivedAt - requestedAt)
}

/**
 * Freshness lifetime in milliseconds (RFC 9111 section 4.2.1), undefined when the answer says nothing: `s-maxage`, then
 * `max-age`, then `Expires` minus `Date`. An `Expires` that cannot be read has passed. With `CDN-Cache-Control` neither
 * `Cache-Control` nor `Expires` counts (RFC 9213 section 2.2).
 */
export function explicitLifetimeMs(says: AnswerSays, fields: HeaderFields, receivedAt: number): number | undefined {
  const { sMaxage, maxAge } = says.directives
  const seconds = sMaxage ?? maxAge
  if (seconds !== undefined) return seconds * 1000
  if (says.isTargeted) return undefined
  const expires = fields.get('expires')
  if (expires === null) return undefined
  const until = readHttpDate(expires, receivedAt)
  if (until === undefined) return 0
  return Math.max(0, until - (readHttpDate(fields.get('date'), receivedAt) ?? receivedAt))
}

/**
 * What the rule gives an answer that says nothing: its own time for the status, else, when it asks for that, a tenth of
 * the time since `Last-Modified`, at most a day (RFC 9111 section 4.2.2).
 */
export function impliedLifetimeMs(
  rule: CacheConfig,
  status: number,
  isPublic: boolean,
  fields: HeaderFields,
  receivedAt: number,
): number {
  const given = rule.ttlMs.find(([of]) => of === status)
  if (given !== undefined) return given[1]
  if (!rule.isHeuristic || !(isHeuristicallyCacheable(status) || isPublic)) return 0
  const modified = readHttpDate(fields.get('last-modified'), receivedAt)
  if (modified === undefined) return 0
  const date = readHttpDate(fields.get('date'), receivedAt) ?? receivedAt
  return Math.min(Math.max(0, date - modified) / 10, longestHeuristicMs)
}

/** RFC 9110 section 15.1; 206 is left out: parts are not stored. */
export function isHeuristicallyCacheable(status: number): boolean {
  return heuristicStatuses.has(status)
}

const heuristicStatuses: ReadonlySet<number> = new Set([200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501])
const longestHeuristicMs = 86_400_000
