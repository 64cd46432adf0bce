// Two relays and one address: the one without it stands by and says so; it takes over with no shared state, and a new
// process takes over from an old one on the same machine.

import { join } from 'node:path'
import { expect } from 'vitest'
import { needsNamespaces } from '../../support/needs.ts'
import { temporary } from '../../support/servers.ts'
import { gather, startRelay, tally } from './people.ts'
import { setScene } from './scene.ts'

const inLab = needsNamespaces()

for (const family of [4, 6] as const) {
  inLab(
    `the second relay takes the address over, and flows go on with no shared state, over IPv${family}`,
    async () => {
      const { lab, vip, port, config } = await setScene('dsr', { family })
      // The kernel tells an IPv6 segment by itself.
      lab.run('r2', 'sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/eth0/ndisc_notify')
      await startRelay(lab, 'r1', config([1, 2, 3, 4]))
      const second = await startRelay(lab, 'r2', config([1, 2, 3, 4]))
      expect(second.lines).toContainEqual(
        expect.objectContaining({ event: 'problem', severity: 'warning', code: 'address-elsewhere' }),
      )
      const clients = gather(lab, 'c1')
      const { met, failed } = await clients.open(vip, port, 1000)
      expect([met.length, failed]).toEqual([1000, []])
      lab.unplug('r1')
      lab.give('r2', vip)
      const [here] = await second.until(({ event }) => event === 'address_here')
      expect(here).toMatchObject({ of: vip, why: 'announced' })
      const told = await clients.talk(1000)
      expect(told.filter(({ is }) => is === 'exact').length).toBeGreaterThanOrEqual(999)
      expect((await clients.open(vip, port, 50)).failed).toEqual([])
    },
  )
}

for (const mode of ['dsr', 'nat relay'] as const) {
  inLab(`${mode}: a new process takes over on the machine, and the old one touches the rules no more`, async () => {
    const { lab, vip, port, config } = await setScene(mode)
    const takeover = ['--takeover', join(temporary(), 'takeover.sock'), '--drain-timeout', '30s']
    // A flow of its own keeps the old one from ending.
    const withProxy = (weights: readonly number[]) => {
      const written = config(weights)
      const plain = { kind: 'tcp', address: `${lab.near('r1')}:9000` } as const
      return {
        ...written,
        listeners: { ...written.listeners, plain },
        routes: [{ name: 'route', listener: ['door', 'plain'], pool: 'pool' }],
      } as typeof written
    }
    const old = await startRelay(lab, 'r1', withProxy([1, 1]), takeover)
    const slow = gather(lab, 'c2')
    expect((await slow.open(lab.near('r1'), 9000, 1)).failed).toEqual([])
    const clients = gather(lab, 'c1')
    expect((await clients.open(vip, port, 50)).failed).toEqual([])
    const young = await startRelay(lab, 'r1', withProxy([1, 1, 1, 1]), takeover)
    await old.until(({ event }) => event === 'taken_over')
    // Time enough for each to look at its tables, were it to.
    for (let looks = 0; looks < 4; looks++) {
      await new Promise(later => setTimeout(later, 1000))
      young.metrics()
    }
    for (const { lines } of [old, young]) expect(lines.filter(({ event }) => event === 'kernel_restored')).toEqual([])
    expect(tally(await slow.talk(100), ({ is }) => is)).toEqual({ exact: 1 })
    const { met, failed } = await clients.open(vip, port, 200)
    expect(failed).toEqual([])
    expect(Object.keys(tally(met, ({ endpoint }) => endpoint)).sort()).toEqual(['e1', 'e2', 'e3', 'e4'])
    expect(tally(await clients.talk(1000), ({ is }) => is)).toEqual({ exact: 250 })
  })
}
