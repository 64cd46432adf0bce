// Stored answers in a folder, behind those in memory. Bounded in bytes, the least recently used go first; what is there at
// the start is found again. A forgotten answer is gone from the folder before `forget` returns: a relay that dies then
// does not bring it back.

import { randomBytes } from 'node:crypto'
import { renameSync, unlinkSync, writeFileSync } from 'node:fs'
import { unlink, writeFile } from 'node:fs/promises'
import { LRUCache } from 'lru-cache'
import type { StoredAnswer } from '../../shared/cache/stored.ts'
import { DiskBody } from './disk-body.ts'
import {
  BrokenFile,
  bodyBlocks,
  bytesInFile,
  type DiskSlot,
  headText,
  mostHead,
  openBody,
  readBlock,
  readBody,
  readHead,
} from './disk-files.ts'
import { type DiskEntry, DiskFolder, type FolderPart, roomOf, writeNew } from './disk-folder.ts'

export interface DiskPlace {
  /** Absolute; this relay's alone. */
  readonly folder: string
  readonly maxBytes: number
}

/** What was found in the folder. */
export interface DiskFound {
  readonly answers: number
  readonly bytes: number
}

/** An answer with its body, read whole when that is short; or what divides answers under a key. */
export type DiskLook =
  | { readonly is: 'answer'; readonly stored: StoredAnswer; readonly body: Buffer | DiskBody }
  | Extract<DiskSlot, { is: 'index' }>

export class DiskStore {
  private readonly place: DiskPlace
  private readonly folder: DiskFolder
  private readonly now: () => number
  private readonly onTrouble: (error: Error) => void
  /** What is there, by name. Complete when `isIndexed`. */
  private readonly entries: LRUCache<string, DiskEntry>
  private isIndexed = false
  private isEmptying = false
  /** By name: the write under way whose outcome counts. Another one, or none: it was overtaken. */
  private readonly writing = new Map<string, object>()
  private waitingBytes = 0
  /** Of bodies in memory: the file that each is in. */
  private readonly stamps = new WeakMap<Buffer, string>()
  private readonly work = new Set<Promise<unknown>>()
  /** Another relay has the folder, or what is in it cannot be trusted: nothing is read or written. What is forgotten goes. */
  private isShut = false

  /** @param onTrouble the system refuses something */
  constructor(place: DiskPlace, now: () => number, onTrouble: (error: Error) => void) {
    this.place = place
    this.folder = new DiskFolder(place.folder)
    this.now = now
    this.onTrouble = onTrouble
    this.entries = new LRUCache({
      maxSize: place.maxBytes,
      sizeCalculation: ({ bytes }) => bytes,
      disposeAfter: (entry, name, reason) => {
        if (reason === 'evict') this.remove(name, entry)
      },
    })
  }

  /**
   * Finds what is there and removes what is of no use. Until then answers are read and forgotten, and none is written.
   *
   * @param isEmptied everything goes, and nothing of it is read
   */
  async begin(isEmptied: boolean): Promise<DiskFound> {
    this.isEmptying = isEmptied
    const found: FolderPart['held'][number][] = []
    for await (const { held, broken, loose } of this.folder.parts()) {
      // It is another relay's by now.
      if (this.isShut) break
      for (const path of loose) this.drop(path)
      for (const name of broken) this.remove(name, undefined)
      if (!isEmptied) found.push(...held)
      else for (const [name, entry] of held) this.remove(name, entry)
    }
    for (const [name, entry] of found.sort((a, b) => a[2] - b[2])) this.entries.set(name, entry)
    this.isIndexed = true
    this.isEmptying = false
    return { answers: this.entries.size, bytes: this.entries.calculatedSize }
  }

  /** Undefined for what is not there, or not whole. */
  async look(key: string): Promise<DiskLook | undefined> {
    const name = this.folder.nameOf(key)
    const known = this.entries.get(name)
    if (this.isShut || this.isEmptying || (this.isIndexed && known === undefined)) return undefined
    try {
      const { slot } = await readHead(this.folder.head(name), key)
      if (slot.is === 'index') return slot
      // A clock that was set back would make it young for as long.
      if (slot.stored.receivedAt > this.now() + mostAheadMs) throw new BrokenFile('the answer is of the future')
      return { is: 'answer', stored: slot.stored, body: await this.readBody(name, slot) }
    } catch (error) {
      // Not there, broken, or no descriptor left: a miss in each case. Something newer may have come in the meantime.
      const isOfNoUse = error instanceof BrokenFile || isCode(error, 'ENOENT')
      if (isOfNoUse && this.entries.peek(name) === known) this.remove(name, known)
      return undefined
    }
  }

  /** Written behind whoever keeps it. When too much waits to be written it is left out, and so is what was there before. */
  keep(
    key: string,
    slot: { is: 'answer'; stored: StoredAnswer; body: Buffer } | Extract<DiskSlot, { is: 'index' }>,
  ): void {
    const body = slot.is === 'answer' ? slot.body : undefined
    const waiting = body?.length ?? 0
    const stamp = randomBytes(8).toString('hex')
    const head =
      slot.is === 'answer'
        ? headText(key, { is: 'answer', stored: slot.stored, stamp, bytes: slot.body.length })
        : headText(key, slot)
    const bytes = roomOf(bytesInFile(waiting)) + roomOf(head.length)
    const isTooMuch = this.waitingBytes + waiting > mostWaiting || bytes > this.place.maxBytes || head.length > mostHead
    if (isTooMuch || !this.isIndexed || this.isShut) {
      this.forget(key)
      return
    }
    // What it replaces is gone from now on, whatever becomes of the writing.
    this.remove(this.folder.nameOf(key), this.entries.peek(this.folder.nameOf(key)))
    this.waitingBytes += waiting
    if (body !== undefined) this.stamps.set(body, stamp)
    this.write(this.folder.nameOf(key), head, body === undefined ? undefined : { stamp, bytes: body }, () => {
      this.waitingBytes -= waiting
    })
  }

  /** Another head over the same body, there when this returns. False when it is not that body that is there. */
  renew(key: string, stored: StoredAnswer, body: Buffer | DiskBody): boolean {
    const name = this.folder.nameOf(key)
    const entry = this.entries.get(name)
    if (entry?.stamp === undefined || this.isShut || this.writing.has(name)) return false
    const { stamp, bodyRoom } = entry
    if (stamp !== (body instanceof DiskBody ? body.stamp : this.stamps.get(body))) return false
    const head = headText(key, { is: 'answer', stored, stamp, bytes: body.length })
    if (head.length > mostHead) return false
    const draft = this.folder.draft(name)
    try {
      writeFileSync(draft, head, { flag: 'wx', mode: 0o600 })
      renameSync(draft, this.folder.head(name))
    } catch (error) {
      this.drop(draft)
      this.remove(name, entry)
      this.onTrouble(error as Error)
      return false
    }
    this.entries.set(name, { stamp, bodyRoom, bytes: bodyRoom + roomOf(Buffer.byteLength(head)) })
    return true
  }

  /** Gone when this returns. */
  forget(key: string): void {
    const name = this.folder.nameOf(key)
    this.writing.delete(name)
    this.remove(name, this.entries.peek(name))
  }

  /** Another relay may have the folder when this resolves. */
  async leave(): Promise<void> {
    this.isShut = true
    this.writing.clear()
    await this.settled()
  }

  /** Resolves when nothing is being written. */
  async settled(): Promise<void> {
    while (this.work.size > 0) await Promise.allSettled(this.work)
  }

  private async readBody(name: string, slot: Extract<DiskSlot, { is: 'answer' }>): Promise<Buffer | DiskBody> {
    const { stamp, bytes } = slot
    const file = await openBody(this.folder.body(name, stamp), bytes)
    try {
      if (bytes > mostWhole) {
        const first = await readBlock(file, stamp, bytes, 0)
        return new DiskBody(file, stamp, bytes, first, () => this.removeBroken(name, stamp))
      }
      const body = await readBody(file, stamp, bytes)
      this.stamps.set(body, stamp)
      await file.close()
      return body
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** Body first, then the head beside it; the rename makes both count, unless something newer is known by then. */
  private write(
    name: string,
    head: string,
    body: { readonly stamp: string; readonly bytes: Buffer } | undefined,
    done: () => void,
  ): void {
    const token = {}
    this.writing.set(name, token)
    const draft = this.folder.draft(name)
    const run = async () => {
      const bodyRoom = body === undefined ? 0 : roomOf(bytesInFile(body.bytes.length))
      try {
        await this.folder.makeFor(name)
        if (body !== undefined) await writeNew(this.folder.body(name, body.stamp), bodyBlocks(body.bytes, body.stamp))
        await writeFile(draft, head, { flag: 'wx', mode: 0o600 })
        // From here to the end nothing comes in between.
        if (this.writing.get(name) !== token) throw new Overtaken()
        renameSync(draft, this.folder.head(name))
        this.entries.set(name, {
          stamp: body?.stamp,
          bodyRoom,
          bytes: bodyRoom + roomOf(Buffer.byteLength(head)),
        })
      } catch (error) {
        this.drop(draft)
        if (body !== undefined) this.drop(this.folder.body(name, body.stamp))
        if (error instanceof Overtaken) return
        this.onTrouble(error as Error)
      } finally {
        if (this.writing.get(name) === token) this.writing.delete(name)
        done()
      }
    }
    this.follow(run())
  }

  /** The head at once; the body, which nothing names then, when there is time. */
  private remove(name: string, entry: DiskEntry | undefined): void {
    this.entries.delete(name)
    try {
      unlinkSync(this.folder.head(name))
    } catch (error) {
      if (!isCode(error, 'ENOENT')) {
        // It cannot be taken back, so none of it may be given.
        this.isShut = true
        this.onTrouble(error as Error)
      }
    }
    if (entry?.stamp !== undefined) this.drop(this.folder.body(name, entry.stamp))
  }

  private removeBroken(name: string, stamp: string): void {
    const entry = this.entries.peek(name)
    if (entry?.stamp === stamp) this.remove(name, entry)
  }

  private drop(path: string): void {
    this.follow(unlink(path).catch(nothing))
  }

  private follow(work: Promise<unknown>): void {
    this.work.add(work)
    void work.finally(() => this.work.delete(work))
  }
}

/** Something newer is known of the key. */
class Overtaken extends Error {}

function isCode(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException).code === code
}

function nothing(): void {}

/** Shorter bodies come into memory when they are asked for; longer ones are read as they go out. */
const mostWhole = 1_048_576
/** Of bodies that wait to be written. */
const mostWaiting = 64 * 1_048_576
const mostAheadMs = 1_000
