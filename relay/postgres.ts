// How a Postgres client asks for TLS before it speaks it, and how it is answered (PostgreSQL documentation, "Message Flow",
// SSL Session Encryption, and "Message Formats"). Nothing else of the protocol is known here.

/** What a Postgres client begins with. */
export type PostgresBeginning =
  /** The eight bytes ask for TLS. */
  | 'ssl-request'
  /** They ask for GSSAPI encryption; the answer `N` makes the client ask for TLS next. */
  | 'gss-request'
  /** TLS at once, or whatever else the eight bytes may be: they are nobody's but the endpoint's. */
  | 'other'
  | 'more'

/** All three requests are eight bytes: a length of 8 and a code where other messages have a version. */
export function postgresBeginning(bytes: Uint8Array): PostgresBeginning {
  for (const [name, request] of requests) {
    const length = Math.min(bytes.length, request.length)
    if (!startsAlike(bytes, request, length)) continue
    return length === request.length ? name : 'more'
  }
  return 'other'
}

/** What the endpoint says to an `SSLRequest`. More than one byte is a word that came unencrypted (CVE-2021-23222). */
export function postgresAnswer(bytes: Uint8Array): 'yes' | 'no' | 'more' {
  if (bytes.length === 0) return 'more'
  return bytes.length === 1 && bytes[0] === 0x53 ? 'yes' : 'no'
}

/** An `ErrorResponse` that libpq prints as `FATAL:  <text>`. */
export function postgresError(text: string): Uint8Array {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C28000\0M${text}\0\0`)
  const head = Buffer.alloc(5)
  head.write('E')
  head.writeUInt32BE(fields.length + 4, 1)
  return Buffer.concat([head, fields])
}

function startsAlike(bytes: Uint8Array, request: Uint8Array, length: number): boolean {
  for (let at = 0; at < length; at++) if (bytes[at] !== request[at]) return false
  return true
}

/** Length 8, code 80877103. */
export const sslRequest: Uint8Array = Uint8Array.of(0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f)
/** Length 8, code 80877104. */
export const gssRequest: Uint8Array = Uint8Array.of(0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30)
export const yes: Uint8Array = Uint8Array.of(0x53)
export const no: Uint8Array = Uint8Array.of(0x4e)
const requests = [
  ['ssl-request', sslRequest],
  ['gss-request', gssRequest],
] as const
