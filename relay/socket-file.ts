// Unix sockets as files: one that a dead program left behind is taken away, one that lives is not touched.
//
// libuv removes the name that a socket was bound under when it closes the socket, even where another process listens on it
// too, after a takeover. So a socket is bound under a name that nobody knows, which is gone as soon as it listens, and gets
// its own name by a link. From then on the file is ours to remove, or to leave to whoever took over.

import { randomBytes } from 'node:crypto'
import { linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'

/** The file of a socket that listens. */
export interface SocketFile {
  readonly path: string
  /** Another file may have the path later: then it is not ours. */
  readonly inode: number
  /** Another relay, from which the socket was taken over, may still go on with it: then the file is not ours to remove. */
  isShared: boolean
}

/** To be bound in place of `path`. In its folder: a link does not lead into another file system. */
export function hiddenName(path: string): string {
  return join(dirname(path), `.${randomBytes(3).toString('hex')}`)
}

/**
 * Gives a socket that listens under a hidden name its own. One that a dead program left there makes room; with anything
 * else there the error is EADDRINUSE. The hidden name is gone in any case.
 */
export async function nameSocket(hidden: string, path: string): Promise<NodeJS.ErrnoException | undefined> {
  try {
    const error = link(hidden, path)
    if (error?.code !== 'EADDRINUSE' || !(await removeStale(path))) return error
    return link(hidden, path)
  } finally {
    unlinkIfThere(hidden)
  }
}

/** Undefined when the path is not there any more. */
export function socketFileAt(path: string, isShared: boolean): SocketFile | undefined {
  const inode = lstatSync(path, { throwIfNoEntry: false })?.ino
  return inode === undefined ? undefined : { path, inode, isShared }
}

/** Removes the file of a socket that nobody listens on any more, unless another one has its path by now. */
export function removeSocketFile({ path, inode, isShared }: SocketFile): void {
  if (!isShared && lstatSync(path, { throwIfNoEntry: false })?.ino === inode) unlinkIfThere(path)
}

/**
 * Removes the socket at this path when nobody listens on it any more, and says whether it did. A file that is no socket,
 * a socket that answers, and one that we may not ask stay where they are.
 */
export async function removeStale(path: string): Promise<boolean> {
  try {
    if (!lstatSync(path).isSocket() || !(await isRefused(path))) return false
    unlinkSync(path)
    return true
  } catch {
    return false
  }
}

function link(hidden: string, path: string): NodeJS.ErrnoException | undefined {
  try {
    linkSync(hidden, path)
    return undefined
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return Object.assign(new Error(`${path} is there already`), { code: 'EADDRINUSE' })
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) return error as NodeJS.ErrnoException
  }
  // A file system without links.
  try {
    renameSync(hidden, path)
    return undefined
  } catch (error) {
    return error as NodeJS.ErrnoException
  }
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // Somebody else was faster.
  }
}

function isRefused(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ path })
    socket.once('connect', () => {
      socket.destroy()
      resolve(false)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'))
  })
}
