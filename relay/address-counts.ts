// How many flows are open by client address, counted over all threads of a relay in memory that they share: exactly, so
// that a limit holds whichever thread the system gives the next flow to.
//
// A table of places in buckets. An address is in the bucket that its hash says or nowhere, and stays at its place until its
// count is 0. Adding looks for the place under a lock; taking off needs none, since the place is known.

import { randomBytes } from 'node:crypto'
import { hash32 } from '../shared/pool/hash.ts'

/** What `add` gives: where the count is; undefined when the limit is reached. */
export type Counted = number

export class AddressCounts {
  private readonly head: Int32Array
  /** Two halves of a hash, and the count over all threads. */
  private readonly high: Int32Array
  private readonly low: Int32Array
  private readonly count: Int32Array
  /** What this thread has added and not taken off. */
  private readonly held: Int32Array
  private readonly owner: number

  constructor(memory: SharedArrayBuffer, thread: number) {
    this.head = new Int32Array(memory, 0, headWords)
    const { places } = sizeOf(memory)
    const column = (at: number) => new Int32Array(memory, 4 * (headWords + at * places), places)
    ;[this.high, this.low, this.count] = [column(0), column(1), column(2)]
    this.held = column(3 + thread)
    this.owner = thread + 1
  }

  /**
   * Counts one more of this address; undefined when `most` are open. A bucket that is full gives undefined too: with half
   * of all places in use, which is the most there can be, about one bucket in a million is.
   */
  add(address: string, most: number): Counted | undefined {
    const { head, high, low, count } = this
    const seed = head[seedWord]!
    const [a, b] = [hash32(address, seed) | 0, hash32(address, ~seed) | 0]
    const from = (a & (count.length / bucketPlaces - 1)) * bucketPlaces
    this.lock()
    try {
      let free = -1
      for (let place = from; place < from + bucketPlaces; place++) {
        const open = Atomics.load(count, place)
        if (open === 0) {
          if (free === -1) free = place
        } else if (high[place] === a && low[place] === b) {
          if (open >= most) return undefined
          free = place
          break
        }
      }
      if (free === -1 || most < 1) return undefined
      high[free] = a
      low[free] = b
      Atomics.add(count, free, 1)
      this.held[free]! += 1
      return free
    } finally {
      this.unlock()
    }
  }

  takeOff(place: Counted): void {
    this.held[place]! -= 1
    Atomics.sub(this.count, place, 1)
  }

  /** Some hundred nanoseconds at most, unless its holder was put aside by the system. */
  private lock(): void {
    const { head, owner } = this
    for (;;) {
      const holder = Atomics.compareExchange(head, lockWord, 0, owner)
      if (holder === 0) return
      Atomics.wait(head, lockWord, holder, longestWaitMs)
    }
  }

  private unlock(): void {
    Atomics.store(this.head, lockWord, 0)
    Atomics.notify(this.head, lockWord, 1)
  }
}

/** @param most flows that may be open at once, of all addresses */
export function createAddressCounts(most: number, threads: number): SharedArrayBuffer {
  const places = 2 ** Math.ceil(Math.log2(Math.max(fewestPlaces, 2 * most)))
  const memory = new SharedArrayBuffer(4 * (headWords + places * (3 + threads)))
  const head = new Int32Array(memory, 0, headWords)
  head[placesWord] = places
  // Nobody outside can know which addresses share a bucket.
  head[seedWord] = randomBytes(4).readInt32LE()
  return memory
}

/** Takes off what a thread that has died had added, and opens the lock if it died with it. */
export function giveBackAddresses(memory: SharedArrayBuffer, thread: number): void {
  const head = new Int32Array(memory, 0, headWords)
  const { places } = sizeOf(memory)
  const count = new Int32Array(memory, 4 * (headWords + 2 * places), places)
  const held = new Int32Array(memory, 4 * (headWords + (3 + thread) * places), places)
  for (const [place, mine] of held.entries()) if (mine !== 0) Atomics.sub(count, place, mine)
  held.fill(0)
  if (Atomics.compareExchange(head, lockWord, thread + 1, 0) === thread + 1) Atomics.notify(head, lockWord)
}

function sizeOf(memory: SharedArrayBuffer): { readonly places: number } {
  return { places: new Int32Array(memory, 0, headWords)[placesWord]! }
}

/** 0, or the number of the thread that has it, from 1. */
const lockWord = 0
const placesWord = 1
const seedWord = 2
const headWords = 4
const bucketPlaces = 64
const fewestPlaces = 4_096
/** A thread that dies with the lock is noticed by another, which opens it: so nobody waits without looking again. */
const longestWaitMs = 10
