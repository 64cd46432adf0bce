// Direct server return in namespaces: real clients, real endpoints, the relay as a program, and nothing but the kernel on
// the way of a packet.

import { expect } from 'vitest'
import type { ConfigInput } from '../../../shared/config/config.ts'
import { needsNamespaces } from '../../support/needs.ts'
import { makeLab } from './lab.ts'
import { endpoints, gather, serveEchoes, startRelay, tally } from './people.ts'

const inLab = needsNamespaces()
const vip = '10.47.0.100'

inLab('an endpoint sees the client itself, and what it answers does not pass the relay', async () => {
  const lab = makeLab()
  lab.give('r1', vip)
  await serveEchoes(lab, 80, [vip])
  await startRelay(lab, 'r1', dsr())
  const clients = gather(lab, 'c1')
  const { met, failed } = await clients.open(vip, 80, 40)
  expect(failed).toEqual([])
  for (const { address, port, localPort } of met) expect([address, port]).toEqual([lab.near('c1'), localPort])
  const before = lab.sent('r1')
  const told = await clients.talk(100_000)
  expect(tally(told, ({ is }) => is)).toEqual({ exact: 40 })
  // The way in, 4 MB and its headers, leaves the relay once; the way back would be as much again.
  const passed = lab.sent('r1') - before
  expect(passed).toBeGreaterThan(4_000_000)
  expect(passed).toBeLessThan(5_000_000)
})

export function dsr(weights: readonly number[] = [1, 1, 1, 1], listener: object = {}): ConfigInput {
  return {
    listeners: { door: { kind: 'tcp', mode: 'dsr', address: `${vip}:80`, interface: 'eth0', ...listener } },
    pools: {
      pool: {
        endpoints: weights.map((weight, at) => ({
          address: `tcp://10.47.0.${21 + at}:80`,
          name: endpoints[at]!,
          weight,
        })),
        probe: { kind: 'tcp', interval: '250ms', timeout: '250ms', fall: 2, rise: 2 },
      },
    },
    routes: [{ name: 'route', listener: 'door', pool: 'pool' }],
  } as ConfigInput
}
