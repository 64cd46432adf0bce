// A connection from accept to record, as those hold it who carry it.

import type { FlowDecision } from '../shared/decide/decision.ts'
import type { FlowFacts } from '../shared/decide/facts.ts'
import type { Reason } from '../shared/decide/reason.ts'
import type { Endpoint } from '../shared/pool/pool.ts'
import type { Side } from './side.ts'

export interface Flow {
  /** Counts the flows of a relay. */
  readonly id: number
  /** Another one once TLS has ended here. */
  client: Side
  /** The client asked for TLS in this protocol before it spoke it. */
  startTls: 'postgres' | undefined
  /** What is known of it so far. */
  facts: FlowFacts
  /** `performance.now()` */
  readonly acceptedAt: number
  decision: FlowDecision | undefined
  /** The one it is on, as long as it is. */
  endpoint: Endpoint | undefined
  /** The connection to that. */
  side: Side | undefined
  /** A file descriptor for that connection, while there is none and descriptors are short. */
  kept: number | undefined
  /** Ends it from outside, wherever it stands. */
  cut: (reason: Reason) => void
  /** Looks for a break that nobody told of; asked every now and then. */
  look: () => void
}

/** Whoever carries it on says what `cut` and `look` mean there. */
export function openFlow(client: Side, facts: FlowFacts, acceptedAt: number): Flow {
  opened += 1
  const flow: Flow = {
    id: opened,
    client,
    startTls: undefined,
    facts,
    acceptedAt,
    decision: undefined,
    endpoint: undefined,
    side: undefined,
    kept: undefined,
    cut: () => flow.client.reset(),
    look: () => {},
  }
  return flow
}

let opened = 0
