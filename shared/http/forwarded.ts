// What the endpoint is told of the client: X-Forwarded-For, -Proto, -Host, -Port and Forwarded (RFC 7239). From anyone
// untrusted these are dropped, not appended to.

import type { ClientAddress } from './client-address.ts'
import type { HeaderFields } from './header-fields.ts'

/**
 * Writes the forwarded fields anew. After `removeHopByHop`, so that nobody can name ours in `Connection`. What a trusted
 * proxy said of scheme, host and port stays; the rest is as we saw it. `CF-Connecting-IP` is Cloudflare's to keep true
 * and is left alone.
 *
 * @param host lower case, no port
 * @param port 0 when the client named none
 */
export function setForwarded(
  fields: HeaderFields,
  client: ClientAddress,
  scheme: 'http' | 'https',
  host: string,
  port: number,
): void {
  const proto = forwardedScheme(client, fields.get('x-forwarded-proto'), scheme)
  const saidHost = client.isTrusted ? fields.get('x-forwarded-host') : null
  const saidPort = client.isTrusted ? fields.get('x-forwarded-port') : null
  for (const name of relatives) fields.delete(name)
  removeUnderscored(fields)

  if (client.chain === undefined) fields.delete('x-forwarded-for')
  else fields.set('x-forwarded-for', client.chain)
  fields.set('x-forwarded-proto', proto)
  const ownHost = port === 0 ? host : `${host}:${port}`
  const shownHost = saidHost !== null && isHost.test(saidHost) ? saidHost : isHost.test(ownHost) ? ownHost : undefined
  if (shownHost === undefined) fields.delete('x-forwarded-host')
  else fields.set('x-forwarded-host', shownHost)
  const ownPort = port !== 0 ? port : proto === 'https' ? 443 : 80
  fields.set('x-forwarded-port', saidPort !== null && /^\d{1,5}$/.test(saidPort) ? saidPort : String(ownPort))
  fields.set('forwarded', forwardedOf(client.chain, proto, shownHost))
}

/**
 * CGI, WSGI and Rack give an application `X_Forwarded_For` under the same name as `X-Forwarded-For`, so a client could write
 * over what we say (CVE-2024-45614 in Puma). Every spelling of ours with an underscore goes.
 */
function removeUnderscored(fields: HeaderFields): void {
  let ours = NONE
  for (const name of fields.keys()) if (name.includes('_') && isOurs.test(name)) ours = [...ours, name]
  for (const name of ours) fields.delete(name)
}

/**
 * The scheme the client used: `X-Forwarded-Proto` from a trusted proxy (of several, the nearest), else our own. Redirects
 * and the `Secure` of cookies go by it.
 */
export function forwardedScheme(
  client: ClientAddress,
  said: string | null,
  scheme: 'http' | 'https',
): 'http' | 'https' {
  if (!client.isTrusted || said === null) return scheme
  const nearest = said
    .slice(said.lastIndexOf(',') + 1)
    .trim()
    .toLowerCase()
  return nearest === 'http' || nearest === 'https' ? nearest : scheme
}

/**
 * One element for each address of the chain, the last one ours with scheme and host:
 * `for=192.0.2.60, for="[2001:db8::1]";host="app.example:8443";proto=https`.
 */
function forwardedOf(chain: string | undefined, proto: 'http' | 'https', host: string | undefined): string {
  let value = ''
  for (const entry of (chain ?? 'unknown').split(', ')) {
    const node = entry.includes(':') ? `"[${entry}]"` : entry
    value += value === '' ? `for=${node}` : `, for=${node}`
  }
  if (host !== undefined) value += /^[a-z0-9._-]+$/i.test(host) ? `;host=${host}` : `;host="${host}"`
  return `${value};proto=${proto}`
}

/** A name or an address in brackets, with or without port; nothing that would need escaping. */
const isHost = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/

/** Other spellings of the same; some frameworks read them first. We write none of them, so none can be believed. */
const relatives: readonly string[] = [
  'x-forwarded-by',
  'x-forwarded-prefix',
  'x-forwarded-scheme',
  'x-forwarded-server',
  'x-forwarded-ssl',
  'x-real-ip',
  'true-client-ip',
]

const isOurs =
  /^(?:x[-_](?:forwarded|fourseven)[-_]|(?:x[-_]real|true[-_]client|cf[-_]connecting)[-_]ip$|x[-_]request[-_]id$)/i
const NONE: readonly string[] = []
