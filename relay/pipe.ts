// Bytes both ways between a client and its endpoint, until both are done or one of them breaks. An end is passed on as
// an end (half-close), a reset as a reset.

import type { Reason } from '../shared/decide/reason.ts'
import type { Connection } from './flow.ts'
import type { Side } from './side.ts'

/** `done`: both sides ended and every byte was passed on. */
export type FlowEnd = 'done' | Reason

/**
 * Resolves when both sockets have closed; a side that has nothing more to say is waited for no longer than the idle
 * timeout. Sets `flow.cut`, which resets both,
 * and `flow.look`.
 *
 * @param idleMs no byte moved either way for so long: both are reset
 */
export function pipe(flow: Connection, endpoint: Side, idleMs: number): Promise<FlowEnd> {
  const { client } = flow
  return new Promise(resolve => {
    let end: FlowEnd = 'done'
    let unsent = 0
    let timer = setTimeout(watch, Math.min(idleMs, longestTimer))

    flow.cut = reason => {
      if (end === 'done') end = reason
      client.reset()
      endpoint.reset()
    }
    flow.look = () => {
      if (client.isLost) flow.cut('client_reset')
      else if (endpoint.isLost) flow.cut('endpoint_reset')
    }
    client.onClose = () => closed(client, endpoint, 'client_reset')
    endpoint.onClose = () => closed(endpoint, client, 'endpoint_reset')
    client.sendTo(endpoint)
    endpoint.sendTo(client)
    if (client.isClosed) client.onClose()
    else if (endpoint.isClosed) endpoint.onClose()

    function closed(side: Side, other: Side, broken: Reason): void {
      if (side.isBroken) {
        if (end === 'done') end = broken
        other.reset()
      }
      if (!other.isClosed) return
      clearTimeout(timer)
      client.release()
      endpoint.release()
      resolve(end)
    }

    function watch(): void {
      const now = performance.now()
      const leftMs = Math.max(client.movedAt, endpoint.movedAt) + idleMs - now
      // A slow reader may take longer than the timeout over one large write; as long as it takes some, it is not idle.
      const unsentNow = client.unsent + endpoint.unsent
      const isTaking = unsentNow !== unsent
      unsent = unsentNow
      if (leftMs <= 0 && !isTaking) flow.cut('idle_timeout')
      else timer = setTimeout(watch, Math.min(leftMs > 0 ? leftMs : idleMs, longestTimer))
    }
  })
}

/** Longer ones fire at once (Node, `setTimeout`). */
const longestTimer = 2 ** 31 - 1
