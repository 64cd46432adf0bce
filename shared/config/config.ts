// The words an operator may write. `defineConfig` gives them types: names of pools and listeners are
// checked by the compiler, and what a layer cannot do does not compile on a route of that layer.
// The same shape is accepted as JSON or YAML; `parse.ts` turns any of them into a `Config`.

import type { FlowMatchInput, FlowRouteInput } from './config-flow.ts'
import type { HttpRouteInput } from './config-http.ts'
import type { ListenerInput } from './config-listener.ts'
import type { PoolInput } from './config-pool.ts'

/** What a config file holds, with names as plain strings: the shape of JSON and YAML files. */
export interface ConfigInput {
  listeners: Readonly<Record<string, ListenerInput>>
  pools: Readonly<Record<string, PoolInput>>
  routes: readonly (HttpRouteInput | FlowRouteInput)[]
}

type TcpMatchInput = FlowMatchInput & { sni?: never; alpn?: never }

type ListenersOf<Listeners, Kind> = {
  [Name in keyof Listeners & string]: Listeners[Name] extends { kind: Kind } ? Name : never
}[keyof Listeners & string]

/**
 * Gives a config its types and returns it unchanged.
 * A pool or listener that is not there, or a path match on a `tcp` route, does not compile.
 */
export function defineConfig<
  const Listeners extends Readonly<Record<string, ListenerInput>>,
  const Pools extends Readonly<Record<string, PoolInput>>,
>(config: {
  listeners: Listeners
  pools: Pools
  routes: readonly (
    | HttpRouteInput<ListenersOf<Listeners, 'edge'>, keyof Pools & string>
    | FlowRouteInput<ListenersOf<Listeners, 'tcp' | 'tls'>, keyof Pools & string, TcpMatchInput>
    | FlowRouteInput<ListenersOf<Listeners, 'tls'>, keyof Pools & string>
  )[]
}): ConfigInput {
  return config as ConfigInput
}
