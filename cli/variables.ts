// Where `${NAME}` in endpoint addresses gets its value, for each plane as it will be where that plane runs.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { parse as parseToml, TomlError } from 'smol-toml'
import type { Variables } from '../shared/config/endpoint-address.ts'
import { CannotRun } from './exit.ts'

/** What each plane will know. A Worker is told `[vars]` and nothing else; the relay has its process environment. */
export interface PlaneVariables {
  readonly workers: Variables
  readonly relay: Variables
}

export interface VariableSources {
  /** `--var NAME=value`: over all else, in both planes. */
  readonly given: Variables
  /** `--env NAME`: the environment of wrangler.toml. */
  readonly env: string | undefined
  /** `.dev.vars` counts, over `[vars]`, as in `wrangler dev`. */
  readonly isLocal: boolean
  /** A deploy is at hand: what only this machine's environment knows is unknown to the Worker. */
  readonly isDeploy: boolean
}

/** Reads wrangler.toml and `.dev.vars` of `folder` when they are there. Throws CannotRun when one cannot be read. */
export function readVariables(folder: string, sources: VariableSources, environment: Variables): PlaneVariables {
  const file = join(folder, 'wrangler.toml')
  const deployed = existsSync(file) ? wranglerVars(file, sources.env) : undefined
  const local = sources.isLocal ? devVars(folder, sources.env) : {}
  return {
    workers: {
      ...(sources.isDeploy && deployed !== undefined ? {} : environment),
      ...deployed,
      ...local,
      ...sources.given,
    },
    relay: { ...environment, ...sources.given },
  }
}

/**
 * The names under which wrangler.toml of `folder` binds what can be fetched from: other Workers and static assets.
 * Undefined without the file. A named environment has its own alone, since wrangler inherits no bindings.
 */
export function readBindings(folder: string, env: string | undefined): ReadonlySet<string> | undefined {
  const file = join(folder, 'wrangler.toml')
  if (!existsSync(file)) return undefined
  const part = wranglerPart(file, env)
  const services = Array.isArray(part['services']) ? part['services'] : []
  const named = [...services, part['assets']].map(entry => asObject(entry)?.['binding'])
  return new Set(named.filter(name => typeof name === 'string'))
}

/** The string values of `[vars]`; with an environment those of `[env.NAME.vars]` alone, since wrangler inherits no vars. */
function wranglerVars(file: string, env: string | undefined): Variables {
  return stringsOf(wranglerPart(file, env)['vars'])
}

/** The whole file, or the part of one environment. */
function wranglerPart(file: string, env: string | undefined): Record<string, unknown> {
  let toml: Record<string, unknown>
  try {
    toml = parseToml(readFileSync(file, 'utf8'))
  } catch (error) {
    const place = error instanceof TomlError ? `:${error.line}` : ''
    const cause = error instanceof Error ? error.message.split('\n')[0] : String(error)
    throw new CannotRun(`${file}${place} cannot be read: ${cause}`, 'Mend the TOML, or run in another folder.')
  }
  if (env === undefined) return toml
  const named = asObject(asObject(toml['env'])?.[env])
  if (named !== undefined) return named
  throw new CannotRun(`${file} has no environment "${env}"`, `Add [env.${env}.vars], or leave --env out.`)
}

/** wrangler reads `.dev.vars.NAME` instead of `.dev.vars` when the environment has one. */
function devVars(folder: string, env: string | undefined): Variables {
  const named = env === undefined ? undefined : join(folder, `.dev.vars.${env}`)
  const file = named !== undefined && existsSync(named) ? named : join(folder, '.dev.vars')
  return existsSync(file) ? parseEnv(readFileSync(file, 'utf8')) : {}
}

function stringsOf(vars: unknown): Variables {
  return Object.fromEntries(
    Object.entries(asObject(vars) ?? {}).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  )
}

function asObject(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
}
