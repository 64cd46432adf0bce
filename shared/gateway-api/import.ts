// Kubernetes manifests of the Gateway API -> the words of a config, and notes on what is not carried over. Pure: files come
// in as texts, and where Services and certificates are as maps.

import type { ConfigInput } from '../config/config.ts'
import type { PoolInput } from '../config/config-pool.ts'
import { makeBackends } from './backends.ts'
import { certificateFiles } from './certificates.ts'
import { readGateways } from './gateways.ts'
import { readGrants } from './grants.ts'
import { inOrder, keepSound } from './judge-result.ts'
import { sortKinds } from './kinds.ts'
import { placeListeners } from './listeners.ts'
import { type ManifestFile, readManifests } from './manifests.ts'
import { readNamespaces } from './namespaces.ts'
import { collectNotes, type Note, type Spot } from './notes.ts'
import { type MadeRoute, makeRoutes } from './routes.ts'
import { readServices, type Whereabouts } from './services.ts'
import { readTlsPolicies } from './tls-policies.ts'

export interface ImportOptions {
  readonly where: Whereabouts
  /** The folder with certificates as it is to stand in the config, and the names of the files in it. */
  readonly certificates: { readonly folder: string | undefined; readonly files: ReadonlySet<string> }
  /** HTTP listeners become those of the edge. */
  readonly isEdge: boolean
  /** `namespace/gateway`, a name alone, or `*` for all others, to the address to listen on. */
  readonly listen: ReadonlyMap<string, string>
}

export interface Imported {
  /** Undefined when the manifests are faulty. */
  readonly config: ConfigInput | undefined
  /** Faults first. */
  readonly notes: readonly Note[]
}

/** Reads the files as an API server and a controller would. Never throws for what stands in them. */
export function importGatewayApi(files: readonly ManifestFile[], options: ImportOptions): Imported {
  const notes = collectNotes()
  const kinds = sortKinds(readManifests(files, notes), notes)
  const grants = readGrants(kinds.grants, notes)
  const namespaces = readNamespaces(kinds.namespaces)
  const certificates = certificateFiles(options.certificates.folder, options.certificates.files)
  const services = readServices(kinds, options.where, notes)
  const { isEdge, listen } = options
  const policies = readTlsPolicies(kinds.tlsPolicies, certificates, notes)
  const backends = makeBackends(services, policies, grants, isEdge, notes)
  const found = readGateways(kinds, namespaces, grants, notes)
  const { placed, listeners } = placeListeners(found, { isEdge, listen, files: certificates }, notes)
  const made = makeRoutes(kinds.routes, { placed, backends, namespaces, isEdge, notes })

  const first = files[0]?.name ?? ''
  const whole: Spot = { file: first, object: '', root: [], place: [], locate: () => undefined }
  const sound = keepSound({ listeners, pools: usedPools(backends.pools, made) }, made, whole, notes)
  const config = {
    listeners,
    pools: usedPools(backends.pools, sound),
    routes: sound.map(({ route }) => inShort(route)),
  }
  const hasFaults = notes.all.some(({ severity }) => severity === 'error')
  return { config: hasFaults ? undefined : config, notes: inOrder(notes.all) }
}

/** By name; pools of routes that attach nowhere are not written. */
function usedPools(
  pools: Readonly<Record<string, PoolInput>>,
  routes: readonly MadeRoute[],
): Readonly<Record<string, PoolInput>> {
  const used = new Set<string>()
  for (const { route } of routes) {
    for (const rule of route.rules as readonly RuleOfPools[]) {
      const named = [rule, ...(rule.variants ?? []), ...(rule.mirrors ?? [])]
      for (const { pool } of named) if (pool !== undefined) used.add(pool)
    }
  }
  const names = Object.keys(pools).filter(name => used.has(name))
  return Object.fromEntries(names.sort().map(name => [name, pools[name]!]))
}

interface RuleOfPools {
  readonly pool?: string
  readonly variants?: readonly { readonly pool?: string }[]
  readonly mirrors?: readonly { readonly pool: string }[]
}

/** A route with one rule without name carries its fields itself; one listener is written as a text. */
function inShort(route: MadeRoute['route']): ConfigInput['routes'][number] {
  const { rules, listener, ...head } = route as {
    rules: readonly { name?: string }[]
    listener: readonly string[]
    name: string
  }
  const where = listener.length === 1 ? listener[0]! : listener
  const only = rules.length === 1 && rules[0]!.name === undefined ? rules[0]! : undefined
  const written = only === undefined ? { ...head, listener: where, rules } : { ...head, listener: where, ...only }
  return written as ConfigInput['routes'][number]
}
