// Which objects of the manifests are read, by kind; what is said of the others.

import type { Manifest } from './manifests.ts'
import { type Notes, within } from './notes.ts'
import { GATEWAY_GROUP } from './words.ts'

export interface Kinds {
  readonly gateways: readonly Manifest[]
  readonly listenerSets: readonly Manifest[]
  readonly routes: readonly Manifest[]
  readonly grants: readonly Manifest[]
  readonly services: readonly Manifest[]
  readonly endpointSlices: readonly Manifest[]
  readonly namespaces: readonly Manifest[]
  readonly tlsPolicies: readonly Manifest[]
}

/** Every object goes to its list or gets a note; of two with one name the later is what a cluster would have. */
export function sortKinds(manifests: readonly Manifest[], notes: Notes): Kinds {
  const lists = new Map<keyof Kinds, Map<string, Manifest>>(wanted.map(([list]) => [list, new Map()]))
  for (const manifest of manifests) {
    const list = wanted.find(
      ([, groups, kinds]) => groups.includes(manifest.group) && kinds.includes(manifest.kind),
    )?.[0]
    if (list === undefined) {
      noteOther(manifest, notes)
      continue
    }
    if (manifest.group === GATEWAY_GROUP) noteVersion(manifest, notes)
    noteAnnotations(manifest, notes)
    const taken = lists.get(list)!
    const key = `${manifest.kind} ${manifest.namespace}/${manifest.name}`
    if (taken.has(key)) {
      const message = 'the object stands here a second time: the later one counts, as it does when both are applied'
      notes.add('warning', 'duplicate-object', manifest.spot, message, 'Leave one of the two out.')
      taken.delete(key)
    }
    taken.set(key, manifest)
  }
  const listOf = (list: keyof Kinds) => [...lists.get(list)!.values()]
  return Object.fromEntries(wanted.map(([list]) => [list, listOf(list)])) as unknown as Kinds
}

function noteOther(manifest: Manifest, notes: Notes): void {
  const { group, kind, spot } = manifest
  if (kind === 'GatewayClass' && group === GATEWAY_GROUP) {
    notes.add(
      'ignored',
      'gateway-class',
      spot,
      'which controller serves a Gateway is not asked here',
      'Nothing is to be done.',
    )
  } else if (group === '' || quietGroups.has(group)) {
    notes.add('ignored', 'other-kind', spot, `a ${kind} routes nothing`, 'Nothing is to be done.')
  } else {
    const mend = `Write what it asks for into the config, as docs/configuration.md has it.`
    notes.add('not-carried', 'unsupported-kind', spot, `objects of kind ${kind} (${group}) are not read`, mend)
  }
}

function noteVersion(manifest: Manifest, notes: Notes): void {
  if (/^v1(?:alpha\d|beta\d)?$/.test(manifest.version)) return
  const message = `the version ${manifest.version} is not known: it is read as v1`
  notes.add('warning', 'unknown-version', within(manifest.spot, 'apiVersion'), message, 'Look at what is carried over.')
}

/** Many gateways are configured by annotations of their own. */
function noteAnnotations(manifest: Manifest, notes: Notes): void {
  for (const key of Object.keys(manifest.annotations)) {
    if (/^(?:[\w.-]*\.)?(?:kubernetes\.io|k8s\.io|helm\.sh|fluxcd\.io|argoproj\.io)\//.test(key)) continue
    const spot = within(manifest.spot, 'metadata', 'annotations', key)
    notes.add(
      'not-carried',
      'annotation',
      spot,
      `the annotation ${key} is of one implementation`,
      'Look whether routing goes by it.',
    )
  }
}

const wanted: readonly (readonly [list: keyof Kinds, groups: readonly string[], kinds: readonly string[]])[] = [
  ['gateways', [GATEWAY_GROUP], ['Gateway']],
  ['listenerSets', [GATEWAY_GROUP, 'gateway.networking.x-k8s.io'], ['ListenerSet', 'XListenerSet']],
  ['routes', [GATEWAY_GROUP], ['HTTPRoute', 'GRPCRoute', 'TLSRoute', 'TCPRoute', 'UDPRoute']],
  ['grants', [GATEWAY_GROUP], ['ReferenceGrant']],
  ['services', [''], ['Service']],
  ['endpointSlices', ['discovery.k8s.io'], ['EndpointSlice']],
  ['namespaces', [''], ['Namespace']],
  ['tlsPolicies', [GATEWAY_GROUP], ['BackendTLSPolicy']],
]
/** Groups of objects that run, store or permit something. */
const quietGroups: ReadonlySet<string> = new Set([
  'apps',
  'batch',
  'autoscaling',
  'policy',
  'rbac.authorization.k8s.io',
  'storage.k8s.io',
  'discovery.k8s.io',
  'coordination.k8s.io',
  'apiextensions.k8s.io',
  'cert-manager.io',
  'admissionregistration.k8s.io',
])
