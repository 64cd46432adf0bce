// A request that nobody sends, as an `http` listener of the relay would see it: for `explain`.

import { type Chance, type DoorFacts, readRequestFacts } from '../shared/http/request-facts.ts'
import { requestIds } from '../shared/http/request-id.ts'
import { splitUrl } from '../shared/http/target.ts'
import { httpDoorName } from '../shared/table/compile-http.ts'
import type { Table } from '../shared/table/table.ts'

/**
 * @param request as `askedRequest` makes it, without a client
 * @param client the other end of the connection, or the client that a PROXY header names
 */
export function factsAtRelay(
  request: Request,
  listener: string,
  client: string | undefined,
  table: Table,
  cookieKeys: readonly string[],
): DoorFacts {
  const { headers, method } = request
  const arrived = {
    door: httpDoorName(listener),
    ...splitUrl(request.url),
    said: headers.get('host'),
    method,
    peer: client,
    header: (name: string) => headers.get(name),
    country: () => undefined,
    serverName: () => undefined,
    protocol: () => 'HTTP/2',
  }
  return readRequestFacts(arrived, table, cookieKeys, Date.now(), chance)
}

const word = () => Math.floor(Math.random() * 2 ** 32)
const chance: Chance = { word, requestId: requestIds(word) }
