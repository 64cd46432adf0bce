// Problems of a config, for people: where, what, and how to mend it.

import { isAbsolute, relative } from 'node:path'
import type { Problem } from '../shared/config/problem.ts'
import { paint } from './paint.ts'

/**
 * ```
 * error   routes.yaml:12 routes[0].pool: no pool is named "ap"
 *         mend: Did you mean "app"?
 * ```
 */
export function renderProblem(problem: Problem, file: string): string {
  const { severity, path, message, mend, line } = problem
  const label = severity === 'error' ? paint('red', 'error  ') : paint('yellow', 'warning')
  const place = `${file}${line === undefined ? '' : `:${line}`}${path === '' ? '' : ` ${path}`}`
  return `${label} ${paint('bold', place)}: ${message}\n        ${paint('dim', 'mend:')} ${mend}`
}

/** `2 errors, 1 warning` */
export function countProblems(problems: readonly Problem[]): string {
  const errors = problems.filter(problem => problem.severity === 'error').length
  return `${plural(errors, 'error')}, ${plural(problems.length - errors, 'warning')}`
}

export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** The file as seen from the current folder, unless it lies outside. */
export function shortPath(file: string): string {
  const short = relative(process.cwd(), file)
  return short === '' || short.startsWith('..') || isAbsolute(short) ? file : short
}
