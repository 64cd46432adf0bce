// Who the client of a request is, as a PROXY header has it for the endpoint.

import type { SendProxyConfig } from '../../shared/config/parsed.ts'
import type { DoorFacts } from '../../shared/http/request-facts.ts'
import { parseAddress } from '../../shared/wire/address.ts'
import { openingOf, type Served } from '../opening.ts'
import type { Introduction } from './call.ts'
import type { HttpConnection } from './exchange.ts'

/**
 * The client as the request's facts have it: it may have come over the connection of a proxy that is trusted, which serves many.
 * Nobody knows its port then.
 */
export function introduce(
  send: SendProxyConfig,
  served: Served,
  facts: DoorFacts,
  { facts: arrived, socket }: HttpConnection,
): Introduction {
  const { clientAddress } = facts
  const isPeer = clientAddress === arrived.clientAddress
  const address = clientAddress === undefined ? undefined : parseAddress(clientAddress)
  const said = isPeer ? arrived : { ...arrived, address, clientPort: 0, proxyHeader: undefined }
  const alike = send.hasUniqueId ? { ...send, hasUniqueId: false } : send
  const { bytes } = openingOf(alike, served, said, socket)
  return {
    key: Buffer.from(bytes).toString('latin1'),
    bytes: send.hasUniqueId ? () => openingOf(send, served, said, socket).bytes : () => bytes,
  }
}
