// Whether a regular expression can take exponential time on some input: whether one text can be read in two ways by
// going round a loop. Then n rounds can be read in 2^n ways, and a backtracking engine tries them all before it gives up.

import { type CharSet, type RegexNode, readRegex } from './regex-syntax.ts'

/**
 * `'exponential'` when the pattern can backtrack exponentially, `'too-large'` when it is too large to be judged, else
 * undefined. The pattern must be valid with the flag `u`.
 *
 * The test is exact for the ambiguity of the pattern's position automaton (EDA, exponential degree of ambiguity: Weber
 * and Seidl, "On the degree of ambiguity of finite automata", 1991; used for this by Weideman et al., "Analyzing Matching
 * Time Behavior of Backtracking Regular Expression Matchers by Using Ambiguity of NFA", 2016). Lookarounds and
 * backreferences err on the side of refusing. Polynomial patterns such as `.*.*x` pass.
 */
export function slowness(pattern: string): 'exponential' | 'too-large' | undefined {
  if (pattern.length > LONGEST) return 'too-large'
  for (const node of readRegex(pattern)) {
    if (countPositions(node) > MOST_POSITIONS) return 'too-large'
    const automaton: Automaton = { sets: [], follows: [] }
    build(node, automaton)
    const verdict = judge(automaton)
    if (verdict !== undefined) return verdict
  }
  return undefined
}

/** Written-out copies of every character set, without writing them out. */
function countPositions(node: RegexNode): number {
  if (node.kind === 'set') return 1
  if (node.kind === 'repeat') return countPositions(node.item) * copiesOf(node)
  return node.items.reduce((sum, item) => sum + countPositions(item), 0)
}

/** `x{2,4}` is `xx(x(x)?)?`; a wide range counts as unbounded: it lets as much backtracking pass as anybody can bear. */
function copiesOf(node: RegexNode & { kind: 'repeat' }): number {
  return isLoop(node) ? node.min + 1 : node.max
}

function isLoop(node: RegexNode & { kind: 'repeat' }): boolean {
  return node.max - node.min > WIDE
}

/** Glushkov's automaton: a state for each character set; reading a character goes into a state whose set holds it. */
interface Automaton {
  readonly sets: CharSet[]
  /** From state to state, in how many ways without reading anything between: 1, or 2 for two and more. */
  readonly follows: Ways[]
}
type Ways = Map<number, number>

/** A part of the automaton: how it begins and ends, and in how many ways it can match nothing (0, 1, 2 for more). */
interface Part {
  readonly first: Ways
  readonly last: Ways
  readonly empty: number
}

function build(node: RegexNode, automaton: Automaton): Part {
  switch (node.kind) {
    case 'set': {
      const state = automaton.sets.push(node.set) - 1
      automaton.follows.push(new Map())
      return { first: new Map([[state, 1]]), last: new Map([[state, 1]]), empty: 0 }
    }
    case 'choice': {
      const parts = node.items.map(item => build(item, automaton))
      return {
        first: sum(parts.map(part => part.first)),
        last: sum(parts.map(part => part.last)),
        empty: atMostTwo(parts.reduce((ways, part) => ways + part.empty, 0)),
      }
    }
    case 'sequence':
      return node.items
        .map(item => build(item, automaton))
        .reduce((left, right) => join(left, right, automaton), nothing)
    case 'repeat':
      return buildRepeat(node, automaton)
  }
}

function buildRepeat(node: RegexNode & { kind: 'repeat' }, automaton: Automaton): Part {
  if (isLoop(node)) {
    let whole = nothing
    let copy = build(node.item, automaton)
    // Rounds that have to be taken may match nothing, those beyond may not: only where nothing is no match is x+ one loop.
    const apart = copy.empty === 0 ? Math.max(0, node.min - 1) : node.min
    for (let round = 0; round < apart; round++) {
      whole = join(whole, copy, automaton)
      copy = build(node.item, automaton)
    }
    connect(copy.last, copy.first, automaton)
    return join(whole, apart < node.min ? copy : optional(copy), automaton)
  }
  let tail = nothing
  for (let copy = node.min; copy < node.max; copy++) tail = optional(join(build(node.item, automaton), tail, automaton))
  let whole = nothing
  for (let copy = 0; copy < node.min; copy++) whole = join(whole, build(node.item, automaton), automaton)
  return join(whole, tail, automaton)
}

/** An optional round that matches nothing is not taken (ECMA-262 section 22.2.2.3.1), so there is one way to skip it. */
function optional(part: Part): Part {
  return { first: part.first, last: part.last, empty: 1 }
}

function join(left: Part, right: Part, automaton: Automaton): Part {
  if (left === nothing) return right
  if (right === nothing) return left
  connect(left.last, right.first, automaton)
  return {
    first: sum([left.first, times(right.first, left.empty)]),
    last: sum([times(left.last, right.empty), right.last]),
    empty: atMostTwo(left.empty * right.empty),
  }
}

function connect(from: Ways, to: Ways, automaton: Automaton): void {
  for (const [state, ways] of from) {
    const follows = automaton.follows[state]!
    for (const [next, more] of to) follows.set(next, atMostTwo((follows.get(next) ?? 0) + ways * more))
  }
}

function sum(all: readonly Ways[]): Ways {
  const total: Ways = new Map()
  for (const ways of all) {
    for (const [state, count] of ways) total.set(state, atMostTwo((total.get(state) ?? 0) + count))
  }
  return total
}

function times(ways: Ways, factor: number): Ways {
  if (factor === 0) return new Map()
  return new Map([...ways].map(([state, count]) => [state, atMostTwo(count * factor)]))
}

function atMostTwo(count: number): number {
  return Math.min(count, 2)
}

/**
 * Two readings of one text start together in a state on a loop, part, and meet again on the same loop. They part by two
 * ways into the same state, or into two states whose sets share a character.
 */
function judge({ sets, follows }: Automaton): 'exponential' | 'too-large' | undefined {
  const loopOf = stronglyConnected(follows)
  const inLoop = follows.map((ways, state) => [...ways].filter(([next]) => loopOf[next] === loopOf[state]))
  if (inLoop.some(nexts => nexts.some(([, ways]) => ways > 1))) return 'exponential'

  const nexts = inLoop.map(ways => ways.map(([next]) => next))
  const seen = new Set<number>()
  const pairs: (readonly [number, number])[] = []
  let steps = 0
  const walk = (left: number, right: number): boolean => {
    for (const a of nexts[left]!) {
      for (const b of nexts[right]!) {
        steps += 1
        if (a === b) {
          if (left !== right) return true
        } else if (!seen.has(a * sets.length + b) && overlap(sets[a]!, sets[b]!)) {
          seen.add(a * sets.length + b)
          pairs.push([a, b])
        }
      }
    }
    return false
  }
  for (let state = 0; state < sets.length; state++) walk(state, state)
  for (let pair = pairs.pop(); pair !== undefined; pair = pairs.pop()) {
    if (walk(pair[0], pair[1])) return 'exponential'
    if (steps > MOST_STEPS) return 'too-large'
  }
  return undefined
}

/** Tarjan's algorithm with its own stack: for each state the number of its strongly connected component. */
function stronglyConnected(follows: readonly Ways[]): number[] {
  const component = follows.map(() => -1)
  const order = follows.map(() => -1)
  const low = follows.map(() => -1)
  const open: number[] = []
  let visited = 0
  for (let root = 0; root < follows.length; root++) {
    if (order[root] !== -1) continue
    const path: { readonly state: number; readonly nexts: number[] }[] = []
    const enter = (state: number): void => {
      order[state] = low[state] = visited++
      open.push(state)
      path.push({ state, nexts: [...follows[state]!.keys()] })
    }
    enter(root)
    while (path.length > 0) {
      const { state, nexts } = path.at(-1)!
      const next = nexts.pop()
      if (next === undefined) {
        path.pop()
        const parent = path.at(-1)
        if (parent !== undefined) low[parent.state] = Math.min(low[parent.state]!, low[state]!)
        if (low[state] !== order[state]) continue
        for (let member = open.pop()!; ; member = open.pop()!) {
          component[member] = state
          if (member === state) break
        }
      } else if (order[next] === -1) enter(next)
      else if (component[next] === -1) low[state] = Math.min(low[state]!, order[next]!)
    }
  }
  return component
}

function overlap(a: CharSet, b: CharSet): boolean {
  let i = 0
  let j = 0
  while (i < a.length && j < b.length) {
    if (a[i]![1] < b[j]![0]) i += 1
    else if (b[j]![1] < a[i]![0]) j += 1
    else return true
  }
  return false
}

const nothing: Part = { first: new Map(), last: new Map(), empty: 1 }
const LONGEST = 1_000
const WIDE = 10
const MOST_POSITIONS = 1_000
const MOST_STEPS = 5_000_000
