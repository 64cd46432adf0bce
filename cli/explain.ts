// `fourseven explain`: makes the decision that a plane would make for one request or connection, and says why.

import { type Command, InvalidArgumentError } from 'commander'
import { partFor } from '../shared/config/part.ts'
import type { FlowFacts } from '../shared/decide/facts.ts'
import { explainFlow } from '../shared/explain/flow.ts'
import { explainHttp } from '../shared/explain/http.ts'
import { createObserved, type Observed } from '../shared/pool/observed.ts'
import { compile } from '../shared/table/compile.ts'
import type { Table } from '../shared/table/table.ts'
import { parseAddress, parseHostPort } from '../shared/wire/address.ts'
import { cookieKeysOf } from '../workers/env.ts'
import { type EdgeFacts, readFacts } from '../workers/facts.ts'
import { addConfigOptions, type ConfigOptions, variablesFor } from './config-options.ts'
import { EXIT, EXIT_CODES } from './exit.ts'
import { renderFlowExplanation, renderHttpExplanation } from './explain-text.ts'
import { judge } from './judge.ts'
import { loadConfig } from './load.ts'
import { paint } from './paint.ts'
import { countProblems, renderProblem, shortPath } from './problems.ts'
import { guarded } from './run.ts'
import type { PlaneVariables } from './variables.ts'

interface ExplainOptions extends ConfigOptions {
  readonly config?: string
  readonly draw: number
  readonly json?: true
}

interface RequestOptions extends ExplainOptions {
  readonly request: string
  readonly header?: readonly (readonly [name: string, value: string])[]
  readonly cookie?: string
  readonly client?: string
  readonly country?: string
}

interface FlowOptions extends ExplainOptions {
  readonly listener?: string
}

export function addExplain(program: Command, answer: (exitCode: number) => void): void {
  const explain = program
    .command('explain')
    .description('Say what would be done with one request or connection, and why: the same decision the planes make.')
    .usage('<URL> [options] | tcp <SRC:PORT> [options]')
    .argument('<what...>', 'a URL; or `tcp` and the address a connection comes from')
  addConfigOptions(explain)
    .option('--config <file>', 'the config (default: shared/routes.ts, else routes.* here)')
    .option('-X, --request <method>', 'the method', 'GET')
    .option('-H, --header <line>', 'a header, "name: value" (may be repeated)', collectHeader)
    .option('-b, --cookie <cookies>', 'the Cookie header, "a=1; b=2"')
    .option('--client <address>', "the client's address", readClient)
    .option('--country <code>', 'the country as the edge knows it, "DE"')
    .option('--listener <name>', 'tcp: the listener (default: the only one)')
    .option(
      '--draw <n>',
      'the seed of every choice by chance: the same seed gives the same answer',
      readDraw,
      DEFAULT_DRAW,
    )
    .option('--json', 'print the explanation as JSON')
    .addHelpText('after', EXAMPLES)
    .action((what: string[], options: RequestOptions & FlowOptions, command: Command) =>
      guarded(options, answer, async () => {
        if (what[0] !== 'tcp') {
          if (what.length > 1) command.error('error: one URL at a time')
          return explainRequest(readUrl(what[0]!, command), options, command)
        }
        if (what.length !== 2) command.error('error: write it as: explain tcp SRC:PORT')
        return explainConnection(what[1]!, options, command)
      }),
    )
}

async function explainRequest(url: URL, options: RequestOptions, command: Command): Promise<number> {
  const ready = await prepare(options, 'workers')
  if (ready === undefined) return EXIT.problems
  const keys = cookieKeysOf(ready.variables)
  let facts: EdgeFacts
  try {
    facts = readFacts(asRequest(url, options), ready.table, keys, Date.now())
  } catch (error) {
    return command.error(`error: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (options.client !== undefined && facts.clientAddress !== options.client) {
    console.error(`note: the listener does not believe the client address ${options.client}: see its clientAddress`)
  }
  const explanation = explainHttp(ready.table, facts, ready.observed, options.draw)
  if (options.json === true) console.log(JSON.stringify(explanation, null, 2))
  else console.log(renderHttpExplanation(explanation))
  return EXIT.ok
}

/** As it would reach the Worker: what the platform adds itself is in `CF-Connecting-IP` and `cf`. */
function asRequest(url: URL, options: RequestOptions): Request {
  const headers = new Headers()
  for (const [name, value] of options.header ?? []) headers.append(name, value)
  // A runtime puts Host into the URL: `curl -H 'Host: …' http://127.0.0.1:8787/` can be explained as it stands.
  const host = headers.get('host')
  if (host !== null) url.host = host
  if (options.cookie !== undefined) headers.append('cookie', options.cookie)
  if (options.client !== undefined) {
    headers.set('cf-connecting-ip', options.client)
    if (!headers.has('x-forwarded-for')) headers.set('x-forwarded-for', options.client)
  }
  const request = new Request(url, { method: options.request, headers })
  return Object.assign(request, { cf: options.country === undefined ? undefined : { country: options.country } })
}

async function explainConnection(source: string, options: FlowOptions, command: Command): Promise<number> {
  const from = parseHostPort(source)
  const address = from === undefined ? undefined : parseAddress(from.host)
  if (from === undefined || address === undefined) {
    return command.error(`error: "${source}" is not an address and port, such as 203.0.113.7:40000`)
  }
  const ready = await prepare(options, 'relay')
  if (ready === undefined) return EXIT.problems
  const { flowListeners } = ready.table
  const names = [...flowListeners.keys()]
  const name = options.listener ?? (names.length === 1 ? names[0]! : undefined)
  const listener = name === undefined ? undefined : flowListeners.get(name)
  if (listener === undefined) {
    const known = names.length === 0 ? 'the config has none' : `there is ${names.join(', ')}`
    return command.error(
      `error: ${name === undefined ? 'name a --listener' : `no tcp listener is named "${name}"`}: ${known}`,
    )
  }
  const facts: FlowFacts = {
    listener: listener.name,
    clientAddress: address.text,
    address,
    clientPort: from.port,
    localAddress: listener.host,
    localPort: listener.port,
    now: Date.now(),
  }
  const explanation = explainFlow(listener, facts, ready.observed, options.draw)
  if (options.json === true) console.log(JSON.stringify(explanation, null, 2))
  else console.log(renderFlowExplanation(explanation))
  return EXIT.ok
}

interface Ready {
  readonly table: Table
  readonly observed: Observed
  readonly variables: Record<string, string | undefined>
}

/** The plane's table with nothing observed yet; undefined when the config has errors, which are printed. */
async function prepare(options: ExplainOptions, plane: keyof PlaneVariables): Promise<Ready | undefined> {
  const variables = variablesFor(options, false)
  const loaded = await loadConfig(options.config)
  const { config, problems } = judge(loaded, { variables, isLocal: true, isDeploy: false })
  if (config === undefined) {
    const shown = shortPath(loaded.file)
    if (options.json === true) console.log(JSON.stringify({ ok: false, file: shown, problems }, null, 2))
    else for (const problem of problems) console.error(renderProblem(problem, shown))
    console.error(`${shown}: ${paint('red', 'not ok')}, ${countProblems(problems)}`)
    return undefined
  }
  const table = compile(partFor(config, plane), variables[plane])
  const observed = createObserved({ slots: table.slots.size, pools: table.pools.length, shared: false, firstTurn: 0 })
  return { table, observed, variables: { ...variables[plane] } }
}

function readUrl(text: string, command: Command): URL {
  const url = URL.parse(text.includes('://') ? text : `http://${text}`)
  if (url !== null && (url.protocol === 'http:' || url.protocol === 'https:')) return url
  return command.error(`error: "${text}" is not a URL, such as https://app.example.com/api`)
}

function collectHeader(line: string, before: readonly (readonly [string, string])[] = []) {
  const colon = line.indexOf(':')
  if (colon < 1) throw new InvalidArgumentError('Write it as "name: value".')
  return [...before, [line.slice(0, colon).trim(), line.slice(colon + 1).trim()] as const]
}

function readClient(text: string): string {
  const address = parseAddress(text)
  if (address === undefined) throw new InvalidArgumentError('Write an IPv4 or IPv6 address.')
  return address.text
}

function readDraw(text: string): number {
  const draw = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(draw))
    throw new InvalidArgumentError('Write a whole number from 0 to 2^53 - 1.')
  return draw
}

const DEFAULT_DRAW = 1

const EXAMPLES = `
Examples:
  fourseven explain http://app.localhost/api/orders -X POST
  fourseven explain https://app.example.com/ -b 'canary=always' -H 'accept-language: de'
  fourseven explain https://app.example.com/ --client 203.0.113.7 --country DE --draw 42 --json
  fourseven explain tcp 203.0.113.7:40000 --listener echo

${EXIT_CODES}`
