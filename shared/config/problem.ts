// What is wrong with a config, said so that it can be mended: where, what, and what would be right.

export interface Problem {
  readonly severity: 'error' | 'warning'
  /** A stable kebab-case name, for scripts: `unknown-key`, `unknown-pool`, `shadowed-rule`, … */
  readonly code: string
  /** Where in the config: `routes[1].rules[0].match.path`. Empty for the file as a whole. */
  readonly path: string
  /** What is wrong, one sentence. */
  readonly message: string
  /** What would be right, one sentence. */
  readonly mend: string
  /** For JSON and YAML: where in the text, from 1. */
  readonly line?: number
  readonly column?: number
}

/** Thrown when a config has errors; carries every problem, warnings too. The old table stays. */
export class ConfigError extends Error {
  readonly problems: readonly Problem[]

  constructor(problems: readonly Problem[]) {
    super(problems.map(formatProblem).join('\n'))
    this.name = 'ConfigError'
    this.problems = problems
  }
}

/** `error routes[0].pool: no pool is named "ap" (did you mean "app"?)`, mend on a second line. */
export function formatProblem(problem: Problem): string {
  const place = problem.line === undefined ? '' : ` (line ${problem.line})`
  return `${problem.severity} ${problem.path || 'config'}${place}: ${problem.message}\n  mend: ${problem.mend}`
}
