// File descriptors that are left. With none at all libuv takes waiting connections and closes them by itself
// (`uv__emfile_trick`): their clients see an orderly end, and we see nothing. So some are left free to accept with, and each
// flow that waits before it is connected keeps the one that its endpoint will need.

import { closeSync, openSync, readFileSync, statSync } from 'node:fs'
import { type Connection, type Flow, isConnection } from './flow.ts'

/** Whether a relay is near its limit: then flows keep descriptors. */
export interface Descriptors {
  areShort: boolean
  /** How many threads share them; each has about as many flows as the others. */
  readonly threads: number
}

/**
 * How many this process may have; undefined when the system does not say. Node raises its own limit to the hard one
 * when it starts, so that is the one in force.
 */
export function descriptorLimit(): number | undefined {
  try {
    const line = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8'))
    return line === null || line[1] === 'unlimited' ? undefined : Number(line[1])
  } catch {
    return undefined
  }
}

/** How many local ports the system gives out (`net.ipv4.ip_local_port_range`, for IPv6 too); undefined when it does not say. */
export function localPorts(): number | undefined {
  try {
    const [first, last] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').trim().split(/\s+/).map(Number)
    return last! - first! + 1
  } catch {
    return undefined
  }
}

/**
 * Whether a flow just accepted may stay: there is a descriptor for its endpoint, and more to accept with. Only where
 * so many flows make it possible that there is none; from there on a flow keeps the first one until it is connected, and
 * so do those that wait already. What they wait for (a PROXY header, a ClientHello, a place in the pool) may come for all
 * of them at once.
 *
 * @param others accepted before and not over yet
 */
export function mayStay(descriptors: Descriptors, flow: Connection, others: ReadonlySet<Flow>): boolean {
  const wereShort = descriptors.areShort
  descriptors.areShort = mayBeShort(descriptors, 2 * others.size)
  if (!descriptors.areShort) return true
  if (!wereShort) {
    for (const other of others) if (isConnection(other) && other.side === undefined) keepDescriptor(other)
  }
  if (!keepDescriptor(flow)) return false
  const isEnough = areLeft(toAcceptWith(descriptors))
  if (!isEnough) freeDescriptor(flow)
  return isEnough
}

/** Whether a session may begin: it takes a descriptor at once, and others have to be left to accept with. */
export function mayBegin(descriptors: Descriptors, others: ReadonlySet<Flow>): boolean {
  return !mayBeShort(descriptors, 2 * others.size) || areLeft(1 + toAcceptWith(descriptors))
}

/**
 * Whether a connection of an `http` listener may stay. Each may ask for a connection to an endpoint next; which of them
 * have one nobody can say, since they are shared.
 *
 * @param others of the same listener and thread
 */
export function mayAsk(descriptors: Descriptors, others: number): boolean {
  if (!mayBeShort(descriptors, 2 * others)) return true
  return areLeft(1 + others * descriptors.threads + toAcceptWith(descriptors))
}

/** Whether one more connection to an endpoint may be opened for requests: others have to be left to accept with. */
export function mayConnect(descriptors: Descriptors): boolean {
  return limit === Number.POSITIVE_INFINITY || areLeft(1 + toAcceptWith(descriptors))
}

function mayBeShort({ threads }: Descriptors, mine: number): boolean {
  return mine * threads + farFromFull >= limit
}

/** Each thread may take one for a client, and one more that it gives back, before it knows of what the others took. */
function toAcceptWith({ threads }: Descriptors): number {
  return threads === 1 ? 1 : 2 * threads
}

/**
 * Linux says since 6.2 how many are open. Elsewhere they are taken to see whether they are there: another thread that
 * accepts at that very moment may find none.
 */
function areLeft(count: number): boolean {
  const open = statSync('/proc/self/fd', { throwIfNoEntry: false })?.size ?? 0
  if (open > 0) return limit - open >= count
  const taken: number[] = []
  while (taken.length < count) {
    const one = openOne()
    if (one === undefined) break
    taken.push(one)
  }
  for (const one of taken) closeSync(one)
  return taken.length === count
}

/** Takes one that `freeDescriptor` gives back. False when none is left. */
export function keepDescriptor(flow: Connection): boolean {
  flow.kept ??= openOne()
  return flow.kept !== undefined
}

/** Whoever opens a connection next gets it. False when the flow kept none. */
export function freeDescriptor(flow: Connection): boolean {
  if (flow.kept === undefined) return false
  closeSync(flow.kept)
  flow.kept = undefined
  return true
}

function openOne(): number | undefined {
  try {
    return openSync('/dev/null', 'r')
  } catch {
    return undefined
  }
}

const limit = descriptorLimit() ?? Number.POSITIVE_INFINITY
/** Those that are no flow's: Node's own, probes, the operator's port. */
const farFromFull = 512
