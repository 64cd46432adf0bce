// From which of its addresses the relay asks endpoints that hold the virtual address too: what comes from that one they
// answer to themselves. Over IPv6 the system would pick it, since a /128 fits any peer better than a /64 (RFC 6724,
// section 5, rule 8), unless it was given as deprecated.

import { cidrContains, parseAddress, parseCidr } from '../../shared/wire/address.ts'
import type { Interface } from './ground.ts'
import type { KernelListener } from './ruleset.ts'
import { poolsOf } from './steer.ts'
import { familyOf, targetsOf } from './targets.ts'

/** By the IP address of an endpoint; where none of ours is on its network the system has to pick. */
export function sourcesOf(
  listeners: readonly KernelListener[],
  interfaces: readonly Interface[],
): ReadonlyMap<string, string> {
  const virtual = new Set(listeners.map(({ host }) => host))
  const sources = new Map<string, string>()
  for (const listener of listeners) {
    if (listener.kernel.mode !== 'dsr') continue
    const own = (interfaces.find(({ name }) => name === listener.kernel.interface)?.addresses ?? []).filter(
      ({ ip }) => !virtual.has(ip),
    )
    for (const { ip } of targetsOf(poolsOf(listener), familyOf(listener))) {
      const peer = parseAddress(ip)!
      const source = own.find(each => cidrContains(parseCidr(`${each.ip}/${each.prefix}`)!, peer))
      if (source !== undefined) sources.set(ip, source.ip)
    }
  }
  return sources
}
