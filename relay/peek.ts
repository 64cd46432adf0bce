// First bytes looked at before anything is sent on: what a PROXY header or a ClientHello says. They stay where they are.

import type { Reason } from '../shared/decide/reason.ts'
import type { Connection } from './flow.ts'

export type Peeked<Value> =
  | { readonly value: Value; readonly stopped: undefined }
  /** `ended`: the client has nothing more to say. A Reason: it is gone, or the flow was cut. */
  | { readonly value: undefined; readonly stopped: 'timeout' | 'ended' | Reason }

/**
 * Asks `read` with all bytes that have come, again with each new one, until it says something else than `more`. How many
 * bytes may come is for `read` to bound. Sets `flow.cut` for as long as it takes.
 */
export function peek<Value>(
  flow: Connection,
  read: (bytes: Uint8Array) => Value | 'more',
  ms: number,
): Promise<Peeked<Value>> {
  const { client } = flow
  return new Promise(resolve => {
    const finish = (peeked: Peeked<Value>) => {
      clearTimeout(timer)
      client.onEarly = undefined
      client.onClose = nothing
      flow.cut = () => client.reset()
      resolve(peeked)
    }
    const stop = (stopped: 'timeout' | 'ended' | Reason) => finish({ value: undefined, stopped })
    const look = () => {
      const value = read(client.peeked())
      if (value !== 'more') finish({ value, stopped: undefined })
      else if (client.hasEnded) stop('ended')
    }
    const timer = setTimeout(() => stop('timeout'), ms)
    client.onEarly = look
    client.onClose = () => stop('client_gone')
    flow.cut = stop
    if (client.isClosed) stop('client_gone')
    else look()
  })
}

function nothing(): void {}
