// The shape of a config as zod reads it: which keys there are, and what kind of value each holds. What values mean is
// judged in `parse.ts`, which reads a config part by part; the whole is here for the JSON Schema and for editors.

import * as z from 'zod'
import type { Duration, RetryOn, Size } from './config.ts'
import { bounds, defaults } from './defaults.ts'

const text = (description: string) => z.string().meta({ description })
const nonEmpty = (description: string) => z.string().min(1).meta({ description })
/** At least one: an empty list would match nothing, or everything, and nobody can tell which was meant. */
const list = <Item extends z.ZodType>(item: Item) => z.array(item).min(1).readonly()
const oneOrMore = <Item extends z.ZodType>(item: Item) => z.union([item, list(item)])
const record = <Value extends z.ZodType>(value: Value) => z.record(z.string(), value).readonly()
const whole = ([min, max]: readonly [number, number]) => z.number().int().min(min).max(max)
const between = ([min, max]: readonly [number, number]) => z.number().min(min).max(max)

/** A string whose form `parse` judges, with the pattern for editors. */
const patterned = <Text extends string>(description: string, pattern: string) =>
  z.string().meta({ description, pattern }) as unknown as z.ZodType<Text, Text>
const duration = (description: string) =>
  patterned<Duration>(description, '^[0-9]{1,12}(?:\\.[0-9]{1,3})?(?:ms|s|m|h|d)$')
const size = (description: string) => patterned<Size>(description, '^[0-9]{1,12}(?:\\.[0-9]{1,3})?(?:B|KiB|MiB|GiB)$')

const valueMatch = z
  .union([
    z.string(),
    z.strictObject({ exact: z.string() }),
    z.strictObject({ regex: z.string() }),
    z.strictObject({ present: z.literal(true) }),
    z.strictObject({ absent: z.literal(true) }),
  ])
  .meta({ id: 'ValueMatch', description: 'A string means exact. A regex has to match the whole value.' })

const pathMatch = z
  .union([
    z.string(),
    z.strictObject({ prefix: z.string() }),
    z.strictObject({ exact: z.string() }),
    z.strictObject({ regex: z.string() }),
  ])
  .meta({
    id: 'PathMatch',
    description: 'A string means prefix, by whole path elements: /api takes /api and /api/v1, never /apis.',
  })

const addresses = oneOrMore(z.string()).meta({ description: 'Client address in any of these CIDRs.' })

export const httpMatch = z
  .strictObject({
    path: pathMatch.exactOptional(),
    method: oneOrMore(z.string()).meta({ description: 'Any of these methods.' }).exactOptional(),
    header: record(valueMatch).exactOptional(),
    query: record(valueMatch).exactOptional(),
    cookie: record(valueMatch).exactOptional(),
    address: addresses.exactOptional(),
    country: oneOrMore(z.string()).meta({ description: 'ISO 3166-1 alpha-2 codes.' }).exactOptional(),
  })
  .meta({ id: 'HttpMatch', description: 'All conditions must hold.' })

export const flowMatch = z
  .strictObject({ address: addresses.exactOptional() })
  .meta({ id: 'FlowMatch', description: 'All conditions must hold.' })

const headerEdits = z
  .strictObject({
    set: record(z.string())
      .meta({
        description:
          'Replace the field. Values may hold {client.address}, {route}, {rule}, {variant}, {request.id}, {country}.',
      })
      .exactOptional(),
    add: record(z.string()).exactOptional(),
    remove: list(z.string()).exactOptional(),
  })
  .meta({ id: 'HeaderEdits' })

const filters = z
  .strictObject({
    requestHeaders: headerEdits.exactOptional(),
    responseHeaders: headerEdits.exactOptional(),
    rewrite: z
      .strictObject({
        path: text('The whole path. Not together with prefix.').exactOptional(),
        prefix: text('What replaces the prefix that the match consumed.').exactOptional(),
      })
      .exactOptional(),
  })
  .meta({ id: 'Filters', description: 'What is changed on the way to the endpoint and back.' })

const redirect = z
  .strictObject({
    scheme: z.enum(['http', 'https']).exactOptional(),
    host: text('Where the client goes; its own host when left out.').exactOptional(),
    port: whole(bounds.port).exactOptional(),
    path: text('The whole path. Not together with prefix.').exactOptional(),
    prefix: text('What replaces the prefix that the match consumed.').exactOptional(),
    status: z.literal([301, 302, 303, 307, 308]).meta({ default: defaults.redirectStatus }).exactOptional(),
  })
  .meta({ id: 'Redirect' })

const reply = z
  .strictObject({
    status: whole(bounds.replyStatus),
    body: z.string().exactOptional(),
    contentType: z.string().meta({ default: defaults.replyContentType }).exactOptional(),
    headers: record(z.string()).exactOptional(),
  })
  .meta({ id: 'Reply', description: 'A fixed answer.' })

const splitIdentity = {
  name: nonEmpty(
    "Default: the route's name, or route/rule for a named rule. Splits of one name and salt agree on every user.",
  ).exactOptional(),
  salt: text('Changes who lands where without renaming.').exactOptional(),
}

const split = z
  .strictObject({
    ...splitIdentity,
    epoch: whole(bounds.epoch)
      .meta({ description: 'Raising it releases every pinned user.', default: 0 })
      .exactOptional(),
    by: z
      .union([
        z.strictObject({ cookie: z.string(), issue: z.boolean().exactOptional() }),
        z.strictObject({ header: z.string() }),
        z.literal('address'),
      ])
      .meta({ description: 'What stands for the user.', default: { cookie: defaults.splitCookie } })
      .exactOptional(),
    fallback: z.enum(['address', 'draw']).meta({ default: 'draw' }).exactOptional(),
    pin: z.enum(['weight', 'first']).meta({ default: 'weight' }).exactOptional(),
    force: z
      .strictObject({ header: z.string().exactOptional(), cookie: z.string().exactOptional(), to: z.string() })
      .meta({ description: "always, never or a variant's name in this header or cookie decides." })
      .exactOptional(),
    expose: z.boolean().meta({ default: false }).exactOptional(),
  })
  .meta({ id: 'Split', description: "Who decides a user's variant, and whether they keep it." })

const flowSplit = z
  .strictObject(splitIdentity)
  .meta({ id: 'FlowSplit', description: 'Flows are split by client address.' })

const pool = nonEmpty('The name of a pool.')
const variantHead = {
  name: nonEmpty('What records, metrics and force call it.'),
  weight: whole(bounds.variantWeight),
}

export const httpVariant = z
  .strictObject({
    ...variantHead,
    pool: pool.exactOptional(),
    reply: reply.exactOptional(),
    filters: filters.exactOptional(),
  })
  .meta({ id: 'HttpVariant', description: 'Exactly one of pool and reply.' })

export const flowVariant = z.strictObject({ ...variantHead, pool }).meta({ id: 'FlowVariant' })

const attempts = whole(bounds.attempts)

const httpRuleFields = {
  redirect: redirect.exactOptional(),
  reply: reply.exactOptional(),
  pool: pool.exactOptional(),
  split: split.exactOptional(),
  filters: filters.exactOptional(),
  retry: z
    .union([
      z.strictObject({
        attempts: attempts
          .meta({ description: 'Tries in all, the first one too.', default: defaults.httpAttempts })
          .exactOptional(),
        on: list(
          patterned<RetryOn>(
            'connect-failure, ambiguous, sent, timeout, reset, 5xx, gateway-error or a status.',
            '^(?:connect-failure|ambiguous|sent|timeout|reset|5xx|gateway-error|[45][0-9][0-9])$',
          ),
        )
          .meta({ default: [...defaults.retryOn] })
          .exactOptional(),
        unsafe: z.boolean().meta({ description: 'Retry POST and PATCH like PUT.', default: false }).exactOptional(),
        maxBuffer: size('The largest body kept for a second try.').exactOptional(),
      }),
      z.literal(false),
    ])
    .exactOptional(),
  timeouts: z
    .strictObject({
      request: duration('All tries, to response headers.').exactOptional(),
      try: duration('One try, to response headers.').exactOptional(),
    })
    .exactOptional(),
}

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

const ruleName = { name: nonEmpty('Default: its place in the route.').exactOptional() }
const routeName = { name: nonEmpty('What records and metrics call it.') }
const listenerNames = oneOrMore(z.string())
const hostnames = list(z.string()).meta({ description: 'app.example.com or *.example.com; none means any host.' })

/** Rules as `parse` reads them: matches and variants are parts of their own. */
const unread = { match: z.unknown().exactOptional(), variants: z.unknown().exactOptional() }
export const httpRulePart = z.strictObject({ ...ruleName, ...httpRuleFields, ...unread })
export const flowRulePart = z.strictObject({ ...ruleName, ...flowRuleFields, ...unread })
export const httpRouteHead = z.strictObject({
  ...routeName,
  listener: listenerNames.meta({ description: 'Default: every edge listener.' }).exactOptional(),
  hostnames: hostnames.exactOptional(),
})
const flowRouteHead = z.strictObject({ ...routeName, listener: listenerNames })

/** That a flow route names no listener is seen where listeners are looked up. */
export const flowRoutePart = flowRouteHead.partial({ listener: true })

const httpRuleWhole = {
  ...httpRuleFields,
  match: oneOrMore(httpMatch).exactOptional(),
  variants: list(httpVariant).exactOptional(),
}
const flowRuleWhole = {
  ...flowRuleFields,
  match: oneOrMore(flowMatch).exactOptional(),
  variants: list(flowVariant).exactOptional(),
}
const httpRule = z
  .strictObject({ ...ruleName, ...httpRuleWhole })
  .meta({ id: 'HttpRule', description: 'Exactly one of pool, variants, redirect and reply.' })
const flowRule = z
  .strictObject({ ...ruleName, ...flowRuleWhole })
  .meta({ id: 'FlowRule', description: 'Exactly one of pool and variants.' })

const route = z
  .union([
    z.strictObject({ ...httpRouteHead.shape, ...httpRuleWhole }).meta({ id: 'HttpRouteOfOneRule' }),
    z.strictObject({ ...httpRouteHead.shape, rules: list(httpRule) }).meta({ id: 'HttpRoute' }),
    z.strictObject({ ...flowRouteHead.shape, ...flowRuleWhole }).meta({ id: 'FlowRouteOfOneRule' }),
    z.strictObject({ ...flowRouteHead.shape, rules: list(flowRule) }).meta({ id: 'FlowRoute' }),
  ])
  .meta({ id: 'Route', description: 'A route with one rule may carry the fields of the rule itself.' })

export const edgeListener = z
  .strictObject({
    kind: z.literal('edge'),
    hostnames: hostnames.exactOptional(),
    clientAddress: z
      .union([z.enum(['cloudflare', 'none']), z.strictObject({ trustedProxies: z.array(z.string()).readonly() })])
      .meta({ description: "Where the truth about the client's address comes from.", default: 'cloudflare' })
      .exactOptional(),
  })
  .meta({ id: 'EdgeListener', description: 'HTTP at the edge, by the Worker.' })

export const tcpListener = z
  .strictObject({
    kind: z.literal('tcp'),
    address: text('127.0.0.1:5432 or [::1]:5432.'),
    maxConnections: whole(bounds.maxConnections).meta({ default: defaults.maxConnections }).exactOptional(),
  })
  .meta({ id: 'TcpListener', description: 'TCP at the relay.' })

const balance = z
  .union([
    z.enum(['round-robin', 'random', 'least-requests', 'latency']),
    z.strictObject({
      hash: z.union([
        z.enum(['address', 'flow']),
        z.strictObject({ header: z.string() }),
        z.strictObject({ cookie: z.string() }),
      ]),
      boundedLoad: between(bounds.boundedLoad).exactOptional(),
    }),
  ])
  .meta({ id: 'Balance', default: defaults.balance })

export const endpoint = z
  .union([
    nonEmpty('The address alone.'),
    z.strictObject({
      address: nonEmpty(
        'https://host[:port][/base], http://… at the edge; tcp://host:port at the relay. May hold ${NAME} or ${NAME:-default}.',
      ),
      name: nonEmpty('A stable name for logs and drains. Default: the address.').exactOptional(),
      weight: whole(bounds.endpointWeight)
        .meta({ description: '0 takes no traffic.', default: defaults.endpointWeight })
        .exactOptional(),
      priority: whole(bounds.priority)
        .meta({ description: 'Group 0 is used first, then 1, …', default: 0 })
        .exactOptional(),
    }),
  ])
  .meta({ id: 'Endpoint' })

const limit = whole(bounds.limit)
const poolFields = {
  balance: balance.exactOptional(),
  panicPercent: between(bounds.percent).meta({ default: defaults.panicPercent }).exactOptional(),
  overprovisioning: between(bounds.overprovisioning).meta({ default: defaults.overprovisioning }).exactOptional(),
  slowStart: duration('A returning endpoint is ramped up over this time.').exactOptional(),
  affinity: z
    .strictObject({
      cookie: z.string().exactOptional(),
      maxAge: duration('How long the client keeps its endpoint.').exactOptional(),
    })
    .exactOptional(),
  outlier: z
    .union([
      z.strictObject({
        consecutiveFailures: whole(bounds.consecutiveFailures)
          .meta({ default: defaults.consecutiveFailures })
          .exactOptional(),
        successRateFactor: between(bounds.successRateFactor)
          .meta({ default: defaults.successRateFactor })
          .exactOptional(),
        baseEjection: duration('The first ejection; the n-th lasts n times as long.').exactOptional(),
        maxEjection: duration('The longest ejection.').exactOptional(),
        maxEjectedPercent: between(bounds.percent).meta({ default: defaults.maxEjectedPercent }).exactOptional(),
      }),
      z.literal(false),
    ])
    .exactOptional(),
  limits: z
    .strictObject({ maxRequests: limit.exactOptional(), maxRequestsPerEndpoint: limit.exactOptional() })
    .exactOptional(),
  retryBudget: z
    .strictObject({
      percent: between(bounds.percent).meta({ default: defaults.retryBudgetPercent }).exactOptional(),
      perSecond: between(bounds.perSecond).exactOptional(),
    })
    .exactOptional(),
}
export const poolPart = z.strictObject({ ...poolFields, endpoints: z.unknown() })

export const configSchema = z.strictObject({
  $schema: text('Where an editor finds this schema.').exactOptional(),
  listeners: record(z.discriminatedUnion('kind', [edgeListener, tcpListener])).meta({
    description: 'Where traffic comes in, by name.',
  }),
  pools: record(z.strictObject({ ...poolFields, endpoints: list(endpoint) }).meta({ id: 'Pool' })).meta({
    description: 'Groups of interchangeable endpoints, by name.',
  }),
  routes: z.array(route).readonly().meta({ description: 'What matches, and what is done with it.' }),
})

/** What the schema takes: `ConfigInput` and an optional `$schema`. */
export type SchemaInput = z.input<typeof configSchema>
