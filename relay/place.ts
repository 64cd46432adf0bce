// Where a listener listens: its sockets, bound in the main thread before anybody accepts on them, or taken over from another
// relay. Doors accept on them; the place keeps them, so that a door may end and another begin on the same socket.
// Node makes and accepts in one step; its handles, which can be held apart, are reached through `process.binding`.

import { lookup } from 'node:dns/promises'
import { chmodSync } from 'node:fs'
import { isIP } from 'node:net'
import { getSystemErrorMessage, getSystemErrorName } from 'node:util'
import type { FlowListener } from '../shared/table/table.ts'
import { hiddenName, nameSocket, removeSocketFile, type SocketFile, socketFileAt } from './socket-file.ts'

export interface ListenAddress {
  /** The path of a unix socket, which has port 0. */
  readonly host: string
  readonly port: number
}

/** A bound socket as Node holds it. */
export interface BoundHandle {
  readonly fd: number
  close: () => void
  getsockname?: (out: { address?: string; port?: number }) => number
}

export interface Place {
  readonly address: ListenAddress
  /** One, or as many as share the place (SO_REUSEPORT): the system spreads what comes over them. */
  readonly handles: readonly BoundHandle[]
  /** Of a unix socket. */
  readonly file: SocketFile | undefined
}

/**
 * Binds the listener's place; nothing is accepted yet. Resolves with the system's error when that cannot be.
 *
 * @param inherited sockets of this very place that another relay hands over: then nothing is bound
 * @param count how many sockets are to share the place; a unix socket is one for all
 */
export async function bindPlace(
  listener: Pick<FlowListener, 'kind' | 'host' | 'port' | 'socketMode'>,
  inherited: readonly BoundHandle[],
  count: number,
): Promise<Place | NodeJS.ErrnoException> {
  const { kind, host, port, socketMode } = listener
  const mayConnect = (path: string) => {
    if (socketMode !== undefined) chmodSync(path, socketMode)
  }
  try {
    if (!host.startsWith('/')) {
      const handles =
        inherited.length > 0 ? inherited : bindPorts(kind === 'udp' ? udp : tcp, await ipOf(host), port, count)
      return { address: addressOf(handles[0]!), handles, file: undefined }
    }
    const address = { host, port: 0 }
    if (inherited.length === 0) {
      const handles = [await bindPath(host, mayConnect)]
      return { address, handles, file: socketFileAt(host, false) }
    }
    const file = socketFileAt(host, true)
    if (file !== undefined) mayConnect(host)
    return { address, handles: inherited, file }
  } catch (error) {
    return error as NodeJS.ErrnoException
  }
}

/**
 * Closes the sockets. What waits in them and has not been accepted is reset, unless another process has them too.
 *
 * @param isHandedOver another relay listens there: then the file of a unix socket stays
 */
export function leavePlace({ handles, file }: Place, isHandedOver = false): void {
  if (file !== undefined && !isHandedOver) removeSocketFile(file)
  for (const handle of handles) handle.close()
}

async function ipOf(host: string): Promise<string> {
  return isIP(host) === 0 ? (await lookup(host)).address : host
}

/** All or none. */
function bindPorts(kind: NodeSocket, ip: string, port: number, count: number): readonly BoundHandle[] {
  if (count === 1) return [bindPort(kind, ip, port, 0)]
  // Another program of this user that shares its port too would share it with us: without sharing the system says no.
  if (port !== 0) bindPort(kind, ip, port, 0).close()
  const handles: BoundHandle[] = []
  try {
    for (let at = 0; at < count; at++) {
      const taken = handles[0] === undefined ? port : addressOf(handles[0]).port
      handles.push(bindPort(kind, ip, taken, kind.reusePort))
    }
  } catch (error) {
    for (const handle of handles) handle.close()
    throw error
  }
  return handles
}

function bindPort({ make }: NodeSocket, ip: string, port: number, flags: number): BoundHandle {
  const handle = make()
  const status = isIP(ip) === 6 ? handle.bind6(ip, port, flags) : handle.bind(ip, port, flags)
  // libuv keeps EADDRINUSE back until it is asked something else (`delayed_error`).
  return checked(handle, status || handle.getsockname({}))
}

/** @param mayConnect sets who may connect to the file */
async function bindPath(path: string, mayConnect: (file: string) => void): Promise<BoundHandle> {
  const hidden = hiddenName(path)
  const handle = new Pipe(pipeConstants.SERVER)
  checked(handle, handle.bind(hidden))
  mayConnect(hidden)
  const inTheWay = await nameSocket(hidden, path)
  if (inTheWay === undefined) return handle
  handle.close()
  throw inTheWay
}

/** @throws the system's error, as Node would have given it */
function checked(handle: BoundHandle, status: number): BoundHandle {
  if (status === 0) return handle
  handle.close()
  throw Object.assign(new Error(getSystemErrorMessage(status)), { code: getSystemErrorName(status) })
}

function addressOf(handle: BoundHandle): ListenAddress {
  const out: { address?: string; port?: number } = {}
  handle.getsockname!(out)
  return { host: out.address!, port: out.port! }
}

interface NodeTcp extends BoundHandle {
  bind: (ip: string, port: number, flags: number) => number
  bind6: (ip: string, port: number, flags: number) => number
  getsockname: (out: object) => number
}
interface NodePipe extends BoundHandle {
  bind: (path: string) => number
}
const binding = (name: string) => (process as unknown as { binding: (name: string) => unknown }).binding(name)
/** How sockets of a kind are made, and the flag with which several may share a port. */
interface NodeSocket {
  readonly make: () => NodeTcp
  readonly reusePort: number
}
const { TCP, constants: tcpConstants } = binding('tcp_wrap') as {
  TCP: new (kind: number) => NodeTcp
  constants: { readonly SERVER: number; readonly UV_TCP_REUSEPORT: number }
}
const { UDP, constants: udpConstants } = binding('udp_wrap') as {
  UDP: new () => NodeTcp
  constants: { readonly UV_UDP_REUSEPORT: number }
}
const tcp: NodeSocket = { make: () => new TCP(tcpConstants.SERVER), reusePort: tcpConstants.UV_TCP_REUSEPORT }
const udp: NodeSocket = { make: () => new UDP(), reusePort: udpConstants.UV_UDP_REUSEPORT }
const { Pipe, constants: pipeConstants } = binding('pipe_wrap') as {
  Pipe: new (kind: number) => NodePipe
  constants: { readonly SERVER: number }
}
