// A listener of a config as listeners of a Gateway: one for each of its hostnames.

import type { ListenerInput } from '../config/config-listener.ts'
import { parseHostPort } from '../wire/address.ts'
import type { ObjectName } from './export-names.ts'
import { type Notes, type Spot, within } from './notes.ts'

export interface GatewayListeners {
  readonly entries: readonly object[]
  readonly secrets: readonly ObjectName[]
  readonly frontend: { readonly port: number; readonly tls: object } | undefined
}

export function gatewayListener(
  object: ObjectName & { readonly section: string },
  listener: ListenerInput,
  spot: Spot,
  notes: Notes,
): GatewayListeners {
  const { kind, address, hostnames, certificates, clientCa, requireClientCertificate, ...rest } =
    listener as AnyListener
  noteRest(rest, spot, notes)
  const port = address === undefined ? 80 : (parseHostPort(address)?.port ?? 0)
  if (port === 0) {
    const message = 'a Gateway listens on a port of its own'
    notes.add('not-carried', 'no-port', within(spot, 'address'), message, 'Write a port from 1 to 65535.')
    return { entries: [], secrets: [], frontend: undefined }
  }
  const secrets = (certificates ?? []).map(({ cert }) => secretOf(cert, object.namespace))
  const isHttp = kind === 'http' || kind === 'edge'
  // The edge has no port and no certificate of its own: the platform ends TLS before it.
  const protocol = !isHttp ? kind.toUpperCase() : secrets.length > 0 ? 'HTTPS' : 'HTTP'
  const refs = secrets.map(({ namespace, name }) => ({
    name,
    ...(namespace === object.namespace ? {} : { namespace }),
  }))
  const tls =
    refs.length > 0 ? { tls: { certificateRefs: refs } } : protocol === 'TLS' ? { tls: { mode: 'Passthrough' } } : {}
  const entries = (hostnames ?? [undefined]).map((hostname, index) => ({
    name: index === 0 ? object.section : `${object.section}-${index + 1}`,
    port,
    protocol,
    ...(hostname === undefined ? {} : { hostname }),
    ...tls,
    allowedRoutes: { namespaces: { from: 'All' } },
  }))
  if (clientCa === undefined) return { entries, secrets, frontend: undefined }
  const validation = {
    caCertificateRefs: [
      { group: '', kind: 'ConfigMap', ...refOf(secretOf(clientCa, object.namespace), object.namespace) },
    ],
    ...(requireClientCertificate === false ? { mode: 'AllowInsecureFallback' } : {}),
  }
  return { entries, secrets, frontend: { port, tls: { validation } } }
}

interface AnyListener {
  readonly kind: string
  readonly address?: string
  readonly hostnames?: readonly string[]
  readonly certificates?: readonly { readonly cert: string }[]
  readonly clientCa?: string
  readonly requireClientCertificate?: boolean
}

/** `certs/shop_web.crt` is the Secret web of shop, `certs/web.crt` that of the namespace itself. */
export function secretOf(path: string, home: string): ObjectName {
  const stem = path.replace(/^.*\//, '').replace(/(?:\.ca)?\.[a-z]+$/, '')
  const [, namespace, name] = /^([a-z0-9-]+)_(.+)$/.exec(stem) ?? []
  return { namespace: namespace ?? home, name: name ?? stem }
}

function refOf({ namespace, name }: ObjectName, home: string): { name: string; namespace?: string } {
  return namespace === home ? { name } : { name, namespace }
}

/** What the standard has no word for. */
export function noteRest(rest: object, spot: Spot, notes: Notes): void {
  for (const field of Object.keys(rest)) {
    const message = `the Gateway API has no word for "${field}"`
    notes.add('not-carried', 'no-word', within(spot, field), message, 'Say it where the manifests will be used.')
  }
}
