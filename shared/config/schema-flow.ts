// The shape of flow routes as zod reads it.

import * as z from 'zod'
import { bounds, defaults } from './defaults.ts'
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
import { duration, list, oneOrMore, whole } from './schema-values.ts'

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

const idle = duration('No byte or datagram either way.').exactOptional()

const session = z
  .strictObject({
    requests: whole(bounds.sessionDatagrams)
      .meta({ description: 'Datagrams of the client in one session; the next one begins another.' })
      .exactOptional(),
    responses: whole(bounds.sessionAnswers)
      .meta({ description: 'Answers to each datagram of the client; with all of them the session is over.' })
      .exactOptional(),
  })
  .meta({ id: 'Session', description: 'Counts that end a session.' })

const anyRuleFields = { pool: pool.exactOptional(), split: flowSplit.exactOptional() }

const flowRuleFields = {
  ...anyRuleFields,
  retry: z
    .union([
      z.strictObject({ attempts: attempts.meta({ default: defaults.flowAttempts }).exactOptional() }),
      z.literal(false),
    ])
    .exactOptional(),
  timeouts: z
    .strictObject({
      connect: duration('All tries together, until an endpoint is connected.').exactOptional(),
      idle,
    })
    .exactOptional(),
}

export const flowRulePart = z.strictObject({ ...ruleName, ...flowRuleFields, ...unread })

const udpRuleFields = {
  ...anyRuleFields,
  timeouts: z.strictObject({ idle }).exactOptional(),
  session: session.exactOptional(),
}

export const udpRulePart = z.strictObject({ ...ruleName, ...udpRuleFields, ...unread })

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

export const udpRuleWhole = {
  ...udpRuleFields,
  match: oneOrMore(flowMatch).exactOptional(),
  variants: list(flowVariant).exactOptional(),
}

export const udpRule = z
  .strictObject({ ...ruleName, ...udpRuleWhole })
  .meta({ id: 'UdpRule', description: 'Exactly one of pool and variants. At udp listeners.' })
