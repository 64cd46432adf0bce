// What speaks about one connection stays on it: removed from requests and responses before anything of ours is added.

import type { HeaderFields } from './header-fields.ts'

/**
 * Removes the hop-by-hop fields (RFC 9110 section 7.6.1), the proxy authentication fields, `Expect`, and everything named
 * in `Connection`. Same rules both ways. `CDN-Loop` stays (RFC 8586 section 2: it must not be removed).
 *
 * A `Connection` list cannot remove what all recipients need: `Connection: host, cookie, authorization, x-forwarded-for`
 * removes nothing. RFC 9110 forbids a sender to name such fields, so one who does is either mistaken or wants a field
 * that a proxy in front of us added to get lost on the way ("hop-by-hop header abuse"; Envoy refuses such requests).
 *
 * @param keepsUpgrade the door can pass a WebSocket on; `Upgrade` stays if it asks for that and nothing else (h2c
 *   upgrades go round a proxy's rules). `Connection: Upgrade` is the plane's to add where its transport wants it.
 * @returns whether an upgrade to WebSocket was kept
 */
export function removeHopByHop(fields: HeaderFields, keepsUpgrade: boolean): boolean {
  const connection = fields.get('connection')
  if (connection !== null) {
    const options = connection.toLowerCase()
    if (!plainOptions.has(options)) removeNamed(fields, options)
  }
  for (const name of hopByHop) fields.delete(name)
  const upgrade = fields.get('upgrade')
  if (upgrade === null) return false
  if (keepsUpgrade && upgrade.trim().toLowerCase() === 'websocket') return true
  fields.delete('upgrade')
  return false
}

/** Goes over the fields that are there, not over the list: a list of a thousand names costs one pass. */
function removeNamed(fields: HeaderFields, options: string): void {
  const named = new Set<string>()
  for (const option of options.split(',')) named.add(option.trim())
  for (const name of [...fields.keys()]) {
    const lower = name.toLowerCase()
    if (named.has(lower) && lower !== 'upgrade' && !endToEnd.has(lower)) fields.delete(name)
  }
}

/** `Connection` as it mostly is: nothing to look for. */
const plainOptions: ReadonlySet<string> = new Set(['', 'keep-alive', 'close', 'upgrade'])

/**
 * `Upgrade` is looked at by itself. `TE` and `Trailer` go too: a plane that carries trailers says so anew. `Expect` was
 * answered by the server in front of us. `HTTP2-Settings` belongs to h2c upgrades (RFC 7540 section 3.2.1).
 */
const hopByHop: readonly string[] = [
  'connection',
  'proxy-connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'http2-settings',
  'expect',
  'proxy-authorization',
  'proxy-authenticate',
  'proxy-authentication-info',
]

/** Framing, routing, identity, client address, caching and browser security rest on these. */
const endToEnd: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'content-type',
  'content-encoding',
  'content-range',
  'range',
  'authorization',
  'www-authenticate',
  'cookie',
  'set-cookie',
  'origin',
  'referer',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-real-ip',
  'cf-connecting-ip',
  'true-client-ip',
  'via',
  'cdn-loop',
  'x-request-id',
  'traceparent',
  'tracestate',
  'cache-control',
  'vary',
  'location',
  'strict-transport-security',
  'content-security-policy',
  'x-frame-options',
  'x-content-type-options',
])
