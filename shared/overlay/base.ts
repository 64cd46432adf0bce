// What an overlay's entries stand on: the splits and endpoints of a table, each with a hash of what an entry was made for.
// A deploy that changes that gives another hash, and the entry is retired.

import { hash32 } from '../pool/hash.ts'
import type { Endpoint, Pool } from '../pool/pool.ts'
import type { FlowRule, HttpRule, Split, Table } from '../table/table.ts'

export interface SplitBase {
  readonly split: Split
  readonly variants: readonly { readonly name: string; readonly weight: number }[]
  /** The first rule that has it, `route/rule`. Rules that share the name share the split. */
  readonly rule: string
}

export interface EndpointBase {
  readonly pool: Pool
  /** One, or one for each address that its name was resolved to. */
  readonly endpoints: readonly Endpoint[]
}

/** The splits of a table as compiled, by name. Never of one that an overlay was applied to. */
export function splitsOf(table: Table): ReadonlyMap<string, SplitBase> {
  const splits = new Map<string, SplitBase>()
  for (const rule of rulesOf(table)) {
    const [split, variants] = 'action' in rule ? forwardOf(rule) : [rule.split, rule.variants]
    if (split !== undefined && !splits.has(split.name)) splits.set(split.name, { split, variants, rule: rule.id })
  }
  return splits
}

/** The endpoints of a table by `pool/name` as the config has it. */
export function endpointsOf(table: Table): ReadonlyMap<string, EndpointBase> {
  const found = new Map<string, { pool: Pool; endpoints: Endpoint[] }>()
  for (const pool of table.pools) {
    for (const endpoint of pool.endpoints) {
      const known = found.get(endpoint.of)
      if (known === undefined) found.set(endpoint.of, { pool, endpoints: [endpoint] })
      else known.endpoints.push(endpoint)
    }
  }
  return found
}

/** Of the variants' names and weights in the config, and of the split's name and salt. */
export function splitBase({ split, variants }: SplitBase): string {
  return hashOf([split.name, split.seed, variants.map(({ name, weight }) => [name, weight])])
}

/** Of the pool's name and the endpoint's address. */
export function endpointBase({ pool, endpoints }: EndpointBase): string {
  const { address } = endpoints[0]!
  return hashOf([pool.name, address.origin, address.base])
}

/** What is known of an endpoint by a verdict on it that stands, or by none; `probe` is that of its pool. */
export function verdictOf(
  entry: { readonly is: 'up' | 'down' } | undefined,
  probe: { readonly startsDown: boolean } | undefined,
): 'up' | 'down' {
  return entry?.is ?? (probe?.startsDown === true ? 'down' : 'up')
}

function* rulesOf(table: Table): Iterable<HttpRule | FlowRule> {
  for (const { listeners } of table.httpDoors.values()) {
    for (const { index } of listeners) for (const { matches } of index.hosts) for (const { rule } of matches) yield rule
  }
  for (const { matches } of table.flowListeners.values()) for (const { rule } of matches) yield rule
}

function forwardOf({ action }: HttpRule): [Split | undefined, SplitBase['variants']] {
  return action.do === 'forward' ? [action.split, action.variants] : [undefined, []]
}

function hashOf(value: unknown): string {
  const text = JSON.stringify(value)
  const high = hash32(text)
  return high.toString(36) + hash32(text, high).toString(36)
}
