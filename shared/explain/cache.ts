// Says what the cache and the compression of a rule would do: the functions that the doors ask, asked with a request and,
// if one is given, the answer that an endpoint would make.

import { answerFrom } from '../cache/answer.ts'
import { directivesOf } from '../cache/exchange.ts'
import { keyOf } from '../cache/key.ts'
import { reuse } from '../cache/reuse.ts'
import { storable, whyNotStored } from '../cache/storable.ts'
import { ageMs, freshForMs } from '../cache/stored.ts'
import type { CacheStoreConfig } from '../config/parse-cache-store.ts'
import { formatSize } from '../config/units.ts'
import { acceptedEncodings, type Encoding, encodingFor } from '../http/compress.ts'
import type { HeaderFields } from '../http/header-fields.ts'
import type { HttpRule, HttpVariant } from '../table/table.ts'

export interface CacheExplanation {
  readonly key: string
  /** Where answers are kept. */
  readonly keptIn: string
  /** Before anything is stored: what happens to this request. */
  readonly request: string
  /** Undefined when no answer was given to look at. */
  readonly answer:
    | { readonly isStored: false; readonly why: string }
    | {
        readonly isStored: true
        readonly freshForS: number
        readonly staleWhileRevalidateS: number
        readonly staleIfErrorS: number
        readonly vary: readonly string[]
        readonly tags: readonly string[]
        /** What the same request gets right after. */
        readonly next: string
      }
    | undefined
}

export interface CompressExplanation {
  readonly types: readonly string[]
  readonly minBytes: number
  /** For the given answer; undefined when there is none to look at. */
  readonly encoding: Encoding | 'none' | undefined
}

/** The request and the answer to explain. */
export interface Exchanged {
  readonly method: string
  readonly url: string
  readonly request: HeaderFields
  readonly answer: { readonly status: number; readonly fields: HeaderFields } | undefined
  readonly now: number
}

/** @param store of the relay; undefined at the edge */
export function explainCache(
  rule: HttpRule,
  variant: HttpVariant,
  store: CacheStoreConfig | undefined,
  { method, url, request, answer, now }: Exchanged,
): CacheExplanation | undefined {
  const { cache } = rule
  if (cache === undefined) return undefined
  const key = keyOf(rule, variant, url, request)
  const directives = directivesOf(request)
  const step = reuse(undefined, method, request, directives, now)
  const asked = { method, url, fields: request, directives }
  const keptIn = store === undefined ? 'the cache of each data centre' : placeWords(store)
  const explanation = { key, keptIn, request: requestWords(step.do === 'ask' ? step.why : step.do) }
  if (answer === undefined) return { ...explanation, answer: undefined }
  const exchange = { requestedAt: now, receivedAt: now }
  const stored =
    step.do === 'ask' && !step.mayStore ? undefined : storable(cache, asked, answer.status, answer.fields, exchange)
  if (stored === undefined)
    return { ...explanation, answer: { isStored: false, why: 'the request goes past the cache' } }
  if (typeof stored === 'string') return { ...explanation, answer: { isStored: false, why: whyNotStored[stored] } }
  const after = reuse(stored, method, request, directives, now)
  const given = answerFrom(stored, -1, method, request, now)
  return {
    ...explanation,
    answer: {
      isStored: true,
      freshForS: Math.floor(freshForMs(stored, now) / 1000),
      staleWhileRevalidateS: stored.staleWhileRevalidateMs / 1000,
      staleIfErrorS: stored.staleIfErrorMs / 1000,
      vary: stored.vary.map(([name]) => name),
      tags: stored.tags,
      next:
        after.do === 'use'
          ? `${given.status} from the store, Age ${Math.floor(ageMs(stored, now) / 1000)}${after.isStale ? ', stale' : ''}`
          : after.do === 'validate'
            ? 'validated by the endpoint first'
            : 'asked of the endpoint again',
    },
  }
}

export function explainCompress(
  { compress }: HttpRule,
  { method, request, answer }: Exchanged,
  offered: readonly Encoding[],
): CompressExplanation | undefined {
  if (compress === undefined) return undefined
  const { types, minBytes } = compress
  if (answer === undefined) return { types, minBytes, encoding: undefined }
  const accepted = acceptedEncodings(request)
  const encoding = encodingFor(compress, method, answer.status, answer.fields, accepted, offered)
  return { types, minBytes, encoding: encoding === undefined || encoding === 'vary' ? 'none' : encoding }
}

function placeWords({ memoryBytes, disk }: CacheStoreConfig): string {
  const behind = disk === undefined ? '' : ` and ${formatSize(disk.bytes)} of disk in ${disk.path}`
  return `${formatSize(memoryBytes)} of memory${behind} at the relay, with those of other rules`
}

function requestWords(why: string): string {
  return words[why] ?? why
}

const words: Readonly<Record<string, string>> = {
  bypass: 'goes past the cache: it says no-store, If-Match or If-Unmodified-Since',
  method: 'goes past the cache: only GET and HEAD are looked up',
  'uri-miss': 'looked up; asked of the endpoint when nothing is stored',
  refuse: 'looked up; 504 when nothing is stored, since it says only-if-cached',
}
