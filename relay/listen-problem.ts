// What keeps a listener from listening, in words, with what would help.

import type { Problem } from '../shared/config/problem.ts'
import type { FlowListener } from '../shared/table/table.ts'
import { formatHostPort } from '../shared/wire/address.ts'

/** Why a listener cannot listen, and what would help. */
export function listenProblem(
  listener: Pick<FlowListener, 'name' | 'host' | 'port'>,
  error: NodeJS.ErrnoException,
): Problem {
  const { name, host, port } = listener
  const place = formatHostPort(host, port)
  const [code, cause, mend] = ((): [string, string, string] => {
    if (host.startsWith('/')) return socketProblem(host, error)
    switch (error.code) {
      case 'EADDRINUSE':
        return [
          'port-in-use',
          `another program listens on port ${port} already`,
          `Stop it (\`ss -ltnp sport = :${port}\` names it), or give the listener another port.`,
        ]
      case 'EACCES':
        return [
          'port-privileged',
          `this user may not open port ${port}`,
          'Use a port from 1024 on, or allow it: `sysctl net.ipv4.ip_unprivileged_port_start`, or CAP_NET_BIND_SERVICE.',
        ]
      case 'EADDRNOTAVAIL':
      case 'ENOTFOUND':
      case 'EAI_AGAIN':
        return [
          'address-not-local',
          `${host} is not an address of this machine`,
          'Use one that `ip address` shows, or 0.0.0.0 or [::] for all of them.',
        ]
      default:
        return ['cannot-listen', error.message, 'Look at the address, and at what the system allows this user.']
    }
  })()
  return {
    severity: 'error',
    code,
    path: `listeners.${name}.address`,
    message: `listener "${name}" cannot listen on ${place}: ${cause}`,
    mend,
  }
}

function socketProblem(path: string, error: NodeJS.ErrnoException): [string, string, string] {
  switch (error.code) {
    case 'EADDRINUSE':
      return [
        'socket-in-use',
        'another program listens there, or a file that is no socket has the name',
        `Stop the program (\`ss -lxp src ${path}\` names it), remove the file, or give the listener another path.`,
      ]
    // Node says so for a folder that is not there too.
    case 'EACCES':
      return [
        'cannot-listen',
        'the folder is not there, or this user may not write to it',
        'Make the folder, and give it to the user that the relay runs as.',
      ]
    default:
      return ['cannot-listen', error.message, 'Look at the path, and at what the system allows this user.']
  }
}
