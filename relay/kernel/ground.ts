// What is known of the machine and its segment: addresses, interfaces, and the MAC of each endpoint, asked again and again.

import { createSocket } from 'node:dgram'
import { readFile } from 'node:fs/promises'
import type { Run } from './run.ts'

export interface Interface {
  readonly name: string
  readonly mac: string
  readonly mtu: number
  readonly isUp: boolean
  readonly addresses: readonly { readonly ip: string; readonly prefix: number }[]
}

interface RawInterface {
  readonly ifname: string
  readonly address?: string
  readonly mtu?: number
  readonly flags?: readonly string[]
  readonly addr_info?: readonly { readonly local?: string; readonly prefixlen?: number }[]
}

interface RawNeighbour {
  readonly dst?: string
  readonly lladdr?: string
  readonly state?: readonly string[]
}

/** Undefined when `ip` is not there or says nothing that can be read. */
export async function readInterfaces(run: Run): Promise<readonly Interface[] | undefined> {
  const list = await readJson<RawInterface>(run, ['-j', 'address', 'show'])
  return list?.map(({ ifname, address, mtu, flags, addr_info }) => ({
    name: ifname,
    mac: address ?? '',
    mtu: mtu ?? 0,
    isUp: flags?.includes('UP') ?? false,
    addresses: (addr_info ?? []).flatMap(({ local, prefixlen }) =>
      local === undefined ? [] : [{ ip: local, prefix: prefixlen ?? 128 }],
    ),
  }))
}

/** MACs by IP address on one interface; those that do not answer are not in it. */
export async function readNeighbours(run: Run, device: string): Promise<Map<string, string> | undefined> {
  const list = await readJson<RawNeighbour>(run, ['-j', 'neigh', 'show', 'dev', device])
  if (list === undefined) return undefined
  return new Map(
    list.flatMap(({ dst, lladdr, state }) => {
      const isLost = state?.some(word => word === 'FAILED' || word === 'INCOMPLETE') ?? false
      return dst === undefined || lladdr === undefined || isLost ? [] : [[dst, lladdr] as const]
    }),
  )
}

/**
 * Sends an empty datagram to each, so that the kernel looks for their MACs, or sees whether they still hold. They go to
 * the discard port (RFC 863); what comes back is not read.
 */
export async function poke(ips: readonly string[]): Promise<void> {
  for (const family of [4, 6] as const) {
    const mine = ips.filter(ip => ip.includes(':') === (family === 6))
    if (mine.length === 0) continue
    const socket = createSocket(family === 4 ? 'udp4' : 'udp6')
    // Without a descriptor left nothing is ever sent, and this alone is said.
    const failed = new Promise(resolve => socket.on('error', resolve))
    const sent = Promise.all(mine.map(ip => new Promise(done => socket.send('', discardPort, ip, done))))
    await Promise.race([sent, failed])
    socket.close()
  }
}

/** Undefined where the kernel has no such setting. */
export async function sysctl(name: string): Promise<string | undefined> {
  try {
    return (await readFile(`/proc/sys/${name.replaceAll('.', '/')}`, 'utf8')).trim()
  } catch {
    return undefined
  }
}

async function readJson<Item>(run: Run, args: readonly string[]): Promise<readonly Item[] | undefined> {
  const { code, stdout } = await run('ip', args)
  if (code !== 0) return undefined
  try {
    // ip says nothing at all where there is nothing to list.
    return stdout.trim() === '' ? [] : (JSON.parse(stdout) as readonly Item[])
  } catch {
    return undefined
  }
}

const discardPort = 9
