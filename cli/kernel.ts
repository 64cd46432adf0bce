// `fourseven kernel print` and `fourseven kernel preflight`: what the kernel is to hold for a config, and whether this
// machine can.

import type { Command } from 'commander'
import { readInterfaces, readNeighbours } from '../relay/kernel/ground.ts'
import { type Finding, preflightRelay } from '../relay/kernel/preflight.ts'
import { endpointCommands, preflightEndpoint } from '../relay/kernel/preflight-endpoint.ts'
import { readableText, wholeText } from '../relay/kernel/render.ts'
import { type Ground, kernelListeners, type Ruleset, ruleset } from '../relay/kernel/ruleset.ts'
import { run } from '../relay/kernel/run.ts'
import { poolsOf } from '../relay/kernel/steer.ts'
import { familyOf, targetsOf } from '../relay/kernel/targets.ts'
import { createObserved } from '../shared/pool/observed.ts'
import { compile } from '../shared/table/compile.ts'
import type { Table } from '../shared/table/table.ts'
import { addConfigOptions, type ConfigOptions } from './config-options.ts'
import { CannotRun, EXIT, EXIT_CODES } from './exit.ts'
import { paint } from './paint.ts'
import { plural, renderProblem, shortPath } from './problems.ts'
import { readRelayConfig } from './relay-config.ts'
import { guarded } from './run.ts'

interface KernelOptions extends ConfigOptions {
  readonly json?: true
  readonly nft?: true
  readonly endpoint?: true
}

export function addKernel(program: Command, answer: (exitCode: number) => void): void {
  const kernel = program
    .command('kernel')
    .description('Listeners whose bytes the kernel carries: print what it is to hold, or look whether it can.')
    .addHelpText('after', EXAMPLES)
  const print = kernel
    .command('print')
    .description('Print the rules and maps of a config, as if every endpoint were up; nothing is changed.')
    .argument('[config]', 'a .ts, .js, .mjs, .yaml, .yml or .json file (default: shared/routes.ts, else routes.* here)')
  addConfigOptions(print)
    .option('--nft', 'whole, as `nft -f -` takes it')
    .option('--json', 'as JSON: tables, chains, maps with their elements')
    .action((config: string | undefined, options: KernelOptions) =>
      guarded(options, answer, () => printRules(config, options)),
    )
  const preflight = kernel
    .command('preflight')
    .description('Look whether this machine can do it, and say what endpoints need; nothing is changed.')
    .argument('[config]', 'as for print')
  addConfigOptions(preflight)
    .option('--endpoint', 'this machine is an endpoint')
    .option('--json', 'print { ok, findings, endpointCommands }')
    .action((config: string | undefined, options: KernelOptions) =>
      guarded(options, answer, () => lookAhead(config, options)),
    )
}

async function printRules(named: string | undefined, options: KernelOptions): Promise<number> {
  const table = await tableOf(named, options)
  if (table === undefined) return EXIT.problems
  const observed = createObserved({
    slots: table.slots.size,
    pools: Math.max(0, ...table.poolIndexes.values()) + 1,
    shared: false,
    firstTurn: 0,
  })
  const rules = ruleset(table, observed, Date.now(), await groundOf(table))
  if (options.json === true) console.log(JSON.stringify(plain(rules), null, 1))
  else process.stdout.write(options.nft === true ? wholeText(rules, new Map()) : readableText(rules))
  return EXIT.ok
}

async function lookAhead(named: string | undefined, options: KernelOptions): Promise<number> {
  const table = await tableOf(named, options)
  if (table === undefined) return EXIT.problems
  const isEndpoint = options.endpoint === true
  const findings = isEndpoint ? await preflightEndpoint(table, run) : await preflightRelay(table, run)
  const commands = endpointCommands(table)
  const errors = findings.filter(({ is }) => is === 'error').length
  if (options.json === true) {
    console.log(JSON.stringify({ ok: errors === 0, findings, endpointCommands: commands }, null, 2))
    return errors === 0 ? EXIT.ok : EXIT.problems
  }
  for (const finding of findings) console.log(findingText(finding))
  if (!isEndpoint && commands.length > 0) console.log(`\nAt every endpoint:\n\n${commands.join('\n')}\n`)
  const verdict = errors === 0 ? paint('green', 'ok') : paint('red', 'not ok')
  console.log(`${verdict}, ${plural(errors, 'error')} in ${plural(findings.length, 'finding')}`)
  return errors === 0 ? EXIT.ok : EXIT.problems
}

/** Undefined when its problems have been said. */
async function tableOf(named: string | undefined, options: KernelOptions): Promise<Table | undefined> {
  const variables = { ...process.env, ...options.var }
  const read = await readRelayConfig(named, variables)
  for (const problem of read.problems) console.error(renderProblem(problem, shortPath(read.file)))
  if (read.config === undefined) return undefined
  const table = compile(read.config, variables)
  if (kernelListeners(table).length > 0) return table
  throw new CannotRun('no listener of this config has mode "nat" or "dsr"', 'Say it on a tcp or udp listener.')
}

/** What is known here; an endpoint without a MAC would get no slots, so those not known get none of anybody's. */
async function groundOf(table: Table): Promise<Ground> {
  const interfaces = (await readInterfaces(run)) ?? []
  const neighbours = new Map<string, string>()
  for (const listener of kernelListeners(table)) {
    if (listener.kernel.mode !== 'dsr') continue
    const known = (await readNeighbours(run, listener.kernel.interface)) ?? new Map<string, string>()
    for (const { ip } of targetsOf(poolsOf(listener), familyOf(listener))) {
      neighbours.set(ip, known.get(ip) ?? unknownMac)
    }
  }
  return { neighbours, macs: new Map(interfaces.map(({ name, mac }) => [name, mac])), leaving: new Map() }
}

function findingText({ is, code, of, message, mend }: Finding): string {
  const label =
    is === 'ok' ? paint('green', 'ok     ') : is === 'error' ? paint('red', 'error  ') : paint('yellow', 'warning')
  const head = `${label} ${paint('bold', code)}${of === '' ? '' : ` ${of}`}: ${message}`
  return mend === '' ? head : `${head}\n        ${paint('dim', 'mend:')} ${mend}`
}

/** Maps as objects, so that JSON keeps them. */
function plain({ tables }: Ruleset): unknown {
  return {
    tables: tables.map(({ timeouts, sets, ...table }) => ({
      ...table,
      timeouts: Object.fromEntries(timeouts),
      sets: sets.map(({ elements, ...set }) => ({
        ...set,
        elements: elements === undefined ? null : Object.fromEntries(elements),
      })),
    })),
  }
}

const unknownMac = '00:00:00:00:00:00'

const EXAMPLES = `
Examples:
  fourseven kernel preflight routes.yaml
  fourseven kernel preflight routes.yaml --endpoint     on the machine of an endpoint
  fourseven kernel print routes.yaml

${EXIT_CODES}`
