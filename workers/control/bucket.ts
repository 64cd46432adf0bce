// A token bucket: so many at once, and so many a second on end.

export interface Bucket {
  readonly most: number
  readonly perSecond: number
  left: number
  at: number
}

export function openBucket(most: number, perSecond: number, now: number): Bucket {
  return { most, perSecond, left: most, at: now }
}

/** Takes one; false when there is none. A clock that steps back fills nothing. */
export function take(bucket: Bucket, now: number): boolean {
  bucket.left = Math.min(bucket.most, bucket.left + (Math.max(0, now - bucket.at) / 1_000) * bucket.perSecond)
  bucket.at = now
  if (bucket.left < 1) return false
  bucket.left -= 1
  return true
}
