// The Proxy-Status field (RFC 9209) of an answer of our own. An endpoint's own field is kept: ours is appended.

import { type Reason, reasons } from '../decide/reason.ts'

/**
 * `fourseven; error=destination_not_found; details="no route for this host"`. A reason that is not registered is sent as
 * `proxy_internal_response` with the word in `details`.
 *
 * @param details for whoever reads the answer, so never an endpoint's address; printable ASCII, the rest becomes `?`
 */
export function proxyStatus(reason: Reason, details?: string): string {
  const isRegistered = reasons[reason].isRegistered
  const shown = isRegistered ? details : details === undefined ? reason : `${reason}: ${details}`
  const error = isRegistered ? reason : 'proxy_internal_response'
  return shown === undefined ? `fourseven; error=${error}` : `fourseven; error=${error}; details=${quote(shown)}`
}

/** For an endpoint's answer whose body we replaced (RFC 9209 section 2.1.5). */
export function receivedStatus(status: number): string {
  return `fourseven; received-status=${status}`
}

/** An sf-string (RFC 8941 section 3.3.3). */
function quote(text: string): string {
  return `"${text
    .slice(0, longestDetails)
    .replace(/[^\x20-\x7e]/g, '?')
    .replace(/["\\]/g, '\\$&')}"`
}

const longestDetails = 256
