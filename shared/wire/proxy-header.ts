// The PROXY header: the client's address carried ahead of the bytes, in version 1 (a line of text) or 2 (binary). Read and
// written after HAProxy's doc/proxy-protocol.txt, the "spec" here and in the files beside. Nothing throws on any input.

import type { Address } from './address.ts'
import { readLine, writeLine } from './proxy-header-v1.ts'
import { readBlock, writeBlock } from './proxy-header-v2.ts'
import type { Tlv } from './tlv.ts'

export interface ProxyHeader {
  readonly version: 1 | 2
  readonly says: ProxySays
  /** Empty in version 1, and for LOCAL, whose block is discarded. */
  readonly tlvs: readonly Tlv[]
}

export type ProxySays =
  /** The sender speaks for itself, as a probe does: the peer is the client. Version 2 only. */
  | { readonly of: 'local' }
  /** Nothing is known of the client (UNKNOWN, UNSPEC): the peer stands for it. */
  | { readonly of: 'unknown' }
  | {
      readonly of: 'inet'
      readonly transport: 'stream' | 'datagram'
      readonly source: ProxyEnd
      readonly destination: ProxyEnd
    }
  /** Paths of sockets; one in the abstract namespace begins with `@`, one without a name is empty. */
  | {
      readonly of: 'unix'
      readonly transport: 'stream' | 'datagram'
      readonly source: string
      readonly destination: string
    }

/** An IPv4 address written as IPv6 (`::ffff:192.0.2.1`) is IPv4 here. */
export interface ProxyEnd {
  readonly address: Address
  readonly port: number
}

/**
 * `missing`: these bytes begin no PROXY header. `malformed`: they begin one and it is not as the spec has it, or longer
 * than we take. `checksum`: its CRC32C is not that of its bytes.
 */
export type ProxyHeaderProblem = 'missing' | 'malformed' | 'checksum'

/**
 * Reads the header at the beginning of the bytes. `more` as long as they may become one; never more than
 * `longestHeader`. `length` is how many bytes it has: what is behind them is payload.
 */
export function readProxyHeader(
  bytes: Uint8Array,
): { readonly header: ProxyHeader; readonly length: number } | 'more' | { readonly reason: ProxyHeaderProblem } {
  return bytes[0] === P ? readLine(bytes) : readBlock(bytes)
}

/** Version 1 has no TLVs and no sockets with paths: it says UNKNOWN of these, and of datagrams and LOCAL. */
export function writeProxyHeader(header: ProxyHeader, withChecksum = false): Uint8Array {
  return header.version === 1 ? writeLine(header.says) : writeBlock(header.says, header.tlvs, withChecksum)
}

const P = 0x50
