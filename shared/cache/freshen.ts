// A stored answer made fresh again by a 304 or a HEAD (RFC 9111 sections 3.2, 4.3.4 and 4.3.5).

import type { CacheConfig } from '../config/parse-cache.ts'
import type { HeaderFields } from '../http/header-fields.ts'
import { fieldOf, opaque } from './conditional.ts'
import { type AskedFor, storable, storedFields } from './storable.ts'
import { type Exchange, readAnswer, type StoredAnswer } from './stored.ts'

/**
 * What is stored after a 304.
 *
 * `other`: the 304 speaks of another answer than ours (a strong entity tag that differs), so it says nothing of ours and
 * the request has to be sent again without conditions. `gone`: it holds, but what it says now must not be stored.
 */
export function freshen(
  rule: CacheConfig,
  asked: AskedFor,
  stored: StoredAnswer,
  fields: HeaderFields,
  exchange: Exchange,
): { readonly is: 'fresh' | 'gone'; readonly stored: StoredAnswer } | 'other' {
  const said = fields.get('etag')
  const had = fieldOf(stored, 'etag')
  if (said !== null && had !== undefined && opaque(said) !== opaque(had)) return 'other'
  return updated(rule, asked, stored, fields, exchange)
}

/**
 * What becomes of a stored answer to GET when a HEAD for it was answered 200: updated when validators and length agree,
 * undefined (it is out of date and goes) when they do not. Where one has validators and the other has none, nothing is
 * known: they may be of two representations, such as two users'.
 */
export function freshenByHead(
  rule: CacheConfig,
  asked: AskedFor,
  stored: StoredAnswer,
  fields: HeaderFields,
  exchange: Exchange,
): StoredAnswer | undefined {
  for (const name of ['etag', 'last-modified', 'content-length']) {
    const said = fields.get(name)
    const had = fieldOf(stored, name)
    if (said !== null && had !== undefined && said !== had) return undefined
  }
  const known = ['etag', 'last-modified'].map(name => [fields.get(name) ?? undefined, fieldOf(stored, name)] as const)
  const isAlike = known.some(([said, had]) => said !== undefined && said === had)
  const hasNone = known.every(([said, had]) => said === undefined && had === undefined)
  if (!isAlike && !hasNone) return stored
  const outcome = updated(rule, asked, stored, fields, exchange)
  return outcome.is === 'fresh' ? outcome.stored : undefined
}

function updated(
  rule: CacheConfig,
  asked: AskedFor,
  stored: StoredAnswer,
  fields: HeaderFields,
  exchange: Exchange,
): { readonly is: 'fresh' | 'gone'; readonly stored: StoredAnswer } {
  const news = storedFields(fields, readAnswer(fields).directives, exchange.receivedAt).filter(
    ([name]) => !ofTheBody.has(name),
  )
  const renewed = new Set(news.map(([name]) => name))
  const merged = [...stored.fields.filter(([name]) => !renewed.has(name)), ...news]
  const age = fields.get('age')
  const whole = plainFields(age === null ? merged : [...merged, ['age', age]])
  const outcome = storable(rule, { ...asked, method: 'GET' }, stored.status, whole, exchange)
  if (typeof outcome === 'object') return { is: 'fresh', stored: outcome }
  return { is: 'gone', stored: { ...stored, fields: merged, receivedAt: exchange.receivedAt, initialAgeMs: 0 } }
}

/** Plain pairs read as header fields; nothing is written to them. */
export function plainFields(pairs: readonly (readonly [string, string])[]): HeaderFields {
  const byName = new Map<string, string>()
  for (const [name, value] of pairs) {
    const before = byName.get(name)
    byName.set(name, before === undefined ? value : `${before}, ${value}`)
  }
  const refuse = () => {
    throw new Error('a stored answer is not edited')
  }
  return {
    get: name => byName.get(name) ?? null,
    keys: () => byName.keys(),
    set: refuse,
    append: refuse,
    delete: refuse,
  }
}

/** They describe the body that is stored; a 304 has none, and a wrong length would break the answer. */
const ofTheBody: ReadonlySet<string> = new Set([
  'content-length',
  'content-encoding',
  'content-type',
  'content-range',
  'transfer-encoding',
])
