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
  /** Where the tree of a whole hostname begins in `nodes`. */
  readonly exact: ReadonlyMap<string, number>
  /** By what follows the `*.`. */
  readonly wildcards: ReadonlyMap<string, number>
  /** The tree of routes without hostnames; NONE without such. */
  readonly any: number
  /** Nodes of all trees; see `FIRST`. */
  readonly nodes: Int32Array
  /** Matches of one hostname, kind and path stand together in rank order; nodes hold ranges of it. */
  readonly listed: readonly HttpMatch[]
  /** The regexes of a hostname in rank order; in front of a tree stands which, or NONE. */
  readonly regexes: readonly (readonly HttpMatch[])[]
  /** For those who look at all of it: explain and the shadow check. */
  readonly hosts: readonly HostMatches[]
}

/** All matches under one hostname. */
export interface HostMatches {
  /** As routes write it; undefined for any host. */
  readonly hostname: string | undefined
  /** In rank order. */
  readonly matches: readonly HttpMatch[]
}

/** Collects matches by hostname, then gives the index. */
export function buildRouteIndex(
  pairs: Iterable<readonly [hostname: string | undefined, match: HttpMatch]>,
): RouteIndex {
  const byHostname = new Map<string | undefined, HttpMatch[]>()
  for (const [hostname, match] of pairs) {
    const known = byHostname.get(hostname)
    if (known === undefined) byHostname.set(hostname, [match])
    else known.push(match)
  }
  const hosts = [...byHostname].map(([hostname, matches]) => ({
    hostname,
    matches: matches.sort((a, b) => compareRanks(a.rank, b.rank)),
  }))
  const planted = plant(hosts)
  const exact = new Map<string, number>()
  const wildcards = new Map<string, number>()
  let any = NONE
  for (const [i, { hostname }] of hosts.entries()) {
    const root = planted.roots[i]!
    if (hostname === undefined) any = root
    else if (isWildcard(hostname)) wildcards.set(hostname.slice(2), root)
    else exact.set(hostname, root)
  }
  const { nodes, listed, regexes } = planted
  return { exact, wildcards, any, nodes, listed, regexes, hosts }
}

/**
 * The index with other matches in the places of the old ones; the very index when none is another one. What a match is
 * found by (its path, what it asks, its rank) has to be the same.
 */
export function replaceMatches(index: RouteIndex, replaced: (match: HttpMatch) => HttpMatch): RouteIndex {
  const changed = new Map<HttpMatch, HttpMatch>()
  for (const { matches } of index.hosts) {
    for (const match of matches) {
      if (changed.has(match)) continue
      const other = replaced(match)
      if (other !== match) changed.set(match, other)
    }
  }
  if (changed.size === 0) return index
  const again = (matches: readonly HttpMatch[]) => matches.map(match => changed.get(match) ?? match)
  return {
    ...index,
    listed: again(index.listed),
    regexes: index.regexes.map(again),
    hosts: index.hosts.map(({ hostname, matches }) => ({ hostname, matches: again(matches) })),
  }
}

/**
 * The first match in precedence for host, path and method that `holds`; `holds` is asked only where a match wants more
 * than those. A hostname whose matches all fail hands on to the next wider one: precedence orders the matches of all
 * routes, it does not wall hosts off (Gateway API HTTPRoute).
 */
export function findMatch<Facts>(
  index: RouteIndex,
  host: string,
  path: string,
  method: string,
  facts: Facts,
  holds: (match: HttpMatch, facts: Facts) => boolean,
): HttpMatch | undefined {
  const bit = methodBit(method)
  const exact = index.exact.get(host)
  if (exact !== undefined) {
    const found = findUnder(index, exact, path, bit, facts, holds)
    if (found !== undefined) return found
  }
  if (index.wildcards.size > 0) {
    for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1)) {
      const wildcard = index.wildcards.get(host.slice(dot + 1))
      const found = wildcard === undefined ? undefined : findUnder(index, wildcard, path, bit, facts, holds)
      if (found !== undefined) return found
    }
  }
  return index.any === NONE ? undefined : findUnder(index, index.any, path, bit, facts, holds)
}

function findUnder<Facts>(
  index: RouteIndex,
  root: number,
  path: string,
  bit: number,
  facts: Facts,
  holds: (match: HttpMatch, facts: Facts) => boolean,
): HttpMatch | undefined {
  const { nodes, listed } = index
  let passed = 0
  for (let node = root; ; ) {
    const head = nodes[node]!
    const end = head >>> END_SHIFT
    if (end > path.length) break
    if ((head & LISTS) !== 0) passedNodes[passed++] = node
    if (end === path.length) break
    node = childFor(nodes, node, head, path.charCodeAt(end))
    if (node === NONE) break
  }
  // The deepest text that the path really begins with; what the walk passed before it agrees as well.
  while (passed > 0 && !path.startsWith(listed[nodes[passedNodes[passed - 1]! + FIRST]!]!.text)) passed -= 1

  if (passed > 0) {
    const node = passedNodes[passed - 1]!
    if (nodes[node]! >>> END_SHIFT === path.length) {
      const found = firstListed(index, nodes[node + FIRST]!, nodes[node + PREFIXES]!, bit, facts, holds)
      if (found !== undefined) return found
    }
  }
  if (nodes[root - 1] !== NONE) {
    for (const match of index.regexes[nodes[root - 1]!]!) if (holds(match, facts)) return match
  }
  while (passed > 0) {
    const node = passedNodes[--passed]!
    const end = nodes[node]! >>> END_SHIFT
    // A prefix holds by whole elements: where it ends the path ends too, or goes on with a slash.
    if (end !== path.length && path.charCodeAt(end) !== SLASH) continue
    const found = firstListed(index, nodes[node + PREFIXES]!, nodes[node + LAST]!, bit, facts, holds)
    if (found !== undefined) return found
  }
  return undefined
}

/** By the one character where the children part. */
function childFor(nodes: Int32Array, node: number, head: number, code: number): number {
  let edge = node + ((head & LISTS) !== 0 ? EDGES : 1)
  for (const last = edge + ((head >>> 1) & MOST_EDGES); edge < last; edge++) {
    const word = nodes[edge]!
    if ((word & 0x7f) === code) return word >>> 7
  }
  return NONE
}

function firstListed<Facts>(
  index: RouteIndex,
  from: number,
  to: number,
  bit: number,
  facts: Facts,
  holds: (match: HttpMatch, facts: Facts) => boolean,
): HttpMatch | undefined {
  const { listed } = index
  for (let i = from; i < to; i++) {
    const match = listed[i]!
    const { asks } = match
    if ((asks & bit) !== 0 && ((asks & ASK) === 0 || holds(match, facts))) return match
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

function plant(hosts: readonly HostMatches[]) {
  const nodes: number[] = []
  const listed: HttpMatch[] = []
  const regexes: HttpMatch[][] = []
  const roots = hosts.map(({ matches }) => {
    const root = sprout('')
    const own = matches.filter(match => match.path.kind === 'regex')
    for (const match of matches) {
      if (match.path.kind === 'exact') grow(root, match.text).exact.push(match)
      else if (match.path.kind === 'prefix') grow(root, match.text).prefixes.push(match)
    }
    nodes.push(own.length === 0 ? NONE : regexes.push(own) - 1)
    return flatten(root, 0, nodes, listed)
  })
  return { roots, nodes: Int32Array.from(nodes), listed, regexes }
}

/** What a match asks, as a number: the methods it takes as bits, and whether `holds` has more to say. */
export function asksOf(methods: readonly string[] | undefined, conditions: readonly unknown[]): number {
  if (methods === undefined) return conditions.length === 0 ? ANY_METHOD : ANY_METHOD | ASK
  const bits = methods.reduce((bits, method) => bits | methodBit(method), 0)
  return conditions.length === 0 && (bits & OTHER_METHOD) === 0 ? bits : bits | ASK
}

function methodBit(method: string): number {
  switch (method) {
    case 'GET':
      return 1
    case 'HEAD':
      return 2
    case 'POST':
      return 4
    case 'PUT':
      return 8
    case 'DELETE':
      return 16
    case 'PATCH':
      return 32
    case 'OPTIONS':
      return 64
    default:
      return OTHER_METHOD
  }
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
  const hasLists = tree.exact.length + tree.prefixes.length > 0
  listed.push(...tree.exact, ...tree.prefixes)
  nodes.push((end << END_SHIFT) | (tree.children.length << 1) | (hasLists ? LISTS : 0))
  if (hasLists) nodes.push(first, first + tree.exact.length, listed.length)
  const edges = nodes.length
  for (const _ of tree.children) nodes.push(NONE)
  for (const [i, child] of tree.children.entries()) {
    const below = flatten(child, end + child.stretch.length, nodes, listed)
    nodes[edges + i] = (below << 7) | child.stretch.charCodeAt(0)
  }
  return place
}

/**
 * A node is one word and what follows it. The word: the length of its text, its number of edges, and whether LISTS follow:
 * ranges of `listed`, exact paths from FIRST to PREFIXES and prefixes from there to LAST. Then the edges, each the
 * character after the text (a path is ASCII) and the place of the node it leads to.
 */
const LISTS = 1
const END_SHIFT = 9
const MOST_EDGES = 0xff
const FIRST = 1
const PREFIXES = 2
const LAST = 3
const EDGES = 4
const NONE = -1
/** Which of the other methods it is `holds` has to say. */
const OTHER_METHOD = 128
const ANY_METHOD = 255
const ASK = 256
const SLASH = 47
/** Of the walk under way; a walk never waits, so one array serves all. */
const passedNodes: number[] = []
