// W3C Trace Context, level 1: a trace that comes in is continued with a parent id of ours, else one is started.

import { hexOfWords } from '../wire/hex.ts'
import type { HeaderFields } from './header-fields.ts'

export interface Trace {
  /** 32 hex digits. */
  readonly traceId: string
  /** 16 hex digits: the parent id that the endpoint sees. */
  readonly spanId: string
  /** The flags it came with; undefined when it was started here. */
  readonly flags: number | undefined
}

/**
 * @param said `traceparent` as it came
 * @param word gives 32 random bits; asked twice, and four times more for a new trace
 */
export function readTrace(said: string | null, word: () => number): Trace {
  const parts = said === null ? null : traceparent.exec(said)
  const isValid =
    parts !== null && parts[1] !== 'ff' && parts[2] !== noTrace && parts[3] !== noSpan && isWhole(parts[1]!, said!)
  const spanId = hexOfWords(word(), word() | 1)
  if (!isValid) return { traceId: hexOfWords(word(), word(), word(), word() | 1), spanId, flags: undefined }
  return { traceId: parts![2]!, spanId, flags: Number.parseInt(parts![4]!, 16) & knownFlags }
}

/**
 * Writes `traceparent`; `tracestate` stays only with a trace that is continued (section 3.3.1: without a valid
 * traceparent it may not be read).
 *
 * @param isSampled for a trace started here: whether we keep a record of it
 */
export function setTrace(fields: HeaderFields, trace: Trace, isSampled: boolean): void {
  const flags = trace.flags ?? (isSampled ? 1 : 0)
  fields.set('traceparent', `00-${trace.traceId}-${trace.spanId}-0${flags}`)
  if (trace.flags === undefined) fields.delete('tracestate')
}

/** Version 00 is 55 characters and no more; later ones may bring more behind another dash (section 3.2.4). */
function isWhole(version: string, said: string): boolean {
  return said.length === 55 || (version !== '00' && said[55] === '-')
}

const traceparent = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})/
const noTrace = '0'.repeat(32)
const noSpan = '0'.repeat(16)
/** `sampled`, and `random` of level 2, which says how the trace id was made: still true when the trace goes on. */
const knownFlags = 0x03
