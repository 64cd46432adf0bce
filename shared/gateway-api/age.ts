// Which of two objects comes first where the standard asks for the older one: by creation timestamp, then by
// `namespace/name`.

import type { Manifest } from './manifests.ts'

/** Objects without a timestamp come after those with one: they are not in a cluster yet. */
export function compareAge(a: Manifest, b: Manifest): number {
  const [ageA, ageB] = [timeOf(a), timeOf(b)]
  if (ageA !== ageB) return ageA - ageB
  const [nameA, nameB] = [`${a.namespace}/${a.name}`, `${b.namespace}/${b.name}`]
  return nameA < nameB ? -1 : nameA > nameB ? 1 : 0
}

function timeOf(manifest: Manifest): number {
  const ms = Date.parse(manifest.createdAt)
  return Number.isNaN(ms) ? Number.MAX_SAFE_INTEGER : ms
}
