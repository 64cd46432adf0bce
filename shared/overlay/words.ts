// zod's issues in an operator's words, for the overlay and for commands: these schemas are small, and they run at the
// edge, where the words of the config (`structure-words.ts`) would cost more than they tell.

import type * as z from 'zod/mini'
import { didYouMean, formatPlace, listNames, nameKind, show } from '../config/findings.ts'
import { nearest } from '../config/near.ts'
import type { Problem } from '../config/problem.ts'

/** One problem for each issue, fifty at most. */
export function problemsOf(issues: readonly z.core.$ZodIssue[], input: unknown): readonly Problem[] {
  return issues.slice(0, MOST).map(issue => {
    const place = issue.path.map(step => (typeof step === 'symbol' ? String(step) : (step as string | number)))
    const value = place.reduce<unknown>((found, step) => (found as Record<string, unknown> | undefined)?.[step], input)
    return { severity: 'error', path: formatPlace(place), ...describe(issue, value, String(place.at(-1) ?? '')) }
  })
}

function describe(issue: z.core.$ZodIssue, value: unknown, name: string): Pick<Problem, 'code' | 'message' | 'mend'> {
  if (value === undefined && issue.code !== 'unrecognized_keys') {
    return { code: 'missing-field', message: `${show(name)} is missing`, mend: 'Add it.' }
  }
  switch (issue.code) {
    case 'unrecognized_keys': {
      const key = show(issue.keys[0])
      return { code: 'unknown-key', message: `${key} is not a key here`, mend: 'Leave it out.' }
    }
    case 'invalid_value': {
      const near = typeof value === 'string' ? nearest(value, issue.values.map(String)) : undefined
      const mend = didYouMean(near, `Write ${listNames(issue.values.map(String))}.`)
      return { code: 'unknown-value', message: `${show(value)} is not one of the values here`, mend }
    }
    case 'invalid_type': {
      const wanted = kinds[issue.expected] ?? issue.expected
      return { code: 'wrong-type', message: `expected ${wanted}, found ${nameKind(value)}`, mend: `Write ${wanted}.` }
    }
    case 'too_small':
      if (issue.origin === 'array')
        return { code: 'empty-list', message: 'the list is empty', mend: 'Name one at least.' }
      if (issue.origin === 'string') {
        return { code: 'empty-text', message: 'the text is empty', mend: 'Write at least one character.' }
      }
      return { code: 'out-of-range', message: `${show(value)} is too small`, mend: `Write ${issue.minimum} or more.` }
    case 'too_big': {
      const unit = issue.origin === 'string' ? ' characters' : issue.origin === 'array' ? ' entries' : ''
      const message = `${unit === '' ? show(value) : `it is more than ${issue.maximum}${unit}`}${unit === '' ? ' is too large' : ''}`
      return { code: 'out-of-range', message, mend: `Write ${issue.maximum}${unit} at most.` }
    }
    case 'invalid_union': {
      const { discriminator } = issue as { discriminator?: string }
      const mend = discriminator === undefined ? 'See the OpenAPI document.' : `Name a known ${show(discriminator)}.`
      return { code: 'unknown-value', message: `${show(value)} is not one of the forms here`, mend }
    }
    default:
      return {
        code: 'wrong-type',
        message: `${show(value)} is not what is wanted here`,
        mend: 'See the OpenAPI document.',
      }
  }
}

const MOST = 50
const kinds: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
}
