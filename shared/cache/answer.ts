// The answer a client gets from a stored one: status, fields and which bytes.

import type { HeaderFields } from '../http/header-fields.ts'
import { isNotModified, rangeHolds } from './conditional.ts'
import { readRange, type Slice } from './range.ts'
import { ageMs, type StoredAnswer } from './stored.ts'

export interface CachedAnswer {
  readonly status: number
  readonly fields: readonly (readonly [string, string])[]
  /** `none` for HEAD, 304 and 416. */
  readonly body: 'whole' | 'none' | Slice
}

/**
 * `Age` is said even when an endpoint has just confirmed the answer: there it need not be, and it is never wrong.
 *
 * @param bytes length of the stored body; negative when no range can be cut out of it
 */
export function answerFrom(
  stored: StoredAnswer,
  bytes: number,
  method: string,
  request: HeaderFields,
  now: number,
): CachedAnswer {
  const age = ['age', String(Math.floor(ageMs(stored, now) / 1000))] as const
  if (isNotModified(stored, request)) {
    return { status: 304, fields: [...stored.fields.filter(([name]) => !describesBody.has(name)), age], body: 'none' }
  }
  const isHead = method === 'HEAD'
  const range = request.get('range')
  if (range === null || bytes < 0 || isHead || stored.status !== 200 || !rangeHolds(stored, request)) {
    return { status: stored.status, fields: [...stored.fields, age], body: isHead ? 'none' : 'whole' }
  }
  const slice = readRange(range, bytes)
  if (slice === 'whole') return { status: 200, fields: [...stored.fields, age], body: 'whole' }
  const others = stored.fields.filter(([name]) => name !== 'content-length')
  if (slice === 'unsatisfiable') {
    const fields = [...others.filter(([name]) => !describesBody.has(name)), age, ['content-range', `bytes */${bytes}`]]
    return { status: 416, fields: fields as [string, string][], body: 'none' }
  }
  const [first, last] = slice
  return {
    status: 206,
    fields: [
      ...others,
      ['content-range', `bytes ${first}-${last}/${bytes}`],
      ['content-length', String(last - first + 1)],
      age,
    ],
    body: slice,
  }
}

/** Left out of a 304 (RFC 9110 section 15.4.5). */
const describesBody: ReadonlySet<string> = new Set([
  'content-length',
  'content-encoding',
  'content-type',
  'content-language',
  'content-range',
])
