// Direct server return in namespaces: real clients, real endpoints, the relay as a program, and nothing but the kernel on
// the way of a packet.

import { expect } from 'vitest'
import { needsNamespaces } from '../../support/needs.ts'
import { gather, startRelay, tally } from './people.ts'
import { setScene } from './scene.ts'

const inLab = needsNamespaces()

for (const family of [4, 6] as const) {
  inLab(
    `an endpoint sees the client itself, and what it answers does not pass the relay, over IPv${family}`,
    async () => {
      const { lab, vip, port, config } = await setScene('dsr', { family })
      await startRelay(lab, 'r1', config())
      const clients = gather(lab, 'c1')
      const { met, failed } = await clients.open(vip, port, 40)
      expect(failed).toEqual([])
      for (const { address, port, localPort } of met)
        expect([address, port]).toEqual([lab.near('c1', family), localPort])
      const before = lab.sent('r1')
      const told = await clients.talk(100_000)
      expect(tally(told, ({ is }) => is)).toEqual({ exact: 40 })
      // The way in, 4 MB and its headers, leaves the relay once; the way back would be as much again.
      const passed = lab.sent('r1') - before
      expect(passed).toBeGreaterThan(4_000_000)
      expect(passed).toBeLessThan(5_500_000)
    },
  )
}

inLab('an endpoint whose MAC changes keeps being found', async () => {
  const { lab, vip, port, config } = await setScene('dsr')
  const relay = await startRelay(lab, 'r1', config([1]))
  const clients = gather(lab, 'c1')
  expect((await clients.open(vip, port, 5)).failed).toEqual([])
  lab.run('e1', 'ip', 'link', 'set', 'eth0', 'address', '02:47:00:00:00:99')
  lab.run('e1', 'arping', '-U', '-q', '-c', '1', '-I', 'eth0', lab.near('e1'))
  const [moved] = await relay.until(({ event }) => event === 'neighbour_moved')
  expect(moved).toMatchObject({ of: lab.near('e1'), why: expect.stringContaining('02:47:00:00:00:99') })
  expect((await clients.open(vip, port, 5)).failed).toEqual([])
  expect(tally(await clients.talk(1000), ({ is }) => is)).toEqual({ exact: 10 })
})

inLab('an ICMP error about what an endpoint has sent reaches that endpoint', async () => {
  const { lab, vip, port, config } = await setScene('dsr')
  await startRelay(lab, 'r1', config())
  // The client stands behind a narrow link of its own: r2 is the router in front of it and says so.
  lab.run('c1', 'ip', 'address', 'flush', 'dev', 'eth0')
  lab.run('c1', 'ip', 'route', 'add', 'default', 'via', lab.far('r2'))
  lab.run('r2', 'ip', 'link', 'set', 'eth1', 'mtu', '1300')
  lab.run('r1', 'ip', 'route', 'replace', '10.48.0.0/24', 'via', lab.near('r2'))
  for (const name of ['e1', 'e2', 'e3', 'e4'] as const) {
    lab.run(name, 'ip', 'route', 'replace', '10.48.0.0/24', 'via', lab.near('r2'))
  }
  for (const name of ['r1', 'r2'] as const) lab.run(name, 'sh', '-c', 'echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter')
  lab.run('r1', 'ip', 'link', 'set', 'eth1', 'down')
  const clients = gather(lab, 'c1')
  expect((await clients.open(vip, port, 20)).failed).toEqual([])
  // Packets of 1,500 bytes do not pass; the endpoints have to hear of it to send smaller ones.
  expect(tally(await clients.talk(50_000), ({ is }) => is)).toEqual({ exact: 20 })
})
