// Whether a match holds for a request, and which match of a door is the first that does.

import { longestRegexText } from '../config/defaults.ts'
import { coversHost, listenerFor } from '../table/hostname.ts'
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
  if (match.regex !== undefined && !takesPath(match.regex, facts.path)) return false
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
  if (path.kind === 'regex') return takesPath(match.regex!, value)
  if (path.value === '/') return true
  return value.startsWith(path.value) && (value.length === path.value.length || value[path.value.length] === '/')
}

/**
 * What of the path a match has consumed: what a prefix rewrite or redirect replaces. All of it where none is matched, as
 * by a regex.
 */
export function matchedPrefix(match: HttpMatch, path: string): string {
  return match.path.kind === 'prefix' ? match.path.value : path
}

/** Whether a regex takes a path. What it can be asked is bounded, so that its steps are: see `slowness`. */
export function takesPath(regex: RegExp, path: string): boolean {
  return path.length <= longestRegexText && regex.test(path)
}

/** The same for the value of a header, cookie or query parameter. These may have line ends, and a path has none. */
export function takesValue(regex: RegExp, value: string): boolean {
  return value.length <= longestRegexText && !LINE_END.test(value) && regex.test(value)
}

/** The first match of a flow listener that takes a flow, or undefined: the whole server name, its wildcards, then the rest. */
export function matchFlow(listener: FlowListener, facts: FlowFacts): FlowMatch | undefined {
  const { sni } = facts
  if (sni !== undefined && listener.byName.size > 0) {
    const whole = firstOf(listener.byName.get(sni), facts)
    if (whole !== undefined) return whole
    for (let dot = sni.indexOf('.'); dot !== -1; dot = sni.indexOf('.', dot + 1)) {
      const wild = firstOf(listener.byName.get(`*${sni.slice(dot)}`), facts)
      if (wild !== undefined) return wild
    }
  }
  return firstOf(listener.anyName, facts)
}

/** Why a match does not take a flow; undefined when it does. */
export function flowFailure(match: FlowMatch, facts: FlowFacts): 'sni' | 'alpn' | 'address' | undefined {
  if (match.sni !== undefined && (facts.sni === undefined || !coversHost(match.sni, facts.sni))) return 'sni'
  return failureBesideName(match, facts)
}

function firstOf(matches: readonly FlowMatch[] | undefined, facts: FlowFacts): FlowMatch | undefined {
  if (matches === undefined) return undefined
  for (let i = 0; i < matches.length; i++) {
    if (failureBesideName(matches[i]!, facts) === undefined) return matches[i]
  }
  return undefined
}

function failureBesideName(match: FlowMatch, facts: FlowFacts): 'alpn' | 'address' | undefined {
  if (match.alpn.length > 0 && !offersAny(facts.alpn, match.alpn)) return 'alpn'
  if (match.cidrs.length > 0 && (facts.address === undefined || !inAny(match.cidrs, facts.address))) return 'address'
  return undefined
}

function offersAny(offered: readonly string[], wanted: readonly string[]): boolean {
  for (let i = 0; i < wanted.length; i++) {
    if (offered.includes(wanted[i]!)) return true
  }
  return false
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
      return value !== undefined && takesValue(condition.regex!, value)
  }
}

function inAny(cidrs: readonly Parameters<typeof cidrContains>[0][], address: Address): boolean {
  for (let i = 0; i < cidrs.length; i++) {
    if (cidrContains(cidrs[i]!, address)) return true
  }
  return false
}

/** What `.` does not take (ECMA-262 section 12.3, LineTerminator). */
const LINE_END = /[\n\r\u2028\u2029]/
