// `fourseven check [file]`: every problem of a config at once, and with --emit the edge's part of a good one.

import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { packConfig } from '../shared/config/packed.ts'
import type { Config } from '../shared/config/parsed.ts'
import { partFor } from '../shared/config/part.ts'
import { checkAll } from './check-all.ts'
import { addConfigOptions, bindingsFor, type ConfigOptions, isDeploy, variablesFor } from './config-options.ts'
import { renderCoverage } from './coverage-text.ts'
import { CannotRun, EXIT, EXIT_CODES } from './exit.ts'
import { loadConfig } from './load.ts'
import { paint } from './paint.ts'
import { countProblems, plural, renderProblem, shortPath } from './problems.ts'
import { guarded } from './run.ts'

interface CheckOptions extends ConfigOptions {
  readonly json?: true
  readonly strict?: true
  readonly local?: true
  readonly emit?: string
  readonly coverage?: true
  readonly minCoverage?: number
}

export function addCheck(program: Command, answer: (exitCode: number) => void): void {
  const command = program
    .command('check')
    .description('Say every problem of a config at once: where, what, and how to mend it.')
    .argument('[file]', 'a .ts, .js, .mjs, .yaml, .yml or .json file (default: shared/routes.ts, else routes.* here)')
  addConfigOptions(command)
    .option(
      '--local',
      'the edge runs on this machine: loopback and IP addresses are fine (wrangler dev says so itself)',
    )
    .option('--strict', 'warnings fail too')
    .option(
      '--emit <file>',
      "write the edge's part as JSON, which wrangler bundles; nothing is written when there are errors",
    )
    .option('--coverage', 'say which rules, matches and variants no case under expect reaches')
    .option('--min-coverage <percent>', 'fail when the cases reach less of them', readPercent)
    .option('--json', 'print { file, ok, errors, warnings, problems }')
    .addHelpText('after', EXAMPLES)
    .action((file: string | undefined, options: CheckOptions) => guarded(options, answer, () => check(file, options)))
}

async function check(file: string | undefined, options: CheckOptions): Promise<number> {
  const isLocal = options.local === true || process.env.WRANGLER_COMMAND === 'dev'
  const loaded = await loadConfig(file)
  const circumstances = {
    variables: variablesFor(options, isLocal),
    isLocal,
    isDeploy: isDeploy(),
    bindings: bindingsFor(options),
  }
  const wanted = options.coverage === true || options.minCoverage !== undefined ? (options.minCoverage ?? 0) : undefined
  const { config, problems, cases, coverage } = await checkAll(loaded, circumstances, wanted)
  const errors = problems.filter(problem => problem.severity === 'error').length
  const warnings = problems.length - errors
  const ok = errors === 0 && (options.strict !== true || warnings === 0)
  const shown = shortPath(loaded.file)

  if (ok && config !== undefined && options.emit !== undefined) emitEdgePart(config, options.emit)
  if (options.json === true) {
    console.log(JSON.stringify({ file: shown, ok, errors, warnings, problems, cases, coverage }, null, 2))
    return ok ? EXIT.ok : EXIT.problems
  }
  for (const problem of problems) console.log(renderProblem(problem, shown))
  if (coverage !== undefined) console.log(renderCoverage(coverage))
  const verdict = ok ? paint('green', 'ok') : paint('red', 'not ok')
  const size = config === undefined ? '' : ` (${describe(config, cases ?? 0)})`
  console.log(`${shown}: ${verdict}, ${countProblems(problems)}${size}`)
  return ok ? EXIT.ok : EXIT.problems
}

/** What the Worker imports as `fourseven:config`: a JSON string, see `packConfig`. */
function emitEdgePart(config: Config, file: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, `${JSON.stringify(packConfig(partFor(config, 'workers')))}\n`)
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error)
    throw new CannotRun(`cannot write ${file}: ${cause}`, 'Name a file in a folder that can be written.')
  }
}

function describe(config: Config, cases: number): string {
  const rules = config.routes.reduce((sum, route) => sum + route.rules.length, 0)
  return [
    plural(config.listeners.length, 'listener'),
    plural(config.routes.length, 'route'),
    plural(rules, 'rule'),
    plural(config.pools.length, 'pool'),
    ...(cases === 0 ? [] : [plural(cases, 'case')]),
  ].join(', ')
}

function readPercent(text: string): number {
  const percent = Number(text)
  if (!/^\d{1,3}$/.test(text) || percent > 100) throw new InvalidArgumentError('Write a whole number from 0 to 100.')
  return percent
}

const EXAMPLES = `
Examples:
  fourseven check                                   the config of this folder
  fourseven check routes.yaml --strict              a warning fails too
  fourseven check routes.ts --var APP=https://a.example.com
  fourseven check shared/routes.ts --env staging    with [env.staging.vars] of wrangler.toml
  fourseven check routes.yaml --coverage            what no case under "expect" reaches
  fourseven check shared/routes.ts --emit dist/edge/config.json

Variables for \${NAME}, the stronger first: --var; .dev.vars (with --local); [vars] of wrangler.toml here, for the edge;
the environment. Under \`wrangler deploy\` the edge knows --var and [vars] only, as the Worker will.

${EXIT_CODES}`
