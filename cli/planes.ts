// Edge and relay of one config on this machine: both run or neither does.

import { startRelay } from '../relay/relay.ts'
import type { Variables } from '../shared/config/endpoint-address.ts'
import type { Config } from '../shared/config/parsed.ts'
import { partFor } from '../shared/config/part.ts'
import { ConfigError } from '../shared/config/problem.ts'
import { splitKeys } from '../shared/http/signing.ts'
import { type Place, placeText } from './ask.ts'
import { CannotRun } from './exit.ts'
import { withoutItsSignals } from './signals.ts'

export interface PlanesOptions {
  readonly variables: Variables
  /** Where the edge listens; port 0 takes a free one. */
  readonly edge: Place
  /** `free`: every listener of the relay takes a free port in place of its own. */
  readonly ports: 'as written' | 'free'
  /** Other Workers for the edge: their files by the names that `binding:NAME` endpoints say. */
  readonly services?: Readonly<Record<string, string>>
  /** A request's or a connection's record, or what happened to an endpoint, as its plane writes it. */
  readonly onRecord: (record: object) => void
}

export interface Planes {
  /** Undefined for a config without an edge listener. */
  readonly edge: Place | undefined
  /** The relay's listeners by name; empty for a config without one. */
  readonly listeners: ReadonlyMap<string, Place>
  readonly stop: () => Promise<void>
}

/** Starts what the config has listeners for. Throws CannotRun when a listener cannot listen; then nothing is left running. */
export async function startPlanes(config: Config, options: PlanesOptions): Promise<Planes> {
  const stops: (() => Promise<void>)[] = []
  const stop = async () => {
    await Promise.all(stops.map(stopOne => stopOne()))
  }
  try {
    const edge = await startEdgePart(config, options, stops)
    const listeners = await startRelayPart(config, options, edge, stops)
    return { edge, listeners, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function startRelayPart(
  config: Config,
  options: PlanesOptions,
  edge: Place | undefined,
  stops: (() => Promise<void>)[],
): Promise<ReadonlyMap<string, Place>> {
  const part = partFor(options.ports === 'free' ? withFreePorts(config) : config, 'relay')
  if (part.listeners.length === 0) return new Map()
  try {
    const { variables, onRecord } = options
    const token = variables['FOURSEVEN_OPERATOR_TOKEN'] ?? ''
    // Beside an edge that has an operator, the relay follows its overlay as it would elsewhere.
    const overlay =
      edge === undefined || token === '' ? {} : { overlay: { url: `http://${placeText(edge)}${OVERLAY_PATH}`, token } }
    const cookieKeys = splitKeys(variables['FOURSEVEN_COOKIE_KEY'] ?? '')
    const relay = await startRelay({
      // A folder of answers is that of the relay in service.
      config: { ...part, cacheStore: { ...part.cacheStore, disk: undefined } },
      variables,
      cookieKeys,
      ...overlay,
      onRecord,
      onRequest: onRecord,
      onEvent: onRecord,
      threads: 1,
    })
    stops.push(() => relay.stop({ drainMs: 0 }))
    return withShared(part, relay.addresses)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const { problems } = error
    const mends = new Set(problems.map(problem => problem.mend))
    throw new CannotRun(problems.map(problem => problem.message).join('; '), [...mends].join(' '))
  }
}

/** Listeners at one address are all there, each under its own name. */
function withShared(part: Config, addresses: ReadonlyMap<string, Place>): ReadonlyMap<string, Place> {
  return new Map(
    part.listeners.flatMap(listener => {
      const owner = listener.kind === 'http' ? (listener.shares ?? listener.name) : listener.name
      const place = addresses.get(owner)
      return place === undefined ? [] : [[listener.name, place] as const]
    }),
  )
}

async function startEdgePart(
  config: Config,
  options: PlanesOptions,
  stops: (() => Promise<void>)[],
): Promise<Place | undefined> {
  const part = partFor(config, 'workers')
  if (part.listeners.length === 0) return undefined
  const { variables } = options
  // The relay beside it asks once a second.
  const onRecord = (record: { readonly path?: unknown }) => {
    if (record.path !== OVERLAY_PATH) options.onRecord(record)
  }
  // Only now: workerd's and esbuild's wrappers take half a second to load, which no other command should wait for.
  const { bundleWorker, startEdge } = await import('./edge.ts')
  const { host, port } = options.edge
  const services: Record<string, string> = {}
  for (const [name, file] of Object.entries(options.services ?? {})) services[name] = await bundleWorker(file)
  const edge = await withoutItsSignals(() => startEdge({ config: part, host, port, variables, services, onRecord }))
  stops.push(edge.stop)
  return { host: edge.host, port: edge.port }
}

function withFreePorts(config: Config): Config {
  const listeners = config.listeners.map(listener => (listener.kind === 'edge' ? listener : { ...listener, port: 0 }))
  return { ...config, listeners }
}

const OVERLAY_PATH = '/.fourseven/overlay'
