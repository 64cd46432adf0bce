// What to do once an endpoint has answered a request that went past the cache, or none has.

import type { CacheConfig } from '../config/parse-cache.ts'
import type { HeaderFields } from '../http/header-fields.ts'
import { freshen, freshenByHead } from './freshen.ts'
import type { Reuse } from './reuse.ts'
import { type AskedFor, storable, type WhyNotStored } from './storable.ts'
import type { Exchange, StoredAnswer } from './stored.ts'

export type After =
  /** Pass the endpoint's answer on; store its body with this head, or say why not. */
  | { readonly do: 'pass'; readonly store: StoredAnswer | undefined; readonly why: WhyNotStored | undefined }
  /** A HEAD passed on, after which the stored answer to GET has a new head, or goes when that is undefined. */
  | { readonly do: 'pass-head'; readonly head: StoredAnswer | undefined }
  /** The endpoint confirmed the stored answer: answer from it. `isKept`: its new head is stored; else it goes. */
  | { readonly do: 'use'; readonly stored: StoredAnswer; readonly isKept: boolean }
  /** Give the stale one: no endpoint gave anything better (RFC 5861 section 4). */
  | { readonly do: 'use-stale'; readonly stored: StoredAnswer }
  /** The 304 was of another answer: ask again without conditions. */
  | { readonly do: 'again' }

type Asked = Extract<Reuse, { readonly do: 'validate' | 'ask' }>

/** @param stored what was in the store, for a HEAD that went on */
export function afterAnswer(
  rule: CacheConfig,
  step: Asked,
  asked: AskedFor,
  status: number,
  fields: HeaderFields,
  exchange: Exchange,
): After {
  if (step.do === 'validate') {
    const { stored } = step
    if (asked.method === 'HEAD') {
      if (status === 200) return { do: 'pass-head', head: freshenByHead(rule, asked, stored, fields, exchange) }
    } else if (status === 304) {
      const outcome = freshen(rule, asked, stored, fields, exchange)
      return outcome === 'other'
        ? { do: 'again' }
        : { do: 'use', stored: outcome.stored, isKept: outcome.is === 'fresh' }
    }
    if (isOutage(status) && step.mayUseOnError) return { do: 'use-stale', stored }
  } else if (!step.mayStore) return { do: 'pass', store: undefined, why: undefined }
  const outcome = storable(rule, asked, status, fields, exchange)
  return typeof outcome === 'string'
    ? { do: 'pass', store: undefined, why: outcome }
    : { do: 'pass', store: outcome, why: undefined }
}

/** No endpoint answered: the stale answer, when it may be given. */
export function afterFailure(step: Asked): StoredAnswer | undefined {
  return step.do === 'validate' && step.mayUseOnError ? step.stored : undefined
}

/** RFC 5861 section 4 names these four. */
function isOutage(status: number): boolean {
  return status === 500 || status === 502 || status === 503 || status === 504
}
