// Gateways and ListenerSets: the listeners they have, which of them can be told apart, and who may attach to them.

import type * as z from 'zod'
import { listNames } from '../config/findings.ts'
import { parseAddress } from '../wire/address.ts'
import { compareAge } from './age.ts'
import {
  type allowedRoutes,
  gatewayShape,
  type gatewayTls,
  listenerSetShape,
  type listenerShape,
} from './gateway-shapes.ts'
import type { Grants } from './grants.ts'
import type { Manifest } from './manifests.ts'
import { type Notes, type Spot, within } from './notes.ts'
import { readShape } from './shape.ts'
import { GATEWAY_GROUP, isGatewayHostname, type ObjectRef, type Selector, selects } from './words.ts'

export type Protocol = 'HTTP' | 'HTTPS' | 'TLS' | 'TCP' | 'UDP'

export interface GatewayListener {
  /** The Gateway or ListenerSet that a route names as its parent. */
  readonly parent: { readonly kind: 'Gateway' | 'ListenerSet'; readonly namespace: string; readonly name: string }
  /** Whose addresses it is on: the Gateway itself, or that of the ListenerSet. */
  readonly gateway: Gateway
  readonly section: string
  readonly port: number
  readonly protocol: Protocol
  /** Undefined: any host. */
  readonly hostname: string | undefined
  readonly isPassthrough: boolean
  readonly certificates: readonly ObjectRef[]
  readonly allowed: AllowedRoutes
  readonly spot: Spot
}

export interface Gateway {
  readonly manifest: Manifest
  readonly tls: z.output<typeof gatewayTls> | undefined
  /** IP addresses that it asks for. */
  readonly addresses: readonly string[]
}

export interface AllowedRoutes {
  readonly from: 'All' | 'Same' | 'Selector' | 'None'
  readonly selector: Selector | undefined
  /** Undefined: any that fits the protocol. */
  readonly kinds: ReadonlySet<string> | undefined
}

export interface Namespaces {
  /** The labels of a namespace; undefined when no manifest says. */
  labelsOf(namespace: string): Readonly<Record<string, string>> | undefined
}

/** Every listener that can be told from the others; those that cannot are noted and left out. */
export function readGateways(
  manifests: { readonly gateways: readonly Manifest[]; readonly listenerSets: readonly Manifest[] },
  namespaces: Namespaces,
  grants: Grants,
  notes: Notes,
): readonly GatewayListener[] {
  const listeners: GatewayListener[] = []
  for (const manifest of manifests.gateways) {
    const shape = readShape(manifest, gatewayShape, notes)
    if (shape === undefined) continue
    const { spec } = shape
    noteRest(manifest, spec, notes)
    const gateway = { manifest, tls: spec.tls, addresses: readAddresses(manifest, spec.addresses, notes) }
    const own = readListeners(gateway, manifest, spec.listeners, notes)
    const sets = setsOf(manifest, spec.allowedListeners, manifests.listenerSets, namespaces, notes)
    const added = sets.flatMap(set => readListeners(gateway, set.manifest, set.listeners, notes))
    listeners.push(...distinct(own, added, notes))
  }
  for (const set of manifests.listenerSets) noteLostSet(set, manifests.gateways, notes)
  return listeners.filter(listener => hasGrantedCertificates(listener, grants, notes))
}

function readListeners(
  gateway: Gateway,
  manifest: Manifest,
  entries: readonly z.output<typeof listenerShape>[],
  notes: Notes,
): GatewayListener[] {
  const kind = manifest.kind === 'Gateway' ? 'Gateway' : 'ListenerSet'
  const taken = new Set<string>()
  return entries.flatMap((entry, index) => {
    const spot = within(manifest.spot, 'spec', 'listeners', index)
    if (taken.has(entry.name)) {
      notes.add(
        'error',
        'duplicate-name',
        within(spot, 'name'),
        `the listener ${entry.name} is there already`,
        'Give each its own name.',
      )
    }
    taken.add(entry.name)
    const protocol = readProtocol(entry.protocol, spot, notes)
    if (protocol === undefined || !checkTls(entry, protocol, spot, notes)) return []
    const takesHost = protocol !== 'TCP' && protocol !== 'UDP'
    const hostname = entry.hostname === undefined || entry.hostname === '' || !takesHost ? undefined : entry.hostname
    if (hostname !== undefined && !isGatewayHostname(hostname)) {
      notes.add('error', 'bad-hostname', within(spot, 'hostname'), `"${hostname}" is not a hostname`, HOSTNAME)
      return []
    }
    return [
      {
        parent: { kind, namespace: manifest.namespace, name: manifest.name },
        gateway,
        section: entry.name,
        port: entry.port,
        protocol,
        hostname,
        isPassthrough: entry.tls?.mode === 'Passthrough',
        certificates: entry.tls?.certificateRefs ?? [],
        allowed: readAllowed(entry.allowedRoutes, protocol, spot, notes),
        spot,
      },
    ]
  })
}

function readProtocol(text: string, spot: Spot, notes: Notes): Protocol | undefined {
  if (protocols.includes(text as Protocol)) return text as Protocol
  const mend = `The protocols are ${listNames(protocols, 'and')}.`
  notes.add(
    'not-carried',
    'unsupported-protocol',
    within(spot, 'protocol'),
    `nothing here speaks the protocol "${text}"`,
    mend,
  )
  return undefined
}

/** HTTPS and TLS say how TLS ends; the others have none. */
function checkTls(entry: z.output<typeof listenerShape>, protocol: Protocol, spot: Spot, notes: Notes): boolean {
  const here = within(spot, 'tls')
  const options = entry.tls?.options
  if (options !== undefined && Object.keys(options).length > 0) {
    const message = `TLS options are of one implementation: ${listNames(Object.keys(options), 'and')}`
    notes.add(
      'not-carried',
      'tls-options',
      within(here, 'options'),
      message,
      'Node decides on versions and ciphers: see docs/limits.md.',
    )
  }
  const isTls = protocol === 'HTTPS' || protocol === 'TLS'
  if (!isTls && entry.tls !== undefined) {
    notes.add(
      'error',
      'tls-beside-protocol',
      here,
      `a listener of protocol ${protocol} has no TLS`,
      'Leave "tls" out, or write HTTPS or TLS.',
    )
    return false
  }
  if (protocol === 'HTTPS' && entry.tls?.mode === 'Passthrough') {
    const mend = 'Write protocol TLS and attach a TLSRoute.'
    notes.add('error', 'https-passthrough', within(here, 'mode'), 'HTTPS ends here and cannot pass through', mend)
    return false
  }
  if (isTls && entry.tls?.mode !== 'Passthrough' && (entry.tls?.certificateRefs ?? []).length === 0) {
    notes.add(
      'error',
      'no-certificate',
      here,
      'TLS ends here and no certificate is named',
      'Add "certificateRefs", or mode Passthrough.',
    )
    return false
  }
  return true
}

function readAllowed(
  input: z.output<typeof allowedRoutes> | undefined,
  protocol: Protocol,
  spot: Spot,
  notes: Notes,
): AllowedRoutes {
  const { namespaces, kinds } = input ?? {}
  const here = within(spot, 'allowedRoutes')
  for (const [index, { group = GATEWAY_GROUP, kind }] of (kinds ?? []).entries()) {
    if (group === GATEWAY_GROUP && kindsOf[protocol].includes(kind)) continue
    const mend = `A listener of protocol ${protocol} takes ${listNames(kindsOf[protocol], 'and')}.`
    notes.add(
      'not-carried',
      'unsupported-kind',
      within(here, 'kinds', index),
      `routes of kind ${kind} cannot attach here`,
      mend,
    )
  }
  const own = (kinds ?? []).filter(({ group = GATEWAY_GROUP }) => group === GATEWAY_GROUP).map(({ kind }) => kind)
  return {
    from: namespaces?.from ?? 'Same',
    selector: namespaces?.selector,
    kinds: kinds === undefined || kinds.length === 0 ? undefined : new Set(own),
  }
}

/** Whether an object of a namespace is let in by a word such as `Same`. */
export function letsIn(
  rule: { readonly from: string; readonly selector: Selector | undefined },
  home: string,
  namespace: string,
  namespaces: Namespaces,
): boolean | 'unknown labels' {
  if (rule.from === 'All') return true
  if (rule.from === 'Same') return home === namespace
  if (rule.from !== 'Selector' || rule.selector === undefined) return false
  const known = namespaces.labelsOf(namespace)
  // Kubernetes gives every namespace a label with its name.
  const found = { ...known, 'kubernetes.io/metadata.name': namespace }
  return selects(rule.selector, found) || (known === undefined ? 'unknown labels' : false)
}

interface NamedSet {
  readonly manifest: Manifest
  readonly listeners: readonly z.output<typeof listenerShape>[]
}

/** The ListenerSets that the Gateway lets in, in their order. */
function setsOf(
  gateway: Manifest,
  allowed: z.output<typeof gatewayShape>['spec']['allowedListeners'],
  manifests: readonly Manifest[],
  namespaces: Namespaces,
  notes: Notes,
): NamedSet[] {
  return [...manifests].sort(compareAge).flatMap(manifest => {
    if (!isParent(gateway, manifest)) return []
    const shape = readShape(manifest, listenerSetShape, notes)
    if (shape === undefined) return []
    const rule = { from: allowed?.namespaces?.from ?? 'None', selector: allowed?.namespaces?.selector }
    const isIn = letsIn(rule, gateway.namespace, manifest.namespace, namespaces)
    if (isIn === true) return [{ manifest, listeners: shape.spec.listeners }]
    const why =
      isIn === false ? `takes ListenerSets from ${rule.from}` : `asks for labels of a namespace that no manifest shows`
    const spot = within(manifest.spot, 'spec', 'parentRef')
    notes.add(
      'warning',
      'not-allowed',
      spot,
      `${gateway.spot.object} ${why}`,
      'Say so in its "allowedListeners.namespaces".',
    )
    return []
  })
}

function isParent(gateway: Manifest, set: Manifest): boolean {
  const spec = set.raw['spec'] as { parentRef?: { name?: unknown; namespace?: unknown } } | undefined
  const ref = spec?.parentRef
  return ref?.name === gateway.name && (ref.namespace ?? set.namespace) === gateway.namespace
}

function noteLostSet(set: Manifest, gateways: readonly Manifest[], notes: Notes): void {
  if (gateways.some(gateway => isParent(gateway, set))) return
  const shape = readShape(set, listenerSetShape, notes)
  if (shape === undefined) return
  const spot = within(set.spot, 'spec', 'parentRef')
  notes.add(
    'warning',
    'unknown-parent',
    spot,
    `there is no Gateway ${shape.spec.parentRef.name}`,
    'Add its manifest, or mend the name.',
  )
}

/**
 * Listeners that share port and protocol must differ by hostname, and a port speaks one protocol. Of a Gateway's own that
 * do not differ none is taken; what a ListenerSet adds gives way to what stands before it.
 */
function distinct(own: readonly GatewayListener[], added: readonly GatewayListener[], notes: Notes): GatewayListener[] {
  const clashing = new Set<GatewayListener>()
  for (const one of own) {
    for (const other of own) {
      const why = one === other ? undefined : clash(one, other)
      if (why === undefined) continue
      clashing.add(one)
      notes.add(
        'warning',
        'conflicted',
        one.spot,
        `it ${why} as listener ${other.section}: neither is served`,
        MEND_CLASH,
      )
    }
  }
  const taken = own.filter(listener => !clashing.has(listener))
  for (const listener of added) {
    const other = [...own, ...taken].find(earlier => clash(earlier, listener) !== undefined)
    if (other === undefined) taken.push(listener)
    else {
      const message = `it ${clash(other, listener)} as listener ${other.section} of ${other.spot.object}, which comes first`
      notes.add('warning', 'conflicted', listener.spot, message, MEND_CLASH)
    }
  }
  return taken
}

function clash(one: GatewayListener, other: GatewayListener): string | undefined {
  if (one.port !== other.port || (one.protocol === 'UDP') !== (other.protocol === 'UDP')) return undefined
  if (one.protocol === other.protocol) {
    return one.hostname === other.hostname ? 'has the same port, protocol and hostname' : undefined
  }
  const both = [one.protocol, other.protocol]
  // HTTPS and TLS are told apart by the server name.
  if (both.includes('HTTPS') && both.includes('TLS')) {
    return one.hostname === other.hostname ? 'has the same port and hostname' : undefined
  }
  return 'speaks another protocol on the same port'
}

function hasGrantedCertificates(listener: GatewayListener, grants: Grants, notes: Notes): boolean {
  const { kind, namespace } = listener.parent
  const group = GATEWAY_GROUP
  return listener.certificates.every((ref, index) => {
    const spot = within(listener.spot, 'tls', 'certificateRefs', index)
    const to = {
      group: ref.group ?? '',
      kind: ref.kind ?? 'Secret',
      namespace: ref.namespace ?? namespace,
      name: ref.name,
    }
    if (to.group !== '' || to.kind !== 'Secret') {
      const message = `a ${to.kind} is no place for a certificate: the listener is not served`
      notes.add('not-carried', 'unsupported-certificate', spot, message, 'Name a Secret.')
      return false
    }
    if (grants.allows({ group, kind, namespace }, to)) return true
    const message = `no ReferenceGrant lets a ${kind} of ${namespace} use the Secret ${to.namespace}/${to.name}: the listener is not served`
    notes.add('warning', 'not-granted', spot, message, `Add a ReferenceGrant in ${to.namespace}.`)
    return false
  })
}

function readAddresses(
  manifest: Manifest,
  addresses: z.output<typeof gatewayShape>['spec']['addresses'],
  notes: Notes,
): readonly string[] {
  return (addresses ?? []).flatMap(({ type = 'IPAddress', value = '' }, index) => {
    if (type === 'IPAddress' && parseAddress(value) !== undefined) return [value]
    const spot = within(manifest.spot, 'spec', 'addresses', index)
    notes.add(
      'not-carried',
      'gateway-address',
      spot,
      `the address "${value}" of type ${type} is a cluster's to give`,
      'Say --listen with the address to listen on.',
    )
    return []
  })
}

function noteRest(manifest: Manifest, spec: z.output<typeof gatewayShape>['spec'], notes: Notes): void {
  const at = (...steps: string[]) => within(manifest.spot, 'spec', ...steps)
  if (spec.infrastructure !== undefined) {
    const message = 'infrastructure is about the objects that a controller makes in the cluster'
    notes.add('not-carried', 'infrastructure', at('infrastructure'), message, 'See docs/running.md for what runs here.')
  }
  if (spec.tls?.backend?.clientCertificateRef !== undefined) {
    const message = 'the certificate that is shown to endpoints is said by each pool'
    const mend = 'Write `tls: { cert, key }` into the pools.'
    notes.add('not-carried', 'client-certificate', at('tls', 'backend', 'clientCertificateRef'), message, mend)
  }
  if (spec.defaultScope !== undefined && spec.defaultScope !== 'None') {
    const message = 'routes attach by their parentRefs only'
    notes.add('not-carried', 'default-gateway', at('defaultScope'), message, 'Name the Gateway in each route.')
  }
}

const protocols: readonly Protocol[] = ['HTTP', 'HTTPS', 'TLS', 'TCP', 'UDP']
/** Which routes a protocol takes. */
export const kindsOf: Readonly<Record<Protocol, readonly string[]>> = {
  HTTP: ['HTTPRoute', 'GRPCRoute'],
  HTTPS: ['HTTPRoute', 'GRPCRoute'],
  TLS: ['TLSRoute', 'TCPRoute'],
  TCP: ['TCPRoute'],
  UDP: ['UDPRoute'],
}
const HOSTNAME = 'Write a name such as app.example.com or *.example.com.'
const MEND_CLASH = 'Give each its own port or hostname.'
