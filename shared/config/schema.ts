// The shape of a config as zod reads it: which keys there are, and what kind of value each holds. What values mean is
// judged in `parse.ts`, which reads a config part by part; the whole is here for the JSON Schema and for editors.

import * as z from 'zod'
import { expectedCases } from './schema-expect.ts'
import { flowRouteHead, flowRule, flowRuleWhole, udpRule, udpRuleWhole } from './schema-flow.ts'
import { cacheStore, httpRouteHead, httpRule, httpRuleWhole, recording } from './schema-http.ts'
import { edgeListener, httpListener, tcpListener, tlsListener, udpListener } from './schema-listener.ts'
import { endpoint, poolFields } from './schema-pool.ts'
import { list, record, text, threads } from './schema-values.ts'

const route = z
  .union([
    z.strictObject({ ...httpRouteHead.shape, ...httpRuleWhole }).meta({ id: 'HttpRouteOfOneRule' }),
    z
      .strictObject({ ...httpRouteHead.shape, record: recording.exactOptional(), rules: list(httpRule) })
      .meta({ id: 'HttpRoute' }),
    z.strictObject({ ...flowRouteHead.shape, ...flowRuleWhole }).meta({ id: 'FlowRouteOfOneRule' }),
    z.strictObject({ ...flowRouteHead.shape, rules: list(flowRule) }).meta({ id: 'FlowRoute' }),
    z.strictObject({ ...flowRouteHead.shape, ...udpRuleWhole }).meta({ id: 'UdpRouteOfOneRule' }),
    z.strictObject({ ...flowRouteHead.shape, rules: list(udpRule) }).meta({ id: 'UdpRoute' }),
  ])
  .meta({ id: 'Route', description: 'A route with one rule may carry the fields of the rule itself.' })

export const configSchema = z.strictObject({
  $schema: text('Where an editor finds this schema.').exactOptional(),
  listeners: record(
    z.discriminatedUnion('kind', [edgeListener, httpListener, tcpListener, tlsListener, udpListener]),
  ).meta({
    description: 'Where traffic comes in, by name.',
  }),
  pools: record(z.strictObject({ ...poolFields, endpoints: z.array(endpoint).readonly() }).meta({ id: 'Pool' })).meta({
    description: 'Groups of interchangeable endpoints, by name.',
  }),
  routes: z.array(route).readonly().meta({ description: 'What matches, and what is done with it.' }),
  threads: threads.exactOptional(),
  cacheStore: cacheStore.exactOptional(),
  expect: expectedCases.exactOptional(),
})

/** What the schema takes: `ConfigInput` and an optional `$schema`. */
export type SchemaInput = z.input<typeof configSchema>
