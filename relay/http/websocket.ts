// The opening handshake of a WebSocket between one HTTP and another: the key of HTTP/1.1 (RFC 6455 section 4) is not there
// in HTTP/2, where a stream is opened by an extended CONNECT (RFC 8441).

import { createHash, randomBytes } from 'node:crypto'

/** For `Sec-WebSocket-Key`. */
export function newKey(): string {
  return randomBytes(16).toString('base64')
}

/** What `Sec-WebSocket-Accept` has to be for this key. */
export function acceptOf(key: string): string {
  return createHash('sha1').update(key).update('258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64')
}
