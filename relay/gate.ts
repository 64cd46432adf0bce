// What a listener lets in and how much that is, over all threads of a relay: counts and limits live in memory that the
// threads share, so that a limit is exact whichever thread a flow comes to. One for each listener; each thread has a view.

import { type Reason, reasons } from '../shared/decide/reason.ts'
import { AddressCounts, createAddressCounts, giveBackAddresses } from './address-counts.ts'
import type { ListenerCounts } from './door.ts'

/** May be sent to any thread. */
export interface GateMemory {
  readonly counts: SharedArrayBuffer
  readonly addresses: SharedArrayBuffer
}

export class Gate {
  readonly addresses: AddressCounts
  private readonly total: Int32Array
  private readonly own: Int32Array
  private readonly pace: BigInt64Array

  /** @param thread its number, from 0 */
  constructor(memory: GateMemory, thread: number) {
    this.pace = new BigInt64Array(memory.counts, 0, 1)
    this.total = new Int32Array(memory.counts, totalAt, 1)
    this.own = ownIn(memory.counts, thread)
    this.addresses = new AddressCounts(memory.addresses, thread)
  }

  /** Counts one that came, whatever becomes of it. */
  come(): void {
    this.own[accepted]! += 1
  }

  /** Takes a place of `most`; false when they are taken. */
  enter(most: number): boolean {
    for (let open = Atomics.load(this.total, 0); open < most; ) {
      const seen = Atomics.compareExchange(this.total, 0, open, open + 1)
      if (seen === open) {
        this.own[isOpen]! += 1
        return true
      }
      open = seen
    }
    return false
  }

  leave(): void {
    this.own[isOpen]! -= 1
    Atomics.sub(this.total, 0, 1)
  }

  refuse(): void {
    this.own[overLimit]! += 1
  }

  failAccept(): void {
    this.own[failedAccepts]! += 1
  }

  /** A session went on on another endpoint. */
  move(): void {
    this.own[moved]! += 1
  }

  /** A datagram went nowhere. */
  drop(reason: Reason): void {
    this.own[droppedFrom + reasonNames.indexOf(reason)]! += 1
  }

  /**
   * Whether one more may come now: a token bucket that holds one second's worth, kept as the time at which it will be
   * full again (GCRA, ITU-T I.371), which is one number that threads can exchange.
   *
   * @param rate in a second
   * @param now milliseconds since 1970
   */
  keepsPace(rate: number, now: number): boolean {
    const nowNs = BigInt(Math.round(now * 1e6))
    const eachNs = BigInt(Math.floor(1e9 / rate))
    for (;;) {
      const full = Atomics.load(this.pace, 0)
      const from = full > nowNs ? full : nowNs
      if (from - nowNs > secondNs - eachNs) return false
      if (Atomics.compareExchange(this.pace, 0, full, from + eachNs) === full) return true
    }
  }
}

/**
 * @param most flows at once
 * @param threads how many will have a view
 */
export function createGate(most: number, threads: number): GateMemory {
  return {
    counts: new SharedArrayBuffer(ownAt + threads * ownBytes),
    addresses: createAddressCounts(most, threads),
  }
}

/** Over all threads, those that have died too. */
export function countsOf({ counts }: GateMemory): ListenerCounts {
  const sum = { accepted: 0, open: 0, overLimit: 0, failedAccepts: 0, moved: 0 }
  const dropped: Partial<Record<Reason, number>> = {}
  for (let at = ownAt; at < counts.byteLength; at += ownBytes) {
    const own = new Int32Array(counts, at, ownWords)
    sum.accepted += own[accepted]!
    sum.open += own[isOpen]!
    sum.overLimit += own[overLimit]!
    sum.failedAccepts += own[failedAccepts]!
    sum.moved += own[moved]!
    for (const [at, reason] of reasonNames.entries()) {
      const count = own[droppedFrom + at]!
      if (count > 0) dropped[reason] = (dropped[reason] ?? 0) + count
    }
  }
  return { ...sum, dropped }
}

/** Takes off what a thread that has died had open, and gives how many that were. */
export function giveBackGate({ counts, addresses }: GateMemory, thread: number): number {
  const own = ownIn(counts, thread)
  const lost = own[isOpen]!
  Atomics.sub(new Int32Array(counts, totalAt, 1), 0, lost)
  own[isOpen] = 0
  giveBackAddresses(addresses, thread)
  return lost
}

function ownIn(counts: SharedArrayBuffer, thread: number): Int32Array {
  return new Int32Array(counts, ownAt + thread * ownBytes, ownWords)
}

const reasonNames = Object.keys(reasons) as readonly Reason[]
/** Words of a thread's own counts. */
const [accepted, isOpen, overLimit, failedAccepts, moved, droppedFrom] = [0, 1, 2, 3, 4, 5]
const ownWords = droppedFrom + reasonNames.length
const totalAt = 8
const ownAt = 64
/** Whole cache lines: threads that count do not wait for each other. */
const ownBytes = 64 * Math.ceil((4 * ownWords) / 64)
const secondNs = 1_000_000_000n
