// The connection ids in a QUIC datagram, which stand in the open in every version (RFC 8999): so a session can be known by
// them, whatever port its client comes from. Nothing is decrypted, nothing throws, and ids are bounded.

export interface QuicIds {
  /** A long header: a client that begins, or a server that answers one, and names itself. */
  readonly isLong: boolean
  /** Whom the packet is for, in hex: to a server an id of its own, or before its first answer one that the client made up. */
  readonly destination: string
  /** Who sends it; empty in a short header, and for a sender that chose an id of no length. */
  readonly source: string
}

/**
 * The ids of the first packet in a datagram; the others in it are of the same connection (RFC 9000 section 12.2).
 * `absent` when the bytes are no QUIC packet, or one too short for what it says.
 *
 * @param idLength how long the ids are that the receiver gave out: a short header does not say
 */
export function quicIdsOf(bytes: Uint8Array, idLength: number): QuicIds | 'absent' {
  const first = bytes[0]
  if (first === undefined) return 'absent'
  if ((first & longHeader) === 0) {
    // RFC 9000 section 17.3.1: the fixed bit is 1; RFC 9287 lets endpoints that agreed on it clear it, so it is not asked.
    if (bytes.length < 1 + idLength) return 'absent'
    return { isLong: false, destination: hex(bytes, 1, idLength), source: '' }
  }
  const destinationLength = bytes[destinationAt - 1]
  if (destinationLength === undefined || destinationLength > longestId) return 'absent'
  const sourceAt = destinationAt + destinationLength + 1
  const sourceLength = bytes[sourceAt - 1]
  if (sourceLength === undefined || sourceLength > longestId || bytes.length < sourceAt + sourceLength) return 'absent'
  return {
    isLong: true,
    destination: hex(bytes, destinationAt, destinationLength),
    source: hex(bytes, sourceAt, sourceLength),
  }
}

function hex(bytes: Uint8Array, from: number, length: number): string {
  let text = ''
  for (let at = from; at < from + length; at++) text += pairs[bytes[at]!]!
  return text
}

const pairs: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))
const longHeader = 0x80
/** Behind the first byte, the version, and the length of the id (RFC 8999 section 5.1). */
const destinationAt = 6
/** RFC 9000 section 17.2. A later version may have longer ones; none has. */
const longestId = 20
