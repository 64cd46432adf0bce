// Ten thousand random exchanges through the cache, held against the model.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Asked, type CachePlane, type Found, openCacheSeen, throughCache } from '../../../shared/cache/exchange.ts'
import { fits } from '../../../shared/cache/vary.ts'
import type { CacheConfig } from '../../../shared/config/parse-cache.ts'
import { type ModelAnswer, ModelCache, type ModelOutcome, type ModelRequest } from './model.ts'

const cache: CacheConfig = {
  query: 'all',
  headers: [],
  ttlMs: [],
  isHeuristic: false,
  staleWhileRevalidateMs: 0,
  staleIfErrorMs: 0,
  maxBodyBytes: 1_000_000,
  isCollapsing: true,
  tagHeader: 'cache-tag',
}

const seconds = fc.option(fc.constantFrom(0, 1, 5, 30), { nil: undefined })
const rarely = fc.integer({ min: 0, max: 9 }).map(n => n === 0)

const answers: fc.Arbitrary<ModelAnswer> = fc.record({
  status: fc.constantFrom(200, 200, 200, 404, 503),
  maxAge: seconds,
  sMaxage: fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: seconds }),
  expiresIn: seconds,
  age: fc.constantFrom(0, 0, 0, 3, 60),
  isPublic: rarely,
  isPrivate: rarely,
  noStore: rarely,
  noCache: rarely,
  mustRevalidate: rarely,
  staleIfError: fc.option(fc.constantFrom(0, 10, 60), { nil: undefined }),
  etag: fc.constantFrom(undefined, '"a"', '"b"'),
  vary: fc.constantFrom<ModelAnswer['vary'][]>(undefined, undefined, 'x-a', 'x-b', '*'),
  setsCookie: rarely,
})

const requests: fc.Arbitrary<ModelRequest> = fc.record({
  hasAuthorization: rarely,
  a: fc.constantFrom(undefined, '1', '2'),
  b: fc.constantFrom(undefined, '1'),
  maxAge: fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: seconds }),
  minFresh: fc.oneof({ weight: 6, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: seconds }),
  maxStale: fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: seconds }),
  noCache: rarely,
  noStore: rarely,
  onlyIfCached: rarely,
})

const steps = fc.array(
  fc.record({
    request: requests,
    answer: answers,
    passes: fc.constantFrom(0, 1, 4, 20, 100),
    isUp: fc.integer({ min: 0, max: 4 }).map(n => n > 0),
  }),
  { minLength: 1, maxLength: 12 },
)

test('what the cache gives is what the model gives', async () => {
  let exchanges = 0
  await fc.assert(
    fc.asyncProperty(steps, async list => {
      const model = new ModelCache()
      const real = realCache()
      let now = 1_000_000
      for (const [body, { request, answer, passes, isUp }] of list.entries()) {
        now += passes
        exchanges += 1
        const got = await real.ask(request, now, answer, body, isUp)
        expect(got, `request ${body + 1}`).toEqual(model.ask(request, now, answer, body, isUp))
      }
    }),
    { numRuns: 2_500, seed: 47 },
  )
  expect(exchanges).toBeGreaterThan(10_000)
})

/** The production cache over a store in memory; an answer's body is its number. */
function realCache() {
  const store = new Map<string, { divides: string; entries: Found<number>[] }>()
  const seen = openCacheSeen()
  return {
    async ask(
      request: ModelRequest,
      nowS: number,
      next: ModelAnswer,
      number: number,
      isUp: boolean,
    ): Promise<ModelOutcome> {
      const now = nowS * 1000
      const fields = requestFields(request)
      const work: Promise<unknown>[] = []
      const plane: CachePlane<number, number> = {
        now: () => now,
        async look(key, said) {
          const at = store.get(key)
          if (at === undefined) return undefined
          return at.entries.find(({ stored }) => fits(stored.vary, said)) ?? 'vary-miss'
        },
        async ask(conditions): Promise<Asked<number>> {
          const exchange = { requestedAt: now, receivedAt: now }
          if (!isUp) {
            return { answer: number, status: 502, fields: new Headers(), isFromEndpoint: false, exchange }
          }
          const asked = conditions?.find(([name]) => name === 'if-none-match')?.[1]
          const isSame = asked !== undefined && asked === next.etag && next.status === 200
          const status = isSame ? 304 : next.status
          return { answer: number, status, fields: answerFields(next, now), isFromEndpoint: true, exchange }
        },
        async keep(key, stored, answer) {
          put(key, { stored, bytes: 1, body: answer })
          return undefined
        },
        async renew(key, stored, found) {
          put(key, { ...found, stored })
        },
        async forget(key) {
          store.delete(key)
        },
        drop: () => {},
        release: () => {},
        later: promise => void work.push(promise),
        soon: promise => promise,
      }
      const put = (key: string, found: Found<number>) => {
        const divides = found.stored.vary.map(([name]) => name).join()
        const at = store.get(key)
        const others = at?.divides === divides ? at.entries.filter(({ stored }) => !fits(stored.vary, fields)) : []
        store.set(key, { divides, entries: [...others, found] })
      }
      const one = { cache, route: 'r', key: 'k', method: 'GET', url: 'http://x/', fields, bans: [], waitMs: 1000 }
      const got = await throughCache(one, seen, plane)
      await Promise.all(work)
      if (got.from === 'nowhere') return { is: 'nothing' }
      if (got.from === 'endpoint') return { is: 'endpoint' }
      const { word, did, body } = got
      if (word === 'revalidated') return { is: 'validated', body: body.body }
      return { is: !did.hit && did.isStale === true ? 'stale' : 'stored', body: body.body }
    },
  }
}

function requestFields(request: ModelRequest): Headers {
  const fields = new Headers()
  if (request.hasAuthorization) fields.set('authorization', 'Basic a')
  if (request.a !== undefined) fields.set('x-a', request.a)
  if (request.b !== undefined) fields.set('x-b', request.b)
  const control = [
    ...(request.maxAge === undefined ? [] : [`max-age=${request.maxAge}`]),
    ...(request.minFresh === undefined ? [] : [`min-fresh=${request.minFresh}`]),
    ...(request.maxStale === undefined ? [] : [`max-stale=${request.maxStale}`]),
    ...(request.noCache ? ['no-cache'] : []),
    ...(request.noStore ? ['no-store'] : []),
    ...(request.onlyIfCached ? ['only-if-cached'] : []),
  ]
  if (control.length > 0) fields.set('cache-control', control.join(', '))
  return fields
}

function answerFields(answer: ModelAnswer, now: number): Headers {
  const fields = new Headers({ date: new Date(now).toUTCString() })
  const control = [
    ...(answer.maxAge === undefined ? [] : [`max-age=${answer.maxAge}`]),
    ...(answer.sMaxage === undefined ? [] : [`s-maxage=${answer.sMaxage}`]),
    ...(answer.isPublic ? ['public'] : []),
    ...(answer.isPrivate ? ['private'] : []),
    ...(answer.noStore ? ['no-store'] : []),
    ...(answer.noCache ? ['no-cache'] : []),
    ...(answer.mustRevalidate ? ['must-revalidate'] : []),
    ...(answer.staleIfError === undefined ? [] : [`stale-if-error=${answer.staleIfError}`]),
  ]
  if (control.length > 0) fields.set('cache-control', control.join(', '))
  if (answer.expiresIn !== undefined) fields.set('expires', new Date(now + answer.expiresIn * 1000).toUTCString())
  if (answer.age > 0) fields.set('age', String(answer.age))
  if (answer.etag !== undefined) fields.set('etag', answer.etag)
  if (answer.vary !== undefined) fields.set('vary', answer.vary)
  if (answer.setsCookie) fields.set('set-cookie', 'a=1')
  return fields
}
