// `Retry-After` as an endpoint gives it: seconds, or a date.

/**
 * Milliseconds from now (RFC 9110 section 10.2.3). Undefined when absent or malformed; 0 for a date that has passed.
 * Of dates the preferred form is read (`Sun, 06 Nov 1994 08:49:37 GMT`), not the two obsolete ones.
 */
export function readRetryAfter(value: string | null, now: number): number | undefined {
  if (value === null) return undefined
  const text = value.trim()
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000
  if (!/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text)) return undefined
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}
