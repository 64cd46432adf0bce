// The shape of a config as zod reads it: which keys there are, and what kind of value each holds. What values mean is
// judged in `parse.ts`, which reads a config part by part; the whole is here for the JSON Schema and for editors.

import * as z from 'zod'
import type { Duration, HedgeInput, RetryOn, Size } from './config.ts'
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
        host: text(
          'The Host that the endpoint sees. At the edge only for binding: endpoints and those of the same zone.',
        ).exactOptional(),
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

const cors = z
  .strictObject({
    origins: list(z.string()).meta({ description: 'https://app.example.com, https://*.example.com or *.' }),
    methods: list(z.string())
      .meta({ description: '* means any.', default: [...defaults.corsMethods] })
      .exactOptional(),
    headers: list(z.string()).meta({ description: '* means any.' }).exactOptional(),
    expose: list(z.string()).meta({ description: 'Answer headers that the page may read.' }).exactOptional(),
    credentials: z.boolean().meta({ default: false }).exactOptional(),
    maxAge: duration('How long a browser may keep the answer to a preflight.').exactOptional(),
  })
  .meta({ id: 'Cors', description: 'Which pages of other origins may read the answers.' })

const errorPages = record(
  z
    .strictObject({
      body: text('May hold {request.id} and {route}.'),
      contentType: z.string().meta({ default: defaults.errorPageType }).exactOptional(),
      replace: z
        .boolean()
        .meta({ description: "For the endpoint's own answers of that status too.", default: false })
        .exactOptional(),
    })
    .meta({ id: 'ErrorPage' }),
).meta({ description: 'By status: 404, or 4xx and 5xx for a whole class.' })

const recording = z
  .strictObject({
    sample: between(bounds.sample)
      .meta({ description: 'The part of requests that are written down; failures always are.', default: 1 })
      .exactOptional(),
  })
  .meta({ id: 'Record' })

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

export const mirror = z
  .strictObject({
    pool,
    percent: between(bounds.percent)
      .meta({ description: 'Of requests.', default: defaults.mirrorPercent })
      .exactOptional(),
  })
  .meta({ id: 'Mirror', description: 'A copy of requests sent aside; its answer is dropped.' })

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
  hedge: z
    .strictObject({
      after: patterned<NonNullable<HedgeInput['after']>>(
        'p50, p95 or p99 of what the pool takes, or a length of time.',
        '^(?:p50|p95|p99|[0-9]{1,12}(?:\\.[0-9]{1,3})?(?:ms|s|m|h|d))$',
      ),
    })
    .meta({ id: 'Hedge', description: 'A second try beside the first, for GET, HEAD, OPTIONS and TRACE.' })
    .exactOptional(),
  mirrors: list(mirror).exactOptional(),
  timeouts: z
    .strictObject({
      request: duration('All tries, to response headers.').exactOptional(),
      try: duration('One try, to response headers.').exactOptional(),
    })
    .exactOptional(),
  cors: cors.exactOptional(),
  errorPages: errorPages.exactOptional(),
  limits: z.strictObject({ maxBody: size('A larger request body is answered 413.').exactOptional() }).exactOptional(),
  record: recording.exactOptional(),
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

/** What a route with a list of rules says for all of them. */
export const rulesHead = z.strictObject({ record: recording.exactOptional() })

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
  match: oneOrMore(tlsMatch).exactOptional(),
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
    z
      .strictObject({ ...httpRouteHead.shape, record: recording.exactOptional(), rules: list(httpRule) })
      .meta({ id: 'HttpRoute' }),
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
    subrequests: whole(bounds.subrequests)
      .meta({
        description: 'How many requests a Worker may make for one of a client: 50 free, 10,000 paid.',
        default: defaults.subrequests,
      })
      .exactOptional(),
    errorPages: errorPages.exactOptional(),
    limits: z
      .strictObject({
        maxUrl: size('A longer URL is answered 414.').exactOptional(),
        maxHeaders: whole(bounds.headers)
          .meta({ description: 'More header fields are answered 431.', default: defaults.maxHeaders })
          .exactOptional(),
        maxHeaderBytes: size('A larger header is answered 431.').exactOptional(),
      })
      .exactOptional(),
    via: z.boolean().meta({ description: 'Add Via both ways.', default: false }).exactOptional(),
  })
  .meta({ id: 'EdgeListener', description: 'HTTP at the edge, by the Worker.' })

const proxyProtocol = list(
  z
    .strictObject({
      from: list(z.string()).meta({ description: "The peer's address in any of these CIDRs." }),
      mode: z
        .enum(['require', 'off'])
        .meta({ description: 'require: without a PROXY header the connection is refused. off: nothing is looked at.' }),
    })
    .meta({ id: 'ProxySource', description: 'Whose connections begin with a PROXY header.' }),
)

const flowListenerFields = {
  address: text('127.0.0.1:5432, [::1]:5432 or unix:/run/app.sock.'),
  socketMode: patterned<string>('Permissions of a unix: socket in octal: 0660.', '^0[0-7]{3}$').exactOptional(),
  maxConnections: whole(bounds.maxConnections).meta({ default: defaults.maxConnections }).exactOptional(),
  maxConnectionsPerAddress: whole(bounds.maxConnections)
    .meta({ description: 'Open from one client address; of IPv6 from one /64.' })
    .exactOptional(),
  acceptRate: whole(bounds.acceptRate).meta({ description: 'New connections a second.' }).exactOptional(),
  allow: list(z.string()).meta({ description: 'Clients in any of these CIDRs and no others.' }).exactOptional(),
  deny: list(z.string()).meta({ description: 'Not clients in any of these CIDRs.' }).exactOptional(),
  proxyProtocol: proxyProtocol.exactOptional(),
}

export const tcpListener = z
  .strictObject({ kind: z.literal('tcp'), ...flowListenerFields })
  .meta({ id: 'TcpListener', description: 'TCP at the relay.' })

export const tlsListener = z
  .strictObject({
    kind: z.literal('tls'),
    ...flowListenerFields,
    peekTimeout: duration('Until the ClientHello is there; and as long again for a handshake here.').exactOptional(),
    maxPeek: size('The longest beginning that is looked at.').exactOptional(),
    startTls: z
      .enum(['postgres'])
      .meta({ description: 'Clients ask in their own protocol before they speak TLS.' })
      .exactOptional(),
    certificates: list(
      z.strictObject({
        cert: nonEmpty('A PEM file: the certificate, and behind it those that lead to its authority.'),
        key: nonEmpty('A PEM file.'),
      }),
    )
      .meta({ description: 'TLS ends here. None: it passes through.' })
      .exactOptional(),
    alpn: list(nonEmpty('A protocol: h2.'))
      .meta({ description: 'Protocols to agree on where TLS ends here, the favourite first.' })
      .exactOptional(),
    clientCa: nonEmpty('A PEM file: clients show a certificate signed by one of these.').exactOptional(),
    requireClientCertificate: z
      .boolean()
      .meta({ description: 'false: a client without a certificate is let in too.', default: true })
      .exactOptional(),
  })
  .meta({ id: 'TlsListener', description: 'TLS at the relay, by server name and protocol.' })

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
        'https://host[:port][/base], http://… or binding:NAME at the edge; tcp://host:port, tls://host:port or unix:/path at the relay. May hold ${NAME} or ${NAME:-default}.',
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

const sendProxy = z
  .union([
    z.literal([1, 2]),
    z.strictObject({
      version: z.literal([1, 2]),
      tlvs: z
        .strictObject({
          authority: z.union([z.boolean(), z.string().min(1).max(255)]).exactOptional(),
          alpn: z.union([z.boolean(), z.string().min(1).max(255)]).exactOptional(),
          uniqueId: z.boolean().exactOptional(),
          ssl: z.boolean().exactOptional(),
          crc32c: z.boolean().exactOptional(),
          custom: record(z.string().max(1_024))
            .meta({
              description: 'E0 to EF. Values may hold {client.address}, {route}, {rule}, {variant}.',
            })
            .exactOptional(),
        })
        .meta({ id: 'ProxyTlvs', description: 'Which values go along in version 2.' })
        .exactOptional(),
    }),
  ])
  .meta({ id: 'SendProxy', description: "The client's address in a PROXY header ahead of the bytes." })

const probe = z
  .strictObject({
    kind: z.enum(['tcp', 'tls', 'http', 'redis', 'postgres']),
    path: z.string().meta({ description: 'Of http only.', default: defaults.probePath }).exactOptional(),
    status: z
      .union([whole(bounds.probeStatus), patterned<`${number}-${number}`>('A range.', '^[1-5][0-9]{2}-[1-5][0-9]{2}$')])
      .meta({ description: 'Of http only.', default: defaults.probeStatus })
      .exactOptional(),
    body: nonEmpty('Of http only: a text in the first 10 KiB of the body.').exactOptional(),
    interval: duration('From the end of one probe to the next, give or take 10 %.').exactOptional(),
    timeout: duration('For the whole of one probe.').exactOptional(),
    fall: whole(bounds.probesInRow).meta({ default: defaults.fall }).exactOptional(),
    rise: whole(bounds.probesInRow).meta({ default: defaults.rise }).exactOptional(),
    startDown: z.boolean().meta({ default: false }).exactOptional(),
  })
  .meta({ id: 'Probe', description: 'Asking endpoints on a timer whether they are up.' })

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
  tls: z
    .strictObject({
      ca: nonEmpty('A PEM file of authorities that are believed.').exactOptional(),
      cert: nonEmpty('A PEM file: the certificate we show.').exactOptional(),
      key: nonEmpty('A PEM file.').exactOptional(),
      serverName: nonEmpty('Asked for and verified. Default: the host of the endpoint.').exactOptional(),
      verify: z.boolean().meta({ description: 'false believes any certificate.', default: true }).exactOptional(),
    })
    .meta({ id: 'EndpointTls', description: 'How TLS is spoken with tls:// endpoints.' })
    .exactOptional(),
  sendProxy: sendProxy.exactOptional(),
  probe: probe.exactOptional(),
  queue: z
    .strictObject({
      max: whole(bounds.queueMax)
        .meta({ description: 'Flows that wait at once.', default: defaults.queueMax })
        .exactOptional(),
      timeout: duration('How long one waits.').exactOptional(),
    })
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
  listeners: record(z.discriminatedUnion('kind', [edgeListener, tcpListener, tlsListener])).meta({
    description: 'Where traffic comes in, by name.',
  }),
  pools: record(z.strictObject({ ...poolFields, endpoints: list(endpoint) }).meta({ id: 'Pool' })).meta({
    description: 'Groups of interchangeable endpoints, by name.',
  }),
  routes: z.array(route).readonly().meta({ description: 'What matches, and what is done with it.' }),
})

/** What the schema takes: `ConfigInput` and an optional `$schema`. */
export type SchemaInput = z.input<typeof configSchema>
