// What comes slowly and what comes too much: an endpoint that is back gets its share little by little, and a table of
// connections that fills up is said before it overflows.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { needsNamespaces } from '../../support/needs.ts'
import { temporary } from '../../support/servers.ts'
import { preflight } from './command.ts'
import { type Crowd, gather, startRelay, tally } from './people.ts'
import { setScene } from './scene.ts'

const inLab = needsNamespaces()

for (const mode of ['dsr', 'nat relay'] as const) {
  inLab(`${mode}: an endpoint that is back gets its share of new flows little by little`, async () => {
    const { lab, vip, port, config } = await setScene(mode)
    const relay = await startRelay(lab, 'r1', config(undefined, { pool: { slowStart: '20s' } }))
    const clients = gather(lab, 'c1')
    lab.unplug('e2')
    await relay.until(({ event, endpoint }) => event === 'endpoint_down' && endpoint === 'e2')
    lab.plug('e2')
    await relay.until(({ event, endpoint }) => event === 'endpoint_up' && endpoint === 'e2')
    relay.metrics()
    // Binomial, n = 400: at its whole share 100 of them, five sigma 43.
    expect(await sharedOf(clients, vip, port, 400)).toBeLessThan(57)
    while ((await sharedOf(clients, vip, port, 100)) < 20) await new Promise(later => setTimeout(later, 2_000))
  })
}

inLab('nat relay: a table of connections that fills up is said once, and preflight says so too', async () => {
  const { lab, vip, port, config } = await setScene('nat relay')
  // How many there may be is a setting of the whole machine, which other tests are on: only the relay sees a small one.
  const most = join(temporary(), 'most')
  writeFileSync(most, '200\n')
  const setting = '/proc/sys/net/netfilter/nf_conntrack_max'
  const small = ['unshare', '-m', 'sh', '-c', `mount --bind ${most} ${setting} && exec "$@"`, 'sh']
  const relay = await startRelay(lab, 'r1', config(), [], small)
  expect(relay.lines.map(({ event }) => event)).not.toContain('conntrack_full')
  const clients = gather(lab, 'c1')
  expect((await clients.open(vip, port, 180)).failed).toEqual([])
  const [full] = await relay.until(({ event }) => event === 'conntrack_full')
  expect(full!['why']).toMatch(/^(?:1[6-9]\d|2\d\d) of 200 entries: raise net\.netfilter\.nf_conntrack_max$/)
  expect(relay.metrics()).toContain('fourseven_conntrack_entries{of="most"} 200')
  await new Promise(later => setTimeout(later, 5_000))
  expect(relay.lines.filter(({ event }) => event === 'conntrack_full')).toHaveLength(1)
  const found = preflight(lab, 'r1', config(), small)
  expect(found.findings).toContainEqual(expect.objectContaining({ is: 'error', code: 'conntrack' }))
  expect(tally(await clients.talk(1000), ({ is }) => is)).toEqual({ exact: 180 })
})

/** How many new connections meet e2. */
async function sharedOf(clients: Crowd, vip: string, port: number, count: number): Promise<number> {
  const { met, failed } = await clients.open(vip, port, count)
  expect(failed).toEqual([])
  await clients.close()
  return tally(met, ({ endpoint }) => endpoint)['e2'] ?? 0
}
