// How full the kernel's table of connections is: NAT loses new flows when it overflows, and says so nowhere else.

import { readFile } from 'node:fs/promises'

export interface Conntrack {
  readonly entries: number
  readonly max: number
}

/** Undefined where the kernel tracks nothing. */
export async function readConntrack(): Promise<Conntrack | undefined> {
  try {
    const read = async (name: string) => Number(await readFile(`/proc/sys/net/netfilter/nf_conntrack_${name}`, 'utf8'))
    return { entries: await read('count'), max: await read('max') }
  } catch {
    return undefined
  }
}

/** From here on it is said aloud; again only when it has been below `calmAgain`. */
export const fullFrom = 0.8
export const calmAgain = 0.7
