// What is known about a connection before a byte of it is read.

import type { Socket } from 'node:net'
import type { FlowFacts } from '../shared/decide/facts.ts'
import { parseAddress } from '../shared/wire/address.ts'

/**
 * Addresses in canonical text: a client that came as `::ffff:192.0.2.1` through a dual-stack listener is `192.0.2.1`.
 * A client that is gone already has no address any more: empty text and port 0.
 *
 * @param now milliseconds since 1970
 */
export function readFacts(socket: Socket, listener: string, now: number): FlowFacts {
  const peer = socket.remoteAddress ?? ''
  const local = socket.localAddress ?? ''
  const address = parseAddress(withoutZone(peer))
  return {
    listener,
    clientAddress: address?.text ?? peer,
    address,
    clientPort: socket.remotePort ?? 0,
    localAddress: parseAddress(withoutZone(local))?.text ?? local,
    localPort: socket.localPort ?? 0,
    now,
  }
}

/** `fe80::1%eth0` is `fe80::1` as seen on eth0 (RFC 4007 section 11). */
function withoutZone(text: string): string {
  const percent = text.indexOf('%')
  return percent === -1 ? text : text.slice(0, percent)
}
