// The shape of flow routes as zod reads it.

import * as z from 'zod'
import { defaults } from './defaults.ts'
import {
  addresses,
  attempts,
  listenerNames,
  pool,
  routeName,
  ruleName,
  splitIdentity,
  unread,
  variantHead,
} from './schema-route.ts'
import { duration, list, oneOrMore } from './schema-values.ts'

/** At `tcp` listeners. */
export const flowMatch = z.strictObject({ address: addresses.exactOptional() })

export const tlsMatch = z
  .strictObject({
    ...flowMatch.shape,
    sni: oneOrMore(z.string())
      .meta({ description: 'The server name asked for: app.example.com, *.example.com. At tls listeners.' })
      .exactOptional(),
    alpn: oneOrMore(z.string())
      .meta({ description: 'The client offers any of these protocols. At tls listeners.' })
      .exactOptional(),
  })
  .meta({ id: 'FlowMatch', description: 'All conditions must hold.' })

const flowSplit = z
  .strictObject({
    ...splitIdentity,
    by: z
      .enum(['address', 'draw'])
      .meta({ description: 'What stands for the client; draw: each flow is dealt anew.', default: 'address' })
      .exactOptional(),
  })
  .meta({ id: 'FlowSplit', description: 'Flows are split by client address, or each anew.' })

export const flowVariant = z.strictObject({ ...variantHead, pool }).meta({ id: 'FlowVariant' })

const flowRuleFields = {
  pool: pool.exactOptional(),
  split: flowSplit.exactOptional(),
  retry: z
    .union([
      z.strictObject({ attempts: attempts.meta({ default: defaults.flowAttempts }).exactOptional() }),
      z.literal(false),
    ])
    .exactOptional(),
  timeouts: z
    .strictObject({
      connect: duration('All tries together, until an endpoint is connected.').exactOptional(),
      idle: duration('No byte either way.').exactOptional(),
    })
    .exactOptional(),
}

export const flowRulePart = z.strictObject({ ...ruleName, ...flowRuleFields, ...unread })

export const flowRouteHead = z.strictObject({ ...routeName, listener: listenerNames })

/** That a flow route names no listener is seen where listeners are looked up. */
export const flowRoutePart = flowRouteHead.partial({ listener: true })

export const flowRuleWhole = {
  ...flowRuleFields,
  match: oneOrMore(tlsMatch).exactOptional(),
  variants: list(flowVariant).exactOptional(),
}

export const flowRule = z
  .strictObject({ ...ruleName, ...flowRuleWhole })
  .meta({ id: 'FlowRule', description: 'Exactly one of pool and variants.' })
