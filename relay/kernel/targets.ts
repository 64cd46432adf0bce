// Endpoints as the kernel knows them: an address, a port, and a number that stands for it in marks.

import { hash32 } from '../../shared/pool/hash.ts'
import { isDown, type Observed } from '../../shared/pool/observed.ts'
import type { Endpoint, Pool } from '../../shared/pool/pool.ts'
import { view } from '../../shared/pool/view.ts'
import { parseAddress } from '../../shared/wire/address.ts'
import type { KernelListener } from './ruleset.ts'

export interface Target {
  readonly name: string
  readonly ip: string
  readonly port: number
  /** Made of the address alone, so that it is the same after a restart: pins that the kernel learned still mean it. */
  readonly mark: number
}

/** Undefined for a name that is not resolved, or an address of another family. */
export function targetOf({ name, address }: Endpoint, family: 4 | 6): Target | undefined {
  const ip = parseAddress(address.ip ?? address.host)
  if (ip === undefined || ip.family !== family) return undefined
  return { name, ip: ip.text, port: address.port, mark: family === 4 ? ip.words[0]! : hash32(ip.text) || 1 }
}

/** Every target of the pools, each once, in the order of the config. */
export function targetsOf(pools: readonly Pool[], family: 4 | 6): Target[] {
  const targets = new Map<string, Target>()
  for (const pool of pools) {
    for (const endpoint of pool.endpoints) {
      const target = targetOf(endpoint, family)
      if (target !== undefined && !targets.has(`${target.ip} ${target.port}`)) {
        targets.set(`${target.ip} ${target.port}`, target)
      }
    }
  }
  return [...targets.values()]
}

/**
 * Those whose flows may stay: not down, or so few are up that all are used. One that drains keeps its flows, and so does
 * one that a reload took out, for a while.
 */
export function liveTargets(
  pools: readonly Pool[],
  family: 4 | 6,
  observed: Observed,
  now: number,
  leaving: readonly Target[] = [],
): Target[] {
  const live = new Map(leaving.map(target => [`${target.ip} ${target.port}`, target]))
  for (const pool of pools) {
    const { places } = view(pool, observed, now)
    for (const [place, endpoint] of pool.endpoints.entries()) {
      const target = targetOf(endpoint, family)
      if (target === undefined || ((observed.flags[endpoint.slot]! & isDown) !== 0 && places[place] === -1)) continue
      live.set(`${target.ip} ${target.port}`, target)
    }
  }
  return [...live.values()]
}

export function familyOf(listener: KernelListener): 4 | 6 {
  return listener.host.includes(':') ? 6 : 4
}
