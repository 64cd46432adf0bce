// The files of stored answers in their folder: what they are called, and which of them hold after a restart.

import { hash, randomBytes } from 'node:crypto'
import { mkdir, open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { bytesInFile, readHead } from './disk-files.ts'

/** What the files of one key take. */
export interface DiskEntry {
  /** All together, and that of the body. */
  readonly bytes: number
  readonly bodyRoom: number
  /** Of the body; undefined for an index. */
  readonly stamp: string | undefined
}

/** What stands in a part of the folder. */
export interface FolderPart {
  /** Heads that hold, with when they were written. */
  readonly held: readonly (readonly [name: string, entry: DiskEntry, at: number])[]
  /** Names of heads that do not. */
  readonly broken: readonly string[]
  /** Paths of bodies that no head names, and of drafts. */
  readonly loose: readonly string[]
}

export class DiskFolder {
  private readonly path: string
  /** Those that were made, or were there: 256 at most. */
  private readonly made = new Set<string>()

  constructor(path: string) {
    this.path = path
  }

  /** Of the files of a key: 64 letters and digits, whatever the key says. */
  nameOf(key: string): string {
    return hash('sha256', key)
  }

  head(name: string): string {
    return join(this.part(name), `${name}${headEnd}`)
  }

  /** Another one each time. */
  draft(name: string): string {
    return `${this.head(name)}.${randomBytes(8).toString('hex')}`
  }

  body(name: string, stamp: string): string {
    return join(this.part(name), `${name}.${stamp}${bodyEnd}`)
  }

  /** Where the files of that name stand is there when this resolves. */
  async makeFor(name: string): Promise<void> {
    const part = this.part(name)
    if (this.made.has(part)) return
    await mkdir(part, { recursive: true, mode: 0o700 })
    this.made.add(part)
  }

  /** Part by part. Files of other names are nobody's business here. */
  async *parts(): AsyncGenerator<FolderPart> {
    for (const part of await readdir(this.path)) {
      if (partName.test(part)) yield await this.readPart(join(this.path, part))
    }
  }

  private async readPart(part: string): Promise<FolderPart> {
    const held: (readonly [name: string, entry: DiskEntry, at: number])[] = []
    const broken: string[] = []
    const files = await readdir(part)
    const loose = new Set(files.filter(file => bodyName.test(file) || draftName.test(file)))
    for (const file of files) {
      if (!headName.test(file)) continue
      const name = file.slice(0, -headEnd.length)
      const found = await this.readEntry(name)
      if (found === undefined) broken.push(name)
      else {
        held.push([name, ...found])
        loose.delete(`${name}.${found[0].stamp}${bodyEnd}`)
      }
    }
    return { held, broken, loose: [...loose].map(file => join(part, file)) }
  }

  private async readEntry(name: string): Promise<readonly [DiskEntry, at: number] | undefined> {
    try {
      const path = this.head(name)
      const { key, slot } = await readHead(path, undefined)
      const head = await stat(path)
      if (this.nameOf(key) !== name) return undefined
      if (slot.is === 'index') return [{ stamp: undefined, bodyRoom: 0, bytes: roomOf(head.size) }, head.mtimeMs]
      const body = await stat(this.body(name, slot.stamp))
      if (body.size !== bytesInFile(slot.bytes)) return undefined
      const bodyRoom = roomOf(body.size)
      return [{ stamp: slot.stamp, bodyRoom, bytes: roomOf(head.size) + bodyRoom }, head.mtimeMs]
    } catch {
      return undefined
    }
  }

  private part(name: string): string {
    return join(this.path, name.slice(0, 2))
  }
}

/** A file that is not there yet. Rejects when not all of it could be written. */
export async function writeNew(path: string, blocks: readonly Buffer[]): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    for (let at = 0; at < blocks.length; at += atOnce) {
      const some = blocks.slice(at, at + atOnce)
      const wanted = some.reduce((sum, block) => sum + block.length, 0)
      const { bytesWritten } = await file.writev(some as Buffer[])
      if (bytesWritten !== wanted) throw new Error('the disk is full')
    }
  } finally {
    await file.close()
  }
}

/** What a file takes: whole blocks of the file system. */
export function roomOf(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / 4_096)) * 4_096
}

const headEnd = '.head'
const bodyEnd = '.body'
const headName = /^[0-9a-f]{64}\.head$/
const bodyName = /^[0-9a-f]{64}\.[0-9a-f]{16}\.body$/
const draftName = /^[0-9a-f]{64}\.head\.[0-9a-f]{16}$/
const partName = /^[0-9a-f]{2}$/
/** Buffers in one write. */
const atOnce = 64
