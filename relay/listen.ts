// Opening the door of a listener, on a place of its own or on a socket that another relay hands over, and what keeps it
// from being opened.

import { chmodSync } from 'node:fs'
import type { AddressInfo, ListenOptions, Server } from 'node:net'
import type { Problem } from '../shared/config/problem.ts'
import type { FlowListener } from '../shared/table/table.ts'
import { formatHostPort } from '../shared/wire/address.ts'
import type { Door } from './door.ts'
import { hiddenName, nameSocket, removeSocketFile, socketFileAt } from './socket-file.ts'

export interface ListenAddress {
  /** The path of a unix socket, which has port 0. */
  readonly host: string
  readonly port: number
}

/** A listening socket of another process, as Node holds it. */
export interface ListeningHandle {
  readonly fd: number
  readonly close: () => void
}

/** Resolves with undefined when the door listens, else with what keeps it from it. */
export async function listen(
  door: Door,
  listener: FlowListener,
  handle: ListeningHandle | undefined,
): Promise<Problem | undefined> {
  const { server } = door
  const { host, port } = listener
  const place = handle ?? { host, port, backlog: longestQueue }
  const error = host.startsWith('/') ? await listenAtFile(door, listener, handle) : await begin(server, place)
  if (error !== undefined) return listenProblem(listener, error)
  server.on('error', () => {
    door.counts.failedAccepts += 1
  })
  return undefined
}

async function listenAtFile(
  door: Door,
  { host: path, socketMode }: FlowListener,
  handle: ListeningHandle | undefined,
): Promise<NodeJS.ErrnoException | undefined> {
  const { server } = door
  const mayConnect = (file: string) => {
    if (socketMode !== undefined) chmodSync(file, socketMode)
  }
  if (handle !== undefined) {
    // Node takes such a handle by its descriptor only. The handle is left aside unclosed, since that is now the server's.
    const error = await begin(server, { fd: handle.fd })
    if (error !== undefined) return error
    door.file = socketFileAt(path, true)
    if (door.file !== undefined) mayConnect(path)
    return undefined
  }
  const hidden = hiddenName(path)
  const error = await begin(server, { path: hidden, backlog: longestQueue })
  if (error !== undefined) return error
  mayConnect(hidden)
  const inTheWay = await nameSocket(hidden, path)
  if (inTheWay === undefined) door.file = socketFileAt(path, false)
  else await new Promise(resolve => server.close(resolve))
  return inTheWay
}

function begin(
  server: Server,
  place: ListenOptions | Pick<ListeningHandle, 'fd'>,
): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise(resolve => {
    server.once('error', resolve)
    server.listen(place, () => {
      server.off('error', resolve)
      resolve(undefined)
    })
  })
}

/**
 * Stops accepting. Flows that came through the door go on.
 *
 * @param isHandedOver another relay listens there: then the file of a unix socket stays
 */
export function closeDoor({ server, file }: Door, isHandedOver: boolean): void {
  if (!server.listening) return
  if (file !== undefined && !isHandedOver) removeSocketFile(file)
  server.close()
}

export function addressOf(door: Door, listener: FlowListener): ListenAddress {
  if (listener.host.startsWith('/')) return { host: listener.host, port: 0 }
  const { address, port } = door.server.address() as AddressInfo
  return { host: address, port }
}

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

/** Connections the system holds until we take them; it has a bound of its own (`net.core.somaxconn`, often 4,096). */
const longestQueue = 4096
