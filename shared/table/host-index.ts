// Finds the matches of a host, most specific hostname first. The path index of a hostname is built when the first request
// for it comes, so that a cold isolate with many hosts starts fast.

import { isWildcard } from './hostname.ts'
import { buildPathIndex, findInPaths, type PathIndex } from './path-index.ts'
import { compareRanks } from './precedence.ts'
import type { HttpMatch } from './table.ts'

export interface HostIndex {
  readonly exact: ReadonlyMap<string, HostMatches>
  /** By what follows the `*.`. */
  readonly wildcards: ReadonlyMap<string, HostMatches>
  /** Rules of routes without hostnames. */
  readonly any: HostMatches | undefined
}

/** All matches under one hostname. */
export interface HostMatches {
  /** As routes write it; undefined for any host. */
  readonly hostname: string | undefined
  readonly matches: HttpMatch[]
  /** Built on first use; a clone of the table may hold it or not, both are right. */
  paths: PathIndex | undefined
}

/** Collects matches by hostname, then gives the index. */
export function buildHostIndex(
  entries: Iterable<readonly [hostname: string | undefined, match: HttpMatch]>,
): HostIndex {
  const exact = new Map<string, HostMatches>()
  const wildcards = new Map<string, HostMatches>()
  let any: HostMatches | undefined
  for (const [hostname, match] of entries) {
    if (hostname === undefined) {
      any ??= { hostname, matches: [], paths: undefined }
      any.matches.push(match)
      continue
    }
    const [map, key] = isWildcard(hostname) ? [wildcards, hostname.slice(2)] : [exact, hostname]
    const entry = map.get(key)
    if (entry === undefined) map.set(key, { hostname, matches: [match], paths: undefined })
    else entry.matches.push(match)
  }
  return { exact, wildcards, any }
}

/**
 * The first match in precedence for host and path that `holds`. A hostname whose matches all fail hands on to the next
 * wider one: precedence orders the matches of all routes, it does not wall hosts off (Gateway API HTTPRoute).
 */
export function findMatch<Facts>(
  index: HostIndex,
  host: string,
  path: string,
  facts: Facts,
  holds: (match: HttpMatch, facts: Facts) => boolean,
): HttpMatch | undefined {
  const exact = index.exact.get(host)
  if (exact !== undefined) {
    const found = findInPaths(exact.paths ?? pathsOf(exact), path, facts, holds)
    if (found !== undefined) return found
  }
  if (index.wildcards.size > 0) {
    for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1)) {
      const wildcard = index.wildcards.get(host.slice(dot + 1))
      if (wildcard === undefined) continue
      const found = findInPaths(wildcard.paths ?? pathsOf(wildcard), path, facts, holds)
      if (found !== undefined) return found
    }
  }
  const any = index.any
  return any === undefined ? undefined : findInPaths(any.paths ?? pathsOf(any), path, facts, holds)
}

/** The hostnames of the index that take a host, most specific first. */
export function hostMatchesOf(index: HostIndex, host: string): HostMatches[] {
  const found: (HostMatches | undefined)[] = [index.exact.get(host)]
  for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1)) {
    found.push(index.wildcards.get(host.slice(dot + 1)))
  }
  found.push(index.any)
  return found.filter(entry => entry !== undefined)
}

/** Every hostname of the index, in no order that matters. */
export function allHostMatches(index: HostIndex): HostMatches[] {
  return [...index.exact.values(), ...index.wildcards.values(), ...(index.any === undefined ? [] : [index.any])]
}

function pathsOf(entry: HostMatches): PathIndex {
  entry.matches.sort((a, b) => compareRanks(a.rank, b.rank))
  entry.paths = buildPathIndex(entry.matches)
  return entry.paths
}
