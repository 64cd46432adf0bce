// What the kernel will do with a flow of a listener it serves, unless it knows the flow already: the same slots, drawn by
// the kernel's own hash.

import { flowSlots } from '../pool/flow-slots.ts'
import { jhashSlot } from '../pool/jhash.ts'
import { maglevSize } from '../pool/maglev.ts'
import type { Observed } from '../pool/observed.ts'
import type { Endpoint, Pool } from '../pool/pool.ts'
import { ownerAt, SLOT_COUNT } from '../table/slots.ts'
import type { FlowListener, FlowRule, FlowVariant, Split } from '../table/table.ts'
import type { Address } from '../wire/address.ts'
import type { FlowFacts } from './facts.ts'

type Kernel = NonNullable<FlowListener['kernel']>

/** The variant of a rule; undefined facts of the client leave the first one. */
export function kernelVariant(rule: FlowRule, address: Address | undefined): FlowVariant {
  const { split, variants } = rule
  if (split === undefined || address === undefined) return variants[0]!
  return variants[ownerAt(split.ranges, kernelSplitSlot(split, address))]!
}

export function kernelSplitSlot(split: Split, address: Address): number {
  return jhashSlot(clientBytes(address), SLOT_COUNT, kernelSeed(split.seed))
}

/** A seed as nftables takes it: 31 bits. */
export function kernelSeed(seed: number): number {
  return seed & 0x7fff_ffff
}

/** Undefined when no endpoint may be used, as far as is known here: whether they answer for their addresses is not. */
export function kernelEndpoint(kernel: Kernel, pool: Pool, facts: FlowFacts, observed: Observed): Endpoint | undefined {
  if (facts.address === undefined) return undefined
  const bytes =
    kernelKey(kernel, pool) === 'address' ? clientBytes(facts.address) : flowBytes(facts.address, facts.clientPort)
  const slots = flowSlots(pool, observed, facts.now, kernel.seed, () => true)
  return pool.endpoints[slots[jhashSlot(bytes, maglevSize, kernel.seed)]!]
}

/** What picks the endpoint: what the listener says, else as the pool's balance has it. */
export function kernelKey({ key }: Kernel, { balance }: Pool): 'flow' | 'address' {
  return key ?? (balance.by === 'hash' && balance.key.from === 'address' ? 'address' : 'flow')
}

/** An IPv4 address whole, an IPv6 address as its /64. */
function clientBytes({ words }: Address): Uint8Array {
  return bytesOf(words.slice(0, words.length === 1 ? 1 : 2))
}

/** The port stands in a register of four bytes of its own. */
function flowBytes({ words }: Address, port: number): Uint8Array {
  return bytesOf([...words, port * 0x1_0000])
}

function bytesOf(words: readonly number[]): Uint8Array {
  return Uint8Array.from(words.flatMap(word => [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255]))
}
