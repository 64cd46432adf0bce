// Via (RFC 9110 section 7.6.3), for listeners that ask for it: some endpoints stop compressing when they see it.

import type { HeaderFields } from './header-fields.ts'

/** @param protocol of the message as we received it: `HTTP/1.1`, `HTTP/2`; undefined counts as HTTP/1.1 */
export function appendVia(fields: HeaderFields, protocol: string | undefined): void {
  const version = /^HTTP\/(\d(?:\.\d)?)$/.exec(protocol ?? '')?.[1] ?? '1.1'
  fields.append('via', `${version} fourseven`)
}
