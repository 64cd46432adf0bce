// What a rule keeps of its answers, and what it compresses.

import type { CacheInput, CompressInput } from './config-http.ts'
import { bounds, defaults } from './defaults.ts'
import { type Findings, type Place, show } from './findings.ts'
import type { HttpRule } from './parsed.ts'
import { checkHeaderName, readDuration, readSize } from './read-values.ts'

/** The cache of a rule. What an answer says itself goes before the times that stand here. */
export interface CacheConfig {
  /** Which parameters of the query are part of the key: all, or only these, or all but these. */
  readonly query: 'all' | { readonly only: readonly string[] } | { readonly except: readonly string[] }
  /** Request headers that are part of the key whatever `Vary` says; lower case. */
  readonly headers: readonly string[]
  /** By status: how long an answer is fresh that says nothing itself. */
  readonly ttlMs: readonly (readonly [status: number, ms: number])[]
  /** An answer with `Last-Modified` that says nothing else is fresh for a tenth of its age. */
  readonly isHeuristic: boolean
  readonly staleWhileRevalidateMs: number
  readonly staleIfErrorMs: number
  /** Larger answers are passed on and not stored. */
  readonly maxBodyBytes: number
  /** Requests for one key that come while it is asked for wait for that answer. */
  readonly isCollapsing: boolean
  /** The answer's field that lists its tags; lower case. */
  readonly tagHeader: string
}

export interface CompressConfig {
  /** Media types, `text/*` for a whole kind. */
  readonly types: readonly string[]
  readonly minBytes: number
}

/** `rule` is what has been read of it: a cache that could never store anything is told. */
export function readCache(
  input: CacheInput | boolean | undefined,
  rule: Pick<HttpRule, 'matches' | 'action'>,
  place: Place,
  findings: Findings,
): CacheConfig | undefined {
  if (input === undefined || input === false) return undefined
  const { key = {}, ttl = {}, heuristic, collapse, tagHeader, ...times } = input === true ? {} : input
  checkStores(rule, place, findings)
  const { query = 'all' } = key
  if (query !== 'all' && 'only' in query === 'except' in query) {
    const message = 'a query names the parameters that count, or those that do not'
    findings.error('exactly-one', [...place, 'key', 'query'], message, 'Write either "only" or "except".')
  }
  return {
    query: query === 'all' ? 'all' : 'only' in query ? { only: query.only! } : { except: query.except ?? [] },
    headers: (key.headers ?? []).map((name, index) => fieldName(name, [...place, 'key', 'headers', index], findings)),
    ttlMs: Object.entries(ttl).map(([status, time]) => {
      const here = [...place, 'ttl', status]
      if (!/^[2-5]\d\d$/.test(status) || status === '206') {
        const message = `${show(status)} is not a status whose answers can be stored`
        findings.error(
          'bad-status',
          here,
          message,
          'Write one from 200 to 599, such as "404"; 206 is a part and never stored.',
        )
      }
      return [Number(status), readDuration(time, '0ms', bounds.cacheMs, here, findings)]
    }),
    isHeuristic: heuristic ?? false,
    staleWhileRevalidateMs: time(times.staleWhileRevalidate, [...place, 'staleWhileRevalidate'], findings),
    staleIfErrorMs: time(times.staleIfError, [...place, 'staleIfError'], findings),
    maxBodyBytes: readSize(
      times.maxBody,
      defaults.cacheMaxBody,
      bounds.cacheBodyBytes,
      [...place, 'maxBody'],
      findings,
    ),
    isCollapsing: collapse ?? true,
    tagHeader: fieldName(tagHeader ?? defaults.tagHeader, [...place, 'tagHeader'], findings),
  }
}

export function readCompress(
  input: CompressInput | boolean | undefined,
  place: Place,
  findings: Findings,
): CompressConfig | undefined {
  if (input === undefined || input === false) return undefined
  const { types = defaults.compressTypes, minSize } = input === true ? {} : input
  for (const [index, type] of types.entries()) {
    if (mediaType.test(type)) continue
    const mend = 'Write one such as text/html, or text/* for all of a kind.'
    findings.error('bad-media-type', [...place, 'types', index], `${show(type)} is not a media type`, mend)
  }
  return {
    types: types.map(type => type.toLowerCase()),
    minBytes: readSize(minSize, defaults.compressMinSize, bounds.bodyBytes, [...place, 'minSize'], findings),
  }
}

function checkStores(rule: Pick<HttpRule, 'matches' | 'action'>, place: Place, findings: Findings): void {
  const { action, matches } = rule
  if (action.do !== 'forward') {
    const message = `a rule with a ${action.do} asks no endpoint, so "cache" has nothing to do`
    findings.error('not-forwarded', place, message, 'Leave "cache" out, or write it beside "pool" or "variants".')
  }
  if (matches.every(({ methods }) => methods.length > 0 && !methods.some(method => method === 'GET'))) {
    const message = 'only answers to GET are stored, and the rule does not match it'
    findings.error('cache-never', place, message, 'Leave "cache" out, or match GET too.')
  }
}

function time(text: CacheInput['staleIfError'], place: Place, findings: Findings): number {
  return text === undefined ? 0 : readDuration(text, '0ms', bounds.cacheMs, place, findings)
}

function fieldName(name: string, place: Place, findings: Findings): string {
  checkHeaderName(name, place, findings)
  return name.toLowerCase()
}

const mediaType = /^[a-z0-9!#$&^_.+-]+\/(?:\*|[a-z0-9!#$&^_.+-]+)$/i
