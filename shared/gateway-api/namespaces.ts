// Namespaces: their labels, by which listeners choose whose routes they take.

import type { Namespaces } from './gateways.ts'
import type { Manifest } from './manifests.ts'

export function readNamespaces(manifests: readonly Manifest[]): Namespaces {
  const labels = new Map(manifests.map(manifest => [manifest.name, manifest.labels]))
  return { labelsOf: namespace => labels.get(namespace) }
}
