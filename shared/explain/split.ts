// Why this variant: who the user is to the split, the slot, the shares, and what became of a force or a pin.

import { chooseVariant, readForce, type SplitFacts } from '../decide/variant.ts'
import type { Draw } from '../pool/draw.ts'
import { ownedCounts, SLOT_COUNT } from '../table/slots.ts'
import type { Split } from '../table/table.ts'

export interface SplitExplanation {
  readonly name: string
  readonly by: string
  /** What stood for the user; undefined when a force or a pin decided. */
  readonly user: { readonly from: string; readonly value: string } | undefined
  readonly slot: number | undefined
  readonly variants: readonly {
    readonly name: string
    readonly weight: number
    readonly slots: number
    readonly percent: number
  }[]
  readonly chosen: string
  readonly chosenBy: 'force header' | 'force cookie' | 'pin' | 'weight'
  readonly force: readonly { readonly from: string; readonly value: string; readonly effect: string }[]
  readonly pin: string | undefined
  readonly epoch: number
}

export function explainSplit<Variant extends { readonly name: string; readonly weight: number }>(
  action: { readonly split: Split | undefined; readonly variants: readonly Variant[] },
  facts: SplitFacts,
  draw: Draw,
): SplitExplanation | undefined {
  const { split, variants } = action
  if (split === undefined) return undefined
  const choice = chooseVariant(split, variants, facts, draw)
  const owned = ownedCounts(split.slots, variants.length)
  return {
    name: split.name,
    by: split.by.from === 'address' || split.by.from === 'draw' ? split.by.from : `${split.by.from} ${split.by.name}`,
    user: choice.key,
    slot: choice.slot === -1 ? undefined : choice.slot,
    variants: variants.map((variant, i) => ({
      name: variant.name,
      weight: variant.weight,
      slots: owned[i]!,
      percent: Math.round((owned[i]! / SLOT_COUNT) * 100_000) / 1_000,
    })),
    chosen: choice.variant.name,
    chosenBy: choice.by,
    force: forceWords(split, variants, facts, choice.by),
    pin: pinWords(split, facts, choice.by),
    epoch: split.epoch,
  }
}

function forceWords(
  split: Split,
  variants: readonly { readonly name: string }[],
  facts: SplitFacts,
  chosenBy: string,
): SplitExplanation['force'] {
  const force = split.force
  if (force === undefined) return []
  const said = [
    { kind: 'header', name: force.header?.name, value: force.header && facts.headers[force.header.index] },
    { kind: 'cookie', name: force.cookie?.name, value: force.cookie && facts.cookies[force.cookie.index] },
  ]
  return said.flatMap(({ kind, name, value }) => {
    if (name === undefined || value === undefined) return []
    const isWord = readForce(value, force.to, variants) !== undefined
    const effect =
      chosenBy === `force ${kind}`
        ? 'decided'
        : isWord
          ? 'ignored: the header comes before the cookie'
          : `ignored: neither always, never nor a variant (${variants.map(variant => variant.name).join(', ')})`
    return [{ from: `${kind} ${name}`, value, effect }]
  })
}

function pinWords(split: Split, facts: SplitFacts, chosenBy: string): string | undefined {
  if (split.pin === undefined) return undefined
  const value = facts.signedCookies[split.pin.index]
  if (value === undefined) return `no cookie ${split.pin.cookie}, or one whose signature is not ours`
  if (chosenBy === 'pin') return `cookie ${split.pin.cookie} says ${value}`
  if (chosenBy !== 'weight') return `cookie ${split.pin.cookie} says ${value}; ignored: a force comes before it`
  return `cookie ${split.pin.cookie} says ${value}; ignored: not of epoch ${split.epoch}, or its variant is gone`
}
