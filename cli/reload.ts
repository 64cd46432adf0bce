// `fourseven reload`: asks a running relay to read its config again, or what that would change.

import type { Command } from 'commander'
import type { Reloaded } from '../relay/reload.ts'
import type { Variables } from '../shared/config/endpoint-address.ts'
import type { Problem } from '../shared/config/problem.ts'
import type { Place } from './ask.ts'
import { askOperatorJson } from './ask-operator.ts'
import { collectVariable } from './config-options.ts'
import { EXIT, EXIT_CODES } from './exit.ts'
import { readPlace } from './option-values.ts'
import { renderProblem, shortPath } from './problems.ts'
import { readRelayConfig } from './relay-config.ts'
import { differenceWords } from './relay-reloads.ts'
import { guarded } from './run.ts'

interface ReloadOptions {
  readonly operator: Place
  readonly dryRun?: true
  readonly var?: Variables
  readonly json?: true
}

type Answer =
  | ({ readonly ok: true } & Reloaded)
  | { readonly ok: false; readonly error: string; readonly problems?: readonly Problem[] }

export function addReload(program: Command, answer: (exitCode: number) => void): void {
  program
    .command('reload')
    .description('Have a running relay read its config again, or say what that would change.')
    .argument('[config]', 'with --dry-run: a config to compare with, in place of the relay’s own file')
    .requiredOption('--operator <host:port>', "the relay's operator port", readPlace)
    .option(
      '--dry-run',
      'change nothing; say which listeners, routes and endpoints would change, and how many flows end',
    )
    .option('--var <NAME=value>', 'a value for ${NAME} in addresses of [config] (may be repeated)', collectVariable)
    .option('--json', 'print the answer as JSON')
    .addHelpText('after', EXAMPLES)
    .action((config: string | undefined, options: ReloadOptions, command: Command) => {
      if (config !== undefined && options.dryRun !== true) {
        command.error('error: a running relay reads its own file; a config can be compared with --dry-run')
      }
      return guarded(options, answer, () => reload(config, options))
    })
}

async function reload(named: string | undefined, options: ReloadOptions): Promise<number> {
  let config: unknown
  if (named !== undefined) {
    const read = await readRelayConfig(named, { ...process.env, ...options.var })
    if (read.config === undefined) {
      if (options.json === true) console.log(JSON.stringify({ ok: false, problems: read.problems }, null, 2))
      else for (const problem of read.problems) console.error(renderProblem(problem, shortPath(read.file)))
      return EXIT.problems
    }
    config = read.config
  }
  const path = options.dryRun === true ? '/reload?dry=1' : '/reload'
  const outcome = await askOperatorJson<Answer>(options.operator, 'POST', path, config, [422])
  if (options.json === true) console.log(JSON.stringify(outcome, null, 2))
  else if (outcome.ok) for (const line of differenceWords(outcome)) console.log(line)
  else console.error(`not reloaded, the config before stays: ${outcome.error}`)
  return outcome.ok ? EXIT.ok : EXIT.problems
}

const EXAMPLES = `
Examples:
  fourseven reload --operator 127.0.0.1:9047
  fourseven reload --dry-run next.yaml --operator 127.0.0.1:9047
  fourseven reload --dry-run --operator 127.0.0.1:9047 --json

In the answer + is added, - removed, ~ changed, > listens somewhere else. Addresses are filled in with the relay's own
variables.

${EXIT_CODES}`
