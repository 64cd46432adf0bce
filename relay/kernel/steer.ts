// What NAT and direct server return have in common: which pool a flow goes to, as rules, and which endpoint, as a map.

import { kernelKey, kernelSeed } from '../../shared/decide/kernel.ts'
import { flowSlots } from '../../shared/pool/flow-slots.ts'
import { maglevSize } from '../../shared/pool/maglev.ts'
import type { Observed } from '../../shared/pool/observed.ts'
import type { Endpoint, Pool } from '../../shared/pool/pool.ts'
import { SLOT_COUNT } from '../../shared/table/slots.ts'
import type { FlowListener, Split } from '../../shared/table/table.ts'
import { plain } from './names.ts'
import type { KernelListener } from './ruleset.ts'

/** One for each pool that a listener may send to. */
export interface Lane {
  readonly pool: Pool
  /** Of its chain and its map. */
  readonly name: string
  readonly key: 'flow' | 'address'
}

/** Every pool that a listener may send to, each once. */
export function poolsOf(listener: KernelListener): Pool[] {
  return [...new Set(listener.matches.flatMap(({ rule }) => rule.variants.map(({ pool }) => pool)))]
}

export function lanesOf(listener: KernelListener, id: string): Lane[] {
  return poolsOf(listener).map(pool => ({
    pool,
    name: `${id}.to.${plain(pool.name)}`,
    key: kernelKey(listener.kernel, pool),
  }))
}

/**
 * Clients that the listener does not take. Asked of new flows only, as at every door: one that is under way goes on. A
 * connection is reset by the kernel itself, since another program may listen at the virtual address; a datagram is dropped.
 */
export function denyRules({ allow, deny, kind }: KernelListener, family: 4 | 6, id: string): string[] {
  const textsOf = (cidrs: FlowListener['allow']) => cidrs.filter(cidr => cidr.family === family).map(({ text }) => text)
  const source = family === 4 ? 'ip saddr' : 'ip6 saddr'
  const refusal = `counter name "${id}.denied" ${kind === 'tcp' ? 'reject with tcp reset' : 'drop'}`
  const [taken, refused] = [textsOf(allow), textsOf(deny)]
  const onlyTaken = taken.length === 0 ? refusal : `${source} != { ${taken.join(', ')} } ${refusal}`
  return [
    ...(allow.length === 0 ? [] : [onlyTaken]),
    ...(refused.length === 0 ? [] : [`${source} { ${refused.join(', ')} } ${refusal}`]),
  ]
}

/** One rule for each match, in rank order; a split is a draw by client address, of the split's own slots. */
export function steerRules(listener: KernelListener, family: 4 | 6, lanes: readonly Lane[]): string[] {
  const laneOf = (pool: Pool) => lanes.find(lane => lane.pool === pool)!.name
  const protocol = family === 4 ? 'ip' : 'ip6'
  return listener.matches.flatMap(({ rule, cidrs }) => {
    const mine = cidrs.filter(cidr => cidr.family === family)
    if (cidrs.length > 0 && mine.length === 0) return []
    const condition = mine.length === 0 ? '' : `${protocol} saddr { ${mine.map(({ text }) => text).join(', ')} } `
    const { split, variants } = rule
    if (split === undefined) return [`${condition}goto ${laneOf(variants[0]!.pool)}`]
    return [`${condition}${splitDraw(split, family, owner => laneOf(variants[owner]!.pool))}`]
  })
}

/** The kernel has a hash of its own: the same clients as on other planes in number, and not the same ones. */
function splitDraw({ seed, slots }: Split, family: 4 | 6, laneOf: (owner: number) => string): string {
  const ranges = slots.starts.map((start, at) => {
    const end = (slots.starts[at + 1] ?? SLOT_COUNT) - 1
    return `${start === end ? start : `${start}-${end}`} : goto ${laneOf(slots.owners[at]!)}`
  })
  return `jhash ${addressKey(family)} mod ${SLOT_COUNT} seed ${kernelSeed(seed)} vmap { ${ranges.join(', ')} }`
}

/**
 * A slot of the flow. The seed is always said: without one each load would hash anew. Sources are read from where they
 * stand, since nft 1.0.6 keeps no types of its own apart in one map.
 */
export function slotDraw(key: string, seed: number): string {
  return `jhash ${key} mod ${maglevSize} seed ${seed}`
}

/** What stands for a client: an IPv4 address whole, an IPv6 address as its /64, as `splitKeyOf` has it. */
export function addressKey(family: 4 | 6): string {
  return family === 4 ? '@nh,96,32' : '@nh,64,64'
}

/** By slot what stands for the endpoint there; slots without one are left out. */
export function slotElements(
  pool: Pool,
  observed: Observed,
  now: number,
  seed: number,
  wordOf: (endpoint: Endpoint) => string | undefined,
): Map<string, string> {
  const words = pool.endpoints.map(wordOf)
  const wordAt = new Map(pool.endpoints.map((endpoint, place) => [endpoint, words[place]]))
  const slots = flowSlots(pool, observed, now, seed, endpoint => wordAt.get(endpoint) !== undefined)
  const elements = new Map<string, string>()
  for (let slot = 0; slot < slots.length; slot++) {
    const word = slots[slot] === -1 ? undefined : words[slots[slot]!]
    if (word !== undefined) elements.set(String(slot), word)
  }
  return elements
}

/** What a slot is in a declaration: nft 1.0.6 has a type for hashes of this kind only. */
export const slotType = `numgen inc mod ${maglevSize}`
/** The longest that any rule of the listener lets a flow be silent, in whole seconds. */
export function idleSeconds(listener: KernelListener): number {
  const longest = listener.matches.reduce((most, { rule }) => Math.max(most, rule.timeouts.idleMs), 1000)
  return Math.ceil(longest / 1000)
}
