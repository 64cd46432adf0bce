// The edge's side of the cache: bodies are Responses, the store is the data centre's cache, and a Response is never shared
// between requests.

import type { CachedAnswer } from '../shared/cache/answer.ts'
import { cacheStatus } from '../shared/cache/cache-status.ts'
import { type CachePlane, type CacheWord, type Conditions, type Found, throughCache } from '../shared/cache/exchange.ts'
import { keysToForget } from '../shared/cache/forget.ts'
import { keyOf, urlOf } from '../shared/cache/key.ts'
import type { WhyNotStored } from '../shared/cache/storable.ts'
import { removeHopByHop } from '../shared/http/hop-by-hop.ts'
import type { DoorFacts } from '../shared/http/request-facts.ts'
import type { HttpRule, HttpVariant } from '../shared/table/table.ts'
import { CALLS_AT_MOST, forget, keep, lookUp, release } from './cache-store.ts'
import type { Isolate } from './isolate.ts'
import { drop } from './try.ts'

/** What the tries came to. */
export interface Answered {
  readonly response: Response
  /** False: no endpoint answered and this is ours. */
  readonly isFromEndpoint: boolean
}

export interface ThroughCache<Result extends Answered> {
  /** As it is stored or as it came: not edited yet. */
  readonly response: Response
  /** The tries, if there were any. */
  readonly answered: Result | undefined
  /** Of `Cache-Status`. */
  readonly status: string
  readonly word: CacheWord
}

/** A rule with a cache, and the variant whose answers are looked for. */
export interface CachedRule {
  readonly rule: HttpRule
  readonly variant: HttpVariant
}

/**
 * The answer to a request on a rule with a cache.
 *
 * @param ask asks an endpoint; `edit` is done to the request's headers after all other edits
 * @param later keeps the isolate for work that goes on after the answer
 */
export async function answerThroughCache<Result extends Answered>(
  isolate: Isolate,
  { rule, variant }: CachedRule,
  facts: DoorFacts,
  request: Request,
  ask: (edit: (headers: Headers) => void) => Promise<Result>,
  later: (work: Promise<unknown>) => void,
): Promise<ThroughCache<Result> | 'only-if-cached'> {
  const cache = rule.cache!
  const url = urlOf(facts)
  const plane: CachePlane<Response, Result> = {
    now: Date.now,
    look: lookUp,
    async ask(conditions, without) {
      const requestedAt = Date.now()
      const answer = await ask(headers => setConditions(headers, conditions, without))
      const fields = new Headers(answer.response.headers)
      removeHopByHop(fields, false)
      const exchange = { requestedAt, receivedAt: Date.now() }
      return { answer, status: answer.response.status, fields, isFromEndpoint: answer.isFromEndpoint, exchange }
    },
    keep: (key, stored, answer) =>
      readWhole(answer.response.clone(), cache.maxBodyBytes)
        .then(async whole => {
          if (whole === 'too-large') return whole
          await keep(key, stored, whole, request.headers, Date.now())
          return undefined
        })
        .catch((): WhyNotStored => 'interrupted'),
    renew: (key, stored, found) => keep(key, stored, found.body.clone().body, request.headers, Date.now()),
    forget,
    drop: answer => drop(answer.response),
    release: found => release(found.body),
    later,
    soon,
  }
  const { method, headers: fields } = request
  const key = placeOf(facts, keyOf(rule, variant, url, request.headers))
  const { route, timeouts } = rule
  const one = { cache, route, key, method, url, fields, bans: isolate.bans, waitMs: timeouts.tryMs }
  const through = await throughCache(one, isolate.cached, plane)
  if (through.from === 'nowhere') return 'only-if-cached'
  const status = cacheStatus(through.did)
  const { word } = through
  if (through.from === 'endpoint') {
    return { response: through.asked.answer.response, answered: through.asked.answer, status, word }
  }
  const response = await unpacked(through.head, through.body)
  const answered = through.asked?.answer
  // A 304 may set a cookie for the client that asked; it is not stored.
  const own = through.word === 'revalidated' ? (answered?.response.headers.getSetCookie() ?? []) : []
  for (const cookie of own) response.headers.append('set-cookie', cookie)
  return { response, answered, status, word }
}

/** The ledger has to hold what the cache itself may take, beside one try. */
export const SUBREQUESTS_OF_CACHE = CALLS_AT_MOST

/** Forgets what an unsafe method that succeeded has made out of date. */
export async function invalidate(
  { table, seen }: Isolate,
  facts: DoorFacts,
  { headers }: Request,
  { status, headers: answer }: Response,
): Promise<void> {
  for (const key of keysToForget(table, facts, seen.observed, headers, status, answer))
    await forget(placeOf(facts, key))
}

/** Under the client's own host: the Cache API belongs to the zone. */
function placeOf({ host }: DoorFacts, key: string): string {
  return `https://${host}/.fourseven/cache/${key}`
}

function setConditions(headers: Headers, conditions: Conditions, without: readonly string[]): void {
  for (const name of without) headers.delete(name)
  for (const [name, value] of conditions ?? []) headers.set(name, value)
}

/** A stored answer as a Response of this request. A range is cut out of the whole, which is no longer than `maxBody`. */
async function unpacked({ status, fields, body }: CachedAnswer, found: Found<Response>): Promise<Response> {
  const headers = new Headers(fields as [string, string][])
  if (body === 'whole') {
    const encodeBody = headers.has('content-encoding') ? 'manual' : 'automatic'
    return new Response(hasNoBody(status) ? null : found.body.body, { status, headers, encodeBody })
  }
  if (body === 'none') {
    release(found.body)
    return new Response(null, { status, headers })
  }
  const [first, last] = body
  const whole = await found.body.arrayBuffer()
  return new Response(whole.slice(first, last + 1), { status, headers })
}

/**
 * The body as it came, encoded or not. It is read before it is stored: what breaks off would be kept as if it were whole
 * (the runtime's `put` takes a stream that fails for one that ends). Rejects when it breaks off.
 */
async function readWhole({ body }: Response, most: number): Promise<Uint8Array | null | 'too-large'> {
  if (body === null) return null
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body as ReadableStream<Uint8Array>) {
    bytes += chunk.byteLength
    // Leaving the loop cancels this copy; the client's goes on.
    if (bytes > most) return 'too-large'
    chunks.push(chunk)
  }
  const whole = new Uint8Array(bytes)
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.byteLength
  }
  return whole
}

/** The timer is taken back: it would hold the request open. */
async function soon(promise: Promise<void>, ms: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | null = null
  const late = new Promise<void>(resolve => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([promise, late])
  clearTimeout(timer)
}

function hasNoBody(status: number): boolean {
  return status === 204 || status === 205 || status === 304
}
