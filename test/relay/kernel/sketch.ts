// Kernel listeners for tests: a config in short, and what is known of the machine as if every endpoint answered.

import { type Ground, kernelListeners } from '../../../relay/kernel/ruleset.ts'
import { poolsOf } from '../../../relay/kernel/steer.ts'
import { familyOf, targetsOf } from '../../../relay/kernel/targets.ts'
import type { ConfigInput } from '../../../shared/config/config.ts'
import type { Observed } from '../../../shared/pool/observed.ts'
import type { Table } from '../../../shared/table/table.ts'
import { observedFor, tableOf } from '../../support/table.ts'

export interface Sketch {
  readonly mode: 'nat' | 'dsr'
  readonly kind?: 'tcp' | 'udp'
  readonly family?: 4 | 6
  readonly listener?: object
  readonly pool?: object
  /** Endpoints, of weight 1. */
  readonly count?: number
  readonly routes?: ConfigInput['routes']
}

export function sketchConfig(sketch: Sketch): ConfigInput {
  const { mode, kind = 'tcp', family = 4, listener = {}, pool = {}, count = 3, routes } = sketch
  const address = (number: number) => (family === 4 ? `192.0.2.${number}:80` : `[2001:db8::${number}]:80`)
  const endpointsFrom = (first: number, many: number) =>
    Array.from({ length: many }, (_, at) => ({ address: `${kind}://${address(first + at)}`, name: `e${first + at}` }))
  return {
    listeners: {
      door: { kind, mode, address: address(100), ...(mode === 'dsr' ? { interface: 'eth0' } : {}), ...listener },
    },
    pools: { main: { endpoints: endpointsFrom(1, count), ...pool }, spare: { endpoints: endpointsFrom(50, 1) } },
    routes: routes ?? [{ name: 'route', listener: 'door', pool: 'main' }],
  } as ConfigInput
}

export function sketchTable(sketch: Sketch): { table: Table; observed: Observed } {
  const table = tableOf(sketchConfig(sketch))
  return { table, observed: observedFor(table) }
}

/** Every endpoint is at a MAC that ends with its number. */
export function everybodyAnswers(table: Table): Ground {
  const ips = kernelListeners(table).flatMap(listener =>
    targetsOf(poolsOf(listener), familyOf(listener)).map(({ ip }) => ip),
  )
  return {
    neighbours: new Map(ips.map(ip => [ip, macOf(ip)])),
    macs: new Map([['eth0', '02:00:00:00:00:aa']]),
    leaving: new Map(),
  }
}

export function macOf(ip: string): string {
  const number = Number(ip.split(/[.:]/).at(-1))
  return `02:00:00:00:00:${number.toString(16).padStart(2, '0')}`
}
