// The decision for a connection or session: made once, on its addresses (and what a `tls` listener
// has peeked), before a byte of payload.

import { next, whyNone } from '../pool/balance.ts'
import type { Draw } from '../pool/draw.ts'
import type { Observed } from '../pool/observed.ts'
import type { Endpoint, Pool } from '../pool/pool.ts'
import type { FlowListener, FlowMatch } from '../table/table.ts'
import { splitKeyOf } from '../wire/address.ts'
import type { FlowDecision } from './decision.ts'
import type { FlowFacts } from './facts.ts'
import { kernelEndpoint, kernelKey, kernelVariant } from './kernel.ts'
import { matchFlow } from './match.ts'
import { chooseVariant, type SplitFacts } from './variant.ts'

/** What to do with a flow. Reads `observed` as it is now; claims nothing. */
export function decideFlow(listener: FlowListener, facts: FlowFacts, observed: Observed, draw: Draw): FlowDecision {
  const match = matchFlow(listener, facts)
  if (match === undefined) return NO_ROUTE[whyNoRoute(facts)]
  const rule = match.rule
  if (listener.kernel !== undefined) return decideKernel(listener.kernel, match, facts, observed)
  const variant =
    rule.split === undefined
      ? rule.variants[0]!
      : chooseVariant(rule.split, rule.variants, splitFacts(facts), draw).variant
  const pool = variant.pool
  const key = flowKey(pool, facts)
  const first = next(pool, UNTRIED, observed, facts.now, draw, key)
  if (first === undefined) return { do: 'refuse', rule, reason: whyNone(pool, UNTRIED, observed, facts.now), pool }
  return { do: 'forward', rule, match, variant, pool, first, key }
}

/** No program decides there: this says what the kernel will do. */
function decideKernel(
  kernel: NonNullable<FlowListener['kernel']>,
  match: FlowMatch,
  facts: FlowFacts,
  observed: Observed,
): FlowDecision {
  const { rule } = match
  const variant = kernelVariant(rule, facts.address)
  const { pool } = variant
  const first = kernelEndpoint(kernel, pool, facts, observed)
  if (first === undefined) return { do: 'refuse', rule, reason: whyNone(pool, UNTRIED, observed, facts.now), pool }
  const { clientAddress, clientPort } = facts
  const key = kernelKey(kernel, pool) === 'flow' ? `${clientAddress} ${clientPort}` : splitKeyOf(facts.address!)
  return { do: 'forward', rule, match, variant, pool, first, key }
}

/** Where something was to be seen first and was not, that is the reason: a rule may well be there for those that show it. */
function whyNoRoute(facts: FlowFacts): keyof typeof NO_ROUTE {
  switch (facts.peeked) {
    case 'not-tls':
      return 'not_tls'
    case 'malformed':
    case 'too-long':
      return 'client_hello_invalid'
    case 'hello':
      return facts.sni === undefined ? 'server_name_missing' : 'destination_not_found'
    default:
      return 'destination_not_found'
  }
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
const NO_ROUTE = {
  destination_not_found: { do: 'refuse', rule: undefined, reason: 'destination_not_found', pool: undefined },
  server_name_missing: { do: 'refuse', rule: undefined, reason: 'server_name_missing', pool: undefined },
  not_tls: { do: 'refuse', rule: undefined, reason: 'not_tls', pool: undefined },
  client_hello_invalid: { do: 'refuse', rule: undefined, reason: 'client_hello_invalid', pool: undefined },
} as const satisfies Readonly<Record<string, FlowDecision>>
