// What the Worker knows of a request before the decision. It does not see its peer: who the client is comes from the header
// that the listener names.

import { type Arrived, type Chance, type DoorFacts, readRequestFacts } from '../shared/http/request-facts.ts'
import { requestIds } from '../shared/http/request-id.ts'
import { splitUrl } from '../shared/http/target.ts'
import { EDGE_DOOR } from '../shared/table/compile-http.ts'
import type { Table } from '../shared/table/table.ts'
import { randomWord } from './random-words.ts'

export function readFacts(request: Request, table: Table, cookieKeys: readonly string[], now: number): DoorFacts {
  return readRequestFacts(new AtEdge(request), table, cookieKeys, now, chance)
}

class AtEdge implements Arrived {
  readonly door = EDGE_DOOR
  readonly scheme: 'http' | 'https'
  readonly authority: string
  /** workerd glues a Host such as `x/evil@y` into the URL as it is: the URL alone looks honest. */
  readonly said: string | null
  readonly method: string
  readonly path: string
  readonly search: string
  readonly peer = undefined
  private readonly request: Request

  constructor(request: Request) {
    const { scheme, authority, path, search } = splitUrl(request.url)
    this.scheme = scheme
    this.authority = authority
    this.said = request.headers.get('host')
    this.method = request.method
    this.path = path
    this.search = search
    this.request = request
  }

  header(name: string): string | null {
    return this.request.headers.get(name)
  }

  /** The platform ends TLS, and does not say for which name. */
  serverName(): undefined {
    return undefined
  }

  country(): string | undefined {
    const country = this.request.cf?.country
    return typeof country === 'string' ? country : undefined
  }

  protocol(): string | undefined {
    const protocol = this.request.cf?.httpProtocol
    return typeof protocol === 'string' ? protocol : undefined
  }
}

const chance: Chance = { word: randomWord, requestId: requestIds(randomWord) }
