// Stored answers in the data centre's cache (the Cache API): their heads as one header beside the body, and what `Vary`
// divides as a small index under the key itself.

import type { Found } from '../shared/cache/exchange.ts'
import type { StoredAnswer } from '../shared/cache/stored.ts'
import { fits, selectingValues } from '../shared/cache/vary.ts'
import type { HeaderFields } from '../shared/http/header-fields.ts'

/** What is stored for a request: the answer, or `vary-miss` when only answers to other requests are. */
export async function lookUp(
  cacheUrl: string,
  request: HeaderFields,
): Promise<Found<Response> | 'vary-miss' | undefined> {
  const first = await caches.default.match(cacheUrl)
  const head = first === undefined ? undefined : readHead(first)
  if (first === undefined || head === undefined) return undefined
  if (head.is === 'answer') return foundOf(head.stored, first, request)
  release(first)
  const second = await caches.default.match(divided(cacheUrl, head, request))
  const inner = second === undefined ? undefined : readHead(second)
  return second === undefined || inner?.is !== 'answer' ? 'vary-miss' : foundOf(inner.stored, second, request)
}

/** @param body the bytes as they came, encoded or not; a stream only out of this store */
export async function keep(
  cacheUrl: string,
  stored: StoredAnswer,
  body: Uint8Array | ReadableStream | null,
  request: HeaderFields,
  now: number,
): Promise<void> {
  if (stored.vary.length === 0) return caches.default.put(cacheUrl, packed(stored, body, now))
  const names = stored.vary.map(([name]) => name)
  const before = await caches.default.match(cacheUrl)
  const known = before === undefined ? undefined : readHead(before)
  if (before !== undefined) release(before)
  const isSame = known?.is === 'index' && known.names.join() === names.join()
  const index: Index = isSame ? known : { is: 'index', names, word: crypto.randomUUID() }
  await caches.default.put(divided(cacheUrl, index, request), packed(stored, body, now))
  if (!isSame) await caches.default.put(cacheUrl, packedIndex(index))
}

/** Forgets the answer, and with its index all that it divides into. */
export async function forget(cacheUrl: string): Promise<void> {
  await caches.default.delete(cacheUrl)
}

/** Look-ups and stores count as subrequests: two to look, three to keep an answer that varies, one to forget. */
export const CALLS_AT_MOST = 6

function foundOf(stored: StoredAnswer, response: Response, request: HeaderFields): Found<Response> | 'vary-miss' {
  if (fits(stored.vary, request)) return { stored, bytes: lengthOfBody(response), body: response }
  release(response)
  return 'vary-miss'
}

function lengthOfBody({ headers }: Response): number {
  const length = headers.get('content-length')
  return length === null ? -1 : Number(length)
}

export function release(response: Response): void {
  response.body?.cancel().catch(() => undefined)
}

/**
 * The platform's own `Vary` is not dependable, so a key whose answers vary holds an index: the names that divide, and a
 * word that is new whenever the index is, so that what an older index led to stays out of reach after an invalidation.
 */
interface Index {
  readonly is: 'index'
  readonly names: readonly string[]
  readonly word: string
}

type Head = Index | { readonly is: 'answer'; readonly stored: StoredAnswer }

function readHead(response: Response): Head | undefined {
  const text = response.headers.get(HEAD)
  return text === null ? undefined : (JSON.parse(text) as Head)
}

/**
 * Always 200 and always public for the platform, which would refuse other statuses and keep nothing that is private to
 * us; what the answer says itself stands in the head. `Content-Encoding` too: over bytes without it nothing encodes or
 * decodes.
 */
function packed(stored: StoredAnswer, body: Uint8Array | ReadableStream | null, now: number): Response {
  const headers = new Headers({
    [HEAD]: JSON.stringify({ is: 'answer', stored }),
    'cache-control': keptFor(stored, now),
  })
  return new Response(body, { headers })
}

function packedIndex(index: Index): Response {
  const headers = { [HEAD]: JSON.stringify(index), 'cache-control': `public, max-age=${longestS}` }
  return new Response(null, { headers })
}

/** As long as it is of use: fresh, allowed stale, or worth a validation (a day). */
function keptFor(stored: StoredAnswer, now: number): string {
  const fresh = stored.lifetimeMs - stored.initialAgeMs - (now - stored.receivedAt)
  const stale = Math.max(stored.staleIfErrorMs, stored.staleWhileRevalidateMs, dayMs)
  const seconds = Math.ceil((Math.max(0, fresh) + stale) / 1000)
  return `public, max-age=${Math.min(seconds, longestS)}`
}

function divided(cacheUrl: string, { names, word }: Index, request: HeaderFields): string {
  const values = selectingValues(names, request).map(([, value]) => value)
  return `${cacheUrl}/${word}/${encodeURIComponent(JSON.stringify(values))}`
}

const HEAD = 'x-fourseven-stored'
const dayMs = 86_400_000
const longestS = 31_536_000
