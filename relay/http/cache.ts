// The relay's side of the cache: bodies are bytes in memory, and a copy is taken of an answer while it goes to its client.

import { cacheStatus } from '../../shared/cache/cache-status.ts'
import {
  type Asked,
  type CachePlane,
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
import type { Body } from './body.ts'
import type { EndpointAnswer } from './call.ts'
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
      readonly bytes: Buffer | null
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
  const cache = rule.cache!
  const cached: CachePlane<Buffer, Tried<Result>> = {
    now,
    look: async (key, said) => store.look(key, said),
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
      store.keep(key, stored, found.body, request)
    },
    async forget(key) {
      store.forget(key)
    },
    drop: ({ answer }) => answer?.body?.cancel(),
    release: nothing,
    // What is kept is kept beside the answer; nothing of it may be lost silently.
    later: work => void work.catch(bug => process.emitWarning(bug as Error)),
    soon,
  }
  const url = urlOf(facts)
  const through: FromCache<Buffer, Tried<Result>> = await throughCache(
    {
      cache,
      route: rule.route,
      key: keyOf(rule, variant, url, request),
      method: facts.method,
      url,
      fields: request,
      bans: plane.bans,
      waitMs: rule.timeouts.tryMs,
    },
    plane.cached,
    cached,
  )
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
  const bytes =
    head.body === 'none' ? null : head.body === 'whole' ? body.body : body.body.subarray(head.body[0], head.body[1] + 1)
  return { from: 'store', status: head.status, fields, bytes, tried: asked?.answer.result, cacheStatus: status, word }
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

function nothing(): void {}

const none = new Fields()
const empty = Buffer.alloc(0)
