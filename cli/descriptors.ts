// Whether this process may have as many files open as the config lets connections in.

import { descriptorLimit } from '../relay/descriptors.ts'
import type { Config } from '../shared/config/parse.ts'
import type { Problem } from '../shared/config/problem.ts'

/** Undefined when there are enough, or when the system does not say. */
export function descriptorProblem(config: Config, limit = descriptorLimit()): Problem | undefined {
  const connections = config.listeners.reduce((sum, one) => sum + (one.kind === 'edge' ? 0 : one.maxConnections), 0)
  // A flow has two sockets; a listener has one.
  const needed = 2 * connections + config.listeners.length + ownDescriptors
  if (limit === undefined || limit >= needed) return undefined
  return {
    severity: 'warning',
    code: 'too-few-descriptors',
    path: 'listeners',
    message: `${connections} connections need ${needed} file descriptors, and this process may have ${limit}`,
    mend: `Allow more (\`ulimit -n ${needed}\`, or LimitNOFILE=${needed} in a systemd unit), or lower maxConnections.`,
  }
}

/** Node's own, probes, the operator's port, name servers. */
const ownDescriptors = 128
