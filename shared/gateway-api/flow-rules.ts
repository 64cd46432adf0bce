// Rules of TLSRoutes, TCPRoutes and UDPRoutes as rules of a config: where their flows go, by weight.

import * as z from 'zod'
import type { FlowRuleInput, FlowVariantInput } from '../config/config-flow.ts'
import type { Backends, Use } from './backends.ts'
import type { Manifest } from './manifests.ts'
import { freeName } from './names.ts'
import { type Notes, type Spot, within } from './notes.ts'
import { type BackendRef, backendRef, commonRoute, objectOf } from './words.ts'

const flowRule = z.strictObject({
  name: z.string().exactOptional(),
  backendRefs: z.array(backendRef).exactOptional(),
})
export const flowRouteShape = objectOf(z.strictObject({ ...commonRoute, rules: z.array(flowRule).min(1) }))
export const tlsRouteShape = objectOf(
  z.strictObject({ ...commonRoute, hostnames: z.array(z.string()).exactOptional(), rules: z.array(flowRule).min(1) }),
)
export type FlowRule = z.output<typeof flowRule>
export type FlowRouteSpec = z.output<typeof tlsRouteShape>['spec']

/** What leads nowhere refuses its share of flows (TCPRouteRule.backendRefs). */
export function readFlowRule(
  route: Manifest,
  rule: FlowRule,
  backends: Backends,
  spot: Spot,
  notes: Notes,
): FlowRuleInput {
  const use: Use = route.kind === 'UDPRoute' ? 'udp' : 'tcp'
  const refs = rule.backendRefs ?? []
  const head = rule.name === undefined ? {} : { name: rule.name }
  const refusing = (name: string) => backends.refusing(name)
  const at = within(spot, 'backendRefs')
  if (refs.length === 0) {
    notes.add('warning', 'no-backends', spot, 'the rule names no backend: every flow is refused', 'Add "backendRefs".')
    return { ...head, pool: refusing('none') }
  }
  const variants: FlowVariantInput[] = []
  for (const [index, ref] of refs.entries()) variants.push(readVariant(route, ref, use, backends, within(at, index)))
  if (variants.every(({ weight }) => weight === 0)) {
    notes.add(
      'warning',
      'zero-weights',
      at,
      'every backend has weight 0: every flow is refused',
      'Give one of them a weight.',
    )
    return { ...head, pool: refusing(variants[0]!.name) }
  }
  if (variants.length === 1) return { ...head, pool: variants[0]!.pool }
  const taken = new Set<string>()
  const named = variants.map(variant => {
    const name = freeName(variant.name, each => taken.has(each))
    taken.add(name)
    return { ...variant, name }
  })
  return { ...head, variants: named, split: { by: 'draw' } }
}

function readVariant(route: Manifest, ref: BackendRef, use: Use, backends: Backends, spot: Spot): FlowVariantInput {
  const { weight = 1, ...backendRef } = ref
  const backend = backends.find(route, backendRef, use, spot)
  return { name: backend.name, weight, pool: backend.pool ?? backends.refusing(backend.name) }
}
