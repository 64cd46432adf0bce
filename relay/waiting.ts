// Where flows and requests wait for a place in a pool that is at its limit: first come, first served, so many and so long.
// The queues are in the main thread, for those of all other threads too: order and bound are the same for all.

import type { Reason } from '../shared/decide/reason.ts'
import type { Pool } from '../shared/pool/pool.ts'

export interface WaitingRooms {
  /** By pool name; one without anybody waiting is not there. Empty in a thread that has them elsewhere. */
  readonly queues: Map<string, Waiter[]>
  readonly far: FarRooms | undefined
}

/** Who waits: a flow, or a request. */
export interface Party {
  readonly client: { onClose: () => void; readonly isClosed: boolean }
  cut: (reason: Reason) => void
}

/** The queues as another thread than the main one sees them: how long they are, and whom to tell. */
export interface FarRooms {
  /** By pool index. */
  readonly lengths: Int32Array
  readonly tell: (wish: QueueWish) => void
  /** Of this thread, by the number that it gave them. */
  readonly waiters: Map<number, Waiter>
}

export type QueueWish =
  | { readonly queue: 'join'; readonly pool: string; readonly max: number; readonly waiter: number }
  | { readonly queue: 'leave'; readonly pool: string; readonly waiter: number }
  | { readonly queue: 'call'; readonly pool: string }

export interface Waiter {
  /** Its turn has come, or why it has not. */
  resolve: (outcome: 'turn' | Reason) => void
}

/** A waiter where its flow is. */
export interface OwnWaiter extends Waiter {
  readonly number: number
  readonly flow: Party
  /** `performance.now()` */
  readonly endsAt: number
}

export function openWaitingRooms(far?: FarRooms): WaitingRooms {
  return { queues: new Map(), far }
}

/** Whether somebody waits there already: whoever comes now has to wait too, even when a place has just become free. */
export function isWaitedFor({ queues, far }: WaitingRooms, pool: Pool): boolean {
  return far === undefined ? queues.has(pool.name) : Atomics.load(far.lengths, pool.index) > 0
}

/**
 * Takes the last place in the queue, or undefined when it is full. Then `untilTurn`, which may say so too.
 *
 * @param endsAt of one who has waited before and lost its place in the pool to another
 */
export function joinQueue(rooms: WaitingRooms, pool: Pool, flow: Party, endsAt?: number): OwnWaiter | undefined {
  const { max, timeoutMs } = pool.queue!
  joined += 1
  const waiter: OwnWaiter = { number: joined, flow, resolve: nothing, endsAt: endsAt ?? performance.now() + timeoutMs }
  if (rooms.far !== undefined) {
    rooms.far.waiters.set(joined, waiter)
    rooms.far.tell({ queue: 'join', pool: pool.name, max, waiter: joined })
    return waiter
  }
  return takeLastPlace(rooms, pool.name, max, waiter) ? waiter : undefined
}

/** False when the queue is full. */
export function takeLastPlace({ queues }: WaitingRooms, poolName: string, max: number, waiter: Waiter): boolean {
  const queue = queues.get(poolName) ?? []
  if (queue.length >= max) return false
  queue.push(waiter)
  queues.set(poolName, queue)
  return true
}

/**
 * Waits for the turn, which leaves the waiter where it stands: it leaves by `leaveQueue` or waits on. A Reason says that
 * it waited in vain: its time was up, its client went away, or it was cut.
 */
export function untilTurn(waiter: OwnWaiter): Promise<'turn' | Reason> {
  const { flow } = waiter
  return new Promise(resolve => {
    const done = (outcome: 'turn' | Reason) => {
      clearTimeout(timer)
      flow.client.onClose = nothing
      waiter.resolve = nothing
      resolve(outcome)
    }
    const timer = setTimeout(() => done('queue_timeout'), Math.max(0, waiter.endsAt - performance.now()))
    flow.client.onClose = () => done('client_gone')
    flow.cut = done
    waiter.resolve = done
    if (flow.client.isClosed) done('client_gone')
  })
}

export function leaveQueue(rooms: WaitingRooms, pool: Pool, waiter: OwnWaiter): void {
  const { far } = rooms
  if (far === undefined) leavePlaceIn(rooms, pool.name, waiter)
  else {
    far.waiters.delete(waiter.number)
    far.tell({ queue: 'leave', pool: pool.name, waiter: waiter.number })
  }
}

export function leavePlaceIn({ queues }: WaitingRooms, poolName: string, waiter: Waiter): void {
  const queue = queues.get(poolName)
  if (queue === undefined) return
  const place = queue.indexOf(waiter)
  if (place !== -1) queue.splice(place, 1)
  if (queue.length === 0) queues.delete(poolName)
}

/** Calls the first that waits for this pool: a place may be free. It asks again, and whoever gets one calls the next. */
export function callNext({ queues, far }: WaitingRooms, { name, index }: Pick<Pool, 'name' | 'index'>): void {
  if (far === undefined) queues.get(name)?.[0]?.resolve('turn')
  else if (Atomics.load(far.lengths, index) > 0) far.tell({ queue: 'call', pool: name })
}

/** Places come free without a flow's end too: an endpoint comes back, a reload raises the limit. Asked now and then. */
export function callAll({ queues }: WaitingRooms): void {
  for (const [first] of queues.values()) first?.resolve('turn')
}

let joined = 0

function nothing(): void {}
