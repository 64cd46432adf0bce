// Who the client is: said by config, not guessed. A list of forwarded addresses is read from the right, since each proxy
// appends and only what ours appended can be believed.

import type { ClientAddressSource } from '../config/parsed.ts'
import { type Address, type Cidr, cidrContains, parseAddress, parseCidr } from '../wire/address.ts'

export interface ClientAddress {
  /** Canonical; undefined when nobody trusted says. */
  readonly address: string | undefined
  /** The same parsed. */
  readonly parsed: Address | undefined
  /** The request came from a trusted proxy: what it says of scheme, host and request id may be believed. */
  readonly isTrusted: boolean
  /**
   * What `X-Forwarded-For` is to be: the client, then the proxies it came through. Whatever stood left of the client was
   * said by somebody untrusted and is not in it. Undefined when nothing is known.
   */
  readonly chain: string | undefined
}

/**
 * - `cloudflare`: `CF-Connecting-IP`, which Cloudflare's front always sets itself. Everything else a request brings is as
 *   the client sent it, so `isTrusted` is false.
 * - `none`: nobody knows.
 * - `peer`: the peer, unless it is one of `trustedProxies`; then the first address from the right of `X-Forwarded-For`
 *   that is not. All of them trusted: the leftmost. `unknown`, an obfuscated or malformed entry: undefined, never the
 *   proxy's own address, which may stand in an allow list. `Forwarded` (RFC 7239) is read only when there is no
 *   `X-Forwarded-For`: a proxy that writes `Forwarded` alone has to strip the other one.
 *   A door that cannot see its peer (a Worker) counts it as trusted when proxies are named: so the operator says that
 *   nobody else reaches it.
 *
 * @param peer the address of the socket's other end, undefined when the platform hides it
 */
export function clientAddressOf(
  source: ClientAddressSource,
  peer: string | undefined,
  header: (name: string) => string | null,
): ClientAddress {
  if (source.from === 'none') return nobody
  if (source.from === 'cloudflare') {
    const said = header('cf-connecting-ip')
    const address = said === null ? undefined : parseAddress(said.trim())
    return address === undefined ? nobody : untrusted(address)
  }
  const proxies = cidrsOf(source.trustedProxies)
  if (peer === undefined) return proxies.length === 0 ? nobody : readChain(proxies, undefined, header)
  const address = readPeer(peer)
  if (address === undefined) return nobody
  return isAmong(proxies, address) ? readChain(proxies, address, header) : untrusted(address)
}

function untrusted(client: Address): ClientAddress {
  return { address: client.text, parsed: client, isTrusted: false, chain: client.text }
}

function readChain(
  proxies: readonly Cidr[],
  peer: Address | undefined,
  header: (name: string) => string | null,
): ClientAddress {
  const forwardedFor = header('x-forwarded-for')
  const forwarded = forwardedFor === null ? header('forwarded') : null
  const entries =
    forwardedFor !== null
      ? forwardedFor.split(',')
      : forwarded === null
        ? []
        : (readForwarded(forwarded) ?? ['unknown'])
  let client = peer
  let chain = peer?.text
  let hops = 0
  for (let index = entries.length - 1; index >= 0; index--) {
    const entry = entries[index]!.trim()
    if (entry === '') continue
    hops += 1
    const address = hops > mostHops ? undefined : readNode(entry)
    if (address === undefined) {
      chain = chain === undefined ? 'unknown' : `unknown, ${chain}`
      return { address: undefined, parsed: undefined, isTrusted: true, chain }
    }
    client = address
    chain = chain === undefined ? client.text : `${client.text}, ${chain}`
    if (!isAmong(proxies, address)) break
  }
  return { address: client?.text, parsed: client, isTrusted: true, chain }
}

/**
 * The `for` of each element of `Forwarded`, leftmost first (RFC 7239 section 4); `unknown` for an element without one.
 * Undefined when malformed: then nothing in it can be counted from the right.
 */
export function readForwarded(value: string): string[] | undefined {
  const nodes: string[] = []
  let node: string | undefined
  forwardedPair.lastIndex = 0
  while (forwardedPair.lastIndex < value.length) {
    const pair = forwardedPair.exec(value)
    if (pair === null) return undefined
    if (pair[1] !== undefined) node ??= 'unknown'
    if (pair[1]?.toLowerCase() === 'for') node = pair[2] === undefined ? pair[3]! : pair[2].replace(/\\(.)/g, '$1')
    if (pair[4] === ',' && node !== undefined) {
      nodes.push(node)
      node = undefined
    }
  }
  if (node !== undefined) nodes.push(node)
  return nodes
}

/** `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`; ports are left out. */
function readNode(entry: string): Address | undefined {
  if (entry.startsWith('[')) {
    const literal = /^\[([0-9A-Fa-f:.]{2,45})\](?::\d{1,5})?$/.exec(entry)?.[1]
    return literal?.includes(':') ? parseAddress(literal) : undefined
  }
  const colon = entry.indexOf(':')
  if (colon === -1 || entry.includes(':', colon + 1)) return parseAddress(entry)
  return /^\d{1,5}$/.test(entry.slice(colon + 1)) ? parseAddress(entry.slice(0, colon)) : undefined
}

/** A link-local peer comes with its zone: `fe80::1%eth0`. */
function readPeer(peer: string): Address | undefined {
  const zone = peer.indexOf('%')
  return parseAddress(zone === -1 ? peer : peer.slice(0, zone))
}

function isAmong(proxies: readonly Cidr[], address: Address): boolean {
  for (const cidr of proxies) if (cidrContains(cidr, address)) return true
  return false
}

/** Parsed once for each list of a table. `parse` has refused what is not a CIDR. */
function cidrsOf(trustedProxies: readonly string[]): readonly Cidr[] {
  let cidrs = parsed.get(trustedProxies)
  if (cidrs === undefined) {
    cidrs = trustedProxies.map(text => parseCidr(text)).filter(cidr => cidr !== undefined)
    parsed.set(trustedProxies, cidrs)
  }
  return cidrs
}

const parsed = new WeakMap<readonly string[], readonly Cidr[]>()
const nobody: ClientAddress = { address: undefined, parsed: undefined, isTrusted: false, chain: undefined }
/** More trusted proxies in a row than this is no network anybody runs. */
const mostHops = 64
/** `name=token` or `name="quoted"`, then what ends it. Names and unquoted values more widely than RFC 7239: IPv6 without quotes is common. */
const forwardedPair =
  /[ \t]*(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([!#$%&'*+.^_`|~0-9A-Za-z:[\]-]+)))?[ \t]*(;|,|$)/y
