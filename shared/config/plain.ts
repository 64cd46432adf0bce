// A copy of what was handed in, as plain data: whatever it was (parsed JSON, a module's export, a hostile object), after
// this it is a tree of bounded size without prototypes, getters or cycles.

import type { Findings, Place } from './findings.ts'

/**
 * Objects without prototype, arrays and scalars; keys whose value is `undefined` are left out. What is too deep or too
 * large is reported once and cut. `__proto__` is reported as an unknown key and dropped: no config has it, some attacks do.
 */
export function copyPlain(input: unknown, findings: Findings): unknown {
  let left = MOST_VALUES
  const seen = new Set<string>()
  const once = (code: string, place: Place, message: string, mend: string): undefined => {
    if (!seen.has(code)) findings.error(code, place.slice(0, 8), message, mend)
    seen.add(code)
    return undefined
  }
  const copy = (value: unknown, place: Place): unknown => {
    if (typeof value !== 'object' || value === null) return value
    left -= 1
    if (left < 0) {
      return once('too-large', [], `the config holds more than ${MOST_VALUES} lists and objects`, 'Split it up.')
    }
    if (place.length > DEEPEST) {
      return once('too-deep', place, `the config is nested more than ${DEEPEST} levels deep`, 'No field is that deep.')
    }
    if (Array.isArray(value)) return Array.from(value, (item, index) => copy(item, [...place, index]))
    const object: Record<string, unknown> = Object.create(null)
    for (const key of Object.keys(value)) {
      const item = (value as Record<string, unknown>)[key]
      if (item === undefined) continue
      if (key === '__proto__') {
        findings.error('unknown-key', [...place, key], '"__proto__" is not a key of anything', 'Leave it out.')
      } else object[key] = copy(item, [...place, key])
    }
    return object
  }
  return copy(input, [])
}

/** The deepest field of a config is 10 levels down. */
const DEEPEST = 16
/** Ten thousand routes with ten rules each are some 400,000. */
const MOST_VALUES = 1_000_000
