// Bytes both ways between a client and an endpoint that speak another protocol from here on: a WebSocket.

import type { Duplex } from 'node:stream'
import type { Upgraded } from './exchange.ts'

export interface UpgradedEvents {
  moved(): void
  /** Both sides are closed. */
  ended(): void
}

/** Gives what ends both. */
export function joinUpgraded(
  client: Upgraded,
  endpoint: Upgraded,
  bytes: { in: number; out: number },
  events: UpgradedEvents,
): () => void {
  let open = 2
  const closed = () => {
    open -= 1
    if (open === 0) events.ended()
  }
  const cut = () => {
    client.socket.destroy()
    endpoint.socket.destroy()
  }
  carry(client, endpoint.socket, count => {
    bytes.in += count
    events.moved()
  })
  carry(endpoint, client.socket, count => {
    bytes.out += count
    events.moved()
  })
  client.socket.once('close', closed)
  endpoint.socket.once('close', closed)
  return cut
}

function carry({ socket, early }: Upgraded, to: Duplex, moved: (count: number) => void): void {
  const pass = (chunk: Buffer) => {
    moved(chunk.length)
    if (!to.destroyed && !to.write(chunk)) socket.pause()
  }
  socket.on('data', pass)
  to.on('drain', () => socket.resume())
  socket.once('end', () => to.end())
  // A side that broke takes the other with it.
  socket.once('error', () => to.destroy())
  socket.once('close', () => {
    if (!socket.readableEnded) to.destroy()
    else setTimeout(() => to.destroy(), lingerMs).unref()
  })
  if (early.length > 0) pass(early)
  socket.resume()
}

/** For a side that was told of the end and does not end. */
const lingerMs = 2_000
