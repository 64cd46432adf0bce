// The shape of a regular expression: what may follow what, over sets of characters. Only for judging how far it can
// backtrack; the platform's own engine says whether it is valid and runs it.

/** Sorted code point ranges that do not touch: `[0x30, 0x39]` for digits. */
export type CharSet = readonly (readonly [first: number, last: number])[]

export type RegexNode =
  | { readonly kind: 'set'; readonly set: CharSet }
  | { readonly kind: 'sequence'; readonly items: readonly RegexNode[] }
  | { readonly kind: 'choice'; readonly items: readonly RegexNode[] }
  | {
      readonly kind: 'repeat'
      readonly item: RegexNode
      readonly min: number
      readonly max: number
      /** As it is written. */
      readonly text: string
    }

export interface ReadRegex {
  /** The pattern itself, in which lookarounds stand as nothing. */
  readonly whole: RegexNode
  /** The inside of each lookaround, which the engine matches on its own. */
  readonly around: readonly {
    readonly node: RegexNode
    /** It stands before everything else, outside of any group: the engine asks it once. */
    readonly isFirst: boolean
  }[]
  /** It asks more than which characters come, and where it ends: a lookaround, `\b`, a backreference behind a character. */
  readonly hasConditions: boolean
}

/**
 * Reads a pattern that `new RegExp(pattern, 'u')` accepts. What cannot be known from the text errs on the side of matching
 * more: a backreference is any text, `\p{…}` any character.
 */
export function readRegex(pattern: string): ReadRegex {
  const ignoresCase = /\(\?[a-z]*i[a-z]*(?:-[a-z]*)?:/.test(pattern)
  const reader: Reader = { pattern, at: 0, ignoresCase, around: [], depth: 0, isAtStart: true, hasConditions: false }
  return { whole: readChoice(reader), around: reader.around, hasConditions: reader.hasConditions }
}

/** Whether a text that begins with this character may match; false only when none can. */
export function mayBeginWith(pattern: string, character: string): boolean {
  return beginning(readRegex(pattern).whole, character.codePointAt(0)!) === 'yes'
}

/** `empty`: it can match nothing, so what follows decides. */
function beginning(node: RegexNode, code: number): 'yes' | 'no' | 'empty' {
  switch (node.kind) {
    case 'set':
      return node.set.some(([first, last]) => first <= code && code <= last) ? 'yes' : 'no'
    case 'choice': {
      const each = node.items.map(item => beginning(item, code))
      return each.includes('yes') ? 'yes' : each.includes('empty') ? 'empty' : 'no'
    }
    case 'sequence': {
      for (const item of node.items) {
        const begins = beginning(item, code)
        if (begins !== 'empty') return begins
      }
      return 'empty'
    }
    case 'repeat': {
      const begins = node.max === 0 ? 'empty' : beginning(node.item, code)
      return begins === 'no' && node.min === 0 ? 'empty' : begins
    }
  }
}

interface Reader {
  readonly pattern: string
  at: number
  /** A `(?i:` somewhere: then every letter stands for both cases everywhere, which only errs towards more. */
  readonly ignoresCase: boolean
  readonly around: ReadRegex['around'][number][]
  /** How many groups are open. */
  depth: number
  /** Nothing but assertions so far. */
  isAtStart: boolean
  hasConditions: boolean
}

function readChoice(reader: Reader): RegexNode {
  const options = [readSequence(reader)]
  while (reader.pattern[reader.at] === '|') {
    reader.at += 1
    options.push(readSequence(reader))
  }
  return options.length === 1 ? options[0]! : { kind: 'choice', items: options }
}

function readSequence(reader: Reader): RegexNode {
  const items: RegexNode[] = []
  while (reader.at < reader.pattern.length && !'|)'.includes(reader.pattern[reader.at]!)) {
    const start = reader.at
    items.push(readRepeat(reader, readAtom(reader), start))
  }
  return { kind: 'sequence', items }
}

function readRepeat(reader: Reader, item: RegexNode, start: number): RegexNode {
  const found = take(reader, /[*+?]|\{(\d+)(,(\d*))?\}/y)
  if (found === undefined) return item
  take(reader, /\?/y)
  const text = reader.pattern.slice(start, reader.at)
  if (found[0] === '*') return { kind: 'repeat', item, min: 0, max: Infinity, text }
  if (found[0] === '+') return { kind: 'repeat', item, min: 1, max: Infinity, text }
  if (found[0] === '?') return { kind: 'repeat', item, min: 0, max: 1, text }
  const min = Number(found[1])
  const max = found[2] === undefined ? min : found[3] === '' ? Infinity : Number(found[3])
  return { kind: 'repeat', item, min, max, text }
}

function readAtom(reader: Reader): RegexNode {
  const around = take(reader, /\(\?<?[=!]/y)
  if (around !== undefined || take(reader, /\((?:\?<[^>]*>|\?[a-z-]*:)?/y) !== undefined) {
    const isFirst = reader.isAtStart && reader.depth === 0
    reader.depth += 1
    const inside = readChoice(reader)
    reader.depth -= 1
    reader.at += 1
    if (around === undefined) return inside
    if (isFirst) reader.isAtStart = true
    else reader.hasConditions = true
    reader.around.push({ node: inside, isFirst })
    return nothing
  }
  const assertion = take(reader, /[$^]|\\[bB]/y)?.[0]
  if (assertion !== undefined) {
    const saysNothing = assertion === '^' ? reader.isAtStart : assertion === '$' && reader.at === reader.pattern.length
    if (!saysNothing) reader.hasConditions = true
    return nothing
  }
  reader.isAtStart = false
  const again = take(reader, /\\(?:[1-9]\d*|k<[^>]*>)/y)
  if (again !== undefined) {
    reader.hasConditions = true
    return { kind: 'repeat', item: { kind: 'set', set: anyCharacter }, min: 0, max: Infinity, text: again[0] }
  }
  if (take(reader, /\./y) !== undefined) return { kind: 'set', set: complement(lineEnds) }
  return { kind: 'set', set: reader.pattern[reader.at] === '[' ? readClass(reader) : readCharacter(reader) }
}

function readClass(reader: Reader): CharSet {
  const isNegated = take(reader, /\[\^?/y)![0] === '[^'
  const ranges: [number, number][] = []
  let holdsUnknown = false
  while (reader.pattern[reader.at] !== ']') {
    holdsUnknown ||= /^\\p/i.test(reader.pattern.slice(reader.at, reader.at + 2))
    const low = readCharacter(reader)
    const isRange = take(reader, /-(?!\])/y) !== undefined
    const high = isRange ? readCharacter(reader) : low
    if (isRange) ranges.push([low[0]![0], high.at(-1)![1]])
    else ranges.push(...low.map(([first, last]): [number, number] => [first, last]))
  }
  reader.at += 1
  if (holdsUnknown) return anyCharacter
  const set = union(reader.ignoresCase ? withBothCases(ranges) : ranges)
  return isNegated ? complement(set) : set
}

/** One character or escape, inside a class or outside. */
function readCharacter(reader: Reader): CharSet {
  const shorthand = take(reader, /\\([dDwWsS])/y)
  if (shorthand !== undefined) {
    const set = shorthands[shorthand[1]!.toLowerCase()]!
    return shorthand[1] === shorthand[1]!.toLowerCase() ? set : complement(set)
  }
  if (take(reader, /\\[pP]\{[^}]*\}/y) !== undefined) return anyCharacter
  const hex = take(reader, /\\(?:x([\da-f]{2})|u([\da-f]{4})|u\{([\da-f]+)\})/iy)
  if (hex !== undefined) return one(reader, Number.parseInt((hex[1] ?? hex[2] ?? hex[3])!, 16))
  const control = take(reader, /\\c([a-z])/iy)
  if (control !== undefined) return one(reader, control[1]!.charCodeAt(0) % 32)
  const escaped = take(reader, /\\([\s\S])/y)
  if (escaped !== undefined) return one(reader, namedEscapes[escaped[1]!] ?? escaped[1]!.charCodeAt(0))
  const code = reader.pattern.codePointAt(reader.at)!
  reader.at += code > 0xffff ? 2 : 1
  return one(reader, code)
}

function one(reader: Reader, code: number): CharSet {
  return reader.ignoresCase ? union(withBothCases([[code, code]])) : [[code, code]]
}

function take(reader: Reader, sticky: RegExp): RegExpExecArray | undefined {
  sticky.lastIndex = reader.at
  const found = sticky.exec(reader.pattern)
  if (found === null) return undefined
  reader.at += found[0].length
  return found
}

/** ASCII letters in the other case too. */
function withBothCases(ranges: readonly (readonly [number, number])[]): [number, number][] {
  return ranges.flatMap(([first, last]) => {
    const both: [number, number][] = [[first, last]]
    for (const [from, to, shift] of [
      [0x41, 0x5a, 32],
      [0x61, 0x7a, -32],
    ] as const) {
      const low = Math.max(first, from)
      const high = Math.min(last, to)
      if (low <= high) both.push([low + shift, high + shift])
    }
    return both
  })
}

function union(ranges: readonly (readonly [number, number])[]): CharSet {
  const joined: [number, number][] = []
  for (const [first, last] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const before = joined.at(-1)
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last)
    else joined.push([first, last])
  }
  return joined
}

function complement(set: CharSet): CharSet {
  const rest: [number, number][] = []
  let next = 0
  for (const [first, last] of set) {
    if (first > next) rest.push([next, first - 1])
    next = last + 1
  }
  if (next <= LAST_CODE_POINT) rest.push([next, LAST_CODE_POINT])
  return rest
}

const LAST_CODE_POINT = 0x10ffff
const nothing: RegexNode = { kind: 'sequence', items: [] }
const anyCharacter: CharSet = [[0, LAST_CODE_POINT]]
const lineEnds: CharSet = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
]
/** ECMA-262 section 22.2.2.9, CharacterClassEscape. */
const shorthands: Readonly<Record<string, CharSet>> = {
  d: [[0x30, 0x39]],
  w: [
    [0x30, 0x39],
    [0x41, 0x5a],
    [0x5f, 0x5f],
    [0x61, 0x7a],
  ],
  s: [
    [0x09, 0x0d],
    [0x20, 0x20],
    [0xa0, 0xa0],
    [0x1680, 0x1680],
    [0x2000, 0x200a],
    [0x2028, 0x2029],
    [0x202f, 0x202f],
    [0x205f, 0x205f],
    [0x3000, 0x3000],
    [0xfeff, 0xfeff],
  ],
}
const namedEscapes: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, '0': 0 }
