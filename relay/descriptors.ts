// File descriptors that are left. With none at all libuv takes waiting connections and closes them by itself
// (`uv__emfile_trick`): their clients see an orderly end, and we see nothing. So one is kept free to accept with.

import { closeSync, openSync, readFileSync } from 'node:fs'

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

/**
 * Whether a connection just accepted would take the last one together with its endpoint's. Tried out, by opening two,
 * only where so many flows make it possible.
 */
export function isLast(flows: number): boolean {
  if (2 * flows + farFromFull < limit) return false
  let first: number | undefined
  try {
    first = openSync('/dev/null', 'r')
    closeSync(openSync('/dev/null', 'r'))
    return false
  } catch {
    return true
  } finally {
    if (first !== undefined) closeSync(first)
  }
}

const limit = descriptorLimit() ?? Number.POSITIVE_INFINITY
/** Those that are no flow's: Node's own, probes, the operator's port. */
const farFromFull = 512
