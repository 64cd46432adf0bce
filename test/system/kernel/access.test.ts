// Who may come in is asked by the kernel itself, and only of new flows.

import { expect } from 'vitest'
import { needsNamespaces } from '../../support/needs.ts'
import { counted } from './counted.ts'
import { gather, startRelay, tally } from './people.ts'
import { type Mode, setScene } from './scene.ts'

const inLab = needsNamespaces()

const cases: readonly (readonly [Mode, 4 | 6])[] = [
  ['dsr', 4],
  ['dsr', 6],
  ['nat keep', 4],
  ['nat relay', 6],
]

for (const [mode, family] of cases) {
  inLab(`${mode}, IPv${family}: a client that is not let in is reset, and what it had open goes on`, async () => {
    const { lab, vip, port, config } = await setScene(mode, { family })
    const relay = await startRelay(lab, 'r1', config())
    const [one, other] = [gather(lab, 'c1'), gather(lab, 'c2')]
    expect((await one.open(vip, port, 5)).failed).toEqual([])
    const where = (name: 'c1' | 'c2') => (mode === 'dsr' ? lab.near(name, family) : lab.far(name, family))
    const bits = family === 4 ? 24 : 64
    const listener = { allow: [`${where('c1')}/${bits}`], deny: [where('c1')] }
    expect(await relay.reload(config(undefined, { listener }))).toMatchObject({ event: 'reloaded' })
    expect((await one.open(vip, port, 3)).failed).toEqual(['ECONNREFUSED', 'ECONNREFUSED', 'ECONNREFUSED'])
    expect((await other.open(vip, port, 5)).failed).toEqual([])
    expect(tally(await one.talk(1000), ({ is }) => is)).toEqual({ exact: 5 })
    expect(counted(relay.metrics(), 'fourseven_kernel_denied_packets_total')).toBeGreaterThanOrEqual(3)
  })
}

for (const mode of ['dsr', 'nat relay'] as const) {
  inLab(`${mode}: datagrams of a client that is not let in are dropped and counted`, async () => {
    const { lab, vip, port, config } = await setScene(mode)
    const where = mode === 'dsr' ? lab.near('c1') : lab.far('c1')
    const listener = { kind: 'udp', allow: [where] }
    const relay = await startRelay(lab, 'r1', config(undefined, { listener }))
    const answers = (name: 'c1' | 'c2', timeoutMs: number) =>
      gather(lab, name).udp(vip, port, { from: 20_000, count: 10, timeoutMs })
    expect(await answers('c1', 10_000)).not.toContain(null)
    expect(await answers('c2', 500)).toEqual(Array(10).fill(null))
    expect(counted(relay.metrics(), 'fourseven_kernel_denied_packets_total')).toBe(10)
  })
}
