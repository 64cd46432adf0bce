// The words an operator may write. `defineConfig` gives them types: names of pools and listeners are
// checked by the compiler, and what a layer cannot do does not compile on a route of that layer.
// The same shape is accepted as JSON or YAML; `parse.ts` turns any of them into a `Config`.

import type { ExpectInput } from './config-expect.ts'
import type { FlowMatchInput, FlowRouteInput, TlsMatchInput, UdpRouteInput } from './config-flow.ts'
import type { CacheStoreInput, HttpRouteInput } from './config-http.ts'
import type { ListenerInput } from './config-listener.ts'
import type { PoolInput } from './config-pool.ts'

/** What a config file holds, with names as plain strings: the shape of JSON and YAML files. */
export interface ConfigInput {
  listeners: Readonly<Record<string, ListenerInput>>
  pools: Readonly<Record<string, PoolInput>>
  routes: readonly (HttpRouteInput | FlowRouteInput | UdpRouteInput)[]
  /** The relay's: how many threads listen. Default `'auto'`: one for each core. */
  threads?: 'auto' | number
  /** The relay's: where it keeps the answers that rules with a `cache` store. */
  cacheStore?: CacheStoreInput
  /** What requests and flows are to get; `check` proves it. */
  expect?: readonly ExpectInput[]
}

type TcpMatchInput = FlowMatchInput & { sni?: never; alpn?: never }

type ListenersOf<Listeners, Kind> = {
  [Name in keyof Listeners & string]: Listeners[Name] extends { kind: Kind } ? Name : never
}[keyof Listeners & string]

/**
 * Gives a config its types and returns it unchanged.
 * A pool or listener that is not there, or a path match on a `tcp` route, does not compile; nor does a case that expects
 * a route, rule, variant or pool that is not there.
 */
export function defineConfig<
  const Listeners extends Readonly<Record<string, ListenerInput>>,
  const Pools extends Readonly<Record<string, PoolInput>>,
  Name extends string,
  Rule extends string,
  Variant extends string,
>(config: {
  listeners: Listeners
  pools: Pools
  routes: readonly (
    | HttpRouteInput<ListenersOf<Listeners, 'edge' | 'http'>, keyof Pools & string, Name, Rule, Variant>
    | FlowRouteInput<ListenersOf<Listeners, 'tcp' | 'tls'>, keyof Pools & string, TcpMatchInput, Name, Rule, Variant>
    | FlowRouteInput<ListenersOf<Listeners, 'tls'>, keyof Pools & string, TlsMatchInput, Name, Rule, Variant>
    | UdpRouteInput<ListenersOf<Listeners, 'udp'>, keyof Pools & string, Name, Rule, Variant>
  )[]
  threads?: 'auto' | number
  cacheStore?: CacheStoreInput
  expect?: readonly ExpectInput<{
    listener: keyof Listeners & string
    pool: keyof Pools & string
    route: NoInfer<Name>
    rule: NoInfer<Rule> | `${number}`
    variant: NoInfer<Variant> | (keyof Pools & string)
  }>[]
}): ConfigInput {
  return config as ConfigInput
}
