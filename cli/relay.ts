// `fourseven relay [config]`: the relay as a program. Records and events go to stdout as JSON lines, all else to stderr.
// SIGHUP or a changed file reloads, SIGTERM and SIGINT drain and end with 0, a second one ends at once.

import { resolve } from 'node:path'
import type { Command } from 'commander'
import { offerSockets, type Taken, takeSockets } from '../relay/handover.ts'
import { openMetrics } from '../relay/metrics.ts'
import { resolveBy } from '../relay/names.ts'
import { type OperatorPort, openOperator } from '../relay/operator.ts'
import type { OverlaySource } from '../relay/overlay-reader.ts'
import { formatRecord } from '../relay/record.ts'
import { startRelay } from '../relay/relay.ts'
import type { Relay } from '../relay/relay-api.ts'
import type { Variables } from '../shared/config/endpoint-address.ts'
import { ConfigError, type Problem } from '../shared/config/problem.ts'
import { formatDuration } from '../shared/config/units.ts'
import { splitKeys } from '../shared/http/signing.ts'
import { formatHostPort } from '../shared/wire/address.ts'
import { type Place, placeText } from './ask.ts'
import { collectVariable } from './config-options.ts'
import { descriptorProblem, portProblem } from './descriptors.ts'
import { CannotRun, EXIT, EXIT_CODES } from './exit.ts'
import { readDurationOption, readEdgeUrl, readPlace } from './option-values.ts'
import { renderProblem, shortPath } from './problems.ts'
import { type RelayConfig, readRelayConfig } from './relay-config.ts'
import { reloadsOf } from './relay-reloads.ts'
import { openReport, type Report } from './relay-report.ts'
import { guarded } from './run.ts'
import { threadsProblem } from './threads.ts'
import { watchConfig } from './watch-config.ts'

export interface RelayCommandOptions {
  readonly config?: string
  readonly operator?: Place
  readonly takeover?: string
  readonly var?: Variables
  readonly overlay?: string
  readonly dns?: readonly string[]
  readonly drainTimeout: number
  readonly drainDelay?: number
  readonly leave?: true
  readonly watch: boolean
  readonly records: boolean
  readonly json?: true
}

export function addRelay(program: Command, answer: (exitCode: number) => void): void {
  program
    .command('relay')
    .description('Run the layer-4 part of a config: TCP, TLS and UDP listeners, until SIGTERM.')
    .argument('[config]', 'a .ts, .js, .mjs, .yaml, .yml or .json file (default: shared/routes.ts, else routes.* here)')
    .option('--config <file>', 'the same')
    .option('--operator <host:port>', 'metrics, health, live flows, drains and reloads here; off by default', readPlace)
    .option(
      '--takeover <socket>',
      'take the listening sockets of the relay that answers at this unix socket, then answer there',
    )
    .option(
      '--var <NAME=value>',
      'a value for ${NAME} in addresses, over the environment (may be repeated)',
      collectVariable,
    )
    .option(
      '--overlay <url>',
      'read weights, drains, ejections and purges from this edge, with FOURSEVEN_OPERATOR_TOKEN (default: alone)',
      readEdgeUrl,
    )
    .option('--dns <address...>', 'name servers to ask, 10.0.0.2 or 10.0.0.2:5353 (default: those of the system)')
    .option('--drain-timeout <time>', 'how long flows may go on that are to end', readDurationOption, 30_000)
    .option(
      '--drain-delay <time>',
      'from SIGTERM, which makes /readyz say 503, until nothing more is accepted (default: 5s with --operator, else 0)',
      readDurationOption,
    )
    .option('--leave', 'what the kernel forwards (mode nat and dsr) goes on when the relay has ended')
    .option('--no-watch', 'reload on SIGHUP only, not when the file changes')
    .option('--no-records', 'no lines for connections; events stay')
    .option('--json', 'what would be said in words on stderr goes to stdout as JSON lines too')
    .addHelpText('after', EXAMPLES)
    .action((named: string | undefined, options: RelayCommandOptions, command: Command) => {
      if (named !== undefined && options.config !== undefined) command.error('error: name one config')
      return guarded(options, answer, () => run(options.config ?? named, options))
    })
}

function overlaySource({ overlay }: RelayCommandOptions): OverlaySource | undefined {
  if (overlay === undefined) return undefined
  const token = process.env.FOURSEVEN_OPERATOR_TOKEN ?? ''
  if (token !== '') return { url: new URL('/.fourseven/overlay', overlay).href, token }
  throw new CannotRun('--overlay needs a token, and there is none', 'Set FOURSEVEN_OPERATOR_TOKEN to that of the edge.')
}

async function run(named: string | undefined, options: RelayCommandOptions): Promise<number> {
  const report = openReport(options.json === true)
  const variables: Variables = { ...process.env, ...options.var }
  const readAt = Date.now()
  const read = await readRelayConfig(named, variables)
  const few =
    read.config === undefined
      ? []
      : [descriptorProblem(read.config), portProblem(read.config), threadsProblem(read.config)]
  const problems = [...read.problems, ...few.filter(problem => problem !== undefined)]
  for (const problem of problems) sayProblem(report, problem, read.file)
  if (read.config === undefined) return EXIT.problems

  const overlay = overlaySource(options)
  const taken = await take(options)
  const metrics = openMetrics()
  let relay: Relay
  let operator: OperatorPort | undefined
  let isReady = true
  try {
    relay = await startRelay({
      config: read.config,
      variables,
      ...(taken === undefined ? {} : { inherited: taken.sockets }),
      resolveName: resolveBy(options.dns),
      onRecord: record => {
        metrics.countRecord(record)
        if (options.records) report.line(formatRecord(record))
      },
      cookieKeys: splitKeys(variables['FOURSEVEN_COOKIE_KEY'] ?? ''),
      ...(options.records ? { onRequest: record => report.line(JSON.stringify(record)) } : {}),
      onEvent: event => report.line(JSON.stringify(event)),
      onKernel: event => report.line(JSON.stringify(event)),
      onThread: event => report.line(JSON.stringify(event)),
      ...(overlay === undefined ? {} : { overlay }),
      onOverlay: event => report.line(JSON.stringify(event)),
      onDisk: event => report.line(JSON.stringify(event)),
      onName: event => report.line(JSON.stringify(event)),
      onProblem: problem => sayProblem(report, problem, read.file),
    })
  } catch (error) {
    taken?.giveUp()
    if (!(error instanceof ConfigError)) throw error
    return sayWhyNot(report, error, read.file)
  }
  const { reload, close: closeReloads } = reloadsOf(relay, read, {
    variables,
    drainMs: options.drainTimeout,
    report,
    metrics,
  })
  metrics.watch(relay)
  try {
    operator = await openOperatorFor(options, relay, taken, { metrics, isReady: () => isReady, reload })
  } catch (error) {
    taken?.giveUp()
    await relay.stop({ drainMs: 0 })
    throw error
  }
  if (taken !== undefined) await relay.adoptSessions(await taken.sessions())
  await taken?.confirm()
  relay.keepInherited()
  for (const [name, { host, port }] of relay.addresses) {
    report.say(`listener ${name} on ${formatHostPort(host, port)}`, { event: 'listening', listener: name, host, port })
  }
  for (const { name, host, port, kernel } of relay.plane.table.flowListeners.values()) {
    if (kernel === undefined) continue
    const said = { event: 'listening', listener: name, host, port, mode: kernel.mode }
    report.say(`listener ${name} on ${formatHostPort(host, port)}, by the kernel (${kernel.mode})`, said)
  }
  if (operator !== undefined) {
    const { host, port } = operator.address
    report.say(`operator on ${formatHostPort(host, port)}`, { event: 'operator_listening', host, port })
  }

  const watching = options.watch ? watchConfig(read.file, () => void reload('the file changed'), readAt) : undefined
  process.on('SIGHUP', () => void reload('SIGHUP'))
  const { isTaken, isLent } = await untilItShouldEnd(options, relay, operator, report)
  isReady = false
  watching?.close()
  closeReloads()
  const delayMs = isTaken ? 0 : (options.drainDelay ?? (operator === undefined ? 0 : 5_000))
  if (delayMs > 0) {
    report.say(`not ready; accepting for ${formatDuration(delayMs)} more`, { event: 'not_ready', delayMs })
    await new Promise(later => setTimeout(later, delayMs))
  }
  const drainMs = options.drainTimeout
  await relay.stop({
    drainMs,
    onRefusing: () =>
      report.say(`stopped accepting; open connections have ${formatDuration(drainMs)}`, {
        event: 'stopped_accepting',
        drainMs,
      }),
    isHandedOver: isTaken || isLent(),
    ...(options.leave ? { leavesKernel: true } : {}),
  })
  operator?.close()
  await report.flush()
  process.exit(EXIT.ok)
}

interface End {
  /** Another relay has taken the sockets. */
  readonly isTaken: boolean
  /** Another relay is just about to. */
  readonly isLent: () => boolean
}

/** Settles at the first SIGTERM or SIGINT, or when another relay has taken the sockets. */
async function untilItShouldEnd(
  options: RelayCommandOptions,
  relay: Relay,
  operator: OperatorPort | undefined,
  report: Report,
): Promise<End> {
  let isLent = () => false
  let settle: (isTaken: boolean) => void = () => {}
  const ended = new Promise<End>(resolve => {
    settle = isTaken => resolve({ isTaken, isLent: () => isLent() })
  })
  let endingSince: number | undefined
  const end = (signal: NodeJS.Signals) => {
    // npm passes a Ctrl-C on that the terminal has sent to everybody already: that is one, not two.
    const isEcho = signal === 'SIGINT' && endingSince !== undefined && performance.now() - endingSince < 500
    if (endingSince !== undefined && !isEcho) process.exit(EXIT.problems)
    endingSince ??= performance.now()
    settle(false)
  }
  process.on('SIGTERM', end).on('SIGINT', end)
  if (options.takeover === undefined) return ended
  const listening = () =>
    operator === undefined
      ? relay.listening()
      : [...relay.listening(), [operatorKey(options.operator!), operator.handle()] as const]
  const path = resolve(options.takeover)
  try {
    const offer = await offerSockets(path, { ...relay, listening }, () => {
      report.say('another relay has taken over', { event: 'taken_over' })
      // Now, not after the next turn of the loop: whatever comes from here on is the other one's.
      void relay.stop({ drainMs: options.drainTimeout, isHandedOver: true })
      operator?.close()
      endingSince ??= performance.now()
      settle(true)
    })
    isLent = offer.isLent
    void ended.then(({ isTaken }) => (isTaken ? undefined : offer.close()))
  } catch (error) {
    report.say(`cannot listen on ${path}, so nobody can take over: ${(error as Error).message}`, {
      event: 'no_takeover',
    })
  }
  return ended
}

async function take({ takeover }: RelayCommandOptions): Promise<Taken | undefined> {
  if (takeover === undefined) return undefined
  try {
    return await takeSockets(resolve(takeover))
  } catch (error) {
    throw new CannotRun(`${takeover}: ${(error as Error).message}`, 'Stop the running relay, or look at what it says.')
  }
}

async function openOperatorFor(
  { operator: place }: RelayCommandOptions,
  relay: Relay,
  taken: Taken | undefined,
  rest: Pick<Parameters<typeof openOperator>[0], 'metrics' | 'isReady' | 'reload'>,
): Promise<OperatorPort | undefined> {
  if (place === undefined) return undefined
  const handle = taken?.sockets.get(operatorKey(place))?.[0]
  taken?.sockets.delete(operatorKey(place))
  try {
    return await openOperator({
      ...place,
      handle,
      relay,
      token: process.env.FOURSEVEN_OPERATOR_TOKEN || undefined,
      ...rest,
    })
  } catch (error) {
    const mend = 'Name another HOST:PORT, or stop what listens there.'
    throw new CannotRun(`the operator's port ${placeText(place)} cannot be opened: ${(error as Error).message}`, mend)
  }
}

function operatorKey(place: Place): string {
  return `operator ${placeText(place)}`
}

function sayWhyNot(report: Report, error: ConfigError, file: string): number {
  for (const problem of error.problems) sayProblem(report, problem, file)
  return error.problems.every(({ code }) => OF_THE_MACHINE.includes(code)) ? EXIT.cannotRun : EXIT.problems
}

function sayProblem(report: Report, problem: Problem, file: RelayConfig['file']): void {
  report.say(renderProblem(problem, shortPath(file)), { event: 'problem', ...problem })
}

/** The config may be right and the machine not. */
const OF_THE_MACHINE: readonly string[] = [
  'port-in-use',
  'socket-in-use',
  'port-privileged',
  'address-not-local',
  'cannot-listen',
  'no-nft',
  'no-capability',
  'no-interface',
  'kernel-refused',
  'cache-disk-in-use',
  'cache-disk-unusable',
]

const EXAMPLES = `
Examples:
  fourseven relay routes.yaml
  fourseven relay shared/routes.ts --operator 127.0.0.1:9047
  fourseven relay routes.yaml --takeover /run/fourseven.sock   the same line again replaces the running one
  fourseven relay routes.yaml --var DB=10.0.0.5 --drain-timeout 2m

\${NAME} in addresses comes from --var, then the environment. Whoever sets FOURSEVEN_OPERATOR_TOKEN has to send it as a
bearer token with everything that changes something; beyond loopback nothing is changed without it.

Signals: SIGHUP reloads. SIGTERM and SIGINT make /readyz say 503, wait, stop accepting, drain and end with 0; a second one
ends at once with 1.

${EXIT_CODES}`
