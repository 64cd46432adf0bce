// Which URL an endpoint of the edge is asked for, and under which name.

import type { EndpointAddress } from '../config/endpoint-address.ts'
import { mayBeCalled } from '../config/zone.ts'

export interface EndpointUrl {
  /** With path and query. */
  readonly url: string
  /** The host that is connected to when the URL names another one of the same zone. */
  readonly resolveOverride: string | undefined
}

/**
 * A bound Worker sees the client's own host; every other endpoint is asked under its own name.
 *
 * @param path with the query, as `endpointPath` gives it
 * @param host the Host that the endpoint is to see; an endpoint that cannot be called by it is asked as if there were none
 */
export function endpointUrl(
  address: EndpointAddress,
  facts: { readonly scheme: 'http' | 'https'; readonly host: string; readonly port: number },
  path: string,
  host: string | undefined,
): EndpointUrl {
  if (address.scheme === 'binding') {
    const port = facts.port === 0 || host !== undefined ? '' : `:${facts.port}`
    return { url: `${facts.scheme}://${host ?? facts.host}${port}${path}`, resolveOverride: undefined }
  }
  if (host === undefined || !mayBeCalled(address, host)) {
    return { url: address.origin + address.base + path, resolveOverride: undefined }
  }
  const origin = address.origin.replace(address.host, host)
  return { url: origin + address.base + path, resolveOverride: address.host }
}
