// What the relay knows of a request before the decision.

import { randomFillSync } from 'node:crypto'
import { type Arrived, type Chance, type DoorFacts, readRequestFacts } from '../../shared/http/request-facts.ts'
import { requestIds } from '../../shared/http/request-id.ts'
import { httpDoorName } from '../../shared/table/compile-http.ts'
import type { Table } from '../../shared/table/table.ts'
import type { Exchange } from './exchange.ts'

export function readFacts(
  exchange: Exchange,
  listener: string,
  table: Table,
  cookieKeys: readonly string[],
  now: number,
): DoorFacts {
  return readRequestFacts(new AtRelay(exchange, httpDoorName(listener)), table, cookieKeys, now, chance)
}

class AtRelay implements Arrived {
  readonly door: string
  readonly scheme: 'http' | 'https'
  readonly authority: string
  readonly said: string | null
  readonly method: string
  readonly path: string
  readonly search: string
  /** As a PROXY header has it, where one is required. */
  readonly peer: string
  private readonly exchange: Exchange

  constructor(exchange: Exchange, door: string) {
    this.door = door
    this.scheme = exchange.scheme
    this.authority = exchange.authority
    this.said = exchange.said
    this.method = exchange.method
    this.path = exchange.path
    this.search = exchange.search
    this.peer = exchange.connection.facts.clientAddress
    this.exchange = exchange
  }

  header(name: string): string | null {
    return this.exchange.fields.get(name)
  }

  serverName(): string | undefined {
    return this.exchange.connection.facts.sni
  }

  country(): undefined {
    return undefined
  }

  protocol(): string {
    return this.exchange.version
  }
}

/** Random words, fetched many at a time: one by one they cost more than the rest of the facts together. */
function randomWord(): number {
  if (used === words.length) {
    randomFillSync(words)
    used = 0
  }
  return words[used++]!
}

const words = new Uint32Array(1_024)
let used = words.length
const chance: Chance = { word: randomWord, requestId: requestIds(randomWord) }
