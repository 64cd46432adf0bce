// The words of a config -> Kubernetes manifests of the Gateway API, as far as the standard can say them; the rest is
// noted. What came from an import goes back to what the import would read again.

import type { ConfigInput } from '../config/config.ts'
import type { ListenerInput } from '../config/config-listener.ts'
import { parseHostPort } from '../wire/address.ts'
import { gatewayListener } from './export-listener.ts'
import { listenerObject, type ObjectName, routeObject } from './export-names.ts'
import { exportRule } from './export-rules.ts'
import { exportServices, type ServiceUse } from './export-services.ts'
import { collectNotes, type Note, type Notes, type Spot, within } from './notes.ts'
import { GATEWAY_GROUP } from './words.ts'

export interface Exported {
  readonly manifests: readonly object[]
  /** `namespace/service:port` to addresses: what Services alone do not say. */
  readonly endpoints: Readonly<Record<string, readonly string[]>>
  readonly notes: readonly Note[]
}

/** Where names from one namespace to another need a ReferenceGrant. */
export interface Grant {
  readonly from: { readonly kind: string; readonly namespace: string }
  readonly to: { readonly kind: 'Secret' | 'Service' } & ObjectName
}

/** @param file how notes name the config; @param locate where in it something stands */
export function exportGatewayApi(config: ConfigInput, file: string, locate: Spot['locate']): Exported {
  const notes = collectNotes()
  const whole: Spot = { file, object: '', root: [], place: [], locate }
  const grants: Grant[] = []
  const gateways = exportGateways(config, grants, whole, notes)
  const uses: ServiceUse[] = []
  const routes = config.routes.flatMap((route, index) =>
    exportRoute(route as AnyRoute, index, config, uses, grants, within(whole, 'routes', index), notes),
  )
  const services = exportServices(config, uses, whole, notes)
  const manifests = [
    ...gateways,
    ...routes,
    ...services.manifests,
    ...(grants.length === 0 ? [] : exportGrants(grants)),
  ]
  return { manifests, endpoints: services.endpoints, notes: notes.all }
}

function exportGateways(config: ConfigInput, grants: Grant[], whole: Spot, notes: Notes): object[] {
  const gateways = new Map<string, MadeGateway>()
  for (const [name, listener] of Object.entries(config.listeners)) {
    const spot = within(whole, 'listeners', name)
    const object = listenerObject(name)
    const key = `${object.namespace}/${object.name}`
    const known: MadeGateway = gateways.get(key) ?? {
      object,
      host: hostOf(listener),
      listeners: [],
      frontend: new Map(),
    }
    gateways.set(key, known)
    const { entries, secrets, frontend } = gatewayListener(object, listener, spot, notes)
    known.listeners.push(...entries)
    if (frontend !== undefined) known.frontend.set(frontend.port, frontend.tls)
    for (const to of secrets) {
      if (to.namespace !== object.namespace) {
        grants.push({ from: { kind: 'Gateway', namespace: object.namespace }, to: { kind: 'Secret', ...to } })
      }
    }
  }
  return [...gateways.values()].map(({ object, host, listeners, frontend }) => ({
    apiVersion: `${GATEWAY_GROUP}/v1`,
    kind: 'Gateway',
    metadata: metadataOf(object),
    spec: {
      gatewayClassName: 'fourseven',
      ...(host === '0.0.0.0' || host === '' ? {} : { addresses: [{ type: 'IPAddress', value: host }] }),
      ...(frontend.size === 0
        ? {}
        : { tls: { frontend: { default: {}, perPort: [...frontend].map(([port, tls]) => ({ port, tls })) } } }),
      listeners,
    },
  }))
}

interface MadeGateway {
  readonly object: ObjectName
  readonly host: string
  readonly listeners: object[]
  readonly frontend: Map<number, object>
}

function hostOf(listener: ListenerInput): string {
  return 'address' in listener ? (parseHostPort(listener.address)?.host ?? '') : ''
}

/** A route, its rules in the route itself or in a list. */
export interface AnyRoute {
  readonly name: string
  readonly listener?: string | readonly string[]
  readonly hostnames?: readonly string[]
  readonly rules?: readonly object[]
}

function exportRoute(
  route: AnyRoute,
  index: number,
  config: ConfigInput,
  uses: ServiceUse[],
  grants: Grant[],
  spot: Spot,
  notes: Notes,
): object[] {
  const { name, listener, hostnames, rules, ...own } = route
  const listeners =
    listener === undefined ? httpListeners(config) : typeof listener === 'string' ? [listener] : listener
  const written = rules ?? [own]
  const kind = kindOf(
    listeners.map(each => config.listeners[each]),
    written,
  )
  if (kind === undefined) {
    notes.add('not-carried', 'mixed-route', spot, 'the route is of several kinds', 'Write one route for each kind.')
    return []
  }
  const object = routeObject(name)
  const exported = written.map((rule, place) => {
    const here = rules === undefined ? spot : within(spot, 'rules', place)
    return exportRule(rule, kind, object.namespace, config.pools, uses, here, notes)
  })
  for (const use of uses) {
    if (use.from.namespace !== use.service.namespace)
      grants.push({ from: use.from, to: { kind: 'Service', ...use.service } })
  }
  const sni = kind === 'TLSRoute' ? exported.flatMap(({ hostnames }) => hostnames) : []
  const names = kind === 'TLSRoute' ? sni : (hostnames ?? [])
  return [
    {
      apiVersion: `${GATEWAY_GROUP}/v1`,
      kind,
      // The order of the list decides where nothing else does; in a cluster it is that of age.
      metadata: { ...metadataOf(object), creationTimestamp: new Date(index * 1_000).toISOString().replace('.000', '') },
      spec: {
        parentRefs: listeners.map(each => {
          const { namespace, name: gateway, section } = listenerObject(each)
          return { name: gateway, ...(namespace === object.namespace ? {} : { namespace }), sectionName: section }
        }),
        ...(names.length === 0 ? {} : { hostnames: names }),
        rules: exported.map(({ rule }) => rule),
      },
    },
  ]
}

function httpListeners(config: ConfigInput): readonly string[] {
  const of = (kind: string) => Object.keys(config.listeners).filter(name => config.listeners[name]!.kind === kind)
  return of('edge').length > 0 ? of('edge') : of('http')
}

function kindOf(listeners: readonly (ListenerInput | undefined)[], rules: readonly object[]): string | undefined {
  const kinds = new Set<string | undefined>(listeners.map(listener => listener?.kind))
  if (kinds.delete('edge')) kinds.add('http')
  if (kinds.size !== 1) return undefined
  const [kind] = kinds
  if (kind !== 'http') return kind === undefined ? undefined : `${kind.toUpperCase()}Route`
  const calls = rules.map(rule => matchesOf(rule).some(match => 'grpc' in match))
  if (calls.every(isCall => isCall)) return 'GRPCRoute'
  return calls.some(isCall => isCall) ? undefined : 'HTTPRoute'
}

export function matchesOf(rule: object): readonly object[] {
  const { match } = rule as { match?: object | readonly object[] }
  return match === undefined ? [] : Array.isArray(match) ? match : [match]
}

function exportGrants(grants: readonly Grant[]): object[] {
  const made = new Map<string, object>()
  for (const { from, to } of grants) {
    const key = `${from.kind} ${from.namespace} ${to.kind} ${to.namespace}`
    made.set(key, {
      apiVersion: `${GATEWAY_GROUP}/v1`,
      kind: 'ReferenceGrant',
      metadata: metadataOf({
        namespace: to.namespace,
        name: `${from.kind}-${from.namespace}-${to.kind}`.toLowerCase(),
      }),
      spec: {
        from: [{ group: GATEWAY_GROUP, kind: from.kind, namespace: from.namespace }],
        to: [{ group: '', kind: to.kind }],
      },
    })
  }
  return [...made.values()]
}

export function metadataOf({ namespace, name }: ObjectName): { name: string; namespace?: string } {
  return namespace === 'default' ? { name } : { name, namespace }
}
