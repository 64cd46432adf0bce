// Conditional requests: what we ask an endpoint with, and what a client's own conditions mean for a stored answer.

import type { HeaderFields } from '../http/header-fields.ts'
import { readHttpDate } from '../wire/http-date.ts'
import type { StoredAnswer } from './stored.ts'

/** Fields of a validation request (RFC 9111 section 4.3.1); empty when the stored answer has no validator. */
export function validators(stored: StoredAnswer): readonly (readonly [string, string])[] {
  const etag = fieldOf(stored, 'etag')
  const modified = fieldOf(stored, 'last-modified')
  return [
    ...(etag === undefined ? [] : [['if-none-match', etag] as const]),
    ...(modified === undefined ? [] : [['if-modified-since', modified] as const]),
  ]
}

/** The client has this very answer: 304 (RFC 9110 section 13.2.2; `If-None-Match` goes before `If-Modified-Since`). */
export function isNotModified(stored: StoredAnswer, request: HeaderFields): boolean {
  if (stored.status !== 200) return false
  const ifNoneMatch = request.get('if-none-match')
  if (ifNoneMatch !== null) return matchesAny(ifNoneMatch, fieldOf(stored, 'etag'))
  const since = readHttpDate(request.get('if-modified-since'), stored.receivedAt)
  if (since === undefined) return false
  const modified = fieldOf(stored, 'last-modified') ?? fieldOf(stored, 'date') ?? null
  const changed = readHttpDate(modified, stored.receivedAt)
  return changed !== undefined && changed <= since
}

/** A condition that only the endpoint can judge: the cache stays out of the way. */
export function isForEndpoint(request: HeaderFields): boolean {
  return request.get('if-match') !== null || request.get('if-unmodified-since') !== null
}

/** The client names what it has, so an answer may be without a body. */
export function isConditional(request: HeaderFields): boolean {
  return request.get('if-none-match') !== null || request.get('if-modified-since') !== null
}

/** Taken out where the cache asks for itself; `If-Range` goes with the range it belongs to. */
export const conditionNames: readonly string[] = ['if-none-match', 'if-modified-since']
export const rangeNames: readonly string[] = ['range', 'if-range']

/**
 * Whether `If-Range` lets the range stand (RFC 9110 section 13.1.5): a strong entity tag that is ours, or the date of
 * our `Last-Modified` to the second.
 */
export function rangeHolds(stored: StoredAnswer, request: HeaderFields): boolean {
  const condition = request.get('if-range')
  if (condition === null) return true
  if (condition.startsWith('"')) return condition === fieldOf(stored, 'etag')
  return !condition.startsWith('W/') && condition === fieldOf(stored, 'last-modified')
}

/** Weak comparison (RFC 9110 section 8.8.3.2) with each of a list, of which at most 8 KiB are read. */
function matchesAny(list: string, etag: string | undefined): boolean {
  if (list.trim() === '*') return true
  if (etag === undefined) return false
  const ours = opaque(etag)
  const tags = list.slice(0, 8192).match(/(?:W\/)?"[^"]*"/g) ?? []
  return tags.some(tag => opaque(tag) === ours)
}

export function opaque(etag: string): string {
  return etag.startsWith('W/') ? etag.slice(2) : etag
}

/** The first field of that lower-case name. */
export function fieldOf(stored: StoredAnswer, name: string): string | undefined {
  return stored.fields.find(([is]) => is === name)?.[1]
}
