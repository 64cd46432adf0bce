// Whether a match holds for a request, and which match of a door is the first that does.

import { listenerFor } from '../table/hostname.ts'
import { findMatch } from '../table/route-index.ts'
import type { Condition, FlowListener, FlowMatch, HttpDoor, HttpMatch } from '../table/table.ts'
import { type Address, cidrContains } from '../wire/address.ts'
import type { FlowFacts, RequestFacts } from './facts.ts'

/** The match that serves a request, or undefined: no route. */
export function matchHttp(door: HttpDoor | undefined, facts: RequestFacts): HttpMatch | undefined {
  const listener = door === undefined ? undefined : listenerFor(door.listeners, facts.host)
  return listener === undefined
    ? undefined
    : findMatch(listener.index, facts.host, facts.path, facts.method, facts, holds)
}

/** Everything of a match but an exact or prefix path, which the path index has seen to. */
export function holds(match: HttpMatch, facts: RequestFacts): boolean {
  const methods = match.methods
  if (methods !== undefined && methods[0] !== facts.method && !methods.includes(facts.method)) return false
  if (match.regex !== undefined && !match.regex.test(facts.path)) return false
  const conditions = match.conditions
  for (let i = 0; i < conditions.length; i++) {
    if (!conditionHolds(conditions[i]!, facts)) return false
  }
  return true
}

export function conditionHolds(condition: Condition, facts: RequestFacts): boolean {
  switch (condition.on) {
    case 'header':
      return valueHolds(condition, facts.headers[condition.index])
    case 'cookie':
      return valueHolds(condition, facts.cookies[condition.index])
    case 'query':
      return valueHolds(condition, facts.queries[condition.index])
    case 'address':
      return facts.address !== undefined && inAny(condition.cidrs, facts.address)
    case 'country':
      return facts.country !== undefined && condition.countries.includes(facts.country)
  }
}

/** Whether a path takes a request path, alone: what the index does for a whole table, for explain and the shadow check. */
export function pathHolds(match: HttpMatch, value: string): boolean {
  const { path } = match
  if (path.kind === 'exact') return value === path.value
  if (path.kind === 'regex') return match.regex!.test(value)
  if (path.value === '/') return true
  return value.startsWith(path.value) && (value.length === path.value.length || value[path.value.length] === '/')
}

/** The first match of a tcp listener that takes a flow, or undefined. */
export function matchFlow(listener: FlowListener, facts: FlowFacts): FlowMatch | undefined {
  return listener.matches.find(match => flowHolds(match, facts))
}

export function flowHolds(match: FlowMatch, facts: FlowFacts): boolean {
  return match.cidrs.length === 0 || (facts.address !== undefined && inAny(match.cidrs, facts.address))
}

function valueHolds(condition: Condition & { readonly on: 'header' | 'cookie' | 'query' }, value: string | undefined) {
  switch (condition.op) {
    case 'exact':
      return value === condition.value
    case 'present':
      return value !== undefined
    case 'absent':
      return value === undefined
    case 'regex':
      return value !== undefined && condition.regex!.test(value)
  }
}

function inAny(cidrs: readonly Parameters<typeof cidrContains>[0][], address: Address): boolean {
  for (let i = 0; i < cidrs.length; i++) {
    if (cidrContains(cidrs[i]!, address)) return true
  }
  return false
}
