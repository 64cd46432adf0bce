// UDP carried by the kernel: sessions are pinned, datagrams of any size pass or are counted, and a client that never falls
// silent leaves an endpoint that has died.

import { expect } from 'vitest'
import { needsNamespaces } from '../../support/needs.ts'
import { counted } from './counted.ts'
import { gather, startRelay, tally } from './people.ts'
import { type Mode, modes, setScene } from './scene.ts'

const inLab = needsNamespaces()

for (const mode of modes) {
  inLab(`${mode}: 10,000 client ports spread over the endpoints, and each stays where it is`, async () => {
    const { lab, vip, port, config } = await setScene(mode)
    await startRelay(lab, 'r1', config([1, 1, 2, 4], { listener: { kind: 'udp' } }))
    const crowd = gather(lab, 'c1')
    const ask = { from: 20_000, count: 10_000 }
    const first = await crowd.udp(vip, port, ask)
    const met = tally(first, answer => endpointOf(answer))
    for (const [at, weight] of [1, 1, 2, 4].entries()) {
      const part = weight / 8
      const sigma = Math.sqrt(10_000 * part * (1 - part))
      expect(Math.abs(met[`e${at + 1}`]! - 10_000 * part), JSON.stringify(met)).toBeLessThan(5 * sigma)
    }
    const seen = mode === 'nat relay' ? lab.near('r1') : mode === 'dsr' ? lab.near('c1') : lab.far('c1')
    expect(new Set(first.map(answer => answer?.split(' ')[1]))).toEqual(new Set([seen]))
    const again = await crowd.udp(vip, port, ask)
    expect(again.map(endpointOf)).toEqual(first.map(endpointOf))
  })

  inLab(`${mode}: a busy client whose endpoint dies is answered by another`, async () => {
    const { lab, vip, port, config } = await setScene(mode)
    const relay = await startRelay(lab, 'r1', config(undefined, { listener: { kind: 'udp' } }))
    const crowd = gather(lab, 'c1')
    const ask = { from: 20_000, count: 1, timeoutMs: 100 }
    const patient = { ...ask, timeoutMs: 5_000 }
    const before = await untilAnswered(
      () => crowd.udp(vip, port, ask),
      () => true,
    )
    lab.unplug(before as 'e1')
    const after = await untilAnswered(
      () => crowd.udp(vip, port, ask),
      endpoint => endpoint !== before,
    )
    expect(relay.lines.some(({ event, endpoint }) => event === 'endpoint_down' && endpoint === before)).toBe(true)
    relay.metrics()
    expect((await crowd.udp(vip, port, patient)).map(endpointOf)).toEqual([after])
    lab.plug(before as 'e1')
    const isBack = () => relay.lines.some(({ event, endpoint }) => event === 'endpoint_up' && endpoint === before)
    for (let since = 0; since < 20; since += isBack() ? 1 : 0) {
      expect((await crowd.udp(vip, port, patient)).map(endpointOf)).toEqual([after])
    }
  })
}

for (const mode of ['nat relay', 'nat keep'] as const) {
  inLab(`${mode}: a datagram of 4,000 bytes passes whole`, () => bigDatagrams(mode, {}, 'pass'))
}

inLab('dsr: a datagram of 4,000 bytes passes whole where the key is the address', () =>
  bigDatagrams('dsr', { key: 'address' }, 'pass'),
)

inLab('dsr: a datagram of 4,000 bytes is dropped and counted where the key is the flow', () =>
  bigDatagrams('dsr', {}, 'are counted'),
)

async function bigDatagrams(mode: Mode, words: object, what: 'pass' | 'are counted'): Promise<void> {
  const { lab, vip, port, config } = await setScene(mode)
  const relay = await startRelay(lab, 'r1', config(undefined, { listener: { kind: 'udp', ...words } }))
  const crowd = gather(lab, 'c1')
  const answers = await crowd.udp(vip, port, { from: 20_000, count: 20, bytes: 4000, timeoutMs: 2000 })
  if (what === 'pass') {
    expect(answers.map(answer => answer?.split(' ')[3])).toEqual(Array(20).fill('4000'))
    const small = await crowd.udp(vip, port, { from: 20_000, count: 20 })
    expect(small.map(endpointOf)).toEqual(answers.map(endpointOf))
  } else {
    expect(answers).toEqual(Array(20).fill(null))
    // Three fragments each.
    expect(counted(relay.metrics(), 'fourseven_kernel_dropped_packets_total')).toBe(60)
  }
}

async function untilAnswered(
  ask: () => Promise<readonly (string | null)[]>,
  wanted: (endpoint: string) => boolean,
): Promise<string> {
  for (;;) {
    const endpoint = endpointOf((await ask())[0]!)
    if (endpoint !== 'none' && wanted(endpoint)) return endpoint
  }
}

function endpointOf(answer: string | null): string {
  return answer?.split(' ')[0] ?? 'none'
}
