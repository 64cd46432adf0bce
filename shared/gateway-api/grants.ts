// ReferenceGrants: who may refer into which namespace.

import * as z from 'zod'
import type { Manifest } from './manifests.ts'
import type { Notes } from './notes.ts'
import { readShape } from './shape.ts'
import { name, objectOf } from './words.ts'

export interface Grants {
  /** Whether an object may refer to another; inside one namespace always. */
  allows(from: Reference, to: Reference & { readonly name: string }): boolean
}

export interface Reference {
  readonly group: string
  readonly kind: string
  readonly namespace: string
}

export function readGrants(manifests: readonly Manifest[], notes: Notes): Grants {
  const grants = manifests.flatMap(manifest => {
    const shape = readShape(manifest, referenceGrant, notes)
    return shape === undefined ? [] : [{ namespace: manifest.namespace, ...shape.spec }]
  })
  return {
    allows(from, to) {
      if (from.namespace === to.namespace) return true
      return grants.some(
        grant =>
          grant.namespace === to.namespace &&
          grant.from.some(
            ({ group, kind, namespace }) => group === from.group && kind === from.kind && namespace === from.namespace,
          ) &&
          grant.to.some(
            ({ group, kind, name: only }) =>
              group === to.group && kind === to.kind && (only === undefined || only === '' || only === to.name),
          ),
      )
    },
  }
}

const referenceGrant = objectOf(
  z.strictObject({
    from: z.array(z.strictObject({ group: z.string(), kind: z.string(), namespace: name })),
    to: z.array(z.strictObject({ group: z.string(), kind: z.string(), name: z.string().exactOptional() })),
  }),
)
