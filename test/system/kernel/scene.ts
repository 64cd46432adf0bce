// A scene for each mode: the lab with its servers, the config, and where clients find the virtual address.

import { onTestFinished } from 'vitest'
import type { ConfigInput } from '../../../shared/config/config.ts'
import { type Lab, makeLab, type Name } from './lab.ts'
import { endpoints, serveEchoes } from './people.ts'

export type Mode = 'dsr' | 'nat keep' | 'nat relay'
export const modes: readonly Mode[] = ['dsr', 'nat keep', 'nat relay']

export interface Scene {
  readonly lab: Lab
  readonly vip: string
  readonly port: number
  /** @param weights by endpoint; fewer leave the last ones out */
  readonly config: (weights?: readonly number[], rest?: SceneRest) => ConfigInput
}

interface SceneRest {
  readonly listener?: object
  readonly pool?: object
  readonly routes?: ConfigInput['routes']
}

/** The address is with `holder`, and echo servers are at every endpoint. */
export async function setScene(
  mode: Mode,
  { family = 4, holder = 'r1' }: { family?: 4 | 6; holder?: Name } = {},
): Promise<Scene> {
  const lab = makeLab(clear => onTestFinished(clear))
  const vip = vipOf(mode, family)
  lab.give(holder, vip, mode === 'dsr' ? 'eth0' : 'eth1')
  await serveEchoes(lab, port, mode === 'dsr' ? [vip] : [])
  return { lab, vip, port, config: (weights, rest) => configOf(mode, vip, weights, rest) }
}

/** With DSR on the near bridge, beside the endpoints; with NAT on the far one, before the relay. */
export function vipOf(mode: Mode, family: 4 | 6 = 4): string {
  const net = mode === 'dsr' ? 47 : 48
  return family === 4 ? `10.${net}.0.100` : `fd${net}::100`
}

export function configOf(
  mode: Mode,
  vip: string,
  weights: readonly number[] = [1, 1, 1, 1],
  { listener = {}, pool = {}, routes }: SceneRest = {},
): ConfigInput {
  const [kind, source] = mode.split(' ')
  const isSix = vip.includes(':')
  const protocol = (listener as { kind?: string }).kind ?? 'tcp'
  const host = (at: number) => (isSix ? `[fd47::${21 + at}]` : `10.47.0.${21 + at}`)
  const address = (at: number) => `${protocol}://${host(at)}:${port}`
  const how = kind === 'dsr' ? { mode: 'dsr', interface: 'eth0' } : { mode: 'nat', source }
  return {
    listeners: {
      door: { kind: protocol, address: isSix ? `[${vip}]:${port}` : `${vip}:${port}`, ...how, ...listener },
    },
    pools: {
      pool: {
        endpoints: weights.map((weight, at) => ({ address: address(at), name: endpoints[at]!, weight })),
        // On a busy machine a quarter of a second says nothing of an endpoint.
        probe: { kind: 'tcp', interval: '250ms', timeout: '1s', fall: 2, rise: 2 },
        ...pool,
      },
    },
    routes: routes ?? [{ name: 'route', listener: 'door', pool: 'pool' }],
  } as ConfigInput
}

const port = 8080
