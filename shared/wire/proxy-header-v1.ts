// Version 1 of the PROXY header: one line, `PROXY TCP4 192.0.2.1 198.51.100.7 56324 443` and CRLF (spec section 2.1).

import { type Address, parseAddress } from './address.ts'
import type { ProxyEnd, ProxyHeaderProblem, ProxySays } from './proxy-header.ts'
import { latin1Text, utf8Bytes } from './utf8.ts'

type LineRead =
  | {
      readonly header: { readonly version: 1; readonly says: ProxySays; readonly tlvs: readonly never[] }
      readonly length: number
    }
  | 'more'
  | { readonly reason: ProxyHeaderProblem }

export function readLine(bytes: Uint8Array): LineRead {
  for (let at = 0; at < begin.length; at++) {
    if (at === bytes.length) return 'more'
    if (bytes[at] !== begin[at]) return { reason: 'missing' }
  }
  const end = endOfLine(bytes)
  if (typeof end !== 'number') return end
  const says = readWords(latin1Text(bytes, begin.length, end))
  if (says === undefined) return { reason: 'malformed' }
  return { header: { version: 1, says, tlvs: NONE }, length: end + 2 }
}

/** Where the CR stands. A CR or LF that is not part of a CRLF breaks the line at once. */
function endOfLine(bytes: Uint8Array): number | 'more' | { readonly reason: ProxyHeaderProblem } {
  const last = Math.min(bytes.length, longestLine)
  for (let at = begin.length; at < last; at++) {
    if (bytes[at] === LF) return { reason: 'malformed' }
    if (bytes[at] !== CR) continue
    if (at + 1 === longestLine) return { reason: 'malformed' }
    if (at + 1 === bytes.length) return 'more'
    return bytes[at + 1] === LF ? at : { reason: 'malformed' }
  }
  return last === longestLine ? { reason: 'malformed' } : 'more'
}

function readWords(line: string): ProxySays | undefined {
  // What stands behind UNKNOWN is to be ignored.
  if (line === 'UNKNOWN' || line.startsWith('UNKNOWN ')) return { of: 'unknown' }
  const words = line.split(' ')
  const family = words[0] === 'TCP4' ? 4 : words[0] === 'TCP6' ? 6 : undefined
  if (family === undefined || words.length !== 5) return undefined
  const source = readEnd(family, words[1]!, words[3]!)
  const destination = readEnd(family, words[2]!, words[4]!)
  if (source === undefined || destination === undefined) return undefined
  return { of: 'inet', transport: 'stream', source, destination }
}

function readEnd(family: 4 | 6, text: string, portText: string): ProxyEnd | undefined {
  if (text.includes(':') !== (family === 6)) return undefined
  const address = parseAddress(text)
  const port = Number(portText)
  if (address === undefined || !/^(?:0|[1-9]\d{0,4})$/.test(portText) || port > 65_535) return undefined
  return { address, port }
}

export function writeLine(says: ProxySays): Uint8Array {
  if (says.of !== 'inet' || says.transport !== 'stream') return utf8Bytes('PROXY UNKNOWN\r\n')
  const { source, destination } = says
  const isV4 = source.address.family === 4 && destination.address.family === 4
  const text = (address: Address): string => (isV4 || address.family === 6 ? address.text : mapped(address))
  const ends = `${text(source.address)} ${text(destination.address)} ${source.port} ${destination.port}`
  return utf8Bytes(`PROXY ${isV4 ? 'TCP4' : 'TCP6'} ${ends}\r\n`)
}

/** One family has to hold both ends: `::ffff:c000:201` for 192.0.2.1 (RFC 4291 section 2.5.5.2). */
function mapped(address: Address): string {
  const word = address.words[0]!
  return `::ffff:${(word >>> 16).toString(16)}:${(word & 0xffff).toString(16)}`
}

/** `PROXY ` */
const begin = [0x50, 0x52, 0x4f, 0x58, 0x59, 0x20]
const CR = 0x0d
const LF = 0x0a
/** Bytes with the CRLF: "PROXY UNKNOWN" with two IPv6 addresses written out and two ports of five digits. */
const longestLine = 107
const NONE: readonly never[] = []
