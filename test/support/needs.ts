// Programs that some tests drive for real: PostgreSQL, HAProxy, nginx and the like. Where the machine lacks one, its
// tests are skipped with one line that says so.

import { accessSync, constants, existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'vitest'

/**
 * `test`, when all programs are there. Else a test that is skipped and says what is missing.
 *
 * needs('haproxy')('a sentence', async () => { … })
 */
export function needs(...programs: readonly string[]): (name: string, run: () => unknown) => void {
  const missing = programs.filter(program => pathOf(program) === undefined)
  if (missing.length === 0) return (name, run) => test(name, async () => void (await run()))
  return name => test(name, context => context.skip(`no ${missing.join(', no ')} on this machine`))
}

/** Where a program is, by its name; a path is looked at as it stands, for modules that are files. */
export function pathOf(program: string): string | undefined {
  if (program.startsWith('/')) return existsSync(program) ? program : undefined
  return folders()
    .map(folder => join(folder, program))
    .find(isExecutable)
}

function folders(): string[] {
  const postgres = '/usr/lib/postgresql'
  const versions = existsSync(postgres) ? readdirSync(postgres).map(version => join(postgres, version, 'bin')) : []
  return [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin', ...versions]
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
