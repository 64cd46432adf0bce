// Brings a config file in, whatever it is written in: TypeScript or JavaScript by import, YAML and JSON as text with
// line numbers. What cannot be brought in is a problem like any other, with file, cause and mend.

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { extname, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Variables } from '../shared/config/endpoint-address.ts'
import type { Locate } from '../shared/config/findings.ts'
import { type Parsed, parse } from '../shared/config/parse.ts'
import { ConfigError, type Problem } from '../shared/config/problem.ts'
import { parseText } from '../shared/config/text.ts'
import { readDocument } from '../shared/config/yaml-document.ts'

export interface LoadedConfig {
  /** Absolute. */
  readonly file: string
  /** Why it could not be brought in; empty when it was. */
  readonly problems: readonly Problem[]
  /** What the file holds, as written; undefined when it could not be brought in. */
  readonly input: unknown
  /** Parses what the file holds. Throws ConfigError. */
  readonly read: (variables?: Variables) => ReadConfig
}

export interface ReadConfig extends Parsed {
  /** Where in the text something stands; a module has no such places. */
  readonly locate?: Locate
}

/** Loads the named file, or the config of the current folder. Never throws for what stands in the file. */
export async function loadConfig(named: string | undefined): Promise<LoadedConfig> {
  const file = resolve(named ?? DEFAULT_FILES.find(name => existsSync(name)) ?? DEFAULT_FILES[0])
  if (!existsSync(file)) {
    const mend =
      named === undefined
        ? `Write one of ${DEFAULT_FILES.join(', ')}, or name a file.`
        : 'Look at the name and the folder.'
    return failed(file, 'missing-file', 'there is no such file', mend)
  }
  const kind = extname(file).toLowerCase()
  if (kind === '.yaml' || kind === '.yml' || kind === '.json') return loadText(file)
  if (['.ts', '.mts', '.js', '.mjs'].includes(kind)) return loadModule(file)
  const mend = 'Use .ts, .js, .mjs, .yaml, .yml or .json.'
  return failed(file, 'unknown-file-kind', `"${kind}" says nothing about how to read it`, mend)
}

function loadText(file: string): LoadedConfig {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    return failed(file, 'unreadable-file', (error as Error).message, 'Look at its rights and whether it is a file.')
  }
  return { file, problems: [], input: readPlain(text), read: variables => parseText(text, variables) }
}

/** Undefined for a text that cannot be read; `read` says why. */
function readPlain(text: string): unknown {
  try {
    return readDocument(text).plain
  } catch {
    return undefined
  }
}

async function loadModule(file: string): Promise<LoadedConfig> {
  let module: Record<string, unknown>
  try {
    module = await import(pathToFileURL(file).href)
  } catch (error) {
    return importFailed(file, error)
  }
  if (module.default === undefined) {
    const mend = 'End it with `export default defineConfig({ listeners, pools, routes })`.'
    return failed(file, 'no-default-export', 'the file exports no config', mend)
  }
  const input = module.default
  return { file, problems: [], input, read: variables => parse(input, variables === undefined ? {} : { variables }) }
}

function importFailed(file: string, error: unknown): LoadedConfig {
  if (!(error instanceof Error)) {
    return failed(file, 'import-failed', `it throws ${String(error)}`, 'A config must load without throwing.')
  }
  const stack = error.stack ?? ''
  if (error instanceof SyntaxError) {
    const place = /^(?:file:\/\/)?(\/.+|[A-Z]:.+):(\d+)$/m.exec(stack.split('\n')[0]!)
    const line = place !== null ? Number(place[2]) : syntaxErrorLine(file)
    const where = place === null || samePath(place[1]!, file) ? '' : ` (in ${place[1]})`
    const mend = error.message.includes('strip-only')
      ? 'Node runs TypeScript by leaving the types out: no enums, namespaces or parameter properties.'
      : 'Mend the syntax.'
    return failed(file, 'syntax-error', `${error.message}${where}`, mend, where === '' ? line : undefined)
  }
  if ((error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND') {
    const mend = 'Install the package, or mend the path; relative imports need their extension.'
    return failed(file, 'import-failed', error.message.replace(/ imported from .*/s, ''), mend)
  }
  const frame = stack.split('\n').find(line => line.includes(pathToFileURL(file).href))
  const line = /:(\d+):\d+\)?$/.exec(frame ?? '')
  const mend = 'A config must load without throwing; read variables with ${NAME} in addresses.'
  return failed(
    file,
    'import-failed',
    `it throws ${error.name}: ${error.message}`,
    mend,
    line === null ? undefined : Number(line[1]),
  )
}

/** V8 tells an importer no place for a syntax error in plain JavaScript; `node --check` prints it. */
function syntaxErrorLine(file: string): number | undefined {
  const { stderr } = spawnSync(process.execPath, ['--check', file], { encoding: 'utf8', timeout: 5_000 })
  const place = /:(\d+)$/m.exec(stderr?.split('\n')[0] ?? '')
  return place === null ? undefined : Number(place[1])
}

function samePath(seen: string, file: string): boolean {
  return seen === file || seen === fileURLToPath(pathToFileURL(file))
}

function failed(file: string, code: string, message: string, mend: string, line?: number): LoadedConfig {
  const problem: Problem = { severity: 'error', code, path: '', message, mend }
  const problems = [line === undefined ? problem : { ...problem, line }]
  const read = () => {
    throw new ConfigError(problems)
  }
  return { file, problems, input: undefined, read }
}

const DEFAULT_FILES = ['shared/routes.ts', 'routes.ts', 'routes.yaml', 'routes.json'] as const
