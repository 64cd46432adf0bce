// What to do with a request, given what is stored (RFC 9111 section 4). Pure: it knows neither the store nor the network.

import type { HeaderFields } from '../http/header-fields.ts'
import { isForEndpoint, validators } from './conditional.ts'
import type { Directives } from './directives.ts'
import { ageMs, freshForMs, type StoredAnswer } from './stored.ts'

/** Why a request goes on to an endpoint: the words of `Cache-Status` (RFC 9211 section 2.2). */
export type ForwardWhy = 'bypass' | 'method' | 'uri-miss' | 'vary-miss' | 'request' | 'stale' | 'partial'

export type Reuse =
  /** Answer from the store. `isStale`: it may be given all the same; `isRefreshed`: ask for a new one beside it. */
  | { readonly do: 'use'; readonly stored: StoredAnswer; readonly isStale: boolean; readonly isRefreshed: boolean }
  /** Ask the endpoint whether the stored answer still holds. When it cannot be reached, stale may be given or not. */
  | {
      readonly do: 'validate'
      readonly stored: StoredAnswer
      readonly why: ForwardWhy
      readonly mayUseOnError: boolean
    }
  /** Ask the endpoint. `mayStore`: the answer is a candidate. */
  | { readonly do: 'ask'; readonly why: ForwardWhy; readonly mayStore: boolean }
  /** The client wants a stored answer or none: 504 (RFC 9111 section 5.2.1.7). */
  | { readonly do: 'refuse' }

/**
 * @param stored the stored answer whose `Vary` fits, `vary-miss` when there are others, undefined when there is none
 */
export function reuse(
  stored: StoredAnswer | 'vary-miss' | undefined,
  method: string,
  request: HeaderFields,
  directives: Directives,
  now: number,
): Reuse {
  if (method !== 'GET' && method !== 'HEAD') return { do: 'ask', why: 'method', mayStore: false }
  if (directives.noStore || isForEndpoint(request)) return { do: 'ask', why: 'bypass', mayStore: false }
  const step = stored === undefined || stored === 'vary-miss' ? undefined : withStored(stored, directives, now)
  if (directives.onlyIfCached && step?.do !== 'use') return { do: 'refuse' }
  if (step !== undefined) return step
  const why = stored === 'vary-miss' ? 'vary-miss' : 'uri-miss'
  // A part of the answer is never stored, so the range is left to the endpoint.
  const isWhole = method === 'GET' && request.get('range') === null
  return { do: 'ask', why, mayStore: isWhole }
}

function withStored(stored: StoredAnswer, directives: Directives, now: number): Reuse {
  const freshFor = freshForMs(stored, now)
  const isWelcome = !rejectsStored(stored, directives, now, freshFor)
  if (stored.noCache || !isWelcome) return validation(stored, 'request', directives, freshFor)
  if (freshFor > 0) return { do: 'use', stored, isStale: false, isRefreshed: false }
  if (!stored.mustRevalidate) {
    const staleMs = -freshFor
    if (directives.maxStale !== undefined && staleMs <= directives.maxStale * 1000) {
      return { do: 'use', stored, isStale: true, isRefreshed: false }
    }
    if (staleMs < stored.staleWhileRevalidateMs) return { do: 'use', stored, isStale: true, isRefreshed: true }
  }
  return validation(stored, 'stale', directives, freshFor)
}

/** The client wants it fresher than it is (RFC 9111 section 5.2.1). Reload buttons send max-age=0 and mean "ask". */
function rejectsStored(stored: StoredAnswer, directives: Directives, now: number, freshFor: number): boolean {
  const { noCache, maxAge, minFresh } = directives
  if (noCache !== false || maxAge === 0) return true
  if (maxAge !== undefined && ageMs(stored, now) > maxAge * 1000) return true
  return minFresh !== undefined && freshFor < minFresh * 1000
}

/** Without a validator it is asked for anew; until the answer comes, the old one is what there is in an outage. */
function validation(stored: StoredAnswer, why: ForwardWhy, directives: Directives, freshFor: number): Reuse {
  return { do: 'validate', stored, why, mayUseOnError: mayUseOnError(stored, directives, freshFor) }
}

/** RFC 5861 section 4, from the answer, the rule or the request. */
function mayUseOnError(stored: StoredAnswer, directives: Directives, freshFor: number): boolean {
  if (stored.noCache || stored.mustRevalidate) return false
  const longestMs = Math.max(stored.staleIfErrorMs, (directives.staleIfError ?? 0) * 1000)
  return longestMs > 0 && -freshFor <= longestMs
}

/** A stored answer that an endpoint can confirm in one round trip without a body. */
export function isValidatable(stored: StoredAnswer): boolean {
  return validators(stored).length > 0
}
