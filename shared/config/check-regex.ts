// Regular expressions of a config: one that the engine takes and that no text can keep busy for long.

import { type Findings, listNames, type Place, show } from './findings.ts'
import { slowness } from './slow-regex.ts'

/** The engine must take it and it must not be able to backtrack for long. Gives whether it is a regex at all. */
export function checkRegex(pattern: string, place: Place, findings: Findings): boolean {
  const fault = regexFault(pattern)
  if (fault !== undefined) {
    findings.error(
      'bad-regex',
      place,
      `${show(pattern)} is not a regular expression: ${fault}`,
      'Write it as JavaScript does with the flag u.',
    )
    return false
  }
  const slow = slowness(pattern)
  if (slow === 'exponential') {
    findings.error(
      'slow-regex',
      place,
      `${show(pattern)} can take exponential time: a loop in it reads one text in several ways`,
      'Let each text be read in one way only: (a+)+ says no more than a+, (a|aa)+ no more than a+.',
    )
  } else if (slow === 'too-large') {
    findings.error(
      'slow-regex',
      place,
      `${show(pattern)} is too large to be judged`,
      'Use * or + in place of large counts, or several matches.',
    )
  } else if (slow !== undefined) {
    const parts = listNames(slow.overlapping.slice(0, MOST_NAMED), 'and')
    const more = slow.overlapping.length > MOST_NAMED ? ' and more' : ''
    findings.error(
      'slow-regex',
      place,
      `${show(pattern)} can take seconds: its parts ${parts}${more} overlap, so that one text can be shared among them in very many ways`,
      'Let each part end where the next begins: [^/]* in place of .* stops at the next slash.',
    )
  }
  return true
}

/** The engine's own word on it. Strict (flag u), so that a slip such as \\- is not silently another pattern. */
function regexFault(pattern: string): string | undefined {
  try {
    new RegExp(`^(?:${pattern})$`, 'u')
    // A pattern such as `a)(b` is whole only inside the group that is put round it.
    new RegExp(pattern, 'u')
    return undefined
  } catch (error) {
    return error instanceof SyntaxError
      ? error.message.replace(/^Invalid regular expression: .*: /s, '').toLowerCase()
      : 'it is too large'
  }
}

/** Parts of a slow regex that its message names. */
const MOST_NAMED = 5
