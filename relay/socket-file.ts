// Unix sockets as files: one that a dead program left behind is taken away, one that lives is not touched.

import { lstatSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'

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
