// The options of every subcommand that reads a config: variables and the environment of wrangler.toml.

import { type Command, InvalidArgumentError } from 'commander'
import type { Variables } from '../shared/config/endpoint-address.ts'
import { type PlaneVariables, readBindings, readVariables } from './variables.ts'

export interface ConfigOptions {
  readonly var?: Variables
  readonly env?: string
}

export function addConfigOptions(command: Command): Command {
  return command
    .option(
      '--var <NAME=value>',
      'a value for ${NAME} in addresses, over all others (may be repeated)',
      collectVariable,
    )
    .option('--env <name>', 'the environment of wrangler.toml whose vars count (default: CLOUDFLARE_ENV)')
}

/** What `${NAME}` means in each plane for these options, with wrangler.toml and .dev.vars of the current folder. */
export function variablesFor(options: ConfigOptions, isLocal: boolean): PlaneVariables {
  const env = environmentOf(options)
  return readVariables(process.cwd(), { given: options.var ?? {}, env, isLocal, isDeploy: isDeploy() }, process.env)
}

/** What `binding:NAME` endpoints may name, as wrangler.toml of the current folder says; undefined without one. */
export function bindingsFor(options: ConfigOptions): ReadonlySet<string> | undefined {
  return readBindings(process.cwd(), environmentOf(options))
}

function environmentOf(options: ConfigOptions): string | undefined {
  return options.env ?? (process.env.CLOUDFLARE_ENV || undefined)
}

/** wrangler runs the build command of wrangler.toml for `dev` and for each way to deploy, and says for which. */
export function isDeploy(): boolean {
  const doing = process.env.WRANGLER_COMMAND
  return doing !== undefined && doing !== 'dev'
}

/** Collects `--var NAME=value` into one object. */
export function collectVariable(text: string, before: Variables = {}): Variables {
  const equals = text.indexOf('=')
  if (equals < 1) throw new InvalidArgumentError('Write it as NAME=value.')
  return { ...before, [text.slice(0, equals)]: text.slice(equals + 1) }
}
