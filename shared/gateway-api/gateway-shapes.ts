// The shapes of Gateways and ListenerSets.

import * as z from 'zod'
import { labels, name, objectOf, objectRef, port, selector } from './words.ts'

const certificateFields = {
  mode: z.enum(['Terminate', 'Passthrough']).exactOptional(),
  certificateRefs: z.array(objectRef).exactOptional(),
  options: z.record(z.string(), z.unknown()).exactOptional(),
}
export const allowedRoutes = z.strictObject({
  namespaces: z
    .strictObject({
      from: z.enum(['All', 'Same', 'Selector', 'None']).exactOptional(),
      selector: selector.exactOptional(),
    })
    .exactOptional(),
  kinds: z.array(z.strictObject({ group: z.string().exactOptional(), kind: z.string() })).exactOptional(),
})
export const listenerShape = z.strictObject({
  name,
  hostname: z.string().exactOptional(),
  port,
  protocol: z.string(),
  tls: z.strictObject(certificateFields).exactOptional(),
  allowedRoutes: allowedRoutes.exactOptional(),
})
const validation = z.strictObject({
  caCertificateRefs: z.array(objectRef).min(1),
  mode: z.enum(['AllowValidOnly', 'AllowInsecureFallback']).exactOptional(),
})
const tlsConfig = z.strictObject({ validation: validation.exactOptional() })
export const gatewayTls = z.strictObject({
  backend: z.strictObject({ clientCertificateRef: objectRef.exactOptional() }).exactOptional(),
  frontend: z
    .strictObject({ default: tlsConfig, perPort: z.array(z.strictObject({ port, tls: tlsConfig })).exactOptional() })
    .exactOptional(),
})
export const gatewayShape = objectOf(
  z.strictObject({
    gatewayClassName: z.string(),
    listeners: z.array(listenerShape),
    addresses: z
      .array(z.strictObject({ type: z.string().exactOptional(), value: z.string().exactOptional() }))
      .exactOptional(),
    infrastructure: z
      .strictObject({ labels: labels.exactOptional(), annotations: labels.exactOptional(), parametersRef: z.unknown() })
      .partial()
      .exactOptional(),
    allowedListeners: z
      .strictObject({
        namespaces: z
          .strictObject({
            from: z.enum(['All', 'Same', 'Selector', 'None']).exactOptional(),
            selector: selector.exactOptional(),
          })
          .exactOptional(),
      })
      .exactOptional(),
    tls: gatewayTls.exactOptional(),
    defaultScope: z.string().exactOptional(),
  }),
)
export const listenerSetShape = objectOf(
  z.strictObject({
    parentRef: z.strictObject({
      group: z.string().exactOptional(),
      kind: z.string().exactOptional(),
      name,
      namespace: name.exactOptional(),
    }),
    listeners: z.array(listenerShape).min(1),
  }),
)
