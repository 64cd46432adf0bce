// Copies of a request for the mirrors of its rule. They are sent aside: nothing here delays the request or makes it fail.

import type { Ledger } from '../shared/attempt/ledger.ts'
import { type Mirrored, sendMirrors as sendShared } from '../shared/attempt/mirrors.ts'
import type { ForwardDecision } from '../shared/decide/decision.ts'
import { MIRROR } from '../shared/http/edit.ts'
import type { DoorFacts } from '../shared/http/request-facts.ts'
import { countTry } from '../shared/metrics/http-metrics.ts'
import type { Draw } from '../shared/pool/draw.ts'
import { settle } from '../shared/pool/observed.ts'
import type { Endpoint, Pool } from '../shared/pool/pool.ts'
import type { Isolate } from './isolate.ts'
import { drop, latencyOf, type Sent, targetOf, tryEndpoint, verdictOn } from './try.ts'

/**
 * Sends the copies that chance asks for, once the first try is on its way. Enough subrequests are left for all other
 * tries. A WebSocket is not copied: two endpoints cannot both hold the other end.
 *
 * @param attempts tries that the request may take
 */
export function sendMirrors(
  isolate: Isolate,
  { rule }: ForwardDecision,
  facts: DoorFacts,
  sent: Sent,
  draw: Draw,
  ledger: Ledger,
  attempts: number,
  context: ExecutionContext,
): readonly Mirrored[] {
  if (sent.headers.has('upgrade')) return []
  const { upload } = sent
  const isKept = upload.body === 'none' || upload.bytes !== undefined
  const { seen, table } = isolate
  return sendShared(rule.mirrors, table, facts, seen, draw, isKept, ledger, attempts - 1, (pool, endpoint) =>
    context.waitUntil(copyTo(isolate, pool, endpoint, facts, sent, rule.timeouts.tryMs)),
  )
}

/** One try, whose answer is dropped unread. Never rejects: nobody is there to hear it. */
async function copyTo(
  isolate: Isolate,
  pool: Pool,
  endpoint: Endpoint,
  facts: DoorFacts,
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
