// What no case reaches, for people.

import type { Count, Coverage } from './coverage.ts'
import { paint } from './paint.ts'

/**
 * ```
 * cases reach 80 %: rules 3 of 4, matches 2 of 2, variants 2 of 2
 *   no case reaches rule app/moved (routes[0].rules[2])
 * ```
 */
export function renderCoverage({ percent, rules, matches, variants, unreached }: Coverage): string {
  const counts = [`rules ${count(rules)}`, `matches ${count(matches)}`, `variants ${count(variants)}`].join(', ')
  return [
    `cases reach ${paint(unreached.length === 0 ? 'green' : 'yellow', `${percent} %`)}: ${counts}`,
    ...unreached.map(({ kind, name, path }) => `  no case reaches ${kind === 'rule' ? 'rule ' : ''}${name} (${path})`),
  ].join('\n')
}

function count({ reached, of }: Count): string {
  return `${reached} of ${of}`
}
