// Whether this process may have as many files open, and the machine as many ports, as the config lets clients in.

import { descriptorLimit, localPorts } from '../relay/descriptors.ts'
import type { Config } from '../shared/config/parsed.ts'
import type { Problem } from '../shared/config/problem.ts'

/** Undefined when there are enough, or when the system does not say. */
export function descriptorProblem(config: Config, limit = descriptorLimit()): Problem | undefined {
  const [connections, sessions] = [mostOf(config, 'connections'), mostOf(config, 'sessions')]
  // A connection has two sockets, a session has one, and so has a listener.
  const needed = 2 * connections + sessions + config.listeners.length + ownDescriptors
  if (limit === undefined || limit >= needed) return undefined
  return {
    severity: 'warning',
    code: 'too-few-descriptors',
    path: 'listeners',
    message: `${countOf(connections, sessions)} need ${needed} file descriptors, and this process may have ${limit}`,
    mend: `Allow more (\`ulimit -n ${needed}\`, or LimitNOFILE=${needed} in a systemd unit), or lower ${[...(connections > 0 ? ['maxConnections'] : []), ...(sessions > 0 ? ['maxSessions'] : [])].join(' or ')}.`,
  }
}

/** UDP ports are shared over all destinations: each session takes one. Undefined when there are enough. */
export function portProblem(config: Config, ports = localPorts()): Problem | undefined {
  const sessions = mostOf(config, 'sessions')
  if (ports === undefined || ports >= sessions) return undefined
  return {
    severity: 'warning',
    code: 'too-few-ports',
    path: 'listeners',
    message: `${sessions} sessions need as many local UDP ports, and this machine gives out ${ports}`,
    mend: 'Widen them (`sysctl net.ipv4.ip_local_port_range="1024 65535"`), or lower maxSessions.',
  }
}

function mostOf(config: Config, what: 'connections' | 'sessions'): number {
  return config.listeners.reduce((sum, one) => {
    if (one.kind === 'edge' || (one.kind === 'udp') !== (what === 'sessions')) return sum
    // The kernel needs none of this process.
    return one.kernel === undefined ? sum + one.maxConnections : sum
  }, 0)
}

function countOf(connections: number, sessions: number): string {
  const parts = [
    ...(connections > 0 ? [`${connections} connections`] : []),
    ...(sessions > 0 ? [`${sessions} sessions`] : []),
  ]
  return parts.join(' and ')
}

/** Node's own, probes, the operator's port, name servers. */
const ownDescriptors = 128
