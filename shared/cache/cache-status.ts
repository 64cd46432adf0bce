// The `Cache-Status` field (RFC 9211): what the cache did, for whoever looks at an answer.

import type { ForwardWhy } from './reuse.ts'
import type { WhyNotStored } from './storable.ts'

export type CacheDid =
  | { readonly hit: true; readonly ttlS: number; readonly isRefreshed?: boolean; readonly isCollapsed?: boolean }
  | {
      readonly hit: false
      readonly why: ForwardWhy
      /** What the endpoint answered, when that was not passed on as it was. */
      readonly status?: number
      readonly stored: true | WhyNotStored | undefined
      readonly isCollapsed?: boolean
      /** The stored answer was given because no endpoint could. */
      readonly isStale?: boolean
    }

/** One member of the list. An endpoint's own `Cache-Status` stands before it. */
export function cacheStatus(did: CacheDid): string {
  if (did.hit) {
    const refreshed = did.isRefreshed ? '; detail=stale-while-revalidate' : ''
    return `fourseven; hit; ttl=${did.ttlS}${did.isCollapsed ? '; collapsed' : ''}${refreshed}`
  }
  const status = did.status === undefined ? '' : `; fwd-status=${did.status}`
  const stored = did.stored === true ? '; stored' : ''
  const collapsed = did.isCollapsed ? '; collapsed' : ''
  const why = did.isStale ? 'stale-if-error' : typeof did.stored === 'string' ? did.stored : undefined
  return `fourseven; fwd=${did.why}${status}${stored}${collapsed}${why === undefined ? '' : `; detail=${why}`}`
}
