// A config as text, in YAML or JSON (which is YAML too): every problem with its line and column.

import type { Variables } from './endpoint-address.ts'
import type { Locate } from './findings.ts'
import { type Parsed, parse } from './parse.ts'
import { ConfigError } from './problem.ts'
import { readDocument } from './yaml-document.ts'

/**
 * Reads a text as `readDocument` does and then as `parse` does; keys that stand twice are errors. `locate` places what is
 * found wrong later.
 * @throws ConfigError with every problem found. Nothing else, on any text.
 */
export function parseText(text: string, variables?: Variables): Parsed & { readonly locate: Locate } {
  const { plain, faults, locate } = readDocument(text)
  try {
    const result = parse(plain, variables === undefined ? { locate } : { locate, variables })
    if (faults.length > 0) throw new ConfigError(result.warnings)
    return { ...result, locate }
  } catch (error) {
    throw error instanceof ConfigError && faults.length > 0 ? new ConfigError([...faults, ...error.problems]) : error
  }
}
