// Finds variants whose weight is so small beside the others that they get no slot of their split, and so no user.

import type { Problem } from '../config/problem.ts'
import { ownedCounts, SLOT_COUNT } from '../table/slots.ts'
import type { Split, Table } from '../table/table.ts'

/** One warning for each variant with a weight and without a slot. */
export function smallWeightProblems(table: Table): Problem[] {
  const found = new Map<string, Problem>()
  for (const { path, split, variants } of splitsOf(table)) {
    const owned = ownedCounts(split.slots, variants.length)
    const total = variants.reduce((sum, { weight }) => sum + weight, 0)
    for (const [index, { name, weight }] of variants.entries()) {
      if (weight === 0 || owned[index]! > 0) continue
      const place = `${path}.variants[${index}].weight`
      found.set(place, {
        severity: 'warning',
        code: 'weight-too-small',
        path: place,
        message: `the variant ${name} gets nobody: ${weight} of ${total} is less than one of the split's ${SLOT_COUNT} slots`,
        mend: `Give it at least one part in ${SLOT_COUNT}, or weight 0 to say that it is off.`,
      })
    }
  }
  return [...found.values()]
}

interface SplitRule {
  readonly path: string
  readonly split: Split
  readonly variants: readonly { readonly name: string; readonly weight: number }[]
}

/** A rule comes as often as it has matches. */
function splitsOf(table: Table): SplitRule[] {
  const requests = [...table.httpDoors.values()].flatMap(door =>
    door.listeners.flatMap(({ index }) => index.hosts.flatMap(({ matches }) => matches)),
  )
  const flows = [...table.flowListeners.values()].flatMap(({ matches }) => matches)
  return [
    ...requests.flatMap(({ rule, split, variants }) =>
      split === undefined ? [] : [{ path: rule.path, split, variants }],
    ),
    ...flows.flatMap(({ rule: { path, split, variants } }) => (split === undefined ? [] : [{ path, split, variants }])),
  ]
}
