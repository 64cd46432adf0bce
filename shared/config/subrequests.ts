// How many requests a rule may make for one of a client, at worst: known before anything runs.

import type { HttpRule } from './parsed.ts'

export interface SubrequestPlan {
  /** First try, retries and hedge: no more than `attempts`, and each asks another endpoint. */
  readonly tries: number
  readonly mirrors: number
  readonly total: number
  /** How many may wait for their response headers at once. */
  readonly atOnce: number
}

/** @param endpointsIn how many endpoints of the pool take traffic */
export function planSubrequests(rule: HttpRule, endpointsIn: (pool: string) => number): SubrequestPlan {
  let tries = 0
  if (rule.action.do === 'forward') {
    for (const { to } of rule.action.variants) {
      if ('pool' in to) tries = Math.max(tries, Math.min(rule.retry.attempts, endpointsIn(to.pool)))
    }
  }
  const mirrors = tries === 0 ? 0 : rule.mirrors.filter(mirror => mirror.percent > 0).length
  const open = rule.hedge === undefined ? Math.min(tries, 1) : Math.min(tries, 2)
  return { tries, mirrors, total: tries + mirrors, atOnce: open + mirrors }
}

/** A Worker's seventh fetch waits until one of the first six has its response headers (Cloudflare's limits page). */
export const MOST_AT_ONCE = 6
