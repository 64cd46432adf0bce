// Version 2 of the PROXY header: a signature, four bytes, two addresses, and TLVs (spec section 2.2).

import { addressOf } from './address.ts'
import { crc32c } from './crc32c.ts'
import type { ProxyEnd, ProxyHeader, ProxyHeaderProblem, ProxySays } from './proxy-header.ts'
import { longestUniqueId, readSsl, readTlvs, type Tlv, tlvTypes, writeTlvs } from './tlv.ts'
import { utf8Bytes, utf8Text } from './utf8.ts'

type BlockRead =
  | { readonly header: ProxyHeader; readonly length: number }
  | 'more'
  | { readonly reason: ProxyHeaderProblem }

export function readBlock(bytes: Uint8Array): BlockRead {
  for (let at = 0; at < signature.length; at++) {
    if (at === bytes.length) return 'more'
    if (bytes[at] !== signature[at]) return { reason: 'missing' }
  }
  if (bytes.length > 12 && bytes[12] !== LOCAL && bytes[12] !== PROXY) return { reason: 'malformed' }
  if (bytes.length < headBytes) return 'more'
  const length = headBytes + bytes[14]! * 256 + bytes[15]!
  if (length > longestHeader) return { reason: 'malformed' }
  if (bytes.length < length) return 'more'
  // The whole block is to be discarded, the family with it: AWS sends LOCAL with the family of TCP4 and no addresses.
  if (bytes[12] === LOCAL) return { header: { version: 2, says: { of: 'local' }, tlvs: NONE }, length }

  const family = bytes[13]! >> 4
  const transport = bytes[13]! & 15
  const room = addressBytes[family]
  if (room === undefined || transport > 2 || headBytes + room > length) return { reason: 'malformed' }
  const tlvs = readTlvs(bytes, headBytes + room, length)
  if (tlvs === undefined || !areWellFormed(tlvs)) return { reason: 'malformed' }
  if (!hasGoodChecksum(bytes, headBytes + room, length)) return { reason: 'checksum' }
  return { header: { version: 2, says: readAddresses(bytes, family, transport), tlvs }, length }
}

function areWellFormed(tlvs: readonly Tlv[]): boolean {
  let checksums = 0
  for (const { type, value } of tlvs) {
    if (type === tlvTypes.uniqueId && value.length > longestUniqueId) return false
    if (type === tlvTypes.ssl && readSsl(value) === undefined) return false
    if (type === tlvTypes.crc32c) {
      checksums += 1
      if (value.length !== 4 || checksums > 1) return false
    }
  }
  return true
}

/** True without a checksum. It is over the whole header, its own four bytes as zeros (section 2.2.3). */
function hasGoodChecksum(bytes: Uint8Array, from: number, length: number): boolean {
  let at = from
  while (at < length) {
    const value = at + 3
    if (bytes[at] === tlvTypes.crc32c) return crc32c(bytes.subarray(0, length), value) === word(bytes, value)
    at = value + bytes[at + 1]! * 256 + bytes[at + 2]!
  }
  return true
}

function readAddresses(bytes: Uint8Array, family: number, transport: number): ProxySays {
  if (family === 0 || transport === 0) return { of: 'unknown' }
  const kind = transport === 1 ? 'stream' : 'datagram'
  if (family === 3) {
    const source = readPath(bytes.subarray(headBytes, headBytes + pathBytes))
    const destination = readPath(bytes.subarray(headBytes + pathBytes, headBytes + 2 * pathBytes))
    return { of: 'unix', transport: kind, source, destination }
  }
  const size = family === 1 ? 4 : 16
  const ports = headBytes + 2 * size
  return {
    of: 'inet',
    transport: kind,
    source: readEnd(bytes, headBytes, size, ports),
    destination: readEnd(bytes, headBytes + size, size, ports + 2),
  }
}

function readEnd(bytes: Uint8Array, at: number, size: number, portAt: number): ProxyEnd {
  const words: number[] = []
  for (let step = 0; step < size; step += 4) words.push(word(bytes, at + step))
  return { address: addressOf(words), port: bytes[portAt]! * 256 + bytes[portAt + 1]! }
}

/** Up to the first NUL; a NUL in front is Linux's abstract namespace, written as `@` as everywhere. */
function readPath(bytes: Uint8Array): string {
  const isAbstract = bytes[0] === 0 && bytes[1] !== 0
  const name = isAbstract ? bytes.subarray(1) : bytes
  const end = name.indexOf(0)
  return `${isAbstract ? '@' : ''}${utf8Text(end === -1 ? name : name.subarray(0, end))}`
}

/** With a checksum it is the last TLV. TLVs that have no room in the header's length are left out from the end. */
export function writeBlock(says: ProxySays, tlvs: readonly Tlv[], withChecksum: boolean): Uint8Array {
  const [family, addresses] = writeAddresses(says)
  let room = 0xffff - addresses.length - (withChecksum ? 7 : 0)
  const fitting = tlvs.filter(({ value }) => {
    room -= 3 + value.length
    return room >= 0
  })
  const checksum: Tlv[] = withChecksum ? [{ type: tlvTypes.crc32c, value: new Uint8Array(4) }] : []
  const behind = writeTlvs([...fitting, ...checksum])
  const length = addresses.length + behind.length
  const bytes = new Uint8Array(headBytes + length)
  bytes.set(signature)
  bytes.set([says.of === 'local' ? LOCAL : PROXY, family, length >> 8, length & 0xff], 12)
  bytes.set(addresses, headBytes)
  bytes.set(behind, headBytes + addresses.length)
  if (withChecksum) setWord(bytes, bytes.length - 4, crc32c(bytes))
  return bytes
}

function writeAddresses(says: ProxySays): [family: number, addresses: Uint8Array] {
  if (says.of === 'local' || says.of === 'unknown') return [0, new Uint8Array(0)]
  const transport = says.transport === 'stream' ? 1 : 2
  if (says.of === 'unix') {
    const addresses = new Uint8Array(2 * pathBytes)
    addresses.set(writePath(says.source), 0)
    addresses.set(writePath(says.destination), pathBytes)
    return [0x30 | transport, addresses]
  }
  const { source, destination } = says
  const size = source.address.family === 4 && destination.address.family === 4 ? 4 : 16
  const addresses = new Uint8Array(2 * size + 4)
  writeEnd(addresses, source, 0, size, 2 * size)
  writeEnd(addresses, destination, size, size, 2 * size + 2)
  return [(size === 4 ? 0x10 : 0x20) | transport, addresses]
}

/** An IPv4 end beside an IPv6 one is written as IPv6 (RFC 4291 section 2.5.5.2): one family holds both. */
function writeEnd(bytes: Uint8Array, end: ProxyEnd, at: number, size: number, portAt: number): void {
  const { family, words } = end.address
  const whole = size === 16 && family === 4 ? [0, 0, 0xffff, words[0]!] : words
  for (const [index, each] of whole.entries()) setWord(bytes, at + 4 * index, each)
  bytes[portAt] = end.port >> 8
  bytes[portAt + 1] = end.port
}

function writePath(path: string): Uint8Array {
  const bytes = utf8Bytes(path).subarray(0, pathBytes)
  if (bytes[0] === AT) bytes[0] = 0
  return bytes
}

function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}

function setWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

/** The longest header we take: the spec allows 65,551 bytes, HAProxy's default buffer holds 16 KiB. */
export const longestHeader = 16_384

const signature = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]
const headBytes = 16
/** Version 2 with its two commands. */
const LOCAL = 0x20
const PROXY = 0x21
/** Both addresses with their ports, by family: UNSPEC, INET, INET6, UNIX. */
const addressBytes = [0, 12, 36, 216]
const pathBytes = 108
const AT = 0x40
const NONE: readonly never[] = []
