// Timeouts and retries of a rule.

import type { HttpTimeoutsInput, RetryInput, RetryOn } from '../config/config-http.ts'
import type { Duration } from '../config/config-values.ts'
import { bounds, defaults } from '../config/defaults.ts'
import { formatDuration, parseDuration } from '../config/units.ts'
import type { HttpRule } from './http-shapes.ts'
import { type Notes, type Spot, within } from './notes.ts'
import { readGatewayDuration } from './words.ts'

/** `0s` turns a timeout off; here it is the longest there is, some 24 days. */
export function readTimeouts(
  input: HttpRule['timeouts'],
  retries: number | undefined,
  spot: Spot,
  notes: Notes,
): { timeouts?: HttpTimeoutsInput } {
  const request = readTime(input?.request, within(spot, 'request'), notes)
  const each = readTime(input?.backendRequest, within(spot, 'backendRequest'), notes)
  if (request === undefined && each === undefined) return {}
  if (request !== undefined && each !== undefined && each > request && input?.backendRequest !== '0s') {
    const message = 'one try may take longer than all tries together'
    notes.add(
      'error',
      'bad-timeouts',
      within(spot, 'backendRequest'),
      message,
      'Raise "request", or lower "backendRequest".',
    )
    return {}
  }
  const usual = parseDuration(defaults.requestTimeout)!
  const needed = each === undefined ? 0 : each * ((retries ?? 0) + 1)
  // Where nothing bounds all tries, our own bound must not cut short what one try was given.
  const whole = request ?? (needed > usual ? Math.min(needed, LONGEST) : undefined)
  const one = each ?? request
  return {
    timeouts: {
      ...(whole === undefined ? {} : { request: written(whole) }),
      ...(one === undefined ? {} : { try: written(Math.min(one, whole ?? one)) }),
    },
  }
}

/**
 * Without `retry` only a connection that never came about is tried again: then no endpoint has seen anything. With it, the
 * codes named; connections that fail; and tries that run out, where their time is bounded (GEP-1731). The standard knows
 * no difference between methods.
 */
export function readRetry(input: HttpRule['retry'], hasTryTimeout: boolean, spot: Spot, notes: Notes): RetryInput {
  if (input === undefined) return { on: ['connect-failure'] }
  const { codes = [], attempts, backoff } = input
  const most = bounds.attempts[1]
  if (attempts !== undefined && attempts + 1 > most) {
    const message = `${attempts} retries become ${most - 1}, the most there are here`
    notes.add('not-carried', 'capped', within(spot, 'attempts'), message, `Write ${most - 1} or less.`)
  }
  const wait = readTime(backoff, within(spot, 'backoff'), notes)
  const on: RetryOn[] = ['connect-failure', ...codes.map((code): RetryOn => `${code}`)]
  if (hasTryTimeout) on.push('timeout')
  return {
    attempts: Math.min((attempts ?? 1) + 1, most),
    on,
    unsafe: true,
    sameEndpoint: true,
    ...(wait === undefined || wait === 0 ? {} : { backoff: written(wait) }),
  }
}

function readTime(text: string | undefined, spot: Spot, notes: Notes): number | undefined {
  if (text === undefined) return undefined
  const ms = readGatewayDuration(text)
  if (ms === undefined) {
    notes.add(
      'error',
      'bad-duration',
      spot,
      `"${text}" is not a length of time`,
      'Write one such as 500ms, 10s or 1h30m.',
    )
    return undefined
  }
  return ms === 0 ? LONGEST : Math.min(ms, LONGEST)
}

function written(ms: number): Duration {
  return formatDuration(ms)
}

/** In milliseconds; see `bounds.timeoutMs`. */
export const LONGEST = 24 * 86_400_000
