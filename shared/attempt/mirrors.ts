// Which copies of a request are sent aside, and to which endpoints: chance says whether, the ledger and the pool whether
// it can be.

import type { RequestFacts } from '../decide/facts.ts'
import { requestKey } from '../decide/http.ts'
import { isMirrored, mirrorDraw } from '../decide/mirror.ts'
import type { Reason } from '../decide/reason.ts'
import { whyNone } from '../pool/balance.ts'
import type { Draw } from '../pool/draw.ts'
import { claim } from '../pool/observed.ts'
import type { Endpoint, Pool } from '../pool/pool.ts'
import type { Mirror, Table } from '../table/table.ts'
import { type Ledger, takeSubrequest } from './ledger.ts'
import { choose, type Seen } from './seen.ts'

/** For the record, which may be written before the copy is answered. */
export type Mirrored =
  | { readonly pool: string; readonly endpoint: string; readonly outcome: 'sent' }
  | { readonly pool: string; readonly endpoint: null; readonly outcome: 'skipped'; readonly why: SkipReason }

/** `body-too-long`: longer than the retry buffer, or of a length that nobody says. */
type SkipReason =
  | 'body-too-long'
  | Extract<Reason, `destination_${string}` | `connection_${string}` | `subrequests_${string}`>

/**
 * Claims an endpoint for every copy that chance asks for and sends it; whoever sends it settles it.
 *
 * @param isKept the body is kept whole, or there is none
 * @param keep subrequests that are left for the tries of the request itself
 */
export function sendMirrors(
  mirrors: readonly Mirror[],
  table: Table,
  facts: RequestFacts,
  seen: Seen,
  draw: Draw,
  isKept: boolean,
  ledger: Ledger,
  keep: number,
  send: (pool: Pool, endpoint: Endpoint) => void,
): readonly Mirrored[] {
  const done: Mirrored[] = []
  for (const [index, mirror] of mirrors.entries()) {
    if (!isMirrored(mirror, index, draw)) continue
    const { pool } = mirror
    const claimed = claimFor(pool, table, facts, seen, mirrorDraw(index, draw), isKept, ledger, keep)
    if (typeof claimed === 'string') {
      done.push({ pool: pool.name, endpoint: null, outcome: 'skipped', why: claimed })
      continue
    }
    send(pool, claimed)
    done.push({ pool: pool.name, endpoint: claimed.name, outcome: 'sent' })
  }
  return done
}

/** The endpoint of a copy, claimed and paid for; or why there is none. */
function claimFor(
  pool: Pool,
  table: Table,
  facts: RequestFacts,
  seen: Seen,
  draw: Draw,
  isKept: boolean,
  ledger: Ledger,
  keep: number,
): Endpoint | SkipReason {
  if (!isKept) return 'body-too-long'
  const endpoint = choose(seen, pool, UNTRIED, facts.now, draw, requestKey(pool, table, facts))
  if (endpoint === undefined) return whyNone(pool, UNTRIED, seen.observed, facts.now)
  if (!takeSubrequest(ledger, keep)) return 'subrequests_exhausted'
  return claim(seen.observed, pool, endpoint) ? endpoint : 'connection_limit_reached'
}

const UNTRIED: readonly Endpoint[] = []
