// A config as a short text, for the Worker's bundle: parts that stand in it more than once (the defaults of a thousand
// rules) are written once. A string is also what a runtime reads fastest at start.

import type { Config } from './parsed.ts'

/** JSON: `parts` first, then the config; `{"=": 3}` stands for part 3. */
export function packConfig(config: Config): string {
  const counts = new Map<string, number>()
  count(config, counts)
  const places = new Map<string, number>()
  const parts: unknown[] = []
  const root = replace(config, counts, places, parts)
  return JSON.stringify({ parts, root })
}

/** The config again. Parts are shared, which nobody can tell: a config is never written to. */
export function unpackConfig(text: string): Config {
  const { parts, root } = JSON.parse(text) as { parts: unknown[]; root: unknown }
  // A part only names parts before it.
  for (let i = 0; i < parts.length; i++) parts[i] = fill(parts[i], parts)
  return fill(root, parts) as Config
}

function count(value: unknown, counts: Map<string, number>): void {
  if (typeof value !== 'object' || value === null) return
  const text = JSON.stringify(value)
  if (text.length < SHORTEST) return
  const seen = counts.get(text) ?? 0
  counts.set(text, seen + 1)
  // What is inside of a part is looked at once.
  if (seen === 0) for (const inner of Object.values(value)) count(inner, counts)
}

function replace(
  value: unknown,
  counts: ReadonlyMap<string, number>,
  places: Map<string, number>,
  parts: unknown[],
): unknown {
  if (typeof value !== 'object' || value === null) return value
  const text = JSON.stringify(value)
  const isPart = (counts.get(text) ?? 0) > 1
  const known = isPart ? places.get(text) : undefined
  if (known !== undefined) return { '=': known }
  const inner = Array.isArray(value)
    ? value.map(one => replace(one, counts, places, parts))
    : Object.fromEntries(Object.entries(value).map(([key, one]) => [key, replace(one, counts, places, parts)]))
  if (!isPart) return inner
  places.set(text, parts.length)
  parts.push(inner)
  return { '=': parts.length - 1 }
}

function fill(value: unknown, parts: readonly unknown[]): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) value[i] = fill(value[i], parts)
    return value
  }
  const object = value as Record<string, unknown>
  const part = object['=']
  if (typeof part === 'number') return parts[part]
  for (const key in object) {
    const inner = object[key]
    if (typeof inner === 'object' && inner !== null) object[key] = fill(inner, parts)
  }
  return object
}

/** A reference is about as long as this. */
const SHORTEST = 16
