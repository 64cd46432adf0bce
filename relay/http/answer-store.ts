// Stored answers of one thread: in memory, and behind that on disk where the config says so. In both the least recently
// used go first when the budget is used up.

import { randomUUID } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Found } from '../../shared/cache/exchange.ts'
import type { StoredAnswer } from '../../shared/cache/stored.ts'
import { fits, selectingValues } from '../../shared/cache/vary.ts'
import type { Encoding } from '../../shared/http/compress.ts'
import type { HeaderFields } from '../../shared/http/header-fields.ts'
import { DiskBody } from './disk-body.ts'
import { type DiskFound, type DiskLook, type DiskPlace, DiskStore } from './disk-store.ts'
import { encodeWhole } from './encode.ts'

/** In memory, or a file that is open. */
export type StoredBody = Buffer | DiskBody

type Looked = Found<StoredBody> | 'vary-miss' | undefined

/** Under a key: the answer, or by which request fields the answers are told apart; and bodies in encoded form. */
type Slot =
  | { readonly is: 'answer'; readonly stored: StoredAnswer; readonly body: Buffer }
  | Index
  | { readonly is: 'encoded'; readonly bytes: Buffer }

type Index = { readonly is: 'index'; readonly names: readonly string[]; readonly word: string }

export class AnswerStore {
  private slots: LRUCache<string, Slot>
  private disk: DiskStore | undefined
  /** Keys whose answers on disk, which is not open yet, are out of date; `all` when there are too many to tell. */
  private outdated: Set<string> | 'all' | undefined
  /** By key that is being read from disk: how many read it, and how often it was kept or forgotten meanwhile. */
  private readonly reads = new Map<string, { readers: number; changes: number }>()
  private readonly bodyNames = new WeakMap<Buffer, number>()
  private bodies = 0
  private readonly encoding = new Map<string, Promise<Buffer>>()

  /**
   * @param maxBytes in memory, of heads and bodies together; 0 stores nothing
   * @param willHaveDisk `useDisk` will be called some time
   */
  constructor(maxBytes: number, willHaveDisk = false) {
    this.slots = slotsOf(maxBytes)
    this.outdated = willHaveDisk ? new Set() : undefined
  }

  /** From now on it is so many bytes of memory; what there is too much goes. */
  resize(maxBytes: number): void {
    if (maxBytes === this.slots.maxSize) return
    const before = this.slots
    this.slots = slotsOf(maxBytes)
    // From the one that was asked for the longest ago to the last one.
    for (const [key, slot] of before.rentries() as Iterable<[string, Slot]>) this.slots.set(key, slot)
  }

  /** What all of it takes in memory. */
  get bytes(): number {
    return this.slots.calculatedSize
  }

  /** Nothing was ever stored, or all of it is gone. */
  get isEmpty(): boolean {
    return this.slots.size === 0 && this.disk === undefined && this.outdated === undefined
  }

  /** At once where memory knows; from disk otherwise. */
  look(key: string, request: HeaderFields): Looked | Promise<Looked> {
    const slot = this.slots.get(key)
    if (this.disk !== undefined) {
      if (slot?.is === 'answer') return foundOf(slot, request)
      return this.lookDeep(this.disk, key, slot, request)
    }
    if (slot === undefined) return undefined
    return foundOf(slot.is === 'index' ? this.slots.get(divided(key, slot, request)) : slot, request)
  }

  private async lookDeep(
    disk: DiskStore,
    key: string,
    known: Slot | undefined,
    request: HeaderFields,
  ): Promise<Looked> {
    const slot = known ?? (await this.fromDisk(disk, key))
    if (slot === undefined) return undefined
    if (slot.is !== 'index') return foundOf(slot, request)
    const inner = divided(key, slot, request)
    return foundOf(this.slots.get(inner) ?? (await this.fromDisk(disk, inner)), request)
  }

  /** What is short comes into memory. What was kept or forgotten while it was read is what counts. */
  private async fromDisk(disk: DiskStore, key: string): Promise<Slot | DiskLook | undefined> {
    const read = this.reads.get(key) ?? { readers: 0, changes: 0 }
    this.reads.set(key, read)
    read.readers += 1
    const { changes } = read
    const slot = await disk.look(key)
    read.readers -= 1
    if (read.readers === 0) this.reads.delete(key)
    if (changes !== read.changes) {
      if (slot?.is === 'answer' && slot.body instanceof DiskBody) slot.body.release()
      return this.slots.get(key)
    }
    if (slot === undefined) return undefined
    if (slot.is === 'index') this.slots.set(key, slot)
    else if (slot.body instanceof Buffer) this.slots.set(key, { is: 'answer', stored: slot.stored, body: slot.body })
    return slot
  }

  /** What an older index led to stays out of reach: the word of a new one is new. */
  keep(key: string, stored: StoredAnswer, body: Buffer, request: HeaderFields): void {
    const at = this.placeFor(key, stored, request)
    this.noteChange(at)
    this.slots.set(at, { is: 'answer', stored, body })
    this.disk?.keep(at, { is: 'answer', stored, body })
  }

  /** A new head over a body that is stored. */
  renew(key: string, stored: StoredAnswer, body: StoredBody, request: HeaderFields): void {
    const at = this.placeFor(key, stored, request)
    this.noteChange(at)
    const isOnDisk = this.disk?.renew(at, stored, body) === true
    if (body instanceof DiskBody) {
      if (!isOnDisk) this.forgetAt(at)
      return
    }
    this.slots.set(at, { is: 'answer', stored, body })
    if (!isOnDisk) this.disk?.keep(at, { is: 'answer', stored, body })
  }

  forget(key: string): void {
    this.noteChange(key)
    this.forgetAt(key)
  }

  private forgetAt(key: string): void {
    this.slots.delete(key)
    this.disk?.forget(key)
  }

  /** Where the answer goes: under the key, or under one that the key's index leads to. */
  private placeFor(key: string, stored: StoredAnswer, request: HeaderFields): string {
    if (stored.vary.length === 0) return key
    const names = stored.vary.map(([name]) => name)
    const known = this.slots.get(key)
    const isSame = known?.is === 'index' && known.names.join() === names.join()
    const index: Index = isSame ? known : { is: 'index', names, word: randomUUID() }
    if (!isSame) {
      this.noteChange(key)
      this.slots.set(key, index)
      this.disk?.keep(key, index)
    }
    return divided(key, index, request)
  }

  /**
   * The same body encoded. The encoded form is kept beside the answer, out of the same budget, and made once however many
   * ask for it meanwhile.
   */
  encoded(body: Buffer, encoding: Encoding): Promise<Buffer> | Buffer {
    let name = this.bodyNames.get(body)
    if (name === undefined) {
      this.bodies += 1
      name = this.bodies
      this.bodyNames.set(body, name)
    }
    // No key of an answer has a space in it.
    const key = `${encoding} ${name}`
    const slot = this.slots.get(key)
    if (slot?.is === 'encoded') return slot.bytes
    const underWay = this.encoding.get(key)
    if (underWay !== undefined) return underWay
    const work = encodeWhole(body, encoding)
      .then(bytes => {
        this.slots.set(key, { is: 'encoded', bytes })
        return bytes
      })
      .finally(() => this.encoding.delete(key))
    this.encoding.set(key, work)
    return work
  }

  /** Answers are kept there too from now on, and those that are there are given. Resolves when they are known. */
  useDisk(place: DiskPlace, now: () => number, onTrouble: (error: Error) => void): Promise<DiskFound> {
    const { outdated } = this
    this.outdated = undefined
    const disk = new DiskStore(place, now, onTrouble)
    if (outdated instanceof Set) for (const key of outdated) disk.forget(key)
    this.disk = disk
    return disk.begin(outdated === 'all')
  }

  /** Another relay may have the disk when this resolves. */
  async leaveDisk(): Promise<void> {
    await this.disk?.leave()
  }

  /** Resolves when what was kept is on disk. */
  async settled(): Promise<void> {
    await this.disk?.settled()
  }

  private noteChange(key: string): void {
    const read = this.reads.get(key)
    if (read !== undefined) read.changes += 1
    if (!(this.outdated instanceof Set)) return
    if (this.outdated.size < mostOutdated) this.outdated.add(key)
    else this.outdated = 'all'
  }
}

function foundOf(slot: Slot | DiskLook | undefined, request: HeaderFields): Looked {
  if (slot === undefined || slot.is !== 'answer' || !fits(slot.stored.vary, request)) {
    if (slot?.is === 'answer' && slot.body instanceof DiskBody) slot.body.release()
    return 'vary-miss'
  }
  const { stored, body } = slot
  return { stored, bytes: body.length, body }
}

function slotsOf(maxBytes: number): LRUCache<string, Slot> {
  return new LRUCache({ maxSize: Math.max(1, maxBytes), sizeCalculation: sizeOf })
}

function divided(key: string, { names, word }: Index, request: HeaderFields): string {
  return `${key}/${word}/${JSON.stringify(selectingValues(names, request).map(([, value]) => value))}`
}

/** About what it holds: the body, the fields, and what an object costs. */
function sizeOf(slot: Slot, key: string): number {
  if (slot.is === 'index') return key.length + perSlot
  if (slot.is === 'encoded') return key.length + perSlot + slot.bytes.length
  const { stored, body } = slot
  let bytes = key.length + perSlot + body.length
  for (const [name, value] of stored.fields) bytes += name.length + value.length + perField
  return bytes
}

const perSlot = 512
const perField = 64
/** Keys of answers that were changed before the disk could be used. */
const mostOutdated = 10_000
