// Where flows and requests wait for a place in a pool that is at its limit: first come, first served, so many and so long.

import type { Reason } from '../shared/decide/reason.ts'
import type { Pool } from '../shared/pool/pool.ts'

export interface WaitingRooms {
  /** By pool name; one without anybody waiting is not there. */
  readonly queues: Map<string, Waiter[]>
}

/** Who waits: a flow, or a request. */
export interface Party {
  readonly client: { onClose: () => void; readonly isClosed: boolean }
  cut: (reason: Reason) => void
}

export interface Waiter {
  readonly flow: Party
  /** Its turn has come, or why it has not. */
  resolve: (outcome: 'turn' | Reason) => void
  /** `performance.now()` */
  readonly endsAt: number
}

export function openWaitingRooms(): WaitingRooms {
  return { queues: new Map() }
}

/** Whether somebody waits there already: whoever comes now has to wait too, even when a place has just become free. */
export function isWaitedFor(rooms: WaitingRooms, pool: Pool): boolean {
  return rooms.queues.has(pool.name)
}

/** Takes the last place in the queue, or undefined when it is full. Then `untilTurn`. */
export function joinQueue(rooms: WaitingRooms, pool: Pool, flow: Party): Waiter | undefined {
  const { max, timeoutMs } = pool.queue!
  let queue = rooms.queues.get(pool.name)
  if (queue === undefined) {
    queue = []
    rooms.queues.set(pool.name, queue)
  } else if (queue.length >= max) return undefined
  const waiter: Waiter = { flow, resolve: nothing, endsAt: performance.now() + timeoutMs }
  queue.push(waiter)
  return waiter
}

/**
 * Waits for the turn, which leaves the waiter where it stands: it leaves by `leaveQueue` or waits on. A Reason says that
 * it waited in vain: its time was up, its client went away, or it was cut.
 */
export function untilTurn(waiter: Waiter): Promise<'turn' | Reason> {
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

export function leaveQueue(rooms: WaitingRooms, pool: Pool, waiter: Waiter): void {
  const queue = rooms.queues.get(pool.name)
  if (queue === undefined) return
  const place = queue.indexOf(waiter)
  if (place !== -1) queue.splice(place, 1)
  if (queue.length === 0) rooms.queues.delete(pool.name)
}

/** Calls the first that waits for this pool: a place may be free. It asks again, and whoever gets one calls the next. */
export function callNext(rooms: WaitingRooms, poolName: string): void {
  rooms.queues.get(poolName)?.[0]?.resolve('turn')
}

/** Places come free without a flow's end too: an endpoint comes back, a reload raises the limit. Asked now and then. */
export function callAll(rooms: WaitingRooms): void {
  for (const name of rooms.queues.keys()) callNext(rooms, name)
}

function nothing(): void {}
