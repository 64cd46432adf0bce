// The cases of a config, each asked of the functions that decide for real traffic: what was promised and does not hold is
// a problem like any other, and what no case reaches is said by `coverage.ts`.

import { formatPlace } from '../shared/config/findings.ts'
import type { AskedRequest, ExpectedCase } from '../shared/config/parse-expect.ts'
import type { Config } from '../shared/config/parsed.ts'
import { partFor } from '../shared/config/part.ts'
import type { Problem } from '../shared/config/problem.ts'
import { reasons } from '../shared/decide/reason.ts'
import { type Difference, differences, type Got } from '../shared/explain/expected.ts'
import type { Candidate } from '../shared/explain/http.ts'
import { formatHostPort } from '../shared/wire/address.ts'
import { openIsolate } from '../workers/isolate.ts'
import { proveFlow } from './prove-flow.ts'
import { edgeDoor, httpDoor, proveRequest } from './prove-request.ts'
import type { PlaneVariables } from './variables.ts'

/** One thing that may come of a case. */
export interface Outcome {
  readonly got: Got
  readonly candidates: readonly Omit<Candidate, 'hostname'>[]
  readonly decidedBy: { readonly step: string; readonly over: string } | undefined
  readonly serves: Omit<Candidate, 'hostname'> | undefined
  /** Why it is answered without an endpoint. */
  readonly says: string | undefined
  /** What chose the variant. */
  readonly chosenBy: string | undefined
}

export interface Proof {
  readonly problems: readonly Problem[]
  /** The cases that were asked: of a plane that is not there none is. */
  readonly asked: number
  /** What the cases reach. */
  readonly reached: readonly Outcome[]
}

/** Asks every case. Each plane's part is compiled with that plane's own variables; undefined leaves its cases out. */
export async function prove(
  cases: readonly ExpectedCase[],
  config: Config,
  variables: { readonly workers: PlaneVariables['workers']; readonly relay: PlaneVariables['relay'] | undefined },
): Promise<Proof> {
  const edge = openIsolate(partFor(config, 'workers'), withoutSecrets(variables.workers))
  const relay = variables.relay && openIsolate(partFor(config, 'relay'), withoutSecrets(variables.relay))
  const kinds = new Map(config.listeners.map(({ name, kind }) => [name, kind]))
  const kindOf = (listener: string) => kinds.get(listener)!
  const problems: Problem[] = []
  const reached: Outcome[] = []
  let asked = 0
  for (const one of cases) {
    const { ask } = one
    const listener = ask.kind === 'flow' ? ask.listener : listenerOf(ask, config)
    const isRelays = listener !== undefined && kinds.get(listener) !== 'edge'
    if (isRelays && relay === undefined) continue
    asked++
    const outcomes =
      ask.kind === 'flow'
        ? proveFlow(ask, relay!.table)
        : await proveRequest(ask, isRelays ? httpDoor(relay!, listener) : edgeDoor(edge))
    if (typeof outcomes !== 'string') reached.push(...outcomes)
    // `explain` knows requests at the edge only.
    const line = ask.kind === 'request' && isRelays ? undefined : explainLine(one, kindOf)
    const problem = typeof outcomes === 'string' ? cannotAsk(one, outcomes) : judgeOutcomes(one, outcomes, line)
    if (problem !== undefined) problems.push(problem)
  }
  return { problems, asked, reached }
}

/**
 * The listener that a request without one is meant for; undefined: the edge, where the host decides. Of the relay's the one
 * on the URL's port, else the first.
 */
function listenerOf({ listener, url }: AskedRequest, { listeners }: Config): string | undefined {
  if (listener !== undefined || listeners.some(({ kind }) => kind === 'edge')) return listener
  const doors = listeners.filter(each => each.kind === 'http')
  const { port, protocol } = new URL(url)
  const wanted = Number(port) || (protocol === 'https:' ? 443 : 80)
  return (doors.find(door => door.port === wanted) ?? doors[0])?.name
}

/** Cookies of a case stand for what a browser keeps: nobody can sign them by hand. */
function withoutSecrets(variables: PlaneVariables['workers']): Record<string, string> {
  const secrets = new Set(['FOURSEVEN_COOKIE_KEY', 'FOURSEVEN_OPERATOR_TOKEN'])
  return Object.fromEntries(
    Object.entries(variables).flatMap(([name, value]) =>
      value === undefined || secrets.has(name) ? [] : [[name, value]],
    ),
  )
}

function cannotAsk(one: ExpectedCase, why: string): Problem {
  return {
    severity: 'error',
    code: 'expectation-failed',
    path: formatPlace([...one.place, one.ask.kind]),
    message: `${nameOf(one)} cannot be asked: ${why}`,
    mend: 'Ask for something that a client can send.',
  }
}

type KindOf = (listener: string) => string

function judgeOutcomes(one: ExpectedCase, outcomes: readonly Outcome[], line: string | undefined): Problem | undefined {
  const { reason } = one.gets
  if (reason !== undefined && !Object.hasOwn(reasons, reason)) {
    return {
      severity: 'error',
      code: 'unknown-reason',
      path: formatPlace([...one.place, 'gets', 'reason']),
      message: `no reason is named ${JSON.stringify(reason)}`,
      mend: 'Take one of docs/reasons.md, such as destination_not_found.',
    }
  }
  const failed = outcomes.find(({ got }) => differences(one.gets, got).length > 0)
  if (failed === undefined) return undefined
  const found = differences(one.gets, failed.got)
  const isChance = outcomes.some(({ got }) => differences(one.gets, got).length === 0)
  return {
    severity: 'error',
    code: 'expectation-failed',
    path: formatPlace([...one.place, ...found[0]!.place]),
    message: `${nameOf(one)} gets ${sayDifferences(found)}${isChance ? ' for some, by chance' : ''}: ${whyOf(one, failed)}`,
    mend: isChance
      ? 'Name all that may come of it as a list, or ask with what decides: a cookie, a header, an address.'
      : `Mend the rules or the case${line === undefined ? '.' : `; \`${line}\` tells every step.`}`,
  }
}

function sayDifferences(found: readonly Difference[]): string {
  return found.map(({ got, wanted }) => `${got}, not ${wanted}`).join('; ')
}

/** The step of the explanation that says most: why the rule that was meant does not serve, else which one does. */
function whyOf({ gets }: ExpectedCase, outcome: Outcome): string {
  const { got, serves, candidates, decidedBy, says, chosenBy } = outcome
  const served = serves === undefined ? (says ?? 'no rule holds') : `${serves.rule} serves (${serves.path})`
  const isMeant = ({ rule }: Omit<Candidate, 'hostname'>) => {
    const [route = '', name = ''] = rule.split('/')
    return (
      (gets.route.length === 0 || gets.route.includes(route)) && (gets.rule.length === 0 || gets.rule.includes(name))
    )
  }
  const isAsked = gets.route.length + gets.rule.length > 0
  const meant = isAsked && !(serves !== undefined && isMeant(serves)) ? candidates.find(isMeant) : undefined
  if (meant?.failed !== undefined) {
    const { predicate, wanted, got: value } = meant.failed
    return `${served}; ${meant.rule} does not hold: ${predicate} wants ${wanted}, got ${value}`
  }
  if (meant !== undefined) {
    const by = decidedBy?.over === meant.rule ? ` by ${decidedBy.step}` : ''
    return `${served}; ${meant.rule} holds too and comes later${by}`
  }
  const variant = chosenBy === undefined || got.variant === undefined ? '' : `, variant ${got.variant} by ${chosenBy}`
  return `${served}${variant}${serves !== undefined && says !== undefined ? `: ${says}` : ''}`
}

function nameOf({ name, ask }: ExpectedCase): string {
  const what =
    ask.kind === 'request'
      ? `${ask.method} ${ask.url}`
      : `a flow from ${ask.from.host} at ${ask.listener}${ask.sni === undefined ? '' : ` for ${ask.sni}`}`
  return name === undefined ? what : `"${name}": ${what}`
}

/** What an operator types to see all of it. */
function explainLine({ ask }: ExpectedCase, kindOf: KindOf): string {
  const words =
    ask.kind === 'flow'
      ? [
          kindOf(ask.listener),
          formatHostPort(ask.from.host, ask.from.port),
          '--listener',
          ask.listener,
          ...(ask.sni === undefined ? [] : ['--sni', ask.sni]),
          ...(ask.alpn.length === 0 ? [] : ['--alpn', ask.alpn.join(',')]),
        ]
      : [
          ask.url,
          ...(ask.method === 'GET' ? [] : ['-X', ask.method]),
          ...ask.headers.flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
          ...(ask.address === undefined ? [] : ['--client', ask.address]),
          ...(ask.country === undefined ? [] : ['--country', ask.country]),
        ]
  return ['fourseven explain', ...words.map(quoteWord)].join(' ')
}

function quoteWord(word: string): string {
  return /^[\w@%+=:,./[\]-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
