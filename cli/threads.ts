// Whether the machine has a core for each listening thread.

import { availableParallelism } from 'node:os'
import type { Config } from '../shared/config/parsed.ts'
import type { Problem } from '../shared/config/problem.ts'

/** Undefined when there are enough, and for `auto`. */
export function threadsProblem({ threads }: Config, cores = availableParallelism()): Problem | undefined {
  if (threads === 'auto' || threads <= cores) return undefined
  return {
    severity: 'warning',
    code: 'more-threads-than-cores',
    path: 'threads',
    message: `${threads} listening threads share ${cores} ${cores === 1 ? 'core' : 'cores'}`,
    mend: 'Say "auto", or no more than there are: threads that take turns on a core only wait for each other.',
  }
}
