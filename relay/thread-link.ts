// How the main thread gives its threads open sockets: Node's messages between threads carry none, but a unix socket does,
// within a process too. What arrives is a descriptor of its own for the same socket, so either side may close its own.

import { randomBytes } from 'node:crypto'
import type { Server } from 'node:net'
import { connectIpc, type IpcPipe, listenIpc } from './ipc-pipe.ts'
import type { BoundHandle } from './place.ts'

/** May be sent to a thread, which connects with it. */
export interface LinkAddress {
  readonly path: string
  /** Says who is calling: an abstract socket has no permissions, so nobody else may know it. */
  readonly secret: string
}

export interface Links {
  /** Opens a link for one thread; the last one it had is closed. */
  readonly expect: (onLink: (link: Link) => void) => LinkAddress
  readonly close: () => void
}

export interface Link {
  /** Gives the thread the socket under this number. Resolves when it has it, or has gone. */
  readonly give: (number: number, handle: BoundHandle) => Promise<void>
  readonly close: () => void
}

/** Listens in the name space of abstract sockets, which needs no folder that may be written to. */
export async function openLinks(): Promise<Links> {
  const path = `\0fourseven-${process.pid}-${randomBytes(8).toString('hex')}`
  const expected = new Map<string, (link: Link) => void>()
  const server: Server = await listenIpc(path, pipe => {
    pipe.onMessage = ({ secret }) => {
      const onLink = expected.get(String(secret))
      expected.delete(String(secret))
      if (onLink === undefined) pipe.close()
      else {
        onLink(linkOver(pipe))
        pipe.send({ isWelcome: true })
      }
    }
  })
  server.unref()
  return {
    expect: onLink => {
      const secret = randomBytes(16).toString('hex')
      expected.set(secret, onLink)
      return { path, secret }
    },
    close: () => void server.close(),
  }
}

function linkOver(pipe: IpcPipe): Link {
  const waiting: (() => void)[] = []
  let turn = Promise.resolve()
  let isClosed = false
  pipe.onMessage = () => waiting.shift()?.()
  pipe.onClose = () => {
    isClosed = true
    for (const done of waiting.splice(0)) done()
  }
  return {
    // One at a time: a read takes one socket at most.
    give: (number, handle) => {
      turn = turn.then(
        () =>
          new Promise(resolve => {
            if (isClosed) return resolve()
            waiting.push(resolve)
            pipe.send({ number }, handle)
          }),
      )
      return turn
    },
    close: () => pipe.close(),
  }
}

/** The thread's end. Resolves when it is there. */
export async function joinLink(
  { path, secret }: LinkAddress,
  onSocket: (number: number, handle: BoundHandle) => void,
): Promise<void> {
  const pipe = await connectIpc(path)
  if (pipe === undefined) throw new Error('the main thread does not answer')
  await new Promise<void>(resolve => {
    pipe.onMessage = () => resolve()
    pipe.send({ secret })
  })
  pipe.onMessage = ({ number }, socket) => {
    onSocket(Number(number), socket as BoundHandle)
    pipe.send({ has: number })
  }
}
