// Whether an answer may be stored, and in what form (RFC 9111 section 3).

import type { CacheConfig } from '../config/parse-cache.ts'
import type { HeaderFields } from '../http/header-fields.ts'
import { readHttpDate, writeHttpDate } from '../wire/http-date.ts'
import type { Directives } from './directives.ts'
import {
  type AnswerSays,
  type Exchange,
  explicitLifetimeMs,
  impliedLifetimeMs,
  initialAgeMs,
  isHeuristicallyCacheable,
  readAnswer,
  type StoredAnswer,
} from './stored.ts'
import { selectingValues, varyNames } from './vary.ts'

/** Why an answer is not stored; shown by `explain`, in records and in `Cache-Status`. */
export type WhyNotStored = keyof typeof whyNotStored

export const whyNotStored = {
  method: 'only answers to GET are stored',
  'request-no-store': 'the request says no-store',
  'no-store': 'the answer says no-store',
  private: 'the answer says private',
  authorization: 'the request has Authorization and the answer does not say public, s-maxage or must-revalidate',
  'set-cookie': 'the answer sets a cookie',
  partial: 'the answer is a part (206) or a 304',
  'vary-star': 'the answer says Vary: *',
  'vary-too-wide': 'the answer varies by more than 16 fields',
  'nothing-said': 'the answer does not say how long it may be kept',
  'of-no-use': 'the answer is stale at once and cannot be validated',
  status: 'the answer says must-understand and its status is not one the cache knows',
  'too-large': 'the answer is larger than maxBody',
  interrupted: 'the answer ended early',
} as const

export interface AskedFor {
  readonly method: string
  /** Scheme, host, path and query. */
  readonly url: string
  readonly fields: HeaderFields
  readonly directives: Directives
}

/** The head to store, or why there is none. The body has to arrive whole before any of it counts. */
export function storable(
  rule: CacheConfig,
  asked: AskedFor,
  status: number,
  fields: HeaderFields,
  exchange: Exchange,
): StoredAnswer | WhyNotStored {
  const says = readAnswer(fields)
  const hindrance = hindranceTo(rule, asked, status, fields, says)
  if (hindrance !== undefined) return hindrance
  const length = fields.get('content-length')
  if (length !== null && Number(length) > rule.maxBodyBytes) return 'too-large'
  const stored = storedOf(rule, asked, status, fields, says, exchange)
  return isOfUse(stored) ? stored : 'of-no-use'
}

function hindranceTo(
  rule: CacheConfig,
  asked: AskedFor,
  status: number,
  fields: HeaderFields,
  says: AnswerSays,
): WhyNotStored | undefined {
  const { directives, isTargeted } = says
  if (asked.method !== 'GET') return 'method'
  if (asked.directives.noStore) return 'request-no-store'
  if (status === 206 || status === 304 || status < 200) return 'partial'
  if (directives.mustUnderstand) {
    // It takes no-store back for those who know the status (RFC 9111 section 5.2.2.3).
    if (!understood.has(status)) return 'status'
  } else if (directives.noStore) return 'no-store'
  if (directives.isPrivate === true) return 'private'
  // These three and no others (RFC 9111 section 3.5).
  const allowsShared = directives.isPublic || directives.sMaxage !== undefined || directives.mustRevalidate
  if (asked.fields.get('authorization') !== null && !allowsShared) return 'authorization'
  if (fields.get('set-cookie') !== null && !dropped(directives).has('set-cookie')) return 'set-cookie'
  const names = varyNames(fields)
  if (names === '*') return 'vary-star'
  if (names.length > mostVaryNames) return 'vary-too-wide'
  const isExplicit =
    directives.isPublic ||
    directives.maxAge !== undefined ||
    directives.sMaxage !== undefined ||
    (!isTargeted && fields.get('expires') !== null)
  // What the operator says of a status is as good as a directive that allows it.
  const isGiven = rule.ttlMs.some(([of]) => of === status)
  return isExplicit || isGiven || isHeuristicallyCacheable(status) ? undefined : 'nothing-said'
}

function storedOf(
  rule: CacheConfig,
  asked: AskedFor,
  status: number,
  fields: HeaderFields,
  says: AnswerSays,
  exchange: Exchange,
): StoredAnswer {
  const { directives } = says
  const { receivedAt } = exchange
  const explicit = explicitLifetimeMs(says, fields, receivedAt)
  return {
    status,
    fields: storedFields(fields, directives, receivedAt),
    receivedAt,
    initialAgeMs: initialAgeMs(fields, exchange),
    lifetimeMs: explicit ?? impliedLifetimeMs(rule, status, directives.isPublic, fields, receivedAt),
    noCache: directives.noCache === true,
    // s-maxage means proxy-revalidate (RFC 9111 section 5.2.2.10).
    mustRevalidate: directives.mustRevalidate || directives.proxyRevalidate || directives.sMaxage !== undefined,
    staleWhileRevalidateMs: inMs(directives.staleWhileRevalidate) ?? rule.staleWhileRevalidateMs,
    staleIfErrorMs: inMs(directives.staleIfError) ?? rule.staleIfErrorMs,
    vary: selectingValues(varyNames(fields), asked.fields),
    url: asked.url,
    tags: tagsOf(fields.get(rule.tagHeader)),
  }
}

/** What an answer is stored with: a 304 and a HEAD freshen by the same rules. */
export function storedFields(
  fields: HeaderFields,
  directives: Directives,
  receivedAt: number,
): readonly (readonly [string, string])[] {
  const without = dropped(directives)
  const kept: [string, string][] = []
  for (const key of fields.keys()) {
    const name = key.toLowerCase()
    if (!neverStored.has(name) && !without.has(name)) kept.push([name, fields.get(name)!])
  }
  // RFC 9110 section 6.6.1: whoever stores an answer without Date adds the time it came.
  if (readHttpDate(fields.get('date'), receivedAt) === undefined) {
    return [...kept.filter(([name]) => name !== 'date'), ['date', writeHttpDate(receivedAt)]]
  }
  return kept
}

/** Fields that the answer allows nobody else to see, or not without validation (RFC 9111 sections 5.2.2.4, 5.2.2.7). */
function dropped({ noCache, isPrivate }: Directives): ReadonlySet<string> {
  const names = [noCache, isPrivate].flatMap(form => (typeof form === 'boolean' ? [] : form))
  return new Set(names)
}

/** Of use is what will be fresh for a while, can be validated, or may be given stale. */
function isOfUse(stored: StoredAnswer): boolean {
  const isValidatable = stored.fields.some(([name]) => name === 'etag' || name === 'last-modified')
  if (isValidatable) return true
  if (stored.noCache) return false
  if (stored.lifetimeMs > stored.initialAgeMs) return true
  return !stored.mustRevalidate && (stored.staleWhileRevalidateMs > 0 || stored.staleIfErrorMs > 0)
}

/** `Cache-Tag: a, b` or `Surrogate-Key: a b`: at most 128 tags are read. */
function tagsOf(value: string | null): readonly string[] {
  if (value === null) return []
  return value
    .split(/[\s,]+/, mostTags + 1)
    .filter(tag => tag !== '')
    .slice(0, mostTags)
}

function inMs(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1000
}

/**
 * Of the connection, not of the answer (RFC 9111 section 3.1). `Age` is counted on in `initialAgeMs`; `Cache-Status` and
 * `Proxy-Status` told of the exchange that is over.
 */
const neverStored: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'set-cookie',
  'age',
  'cache-status',
  'proxy-status',
])
/** Final statuses of RFC 9110 whose caching needs nothing special. */
const understood: ReadonlySet<number> = new Set([
  200, 201, 202, 203, 204, 205, 300, 301, 302, 303, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410,
  411, 412, 413, 414, 415, 416, 417, 421, 422, 426, 500, 501, 502, 503, 504, 505,
])
const mostVaryNames = 16
const mostTags = 128
