// Names an operator may write: of parts of the config, of header fields and cookies, of hosts.

import { parseAddress } from '../wire/address.ts'

/** Listeners, pools, routes, rules, variants and endpoints: what may stand in ids (`route/rule`), metrics and commands. */
export function nameProblem(name: string): string | undefined {
  if (/^[A-Za-z0-9][A-Za-z0-9_.:-]{0,62}$/.test(name)) return undefined
  if (name.length > 63) return 'is longer than 63 characters'
  return 'holds more than letters, digits and _ . : - or does not begin with a letter or digit'
}

/** RFC 9110 section 5.6.2. */
export function isToken(text: string): boolean {
  return text.length <= 256 && /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(text)
}

/** Why a filter or reply may not write a header field, as the end of a sentence; undefined when it may. Any case. */
export function untouchable(name: string): string | undefined {
  const lower = name.toLowerCase()
  if (lower === 'host') return 'is set by the way the endpoint is called, and Workers cannot set it'
  if (lower === 'content-length') return 'follows from the body'
  return hopByHop.has(lower) ? 'speaks about one connection and is removed on the way (RFC 9110 7.6.1)' : undefined
}

/** A field value without control characters but tab (RFC 9110 section 5.5), in characters that fit a byte. */
export function isFieldValue(text: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(text)
}

/**
 * A hostname in the form in which hosts are compared: lower case, without trailing dot. `*.` may stand in front of a name.
 * Undefined for what is no hostname: a port, a path, an address with brackets, a name that is not ASCII.
 */
export function readHostname(text: string): string | undefined {
  const lower = text.toLowerCase().replace(/\.$/, '')
  if (parseAddress(lower)?.family === 4) return lower
  const name = lower.startsWith('*.') ? lower.slice(2) : lower
  if (name.length === 0 || name.length > 253) return undefined
  const labels = name.split('.')
  if (!labels.every(label => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label))) return undefined
  // What ends in a number is an IPv4 address to a URL parser, or an error (WHATWG URL, "ends in a number").
  return /^(?:\d+|0x[0-9a-f]*)$/.test(labels.at(-1)!) ? undefined : lower
}

const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-authentication-info',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
