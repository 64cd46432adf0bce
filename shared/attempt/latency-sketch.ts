// How long a pool takes to answer, as counts in buckets that grow by a tenth: any quantile within 5 %, in half a
// kilobyte. One for each pool in each isolate or thread. (The buckets of DDSketch, Masson, Rim and Lee 2019.)

/** Changed in place. */
export interface LatencySketch {
  readonly counts: Int32Array
  /** Sum over the buckets. */
  total: number
}

export function openSketch(): LatencySketch {
  return { counts: new Int32Array(buckets), total: 0 }
}

/**
 * Counts one answer. At 1,000 samples every bucket is halved, so that what was measured long ago fades and a pool that
 * became slower or faster is known after a few hundred requests.
 *
 * @param ms until response headers; below 1 counts as 1, above 80 s as 80 s
 */
export function addSample(sketch: LatencySketch, ms: number): void {
  const { counts } = sketch
  counts[bucketOf(ms)]! += 1
  sketch.total += 1
  if (sketch.total < mostSamples) return
  sketch.total = 0
  for (let bucket = 0; bucket < buckets; bucket++) {
    counts[bucket] = counts[bucket]! >> 1
    sketch.total += counts[bucket]!
  }
}

/**
 * The time within which this part of the answers came, in milliseconds; undefined below 20 samples, from which a p95
 * can be read at all.
 *
 * @param percentile above 0 and below 100
 */
export function quantile(sketch: LatencySketch, percentile: number): number | undefined {
  if (sketch.total < leastSamples) return undefined
  let left = Math.ceil((sketch.total * percentile) / 100)
  for (let bucket = 0; bucket < buckets; bucket++) {
    left -= sketch.counts[bucket]!
    if (left <= 0) return middleOf(bucket)
  }
  return undefined
}

function bucketOf(ms: number): number {
  return ms <= 1 ? 0 : Math.min(buckets - 1, Math.ceil(Math.log(ms) / logGrowth))
}

/** Bucket n holds what is above 1.1^(n - 1) and at most 1.1^n: this is within 5 % of both. */
function middleOf(bucket: number): number {
  return bucket === 0 ? 1 : (2 * growth ** bucket) / (1 + growth)
}

const growth = 1.1
const logGrowth = Math.log(growth)
/** 1.1^118 ms are 76 s: more than any try takes by default. */
const buckets = 120
const mostSamples = 1_000
export const leastSamples = 20
