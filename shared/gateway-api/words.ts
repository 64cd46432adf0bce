// What the shapes of several kinds have in common: references, hostnames, selectors, lengths of time.

import * as z from 'zod'

export const GATEWAY_GROUP = 'gateway.networking.k8s.io'

/** An object of its kind. `metadata` is read before, and `status` says what a controller saw, not what anyone wants. */
export const objectOf = <Spec extends z.ZodType>(spec: Spec) =>
  z.strictObject({
    apiVersion: z.string(),
    kind: z.string(),
    metadata: z.unknown(),
    spec,
    status: z.unknown().exactOptional(),
  })

export const name = z.string().min(1)
export const port = z.number().int().min(1).max(65_535)
export const labels = z.record(z.string(), z.string())

export const selector = z.strictObject({
  matchLabels: labels.exactOptional(),
  matchExpressions: z
    .array(
      z.strictObject({
        key: z.string(),
        operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
        values: z.array(z.string()).exactOptional(),
      }),
    )
    .exactOptional(),
})
export type Selector = z.output<typeof selector>

export const parentRef = z.strictObject({
  group: z.string().exactOptional(),
  kind: z.string().exactOptional(),
  namespace: name.exactOptional(),
  name,
  sectionName: z.string().exactOptional(),
  port: port.exactOptional(),
})
export type ParentRef = z.output<typeof parentRef>

export const commonRoute = {
  parentRefs: z.array(parentRef).exactOptional(),
  useDefaultGateways: z.string().exactOptional(),
}

/** To a Secret or ConfigMap. */
export const objectRef = z.strictObject({
  group: z.string().exactOptional(),
  kind: z.string().exactOptional(),
  namespace: name.exactOptional(),
  name,
})
export type ObjectRef = z.output<typeof objectRef>

const backendFields = { ...objectRef.shape, port: port.exactOptional() }
export const backendObjectRef = z.strictObject(backendFields)
export const backendRef = z.strictObject({
  ...backendFields,
  weight: z.number().int().min(0).max(1_000_000).exactOptional(),
})
export type BackendRef = z.output<typeof backendRef>

export const sessionPersistence = z.strictObject({
  sessionName: z.string().exactOptional(),
  absoluteTimeout: z.string().exactOptional(),
  idleTimeout: z.string().exactOptional(),
  type: z.enum(['Cookie', 'Header']).exactOptional(),
  cookieConfig: z
    .strictObject({ lifetimeType: z.enum(['Permanent', 'Session']).exactOptional(), name: z.string().exactOptional() })
    .exactOptional(),
  cookie: z
    .strictObject({
      name: z.string().exactOptional(),
      path: z.string().exactOptional(),
      lifetimeType: z.enum(['Permanent', 'Session']).exactOptional(),
    })
    .exactOptional(),
  header: z.strictObject({ name: z.string() }).exactOptional(),
})
export type SessionPersistence = z.output<typeof sessionPersistence>

/**
 * Milliseconds of a length of time as GEP-2257 writes it: `1h30m`, `500ms`; up to four numbers of up to five digits.
 * Undefined for anything else.
 */
export function readGatewayDuration(text: string): number | undefined {
  if (!/^(?:\d{1,5}(?:h|ms|m|s)){1,4}$/.test(text)) return undefined
  let ms = 0
  for (const [, digits, unit] of text.matchAll(/(\d+)(h|ms|m|s)/g)) ms += Number(digits) * unitMs[unit!]!
  return ms
}

/** Whether labels are those that a selector wants. */
export function selects(wanted: Selector, found: Readonly<Record<string, string>>): boolean {
  const all = Object.entries(wanted.matchLabels ?? {}).every(([key, value]) => found[key] === value)
  return (
    all &&
    (wanted.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
      const value = found[key]
      if (operator === 'Exists') return value !== undefined
      if (operator === 'DoesNotExist') return value === undefined
      if (operator === 'In') return value !== undefined && values.includes(value)
      return value === undefined || !values.includes(value)
    })
  )
}

/** As Gateway API has it: DNS labels, `*.` in front where it may. Undefined for what the API refuses. */
export function isGatewayHostname(text: string): boolean {
  const bare = text.startsWith('*.') ? text.slice(2) : text
  return bare.length <= 253 && /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/.test(bare)
}

const unitMs: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 }
