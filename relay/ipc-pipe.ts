// A unix socket that can carry open sockets (SCM_RIGHTS), between two processes that are not parent and child. Node does
// this for child processes only; its pipe, which can do it for anyone, is reached through `process.binding`.

import { createServer, type Server, type Socket } from 'node:net'

export interface IpcPipe {
  /** A message, with an open socket or none. */
  send: (message: object, socket?: object) => void
  /** Called with each message, and the socket that came along. */
  onMessage: (message: Readonly<Record<string, unknown>>, socket: object | undefined) => void
  /** Called once, when the other side or this one has closed it. */
  onClose: () => void
  close: () => void
}

/** Listens on `path`, for this user alone. One peer's messages must wait for answers: see `attach`. */
export function listenIpc(path: string, onPeer: (pipe: IpcPipe) => void): Promise<Server> {
  const server = createServer({ pauseOnConnect: true }, socket => {
    const shell = socket as Socket & { _handle: { readonly fd: number } | null }
    const pipe = new Pipe(constants.IPC)
    // The handle that accepted it cannot carry sockets; it is left aside unclosed, since the descriptor is now ours.
    if (pipe.open(shell._handle!.fd) < 0) return void socket.destroy()
    shell._handle = null
    onPeer(attach(pipe))
  })
  return new Promise((resolve, reject) => {
    const umask = process.umask(0o177)
    server.once('error', reject)
    server.listen(path, () => resolve(server))
    process.umask(umask)
  })
}

/** Undefined when nobody listens there. */
export function connectIpc(path: string): Promise<IpcPipe | undefined> {
  return new Promise(resolve => {
    const pipe = new Pipe(constants.IPC)
    const request = new PipeConnectWrap()
    const done = (status: number) => {
      if (status === 0) return resolve(attach(pipe))
      pipe.close()
      resolve(undefined)
    }
    request.oncomplete = done
    const status = pipe.connect(request, path)
    if (status !== undefined && status < 0) done(status)
  })
}

/**
 * One JSON text a line. A read takes one socket at most, so whoever sends sockets waits for an answer after each message.
 */
function attach(pipe: PipeHandle): IpcPipe {
  let text = ''
  let isClosed = false
  const ipc: IpcPipe = {
    send: (message, socket) => {
      if (!isClosed && pipe.writeUtf8String(new WriteWrap(), `${JSON.stringify(message)}\n`, socket) < 0) ipc.close()
    },
    onMessage: () => {},
    onClose: () => {},
    close: () => {
      if (isClosed) return
      isClosed = true
      pipe.close()
      ipc.onClose()
    },
  }
  pipe.onread = bytes => {
    const socket = pipe.pendingHandle ?? undefined
    pipe.pendingHandle = null
    if (bytes === undefined) return ipc.close()
    text += Buffer.from(bytes).toString('latin1')
    if (text.length > longestText) return ipc.close()
    const lines = text.split('\n')
    text = lines.pop()!
    for (const line of lines) {
      try {
        ipc.onMessage(JSON.parse(line), socket)
      } catch {
        ipc.close()
      }
    }
  }
  pipe.readStart()
  return ipc
}

/** What is used of Node's own. */
interface PipeHandle {
  pendingHandle: object | null | undefined
  onread: (bytes: ArrayBuffer | undefined) => void
  open: (fd: number) => number
  connect: (request: object, path: string) => number | undefined
  readStart: () => void
  writeUtf8String: (request: object, text: string, socket: object | undefined) => number
  close: () => void
}

const binding = (name: string) => (process as unknown as { binding: (name: string) => unknown }).binding(name)
const { Pipe, PipeConnectWrap, constants } = binding('pipe_wrap') as {
  Pipe: new (kind: number) => PipeHandle
  PipeConnectWrap: new () => { oncomplete: (status: number) => void }
  constants: { readonly IPC: number }
}
const { WriteWrap } = binding('stream_wrap') as { WriteWrap: new () => object }
const longestText = 65_536
