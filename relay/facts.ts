// What is known about a connection before a byte of it is read.

import type { Socket } from 'node:net'
import type { FlowFacts } from '../shared/decide/facts.ts'
import { parseAddress } from '../shared/wire/address.ts'

/**
 * Addresses in canonical text: a client that came as `::ffff:192.0.2.1` through a dual-stack listener is `192.0.2.1`.
 * A client that is gone already has no address any more: empty text and port 0.
 *
 * @param now milliseconds since 1970
 * @param path of the unix socket it came through; such clients have no address, and no port
 */
export function readFacts(socket: Socket, listener: string, now: number, path?: string): FlowFacts {
  const peer = path === undefined ? (socket.remoteAddress ?? '') : 'unix:'
  const local = path === undefined ? (socket.localAddress ?? '') : `unix:${path}`
  return factsOf(listener, peer, socket.remotePort ?? 0, local, socket.localPort ?? 0, now)
}

/** The same of a flow whose ends are known by other means. */
export function factsOf(
  listener: string,
  peer: string,
  peerPort: number,
  local: string,
  localPort: number,
  now: number,
): FlowFacts {
  const address = parseAddress(withoutZone(peer))
  const peerAddress = address?.text ?? peer
  return {
    listener,
    clientAddress: peerAddress,
    address,
    clientPort: peerPort,
    localAddress: parseAddress(withoutZone(local))?.text ?? local,
    localPort,
    peerAddress,
    peerPort,
    proxyHeader: undefined,
    peeked: 'nothing',
    sni: undefined,
    alpn: none,
    now,
  }
}

const none: readonly string[] = []

/** `fe80::1%eth0` is `fe80::1` as seen on eth0 (RFC 4007 section 11). */
function withoutZone(text: string): string {
  const percent = text.indexOf('%')
  return percent === -1 ? text : text.slice(0, percent)
}
