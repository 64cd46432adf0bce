// The shape of pools as zod reads it.

import * as z from 'zod'
import { probeRegions } from './config-pool.ts'
import { bounds, defaults } from './defaults.ts'
import { between, duration, list, nonEmpty, patterned, record, whole } from './schema-values.ts'

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
        'https://host[:port][/base], http://… or binding:NAME at the edge; these, h2c://, grpc://, grpcs://, tcp://host:port, tls://host:port, udp://host:port or unix:/path at the relay. May hold ${NAME} or ${NAME:-default}.',
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
      datagrams: z
        .enum(['first', 'each'])
        .meta({ description: 'At udp listeners: which datagrams of a session have the header.', default: 'first' })
        .exactOptional(),
    }),
  ])
  .meta({ id: 'SendProxy', description: "The client's address in a PROXY header ahead of the bytes." })

const bytes = z.union([z.string(), z.strictObject({ hex: z.string() }), z.strictObject({ base64: z.string() })])

const probe = z
  .strictObject({
    kind: z.enum(['tcp', 'tls', 'http', 'redis', 'postgres', 'grpc', 'udp']),
    path: z.string().meta({ description: 'Of http only.', default: defaults.probePath }).exactOptional(),
    status: z
      .union([whole(bounds.probeStatus), patterned<`${number}-${number}`>('A range.', '^[1-5][0-9]{2}-[1-5][0-9]{2}$')])
      .meta({ description: 'Of http only.', default: defaults.probeStatus })
      .exactOptional(),
    body: nonEmpty('Of http only: a text in the first 10 KiB of the body.').exactOptional(),
    service: nonEmpty(
      'Of grpc only: the service whose health is asked for. Default: the whole server.',
    ).exactOptional(),
    payload: bytes.meta({ description: 'Of udp only: what is sent.' }).exactOptional(),
    expect: bytes.meta({ description: 'Of udp only: how the answer has to begin.' }).exactOptional(),
    interval: duration('From the end of one probe to the next, give or take 10 %.').exactOptional(),
    timeout: duration('For the whole of one probe.').exactOptional(),
    regions: list(z.enum(probeRegions))
      .meta({ description: 'At the edge: asked from each of these, and most of them decide.' })
      .exactOptional(),
    fall: whole(bounds.probesInRow).meta({ default: defaults.fall }).exactOptional(),
    rise: whole(bounds.probesInRow).meta({ default: defaults.rise }).exactOptional(),
    startDown: z.boolean().meta({ default: false }).exactOptional(),
  })
  .meta({ id: 'Probe', description: 'Asking endpoints on a timer whether they are up.' })

const limit = whole(bounds.limit)

export const poolFields = {
  balance: balance.exactOptional(),
  closed: z
    .boolean()
    .meta({ description: 'It takes nothing, and may be without endpoints.', default: false })
    .exactOptional(),
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
