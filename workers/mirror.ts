// Copies of a request for the mirrors of its rule. They are sent aside: nothing here delays the request or makes it fail.

import { type Ledger, takeSubrequest } from '../shared/attempt/ledger.ts'
import { requestKey } from '../shared/decide/http.ts'
import { isMirrored, mirrorDraw } from '../shared/decide/mirror.ts'
import type { Reason } from '../shared/decide/reason.ts'
import { countTry } from '../shared/metrics/http-metrics.ts'
import { whyNone } from '../shared/pool/balance.ts'
import type { Draw } from '../shared/pool/draw.ts'
import { claim, settle } from '../shared/pool/observed.ts'
import type { Endpoint, Pool } from '../shared/pool/pool.ts'
import { MIRROR } from './edit.ts'
import type { EdgeFacts } from './facts.ts'
import type { Isolate } from './isolate.ts'
import { choose } from './observed.ts'
import type { Sent, Tries } from './tries.ts'
import { drop, latencyOf, targetOf, tryEndpoint, verdictOn } from './try.ts'

/** For the record, which is written before the copy is answered. */
export type Mirrored =
  | { readonly pool: string; readonly endpoint: string; readonly outcome: 'sent' }
  | { readonly pool: string; readonly endpoint: null; readonly outcome: 'skipped'; readonly why: SkipReason }

/** `body-too-long`: longer than the retry buffer, or of a length that nobody says. */
type SkipReason =
  | 'body-too-long'
  | Extract<Reason, `destination_${string}` | `connection_${string}` | `subrequests_${string}`>

/**
 * Sends the copies that chance asks for, once the first try is on its way. Enough subrequests are left for all other
 * tries. A WebSocket is not copied: two endpoints cannot both hold the other end.
 */
export function sendMirrors(tries: Tries, context: ExecutionContext): readonly Mirrored[] {
  const { isolate, decision, facts, sent, draw, plan, ledger } = tries
  if (sent.headers.has('upgrade')) return []
  const { mirrors, timeouts } = decision.rule
  const done: Mirrored[] = []
  for (const [index, mirror] of mirrors.entries()) {
    if (!isMirrored(mirror, index, draw)) continue
    const { pool } = mirror
    const claimed = claimFor(isolate, pool, facts, sent, mirrorDraw(index, draw), ledger, plan.attempts - 1)
    if (typeof claimed === 'string') {
      done.push({ pool: pool.name, endpoint: null, outcome: 'skipped', why: claimed })
      continue
    }
    context.waitUntil(copyTo(isolate, pool, claimed, facts, sent, timeouts.tryMs))
    done.push({ pool: pool.name, endpoint: claimed.name, outcome: 'sent' })
  }
  return done
}

/** The endpoint of a copy, claimed and paid for; or why there is none. */
function claimFor(
  isolate: Isolate,
  pool: Pool,
  facts: EdgeFacts,
  { upload }: Sent,
  draw: Draw,
  ledger: Ledger,
  keep: number,
): Endpoint | SkipReason {
  const { seen, table } = isolate
  if (upload.body !== 'none' && upload.bytes === undefined) return 'body-too-long'
  const endpoint = choose(seen, pool, UNTRIED, facts.now, draw, requestKey(pool, table, facts))
  if (endpoint === undefined) return whyNone(pool, UNTRIED, seen.observed, facts.now)
  if (!takeSubrequest(ledger, keep)) return 'subrequests_exhausted'
  return claim(seen.observed, pool, endpoint) ? endpoint : 'connection_limit_reached'
}

/** One try, whose answer is dropped unread. Never rejects: nobody is there to hear it. */
async function copyTo(
  isolate: Isolate,
  pool: Pool,
  endpoint: Endpoint,
  facts: EdgeFacts,
  { request, headers, upload, path, host }: Sent,
  timeoutMs: number,
): Promise<void> {
  const { observed } = isolate.seen
  const copied = new Headers(headers)
  copied.set(MIRROR, '1')
  try {
    const target = targetOf(endpoint, facts, path, isolate.bindings, host)
    const end = await tryEndpoint(target, request, copied, upload, timeoutMs, new AbortController(), false)
    settle(observed, pool, endpoint, verdictOn(end, upload), latencyOf(end, upload), end.at)
    countTry(isolate.metrics, pool, endpoint, end.outcome, false)
    drop(end.response)
  } catch (bug) {
    settle(observed, pool, endpoint, 'neutral', -1, Date.now())
    console.error(`fourseven: a bug in a mirror: ${bug instanceof Error ? bug.stack : bug}`)
  }
}

const UNTRIED: readonly Endpoint[] = []
