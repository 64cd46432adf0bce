// Whether an endpoint may be used: the probe machine, which is pure, and the marks through which probes, operators and
// the overlay act on `observed`. Each plane feeds them: they share the rules, not the memory.

import { isDown, isDraining, moveGeneration, type Observed } from './observed.ts'
import type { Endpoint, Pool } from './pool.ts'

export interface ProbeState {
  readonly verdict: 'up' | 'down'
  /** Probes in a row that say otherwise. */
  readonly against: number
  /** When the verdict last changed, in milliseconds since 1970. */
  readonly since: number
}

export type ProbeEvent = 'passed' | 'failed'

export interface ProbeLimits {
  /** Failed probes in a row that take an endpoint down. Default 3. */
  readonly fall: number
  /** Passed probes in a row that bring it up. Default 2. */
  readonly rise: number
}

/** An endpoint that was never probed: up until a probe says otherwise, or with `startDown` the other way round. */
export function startProbe(startDown: boolean, now: number): ProbeState {
  return { verdict: startDown ? 'down' : 'up', against: 0, since: now }
}

/**
 * The state after one more probe; the same object when nothing changed. `fall` failures in a row take an up endpoint
 * down, `rise` passes in a row bring it back; one probe that agrees with the verdict starts the count again.
 */
export function stepProbe(state: ProbeState, event: ProbeEvent, limits: ProbeLimits, now: number): ProbeState {
  const isUp = state.verdict === 'up'
  if (isUp === (event === 'passed')) return state.against === 0 ? state : { ...state, against: 0 }
  const against = state.against + 1
  if (against < (isUp ? limits.fall : limits.rise)) return { ...state, against }
  return { verdict: isUp ? 'down' : 'up', against: 0, since: now }
}

/** The word for status and explain; the first that holds. Time ends an ejection by itself. */
export function stateOf(endpoint: Endpoint, observed: Observed, now: number): 'draining' | 'down' | 'ejected' | 'up' {
  const flags = Atomics.load(observed.flags, endpoint.slot)
  if ((flags & isDraining) !== 0) return 'draining'
  if ((flags & isDown) !== 0) return 'down'
  return observed.ejectedUntil[endpoint.slot]! > now ? 'ejected' : 'up'
}

/**
 * A probe found the endpoint up: it ramps up from now on when the pool has a slow start. An ejection is not ended:
 * probes pass while traffic fails. Nothing happens when it was up.
 */
export function markUp(observed: Observed, pool: Pool, endpoint: Endpoint, now: number): void {
  lower(observed, pool, endpoint, isDown, now)
}

/** A probe found the endpoint down: it gets nothing new. What is open goes on. */
export function markDown(observed: Observed, pool: Pool, endpoint: Endpoint): void {
  raise(observed, pool, endpoint, isDown)
}

/** The operator drains the endpoint: nothing new goes there, not even in panic. What a probe says is kept beside it. */
export function markDraining(observed: Observed, pool: Pool, endpoint: Endpoint): void {
  raise(observed, pool, endpoint, isDraining)
}

/** The operator takes the drain back: the endpoint is what its probes say, and ramps up as one that was away. */
export function unmarkDraining(observed: Observed, pool: Pool, endpoint: Endpoint, now: number): void {
  lower(observed, pool, endpoint, isDraining, now)
}

/**
 * Ejects from outside (the overlay carries what other planes saw), or ends an ejection when `until` has passed.
 * The endpoint's own count of ejections stays.
 */
export function markEjected(observed: Observed, pool: Pool, endpoint: Endpoint, until: number): void {
  if (observed.ejectedUntil[endpoint.slot] === until) return
  observed.ejectedUntil[endpoint.slot] = until
  moveGeneration(observed, pool)
}

/** Ramps up an endpoint that a reload added to a pool already serving. Not for a plane that just started. */
export function markNew(observed: Observed, pool: Pool, endpoint: Endpoint, now: number): void {
  observed.upSince[endpoint.slot] = now
  moveGeneration(observed, pool)
}

function raise(observed: Observed, pool: Pool, endpoint: Endpoint, flag: number): void {
  if ((Atomics.or(observed.flags, endpoint.slot, flag) & flag) === 0) moveGeneration(observed, pool)
}

function lower(observed: Observed, pool: Pool, endpoint: Endpoint, flag: number, now: number): void {
  if ((Atomics.load(observed.flags, endpoint.slot) & flag) === 0) return
  observed.upSince[endpoint.slot] = now
  if ((Atomics.and(observed.flags, endpoint.slot, ~flag) & flag) !== 0) moveGeneration(observed, pool)
}
