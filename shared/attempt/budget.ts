// A retry budget per pool: retries may be a share of requests and no more, so that a pool in trouble is not finished off
// by its own clients. Linkerd's rule: 20 % of the requests of the last 10 s, plus a few a second for quiet pools.

/** Counts per second in a ring of ten; changed in place. One for each pool in each isolate or thread. */
export interface RetryBudget {
  /** The second (since 1970) of the newest bucket; bucket `second % 10` is the one being filled. */
  second: number
  readonly requests: number[]
  readonly retries: number[]
  /** Sums over the ring. */
  requestTotal: number
  retryTotal: number
}

export function openBudget(): RetryBudget {
  return {
    second: 0,
    requests: new Array<number>(windowSeconds).fill(0),
    retries: new Array<number>(windowSeconds).fill(0),
    requestTotal: 0,
    retryTotal: 0,
  }
}

/** Counts one request of a client; its retries are not requests. */
export function countRequest(budget: RetryBudget, now: number): void {
  const second = Math.floor(now / 1000)
  if (second > budget.second) turn(budget, second)
  budget.requests[budget.second % windowSeconds]! += 1
  budget.requestTotal += 1
}

/**
 * Takes one retry out of the budget, or says no. Retries in the window stay within `percent` of its requests plus ten
 * times `perSecond`. The window is the running second and the nine before it: between 9 and 10 s. A clock that steps
 * back counts into the newest second.
 *
 * @param percent of requests: 20 means a fifth
 * @param perSecond the pool's own, or `retriesPerSecond` of the plane
 */
export function takeRetry(budget: RetryBudget, percent: number, perSecond: number, now: number): boolean {
  const second = Math.floor(now / 1000)
  if (second > budget.second) turn(budget, second)
  const allowed = (budget.requestTotal * percent) / 100 + perSecond * windowSeconds
  if (budget.retryTotal + 1 > allowed) return false
  budget.retries[budget.second % windowSeconds]! += 1
  budget.retryTotal += 1
  return true
}

/** When a pool names none. A thousand isolates may share an endpoint; a relay is one of few. */
export const retriesPerSecond = { edge: 1, relay: 10 } as const

/** Empties the buckets of the seconds that begin, at most all ten. */
function turn(budget: RetryBudget, second: number): void {
  const steps = Math.min(second - budget.second, windowSeconds)
  for (let step = 0; step < steps; step++) {
    const bucket = (second - step) % windowSeconds
    budget.requestTotal -= budget.requests[bucket]!
    budget.retryTotal -= budget.retries[bucket]!
    budget.requests[bucket] = 0
    budget.retries[bucket] = 0
  }
  budget.second = second
}

const windowSeconds = 10
