// The shape of HTTP routes as zod reads it.

import * as z from 'zod'
import type { HedgeInput, RetryOn } from './config-http.ts'
import { bounds, defaults } from './defaults.ts'
import {
  addresses,
  attempts,
  hostnames,
  listenerNames,
  pool,
  routeName,
  ruleName,
  splitIdentity,
  unread,
  variantHead,
} from './schema-route.ts'
import { between, duration, list, nonEmpty, oneOrMore, patterned, record, size, text, whole } from './schema-values.ts'

export const valueMatch = z
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

const nameMatch = z
  .union([z.string(), z.strictObject({ exact: z.string() }), z.strictObject({ regex: z.string() })])
  .meta({ id: 'NameMatch', description: 'A string means exact. A regex has to match the whole name.' })

const grpcMatch = z
  .strictObject({ service: nameMatch.exactOptional(), method: nameMatch.exactOptional() })
  .meta({ id: 'GrpcMatch', description: 'gRPC calls, in place of path and method. At http listeners.' })

export const httpMatch = z
  .strictObject({
    path: pathMatch.exactOptional(),
    method: oneOrMore(z.string()).meta({ description: 'Any of these methods.' }).exactOptional(),
    grpc: grpcMatch.exactOptional(),
    header: record(valueMatch).exactOptional(),
    query: record(valueMatch).exactOptional(),
    cookie: record(valueMatch).exactOptional(),
    address: addresses.exactOptional(),
    country: oneOrMore(z.string()).meta({ description: 'ISO 3166-1 alpha-2 codes.' }).exactOptional(),
  })
  .meta({ id: 'HttpMatch', description: 'All conditions must hold.' })

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
    port: z
      .union([whole(bounds.port), z.literal('listener')])
      .meta({ description: 'listener: the port the request came in by.' })
      .exactOptional(),
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
    origins: list(z.string()).meta({ description: 'https://app.example.com, https://*.example.com, https://* or *.' }),
    methods: list(z.string())
      .meta({ description: '* means any.', default: [...defaults.corsMethods] })
      .exactOptional(),
    headers: list(z.string()).meta({ description: '* means any.' }).exactOptional(),
    expose: list(z.string()).meta({ description: 'Answer headers that the page may read.' }).exactOptional(),
    credentials: z.boolean().meta({ default: false }).exactOptional(),
    maxAge: duration('How long a browser may keep the answer to a preflight.').exactOptional(),
  })
  .meta({ id: 'Cors', description: 'Which pages of other origins may read the answers.' })

export const errorPages = record(
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

export const recording = z
  .strictObject({
    sample: between(bounds.sample)
      .meta({ description: 'The part of requests that are written down; failures always are.', default: 1 })
      .exactOptional(),
  })
  .meta({ id: 'Record' })

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
        z.enum(['address', 'draw']),
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

export const httpVariant = z
  .strictObject({
    ...variantHead,
    pool: pool.exactOptional(),
    redirect: redirect.exactOptional(),
    reply: reply.exactOptional(),
    filters: filters.exactOptional(),
  })
  .meta({ id: 'HttpVariant', description: 'Exactly one of pool, redirect and reply.' })

export const mirror = z
  .strictObject({
    pool,
    percent: between(bounds.percent)
      .meta({ description: 'Of requests.', default: defaults.mirrorPercent })
      .exactOptional(),
  })
  .meta({ id: 'Mirror', description: 'A copy of requests sent aside; its answer is dropped.' })

const cache = z
  .strictObject({
    key: z
      .strictObject({
        query: z
          .union([
            z.literal('all'),
            z.strictObject({ only: list(z.string()).exactOptional(), except: list(z.string()).exactOptional() }),
          ])
          .meta({ description: 'Which parameters tell answers apart.', default: 'all' })
          .exactOptional(),
        headers: list(z.string()).meta({ description: 'Request headers that tell answers apart.' }).exactOptional(),
      })
      .exactOptional(),
    ttl: record(duration('Fresh for so long.'))
      .meta({ description: 'By status, for answers that do not say how long they are fresh.' })
      .exactOptional(),
    heuristic: z.boolean().meta({ default: false }).exactOptional(),
    staleWhileRevalidate: duration('Given stale for so long while a new one is fetched.').exactOptional(),
    staleIfError: duration('Given stale for so long when no endpoint can answer.').exactOptional(),
    maxBody: size('Larger answers are passed on and not stored.').exactOptional(),
    collapse: z.boolean().meta({ default: true }).exactOptional(),
    tagHeader: z
      .string()
      .meta({ description: "The answer's field with its tags.", default: defaults.tagHeader })
      .exactOptional(),
  })
  .meta({ id: 'Cache', description: "A shared cache for the rule's answers (RFC 9111)." })

export const cacheStore = z
  .strictObject({
    memory: size('Of stored answers, of all rules together.').exactOptional(),
    disk: z
      .strictObject({
        path: nonEmpty('A folder that no other relay has: what is stored survives a restart.'),
        size: size('Of the files there.'),
      })
      .exactOptional(),
  })
  .meta({ id: 'CacheStore', description: 'Where a relay keeps the answers that rules with a cache store.' })

const compress = z
  .strictObject({
    types: list(z.string())
      .meta({ description: 'Media types.', default: [...defaults.compressTypes] })
      .exactOptional(),
    minSize: size('Shorter answers stay as they are.').exactOptional(),
  })
  .meta({ id: 'Compress', description: 'Answers are compressed for clients that take it.' })

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
        sameEndpoint: z
          .boolean()
          .meta({ description: 'When no other is left, one that was tried is tried again.', default: false })
          .exactOptional(),
        backoff: duration('The least wait before a retry.').exactOptional(),
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
      connect: duration('At the relay: until an endpoint is connected.').exactOptional(),
      idle: duration('At the relay: no byte either way once the answer has begun.').exactOptional(),
      call: duration(
        'At the relay: a gRPC call in all, where its client names no deadline or a later one.',
      ).exactOptional(),
    })
    .exactOptional(),
  cors: cors.exactOptional(),
  errorPages: errorPages.exactOptional(),
  limits: z.strictObject({ maxBody: size('A larger request body is answered 413.').exactOptional() }).exactOptional(),
  record: recording.exactOptional(),
  cache: z.union([cache, z.boolean()]).exactOptional(),
  compress: z.union([compress, z.boolean()]).exactOptional(),
}

/** What a route with a list of rules says for all of them. */
export const rulesHead = z.strictObject({ record: recording.exactOptional() })

export const httpRulePart = z.strictObject({ ...ruleName, ...httpRuleFields, ...unread })

export const httpRouteHead = z.strictObject({
  ...routeName,
  listener: listenerNames
    .meta({ description: 'Default: every edge listener; where there is none, every http listener.' })
    .exactOptional(),
  hostnames: hostnames.exactOptional(),
})

export const httpRuleWhole = {
  ...httpRuleFields,
  match: oneOrMore(httpMatch).exactOptional(),
  variants: list(httpVariant).exactOptional(),
}

export const httpRule = z
  .strictObject({ ...ruleName, ...httpRuleWhole })
  .meta({ id: 'HttpRule', description: 'Exactly one of pool, variants, redirect and reply.' })
