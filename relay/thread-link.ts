// How the main thread gives its threads open sockets: Node's messages between threads carry none, but a unix socket does,
// within a process too. What arrives is a descriptor of its own for the same socket, so either side may close its own.

import { randomBytes } from 'node:crypto'
import type { Server } from 'node:net'
import { connectIpc, type IpcPipe, listenIpc } from './ipc-pipe.ts'

/** May be sent to a thread, which connects with it. */
export interface LinkAddress {
  readonly path: string
  /** Says who is calling: an abstract socket has no permissions, so nobody else may know it. */
  readonly secret: string
}

export interface Links {
  /** Opens a link for one thread; the last one it had is closed. */
  readonly expect: (onLink: (link: Link) => void, onSocket: OnSocket) => LinkAddress
  readonly close: () => void
}

export interface Link {
  /** Gives the other side the socket under this number. Resolves when it has it, or has gone. */
  readonly give: (number: number, handle: object) => Promise<void>
  readonly close: () => void
}

type OnSocket = (number: number, handle: object) => void

/** Listens in the name space of abstract sockets, which needs no folder that may be written to. */
export async function openLinks(): Promise<Links> {
  const path = `\0fourseven-${process.pid}-${randomBytes(8).toString('hex')}`
  const expected = new Map<string, (pipe: IpcPipe) => void>()
  const server: Server = await listenIpc(path, pipe => {
    pipe.onMessage = ({ secret }) => {
      const join = expected.get(String(secret))
      expected.delete(String(secret))
      if (join === undefined) pipe.close()
      else join(pipe)
    }
  })
  server.unref()
  return {
    expect: (onLink, onSocket) => {
      const secret = randomBytes(16).toString('hex')
      expected.set(secret, pipe => {
        onLink(linkOver(pipe, onSocket))
        pipe.send({ isWelcome: true })
      })
      return { path, secret }
    },
    close: () => void server.close(),
  }
}

/**
 * Sockets go both ways, each in a message of its own, so that a read brings one at most; no more are under way than the
 * system lets be.
 */
function linkOver(pipe: IpcPipe, onSocket: OnSocket): Link {
  const waiting = new Map<number, () => void>()
  const queue: (() => void)[] = []
  let isClosed = false
  const next = () => {
    while (waiting.size < mostUnderWay && queue.length > 0) queue.shift()!()
  }
  pipe.onMessage = ({ number, has }, socket) => {
    if (typeof has === 'number') {
      waiting.get(has)?.()
      waiting.delete(has)
      next()
    } else if (typeof number === 'number' && socket !== undefined) {
      onSocket(number, socket)
      pipe.send({ has: number })
    }
  }
  pipe.onClose = () => {
    isClosed = true
    for (const done of waiting.values()) done()
    waiting.clear()
    next()
  }
  return {
    give: (number, handle) =>
      new Promise(resolve => {
        queue.push(() => {
          if (isClosed) {
            resolve()
            return
          }
          waiting.set(number, resolve)
          pipe.send({ number }, handle)
        })
        next()
      }),
    close: () => pipe.close(),
  }
}

/** The thread's end. Resolves when it is there. */
export async function joinLink({ path, secret }: LinkAddress, onSocket: OnSocket): Promise<Link> {
  const pipe = await connectIpc(path)
  if (pipe === undefined) throw new Error('the main thread does not answer')
  await new Promise<void>(resolve => {
    pipe.onMessage = () => resolve()
    pipe.send({ secret })
  })
  return linkOver(pipe, onSocket)
}

/** A user may have as many in flight as a process may have open (unix(7)). */
const mostUnderWay = 64
