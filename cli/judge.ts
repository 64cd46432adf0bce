// Everything that can be known of a config before it runs: form, names, variables, what is shadowed, classic mistakes.
// `check` prints it, `dev` and `explain` refuse what has errors.

import { advise } from '../shared/config/advice.ts'
import { formatPlace, type Locate, type Place } from '../shared/config/findings.ts'
import type { ExpectedCase } from '../shared/config/parse-expect.ts'
import type { Config } from '../shared/config/parsed.ts'
import { partFor } from '../shared/config/part.ts'
import { ConfigError, type Problem } from '../shared/config/problem.ts'
import { flowShadowProblems } from '../shared/explain/flow-shadow.ts'
import { redirectLoops } from '../shared/explain/redirect-loop.ts'
import { shadowProblems } from '../shared/explain/shadow.ts'
import { smallWeightProblems } from '../shared/explain/small-weights.ts'
import { compile } from '../shared/table/compile.ts'
import type { Table } from '../shared/table/table.ts'
import type { LoadedConfig, ReadConfig } from './load.ts'
import type { PlaneVariables } from './variables.ts'

export interface Judged {
  /** Undefined when there are errors: a bad config is never half used. */
  readonly config: Config | undefined
  /** What requests and flows are to get; empty when there are errors. */
  readonly cases: readonly ExpectedCase[]
  /** Where in the text something stands; undefined for a module. */
  readonly locate: Locate | undefined
  /** Errors first, then warnings, each in the order of the file. */
  readonly problems: readonly Problem[]
}

export interface Circumstances {
  readonly variables: PlaneVariables
  /** The edge runs on this machine. */
  readonly isLocal: boolean
  /** The names of the Worker's bindings that can be fetched from; undefined where nobody knows them. */
  readonly bindings?: ReadonlySet<string> | undefined
  /** The edge is about to be deployed, from a machine that need not know what the relay knows. */
  readonly isDeploy: boolean
}

/** Judges a loaded config. Each plane's part is compiled with that plane's own variables, as it will be where it runs. */
export function judge(loaded: LoadedConfig, circumstances: Circumstances): Judged {
  if (loaded.problems.length > 0) return { ...NOTHING, problems: loaded.problems }
  const { variables, isLocal, isDeploy, bindings } = circumstances
  const problems: Problem[] = []
  let config: Config | undefined
  let locate: Locate | undefined
  let cases: readonly ExpectedCase[] = []
  try {
    const parsed = isDeploy ? parseForDeploy(loaded, variables) : parseWith(loaded, variables)
    config = parsed.config
    locate = parsed.locate
    cases = parsed.cases
    problems.push(...parsed.warnings)
    const edge = compilePart(config, 'workers', variables, problems)
    const relay = isDeploy ? undefined : compilePart(config, 'relay', variables, problems)
    for (const table of [edge, relay]) {
      if (table !== undefined && table.httpDoors.size > 0) {
        problems.push(...shadowProblems(table, config), ...redirectLoops(table))
      }
    }
    if (relay !== undefined) problems.push(...flowShadowProblems(relay))
    for (const table of [edge, relay]) if (table !== undefined) problems.push(...smallWeightProblems(table))
    problems.push(...advise(config, { variables, isLocal, bindings }))
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    problems.push(...error.problems)
  }
  const placed = inOrder(eachOnce(problems)).map(problem => withLine(problem, locate))
  if (placed.some(problem => problem.severity === 'error')) return { ...NOTHING, problems: placed }
  return { config, cases, locate, problems: placed }
}

function parseWith(loaded: LoadedConfig, variables: PlaneVariables): ReadConfig {
  return loaded.read({ ...variables.relay, ...variables.workers })
}

/** A variable that only the relay's pools name may be unset here: they stay where they are. */
function parseForDeploy(loaded: LoadedConfig, variables: PlaneVariables): ReadConfig {
  try {
    return parseWith(loaded, variables)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const unresolved = readUnresolved(loaded)
    if (unresolved === undefined) throw error
    const atEdge = partFor(unresolved.config, 'workers').pools.map(pool => `${formatPlace(['pools', pool.name])}.`)
    const matters = (problem: Problem) =>
      problem.code !== 'unset-variable' || atEdge.some(pool => problem.path.startsWith(pool))
    const left = error.problems.filter(matters)
    if (left.some(problem => problem.severity === 'error')) throw new ConfigError(left)
    return { ...unresolved, warnings: left }
  }
}

/** With variables left as they are; undefined when there are other errors too. */
function readUnresolved(loaded: LoadedConfig): ReadConfig | undefined {
  try {
    return loaded.read()
  } catch (error) {
    if (error instanceof ConfigError) return undefined
    throw error
  }
}

/** The table of one plane; undefined when it has no listeners, or when it does not compile, which `problems` then says. */
function compilePart(
  config: Config,
  plane: keyof PlaneVariables,
  variables: PlaneVariables,
  problems: Problem[],
): Table | undefined {
  const part = partFor(config, plane)
  if (part.listeners.length === 0) return undefined
  try {
    return compile(part, variables[plane])
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    problems.push(...error.problems)
    return undefined
  }
}

/** A route on doors of both planes is judged in both. */
function eachOnce(problems: readonly Problem[]): Problem[] {
  const keyOf = ({ code, path, message }: Problem) => JSON.stringify([code, path, message])
  const last = new Map(problems.map(problem => [keyOf(problem), problem]))
  return problems.filter(problem => last.get(keyOf(problem)) === problem)
}

/** Errors first. */
export function inOrder(problems: readonly Problem[]): Problem[] {
  return [
    ...problems.filter(problem => problem.severity === 'error'),
    ...problems.filter(problem => problem.severity === 'warning'),
  ]
}

/** `parse` gives lines itself; what is found later has a path only. */
export function withLine(problem: Problem, locate: Locate | undefined): Problem {
  if (problem.line !== undefined || problem.path === '') return problem
  const spot = locate?.(placeOf(problem.path))
  return spot === undefined ? problem : { ...problem, line: spot.line, column: spot.column }
}

/** `routes[0].match.header["x.y"]` back into its steps. */
function placeOf(path: string): Place {
  return [...path.matchAll(/\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]|([^.[\]]+)/g)].map(([, index, quoted, name]) =>
    index !== undefined ? Number(index) : quoted !== undefined ? (JSON.parse(quoted) as string) : name!,
  )
}

const NOTHING = { config: undefined, cases: [], locate: undefined } as const
