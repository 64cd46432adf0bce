// Whether a loaded config is sound, and where in its text things stand: for commands that work on the words as written.

import type { Locate } from '../shared/config/findings.ts'
import { ConfigError, type Problem } from '../shared/config/problem.ts'
import type { LoadedConfig } from './load.ts'

export function readWhole(
  loaded: LoadedConfig,
): { readonly locate: Locate } | { readonly problems: readonly Problem[] } {
  try {
    const { locate } = loaded.read()
    return { locate: locate ?? (() => undefined) }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return { problems: error.problems }
  }
}
