// What a reload changes: two tables compared by the names in them. Pure, so that a dry run says what the reload will do.

import type { Endpoint, Pool } from '../pool/pool.ts'
import { httpDoorName } from './compile-http.ts'
import type { FlowListener, FlowRule, FlowVariant, HttpRule, HttpVariant, Table } from './table.ts'

export interface Difference {
  readonly listeners: {
    readonly added: readonly string[]
    readonly removed: readonly string[]
    /** They listen somewhere else. */
    readonly moved: readonly string[]
    /** Anything else of theirs; in force from the next connection on. */
    readonly changed: readonly string[]
  }
  /** Of layer 4, by `route/rule`. */
  readonly rules: Changes
  readonly pools: Changes
  /** By `pool/name` as the config has it. */
  readonly endpoints: Changes
}

export interface Changes {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly changed: readonly string[]
}

/** The layer-4 part of two tables compared. Addresses that a name was resolved to do not count. */
export function difference(before: Table, after: Table): Difference {
  const [old, now] = [before.flowListeners, after.flowListeners]
  const kept = [...now.values()].filter(listener => old.has(listener.name))
  const isMoved = (listener: FlowListener) => placeOf(listener) !== placeOf(old.get(listener.name)!)
  return {
    listeners: {
      added: [...now.keys()].filter(name => !old.has(name)),
      removed: [...old.keys()].filter(name => !now.has(name)),
      moved: kept.filter(isMoved).map(({ name }) => name),
      changed: kept
        .filter(listener => !isMoved(listener) && formOfListener(listener) !== formOfListener(old.get(listener.name)!))
        .map(({ name }) => name),
    },
    rules: changes(formsOf(rulesOf(before), formOfRule), formsOf(rulesOf(after), formOfRule)),
    pools: changes(formsOf(poolsByName(before), formOfPool), formsOf(poolsByName(after), formOfPool)),
    endpoints: changes(
      formsOf(endpointsByName(before), formOfEndpoint),
      formsOf(endpointsByName(after), formOfEndpoint),
    ),
  }
}

/** Whether a reload that brings this difference changes nothing at all. */
export function isNothing({ listeners, rules, pools, endpoints }: Difference): boolean {
  return [listeners, rules, pools, endpoints].every(part => Object.values(part).every(names => names.length === 0))
}

/** What a flow was given, by names. */
export interface FlowPath {
  readonly listener: string
  readonly rule: FlowRule
  readonly variant: FlowVariant
  /** Undefined while none is connected. */
  readonly endpoint: Endpoint | undefined
}

/**
 * Whether the flow has lost what it stands on: its listener, its rule on that listener, its variant, or its endpoint,
 * by name and address as the config has them. A match, weight or limit that changed takes nothing away, nor does an
 * address that a name no longer resolves to.
 */
export function isGone(path: FlowPath, table: Table): boolean {
  const now = ruleIn(path, table)
  if (now === undefined) return true
  const { endpoint } = path
  if (endpoint === undefined) return false
  const { endpoints } = now.variant.pool
  return !endpoints.some(each => each.of === endpoint.of && each.address.origin === endpoint.address.origin)
}

/**
 * The same path in another table, by the names in it: what a session goes on with. Undefined when it has lost its
 * listener, rule or variant. `endpoint` is undefined when that is not there any more, at that very address: a session
 * is moved by its next datagram, so it follows a name that resolves to other addresses.
 */
export function pathIn(path: FlowPath, table: Table): FlowPath | undefined {
  const now = ruleIn(path, table)
  if (now === undefined) return undefined
  const { endpoint } = path
  const same = now.variant.pool.endpoints.find(
    each => each.id === endpoint?.id && each.address.origin === endpoint.address.origin,
  )
  return { listener: path.listener, ...now, endpoint: same }
}

function ruleIn({ listener, rule, variant }: FlowPath, table: Table): Pick<FlowPath, 'rule' | 'variant'> | undefined {
  const matches = table.flowListeners.get(listener)?.matches
  const now = matches?.find(match => match.rule.id === rule.id)?.rule
  const same = now?.variants.find(({ name }) => name === variant.name)
  return same === undefined || same.pool.name !== variant.pool.name ? undefined : { rule: now!, variant: same }
}

/** The same of a request. */
export function isRequestGone({ listener, rule, variant, endpoint }: RequestPath, table: Table): boolean {
  const { listeners } = table.httpDoors.get(httpDoorName(listener)) ?? { listeners: [] }
  const matches = listeners.flatMap(({ index }) => index.hosts.flatMap(host => host.matches))
  const now = matches
    .find(match => match.rule.id === rule.id)
    ?.variants.find(({ name, pool }) => name === variant.name && pool?.name === variant.pool?.name)
  if (now === undefined) return true
  if (endpoint === undefined || now.pool === undefined) return false
  return !now.pool.endpoints.some(each => each.of === endpoint.of && each.address.origin === endpoint.address.origin)
}

export interface RequestPath {
  readonly listener: string
  readonly rule: HttpRule
  readonly variant: HttpVariant
  /** Undefined while none was asked. */
  readonly endpoint: Endpoint | undefined
}

/** With another key the sessions of before could not be told apart any more: their listener begins anew. */
function placeOf({ kind, host, port, socketMode, sessionKey, kernel }: FlowListener): string {
  return JSON.stringify([kind === 'udp', host, port, socketMode, sessionKey, kernel === undefined])
}

function rulesOf(table: Table): Map<string, { rule: FlowRule; asks: string[] }> {
  const rules = new Map<string, { rule: FlowRule; asks: string[] }>()
  for (const { name, matches } of table.flowListeners.values()) {
    for (const { rule, sni, alpn, cidrs } of matches) {
      const known = rules.get(rule.id) ?? { rule, asks: [] }
      known.asks.push(JSON.stringify([name, sni, alpn, cidrs.map(({ text }) => text)]))
      rules.set(rule.id, known)
    }
  }
  return rules
}

function poolsByName(table: Table): Map<string, Pool> {
  return new Map(table.pools.map(pool => [pool.name, pool]))
}

function endpointsByName(table: Table): Map<string, Endpoint> {
  return new Map(table.pools.flatMap(({ endpoints }) => endpoints.map(endpoint => [endpoint.of, endpoint] as const)))
}

function formOfRule({ rule, asks }: { rule: FlowRule; asks: string[] }): string {
  const { variants, split, path: _, ...rest } = rule
  return JSON.stringify([rest, asks, split, variants.map(({ name, weight, pool }) => [name, weight, pool.name])])
}

function formOfPool({ index: _, endpoints: __, ...rest }: Pool): string {
  return JSON.stringify(rest)
}

function formOfEndpoint({ address, weight, priority }: Endpoint): string {
  return JSON.stringify([address.origin, weight, priority])
}

function formOfListener({ matches: _, byName: __, anyName: ___, ...rest }: FlowListener): string {
  return JSON.stringify(rest)
}

function formsOf<Thing>(things: ReadonlyMap<string, Thing>, formOf: (thing: Thing) => string): Map<string, string> {
  return new Map([...things].map(([name, thing]) => [name, formOf(thing)]))
}

function changes(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): Changes {
  return {
    added: [...after.keys()].filter(name => !before.has(name)),
    removed: [...before.keys()].filter(name => !after.has(name)),
    changed: [...after].flatMap(([name, form]) => (before.has(name) && before.get(name) !== form ? [name] : [])),
  }
}
