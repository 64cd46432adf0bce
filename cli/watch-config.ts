// Notices that a config file has changed, however that was done: written in place, replaced by another, or reached through
// a link that now leads elsewhere (as Kubernetes mounts files).

import { type FSWatcher, statSync, watch } from 'node:fs'
import { dirname, extname } from 'node:path'

/**
 * Calls `onChange` once the file has been still for a moment. A module may import others: any module in its folder
 * counts. The folder is watched, and the file looked at besides, since not every file system tells of changes.
 *
 * @param readAt when the file was read, in milliseconds since 1970: a change between that and now counts
 */
export function watchConfig(file: string, onChange: () => void, readAt: number): { readonly close: () => void } {
  const isModule = !['.json', '.yaml', '.yml'].includes(extname(file).toLowerCase())
  let seen = stampOf(file)
  let timer: NodeJS.Timeout | undefined
  const soon = () => {
    clearTimeout(timer)
    timer = setTimeout(onChange, stillMs)
  }
  const look = () => {
    const now = stampOf(file)
    // Between two steps of a replacement it is not there.
    if (now === seen || now === undefined) return
    seen = now
    soon()
  }
  if ((statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0) > readAt) soon()
  let watcher: FSWatcher | undefined
  try {
    watcher = watch(dirname(file), { persistent: false }, (_, name) => {
      if (isModule && name !== null && /\.(?:[mc]?[jt]s|json)$/.test(name)) soon()
      else look()
    })
    watcher.on('error', () => watcher?.close())
  } catch {
    // No watch to be had: looking is enough.
  }
  const looking = setInterval(look, lookMs).unref()
  return {
    close: () => {
      clearTimeout(timer)
      clearInterval(looking)
      watcher?.close()
    },
  }
}

function stampOf(file: string): string | undefined {
  const stats = statSync(file, { throwIfNoEntry: false })
  return stats === undefined ? undefined : `${stats.ino} ${stats.size} ${stats.mtimeMs}`
}

const stillMs = 200
const lookMs = 2_000
