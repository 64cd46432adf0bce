// One range of bytes out of a stored whole (RFC 9110 section 14).

/** First and last byte, both included. */
export type Slice = readonly [first: number, last: number]

/**
 * What `Range` asks of a body of so many bytes. `whole`: no range, one that cannot be read, another unit, or several
 * (a server may answer those whole). `unsatisfiable`: none of the bytes exist, 416.
 */
export function readRange(value: string | null, bytes: number): Slice | 'whole' | 'unsatisfiable' {
  const match = value === null ? null : /^bytes=\s*(\d{0,15})-(\d{0,15})\s*$/i.exec(value)
  if (match === null) return 'whole'
  const [, from, to] = match as unknown as [string, string, string]
  if (from === '' && to === '') return 'whole'
  if (from === '') {
    const count = Math.min(Number(to), bytes)
    return count === 0 ? 'unsatisfiable' : [bytes - count, bytes - 1]
  }
  const first = Number(from)
  if (to !== '' && Number(to) < first) return 'whole'
  if (first >= bytes) return 'unsatisfiable'
  return [first, to === '' ? bytes - 1 : Math.min(Number(to), bytes - 1)]
}
