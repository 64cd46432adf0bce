// `Retry-After` as an endpoint gives it: seconds, or a date.

import { readHttpDate } from '../wire/http-date.ts'

/** Milliseconds from now (RFC 9110 section 10.2.3). Undefined when absent or malformed; 0 for a date that has passed. */
export function readRetryAfter(value: string | null, now: number): number | undefined {
  if (value === null) return undefined
  const text = value.trim()
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000
  const date = readHttpDate(text, now)
  return date === undefined ? undefined : Math.max(0, date - now)
}
