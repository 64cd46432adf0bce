// What a rule sends beside the first try: a hedge, and mirrors.

import type { HedgeInput, MirrorInput } from './config-http.ts'
import { bounds, defaults } from './defaults.ts'
import { type Findings, listNames, type Place, show } from './findings.ts'
import type { HedgeConfig, HttpRule, MirrorConfig } from './parsed.ts'
import { readDuration } from './read-values.ts'
import { formatDuration } from './units.ts'

/** `rule` is what has been read of it: a hedge that could never begin is told. */
export function readHedge(
  input: HedgeInput | undefined,
  rule: Pick<HttpRule, 'matches' | 'action' | 'retry' | 'timeouts'>,
  place: Place,
  findings: Findings,
): HedgeConfig | undefined {
  if (input === undefined) return undefined
  const here = [...place, 'after']
  const percentile = percentiles.get(input.after)
  if (percentile === undefined && /^p\d/i.test(input.after)) {
    const message = `${show(input.after)} is not a part of the answers that is known here`
    findings.error('unknown-value', here, message, `Write ${listNames(percentiles.keys())}, or a time such as "200ms".`)
    return undefined
  }
  const hedge: HedgeConfig =
    percentile === undefined
      ? { by: 'time', ms: readDuration(input.after, '1ms', bounds.timeoutMs, here, findings) }
      : { by: 'percentile', percentile }
  checkForwards(rule.action, 'hedge', place, findings)
  const never = (at: Place, message: string, mend: string) => findings.error('hedge-never', at, message, mend)
  if (rule.retry.attempts < 2) {
    const message = 'a hedge is a second try, and the rule has one'
    never(place, message, 'Let "retry" have 2 attempts or more, or leave "hedge" out.')
  }
  if (rule.matches.every(({ methods }) => methods.length > 0 && !methods.some(method => safe.includes(method)))) {
    const message = `only ${listNames(safe, 'and')} are sent twice at once, and the rule matches none of them`
    never(place, message, 'Leave "hedge" out, or match a safe method too.')
  }
  if (hedge.by === 'time' && hedge.ms >= rule.timeouts.tryMs) {
    const message = `one try ends after ${formatDuration(rule.timeouts.tryMs)} already`
    never(here, message, 'Write a shorter time, or raise "timeouts.try".')
  }
  return hedge
}

export function readMirrors(
  input: readonly MirrorInput[] | undefined,
  action: HttpRule['action'],
  place: Place,
  findings: Findings,
): readonly MirrorConfig[] {
  if (input !== undefined) checkForwards(action, 'mirrors', place, findings)
  return (input ?? []).map(({ pool, percent }) => ({ pool, percent: percent ?? defaults.mirrorPercent }))
}

function checkForwards(action: HttpRule['action'], what: string, place: Place, findings: Findings): void {
  if (action.do === 'forward') return
  const message = `a rule with a ${action.do} asks no endpoint, so "${what}" has nothing to do`
  findings.error('not-forwarded', place, message, `Leave "${what}" out, or write it beside "pool" or "variants".`)
}

/** RFC 9110 section 9.2.1. */
const safe = ['GET', 'HEAD', 'OPTIONS', 'TRACE']
const percentiles: ReadonlyMap<string, number> = new Map([
  ['p50', 50],
  ['p95', 95],
  ['p99', 99],
])
