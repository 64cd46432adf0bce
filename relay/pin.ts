// From a session to its endpoint: claimed, with a socket of its own that hears nobody else. It stays there until the
// endpoint goes down, is ejected, refuses or leaves the pool; then its next datagram moves it.

import { type EndpointAddress, isIpLiteral } from '../shared/config/endpoint-address.ts'
import { decideFlow } from '../shared/decide/flow.ts'
import type { Reason } from '../shared/decide/reason.ts'
import { next, whyNone } from '../shared/pool/balance.ts'
import { claim, isDown, learn, settle } from '../shared/pool/observed.ts'
import type { Endpoint } from '../shared/pool/pool.ts'
import { pathIn } from '../shared/table/difference.ts'
import type { Plane } from './door.ts'
import { roundMs } from './forward.ts'
import { openingOf } from './opening.ts'
import { reasonOfCode } from './reach.ts'
import type { Session } from './sessions.ts'
import { UdpSocket } from './udp-socket.ts'

/** What a session hears from its endpoint. */
export interface Ears {
  readonly onAnswer: (session: Session, bytes: Uint8Array) => void
  readonly onTrouble: (session: Session, error: string) => void
  /** The session has gone elsewhere, and the endpoint it was on may still answer what it was sent before. */
  readonly onLeft: (session: Session, upstream: UdpSocket) => void
}

/**
 * Puts the session on an endpoint that is not among those tried, its decision's first choice before others. Undefined
 * when it is on one, else why on none.
 */
export function pin(plane: Plane, session: Session, tried: Endpoint[], ears: Ears): Reason | undefined {
  const { observed } = plane
  const { pool, key, first } = session.decision
  const now = plane.host.now()
  const draw = plane.draw()
  let reason: Reason | undefined
  let chosen = tried.length === 0 ? first : next(pool, tried, observed, now, draw, key)
  for (let left = 2 * pool.endpoints.length; chosen !== undefined && left > 0; left--) {
    if (claim(observed, pool, chosen, tried.length > 0)) {
      const upstream = open(chosen.address, session, ears)
      if (typeof upstream !== 'string') {
        settleOn(plane, session, chosen, upstream)
        return undefined
      }
      reason = reasonOfCode(upstream)
      // Our own shortage says nothing about the endpoint.
      const isOurs = reason === 'relay_exhausted'
      settle(observed, pool, chosen, isOurs ? 'neutral' : 'failure', -1, now)
      note(session, chosen, reason, 0)
      if (isOurs) return reason
      tried.push(chosen)
    }
    chosen = next(pool, tried, observed, now, draw, key)
  }
  return reason ?? whyNone(pool, tried, observed, now)
}

/**
 * Puts a session that another thread or process had on the endpoint that it was on there. False when that has no place.
 *
 * @param handle its socket there; undefined: it gets a new one
 */
export function pinAgain(
  plane: Plane,
  session: Session,
  endpoint: Endpoint,
  handle: object | undefined,
  ahead: Uint8Array | undefined,
  ears: Ears,
): boolean {
  const { pool } = session.decision
  if (!claim(plane.observed, pool, endpoint, true)) return false
  const upstream = open(endpoint.address, session, ears, handle)
  if (typeof upstream === 'string') {
    settle(plane.observed, pool, endpoint, 'neutral', -1, plane.host.now())
    return false
  }
  session.endpoint = endpoint
  session.upstream = upstream
  session.ahead = ahead
  session.pinnedAt = performance.now()
  session.generation = plane.observed.generations[pool.index]!
  return true
}

/** Takes the session off its endpoint. */
export function unpin(plane: Plane, session: Session): void {
  const { endpoint, decision, upstream } = session
  if (endpoint === undefined) return
  settle(plane.observed, decision.pool, endpoint, 'neutral', -1, plane.host.now())
  upstream!.close()
  session.upstream = undefined
  session.endpoint = undefined
}

/** Its claim is settled already. */
function leave(session: Session, endpoint: Endpoint, why: Reason, ears: Ears): void {
  ears.onLeft(session, session.upstream!)
  session.upstream = undefined
  session.endpoint = undefined
  session.attempts.pop()
  note(session, endpoint, why, roundMs(performance.now() - session.pinnedAt))
}

/** Whether something may have changed for the session since it was last looked at. Asked with every datagram. */
export function isStale(plane: Plane, session: Session): boolean {
  return (
    session.table !== plane.table ||
    session.generation !== plane.observed.generations[session.decision.pool.index] ||
    session.lost !== undefined
  )
}

/**
 * Looks whether the session may stay where it is, and moves it when it may not. `stayed` also when there is nowhere else
 * to go and the endpoint is still in the pool; a Reason says that it is on no endpoint any more.
 */
export function renew(plane: Plane, session: Session, ears: Ears): 'stayed' | 'moved' | Reason {
  const { observed } = plane
  const found = session.table === plane.table ? 'same' : follow(plane, session)
  if (found === 'other-rule') return moveByDecision(plane, session, ears)
  const { pool } = session.decision
  session.generation = observed.generations[pool.index]!
  const endpoint = session.endpoint!
  const isUnusable =
    (observed.flags[endpoint.slot]! & isDown) !== 0 || observed.ejectedUntil[endpoint.slot]! > plane.host.now()
  const why = session.lost ?? (isUnusable || found === 'no-endpoint' ? 'endpoint_lost' : undefined)
  session.lost = undefined
  if (why === undefined) return 'stayed'
  // Its own place counts as free while it looks for another.
  settle(observed, pool, endpoint, 'neutral', -1, plane.host.now())
  const tried = [...session.refused, endpoint]
  const other = next(pool, tried, observed, plane.host.now(), plane.draw(), session.decision.key)
  const hasToGo = found === 'no-endpoint' || why === 'drained'
  if (other === undefined && !hasToGo && claim(observed, pool, endpoint, true)) return 'stayed'
  leave(session, endpoint, why, ears)
  return pin(plane, session, tried, ears) ?? 'moved'
}

/** The session under the table in force: the same rule and variant, as they are there. */
function follow(plane: Plane, session: Session): 'same' | 'no-endpoint' | 'other-rule' {
  const { decision, facts, endpoint } = session
  const { rule, variant } = decision
  const now = pathIn({ listener: facts.listener, rule, variant, endpoint }, plane.table)
  session.table = plane.table
  if (now === undefined) return 'other-rule'
  session.decision = { ...decision, rule: now.rule, variant: now.variant, pool: now.variant.pool }
  if (now.endpoint === undefined) return 'no-endpoint'
  session.endpoint = now.endpoint
  return 'same'
}

/** Its rule or variant is gone: decided anew, as a session that begins. */
function moveByDecision(plane: Plane, session: Session, ears: Ears): 'moved' | Reason {
  const listener = plane.table.flowListeners.get(session.facts.listener)
  const { endpoint, decision: before } = session
  settle(plane.observed, before.pool, endpoint!, 'neutral', -1, plane.host.now())
  leave(session, endpoint!, 'drained', ears)
  if (listener === undefined) return 'drained'
  const facts = { ...session.facts, now: plane.host.now() }
  const decision = decideFlow(listener, facts, plane.observed, plane.draw())
  if (decision.do === 'refuse') return decision.reason
  session.decision = decision
  session.lost = undefined
  return pin(plane, session, [], ears) ?? 'moved'
}

/** What an answer, or word that there will be none, says about the endpoint. */
export function learnOf(plane: Plane, session: Session, outcome: 'success' | 'failure'): void {
  learn(plane.observed, session.decision.pool, session.endpoint!, outcome, -1, plane.host.now())
}

function settleOn(plane: Plane, session: Session, endpoint: Endpoint, upstream: UdpSocket): void {
  const { pool } = session.decision
  const { sendProxy } = pool
  const opening = sendProxy === undefined ? undefined : openingOf(sendProxy, session.decision, session.facts, undefined)
  session.endpoint = endpoint
  session.upstream = upstream
  session.ahead = opening?.bytes
  session.uniqueId = opening?.uniqueId ?? null
  session.hasAnswer = false
  session.pinnedAt = performance.now()
  session.generation = plane.observed.generations[pool.index]!
  note(session, endpoint, 'connected', 0)
}

/** @param handle connected already */
function open(address: EndpointAddress, session: Session, ears: Ears, handle?: object): UdpSocket | string {
  const ip = address.ip ?? address.host
  if (!isIpLiteral(ip)) return 'ENOTFOUND'
  const upstream = handle === undefined ? new UdpSocket(ip.includes(':') ? 6 : 4) : UdpSocket.of(handle)
  const error = (handle === undefined ? upstream.connect(ip, address.port) : undefined) ?? upstream.listen()
  if (error !== undefined) {
    upstream.close()
    return error
  }
  upstream.onDatagram = bytes => ears.onAnswer(session, bytes)
  upstream.onTrouble = trouble => ears.onTrouble(session, trouble)
  return upstream
}

function note(session: Session, { name }: Endpoint, outcome: Reason | 'connected', ms: number): void {
  const { attempts } = session
  if (attempts.length === mostAttempts) attempts.shift()
  attempts.push({ endpoint: name, outcome, ms })
}

/** The last ones of a session are kept. */
const mostAttempts = 16
