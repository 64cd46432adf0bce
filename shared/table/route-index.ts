// Finds the first match in precedence for a host and a path. The exact paths and prefixes of a hostname stand in a radix
// tree that looks only at the characters where they part; whether the rest agrees is asked once, at the end. The trees of
// all hostnames are one array of numbers, so that a lookup touches a handful of cache lines however many rules there are.
// Regexes are a list for each hostname.
//
// Worked example: prefixes / and /api, exact /api/v1/me, prefix /app. Node '' passes on to '/ap' (nothing ends there),
// which parts at character 3: 'i' leads to '/api', 'p' to '/app'. For /api/v1/me the walk passes '', '/api' and the exact
// path; that one agrees with the path, so all it passed agree. Exact first, then regexes, then '/api', then ''.

import { isWildcard } from './hostname.ts'
import { compareRanks } from './precedence.ts'
import type { HttpMatch } from './table.ts'

export interface RouteIndex {
  readonly exact: ReadonlyMap<string, HostMatches>
  /** By what follows the `*.`. */
  readonly wildcards: ReadonlyMap<string, HostMatches>
  /** Rules of routes without hostnames. */
  readonly any: HostMatches | undefined
  /** Nodes of all trees; see `NODE`. */
  readonly nodes: Int32Array
  /** Matches of one hostname, kind and path stand together in rank order; nodes hold ranges of it. */
  readonly listed: readonly HttpMatch[]
}

/** All matches under one hostname. */
export interface HostMatches {
  /** As routes write it; undefined for any host. */
  readonly hostname: string | undefined
  /** In rank order. */
  readonly matches: HttpMatch[]
  /** Where its tree begins in `nodes`. */
  root: number
  regexes: readonly HttpMatch[] | undefined
}

/** Collects matches by hostname, then gives the index. */
export function buildRouteIndex(
  pairs: Iterable<readonly [hostname: string | undefined, match: HttpMatch]>,
): RouteIndex {
  const exact = new Map<string, HostMatches>()
  const wildcards = new Map<string, HostMatches>()
  const hosts: HostMatches[] = []
  let any: HostMatches | undefined
  const added = (hostname: string | undefined): HostMatches => {
    const host: HostMatches = { hostname, matches: [], root: 0, regexes: undefined }
    hosts.push(host)
    return host
  }
  for (const [hostname, match] of pairs) {
    let host: HostMatches
    if (hostname === undefined) {
      any ??= added(undefined)
      host = any
    } else {
      const [map, key] = isWildcard(hostname) ? [wildcards, hostname.slice(2)] : [exact, hostname]
      host = map.get(key) ?? added(hostname)
      map.set(key, host)
    }
    host.matches.push(match)
  }
  return { exact, wildcards, any, ...plant(hosts) }
}

/**
 * The first match in precedence for host and path that `holds`; `holds` is asked about everything but exact and prefix
 * paths. A hostname whose matches all fail hands on to the next wider one: precedence orders the matches of all routes,
 * it does not wall hosts off (Gateway API HTTPRoute).
 */
export function findMatch<Facts>(
  index: RouteIndex,
  host: string,
  path: string,
  facts: Facts,
  holds: (match: HttpMatch, facts: Facts) => boolean,
): HttpMatch | undefined {
  const exact = index.exact.get(host)
  if (exact !== undefined) {
    const found = findUnder(index, exact, path, facts, holds)
    if (found !== undefined) return found
  }
  if (index.wildcards.size > 0) {
    for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1)) {
      const wildcard = index.wildcards.get(host.slice(dot + 1))
      const found = wildcard === undefined ? undefined : findUnder(index, wildcard, path, facts, holds)
      if (found !== undefined) return found
    }
  }
  return index.any === undefined ? undefined : findUnder(index, index.any, path, facts, holds)
}

/** Every hostname of the index, in no order that matters. */
export function allHostMatches(index: RouteIndex): HostMatches[] {
  return [...index.exact.values(), ...index.wildcards.values(), ...(index.any === undefined ? [] : [index.any])]
}

function findUnder<Facts>(
  index: RouteIndex,
  host: HostMatches,
  path: string,
  facts: Facts,
  holds: (match: HttpMatch, facts: Facts) => boolean,
): HttpMatch | undefined {
  const { nodes, listed } = index
  let passed = 0
  for (let node = host.root; node !== NO_CHILD; node = childFor(nodes, node, path)) {
    if (nodes[node]! > path.length) break
    if (nodes[node + FIRST]! < nodes[node + LAST]!) passedNodes[passed++] = node
  }
  // The deepest text that the path really begins with; what the walk passed before it agrees as well.
  while (passed > 0 && !path.startsWith(listed[nodes[passedNodes[passed - 1]! + FIRST]!]!.text)) passed -= 1

  if (passed > 0) {
    const node = passedNodes[passed - 1]!
    if (nodes[node] === path.length) {
      const found = firstThatHolds(listed, nodes[node + FIRST]!, nodes[node + PREFIXES]!, facts, holds)
      if (found !== undefined) return found
    }
  }
  if (host.regexes !== undefined) {
    const found = firstThatHolds(host.regexes, 0, host.regexes.length, facts, holds)
    if (found !== undefined) return found
  }
  while (passed > 0) {
    const node = passedNodes[--passed]!
    const end = nodes[node]!
    // A prefix holds by whole elements: where it ends the path ends too, or goes on with a slash.
    if (end !== path.length && path.charCodeAt(end) !== SLASH) continue
    const found = firstThatHolds(listed, nodes[node + PREFIXES]!, nodes[node + LAST]!, facts, holds)
    if (found !== undefined) return found
  }
  return undefined
}

/** By the one character where the children part. */
function childFor(nodes: Int32Array, node: number, path: string): number {
  const at = nodes[node]!
  if (at >= path.length) return NO_CHILD
  const code = path.charCodeAt(at)
  let child = node + CHILDREN + 1
  for (const end = child + 2 * nodes[node + CHILDREN]!; child < end; child += 2) {
    if (nodes[child] === code) return nodes[child + 1]!
  }
  return NO_CHILD
}

function firstThatHolds<Facts>(
  matches: readonly HttpMatch[],
  from: number,
  to: number,
  facts: Facts,
  holds: (match: HttpMatch, facts: Facts) => boolean,
): HttpMatch | undefined {
  for (let i = from; i < to; i++) {
    const match = matches[i]!
    if (holds(match, facts)) return match
  }
  return undefined
}

/** A tree while it grows: one stretch of text, what ends here, what follows. */
interface Sprout {
  stretch: string
  readonly children: Sprout[]
  readonly exact: HttpMatch[]
  readonly prefixes: HttpMatch[]
}

function plant(hosts: readonly HostMatches[]): { nodes: Int32Array; listed: HttpMatch[] } {
  const nodes: number[] = []
  const listed: HttpMatch[] = []
  for (const host of hosts) {
    host.matches.sort((a, b) => compareRanks(a.rank, b.rank))
    const root = sprout('')
    const regexes: HttpMatch[] = []
    for (const match of host.matches) {
      if (match.path.kind === 'regex') regexes.push(match)
      else if (match.path.kind === 'exact') grow(root, match.text).exact.push(match)
      else grow(root, match.text).prefixes.push(match)
    }
    host.root = flatten(root, root.stretch.length, nodes, listed)
    if (regexes.length > 0) host.regexes = regexes
  }
  return { nodes: Int32Array.from(nodes), listed }
}

/** The place in the tree where `text` ends, made if need be by splitting the stretch it parts from. */
function grow(root: Sprout, text: string): Sprout {
  let at = root
  let rest = text
  while (rest !== '') {
    const i = at.children.findIndex(child => child.stretch[0] === rest[0])
    const child = at.children[i]
    if (child === undefined) {
      const leaf = sprout(rest)
      at.children.push(leaf)
      return leaf
    }
    const common = commonLength(child.stretch, rest)
    if (common < child.stretch.length) {
      const upper = sprout(child.stretch.slice(0, common))
      child.stretch = child.stretch.slice(common)
      upper.children.push(child)
      at.children[i] = upper
      at = upper
    } else at = child
    rest = rest.slice(common)
  }
  return at
}

function sprout(stretch: string): Sprout {
  return { stretch, children: [], exact: [], prefixes: [] }
}

function commonLength(a: string, b: string): number {
  let length = 0
  while (length < a.length && length < b.length && a[length] === b[length]) length++
  return length
}

/** Writes a tree behind what stands in `nodes` and gives its place. `end`: the length of its text. */
function flatten(tree: Sprout, end: number, nodes: number[], listed: HttpMatch[]): number {
  const place = nodes.length
  const first = listed.length
  listed.push(...tree.exact, ...tree.prefixes)
  nodes.push(end, first, first + tree.exact.length, listed.length, tree.children.length)
  for (const child of tree.children) nodes.push(child.stretch.charCodeAt(0), NO_CHILD)
  for (const [i, child] of tree.children.entries()) {
    nodes[place + CHILDREN + 2 + 2 * i] = flatten(child, end + child.stretch.length, nodes, listed)
  }
  return place
}

/**
 * A node: the length of its text, then ranges of `listed`: exact paths from FIRST to PREFIXES, prefixes from there to
 * LAST. Then the number of children, and for each the character after the text and its place.
 */
const FIRST = 1
const PREFIXES = 2
const LAST = 3
const CHILDREN = 4
const NO_CHILD = -1
const SLASH = 47
/** Of the walk under way; a walk never waits, so one array serves all. */
const passedNodes: number[] = []
