// Whether a regular expression can take very long on some input: whether one text can be read in many ways. A backtracking
// engine tries them all before it gives up. A loop that reads one text in two ways makes 2^n of them for n rounds; loops
// in a row that can take each other's text, `.*.*.*`, make as many as there are places where one ends and the next begins.

import { longestRegexText } from './defaults.ts'
import {
  type Automaton,
  automatonOf,
  countPositions,
  intersect,
  type Loop,
  overlap,
  type Ways,
} from './regex-automaton.ts'
import { type CharSet, readRegex } from './regex-syntax.ts'

/** `'exponential'`, `'too-large'` to be judged, or loops in a row that share one text, as they are written. */
export type Slowness = 'exponential' | 'too-large' | { readonly overlapping: readonly string[] }

/**
 * How the pattern can be slow; undefined when it takes some square of `longestRegexText` in steps at worst. The pattern
 * must be valid with the flag `u`, and is asked whether it takes the whole of a text of one line.
 *
 * The test is exact for the ambiguity of the pattern's position automaton (Weber and Seidl, "On the degree of ambiguity of
 * finite automata", 1991: EDA for exponential and IDA for polynomial ambiguity; used for this by Weideman et al.,
 * "Analyzing Matching Time Behavior of Backtracking Regular Expression Matchers by Using Ambiguity of NFA", 2016).
 * `.*.*x` reads n characters in n ways with n steps each and passes; `.*.*.*x` has n² ways and does not; `.*a.*b.*` does,
 * since whoever comes to its end has matched. A loop with a bound counts as its longest text: `.{0,20}.{0,20}.{0,20}x`
 * passes. Lookarounds and backreferences err on the side of refusing. Choices without a loop are not counted: `(a|a){30}`
 * passes.
 */
export function slowness(pattern: string): Slowness | undefined {
  if (pattern.length > LONGEST) return 'too-large'
  const { whole, around, hasConditions } = readRegex(pattern)
  const parts = [{ node: whole, isFirst: true }, ...around]
  if (parts.some(({ node }) => countPositions(node) > MOST_POSITIONS)) return 'too-large'
  const automata = parts.map(({ node, isFirst }) => ({ automaton: automatonOf(node, hasConditions), isFirst }))
  // What stands in the middle is asked again for each way to get there.
  const isAskedAgain = automata.some(({ automaton, isFirst }) => !isFirst && automaton.loops.some(Boolean))
  for (const { automaton, isFirst } of automata) {
    const verdict = judge(automaton, isFirst && !isAskedAgain ? longestRegexText : 1)
    if (verdict !== undefined) return verdict
  }
  return undefined
}

function judge(automaton: Automaton, mostWays: number): Slowness | undefined {
  const { sets, follows } = automaton
  const loopOf = stronglyConnected(follows.map(ways => [...ways.keys()]))
  const inLoop = follows.map((ways, state) => [...ways].filter(([next]) => loopOf[next] === loopOf[state]))
  if (inLoop.some(nexts => nexts.some(([, ways]) => ways > 1))) return 'exponential'
  const nexts = inLoop.map(ways => ways.map(([next]) => next))
  const steps = { left: MOST_STEPS }
  return isExponential(sets, nexts, steps) ?? findOverlapping(automaton, loopOf, nexts, mostWays, steps)
}

/**
 * Two readings of one text start together in a state on a loop, part, and meet again on the same loop. They part by two
 * ways into the same state, or into two states whose sets share a character.
 *
 * @param nexts from state to state on the same loop
 */
function isExponential(
  sets: readonly CharSet[],
  nexts: readonly (readonly number[])[],
  steps: { left: number },
): 'exponential' | 'too-large' | undefined {
  const seen = new Set<number>()
  const pairs: (readonly [number, number])[] = []
  const walk = (left: number, right: number): boolean => {
    for (const a of nexts[left]!) {
      for (const b of nexts[right]!) {
        steps.left -= 1
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
    if (steps.left < 0) return 'too-large'
  }
  return undefined
}

/** Loops in a row, and how many ways there are to share one text among them. */
interface Row {
  readonly ways: number
  /** Of the loops at its beginning that share with their neighbours: how much the longest can take. */
  readonly longest: number
  readonly loops: readonly Loop[]
}

/**
 * The row of loops with the most ways to share a text, when these are too many. A later loop shares with an earlier one
 * when some text leads round the one, round the other, and from the one to the other; there are then as many ways as
 * places to go over. `.*a.*` shares, `[^a]*a.*` does not. In a longer row one loop takes what the others leave: the ways
 * are the product of all but the longest.
 */
function findOverlapping(
  automaton: Automaton,
  loopOf: readonly number[],
  nexts: readonly (readonly number[])[],
  mostWays: number,
  steps: { left: number },
): 'too-large' | { readonly overlapping: readonly string[] } | undefined {
  const { follows, loops, ends } = automaton
  const looping = nexts.flatMap((ways, state) => (ways.length > 0 && !ends.has(state) ? [state] : []))
  const members = new Map<number, number[]>()
  for (const state of looping) members.set(loopOf[state]!, [...(members.get(loopOf[state]!) ?? []), state])
  const rows = new Map<number, Row>()
  /** The best row from a loop on; apart from the loops themselves there is no way back, so this ends. */
  const rowFrom = (component: number): Row => {
    const known = rows.get(component)
    if (known !== undefined) return known
    const mine = members.get(component)!
    const one = loops[mine[0]!]!
    let best: Row = { ways: 1, longest: one.longest, loops: [] }
    const reached = reachedFrom(follows, mine, steps)
    for (const [other, theirs] of members) {
      if (other === component || steps.left < 0 || !reached.has(theirs[0]!)) continue
      const rest = rowFrom(other)
      if (rest.ways > best.ways) best = rest
      const next = loops[theirs[0]!]!
      const isJoined = rest.loops[0] === next
      const longest = isJoined ? rest.longest : next.longest
      const ways = Math.min(one.longest, longest) * rest.ways
      if (ways <= best.ways || !areSharing(automaton, nexts, mine, theirs, steps)) continue
      const row = [one, ...(isJoined ? [] : [next]), ...rest.loops]
      best = { ways, longest: Math.max(one.longest, longest), loops: row }
    }
    rows.set(component, best)
    return best
  }
  let worst: Row = { ways: 1, longest: 0, loops: [] }
  for (const component of members.keys()) {
    const row = rowFrom(component)
    if (row.ways > worst.ways) worst = row
    if (steps.left < 0) return 'too-large'
  }
  return worst.ways > mostWays ? { overlapping: worst.loops.map(loop => loop.text) } : undefined
}

function reachedFrom(follows: readonly Ways[], from: readonly number[], steps: { left: number }): Set<number> {
  const reached = new Set(from)
  const open = [...from]
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    for (const next of follows[state]!.keys()) {
      steps.left -= 1
      if (reached.has(next)) continue
      reached.add(next)
      open.push(next)
    }
  }
  return reached
}

/**
 * Whether a state p of the first loop and a state q of the second have a text that leads from p to p, from p to q and from
 * q to q. Then p and q go round together; of all pairs that can come round to each other one stands for the others.
 */
function areSharing(
  { sets, follows }: Automaton,
  nexts: readonly (readonly number[])[],
  first: readonly number[],
  second: readonly number[],
  steps: { left: number },
): boolean {
  const pairs: { readonly p: number; readonly q: number; readonly set: CharSet }[] = []
  const numbers = new Map<number, number>()
  for (const p of first) {
    for (const q of second) {
      steps.left -= 1
      const set = intersect(sets[p]!, sets[q]!)
      if (set.length > 0) numbers.set(p * sets.length + q, pairs.push({ p, q, set }) - 1)
    }
  }
  const after = pairs.map(({ p, q }) =>
    nexts[p]!.flatMap(a => nexts[q]!.flatMap(b => numbers.get(a * sets.length + b) ?? [])),
  )
  steps.left -= after.reduce((sum, each) => sum + each.length, 0)
  if (steps.left < 0) return false
  const component = stronglyConnected(after)
  const judged = new Set<number>()
  for (const [start, { p, q }] of pairs.entries()) {
    if (judged.has(component[start]!)) continue
    judged.add(component[start]!)
    const round = after.map(each => each.filter(pair => component[pair] === component[start]))
    if (meets(start, p, q, round)) return true
  }
  return false

  /** From p to q on a text that leads the pair from itself to itself. */
  function meets(start: number, from: number, to: number, round: readonly (readonly number[])[]): boolean {
    const seen = new Set<number>()
    const open: (readonly [number, number])[] = [[start, from]]
    for (let here = open.pop(); here !== undefined; here = open.pop()) {
      for (const pair of round[here[0]]!) {
        for (const state of follows[here[1]]!.keys()) {
          steps.left -= 1
          if (steps.left < 0) return false
          const spot = pair * sets.length + state
          if (seen.has(spot) || !overlap(pairs[pair]!.set, sets[state]!)) continue
          if (pair === start && state === to) return true
          seen.add(spot)
          open.push([pair, state])
        }
      }
    }
    return false
  }
}

/** Tarjan's algorithm with its own stack: for each state the number of its strongly connected component. */
function stronglyConnected(follows: readonly (readonly number[])[]): number[] {
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
      path.push({ state, nexts: [...follows[state]!] })
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

const LONGEST = 1_000
const MOST_POSITIONS = 1_000
const MOST_STEPS = 5_000_000
