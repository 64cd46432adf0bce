// A text that a regular expression takes, for the witness of a shadowed rule: the first alternative, the fewest repeats,
// the first character of each class. Used at check time only.

import { type AST, RegExpParser } from '@eslint-community/regexpp'

/** A text that the whole pattern matches, or undefined where the simple way finds none (lookarounds, back-references). */
export function sampleOf(pattern: string): string | undefined {
  let parsed: AST.Pattern
  try {
    parsed = new RegExpParser().parsePattern(pattern, undefined, undefined, { unicode: true })
  } catch {
    return undefined
  }
  for (const alternative of parsed.alternatives) {
    const text = alternative.elements.map(sampleElement).join('')
    if (new RegExp(`^(?:${pattern})$`, 'u').test(text)) return text
  }
  return undefined
}

function sampleElement(element: AST.Element): string {
  switch (element.type) {
    case 'Character':
      return String.fromCodePoint(element.value)
    case 'CharacterClass':
      return element.negate ? plainIn(element.raw) : firstOf(element.elements[0])
    case 'CharacterSet':
      return ofSet(element)
    case 'Group':
    case 'CapturingGroup':
      return (element.alternatives[0]?.elements ?? []).map(sampleElement).join('')
    case 'Quantifier':
      return sampleElement(element.element).repeat(Math.min(element.min, MOST_REPEATS))
    default:
      return ''
  }
}

function firstOf(element: AST.CharacterClass['elements'][number] | undefined): string {
  if (element === undefined) return ''
  if (element.type === 'Character') return String.fromCodePoint(element.value)
  if (element.type === 'CharacterClassRange') return String.fromCodePoint(element.min.value)
  return element.type === 'CharacterSet' ? ofSet(element) : ''
}

/** A plain character that a negated class or a Unicode property takes. */
function plainIn(raw: string): string {
  const regex = new RegExp(`^${raw}$`, 'u')
  return [...PLAIN].find(character => regex.test(character)) ?? ''
}

function ofSet(set: { readonly kind: string; readonly raw: string; readonly negate?: boolean }): string {
  switch (set.kind) {
    case 'digit':
      return set.negate ? 'a' : '0'
    case 'space':
      return set.negate ? 'a' : ' '
    case 'word':
      return set.negate ? '-' : 'a'
    case 'property':
      return plainIn(set.raw)
    default:
      return 'a'
  }
}

const PLAIN = 'a0-_./~A'
const MOST_REPEATS = 1_000
