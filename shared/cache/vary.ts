// `Vary`: which stored answer fits which request (RFC 9111 section 4.1).

import type { HeaderFields } from '../http/header-fields.ts'

/** Lower case, each once, sorted; `*` when the answer depends on what no cache can see. */
export function varyNames(fields: HeaderFields): '*' | readonly string[] {
  const value = fields.get('vary')
  if (value === null) return []
  const names = value
    .toLowerCase()
    .split(',')
    .map(name => name.trim())
    .filter(name => name !== '')
  return names.includes('*') ? '*' : [...new Set(names)].sort()
}

/** What this request says in those fields, in the form in which it is compared. */
export function selectingValues(
  names: '*' | readonly string[],
  request: HeaderFields,
): readonly (readonly [string, string | null])[] {
  return names === '*' ? [] : names.map(name => [name, normalized(name, request.get(name))] as const)
}

/** The stored answer was asked for with the same values. */
export function fits(vary: readonly (readonly [string, string | null])[], request: HeaderFields): boolean {
  return vary.every(([name, value]) => normalized(name, request.get(name)) === value)
}

/**
 * Differences that no endpoint may care about are taken out: white space round list members, and in the negotiation
 * fields case and order (RFC 9110 section 12.5: the weight counts, the place does not).
 */
function normalized(name: string, value: string | null): string | null {
  if (value === null) return null
  const members = value.split(',').map(member => member.trim())
  if (!negotiated.has(name)) return members.join(',')
  const lower = members.filter(member => member !== '').map(member => member.toLowerCase().replace(/\s*;\s*/g, ';'))
  return [...new Set(lower)].sort().join(',')
}

const negotiated: ReadonlySet<string> = new Set(['accept', 'accept-language', 'accept-encoding', 'accept-charset'])
