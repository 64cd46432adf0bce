// What may stand behind the addresses of a PROXY header of version 2: values, each with a type and a length (spec section
// 2.2), and the TLS values inside one of them. What is not known is kept as it came.

import { utf8Bytes, utf8Text } from './utf8.ts'

export interface Tlv {
  /** 0 to 255, see `tlvTypes`. */
  readonly type: number
  /** At most 65,535 bytes. */
  readonly value: Uint8Array
}

/** What the SSL value says of the client's TLS. Texts are undefined where they were not sent. */
export interface SslValue {
  /** The client spoke TLS. */
  readonly isTls: boolean
  /** The client sent a certificate on this connection, or on one before that this one resumes. */
  readonly sentCertificate: boolean
  readonly sentCertificateBefore: boolean
  /** A certificate was sent and verified. */
  readonly isVerified: boolean
  /** `TLSv1.3` */
  readonly version: string | undefined
  /** Of the client's certificate. */
  readonly commonName: string | undefined
  /** `TLS_AES_256_GCM_SHA384` */
  readonly cipher: string | undefined
  /** Of the certificate the client was shown: `RSA-SHA256`, `RSA2048`. */
  readonly signature: string | undefined
  readonly key: string | undefined
}

/** The values between two places; undefined when they do not fill the room exactly. */
export function readTlvs(bytes: Uint8Array, from: number, to: number): Tlv[] | undefined {
  const tlvs: Tlv[] = []
  let at = from
  while (at < to) {
    if (at + 3 > to) return undefined
    const end = at + 3 + (bytes[at + 1]! << 8) + bytes[at + 2]!
    if (end > to) return undefined
    // A copy: `slice` of a Buffer would be a view.
    tlvs.push({ type: bytes[at]!, value: new Uint8Array(bytes.subarray(at + 3, end)) })
    at = end
  }
  return tlvs
}

/** One behind the other; a value is cut at 65,535 bytes. */
export function writeTlvs(tlvs: readonly Tlv[]): Uint8Array {
  const values = tlvs.map(({ value }) => value.subarray(0, 0xffff))
  const bytes = new Uint8Array(values.reduce((sum, { length }) => sum + 3 + length, 0))
  let at = 0
  for (const [index, value] of values.entries()) {
    bytes[at] = tlvs[index]!.type
    bytes[at + 1] = value.length >> 8
    bytes[at + 2] = value.length
    bytes.set(value, at + 3)
    at += 3 + value.length
  }
  return bytes
}

/** The first value of a type. */
export function findTlv(tlvs: readonly Tlv[], type: number): Uint8Array | undefined {
  return tlvs.find(tlv => tlv.type === type)?.value
}

/** Spec section 2.2.6; undefined when it is too short or the values in it do not fill it. */
export function readSsl(value: Uint8Array): SslValue | undefined {
  if (value.length < 5) return undefined
  const inside = readTlvs(value, 5, value.length)
  if (inside === undefined) return undefined
  const client = value[0]!
  const text = (type: number): string | undefined => {
    const found = findTlv(inside, type)
    return found === undefined ? undefined : utf8Text(found)
  }
  const sentCertificate = (client & certificateNow) !== 0
  const sentCertificateBefore = (client & certificateBefore) !== 0
  const isZero = value[1] === 0 && value[2] === 0 && value[3] === 0 && value[4] === 0
  return {
    isTls: (client & tls) !== 0,
    sentCertificate,
    sentCertificateBefore,
    isVerified: isZero && (sentCertificate || sentCertificateBefore),
    version: text(sslTypes.version),
    commonName: text(sslTypes.commonName),
    cipher: text(sslTypes.cipher),
    signature: text(sslTypes.signature),
    key: text(sslTypes.key),
  }
}

export function writeSsl(ssl: SslValue): Uint8Array {
  const inside = Object.entries(sslTypes).flatMap(([name, type]): Tlv[] => {
    const text = ssl[name as keyof typeof sslTypes]
    return text === undefined ? [] : [{ type, value: utf8Bytes(text) }]
  })
  const client =
    (ssl.isTls ? tls : 0) |
    (ssl.sentCertificate ? certificateNow : 0) |
    (ssl.sentCertificateBefore ? certificateBefore : 0)
  return Uint8Array.of(client, 0, 0, 0, ssl.isVerified ? 0 : 1, ...writeTlvs(inside))
}

export const tlvTypes = {
  alpn: 0x01,
  authority: 0x02,
  crc32c: 0x03,
  noop: 0x04,
  uniqueId: 0x05,
  ssl: 0x20,
  netns: 0x30,
} as const

/** 0xe0 to 0xef are for applications (section 2.2.8). */
export const customTypes = { first: 0xe0, last: 0xef } as const

/** Bytes, section 2.2.5. */
export const longestUniqueId = 128

const sslTypes = { version: 0x21, commonName: 0x22, cipher: 0x23, signature: 0x24, key: 0x25 } as const

const tls = 0x01
const certificateNow = 0x02
const certificateBefore = 0x04
