// Which listeners a route attaches to: what its parentRefs name, what the listeners let in, and where hostnames meet.

import { listNames } from '../config/findings.ts'
import { type GatewayListener, kindsOf, letsIn, type Namespaces } from './gateways.ts'
import { listsMeet } from './hostnames.ts'
import type { Manifest } from './manifests.ts'
import { type Notes, type Spot, within } from './notes.ts'
import { GATEWAY_GROUP, isGatewayHostname, type ParentRef } from './words.ts'

export interface RouteHead {
  readonly parentRefs?: readonly ParentRef[]
  readonly useDefaultGateways?: string
  readonly hostnames?: readonly string[]
}

/** The listeners that take the route, in their own order. A parentRef that comes to nothing is noted. */
export function attach(
  manifest: Manifest,
  head: RouteHead,
  listeners: readonly GatewayListener[],
  namespaces: Namespaces,
  notes: Notes,
): readonly GatewayListener[] {
  const found = new Set<GatewayListener>()
  const refs = head.parentRefs ?? []
  const at = within(manifest.spot, 'spec')
  if (head.useDefaultGateways !== undefined && head.useDefaultGateways !== 'None') {
    const spot = within(at, 'useDefaultGateways')
    notes.add(
      'not-carried',
      'default-gateway',
      spot,
      'routes attach by their parentRefs only',
      'Name the Gateway in parentRefs.',
    )
  }
  if (refs.length === 0) {
    notes.add('warning', 'no-parent', at, 'the route names no parent, so nothing is asked of it', 'Add "parentRefs".')
  }
  for (const [index, ref] of refs.entries()) {
    const spot = within(at, 'parentRefs', index)
    const accepted = listenersOf(manifest, ref, head.hostnames, listeners, namespaces)
    if (accepted === 'mesh') {
      notes.add('not-carried', 'mesh-route', spot, 'a route inside a mesh is for the mesh', 'Leave it out.')
    } else if (typeof accepted === 'string') notes.add('warning', 'not-attached', spot, accepted, MEND)
    else for (const listener of accepted) found.add(listener)
  }
  return listeners.filter(listener => found.has(listener))
}

/** Or a word on why none takes it. */
function listenersOf(
  route: Manifest,
  ref: ParentRef,
  hostnames: readonly string[] | undefined,
  listeners: readonly GatewayListener[],
  namespaces: Namespaces,
): readonly GatewayListener[] | string {
  const { group = GATEWAY_GROUP, kind = 'Gateway', name, sectionName = '', port } = ref
  const namespace = ref.namespace ?? route.namespace
  if (kind === 'Service' && group === '') return 'mesh'
  const parentKind = kind === 'XListenerSet' ? 'ListenerSet' : kind
  const own = listeners.filter(
    ({ parent }) => parent.kind === parentKind && parent.namespace === namespace && parent.name === name,
  )
  if (own.length === 0) return `no ${kind} ${namespace}/${name} has a listener that is served here`
  const named = own.filter(
    listener =>
      (sectionName === '' || listener.section === sectionName) && (port === undefined || listener.port === port),
  )
  if (named.length === 0) {
    const wanted = [
      sectionName === '' ? '' : ` named ${sectionName}`,
      port === undefined ? '' : ` on port ${port}`,
    ].join('')
    return `${kind} ${namespace}/${name} has no listener${wanted}; it has ${listNames(
      own.map(({ section }) => section),
      'and',
    )}`
  }
  const fitting = named.filter(({ protocol }) => kindsOf[protocol].includes(route.kind))
  if (fitting.length === 0) return `a ${route.kind} cannot attach to a listener of protocol ${named[0]!.protocol}`
  const ofKind = fitting.filter(({ allowed }) => allowed.kinds?.has(route.kind) ?? true)
  if (ofKind.length === 0)
    return `listener ${fitting[0]!.section} takes ${listNames(fitting[0]!.allowed.kinds!, 'and')} only`
  const verdicts = ofKind.map(listener => ({
    listener,
    isIn: letsIn(listener.allowed, listener.parent.namespace, route.namespace, namespaces),
  }))
  const open = verdicts.filter(({ isIn }) => isIn === true).map(({ listener }) => listener)
  if (open.length === 0) {
    const isUnknown = verdicts.some(({ isIn }) => isIn === 'unknown labels')
    return isUnknown
      ? `listener ${ofKind[0]!.section} goes by the labels of namespace ${route.namespace}, and no manifest shows them`
      : `listener ${ofKind[0]!.section} takes no routes of namespace ${route.namespace}`
  }
  const meeting = open.filter(listener =>
    listsMeet(listener.hostname === undefined ? [] : [listener.hostname], hostnames ?? []),
  )
  if (meeting.length > 0) return meeting
  return `the hostnames of the route and of listener ${open[0]!.section} (${open[0]!.hostname}) do not meet`
}

/** The hostnames of a route; what is none is an error. */
export function readRouteHostnames(
  hostnames: readonly string[] | undefined,
  spot: Spot,
  notes: Notes,
): readonly string[] {
  return (hostnames ?? []).filter((hostname, index) => {
    if (isGatewayHostname(hostname) && !/^\d+(?:\.\d+){3}$/.test(hostname)) return true
    const here = within(spot, 'hostnames', index)
    notes.add(
      'error',
      'bad-hostname',
      here,
      `"${hostname}" is not a hostname`,
      'Write a name such as app.example.com or *.example.com.',
    )
    return false
  })
}

const MEND = 'Mend the parentRef or the listener, or leave the route out.'
