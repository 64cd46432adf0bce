// The relay's side of the cache: bodies are bytes in memory, and a copy is taken of an answer while it goes to its client.

import { cacheStatus } from '../../shared/cache/cache-status.ts'
import {
  type Asked,
  type CachePlane,
  type CacheRequest,
  type CacheWord,
  type Conditions,
  type FromCache,
  throughCache,
} from '../../shared/cache/exchange.ts'
import { keyOf, urlOf } from '../../shared/cache/key.ts'
import type { WhyNotStored } from '../../shared/cache/storable.ts'
import { removeHopByHop } from '../../shared/http/hop-by-hop.ts'
import type { DoorFacts } from '../../shared/http/request-facts.ts'
import type { HttpRule, HttpVariant } from '../../shared/table/table.ts'
import type { StoredBody } from './answer-store.ts'
import type { Body } from './body.ts'
import type { EndpointAnswer } from './call.ts'
import { DiskBody } from './disk-body.ts'
import { Fields } from './fields.ts'
import type { HttpPlane } from './plane.ts'

/** What the tries came to: an endpoint's answer, or undefined when it has to be ours. */
export interface Tried<Result> {
  readonly answer: EndpointAnswer | undefined
  readonly result: Result
}

/** What goes to the client: stored fields and bytes, or the tries' own outcome. */
export type ThroughCache<Result> =
  | {
      readonly from: 'store'
      readonly status: number
      readonly fields: Fields
      /** In memory, or read from disk as it is taken; null where there is none. */
      readonly body: Buffer | Body | null
      /** Of the part that is given. */
      readonly length: number
      readonly tried: Result | undefined
      readonly cacheStatus: string
      readonly word: CacheWord
    }
  | { readonly from: 'tries'; readonly tried: Result; readonly cacheStatus: string; readonly word: CacheWord }
  | { readonly from: 'nowhere' }

/**
 * The answer to a GET or HEAD on a rule with a cache.
 *
 * @param ask asks an endpoint; `edit` is done to the request's fields after all other edits
 */
export async function answerThroughCache<Result>(
  plane: HttpPlane,
  rule: HttpRule,
  variant: HttpVariant,
  facts: DoorFacts,
  request: Fields,
  ask: (edit: (fields: Fields) => void) => Promise<Tried<Result>>,
): Promise<ThroughCache<Result>> {
  const { store } = plane
  const { now } = plane.shared.host
  const opened: DiskBody[] = []
  /** What goes to the client; undefined as long as nobody knows. */
  let given: StoredBody | null | undefined
  const releaseOthers = () => {
    if (given !== undefined) for (const body of opened.splice(0)) if (body !== given) body.release()
  }
  const cache = rule.cache!
  const cached: CachePlane<StoredBody, Tried<Result>> = {
    now,
    look: async (key, said) => {
      const found = await store.look(key, said)
      if (typeof found === 'object' && found.body instanceof DiskBody) opened.push(found.body)
      return found
    },
    async ask(conditions, without): Promise<Asked<Tried<Result>>> {
      const requestedAt = now()
      const tried = await ask(fields => setConditions(fields, conditions, without))
      const exchange = { requestedAt, receivedAt: now() }
      const { answer } = tried
      if (answer === undefined) return { answer: tried, status: 502, fields: none, isFromEndpoint: false, exchange }
      const fields = answer.fields.copy()
      removeHopByHop(fields, false)
      return { answer: tried, status: answer.status, fields, isFromEndpoint: true, exchange }
    },
    async keep(key, stored, { answer }) {
      const whole = await copied(answer!.body, cache.maxBodyBytes)
      if (typeof whole === 'string') return whole
      store.keep(key, stored, whole, request)
      return undefined
    },
    async renew(key, stored, found) {
      store.renew(key, stored, found.body, request)
    },
    async forget(key) {
      store.forget(key)
    },
    drop: ({ answer }) => answer?.body?.cancel(),
    release: ({ body }) => (body instanceof DiskBody ? body.release() : undefined),
    // What is kept is kept beside the answer; nothing of it may be lost silently.
    later: work => void work.catch(bug => process.emitWarning(bug as Error)).finally(releaseOthers),
    soon,
  }
  const url = urlOf(facts)
  const one: CacheRequest = {
    cache,
    route: rule.route,
    key: keyOf(rule, variant, url, request),
    method: facts.method,
    url,
    fields: request,
    bans: plane.bans,
    waitMs: rule.timeouts.tryMs,
  }
  let through: FromCache<StoredBody, Tried<Result>> | undefined
  try {
    through = await throughCache(one, plane.cached, cached)
  } finally {
    given = through?.from === 'store' && through.head.body !== 'none' ? through.body.body : null
    releaseOthers()
  }
  if (through.from === 'nowhere') return through
  const { word } = through
  const status = cacheStatus(through.did)
  if (through.from === 'endpoint')
    return { from: 'tries', tried: through.asked.answer.result, cacheStatus: status, word }
  const { head, body, asked } = through
  const fields = new Fields()
  for (const [name, value] of head.fields) fields.append(name, value)
  // A 304 may set a cookie for the client that asked; it is not stored.
  if (word === 'revalidated') {
    asked!.answer.answer?.fields.forEach((value, name) => {
      if (name === 'set-cookie') fields.append(name, value)
    })
  }
  const [from, to] = typeof head.body === 'object' ? head.body : [0, body.bytes - 1]
  return {
    from: 'store',
    status: head.status,
    fields,
    body: head.body === 'none' ? null : partOf(body.body, from, to),
    length: to + 1 - from,
    tried: asked?.answer.result,
    cacheStatus: status,
    word,
  }
}

/** Both included. The whole of what is in memory is the very same object: its encoded form is known by it. */
function partOf(body: StoredBody, from: number, to: number): Buffer | Body {
  if (body instanceof DiskBody) return body.part(from, to)
  return to + 1 - from === body.length ? body : body.subarray(from, to + 1)
}

function setConditions(fields: Fields, conditions: Conditions, without: readonly string[]): void {
  for (const name of without) fields.delete(name)
  for (const [name, value] of conditions ?? []) fields.set(name, value)
}

/** A copy of a body that goes to somebody else; the bytes are our own, not parts of what was read. */
function copied(body: Body | undefined, most: number): Promise<Buffer | WhyNotStored> {
  if (body === undefined) return Promise.resolve(empty)
  return new Promise(resolve => {
    let chunks: Buffer[] = []
    let bytes = 0
    body.watch({
      chunk: chunk => {
        bytes += chunk.length
        if (bytes <= most) chunks.push(chunk)
        else {
          chunks = []
          resolve('too-large')
        }
      },
      ended: isWhole => resolve(isWhole ? Buffer.concat(chunks) : 'interrupted'),
    })
  })
}

async function soon(promise: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>(resolve => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([promise, late])
  clearTimeout(timer)
}

const none = new Fields()
const empty = Buffer.alloc(0)
