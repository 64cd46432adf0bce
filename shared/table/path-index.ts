// Finds the first match for a path among the matches of one hostname. Exact paths and prefixes stand in one radix tree
// over characters, so a lookup costs the length of the path and not the number of rules; regexes are a list.
//
// Worked example: prefixes /api and /api/v1, exact /api/v1/me.
//   ''──/api {prefix}──/v1 {prefix}──/me {exact}
// For /api/v1/me the walk passes both prefixes and ends on the exact one: exact, then regexes, then the longest prefix.

import type { HttpMatch } from './table.ts'

export interface PathIndex {
  readonly root: PathNode
  /** In rank order. */
  readonly regexes: readonly HttpMatch[]
}

/** One stretch of path. The matches of a node are in rank order. */
interface PathNode {
  /** The characters between the parent and here. */
  stretch: string
  /** First character code of each child's stretch, beside `children`. */
  readonly codes: number[]
  readonly children: PathNode[]
  readonly exact: HttpMatch[]
  /** Matches whose prefix ends here; the prefix `/` ends at the root, as the empty string. */
  readonly prefix: HttpMatch[]
}

/** `matches` in rank order. */
export function buildPathIndex(matches: readonly HttpMatch[]): PathIndex {
  const root = node('')
  const regexes: HttpMatch[] = []
  for (const match of matches) {
    if (match.path.kind === 'regex') regexes.push(match)
    else if (match.path.kind === 'exact') place(root, match.path.value).exact.push(match)
    else place(root, match.path.value === '/' ? '' : match.path.value).prefix.push(match)
  }
  return { root, regexes }
}

/**
 * The first match in rank order that `holds`, or undefined. `holds` is asked about everything but exact and prefix paths.
 * A prefix holds by whole elements: where it ends the path ends too, or goes on with a slash.
 */
export function findInPaths<Facts>(
  index: PathIndex,
  path: string,
  facts: Facts,
  holds: (match: HttpMatch, facts: Facts) => boolean,
): HttpMatch | undefined {
  let passed = 0
  let at: PathNode | undefined = index.root
  let position = 0
  for (;;) {
    if (at.prefix.length > 0 && (position === path.length || path.charCodeAt(position) === SLASH)) {
      passedPrefixes[passed++] = at.prefix
    }
    if (position === path.length) break
    const child: PathNode | undefined = childFor(at, path, position)
    if (child === undefined) {
      at = undefined
      break
    }
    at = child
    position += child.stretch.length
  }
  if (at !== undefined) {
    const found = firstThatHolds(at.exact, facts, holds)
    if (found !== undefined) return found
  }
  if (index.regexes.length > 0) {
    const found = firstThatHolds(index.regexes, facts, holds)
    if (found !== undefined) return found
  }
  while (passed > 0) {
    const found = firstThatHolds(passedPrefixes[--passed]!, facts, holds)
    if (found !== undefined) return found
  }
  return undefined
}

function firstThatHolds<Facts>(
  matches: readonly HttpMatch[],
  facts: Facts,
  holds: (match: HttpMatch, facts: Facts) => boolean,
): HttpMatch | undefined {
  for (let i = 0; i < matches.length; i++) {
    if (holds(matches[i]!, facts)) return matches[i]
  }
  return undefined
}

/** The child whose whole stretch stands in the path at this position. */
function childFor(parent: PathNode, path: string, position: number): PathNode | undefined {
  const code = path.charCodeAt(position)
  const codes = parent.codes
  for (let i = 0; i < codes.length; i++) {
    if (codes[i] !== code) continue
    const child = parent.children[i]!
    const stretch = child.stretch
    for (let j = 1; j < stretch.length; j++) {
      if (path.charCodeAt(position + j) !== stretch.charCodeAt(j)) return undefined
    }
    return child
  }
  return undefined
}

/** The node at which `path` ends, made if need be by splitting the stretch it parts from. */
function place(root: PathNode, path: string): PathNode {
  let at = root
  let rest = path
  while (rest !== '') {
    const i = at.codes.indexOf(rest.charCodeAt(0))
    if (i === -1) {
      const leaf = node(rest)
      adopt(at, leaf)
      return leaf
    }
    const child = at.children[i]!
    const shared = sharedLength(child.stretch, rest)
    if (shared < child.stretch.length) {
      const upper = node(child.stretch.slice(0, shared))
      child.stretch = child.stretch.slice(shared)
      adopt(upper, child)
      at.children[i] = upper
      at = upper
    } else {
      at = child
    }
    rest = rest.slice(shared)
  }
  return at
}

function adopt(parent: PathNode, child: PathNode): void {
  parent.codes.push(child.stretch.charCodeAt(0))
  parent.children.push(child)
}

function sharedLength(a: string, b: string): number {
  let length = 0
  while (length < a.length && length < b.length && a.charCodeAt(length) === b.charCodeAt(length)) length++
  return length
}

function node(stretch: string): PathNode {
  return { stretch, codes: [], children: [], exact: [], prefix: [] }
}

const SLASH = 47
/** Prefixes passed on the current walk; a walk never waits, so one array serves all. */
const passedPrefixes: (readonly HttpMatch[])[] = []
