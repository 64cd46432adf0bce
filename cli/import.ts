// `fourseven import gateway-api FILE…`: Kubernetes manifests in, a config out, and a list of what is not carried over.

import { type Command, InvalidArgumentError } from 'commander'
import { type Imported, importGatewayApi } from '../shared/gateway-api/import.ts'
import type { Severity } from '../shared/gateway-api/notes.ts'
import { CLUSTER_DNS } from '../shared/gateway-api/services.ts'
import { EXIT, EXIT_CODES } from './exit.ts'
import { readCertificateFolder, readEndpoints, readManifestFiles } from './import-files.ts'
import { renderNotes } from './notes-text.ts'
import { paint } from './paint.ts'
import { plural } from './problems.ts'
import { guarded } from './run.ts'
import { formatOf, STDOUT, writeConfig } from './write-config.ts'

interface ImportOptions {
  readonly output: string
  readonly endpoints?: string
  readonly resolve?: string
  readonly certs?: string
  readonly listen?: ReadonlyMap<string, string>
  readonly edge?: true
  readonly strict?: true
  readonly json?: true
}

export function addImport(program: Command, answer: (exitCode: number) => void): void {
  const command = program.command('import').description('Make a config of what another gateway is told.')
  command
    .command('gateway-api')
    .description('Make a config of Kubernetes manifests: Gateways, their routes, Services, grants.')
    .argument('<file...>', 'manifests, folders of them, or - for standard input')
    .option('-o, --output <file>', 'where the config goes: .yaml, .yml, .json, .ts, or - for standard output', STDOUT)
    .option('--endpoints <file>', 'YAML or JSON: namespace/service:port to a list of addresses')
    .option('--resolve <template>', `addresses of the other Services, such as http://${CLUSTER_DNS}`)
    .option('--certs <folder>', 'Secrets as files: namespace_name.crt and .key, or name.crt and .key; .ca.crt')
    .option('--listen <address>', 'where Gateways listen; namespace/gateway=address for one (repeat)', collectListen)
    .option('--edge', 'HTTP listeners become those of the edge, with a warning for what it cannot keep')
    .option('--strict', 'what cannot be carried over is an error: nothing is written')
    .option('--json', 'print { ok, output, config, notes }')
    .addHelpText('after', EXAMPLES)
    .action((files: string[], options: ImportOptions) =>
      guarded(options, answer, async () => {
        const format = formatOf(options.output)
        if (format === undefined) command.error('error: -o takes a file that ends in .yaml, .yml, .json or .ts, or -')
        return importFiles(files, options)
      }),
    )
}

async function importFiles(named: readonly string[], options: ImportOptions): Promise<number> {
  const files = await readManifestFiles(named)
  const endpoints = options.endpoints === undefined ? new Map() : readEndpoints(options.endpoints)
  const certificates = { folder: options.certs, files: readCertificateFolder(options.certs) }
  const imported = importGatewayApi(files, {
    where: {
      endpoints,
      resolve: options.resolve ?? CLUSTER_DNS,
      isMapWhole: options.resolve === undefined && options.endpoints !== undefined,
    },
    certificates,
    isEdge: options.edge === true,
    listen: options.listen ?? new Map(),
  })
  const ok = imported.config !== undefined && (options.strict !== true || countOf(imported, 'not-carried') === 0)
  if (ok && !(options.json === true && options.output === STDOUT)) {
    writeConfig(imported.config!, options.output, `Made by fourseven import gateway-api ${named.join(' ')}`)
  }
  report(imported, ok, options)
  return ok ? EXIT.ok : EXIT.problems
}

/** Notes go to standard error, so that standard output is the config or JSON and nothing else. */
function report(imported: Imported, ok: boolean, options: ImportOptions): void {
  const { config, notes } = imported
  if (options.json === true) {
    const output = options.output === STDOUT ? null : options.output
    console.log(JSON.stringify({ ok, output, config: ok ? config : null, notes }, null, 2))
    return
  }
  if (notes.length > 0) console.error(renderNotes(notes))
  const verdict = ok ? paint('green', 'ok') : paint('red', 'not ok')
  const counts = [
    plural(countOf(imported, 'error'), 'error'),
    `${countOf(imported, 'not-carried')} not carried over`,
    plural(countOf(imported, 'warning'), 'warning'),
  ]
  const size =
    config === undefined
      ? ''
      : `; ${plural(config.routes.length, 'route')}, ${plural(Object.keys(config.pools).length, 'pool')}`
  console.error(`import: ${verdict}, ${counts.join(', ')}${size}${ok ? '' : ': nothing was written'}`)
}

function countOf(imported: Imported, severity: Severity): number {
  return imported.notes.filter(note => note.severity === severity).length
}

/** Collects `--listen 10.0.0.1` and `--listen infra/web=10.0.0.2`. */
function collectListen(text: string, before: ReadonlyMap<string, string> = new Map()): ReadonlyMap<string, string> {
  const equals = text.indexOf('=')
  const [gateway, address] = equals === -1 ? ['*', text] : [text.slice(0, equals), text.slice(equals + 1)]
  if (gateway === '' || !/^[A-Za-z0-9.:[\]_-]+$/.test(address!)) {
    throw new InvalidArgumentError('Write an address, or namespace/gateway=address.')
  }
  return new Map([...before, [gateway!, address!.replace(/^\[|\]$/g, '')]])
}

const EXAMPLES = `
Examples:
  fourseven import gateway-api manifests/ -o routes.yaml --endpoints endpoints.yaml --certs certs/
  kubectl get gateways,httproutes,services,referencegrants -A -o yaml | fourseven import gateway-api - -o routes.ts
  fourseven import gateway-api gw.yaml --resolve 'http://{service}.{namespace}.example:{port}' --strict
  fourseven dev routes.yaml                          runs the result

An endpoints file:
  shop/cart:8080: [10.0.0.5:3000, 10.0.0.6:3000]
  shop/search:80: search.internal:8080

Without --endpoints and --resolve a Service is called by its name in the cluster. docs/migrating.md has a table of every
feature of the Gateway API: what is carried over, what differently, and what not.

${EXIT_CODES}`
