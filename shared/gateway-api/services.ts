// Services and where their ports are: in the manifests which ports there are and what they speak, in the map of endpoints
// or by a template the addresses.

import * as z from 'zod'
import type { Manifest } from './manifests.ts'
import type { Notes } from './notes.ts'
import { within } from './notes.ts'
import { readShape } from './shape.ts'
import { port as portNumber } from './words.ts'

export interface Services {
  /** The port of a Service; a word on why there is none. */
  find(namespace: string, name: string, port: number, protocol: 'TCP' | 'UDP'): ServicePort | string
}

export interface ServicePort {
  /** The name of the port; empty when it has none or no manifest says. */
  readonly name: string
  readonly appProtocol: string | undefined
  /** `host:port` each; empty when the map of endpoints says that there is none. */
  readonly addresses: readonly string[]
}

export interface Whereabouts {
  /** `namespace/service:port` to addresses. */
  readonly endpoints: ReadonlyMap<string, readonly string[]>
  /** `{service}`, `{namespace}` and `{port}` are filled in. */
  readonly resolve: string
  /** The map names every Service there is: one that it does not name and no manifest shows is missing. */
  readonly isMapWhole: boolean
}

export function readServices(
  manifests: { readonly services: readonly Manifest[]; readonly endpointSlices: readonly Manifest[] },
  where: Whereabouts,
  notes: Notes,
): Services {
  const ports = new Map<string, readonly z.output<typeof servicePort>[]>()
  const slices = readSlices(manifests.endpointSlices, notes)
  for (const manifest of manifests.services) {
    const shape = readShape(manifest, service, notes)
    if (shape === undefined) continue
    const { spec } = shape
    const key = `${manifest.namespace}/${manifest.name}`
    if (spec?.['type'] === 'ExternalName') {
      const message = 'a Service of type ExternalName is no backend: it could point anywhere (CVE-2021-25740)'
      const spot = within(manifest.spot, 'spec', 'type')
      notes.add('not-carried', 'external-name', spot, message, 'Give its addresses in the map of endpoints.')
    } else ports.set(key, spec?.ports ?? [])
    if (spec?.['sessionAffinity'] === 'ClientIP') {
      const spot = within(manifest.spot, 'spec', 'sessionAffinity')
      const message = 'sessionAffinity is for clients inside the cluster, and is not kept by gateways'
      notes.add(
        'ignored',
        'service-affinity',
        spot,
        message,
        'For the same here let the pool say `balance: { hash: address }`.',
      )
    }
  }
  /** A template that was asked for stands in for endpoints that are not there yet. */
  const sliced = (key: string, portName: string): readonly string[] | undefined => {
    const addresses = slices.get(`${key}:${portName}`)
    return addresses?.length === 0 && where.resolve !== CLUSTER_DNS ? undefined : addresses
  }
  return {
    find(namespace, name, port, protocol) {
      const key = `${namespace}/${name}`
      const mapped = where.endpoints.get(`${key}:${port}`) ?? where.endpoints.get(key)
      const known = ports.get(key)
      const own = known?.filter(each => each.port === port)
      const found = own?.find(each => (each.protocol ?? 'TCP') === protocol) ?? own?.[0]
      if (found === undefined && mapped === undefined) {
        if (known !== undefined) return `the Service ${key} has no port ${port}`
        if (ports.size > 0 || where.isMapWhole) return `there is no Service ${key}`
      }
      return {
        name: found?.name ?? '',
        appProtocol: found?.appProtocol,
        addresses: mapped?.map(address => withPort(address, port)) ??
          sliced(key, found?.name ?? '') ?? [fillIn(where.resolve, namespace, name, port)],
      }
    },
  }
}

/** Addresses by `namespace/service:port name`; endpoints that are not ready take no traffic. */
function readSlices(manifests: readonly Manifest[], notes: Notes): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>()
  for (const manifest of manifests) {
    const service = manifest.labels['kubernetes.io/service-name']
    const shape = readShape(manifest, endpointSlice, notes)
    if (service === undefined || shape === undefined) continue
    for (const { name = '', port } of shape.ports ?? []) {
      if (port === undefined) continue
      const key = `${manifest.namespace}/${service}:${name}`
      const ready = (shape.endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false)
      const addresses = ready.flatMap(({ addresses }) => addresses.map(address => withPort(address, port)))
      found.set(key, [...(found.get(key) ?? []), ...addresses])
    }
  }
  return found
}

/** `10.0.0.1` is at the port of the Service. */
function withPort(address: string, port: number): string {
  const bare = withoutScheme(address)
  return /:\d+$/.test(bare) && !/^[^[]*:[^[]*:/.test(bare)
    ? bare
    : `${bare.includes(':') && !bare.startsWith('[') ? `[${bare}]` : bare}:${port}`
}

/** What is spoken there is said by route and Service; the address is a place. */
function withoutScheme(address: string): string {
  return address.replace(/^[a-z0-9+.-]+:\/\//i, '').replace(/\/+$/, '')
}

function fillIn(template: string, namespace: string, service: string, port: number): string {
  const filled = withoutScheme(template)
    .replaceAll('{service}', service)
    .replaceAll('{namespace}', namespace)
    .replaceAll('{port}', String(port))
  return withPort(filled, port)
}

const servicePort = z.looseObject({
  name: z.string().exactOptional(),
  port: portNumber,
  protocol: z.string().exactOptional(),
  appProtocol: z.string().exactOptional(),
})

const endpointSlice = z.looseObject({
  ports: z.array(z.looseObject({ name: z.string().exactOptional(), port: portNumber.exactOptional() })).exactOptional(),
  endpoints: z
    .array(
      z.looseObject({
        addresses: z.array(z.string()),
        conditions: z.looseObject({ ready: z.boolean().exactOptional() }).exactOptional(),
      }),
    )
    .exactOptional(),
})

/** Most of a Service is for the cluster: it is not listed. */
const service = z.looseObject({
  spec: z.looseObject({ ports: z.array(servicePort).exactOptional() }).exactOptional(),
})

/** How a Service is called from inside its cluster. */
export const CLUSTER_DNS = '{service}.{namespace}.svc.cluster.local:{port}'
