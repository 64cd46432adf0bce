// `fourseven explain`: makes the decision that a plane would make for one request or connection, and says why.

import { statSync } from 'node:fs'
import { type Command, InvalidArgumentError } from 'commander'
import { urlOf } from '../shared/cache/key.ts'
import type { Config } from '../shared/config/parsed.ts'
import { partFor } from '../shared/config/part.ts'
import { readHostname } from '../shared/config/tokens.ts'
import type { FlowFacts } from '../shared/decide/facts.ts'
import { decideHttp } from '../shared/decide/http.ts'
import { type Exchanged, explainCache, explainCompress } from '../shared/explain/cache.ts'
import { explainFlow, type FlowExplanation } from '../shared/explain/flow.ts'
import { explainAtDoor, explainHttp, type Sending } from '../shared/explain/http.ts'
import { encodingsAt } from '../shared/http/compress.ts'
import { isGrpc } from '../shared/http/grpc-status.ts'
import { refusalOf } from '../shared/http/refuse.ts'
import type { DoorFacts } from '../shared/http/request-facts.ts'
import { createObserved, type Observed } from '../shared/pool/observed.ts'
import { compile } from '../shared/table/compile.ts'
import type { Table } from '../shared/table/table.ts'
import { type Address, formatHostPort, parseAddress, parseHostPort } from '../shared/wire/address.ts'
import { cookieKeysOf } from '../workers/env.ts'
import { readFacts } from '../workers/facts.ts'
import { OPERATOR_PATH } from '../workers/operator.ts'
import { lengthOf } from '../workers/try.ts'
import type { Place } from './ask.ts'
import { askOperatorJson } from './ask-operator.ts'
import { factsAtRelay } from './asked-at-relay.ts'
import { askedRequest } from './asked-request.ts'
import { addConfigOptions, type ConfigOptions, variablesFor } from './config-options.ts'
import { EXIT, EXIT_CODES } from './exit.ts'
import { renderStores, type Stores } from './explain-stores.ts'
import { renderFlowExplanation, renderHttpExplanation } from './explain-text.ts'
import { judge } from './judge.ts'
import { loadConfig } from './load.ts'
import { readPlace } from './option-values.ts'
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
  readonly request?: string
  /** Bytes. */
  readonly data?: number
  readonly header?: readonly (readonly [name: string, value: string])[]
  readonly cookie?: string
  readonly client?: string
  readonly country?: string
  readonly answer?: readonly (readonly [name: string, value: string])[]
  readonly answerStatus?: number
}

interface FlowOptions extends ExplainOptions {
  readonly to?: Place
  readonly listener?: string
  readonly sni?: string
  readonly alpn?: readonly string[]
  readonly operator?: Place
}

export function addExplain(program: Command, answer: (exitCode: number) => void): void {
  const explain = program
    .command('explain')
    .description('Say what would be done with one request or connection, and why: the same decision the planes make.')
    .usage(
      '<URL> [options] | grpc <HOST:PORT/SERVICE/METHOD> [options] | tcp <SRC:PORT> [options] | tls <SRC:PORT> [options] | udp <SRC:PORT> [options]',
    )
    .argument(
      '<what...>',
      'a URL; or `grpc` and the place, service and method of a call; or `tcp`, `tls` or `udp` and the address a connection or datagram comes from',
    )
  addConfigOptions(explain)
    .option('--config <file>', 'the config (default: shared/routes.ts, else routes.* here)')
    .option('-X, --request <method>', 'the method (default: GET, with --data POST)')
    .option('-d, --data <text>', 'the body, or @FILE: only its length counts', readLength)
    .option('-H, --header <line>', 'a header, "name: value" (may be repeated)', collectHeader)
    .option('-b, --cookie <cookies>', 'cookies, "a=1; b=2" (may be repeated)', collectCookies)
    .option('--client <address>', "the client's address", readClient)
    .option('--country <code>', 'the country as the edge knows it, "DE"', readCountry)
    .option(
      '--answer <line>',
      "a header of the endpoint's answer, for cache and compress (may be repeated)",
      collectHeader,
    )
    .option('--answer-status <status>', 'its status (default: 200)', readStatus)
    .option(
      '--listener <name>',
      'http, tcp, tls, udp: the listener (default: the only one of its kind; of a URL the edge, where there is one)',
    )
    .option(
      '--to <address:port>',
      'tcp, tls, udp: where it connects to (default: where the listener listens)',
      readLocal,
    )
    .option('--sni <name>', 'tls: the server name that the client asks for', readSni)
    .option(
      '--operator <host:port>',
      'tcp, tls, udp: ask a running relay, which knows what is open, down and ejected now',
      readPlace,
    )
    .option('--alpn <protocols>', 'tls: the protocols that it offers, "h2,http/1.1"', readAlpn)
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
        const [kind, source] = what
        if (kind === 'grpc') {
          if (what.length !== 2) command.error('error: write it as: explain grpc HOST:PORT/SERVICE/METHOD')
          return explainRequest(readUrl(source!, command), asCall(options), command, true)
        }
        if (kind !== 'tcp' && kind !== 'tls' && kind !== 'udp') {
          if (what.length > 1) command.error('error: one URL at a time')
          return explainRequest(readUrl(kind!, command), options, command)
        }
        if (what.length !== 2) command.error(`error: write it as: explain ${kind} SRC:PORT`)
        return explainConnection(kind, source!, options, command)
      }),
    )
}

/** @param isCall it has to be an `http` listener: gRPC is spoken there only */
async function explainRequest(
  url: URL,
  options: RequestOptions & Pick<FlowOptions, 'listener'>,
  command: Command,
  isCall = false,
): Promise<number> {
  const config = await readConfig(options)
  if (config === undefined) return EXIT.problems
  const listener = httpListenerOf(config, options.listener, isCall, command)
  const ready = prepareFor(config, options, listener === undefined ? 'workers' : 'relay')
  const keys = cookieKeysOf(ready.variables)
  const { table } = ready
  let request: Request
  try {
    // At the relay the client is who the connection comes from, and nobody says so in a header.
    request = asRequest(url, listener === undefined ? options : withoutClient(options))
  } catch (error) {
    return command.error(`error: ${error instanceof Error ? error.message : String(error)}`)
  }
  const facts =
    listener === undefined
      ? readFacts(request, table, keys, Date.now())
      : factsAtRelay(request, listener, options.client, table, keys)
  const token = ready.variables['FOURSEVEN_OPERATOR_TOKEN'] ?? ''
  const sending = sendingOf(request, options, listener !== undefined)
  const isOperators = listener === undefined && facts.path.startsWith(OPERATOR_PATH)
  const atDoor =
    refusalOf(request.url.length, request.headers, facts, table.instance) ??
    (isOperators && token !== '' ? 'operator' : undefined)
  const explanation =
    atDoor === undefined
      ? explainHttp(table, facts, ready.observed, options.draw, sending)
      : explainAtDoor(table, facts, facts.listener, atDoor, sending)
  const notes = [
    ...(options.client !== undefined && facts.clientAddress !== options.client
      ? [`the listener does not believe the client address ${options.client}: see its clientAddress`]
      : []),
    ...(options.country !== undefined && !table.needs.country ? ['nothing in the config asks for the country'] : []),
    ...(keys.length > 0 ? [] : uncheckedCookies(table, facts)),
    ...(isOperators && token === ''
      ? [`where FOURSEVEN_OPERATOR_TOKEN is set, which it is not here, the operator has ${OPERATOR_PATH}`]
      : []),
  ]
  for (const note of notes) console.error(`note: ${note}`)
  const stores =
    atDoor === undefined ? storesOf(table, ready.observed, facts, request, options, listener !== undefined) : {}
  if (options.json === true) console.log(JSON.stringify({ ...explanation, ...stores, notes }, null, 2))
  else console.log([renderHttpExplanation(explanation), ...renderStores(stores)].join('\n'))
  return EXIT.ok
}

function withoutClient({ client: _, ...options }: RequestOptions): RequestOptions {
  return options
}

/** The header that every call has; what is given says more. */
function asCall<Options extends RequestOptions>(options: Options): Options {
  const header = [['content-type', 'application/grpc'], ['te', 'trailers'], ...(options.header ?? [])] as const
  return { ...options, request: 'POST', header }
}

/** What cache and compression make of it; empty where the rule has neither. */
function storesOf(
  table: Table,
  observed: Observed,
  facts: DoorFacts,
  request: Request,
  options: RequestOptions,
  isAtRelay: boolean,
): Stores {
  const decision = decideHttp(table, facts, observed, options.draw)
  if (decision.do !== 'forward' && decision.do !== 'reply') return {}
  const { rule, variant } = decision
  if (rule === undefined || variant?.pool === undefined) return {}
  const { answer, answerStatus } = options
  const isGiven = answer !== undefined || answerStatus !== undefined
  const exchanged: Exchanged = {
    method: facts.method,
    url: urlOf(facts),
    request: request.headers,
    answer: isGiven
      ? { status: answerStatus ?? 200, fields: new Headers((answer ?? []) as [string, string][]) }
      : undefined,
    now: facts.now,
  }
  const cache = explainCache(rule, variant, isAtRelay ? table.cacheStore : undefined, exchanged)
  const compress = explainCompress(rule, exchanged, encodingsAt[isAtRelay ? 'http' : 'edge'])
  return { ...(cache && { cache }), ...(compress && { compress }) }
}

/** Signed cookies that are believed here only because nothing can be checked. */
function uncheckedCookies({ needs }: Table, facts: DoorFacts): string[] {
  const sent = needs.signedCookies.filter((_, index) => facts.signedCookies[index] !== undefined)
  if (sent.length === 0) return []
  const what = `${sent.length === 1 ? 'cookie' : 'cookies'} ${sent.join(', ')}`
  return [
    `FOURSEVEN_COOKIE_KEY is not set here, so the signature of ${what} was not checked: where it is set, an unsigned one counts as absent`,
  ]
}

function sendingOf(request: Request, options: RequestOptions, isAtRelay: boolean): Sending {
  const { headers } = request
  const length = options.data ?? lengthOf(headers)
  const body = length ?? (headers.has('transfer-encoding') ? 'of unknown length' : undefined)
  const isCall = isAtRelay && request.method === 'POST' && isGrpc(headers.get('content-type') ?? undefined)
  return { body: isCall ? (body ?? 'of unknown length') : body, isUpgrade: headers.has('upgrade'), isCall }
}

/** The `http` listener that is asked; undefined is the edge, which takes what says nothing else. */
function httpListenerOf(
  config: Config,
  named: string | undefined,
  isCall: boolean,
  command: Command,
): string | undefined {
  const names = config.listeners.filter(({ kind }) => kind === 'http').map(({ name }) => name)
  if (named !== undefined && names.includes(named)) return named
  const hasEdge = config.listeners.some(({ kind }) => kind === 'edge')
  if (named === undefined && !isCall && (hasEdge || names.length === 0)) return undefined
  if (named === undefined && names.length === 1) return names[0]
  const known = names.length === 0 ? 'the config has none' : `there is ${names.join(', ')}`
  return command.error(
    `error: ${named === undefined ? 'name a --listener' : `no http listener is named "${named}"`}: ${known}`,
  )
}

/** The options as curl means them. */
function asRequest(url: URL, { header = [], cookie, request, data, client, country }: RequestOptions): Request {
  const method = request ?? (data === undefined ? 'GET' : 'POST')
  const headers = cookie === undefined ? header : [...header, ['cookie', cookie] as const]
  return askedRequest({ url, method, headers, data, client, country })
}

async function explainConnection(
  kind: 'tcp' | 'tls' | 'udp',
  source: string,
  options: FlowOptions,
  command: Command,
): Promise<number> {
  const from = parseHostPort(source)
  const address = from === undefined ? undefined : parseAddress(from.host)
  if (from === undefined || address === undefined) {
    return command.error(`error: "${source}" is not an address and port, such as 203.0.113.7:40000`)
  }
  if (options.operator !== undefined) return explainLive(options.operator, kind, address, from.port, options)
  const ready = await prepare(options, 'relay')
  if (ready === undefined) return EXIT.problems
  const { flowListeners } = ready.table
  const names = [...flowListeners.values()].filter(listener => listener.kind === kind).map(listener => listener.name)
  const name = options.listener ?? (names.length === 1 ? names[0]! : undefined)
  const listener = name === undefined || !names.includes(name) ? undefined : flowListeners.get(name)
  if (listener === undefined) {
    const known = names.length === 0 ? 'the config has none' : `there is ${names.join(', ')}`
    return command.error(
      `error: ${name === undefined ? 'name a --listener' : `no ${kind} listener is named "${name}"`}: ${known}`,
    )
  }
  const facts: FlowFacts = {
    listener: listener.name,
    clientAddress: address.text,
    address,
    clientPort: from.port,
    localAddress: options.to?.host ?? listener.host,
    localPort: options.to?.port ?? listener.port,
    peerAddress: address.text,
    peerPort: from.port,
    proxyHeader: undefined,
    peeked: kind === 'tls' ? 'hello' : 'nothing',
    sni: kind === 'tls' ? options.sni : undefined,
    alpn: kind === 'tls' ? (options.alpn ?? []) : [],
    now: Date.now(),
  }
  const explanation = explainFlow(listener, facts, ready.observed, options.draw)
  if (options.json === true) console.log(JSON.stringify(explanation, null, 2))
  else console.log(renderFlowExplanation(explanation))
  return EXIT.ok
}

/** The relay itself decides, with its own table and what it observes now. */
async function explainLive(
  operator: Place,
  kind: 'tcp' | 'tls' | 'udp',
  address: Address,
  port: number,
  options: FlowOptions,
): Promise<number> {
  const asked = new URLSearchParams({ kind, address: address.text, port: String(port), draw: String(options.draw) })
  if (options.listener !== undefined) asked.set('listener', options.listener)
  if (options.to !== undefined) asked.set('to', formatHostPort(options.to.host, options.to.port))
  if (options.sni !== undefined) asked.set('sni', options.sni)
  for (const protocol of options.alpn ?? []) asked.append('alpn', protocol)
  const explanation = await askOperatorJson<FlowExplanation>(operator, 'GET', `/explain?${asked}`)
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
  const config = await readConfig(options)
  return config === undefined ? undefined : prepareFor(config, options, plane)
}

/** Undefined when it has errors, which are printed. */
async function readConfig(options: ExplainOptions): Promise<Config | undefined> {
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
  return config
}

function prepareFor(config: Config, options: ExplainOptions, plane: keyof PlaneVariables): Ready {
  const variables = variablesFor(options, false)
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

/** One Cookie header of all of them, as curl sends it. */
function collectCookies(text: string, before?: string): string {
  return before === undefined ? text : `${before}; ${text}`
}

function readStatus(text: string): number {
  if (!/^[2-5]\d\d$/.test(text)) throw new InvalidArgumentError('Write a status from 200 to 599.')
  return Number(text)
}

function readClient(text: string): string {
  const address = parseAddress(text)
  if (address === undefined) throw new InvalidArgumentError('Write an IPv4 or IPv6 address.')
  return address.text
}

/** Bytes of a text, or with `@` of a file, as curl has it. */
function readLength(text: string): number {
  if (!text.startsWith('@')) return Buffer.byteLength(text)
  const size = statSync(text.slice(1), { throwIfNoEntry: false })?.size
  if (size === undefined) throw new InvalidArgumentError(`There is no file ${text.slice(1)}.`)
  return size
}

function readCountry(text: string): string {
  if (!/^[A-Za-z][A-Za-z0-9]$/.test(text)) {
    throw new InvalidArgumentError('Write an ISO 3166-1 alpha-2 code: DE, FR; T1 is Tor at Cloudflare.')
  }
  return text.toUpperCase()
}

function readLocal(text: string): Place {
  const place = readPlace(text)
  if (parseAddress(place.host) === undefined) throw new InvalidArgumentError('Write it as ADDRESS:PORT.')
  return place
}

function readSni(text: string): string {
  const name = readHostname(text)
  if (name === undefined || name.startsWith('*')) throw new InvalidArgumentError('Write a name, "app.example.com".')
  return name
}

function readAlpn(text: string): readonly string[] {
  return text.split(',').map(protocol => protocol.trim())
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
  fourseven explain http://app.localhost/api/orders -d '{"item":1}'
  fourseven explain https://app.example.com/ -b 'canary=always' -H 'accept-language: de'
  fourseven explain https://app.example.com/ --client 203.0.113.7 --country DE --draw 42 --json
  fourseven explain https://app.example.com/logo.svg --answer 'cache-control: max-age=60' --answer 'vary: accept'
  fourseven explain grpc 127.0.0.1:50051/shop.Cart/Add -H 'x-tenant: a' --client 203.0.113.7
  fourseven explain tcp 203.0.113.7:40000 --listener echo
  fourseven explain tls 203.0.113.7:40000 --listener secure --sni app.example.com --alpn h2,http/1.1
  fourseven explain udp 203.0.113.7:40000 --listener dns

${EXIT_CODES}`
