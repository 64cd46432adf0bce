// A certificate signed by itself, for a demo endpoint: made anew at each start, so that nothing secret is shipped and
// nothing runs out. Node makes keys and signatures; what lies between is a few fields in DER (X.690) as RFC 5280 has them.

import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'

export interface SelfSigned {
  /** PEM */
  readonly cert: string
  readonly key: string
}

/** For one DNS name, from an hour ago (clocks differ) until so many days from now. */
export function selfSigned(name: string, now: Date, days: number): SelfSigned {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const time = (ms: number) => der(UTC_TIME, Buffer.from(utcTime(new Date(ms))))
  const distinguished = sequence(der(SET, sequence(COMMON_NAME, der(UTF8_STRING, Buffer.from(name)))))
  const alternatives = der(OCTET_STRING, sequence(der(DNS_NAME, Buffer.from(name))))
  const body = sequence(
    der(VERSION, VERSION_3),
    der(INTEGER, Buffer.concat([Buffer.of(1), randomBytes(15)])),
    ECDSA_WITH_SHA256,
    distinguished,
    sequence(time(now.getTime() - 3_600_000), time(now.getTime() + days * 86_400_000)),
    distinguished,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(EXTENSIONS, sequence(sequence(SUBJECT_ALTERNATIVE_NAME, alternatives))),
  )
  const signature = sign('sha256', body, privateKey)
  const whole = sequence(body, ECDSA_WITH_SHA256, der(BIT_STRING, Buffer.concat([Buffer.of(0), signature])))
  const lines = whole.toString('base64').match(/.{1,64}/g)!
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  }
}

/** `261123074500Z`: two digits of the year, which reach to 2049 (RFC 5280 section 4.1.2.5.1). */
function utcTime(time: Date): string {
  return `${time.toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`
}

function sequence(...parts: readonly Uint8Array[]): Buffer {
  return der(0x30, Buffer.concat(parts))
}

/** Tag, length, content. */
function der(tag: number, content: Uint8Array): Buffer {
  const { length } = content
  const lengthBytes = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.of(tag, ...lengthBytes), content])
}

const INTEGER = 0x02
const BIT_STRING = 0x03
const OCTET_STRING = 0x04
const UTF8_STRING = 0x0c
const UTC_TIME = 0x17
const SET = 0x31
/** Tags that only mean something where they stand. */
const VERSION = 0xa0
const EXTENSIONS = 0xa3
const DNS_NAME = 0x82
const VERSION_3 = Buffer.of(INTEGER, 1, 2)
/** 2.5.4.3 */
const COMMON_NAME = Buffer.of(0x06, 3, 0x55, 4, 3)
/** 2.5.29.17 */
const SUBJECT_ALTERNATIVE_NAME = Buffer.of(0x06, 3, 0x55, 29, 17)
/** 1.2.840.10045.4.3.2 */
const ECDSA_WITH_SHA256 = sequence(Buffer.of(0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2))
