// The folder of stored answers as the main thread has it: this relay's alone by a lock, and with the purges in it that hold
// for what was stored before a restart. The answers themselves are read and written where they are given.

import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import * as z from 'zod/mini'
import { addBan, type Ban } from '../shared/cache/purge.ts'
import type { Problem } from '../shared/config/problem.ts'
import { overlayBounds } from '../shared/overlay/overlay.ts'
import { purgeSchema } from '../shared/overlay/parse.ts'
import { hiddenName, nameSocket, removeSocketFile, type SocketFile, socketFileAt } from './socket-file.ts'

export interface CacheDisk {
  readonly folder: string
  /** Purges that hold for what is in the folder, those of relays before too. */
  readonly bans: () => readonly Ban[]
  /** Writes down the purges in force. They hold after a restart when this returns; throws the system's error. */
  readonly remember: (bans: readonly Ban[]) => void
  /** Another relay may have the folder. */
  readonly leave: () => void
}

/** Makes the folder, and says why it cannot be used. */
export function prepareFolder(folder: string): Problem | undefined {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const trial = join(folder, `trial-${randomBytes(4).toString('hex')}`)
    writeFileSync(trial, '', { mode: 0o600 })
    rmSync(trial)
    return undefined
  } catch (error) {
    return unusableDisk(folder, (error as Error).message)
  }
}

export function unusableDisk(folder: string, why: string): Problem {
  return {
    severity: 'error',
    code: 'cache-disk-unusable',
    path: 'cacheStore.disk.path',
    message: `answers cannot be kept in ${folder}: ${why}`,
    mend: 'Make the folder, and give it to the user that the relay runs as, or name another one.',
  }
}

export function diskInUse(folder: string): Problem {
  return {
    severity: 'error',
    code: 'cache-disk-in-use',
    path: 'cacheStore.disk.path',
    message: `another relay keeps its answers in ${folder}`,
    mend: 'Give each relay a folder of its own, or let this one take over from the other (`--takeover`).',
  }
}

/** A reload cannot move what is stored. */
export function diskStays(): Problem {
  return {
    severity: 'warning',
    code: 'cache-disk-stays',
    path: 'cacheStore.disk',
    message: 'the relay goes on with the disk that it was started with',
    mend: 'Restart it, or let a new one take over (`--takeover`).',
  }
}

/**
 * The folder, once nobody else has it; undefined when another relay does and `isPatient` does not say to wait for it.
 * Rejects with the system's error, and when `stop` fires.
 */
export async function openCacheDisk(
  folder: string,
  { isPatient, stop, now }: { readonly isPatient: boolean; readonly stop: AbortSignal; readonly now: () => number },
): Promise<CacheDisk | undefined> {
  let lock = await takeLock(folder)
  while (lock === undefined && isPatient) {
    await wait(askAgainMs, undefined, { signal: stop, ref: false })
    lock = await takeLock(folder)
  }
  if (lock === undefined) return undefined
  const { server, file } = lock
  const own = join(folder, `purges-${randomBytes(8).toString('hex')}.json`)
  const others = readdirSync(folder).filter(name => purgesName.test(name))
  let bans = others.reduce<readonly Ban[]>((all, name) => merge(all, readBans(join(folder, name), now())), [])
  let isLeft = false
  const remember = (more: readonly Ban[]) => {
    const all = merge(bans, more)
    if (isLeft || JSON.stringify(all) === JSON.stringify(bans)) return
    write(own, all)
    bans = all
  }
  write(own, bans)
  for (const name of others) rmSync(join(folder, name), { force: true })
  return {
    folder,
    bans: () => bans,
    remember,
    leave: () => {
      if (isLeft) return
      isLeft = true
      if (file !== undefined) removeSocketFile(file)
      server.close()
    },
  }
}

/** A socket that listens in the folder: the system takes it back from whoever dies. Undefined when somebody has it. */
async function takeLock(folder: string): Promise<{ server: Server; file: SocketFile | undefined } | undefined> {
  const path = join(folder, 'lock')
  const hidden = hiddenName(path)
  const server = createServer(socket => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(hidden, resolve)
  })
  const error = await nameSocket(hidden, path)
  if (error === undefined) {
    server.unref()
    return { server, file: socketFileAt(path, false) }
  }
  server.close()
  if (error.code === 'EADDRINUSE') return undefined
  throw error
}

/** What cannot be read bans everything that was stored until now: rather too much is forgotten than too little. */
function readBans(path: string, now: number): readonly Ban[] {
  try {
    return bansSchema.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    return [{ of: { by: 'prefix', prefix: '' }, at: now }]
  }
}

function merge(some: readonly Ban[], more: readonly Ban[]): readonly Ban[] {
  const newest = new Map<string, Ban>()
  for (const ban of [...some, ...more]) {
    const is = JSON.stringify(ban.of)
    if ((newest.get(is)?.at ?? Number.NEGATIVE_INFINITY) < ban.at) newest.set(is, ban)
  }
  const inOrder = [...newest.values()].sort((a, b) => a.at - b.at)
  return inOrder.reduce<readonly Ban[]>((all, ban) => addBan(all, ban, overlayBounds.bans), [])
}

function write(path: string, bans: readonly Ban[]): void {
  const draft = `${path}.draft`
  writeFileSync(draft, JSON.stringify(bans), { mode: 0o600 })
  renameSync(draft, path)
}

const bansSchema = z.array(z.strictObject({ of: purgeSchema, at: z.number() }))
const purgesName = /^purges-[0-9a-f]{16}\.json$/
const askAgainMs = 100
