// Routes of the Gateway API as routes of a config, the oldest first: where nothing else decides, that is their order.

import type { FlowRouteInput } from '../config/config-flow.ts'
import type { HttpRouteInput, HttpRuleInput } from '../config/config-http.ts'
import { compareAge } from './age.ts'
import { attach, readRouteHostnames } from './attach.ts'
import type { Backends } from './backends.ts'
import { type FlowRouteSpec, flowRouteShape, readFlowRule, tlsRouteShape } from './flow-rules.ts'
import type { GatewayListener, Namespaces } from './gateways.ts'
import { listsMeet, meetingHosts } from './hostnames.ts'
import { readRule } from './http-rules.ts'
import { grpcRouteShape, httpRouteShape } from './http-shapes.ts'
import type { PlacedListener } from './listeners.ts'
import type { Manifest } from './manifests.ts'
import { configName, freeName } from './names.ts'
import { type Notes, type Spot, within } from './notes.ts'
import { readShape } from './shape.ts'

export type RouteInput = HttpRouteInput | FlowRouteInput

/** A route of the config, and where each of its rules stands in the manifests. */
export interface MadeRoute {
  readonly route: RouteInput & { readonly rules: readonly object[] }
  readonly spots: readonly Spot[]
}

interface Scope {
  readonly placed: readonly PlacedListener[]
  readonly backends: Backends
  readonly namespaces: Namespaces
  readonly isEdge: boolean
  readonly notes: Notes
}

export function makeRoutes(manifests: readonly Manifest[], scope: Scope): readonly MadeRoute[] {
  const made: MadeRoute[] = []
  const taken = new Set<string>()
  const served = new Map<GatewayListener, { readonly kind: string; readonly hostnames: readonly string[] }[]>()
  for (const manifest of [...manifests].sort(compareAge)) {
    const suffix = manifest.kind.replace('Route', '').toLowerCase()
    const plain = configName(manifest.namespace, manifest.name)
    const name = freeName(taken.has(plain) ? configName(manifest.namespace, manifest.name, suffix) : plain, each =>
      taken.has(each),
    )
    const routes =
      manifest.kind === 'HTTPRoute' || manifest.kind === 'GRPCRoute'
        ? makeHttpRoute(manifest, name, served, scope)
        : makeFlowRoutes(manifest, name, served, scope)
    for (const route of routes) taken.add(route.route.name)
    made.push(...routes)
  }
  return [...made, ...guards(scope)]
}

function makeHttpRoute(
  manifest: Manifest,
  name: string,
  served: Map<GatewayListener, { readonly kind: string; readonly hostnames: readonly string[] }[]>,
  scope: Scope,
): MadeRoute[] {
  const { notes, backends } = scope
  const isGrpc = manifest.kind === 'GRPCRoute'
  const shape = isGrpc ? readShape(manifest, grpcRouteShape, notes) : readShape(manifest, httpRouteShape, notes)
  if (shape === undefined) return []
  const at = within(manifest.spot, 'spec')
  const hostnames = readRouteHostnames(shape.spec.hostnames, at, notes)
  const rules = shape.spec.rules ?? [{}]
  checkRuleNames(rules, at, notes)
  const all = scope.placed.map(({ from }) => from)
  const attached = attach(manifest, { ...shape.spec, hostnames }, all, scope.namespaces, notes)
  if (isGrpc && scope.isEdge && attached.length > 0) {
    const message = 'gRPC cannot pass the edge: a Worker has no trailers and no HTTP/2 to endpoints'
    notes.add('not-carried', 'grpc-at-edge', manifest.spot, message, 'Leave --edge out: the relay carries gRPC.')
    return []
  }
  const listeners = attached.filter(listener => {
    const others = served.get(listener) ?? []
    const older = others.find(({ kind, hostnames: theirs }) => kind !== manifest.kind && listsMeet(theirs, hostnames))
    if (older === undefined) {
      served.set(listener, [...others, { kind: manifest.kind, hostnames }])
      return true
    }
    const message = `listener ${listener.section} has an older ${older.kind} for the same hostname, and takes one kind of the two`
    notes.add('warning', 'kinds-meet', manifest.spot, message, 'Give them hostnames of their own.')
    return false
  })
  const read = rules.map((rule, index) => {
    const spot = within(at, 'rules', index)
    const made = readRule(manifest, rule, backends, spot, notes)
    if (scope.isEdge && (made?.pool !== undefined || made?.variants !== undefined)) {
      const message = 'the endpoint sees its own name as Host, and the one of the client in X-Forwarded-Host'
      notes.add('warning', 'edge-host', spot, message, 'Leave --edge out: the relay passes the Host on.')
    }
    return { rule: made, spot }
  })
  if (listeners.length === 0) return []
  const sound = read.filter((one): one is { rule: HttpRuleInput; spot: Spot } => one.rule !== undefined)
  if (sound.length === 0) return []
  const names = namesOf(listeners, scope.placed)
  const route = {
    name,
    listener: names,
    ...(hostnames.length === 0 ? {} : { hostnames }),
    rules: sound.map(({ rule }) => rule),
  }
  return [{ route, spots: sound.map(({ spot }) => spot) }]
}

function makeFlowRoutes(
  manifest: Manifest,
  name: string,
  served: Map<GatewayListener, { readonly kind: string; readonly hostnames: readonly string[] }[]>,
  scope: Scope,
): MadeRoute[] {
  const { notes, backends, placed } = scope
  const isTls = manifest.kind === 'TLSRoute'
  const shape: { readonly spec: FlowRouteSpec } | undefined = isTls
    ? readShape(manifest, tlsRouteShape, notes)
    : readShape(manifest, flowRouteShape, notes)
  if (shape === undefined) return []
  const at = within(manifest.spot, 'spec')
  const hostnames = readRouteHostnames(shape.spec.hostnames, at, notes)
  const rules = shape.spec.rules
  checkRuleNames(rules, at, notes)
  if (rules.length > 1) {
    const message = 'a second rule is never asked: every flow is taken by the first'
    notes.add('warning', 'second-rule', within(at, 'rules', 1), message, 'Leave it out.')
  }
  const rule = rules[0]!
  const spot = within(at, 'rules', 0)
  const attached = attach(
    manifest,
    { ...shape.spec, hostnames },
    placed.map(({ from }) => from),
    scope.namespaces,
    notes,
  )
  // By the server names it is asked for there: listeners with the same become one route.
  const groups = new Map<string, { readonly sni: readonly string[]; readonly listeners: GatewayListener[] }>()
  for (const listener of attached) {
    const sni = listener.protocol === 'TLS' ? ownNames(listener, hostnames, placed) : []
    if (listener.protocol !== 'TLS' || !isTls) {
      const others = served.get(listener) ?? []
      if (others.length > 0) {
        const message = `listener ${listener.section} serves an older route, which takes every flow`
        notes.add('warning', 'older-route', manifest.spot, message, 'Give the listener one route.')
        continue
      }
      served.set(listener, [{ kind: manifest.kind, hostnames: [] }])
    }
    if (listener.protocol === 'TLS' && sni.length === 0 && hostnames.length > 0) continue
    const key = sni.join(' ')
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { sni, listeners: [listener] })
    else group.listeners.push(listener)
  }
  const made = readFlowRule(manifest, rule, backends, spot, notes)
  return [...groups.values()].map(({ sni, listeners }, index) => {
    const match = sni.length === 0 ? {} : { match: { sni: sni.length === 1 ? sni[0]! : sni } }
    const route = {
      name: index === 0 ? name : `${name.slice(0, 58)}:${index + 1}`,
      listener: namesOf(listeners, placed),
      rules: [{ ...match, ...made }],
    }
    return { route, spots: [spot] }
  })
}

/** The server names of a route at a listener, without those that a narrower listener of the same port has. */
function ownNames(
  listener: GatewayListener,
  hostnames: readonly string[],
  placed: readonly PlacedListener[],
): readonly string[] {
  const narrower = narrowerListeners(listener, placed)
  return meetingHosts(listener.hostname, hostnames).filter(
    name => !narrower.some(other => meetingHosts(other.hostname, [name]).includes(name)),
  )
}

/** On the same port, with a hostname that the other covers. */
function narrowerListeners(listener: GatewayListener, placed: readonly PlacedListener[]): readonly GatewayListener[] {
  const here = placed.find(({ from }) => from === listener)!
  return placed
    .filter(({ from, address, door }) => from !== listener && door === here.door && address === here.address)
    .map(({ from }) => from)
    .filter(({ hostname }) => hostname !== undefined && hostname !== listener.hostname)
    .filter(
      ({ hostname }) =>
        listener.hostname === undefined || meetingHosts(listener.hostname, [hostname!]).includes(hostname!),
    )
}

/** A name that a narrower TLS listener has is refused where its own routes do not take it: a wider one never gets it. */
function guards(scope: Scope): MadeRoute[] {
  const tls = scope.placed.filter(({ door }) => door === 'tls')
  const wanted = new Map<string, { readonly names: Set<string>; readonly spot: Spot }>()
  for (const { from, name } of tls) {
    for (const narrow of narrowerListeners(from, tls)) {
      const known = wanted.get(name) ?? { names: new Set<string>(), spot: narrow.spot }
      known.names.add(narrow.hostname!)
      wanted.set(name, known)
    }
  }
  return [...wanted].map(([listener, { names, spot }]) => {
    const pool = scope.backends.refusing('none')
    const route = {
      name: `${listener.slice(0, 50).replaceAll(':', '.')}.apart`,
      listener: [listener],
      rules: [{ match: { sni: [...names] }, pool }],
    }
    return { route, spots: [spot] }
  })
}

function namesOf(listeners: readonly GatewayListener[], placed: readonly PlacedListener[]): string[] {
  return [...new Set(listeners.map(listener => placed.find(({ from }) => from === listener)!.name))]
}

function checkRuleNames(rules: readonly { readonly name?: string }[], at: Spot, notes: Notes): void {
  const taken = new Set<string>()
  for (const [index, { name }] of rules.entries()) {
    if (name === undefined) continue
    if (taken.has(name)) {
      notes.add(
        'error',
        'duplicate-name',
        within(at, 'rules', index, 'name'),
        `a rule is named ${name} already`,
        'Give each its own name.',
      )
    }
    taken.add(name)
  }
}
