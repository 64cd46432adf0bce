// A new relay takes the listening sockets of a running one over a unix socket: the very sockets, with the connections that
// wait in them, so that none is refused or reset. The old one then drains.
//
//   new: take            old: socket (one at a time; the new one says next), … , end
//   new: sessions        old: hears no datagram any more; session with its socket (the new one says got), … , end
//   new: listening       old: stops accepting, gives the unix socket up: yours; drains

import { connectIpc, type IpcPipe, listenIpc } from './ipc-pipe.ts'
import type { BoundHandle } from './place.ts'
import type { HandedSession } from './relay-api.ts'
import { removeSocketFile, removeStale, socketFileAt } from './socket-file.ts'

/** What a relay has to give. */
export interface Giver {
  /** The sockets of now, each under the place it stands for. */
  readonly listening: () => readonly (readonly [place: string, handle: BoundHandle])[]
  readonly pauseSessions: () => Promise<readonly HandedSession[]>
  /** Nobody has taken them: go on. */
  readonly resumeSessions: () => void
  /** Somebody is taking them, or nobody any more. */
  readonly standBack: (isBack: boolean) => void
}

export interface Offer {
  /** Another relay has the sockets, or some of them, and has not said yet that it listens on them. */
  readonly isLent: () => boolean
  /** Nobody can take the sockets any more. */
  readonly close: () => Promise<void>
}

/**
 * Offers the sockets at `path`. Rejects when that cannot be listened on.
 *
 * @param onTaken another relay listens on them: stop accepting now; what has been accepted is still ours
 */
export async function offerSockets(path: string, giver: Giver, onTaken: () => void): Promise<Offer> {
  await removeStale(path)
  let lent = 0
  const server = await listenIpc(path, pipe => {
    const goneAway = serveTaker(pipe, giver, taken)
    lent += 1
    giver.standBack(true)
    pipe.onClose = () => {
      lent -= 1
      if (isTaken) return
      goneAway()
      if (lent === 0) giver.standBack(false)
    }
  })
  let isTaken = false
  async function taken(pipe: IpcPipe): Promise<void> {
    if (isTaken) return pipe.close()
    isTaken = true
    onTaken()
    await close()
    pipe.send({ say: 'yours' })
  }
  async function close(): Promise<void> {
    if (!server.listening) return
    server.close()
    await new Promise(resolve => setImmediate(resolve))
  }
  return { close, isLent: () => lent > 0 }
}

function serveTaker(pipe: IpcPipe, giver: Giver, taken: (pipe: IpcPipe) => Promise<void>): () => void {
  let left: (readonly [place: string, handle: BoundHandle])[] = []
  let sessions: HandedSession[] | undefined
  let underWay = 0
  const sendSessions = () => {
    for (; underWay < mostUnderWay && sessions!.length > 0; underWay++) {
      const { handle, ...session } = sessions!.shift()!
      pipe.send({ say: 'session', session }, handle)
    }
    if (underWay === 0 && sessions!.length === 0) pipe.send({ say: 'end' })
  }
  pipe.onMessage = ({ say }) => {
    if (say === 'take') left = [...giver.listening()]
    if (say === 'sessions') {
      void giver.pauseSessions().then(paused => {
        sessions = [...paused]
        sendSessions()
      })
      return
    }
    if (say === 'got' && sessions !== undefined) {
      underWay -= 1
      sendSessions()
      return
    }
    if (say === 'take' || say === 'next') {
      const next = left.shift()
      if (next === undefined) pipe.send({ say: 'end' })
      else pipe.send({ say: 'socket', place: next[0] }, next[1])
    } else if (say === 'listening') void taken(pipe)
    else pipe.close()
  }
  return () => {
    if (sessions !== undefined) giver.resumeSessions()
  }
}

export interface Taken {
  /** By the place they stand for: one, or as many as share it. */
  readonly sockets: Map<string, BoundHandle[]>
  /** The sessions of `udp` listeners. From then on the old relay hears none of their clients. None where it has ended. */
  readonly sessions: () => Promise<readonly HandedSession[]>
  /**
   * Says that we listen. Resolves when the old relay has stopped accepting and `path` is free, or has ended by itself in
   * between. Sockets that are still in `sockets` are closed: nobody would ever accept there.
   */
  readonly confirm: () => Promise<void>
  /** The old relay goes on as if nobody had asked. */
  readonly giveUp: () => void
}

/** Undefined when no relay answers at `path`. Rejects when one does and does not do its part within 10 s. */
export async function takeSockets(path: string): Promise<Taken | undefined> {
  const pipe = await connectIpc(path)
  if (pipe === undefined) return undefined
  const sockets = new Map<string, BoundHandle[]>()
  const giveUp = () => {
    for (const socket of [...sockets.values()].flat()) socket.close()
    pipe.close()
  }
  await answered(pipe, 'take', ({ say, place }, socket) => {
    if (say === 'end') return true
    if (say === 'socket' && socket !== undefined) {
      const others = sockets.get(String(place)) ?? []
      sockets.set(String(place), [...others, socket as BoundHandle])
    }
    pipe.send({ say: 'next' })
    return false
  })
  return {
    sockets,
    giveUp,
    sessions: async () => {
      const sessions: HandedSession[] = []
      await answered(pipe, 'sessions', ({ say, session }, handle) => {
        if (say === 'end') return true
        sessions.push({ ...(session as HandedSession), handle })
        pipe.send({ say: 'got' })
        return false
      }).catch(nothing)
      return sessions
    },
    confirm: async () => {
      // Where it ended by itself its sockets are ours all the same.
      await answered(pipe, 'listening', ({ say }) => say === 'yours').catch(nothing)
      pipe.close()
      for (const [place, left] of sockets) {
        const file = place.startsWith('unix:') ? socketFileAt(place.slice('unix:'.length), false) : undefined
        if (file !== undefined) removeSocketFile(file)
        for (const socket of left) socket.close()
      }
    },
  }
}

/** Says a word and hears what comes until `isEnd`. */
function answered(
  pipe: IpcPipe,
  say: string,
  isEnd: (message: Readonly<Record<string, unknown>>, socket: object | undefined) => boolean,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => pipe.close(), longestMs)
    const stop = () => {
      clearTimeout(timer)
      pipe.onClose = nothing
      pipe.onMessage = nothing
    }
    pipe.onClose = () => {
      stop()
      reject(new Error('the running relay did not hand over its sockets'))
    }
    pipe.onMessage = (message, socket) => {
      if (!isEnd(message, socket)) return
      stop()
      resolve()
    }
    pipe.send({ say })
  })
}

function nothing(): void {}

const longestMs = 10_000
/** A user may have as many sockets on their way as a process may have open (unix(7)). */
const mostUnderWay = 64
