// Programs that some tests drive for real: PostgreSQL, HAProxy, nginx and the like. Where the machine lacks one, its
// tests are skipped with one line that says so.

import { execFileSync } from 'node:child_process'
import { accessSync, constants, existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'vitest'

/**
 * `test`, when all programs are there. Else a test that is skipped and says what is missing.
 *
 * needs('haproxy')('a sentence', async () => { … })
 */
export function needs(...programs: readonly string[]): (name: string, run: () => unknown, timeoutMs?: number) => void {
  const missing = programs.filter(program => pathOf(program) === undefined)
  if (missing.length === 0) return (name, run, timeoutMs) => test(name, async () => void (await run()), timeoutMs)
  return name => test(name, context => context.skip(`no ${missing.join(', no ')} on this machine`))
}

/** The same for tests in network namespaces, which only root may make; a namespace of its own is tried for. */
export function needsNamespaces(...programs: readonly string[]): (name: string, run: () => unknown) => void {
  const needed = needs('nft', 'ip', 'conntrack', 'arping', 'curl', ...programs)
  if (process.getuid?.() === 0 && pathOf('ip') !== undefined && canMakeNamespaces()) {
    return (name, run) => needed(name, run, longestInNamespacesMs)
  }
  return name => test(name, context => context.skip('only root may make network namespaces, and not everywhere'))
}

function canMakeNamespaces(): boolean {
  const name = `fs-try-${process.pid}`
  try {
    execFileSync('ip', ['netns', 'add', name], { stdio: 'ignore' })
    execFileSync('ip', ['netns', 'delete', name], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
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

/** A dozen programs start in each lab, and other tests run beside it. */
const longestInNamespacesMs = 180_000
