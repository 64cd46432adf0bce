// Asks the operator API of an edge: what the commands that change something without a deploy have in common.

import { randomUUID } from 'node:crypto'
import { userInfo } from 'node:os'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Problem } from '../shared/config/problem.ts'
import type { Command as Change } from '../shared/overlay/command.ts'
import type { Answer } from '../workers/control/control.ts'
import type { Change as Made } from '../workers/control/store.ts'
import { DEV_EDGE, DEV_TOKEN } from './dev-place.ts'
import { CannotRun } from './exit.ts'
import { readEdgeUrl } from './option-values.ts'
import { paint } from './paint.ts'

export interface EdgeOptions {
  readonly edge: string
  readonly json?: true
}

export interface WriteOptions extends EdgeOptions {
  readonly author: string
  readonly reason?: string
  readonly ifVersion?: number
}

export type Made200 = Omit<Extract<Answer, { readonly ok: true }>, 'ok'>

/** What the edge refused, and what would help. */
export interface Refusal {
  readonly problems: readonly Problem[]
  /** What holds. */
  readonly version?: number
}

/** `--edge` and `--json`. */
export function addEdgeOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--edge <url>', 'the edge; default: that of npm start')
        .argParser(readEdgeUrl)
        .default(DEV_EDGE, DEV_EDGE),
    )
    .option('--json', 'print the answer as JSON')
}

/** Those of a command that changes something. */
export function addWriteOptions(command: Command): Command {
  return addEdgeOptions(command)
    .option('--author <name>', 'who changes it, for the history', userName())
    .option('--reason <text>', 'why, for the history')
    .option('--if-version <n>', 'only when this version holds: somebody else may have changed it since', readVersion)
}

export function readVersion(text: string): number {
  const version = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(version)) throw new InvalidArgumentError('Write a whole number.')
  return version
}

/** The change in the words of the API. A repeated try, after an answer that got lost, changes nothing twice. */
export async function changeAtEdge(options: WriteOptions, command: Change): Promise<Made200 | Refusal> {
  const said = await writeAtEdge(options, 'changes', { command })
  if (!('problems' in said) || 'base' in command || 'declared' in command) return said
  const isUnknown = (code: string) => /^unknown-(split|endpoint)$/.test(code)
  const relays = "Of a relay's config: name that with --config."
  const problems = said.problems.map(each =>
    isUnknown(each.code) ? { ...each, mend: `${each.mend} ${relays}` } : each,
  )
  return { ...said, problems }
}

export async function writeAtEdge(options: WriteOptions, path: string, what: object): Promise<Made200 | Refusal> {
  const { author, reason = '', ifVersion } = options
  const body = { ...what, author, reason, ...(ifVersion === undefined ? {} : { ifVersion }) }
  return askEdge(options, path, body, [400, 404, 409, 413, 422, 429]) as Promise<Made200 | Refusal>
}

/** The answer as JSON. Throws CannotRun when nobody answers, or with a status other than 200 and those expected. */
export async function askEdge(
  { edge }: EdgeOptions,
  path: string,
  body?: object,
  expected: readonly number[] = [],
): Promise<unknown> {
  const { status, text } = await tryTwice(edge, path, body)
  if (status === 401) {
    throw new CannotRun(
      `${edge} does not take the token`,
      'Set FOURSEVEN_OPERATOR_TOKEN to the one it was deployed with.',
    )
  }
  let said: unknown
  try {
    said = JSON.parse(text)
  } catch {
    const mend = 'Look at the address; the operator API is there only when the edge has FOURSEVEN_OPERATOR_TOKEN.'
    throw new CannotRun(`${edge} answers ${status}, and not as an edge of Fourseven does`, mend)
  }
  if (status === 200 || expected.includes(status)) return said
  const [first] = (said as Partial<Refusal>).problems ?? []
  throw new CannotRun(`${edge}: ${first?.message ?? `status ${status}`}`, first?.mend ?? 'Look at what it says.')
}

/** Again with the same key when the first answer did not come, or the control object could not be reached. */
async function tryTwice(edge: string, path: string, body: object | undefined) {
  const key = body === undefined ? undefined : randomUUID()
  try {
    const first = await ask(edge, path, body, key)
    if (first.status !== 503) return first
  } catch {}
  await new Promise(resolve => setTimeout(resolve, pauseMs))
  try {
    return await ask(edge, path, body, key)
  } catch (error) {
    const { cause, message } = error as { cause?: NodeJS.ErrnoException; message: string }
    const mend =
      edge === DEV_EDGE ? 'Start it with npm start, or name another with --edge URL.' : 'Look at the address.'
    throw new CannotRun(`no edge answers at ${edge}: ${cause?.code ?? message}`, mend)
  }
}

async function ask(edge: string, path: string, body: object | undefined, key: string | undefined) {
  const token = process.env.FOURSEVEN_OPERATOR_TOKEN || (edge === DEV_EDGE ? DEV_TOKEN : '')
  if (token === '') throw new CannotRun('there is no token', `Set FOURSEVEN_OPERATOR_TOKEN to that of ${edge}.`)
  const response = await fetch(`${edge}/.fourseven/${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json', 'idempotency-key': key! }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    // A redirect would take the token along.
    redirect: 'manual',
    signal: AbortSignal.timeout(longestMs),
  })
  return { status: response.status, text: await response.text() }
}

/** Prints a refusal; the exit code is for the caller to give. */
export function sayRefusal({ problems }: Refusal, asJson: boolean): void {
  if (asJson) console.log(JSON.stringify({ ok: false, problems }, null, 2))
  for (const { message, mend } of problems) console.error(`${paint('red', 'refused')}: ${message}\n  mend: ${mend}`)
}

/** Prints what came of a change that is in force everywhere soon. */
export function sayMade(made: Made200, words: string, asJson: boolean): void {
  if (asJson) {
    console.log(JSON.stringify({ ok: true, ...made }, null, 2))
    return
  }
  if (!made.isChanged) console.log(`nothing to change: version ${made.version} holds`)
  else console.log(`version ${made.version}: ${words}; everywhere within 5 s`)
  for (const { kind, name } of made.retired)
    console.log(paint('yellow', `retired: ${kind} ${name} (a deploy changed it)`))
  for (const { kind, name } of made.ignored)
    console.log(paint('dim', `not of the edge's config, for relays that have it: ${kind} ${name}`))
}

/** `drain app/a` */
export function changeWords(command: Made['command']): string {
  switch (command.do) {
    case 'weight': {
      const weights = Object.entries(command.weights).map(([name, weight]) => `${name}=${weight}`)
      return `weight ${command.split} ${weights.join(' ')}${command.release === true ? ' --release' : ''}`
    }
    case 'purge':
      return `purge ${Object.values(command.of).join(' ')}`
    case 'undo':
      return `undo ${command.version}`
    case 'verdict':
      return `probe: ${command.endpoint} is ${command.is}`
    case 'eject':
    case 'eject by traffic':
      return `${command.do} ${command.endpoint} for ${Math.round(command.forMs / 1_000)} s`
    default:
      return `${command.do} ${command.endpoint}`
  }
}

function userName(): string {
  try {
    return userInfo().username || 'unknown'
  } catch {
    // A container may run as a user that has no name.
    return process.env.USER || 'unknown'
  }
}

const pauseMs = 300
const longestMs = 15_000
