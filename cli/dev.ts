// `fourseven dev [config]`, which is `npm start`: edge and relay of a config on this machine, until Ctrl-C.
// Without a config it is the shipped one, with its demo endpoints beside; --smoke drives that one and reports.

import { fileURLToPath } from 'node:url'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Config } from '../shared/config/parsed.ts'
import { isLoopback, parseAddress, parseHostPort } from '../shared/wire/address.ts'
import { closeAgent, type Place, placeText } from './ask.ts'
import { addConfigOptions, type ConfigOptions } from './config-options.ts'
import { curlLines } from './curl-lines.ts'
import { type DemoEndpoint, demoVariables, startDemo, stopDemo } from './demo.ts'
import { DEV_EDGE, DEV_TOKEN } from './dev-place.ts'
import { EXIT, EXIT_CODES } from './exit.ts'
import { judge } from './judge.ts'
import { loadConfig } from './load.ts'
import { readPlace } from './option-values.ts'
import { drawTable, paint } from './paint.ts'
import { type Planes, startPlanes } from './planes.ts'
import { countProblems, renderProblem, shortPath } from './problems.ts'
import { recordLine } from './record-line.ts'
import { guarded } from './run.ts'
import { untilSignal } from './signals.ts'
import { isAllRight, renderResults, runRows } from './smoke.ts'
import { smokeRows } from './smoke-rows.ts'

interface DevOptions extends ConfigOptions {
  readonly edge: Place
  readonly service?: Readonly<Record<string, string>>
  readonly smoke?: true
  readonly quiet?: true
  readonly json?: true
}

export function addDev(program: Command, answer: (exitCode: number) => void): void {
  const command = program
    .command('dev')
    .description('Run a config on this machine, edge and relay; without one the shipped config and its demo endpoints.')
    .argument('[config]', 'a .ts, .js, .mjs, .yaml, .yml or .json file')
  addConfigOptions(command)
    .addOption(
      new Option('--edge <host:port>', 'where the edge listens; port 0 takes a free one')
        .argParser(readPlace)
        .default(DEFAULT_EDGE, '127.0.0.1:8787'),
    )
    .option('--service <NAME=file>', 'another Worker for binding:NAME endpoints (may be repeated)', collectService)
    .option('--smoke', 'drive the shipped routes with real traffic on free ports, print what each row proved, end')
    .option('--quiet', 'no records')
    .option('--json', 'JSON lines: first what listens where, then each record')
    .addHelpText('after', EXAMPLES)
    .action((config: string | undefined, options: DevOptions) => {
      if (options.smoke === true && config !== undefined) {
        command.error('error: --smoke drives the shipped routes; it takes no config')
      }
      return guarded(options, answer, () => (options.smoke === true ? smoke(options) : dev(config, options)))
    })
}

async function dev(named: string | undefined, options: DevOptions): Promise<number> {
  const ended = untilSignal()
  const isShipped = named === undefined
  const demo = isShipped ? await startDemo('shipped') : []
  let planes: Planes | undefined
  try {
    const variables = { ...withToken(options), ...demoVariables(demo), ...options.var }
    const config = await readConfig(isShipped ? SHIPPED : named, variables, options)
    if (config === undefined) return EXIT.problems
    const onRecord =
      options.quiet === true ? () => {} : (record: object) => console.log(recordLine(record, options.json === true))
    const services = options.service ?? {}
    planes = await startPlanes(config, { variables, edge: options.edge, services, ports: 'as written', onRecord })
    announce(config, planes, demo, options)
    await ended
    return EXIT.ok
  } finally {
    await planes?.stop()
    await stopDemo(demo)
  }
}

/** The shipped routes on free ports, so that it never meets anything else. A signal ends it early, as failed. */
async function smoke(options: DevOptions): Promise<number> {
  const ended = untilSignal()
  const demo = await startDemo('free')
  let planes: Planes | undefined
  try {
    const variables = { ...process.env, ...demoVariables(demo), ...options.var }
    const config = await readConfig(SHIPPED, variables, options)
    if (config === undefined) return EXIT.problems
    const edge = { host: '127.0.0.1', port: 0 }
    planes = await startPlanes(config, { variables, edge, ports: 'free', onRecord: () => {} })
    const world = { edge: planes.edge!, listeners: planes.listeners, demo }
    const bounds = { rowMs: 15_000, allMs: 60_000 }
    const rows = await Promise.race([runRows(smokeRows, world, bounds), ended.then(() => [])])
    const ok = isAllRight(rows)
    console.log(options.json === true ? JSON.stringify({ ok, rows }, null, 2) : renderResults(rows))
    return ok ? EXIT.ok : EXIT.problems
  } finally {
    closeAgent()
    await planes?.stop()
    await stopDemo(demo)
  }
}

/** On a loopback address the operator API is open to the commands of this machine. */
function withToken({ edge }: DevOptions): Record<string, string | undefined> {
  const address = parseAddress(edge.host)
  const isHere = edge.host === 'localhost' || (address !== undefined && isLoopback(address))
  return { ...(isHere ? { FOURSEVEN_OPERATOR_TOKEN: DEV_TOKEN } : {}), ...process.env }
}

/** The config, or undefined when it has errors; problems go to stderr, so that stdout stays what --json promises. */
async function readConfig(
  file: string,
  variables: Record<string, string | undefined>,
  options: DevOptions,
): Promise<Config | undefined> {
  const loaded = await loadConfig(file)
  const { config, problems } = judge(loaded, {
    variables: { workers: variables, relay: variables },
    isLocal: true,
    isDeploy: false,
  })
  const shown = shortPath(loaded.file)
  for (const problem of problems) console.error(renderProblem(problem, shown))
  if (config !== undefined) return config
  console.error(`${shown}: ${paint('red', 'not ok')}, ${countProblems(problems)}: nothing was started`)
  if (options.json === true) console.log(JSON.stringify({ ok: false, file: shown, problems }))
  return undefined
}

function announce(config: Config, planes: Planes, demo: readonly DemoEndpoint[], options: DevOptions): void {
  const { edge, listeners } = planes
  const rows = [
    ...config.listeners.flatMap((listener): Row[] => {
      const { name, kind } = listener
      const hosts = 'hostnames' in listener ? { hosts: listener.hostnames.join(', ') || 'any host' } : {}
      if (kind === 'edge') {
        // All of the edge are one Worker: the request's host says which of them takes it.
        return edge === undefined ? [] : [{ plane: 'edge', name, kind, address: `http://${placeText(edge)}`, ...hosts }]
      }
      const place = listeners.get(name)
      const scheme = kind === 'http' && listener.ending !== undefined ? 'https' : kind
      return place === undefined ? [] : [{ plane: 'relay', name, kind, address: addressOf(scheme, place), ...hosts }]
    }),
    ...demo.map(({ name, address }): Row => ({ plane: 'demo', name, address })),
  ]
  if (options.json === true) {
    console.log(JSON.stringify({ listening: rows }))
    return
  }
  console.log(
    drawTable(
      ['what', 'name', 'listens on', 'for'],
      rows.map(({ plane, name, address, hosts }) => [plane, name, address, hosts ?? '']),
    ),
  )
  if (demo.length > 0 && edge !== undefined) {
    for (const { shows, line } of curlLines(edge, listeners)) console.log(`${paint('dim', `# ${shows}`)}\n${line}`)
  }
  console.log(paint('dim', `Ctrl-C ends everything.${options.quiet === true ? '' : ' Records follow.'}`))
}

interface Row {
  readonly plane: 'edge' | 'relay' | 'demo'
  readonly name: string
  readonly address: string
  /** Of a listener. */
  readonly kind?: string
  /** Which hosts a listener of requests takes. */
  readonly hosts?: string
}

function addressOf(scheme: string, place: Place): string {
  return place.host.startsWith('/') ? `unix:${place.host}` : `${scheme}://${placeText(place)}`
}

/** Collects `--service NAME=file` into one object. */
function collectService(text: string, before: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  const equals = text.indexOf('=')
  if (equals < 1 || equals === text.length - 1) throw new InvalidArgumentError('Write it as NAME=file.')
  return { ...before, [text.slice(0, equals)]: text.slice(equals + 1) }
}

const SHIPPED = fileURLToPath(new URL('../shared/routes.ts', import.meta.url))
const DEFAULT_EDGE: Place = parseHostPort(new URL(DEV_EDGE).host)!

const EXAMPLES = `
Examples:
  fourseven dev                                  the shipped routes with demo endpoints: what npm start does
  fourseven dev --smoke                          prove them with real traffic: npm start -- --smoke
  fourseven dev examples/first/routes.ts         any config; a config with one plane runs that one alone
  fourseven dev routes.yaml --edge 127.0.0.1:0 --var APP=http://127.0.0.1:3000 --json

\${NAME} in addresses comes from --var, then the environment.

${EXIT_CODES}`
