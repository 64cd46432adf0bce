// A pattern as an automaton: a state for each character set, and in how many ways one leads to the next.

import { longestRegexText } from './defaults.ts'
import type { CharSet, RegexNode } from './regex-syntax.ts'

/** Glushkov's automaton: a state for each character set; reading a character goes into a state whose set holds it. */
export interface Automaton {
  readonly sets: CharSet[]
  /** From state to state, in how many ways without reading anything between: 1, or 2 for two and more. */
  readonly follows: Ways[]
  /** The outermost loop that a state is in. */
  readonly loops: (Loop | undefined)[]
  /** States that take all the rest, whatever it is: there is no way back from success. */
  readonly ends: Set<number>
}
export type Ways = Map<number, number>

export interface Loop {
  /** As it is written. */
  readonly text: string
  /** How many characters it can take. */
  readonly longest: number
}

/** A part of the automaton: how it begins and ends, and in how many ways it can match nothing (0, 1, 2 for more). */
interface Part {
  readonly first: Ways
  readonly last: Ways
  readonly empty: number
}

/** @param hasConditions more is asked than which characters come: then there are no `ends` */
export function automatonOf(node: RegexNode, hasConditions: boolean): Automaton {
  const automaton: Automaton = { sets: [], follows: [], loops: [], ends: new Set() }
  const { last } = build(node, automaton)
  for (const state of hasConditions ? [] : last.keys()) {
    const follows = automaton.follows[state]!
    const isUnbounded = automaton.loops[state]?.longest === longestRegexText
    const set = automaton.sets[state]!
    const isAll = oneLine.every(([first, last]) => set.some(([from, to]) => from <= first && last <= to))
    if (isUnbounded && isAll && follows.size === 1 && follows.has(state)) automaton.ends.add(state)
  }
  return automaton
}

function build(node: RegexNode, automaton: Automaton): Part {
  switch (node.kind) {
    case 'set': {
      const state = automaton.sets.push(node.set) - 1
      automaton.follows.push(new Map())
      automaton.loops.push(undefined)
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
    let start = automaton.sets.length
    let copy = build(node.item, automaton)
    // Rounds that have to be taken may match nothing, those beyond may not: only where nothing is no match is x+ one loop.
    const apart = copy.empty === 0 ? Math.max(0, node.min - 1) : node.min
    for (let round = 0; round < apart; round++) {
      whole = join(whole, copy, automaton)
      start = automaton.sets.length
      copy = build(node.item, automaton)
    }
    connect(copy.last, copy.first, automaton)
    automaton.loops.fill({ text: node.text, longest: longestOf(node) }, start)
    return join(whole, apart < node.min ? copy : optional(copy), automaton)
  }
  let tail = nothing
  for (let copy = node.min; copy < node.max; copy++) tail = optional(join(build(node.item, automaton), tail, automaton))
  let whole = nothing
  for (let copy = 0; copy < node.min; copy++) whole = join(whole, build(node.item, automaton), automaton)
  return join(whole, tail, automaton)
}

/** Characters that a node can take at most, up to the longest text that a regex is asked about. */
function longestOf(node: RegexNode): number {
  if (node.kind === 'set') return 1
  if (node.kind === 'repeat') return atMost(longestRegexText, node.max * longestOf(node.item))
  const each = node.items.map(longestOf)
  if (node.kind === 'choice') return Math.max(...each)
  return atMost(
    longestRegexText,
    each.reduce((sum, longest) => sum + longest, 0),
  )
}

/** No number is 0 times infinity, which is nothing. */
function atMost(most: number, count: number): number {
  return Number.isNaN(count) ? 0 : Math.min(count, most)
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

/** Written-out copies of every character set, without writing them out. */
export function countPositions(node: RegexNode): number {
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

/** The characters of both. */
export function intersect(a: CharSet, b: CharSet): CharSet {
  const both: [number, number][] = []
  let i = 0
  let j = 0
  while (i < a.length && j < b.length) {
    const first = Math.max(a[i]![0], b[j]![0])
    const last = Math.min(a[i]![1], b[j]![1])
    if (first <= last) both.push([first, last])
    if (a[i]![1] < b[j]![1]) i += 1
    else j += 1
  }
  return both
}

/** Whether they have a character in common. */
export function overlap(a: CharSet, b: CharSet): boolean {
  let i = 0
  let j = 0
  while (i < a.length && j < b.length) {
    if (a[i]![1] < b[j]![0]) i += 1
    else if (b[j]![1] < a[i]![0]) j += 1
    else return true
  }
  return false
}

/** All characters but line ends, in the ranges of `.`: no path and no value with a line end comes to a regex. */
const oneLine: CharSet = [
  [0, 0x09],
  [0x0b, 0x0c],
  [0x0e, 0x2027],
  [0x202a, 0x10ffff],
]
const nothing: Part = { first: new Map(), last: new Map(), empty: 1 }
const WIDE = 10
