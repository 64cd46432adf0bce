// What `parse` finds on its way: problems with their places, collected until everything has been looked at.

import type { Problem } from './problem.ts'

/** Where something stands in the config, as the operator wrote it: `['routes', 0, 'match', 'path']`. */
export type Place = readonly (string | number)[]
export type Locate = (place: Place) => { readonly line: number; readonly column: number } | undefined

export interface Findings {
  readonly problems: readonly Problem[]
  error(code: string, place: Place, message: string, mend: string): void
  warning(code: string, place: Place, message: string, mend: string): void
}

/** Keeps the first 500 problems and says that there are more: a file of a million slips does not make a million lines. */
export function collectFindings(locate: Locate | undefined): Findings {
  const problems: Problem[] = []
  const add = (severity: Problem['severity'], code: string, place: Place, message: string, mend: string): void => {
    if (problems.length > MOST) return
    if (problems.length === MOST) {
      const end = 'Mend these first, then check again.'
      problems.push({
        severity: 'error',
        code: 'too-many-problems',
        path: '',
        message: 'there are more problems',
        mend: end,
      })
      return
    }
    const spot = locate?.(place)
    const where = spot === undefined ? {} : { line: spot.line, column: spot.column }
    problems.push({ severity, code, path: formatPlace(place), message, mend, ...where })
  }
  return {
    problems,
    error: (code, place, message, mend) => add('error', code, place, message, mend),
    warning: (code, place, message, mend) => add('warning', code, place, message, mend),
  }
}

/** `routes[0].match.header["x.y"]`. */
export function formatPlace(place: Place): string {
  return place.reduce<string>((path, step) => {
    if (typeof step === 'number') return `${path}[${step}]`
    const text = shorten(step)
    if (!/^[A-Za-z_$][\w$-]*$/.test(text)) return `${path}[${JSON.stringify(text)}]`
    return path === '' ? text : `${path}.${text}`
  }, '')
}

/** A value as a message shows it: quoted, on one line, and not longer than a line. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(shorten(value))
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : nameKind(value)
}

/** What kind of value it is, with its article: `a list`. */
export function nameKind(value: unknown): string {
  if (value === undefined || value === null) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'an object'
  if (typeof value === 'boolean') return 'true or false'
  return typeof value === 'string' ? 'a text' : `a ${typeof value}`
}

/** `"a", "b" or "c"`. */
export function listNames(names: Iterable<string>, word: 'or' | 'and' = 'or'): string {
  const all = [...names]
  const shown = all.slice(0, 20).map(name => show(name))
  if (all.length > shown.length) return `${shown.join(', ')}, …`
  return shown.length < 2 ? shown.join('') : `${shown.slice(0, -1).join(', ')} ${word} ${shown.at(-1)}`
}

/** `Did you mean "app"?`, or else the sentence given. */
export function didYouMean(near: string | undefined, otherwise: string): string {
  return near === undefined ? otherwise : `Did you mean ${show(near)}?`
}

function shorten(text: string): string {
  return text.length > 100 ? `${text.slice(0, 99)}…` : text
}

const MOST = 500
