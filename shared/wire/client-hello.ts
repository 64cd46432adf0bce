// The server name and the protocols that a TLS client asks for, read from the first bytes it sends (RFC 8446 section
// 4.1.2, which RFC 5246 clients share). Nothing is consumed or changed; how the bytes are cut into records and reads makes
// no difference; nothing throws. With Encrypted Client Hello only the outer name is there to be seen.

import { Cursor } from './cursor.ts'

/** What is known of something in first bytes: the thing, that it is not there, or that more bytes have to come. */
export type Peeked<T> = T | 'absent' | 'more'

export interface ClientHello {
  /** Lower case, without trailing dot. */
  readonly sni: Peeked<string>
  /** As offered, the client's favourite first; each byte of a name is one character. */
  readonly alpn: Peeked<readonly string[]>
}

/**
 * What the first bytes of a connection say.
 *
 * - a `ClientHello`, as far as it is there: a field that may still come is `more`
 * - `more`: too few bytes to tell, and all of them fit TLS
 * - `not-tls`: not a TLS handshake record of any version from SSL 3 on (an SSL 2 hello is `not-tls` too)
 * - `malformed`: begins as TLS, and no ClientHello may go on like this: lengths that contradict each other, an extension
 *   or name that stands twice, a server name that is none
 *
 * Costs a walk over the bytes. The caller bounds them (`maxPeek`): one that still gets `more` at its bound gives up.
 */
export function peekClientHello(bytes: Uint8Array): ClientHello | 'more' | 'not-tls' | 'malformed' {
  const message = joinRecords(bytes)
  if (typeof message === 'string') return message
  if (message.length === 0) return 'more'
  if (message[0] !== clientHello) return 'malformed'
  if (message.length < headerBytes) return 'more'
  const length = message[1]! * 0x1_0000 + message[2]! * 256 + message[3]!
  return readHello(message, headerBytes + length)
}

/**
 * The handshake message that the records carry, as far as it is there, or why there is none (RFC 8446 section 5.1). The
 * version in a record header is to be ignored, but for its first byte, which has been 3 since SSL 3.
 */
function joinRecords(bytes: Uint8Array): Uint8Array | 'not-tls' | 'malformed' {
  let at = 0
  let first: Uint8Array | undefined
  let joined: Uint8Array | undefined
  let size = 0
  while (at < bytes.length) {
    // Only the first record can say that this is no TLS; a later one of another kind stands inside the message.
    const otherwise = at === 0 ? 'not-tls' : 'malformed'
    if (bytes[at] !== handshakeRecord) return otherwise
    if (at + 1 < bytes.length && bytes[at + 1] !== 3) return otherwise
    if (at + recordBytes > bytes.length) break
    const length = bytes[at + 3]! * 256 + bytes[at + 4]!
    if (length === 0 || length > longestRecord) return 'malformed'
    const start = at + recordBytes
    const part = bytes.subarray(start, Math.min(start + length, bytes.length))
    if (first === undefined) {
      first = part
      size = part.length
    } else {
      if (joined === undefined) {
        joined = new Uint8Array(bytes.length)
        joined.set(first)
      }
      joined.set(part, size)
      size += part.length
    }
    const message = joined ?? first
    // Records behind the whole message are none of ours: a client that resumes may send early data.
    if (size >= headerBytes && size >= headerBytes + message[1]! * 0x1_0000 + message[2]! * 256 + message[3]!) break
    at = start + length
  }
  return (joined ?? first ?? NOTHING).subarray(0, size)
}

/** @param end where the message says it ends: behind what is there when more is to come */
function readHello(message: Uint8Array, end: number): ClientHello | 'malformed' {
  const isWhole = message.length >= end
  const cursor = new Cursor(message, headerBytes, end)
  const unknown = isWhole ? 'malformed' : MORE
  cursor.skip(versionBytes + randomBytes)
  const sessionBytes = cursor.u8()
  if (sessionBytes > longestSessionId) return 'malformed'
  cursor.skip(sessionBytes)
  const cipherBytes = cursor.u16()
  if (!cursor.isShort && (cipherBytes < 2 || cipherBytes % 2 !== 0)) return 'malformed'
  cursor.skip(cipherBytes)
  const compressionBytes = cursor.u8()
  if (!cursor.isShort && compressionBytes === 0) return 'malformed'
  cursor.skip(compressionBytes)
  if (cursor.isShort) return unknown
  // Extensions came with TLS 1.0 clients of RFC 3546: before them a hello may end here.
  if (cursor.at === end) return { sni: 'absent', alpn: 'absent' }
  const extensionBytes = cursor.u16()
  if (cursor.isShort) return unknown
  if (cursor.at + extensionBytes !== end) return 'malformed'
  return readExtensions(cursor, end)
}

function readExtensions(cursor: Cursor, end: number): ClientHello | 'malformed' {
  let sni: string | undefined
  let alpn: readonly string[] | undefined
  let seenName = false
  let isCut = false
  while (cursor.at < end) {
    const type = cursor.u16()
    const length = cursor.u16()
    if (cursor.isShort) {
      isCut = true
      break
    }
    if (cursor.at + length > end) return 'malformed'
    const body = cursor.take(length)
    if (cursor.isShort) {
      isCut = true
      break
    }
    if (type === serverNameExtension) {
      if (seenName) return 'malformed'
      seenName = true
      const name = readServerName(body)
      if (name === 'malformed') return name
      sni = name.name
    } else if (type === alpnExtension) {
      if (alpn !== undefined) return 'malformed'
      const protocols = readProtocols(body)
      if (protocols === 'malformed') return protocols
      alpn = protocols
    }
  }
  // What is cut off ends before `end` only while more is to come; in a whole message it is a contradiction.
  if (isCut && cursor.end === end) return 'malformed'
  return {
    sni: sni ?? (isCut && !seenName ? 'more' : 'absent'),
    alpn: alpn ?? (isCut ? 'more' : 'absent'),
  }
}

/** RFC 6066 section 3: a list of names by type, of each type one; only host names were ever defined. */
function readServerName(body: Cursor): { readonly name: string | undefined } | 'malformed' {
  const listBytes = body.u16()
  if (body.isShort || listBytes === 0 || listBytes !== body.left) return 'malformed'
  let name: string | undefined
  while (body.left > 0) {
    const type = body.u8()
    const entry = body.take(body.u16())
    if (body.isShort) return 'malformed'
    if (type !== hostName) continue
    if (name !== undefined) return 'malformed'
    const text = entry.latin1().toLowerCase()
    // A dot at the end is against the RFC and sent by some clients all the same.
    name = text.endsWith('.') ? text.slice(0, -1) : text
    if (!hostNamePattern.test(name)) return 'malformed'
  }
  return { name }
}

/** RFC 7301 section 3.1: at least one name, none of them empty. GREASE (RFC 8701) looks like any other. */
function readProtocols(body: Cursor): readonly string[] | 'malformed' {
  const listBytes = body.u16()
  if (body.isShort || listBytes === 0 || listBytes !== body.left) return 'malformed'
  const protocols: string[] = []
  while (body.left > 0) {
    const name = body.take(body.u8())
    if (body.isShort || name.left === 0) return 'malformed'
    protocols.push(name.latin1())
  }
  return protocols
}

/** Content type 22 (RFC 8446 section 5.1). */
const handshakeRecord = 22
const recordBytes = 5
/** 2^14 (RFC 8446 section 5.1); a handshake record may not be empty either. */
const longestRecord = 16_384
/** HandshakeType client_hello (RFC 8446 section 4). */
const clientHello = 1
const headerBytes = 4
const versionBytes = 2
const randomBytes = 32
const longestSessionId = 32
/** ExtensionType (RFC 8446 section 4.2): server_name, application_layer_protocol_negotiation. */
const serverNameExtension = 0
const alpnExtension = 16
/** NameType host_name (RFC 6066 section 3). */
const hostName = 0
/** Letters, digits, `-` and `_` between dots, as hostnames of the config may have; so nothing else gets into a record. */
const hostNamePattern = /^(?=.{1,253}$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/
const MORE: ClientHello = { sni: 'more', alpn: 'more' }
const NOTHING = new Uint8Array(0)
