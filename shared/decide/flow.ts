// The decision for a connection or session: made once, on its addresses, before a byte of payload.

import { next, whyNone } from '../pool/balance.ts'
import type { Draw } from '../pool/draw.ts'
import type { Observed } from '../pool/observed.ts'
import type { Endpoint, Pool } from '../pool/pool.ts'
import type { FlowListener } from '../table/table.ts'
import { splitKeyOf } from '../wire/address.ts'
import type { FlowDecision } from './decision.ts'
import type { FlowFacts } from './facts.ts'
import { matchFlow } from './match.ts'
import { chooseVariant, type SplitFacts } from './variant.ts'

/** What to do with a flow. Reads `observed` as it is now; claims nothing. */
export function decideFlow(listener: FlowListener, facts: FlowFacts, observed: Observed, draw: Draw): FlowDecision {
  const match = matchFlow(listener, facts)
  if (match === undefined) return NO_ROUTE
  const rule = match.rule
  const variant =
    rule.split === undefined
      ? rule.variants[0]!
      : chooseVariant(rule.split, rule.variants, splitFacts(facts), draw).variant
  const pool = variant.pool
  const key = flowKey(pool, facts)
  const first = next(pool, UNTRIED, observed, facts.now, draw, key)
  if (first === undefined) return { do: 'refuse', rule, reason: whyNone(pool, UNTRIED, observed, facts.now) }
  return { do: 'forward', rule, match, variant, pool, first, key }
}

/** The client address for `address`, all of the 5-tuple for `flow`. */
export function flowKey(pool: Pool, facts: FlowFacts): string | undefined {
  if (pool.balance.by !== 'hash') return undefined
  if (pool.balance.key.from === 'flow') {
    return `${facts.clientAddress} ${facts.clientPort} ${facts.localAddress} ${facts.localPort}`
  }
  return facts.address === undefined ? undefined : splitKeyOf(facts.address)
}

/** A flow has no headers and no cookies: it is split by address only. */
export function splitFacts(facts: FlowFacts): SplitFacts {
  return { headers: NONE, cookies: NONE, signedCookies: NONE, address: facts.address }
}

const NONE: readonly never[] = []
const UNTRIED: readonly Endpoint[] = []
const NO_ROUTE: FlowDecision = { do: 'refuse', rule: undefined, reason: 'destination_not_found' }
