// The shape of listeners as zod reads it.

import * as z from 'zod'
import { bounds, defaults } from './defaults.ts'
import { errorPages } from './schema-http.ts'
import { hostnames } from './schema-route.ts'
import { duration, list, nonEmpty, patterned, size, text, whole } from './schema-values.ts'

const doorLimits = z.strictObject({
  maxUrl: size('A longer URL is answered 414.').exactOptional(),
  maxHeaders: whole(bounds.headers)
    .meta({ description: 'More header fields are answered 431.', default: defaults.maxHeaders })
    .exactOptional(),
  maxHeaderBytes: size('A larger header is answered 431.').exactOptional(),
})

const trustedProxies = z.strictObject({ trustedProxies: z.array(z.string()).readonly() })

export const edgeListener = z
  .strictObject({
    kind: z.literal('edge'),
    hostnames: hostnames.exactOptional(),
    clientAddress: z
      .union([z.enum(['cloudflare', 'none']), trustedProxies])
      .meta({ description: "Where the truth about the client's address comes from.", default: 'cloudflare' })
      .exactOptional(),
    subrequests: whole(bounds.subrequests)
      .meta({
        description: 'How many requests a Worker may make for one of a client: 50 free, 10,000 paid.',
        default: defaults.subrequests,
      })
      .exactOptional(),
    errorPages: errorPages.exactOptional(),
    limits: doorLimits.exactOptional(),
    via: z.boolean().meta({ description: 'Add Via both ways.', default: false }).exactOptional(),
  })
  .meta({ id: 'EdgeListener', description: 'HTTP at the edge, by the Worker.' })

const proxySource = {
  from: list(z.string()).meta({ description: "The peer's address in any of these CIDRs." }),
  mode: z
    .enum(['require', 'off'])
    .meta({ description: 'require: without a PROXY header the flow is refused. off: nothing is looked at.' }),
}

const proxyProtocol = list(
  z.strictObject(proxySource).meta({ id: 'ProxySource', description: 'Whose connections begin with a PROXY header.' }),
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

const udpModeFields = {
  mode: z
    .enum(['proxy', 'nat', 'dsr'])
    .meta({ description: 'Who carries the bytes: this program, or the kernel.', default: 'proxy' })
    .exactOptional(),
  interface: text("dsr only: where clients' packets come in, with the endpoints on the same segment.").exactOptional(),
  source: z
    .enum(['keep', 'relay'])
    .meta({ description: "nat only: whose address endpoints see; keep is the client's.", default: 'relay' })
    .exactOptional(),
  seed: whole(bounds.kernelSeed)
    .meta({
      description: 'nat and dsr: relays with the same seed send a flow to the same endpoint.',
      default: defaults.kernelSeed,
    })
    .exactOptional(),
}

const modeFields = {
  ...udpModeFields,
  key: z
    .enum(['flow', 'address'])
    .meta({
      description: 'nat and dsr: what picks the endpoint. Default: address for pools with hash: "address", else flow.',
    })
    .exactOptional(),
}
const udpProxyProtocol = list(
  z
    .strictObject({
      ...proxySource,
      datagrams: z
        .enum(['first', 'each'])
        .meta({ description: 'Which datagrams of a session have the header.', default: 'first' })
        .exactOptional(),
    })
    .meta({ id: 'UdpProxySource', description: 'Whose datagrams begin with a PROXY header of version 2.' }),
)

export const udpListener = z
  .strictObject({
    kind: z.literal('udp'),
    ...udpModeFields,
    address: text('0.0.0.0:53 or [::]:53.'),
    key: z
      .union([
        z.enum(['flow', 'address']),
        z.strictObject({
          quic: z.strictObject({
            idLength: whole(bounds.quicIdLength).meta({ description: 'Bytes of the ids that endpoints give.' }),
          }),
        }),
      ])
      .meta({ description: 'What makes datagrams one session.', default: defaults.sessionKey })
      .exactOptional(),
    maxSessions: whole(bounds.maxSessions).meta({ default: defaults.maxSessions }).exactOptional(),
    maxSessionsPerAddress: whole(bounds.maxSessions)
      .meta({ description: 'Open from one client address; of IPv6 from one /64.' })
      .exactOptional(),
    sessionRate: whole(bounds.acceptRate).meta({ description: 'New sessions a second.' }).exactOptional(),
    allow: flowListenerFields.allow,
    deny: flowListenerFields.deny,
    proxyProtocol: udpProxyProtocol.exactOptional(),
  })
  .meta({ id: 'UdpListener', description: 'UDP at the relay, by session.' })

const certificates = list(
  z.strictObject({
    cert: nonEmpty('A PEM file: the certificate, and behind it those that lead to its authority.'),
    key: nonEmpty('A PEM file.'),
  }),
)

const clientCertificates = {
  clientCa: nonEmpty('A PEM file: clients show a certificate signed by one of these.').exactOptional(),
  requireClientCertificate: z
    .boolean()
    .meta({ description: 'false: a client without a certificate is let in too.', default: true })
    .exactOptional(),
}

export const httpListener = z
  .strictObject({
    kind: z.literal('http'),
    ...flowListenerFields,
    hostnames: hostnames.exactOptional(),
    clientAddress: z
      .union([z.literal('none'), trustedProxies])
      .meta({ description: 'Whose word on the client address counts beside that of the peer.' })
      .exactOptional(),
    errorPages: errorPages.exactOptional(),
    limits: doorLimits.exactOptional(),
    via: z.boolean().meta({ description: 'Add Via both ways.', default: false }).exactOptional(),
    certificates: certificates.meta({ description: 'TLS ends here. None: in the clear.' }).exactOptional(),
    ...clientCertificates,
    headerTimeout: duration('Until the header of a request is whole; and as long for a handshake.').exactOptional(),
    keepAliveTimeout: duration('How long a connection may stay without a request.').exactOptional(),
    maxConnectionAge: duration(
      'A connection takes no more requests when it is so old, give or take 10 %.',
    ).exactOptional(),
    maxConnectionAgeGrace: duration('What is open so long after is cut.').exactOptional(),
  })
  .meta({ id: 'HttpListener', description: 'HTTP/1.1 and HTTP/2 at the relay.' })

export const tcpListener = z
  .strictObject({ kind: z.literal('tcp'), ...flowListenerFields, ...modeFields })
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
    certificates: certificates.meta({ description: 'TLS ends here. None: it passes through.' }).exactOptional(),
    alpn: list(nonEmpty('A protocol: h2.'))
      .meta({ description: 'Protocols to agree on where TLS ends here, the favourite first.' })
      .exactOptional(),
    ...clientCertificates,
  })
  .meta({ id: 'TlsListener', description: 'TLS at the relay, by server name and protocol.' })
