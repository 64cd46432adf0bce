// One request through the cache: look, wait for another's answer, ask, keep. The same at every HTTP door; what a body is,
// where it is stored and how an endpoint is asked are the plane's.

import type { CacheConfig } from '../config/parse-cache.ts'
import type { HeaderFields } from '../http/header-fields.ts'
import { afterAnswer, afterFailure } from './after.ts'
import { answerFrom, type CachedAnswer } from './answer.ts'
import type { CacheDid } from './cache-status.ts'
import { conditionNames, isConditional, rangeNames, validators } from './conditional.ts'
import { type Directives, readCacheControl } from './directives.ts'
import { plainFields } from './freshen.ts'
import { type Ban, isBanned } from './purge.ts'
import { type Reuse, reuse } from './reuse.ts'
import type { AskedFor, WhyNotStored } from './storable.ts'
import { type Exchange, freshForMs, type StoredAnswer } from './stored.ts'

/** A stored answer, its body still unread. */
export interface Found<Body> {
  readonly stored: StoredAnswer
  /** Length of the body; -1 when no range can be cut out of it. */
  readonly bytes: number
  readonly body: Body
}

/** What an endpoint answered, or we in its place. */
export interface Asked<Answer> {
  readonly answer: Answer
  readonly status: number
  readonly fields: HeaderFields
  /** False: no endpoint gave an answer and this one is ours. */
  readonly isFromEndpoint: boolean
  readonly exchange: Exchange
}

/** Fields set in place of the client's own conditions; undefined leaves the request as it came. */
export type Conditions = readonly (readonly [string, string])[] | undefined

export interface CachePlane<Body, Answer> {
  now(): number
  look(key: string, request: HeaderFields): Promise<Found<Body> | 'vary-miss' | undefined>
  ask(conditions: Conditions, without: readonly string[]): Promise<Asked<Answer>>
  /**
   * Stores a copy of the body while the answer goes to the client; fulfilled when it is stored, or why it was not. Called
   * before the answer is given back.
   */
  keep(key: string, stored: StoredAnswer, answer: Answer): Promise<WhyNotStored | undefined>
  /** Writes a new head beside the body that is stored. */
  renew(key: string, stored: StoredAnswer, found: Found<Body>): Promise<void>
  forget(key: string): Promise<void>
  /** Nobody reads it any more. */
  drop(unread: Answer): void
  release(unread: Found<Body>): void
  /** Goes on after the request has been answered. */
  later(work: Promise<unknown>): void
  /** Fulfilled with the promise, or after so many milliseconds. */
  soon(promise: Promise<void>, ms: number): Promise<void>
}

/** What a plane remembers beside its store. Plain data: requests of one isolate may share nothing else. */
export interface CacheSeen {
  /** By key: fulfilled when the answer that is being fetched is stored, or will not be. */
  readonly fetching: Map<string, Promise<void>>
  /** By key: until when nobody waits, since its answers are not stored. */
  readonly unstored: Map<string, number>
  /** How many fetches have ended. */
  readonly ended: { count: number }
}

export function openCacheSeen(): CacheSeen {
  return { fetching: new Map(), unstored: new Map(), ended: { count: 0 } }
}

export interface CacheRequest {
  readonly cache: CacheConfig
  readonly route: string
  readonly key: string
  readonly method: string
  /** Scheme, host, path and query as the client asked. */
  readonly url: string
  readonly fields: HeaderFields
  readonly bans: readonly Ban[]
  /** How long to wait for another request's answer before asking for oneself. */
  readonly waitMs: number
}

export type CacheWord = 'hit' | 'stale' | 'revalidated' | 'miss' | 'bypass'

export type FromCache<Body, Answer> =
  | {
      readonly from: 'store'
      readonly head: CachedAnswer
      readonly body: Found<Body>
      readonly asked: Asked<Answer> | undefined
      readonly did: CacheDid
      readonly word: CacheWord
    }
  | { readonly from: 'endpoint'; readonly asked: Asked<Answer>; readonly did: CacheDid; readonly word: CacheWord }
  /** `only-if-cached`, and there is nothing: 504. */
  | { readonly from: 'nowhere' }

/** What a request says; `Pragma` counts where `Cache-Control` is not said (RFC 9111 section 5.4). */
export function directivesOf(request: HeaderFields): Directives {
  const isPragma = /\bno-cache\b/i.test(request.get('pragma') ?? '')
  return readCacheControl(request.get('cache-control') ?? (isPragma ? 'no-cache' : null))
}

/** The answer to one request. */
export async function throughCache<Body, Answer>(
  request: CacheRequest,
  seen: CacheSeen,
  plane: CachePlane<Body, Answer>,
): Promise<FromCache<Body, Answer>> {
  const directives = directivesOf(request.fields)
  const asked: AskedFor = { method: request.method, url: request.url, fields: request.fields, directives }
  const one: One<Body, Answer> = { request, asked, seen, plane, without: conditionNames }
  let ended = seen.ended.count
  let look = await lookAndReuse(one)
  // While this one looked, another's answer may have been stored: it would be fetched twice.
  for (let turn = 0; turn < mostLooks && ended !== seen.ended.count && isWorthWaiting(one, look.step); turn++) {
    ended = seen.ended.count
    look = await lookAndReuse(one)
  }
  if (!isWorthWaiting(one, look.step)) return carryOut(one, look, false)
  const other = seen.fetching.get(request.key)
  if (other === undefined) return lead(one, look)
  await plane.soon(other, request.waitMs)
  return carryOut(one, await lookAndReuse(one), true)
}

interface One<Body, Answer> {
  /** Fields of the client that an endpoint is not told when the cache asks for itself. */
  readonly without: readonly string[]
  readonly request: CacheRequest
  readonly asked: AskedFor
  readonly seen: CacheSeen
  readonly plane: CachePlane<Body, Answer>
}

interface Look<Body> {
  readonly found: Found<Body> | undefined
  readonly step: Reuse
}

async function lookAndReuse<Body, Answer>({ request, asked, plane }: One<Body, Answer>): Promise<Look<Body>> {
  const isRead = asked.method === 'GET' || asked.method === 'HEAD'
  let found = isRead ? await plane.look(request.key, asked.fields) : undefined
  if (typeof found === 'object' && isBanned(request.bans, found.stored, request.route)) {
    plane.release(found)
    found = undefined
  }
  const stored = typeof found === 'object' ? found.stored : found
  const step = reuse(stored, asked.method, asked.fields, asked.directives, plane.now())
  return { found: typeof found === 'object' ? found : undefined, step }
}

/** A whole answer is wanted that may be stored, and the last ones were. A client with conditions asks for itself. */
function isWorthWaiting<Body, Answer>({ request, asked, seen, plane }: One<Body, Answer>, step: Reuse): boolean {
  if (!request.cache.isCollapsing || asked.method !== 'GET' || isConditional(asked.fields)) return false
  const isFetch = (step.do === 'ask' && step.mayStore) || (step.do === 'validate' && step.why === 'stale')
  return isFetch && !((seen.unstored.get(request.key) ?? 0) > plane.now())
}

/** The others wait until this one's answer is stored, or is known not to be. */
async function lead<Body, Answer>(one: One<Body, Answer>, look: Look<Body>): Promise<FromCache<Body, Answer>> {
  const { seen, request } = one
  let done = () => {}
  seen.fetching.set(
    request.key,
    new Promise<void>(resolve => {
      done = resolve
    }),
  )
  const end = () => {
    seen.fetching.delete(request.key)
    seen.ended.count += 1
    done()
  }
  try {
    return await carryOut(one, look, false, end)
  } catch (error) {
    end()
    throw error
  }
}

/** @param settled called once, when what is stored of this request is settled */
async function carryOut<Body, Answer>(
  one: One<Body, Answer>,
  look: Look<Body>,
  isCollapsed: boolean,
  settled: () => void = () => {},
): Promise<FromCache<Body, Answer>> {
  const { request, plane } = one
  const { step, found } = look
  switch (step.do) {
    case 'refuse':
      settled()
      if (found !== undefined) plane.release(found)
      return { from: 'nowhere' }
    case 'use': {
      settled()
      const ttlS = Math.floor(freshForMs(step.stored, plane.now()) / 1000)
      if (step.isRefreshed) refresh(one)
      const did: CacheDid = { hit: true, ttlS, isRefreshed: step.isRefreshed, isCollapsed }
      return fromStore(one, found!, did, step.isStale ? 'stale' : 'hit', undefined)
    }
    case 'ask': {
      if (found !== undefined) plane.release(found)
      const asked = await plane.ask(undefined, [])
      return passOn(one, step, asked, isCollapsed, settled)
    }
    case 'validate': {
      const isHead = one.asked.method === 'HEAD'
      const asked = isHead
        ? await plane.ask(undefined, conditionNames)
        : await plane.ask(validators(step.stored), one.without)
      const stale = asked.isFromEndpoint ? undefined : afterFailure(step)
      const after = asked.isFromEndpoint
        ? afterAnswer(request.cache, step, one.asked, asked.status, asked.fields, asked.exchange)
        : undefined
      if (stale !== undefined || after?.do === 'use-stale') {
        settled()
        plane.drop(asked.answer)
        const did: CacheDid = { hit: false, why: step.why, status: asked.status, stored: undefined, isStale: true }
        return fromStore(one, found!, did, 'stale', asked)
      }
      if (after?.do === 'use') {
        plane.drop(asked.answer)
        const confirmed = { ...found!, stored: after.stored }
        const work = after.isKept ? plane.renew(request.key, after.stored, confirmed) : plane.forget(request.key)
        plane.later(work.finally(settled))
        const stored = after.isKept ? true : undefined
        return fromStore(one, confirmed, { hit: false, why: step.why, status: 304, stored }, 'revalidated', asked)
      }
      if (after?.do === 'pass-head') {
        const work = after.head === undefined ? plane.forget(request.key) : plane.renew(request.key, after.head, found!)
        plane.later(work.finally(settled))
        if (after.head === undefined) plane.release(found!)
        return { from: 'endpoint', asked, did: { hit: false, why: step.why, stored: undefined }, word: 'miss' }
      }
      plane.release(found!)
      if (after?.do === 'again') {
        plane.drop(asked.answer)
        return passOn(one, step, await plane.ask([], one.without), isCollapsed, settled)
      }
      return passOn(one, step, asked, isCollapsed, settled)
    }
  }
}

/** The endpoint's answer goes to the client, and a copy into the store if it may. */
function passOn<Body, Answer>(
  one: One<Body, Answer>,
  step: Extract<Reuse, { readonly do: 'ask' | 'validate' }>,
  asked: Asked<Answer>,
  isCollapsed: boolean,
  settled: () => void,
): FromCache<Body, Answer> {
  const { request, plane, seen } = one
  const { cache, key } = request
  const plain: Reuse = { do: 'ask', why: step.why, mayStore: step.do === 'validate' || step.mayStore }
  const after = asked.isFromEndpoint
    ? afterAnswer(cache, plain, one.asked, asked.status, asked.fields, asked.exchange)
    : undefined
  const store = after?.do === 'pass' ? after.store : undefined
  const why = after?.do === 'pass' ? after.why : undefined
  if (store === undefined) {
    if (plain.mayStore) rememberUnstored(seen, key, plane.now())
    settled()
  } else {
    seen.unstored.delete(key)
    const work = plane.keep(key, store, asked.answer).then(hindrance => {
      if (hindrance !== undefined) rememberUnstored(seen, key, plane.now())
    })
    plane.later(work.finally(settled))
  }
  const stored = store === undefined ? why : true
  const word = step.why === 'bypass' || step.why === 'method' ? 'bypass' : 'miss'
  return { from: 'endpoint', asked, did: { hit: false, why: step.why, stored, isCollapsed }, word }
}

/** One at a time for a key; the client that set it off has its answer already. */
function refresh<Body, Answer>(one: One<Body, Answer>): void {
  const { request, seen, plane, asked } = one
  if (seen.fetching.has(request.key) || asked.method !== 'GET') return
  const fields = hiding(asked.fields, ofThisClient)
  const quiet: One<Body, Answer> = {
    ...one,
    asked: { ...asked, fields, directives: readCacheControl('no-cache') },
    without: ofThisClient,
  }
  const work = (async () => {
    const answer = await lead(quiet, await lookAndReuse(quiet))
    if (answer.from === 'endpoint') plane.drop(answer.asked.answer)
    if (answer.from === 'store') plane.release(answer.body)
  })()
  plane.later(work)
}

/** The same fields but for those names. */
function hiding(fields: HeaderFields, names: readonly string[]): HeaderFields {
  return {
    ...plainFields([]),
    keys: () => [...fields.keys()].filter(name => !names.includes(name.toLowerCase())),
    get: name => (names.includes(name) ? null : fields.get(name)),
  }
}

function fromStore<Body, Answer>(
  { asked, plane }: One<Body, Answer>,
  found: Found<Body>,
  did: CacheDid,
  word: CacheWord,
  from: Asked<Answer> | undefined,
): FromCache<Body, Answer> {
  const head = answerFrom(found.stored, found.bytes, asked.method, asked.fields, plane.now())
  return { from: 'store', head, body: found, asked: from, did, word }
}

/** For ten seconds nobody waits for an answer that will not be stored. The oldest goes when there are too many. */
function rememberUnstored({ unstored }: CacheSeen, key: string, now: number): void {
  unstored.delete(key)
  unstored.set(key, now + unstoredMs)
  if (unstored.size <= mostUnstored) return
  const [oldest] = unstored.keys()
  unstored.delete(oldest!)
}

/** What one client asked for beside the answer itself. */
const ofThisClient: readonly string[] = [...conditionNames, ...rangeNames]
const mostLooks = 3
const unstoredMs = 10_000
const mostUnstored = 1_000
