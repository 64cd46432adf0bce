// What an import reads: manifests from files, folders and standard input, the map of endpoints, and which certificates
// there are.

import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { text as readAll } from 'node:stream/consumers'
import { ConfigError, formatProblem } from '../shared/config/problem.ts'
import { readDocument } from '../shared/config/yaml-document.ts'
import type { ManifestFile } from '../shared/gateway-api/manifests.ts'
import { CannotRun } from './exit.ts'

/** In the order named; the files of a folder and of the folders in it by name. */
export async function readManifestFiles(named: readonly string[]): Promise<readonly ManifestFile[]> {
  const files: ManifestFile[] = []
  for (const name of named) {
    if (name === '-') files.push({ name: '(standard input)', text: await readAll(process.stdin) })
    else
      for (const file of filesOf(name))
        files.push({ name: file, text: attempt(file, () => readFileSync(file, 'utf8')) })
  }
  return files
}

function filesOf(name: string): readonly string[] {
  if (!attempt(name, () => statSync(name)).isDirectory()) return [name]
  const found = attempt(name, () => readdirSync(name, { recursive: true, encoding: 'utf8', withFileTypes: true }))
    .filter(entry => entry.isFile() && /\.(?:ya?ml|json)$/i.test(entry.name))
    .map(entry => join(entry.parentPath, entry.name))
    .sort()
  if (found.length > 0) return found
  throw new CannotRun(`there is no .yaml, .yml or .json file in ${name}`, 'Name files, or another folder.')
}

/** `namespace/service:port` to addresses; `service:port` is of the namespace default. */
export function readEndpoints(file: string): ReadonlyMap<string, readonly string[]> {
  const mend = 'Write `namespace/service:port: [10.0.0.5:3000]`, one line for each port.'
  const { plain, faults } = parseFile(file)
  if (faults.length > 0 || typeof plain !== 'object' || plain === null || Array.isArray(plain)) {
    throw new CannotRun(`${file} is no map of endpoints: ${faults[0]?.message ?? 'it is not an object'}`, mend)
  }
  const endpoints = new Map<string, readonly string[]>()
  for (const [key, value] of Object.entries(plain)) {
    const list: unknown[] = Array.isArray(value) ? value : [value]
    if (!/^(?:[a-z0-9.-]+\/)?[a-z0-9.-]+(?::\d{1,5})?$/.test(key) || !list.every(isAddress)) {
      throw new CannotRun(`${file}: "${key}" does not lead to addresses`, mend)
    }
    endpoints.set(key.includes('/') ? key : `default/${key}`, list as string[])
  }
  return endpoints
}

/** With or without scheme and port; no path, for a Service has none. */
function isAddress(value: unknown): boolean {
  return typeof value === 'string' && /^(?:[a-z0-9+]+:\/\/)?[A-Za-z0-9_.:[\]-]+\/?$/.test(value)
}

/** The names of the files in the folder. */
export function readCertificateFolder(folder: string | undefined): ReadonlySet<string> {
  return new Set(folder === undefined ? [] : attempt(folder, () => readdirSync(folder)))
}

function parseFile(file: string): ReturnType<typeof readDocument> {
  try {
    return readDocument(attempt(file, () => readFileSync(file, 'utf8')))
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    throw new CannotRun(`${file} cannot be read: ${formatProblem(error.problems[0]!)}`, 'Write YAML or JSON.')
  }
}

function attempt<Result>(name: string, read: () => Result): Result {
  try {
    return read()
  } catch (error) {
    throw new CannotRun(`cannot read ${name}: ${(error as Error).message}`, 'Look at the name and its rights.')
  }
}
