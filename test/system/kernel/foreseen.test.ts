// What `explain` says the kernel will do is what it does: flow by flow, for each mode, family and key, with and without a
// split.

import { expect } from 'vitest'
import { decideFlow } from '../../../shared/decide/flow.ts'
import { flowFacts } from '../../support/facts.ts'
import { needsNamespaces } from '../../support/needs.ts'
import { observedFor, tableOf } from '../../support/table.ts'
import { gather, startRelay } from './people.ts'
import { setScene } from './scene.ts'

const inLab = needsNamespaces()

const cases = [
  ['dsr', 4, {}],
  ['dsr', 6, {}],
  ['dsr', 6, { key: 'address' }],
  ['nat keep', 4, { seed: 7 }],
  ['nat keep', 6, {}],
  ['nat keep', 4, { key: 'address' }],
] as const

for (const [mode, family, listener] of cases) {
  inLab(`${mode}, IPv${family}, ${JSON.stringify(listener)}: every flow goes where it was foreseen`, async () => {
    const { lab, vip, port, config } = await setScene(mode, { family })
    const written = config([1, 2, 3], { listener, routes: splitRoutes })
    const more = config([1], { listener: {} }).pools['pool']!
    const pools = { ...written.pools, other: more }
    const whole = { ...written, pools }
    await startRelay(lab, 'r1', whole)
    const table = tableOf(whole)
    const door = table.flowListeners.get('door')!
    const { met, failed } = await gather(lab, 'c1').open(vip, port, 100)
    expect(failed).toEqual([])
    const client = mode === 'dsr' ? lab.near('c1', family) : lab.far('c1', family)
    for (const { endpoint, localPort } of met) {
      const decision = decideFlow(door, flowFacts('door', client, localPort), observedFor(table), 1)
      expect(decision.do === 'forward' ? decision.first.name : decision.reason).toBe(endpoint)
    }
  })
}

const splitRoutes = [
  {
    name: 'route',
    listener: 'door',
    variants: [
      { name: 'stable', weight: 1, pool: 'pool' },
      { name: 'canary', weight: 1, pool: 'other' },
    ],
  },
] as const
