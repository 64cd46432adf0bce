// `fourseven export gateway-api CONFIG`: a config out as Kubernetes manifests, and a list of what they cannot say.

import type { Command } from 'commander'
import type { ConfigInput } from '../shared/config/config.ts'
import { writeYaml } from '../shared/config/yaml-document.ts'
import { exportGatewayApi } from '../shared/gateway-api/export.ts'
import { EXIT, EXIT_CODES } from './exit.ts'
import { loadConfig } from './load.ts'
import { renderNotes } from './notes-text.ts'
import { paint } from './paint.ts'
import { countProblems, plural, renderProblem, shortPath } from './problems.ts'
import { readWhole } from './read-whole.ts'
import { guarded } from './run.ts'
import { STDOUT, writeText } from './write-config.ts'

interface ExportOptions {
  readonly output: string
  readonly endpoints?: string
  readonly strict?: true
  readonly json?: true
}

export function addExport(program: Command, answer: (exitCode: number) => void): void {
  const command = program.command('export').description('Write a config as what another gateway reads.')
  command
    .command('gateway-api')
    .description('Write a config as Kubernetes manifests of the Gateway API, and list what they cannot say.')
    .argument('[config]', 'a .ts, .js, .mjs, .yaml, .yml or .json file')
    .option('-o, --output <file>', 'where the manifests go; - for standard output', STDOUT)
    .option('--endpoints <file>', 'where the addresses of the Services go, as import reads them')
    .option('--strict', 'what manifests cannot say is an error: nothing is written')
    .option('--json', 'print { ok, manifests, endpoints, notes }')
    .addHelpText('after', EXAMPLES)
    .action((file: string | undefined, options: ExportOptions) =>
      guarded(options, answer, () => exportConfig(file, options)),
    )
}

async function exportConfig(named: string | undefined, options: ExportOptions): Promise<number> {
  const loaded = await loadConfig(named)
  const shown = shortPath(loaded.file)
  const whole = readWhole(loaded)
  if ('problems' in whole) {
    if (options.json === true)
      console.log(JSON.stringify({ ok: false, file: shown, problems: whole.problems }, null, 2))
    for (const problem of whole.problems) console.error(renderProblem(problem, shown))
    console.error(`${shown}: ${paint('red', 'not ok')}, ${countProblems(whole.problems)}: nothing was written`)
    return EXIT.problems
  }
  const { manifests, endpoints, notes } = exportGatewayApi(loaded.input as ConfigInput, shown, whole.locate)
  const lost = notes.filter(({ severity }) => severity !== 'ignored').length
  const ok = options.strict !== true || lost === 0
  if (ok && options.endpoints !== undefined) writeText(writeYaml(endpoints), options.endpoints)
  if (options.json === true) console.log(JSON.stringify({ ok, manifests, endpoints, notes }, null, 2))
  if (ok && !(options.json === true && options.output === STDOUT)) {
    writeText(manifests.map(writeYaml).join('---\n'), options.output)
  }
  if (options.json === true) return ok ? EXIT.ok : EXIT.problems
  if (notes.length > 0) console.error(renderNotes(notes))
  const verdict = ok ? paint('green', 'ok') : paint('red', 'not ok')
  console.error(
    `export: ${verdict}, ${plural(manifests.length, 'object')}, ${lost} not said${ok ? '' : ': nothing was written'}`,
  )
  return ok ? EXIT.ok : EXIT.problems
}

const EXAMPLES = `
Examples:
  fourseven export gateway-api routes.yaml -o manifests.yaml --endpoints endpoints.yaml
  fourseven import gateway-api manifests.yaml --endpoints endpoints.yaml      the way back

The list order of routes is written as their creationTimestamp: a cluster that takes them sets its own, so create them in
that order there.

${EXIT_CODES}`
