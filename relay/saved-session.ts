// A session in a form that another thread or process can take up: plain data, and beside it the socket towards its
// endpoint. What is open is counted where the session is, so whoever takes it up claims its endpoint anew.

import type { FlowFacts } from '../shared/decide/facts.ts'
import { flowKey } from '../shared/decide/flow.ts'
import type { Endpoint } from '../shared/pool/pool.ts'
import type { FlowListener, FlowMatch, FlowVariant, Table } from '../shared/table/table.ts'
import type { Attempt } from './forward.ts'
import { type Sender, Session, type SessionPlace } from './sessions.ts'

/** Survives JSON. */
export interface SavedSession {
  /** Without what a PROXY header carried beside the addresses: that has been passed on already. */
  readonly facts: Omit<FlowFacts, 'proxyHeader'>
  readonly rule: string
  readonly variant: string
  readonly endpoint: string
  readonly place: SessionPlace
  readonly ids: readonly string[]
  readonly sender: { readonly address: string; readonly port: number }
  /** The PROXY header of the datagrams to come, in base64; null when they have none. */
  readonly ahead: string | null
  readonly uniqueId: string | null
  readonly attempts: readonly Attempt[]
  readonly bytesIn: number
  readonly bytesOut: number
  readonly datagramsIn: number
  readonly datagramsOut: number
  /** Since it began, and since a datagram last went either way. */
  readonly ageMs: number
  readonly idleMs: number
}

/** Undefined for one that has no endpoint. */
export function saveSession(session: Session): SavedSession | undefined {
  const { facts, decision, endpoint, place, ids, sender, ahead, uniqueId, attempts } = session
  if (endpoint === undefined) return undefined
  const { proxyHeader: _, ...plain } = facts
  const now = performance.now()
  return {
    facts: plain,
    rule: decision.rule.id,
    variant: decision.variant.name,
    endpoint: endpoint.id,
    place,
    ids: [...ids],
    sender: { address: sender.address, port: sender.port },
    ahead: ahead === undefined ? null : Buffer.from(ahead).toString('base64'),
    uniqueId,
    attempts: [...attempts],
    bytesIn: session.bytesIn,
    bytesOut: session.bytesOut,
    datagramsIn: session.datagramsIn,
    datagramsOut: session.datagramsOut,
    ageMs: now - session.acceptedAt,
    idleMs: now - session.seenAt,
  }
}

/**
 * The session under this table, and the endpoint that it was on; undefined when its rule, variant or endpoint is not
 * there: its next datagram then begins a new one. It is on no endpoint yet.
 *
 * @param now of the door's clock
 */
export function restoreSession(
  saved: SavedSession,
  table: Table,
  listener: FlowListener,
  socket: Sender['socket'],
  now: number,
): { readonly session: Session; readonly endpoint: Endpoint } | undefined {
  const found = findPath(saved, listener)
  if (found === undefined) return undefined
  const { match, variant, endpoint } = found
  const facts: FlowFacts = { ...saved.facts, proxyHeader: undefined }
  const { pool } = variant
  const decision = {
    do: 'forward',
    rule: match.rule,
    match,
    variant,
    pool,
    first: endpoint,
    key: flowKey(pool, facts),
  } as const
  const session = new Session(facts, decision, saved.place, { ...saved.sender, socket }, table, now - saved.idleMs)
  session.acceptedAt = performance.now() - saved.ageMs
  session.uniqueId = saved.uniqueId
  session.attempts.push(...saved.attempts)
  session.bytesIn = saved.bytesIn
  session.bytesOut = saved.bytesOut
  session.datagramsIn = saved.datagramsIn
  session.datagramsOut = saved.datagramsOut
  return { session, endpoint }
}

function findPath(
  saved: SavedSession,
  listener: FlowListener,
): { readonly match: FlowMatch; readonly variant: FlowVariant; readonly endpoint: Endpoint } | undefined {
  const match = listener.matches.find(({ rule }) => rule.id === saved.rule)
  const variant = match?.rule.variants.find(({ name }) => name === saved.variant)
  const endpoint = variant?.pool.endpoints.find(({ id }) => id === saved.endpoint)
  return endpoint === undefined ? undefined : { match: match!, variant: variant!, endpoint }
}
