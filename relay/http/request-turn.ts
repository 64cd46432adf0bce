// Where the pool of a request is at its limit: it waits for its turn, and is decided by the table of that moment.

import type { Held } from '../../shared/attempt/tries.ts'
import type { ForwardDecision, HttpDecision } from '../../shared/decide/decision.ts'
import { decideHttp } from '../../shared/decide/http.ts'
import { type Reason, reasons } from '../../shared/decide/reason.ts'
import { refuse } from '../../shared/http/refuse.ts'
import type { Pool } from '../../shared/pool/pool.ts'
import { callNext, isWaitedFor, joinQueue, leaveQueue, type Party, untilTurn } from '../waiting.ts'
import type { EndpointAnswer } from './call.ts'
import type { Fields } from './fields.ts'
import type { LiveRequest } from './request.ts'
import { tryEndpoints } from './request-tries.ts'

/** The pool in which the request has to wait for its turn; undefined when it need not. */
export function fullPool(request: LiveRequest, decision: HttpDecision): Pool | undefined {
  const pool = decision.do === 'forward' || decision.do === 'reply' ? decision.pool : undefined
  if (pool?.queue === undefined) return undefined
  const isWaiting =
    isAtLimit(decision) || (decision.do === 'forward' && isWaitedFor(request.plane.shared.waiting, pool))
  return isWaiting ? pool : undefined
}

/**
 * All tries, as `tryEndpoints`. A place that the decision saw and that another request or thread took before it was claimed
 * is waited for, where the pool has a queue: `request.decision` is the one that was made then.
 *
 * @param instead is told what was decided then in place of asking; undefined is given back
 */
export async function tryInTurn(
  request: LiveRequest,
  decided: ForwardDecision,
  edit: (fields: Fields) => void,
  instead: (later: Exclude<HttpDecision, ForwardDecision>) => void,
): Promise<Held<EndpointAnswer> | Reason | undefined> {
  for (let decision = decided; ; ) {
    const held = await tryEndpoints(request, decision, edit)
    const hasLost = held === 'connection_limit_reached' && request.attempts.length === 0
    if (!hasLost || decision.pool.queue === undefined || request.exchange.isGone) return held
    const later = await decideInTurn(request, decision.pool)
    if (request.exchange.isGone) return undefined
    if (later.do !== 'forward') {
      instead(later)
      return undefined
    }
    decision = later
  }
}

/** The decision once there is a place in the pool, by the table of that moment, or why there was none in time. */
export async function decideInTurn(request: LiveRequest, pool: Pool): Promise<HttpDecision> {
  const { shared } = request.plane
  const { exchange } = request
  const rule = request.decision?.rule
  const turnedAway = (reason: Reason): HttpDecision => ({
    ...refuse(reason, reasons[reason].status, undefined),
    rule,
    variant: request.decision !== undefined && 'variant' in request.decision ? request.decision.variant : undefined,
    pool,
  })
  const party: Party = { client: { onClose: nothing, isClosed: exchange.isGone }, cut: nothing }
  request.isWaiting = party
  exchange.onGone = () => party.client.onClose()
  let decision = turnedAway('queue_full')
  const waiter = joinQueue(shared.waiting, pool, party, request.waitsUntil)
  request.waitsUntil ??= waiter?.endsAt
  for (let isWaiting = waiter !== undefined; isWaiting; isWaiting = isAtLimit(decision)) {
    const outcome = await untilTurn(waiter!)
    if (outcome !== 'turn') decision = turnedAway(outcome)
    else
      decision = decideHttp(shared.table, { ...request.facts, now: shared.host.now() }, shared.observed, request.draw)
  }
  if (waiter !== undefined) leaveQueue(shared.waiting, pool, waiter)
  // It was called and takes no place: that is for whoever stands behind it.
  if (decision.do !== 'forward') callNext(shared.waiting, pool)
  request.isWaiting = undefined
  exchange.onGone = () => request.gone()
  request.decision = decision
  return decision
}

function isAtLimit(decision: HttpDecision): boolean {
  return decision.do === 'reply' && decision.reason === 'connection_limit_reached'
}

function nothing(): void {}
