// All that `check` looks at: what is judged of the config itself, the files that it names, and its cases.

import type { Config } from '../shared/config/parsed.ts'
import type { Problem } from '../shared/config/problem.ts'
import { certificateProblems } from './check-certificates.ts'
import { type Coverage, coverageOf } from './coverage.ts'
import { type Circumstances, inOrder, judge, withLine } from './judge.ts'
import type { LoadedConfig } from './load.ts'

export interface Checked {
  /** Undefined when there are errors in the config itself. */
  readonly config: Config | undefined
  /** Errors first, each with its line where the file is text. */
  readonly problems: readonly Problem[]
  /** The cases that were asked; undefined when nothing could be. */
  readonly cases: number | undefined
  /** Undefined when nobody asked for it. */
  readonly coverage: Coverage | undefined
}

/** @param wanted percent that the cases have to reach; undefined: nobody asks what they reach */
export async function checkAll(
  loaded: LoadedConfig,
  circumstances: Circumstances,
  wanted: number | undefined,
): Promise<Checked> {
  const { config, cases, locate, problems } = judge(loaded, circumstances)
  if (config === undefined) return { config, problems, cases: undefined, coverage: undefined }
  const { variables, isDeploy } = circumstances
  // The Worker's rooms are brought in only where there is something to ask of them.
  const relay = isDeploy ? undefined : variables.relay
  const proof =
    cases.length === 0
      ? { asked: 0, problems: [], reached: [] }
      : await (await import('./prove.ts')).prove(cases, config, { workers: variables.workers, relay })
  const coverage = wanted === undefined ? undefined : coverageOf(config, proof.reached)
  const found = [
    ...proof.problems,
    ...(relay === undefined ? [] : certificateProblems(config, relay, Date.now())),
    ...(coverage !== undefined && coverage.percent < wanted! ? [tooLow(coverage, wanted!)] : []),
  ]
  const all = inOrder([...found.map(problem => withLine(problem, locate)), ...problems])
  return { config, problems: all, cases: proof.asked, coverage }
}

function tooLow({ percent, unreached }: Coverage, wanted: number): Problem {
  return {
    severity: 'error',
    code: 'low-coverage',
    path: 'expect',
    message: `the cases reach ${percent} % of the rules, matches and variants, and ${wanted} % are asked for`,
    mend: `Add a case for ${unreached[0]!.name}.`,
  }
}
