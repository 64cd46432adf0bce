// A connection from accept to record, as those hold it who carry it.

import type { Reason } from '../shared/decide/reason.ts'
import type { Side } from './side.ts'

export interface Flow {
  readonly client: Side
  /** Ends it from outside, wherever it stands. */
  cut: (reason: Reason) => void
  /** Looks for a break that nobody told of; asked every now and then. */
  look: () => void
}

/** Whoever carries it on says what `cut` and `look` mean there. */
export function openFlow(client: Side): Flow {
  return { client, cut: () => client.reset(), look: () => {} }
}
