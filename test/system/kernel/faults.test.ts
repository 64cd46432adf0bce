// What keeps the kernel from forwarding is said, each with a name and a mend; and what somebody else takes away comes back.

import { expect } from 'vitest'
import type { ConfigInput } from '../../../shared/config/config.ts'
import { needsNamespaces } from '../../support/needs.ts'
import { errorsOf, preflight, preflightEndpoint, runRelay } from './command.ts'
import { gather, startRelay, tally } from './people.ts'
import { setScene } from './scene.ts'

const inLab = needsNamespaces('setpriv', 'unshare')

inLab('without CAP_NET_ADMIN the relay says so and does not start; with it and nothing else it forwards', async () => {
  const { lab, vip, port, config } = await setScene('dsr')
  const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
  const without = runRelay(lab, 'r1', config(), nobody)
  expect(without).toMatchObject({ code: 3, said: expect.stringContaining('CAP_NET_ADMIN') })
  const rights = ['--inh-caps=+net_admin', '--ambient-caps=+net_admin']
  await startRelay(lab, 'r1', config(), [], [...nobody, ...rights])
  expect((await gather(lab, 'c1').open(vip, port, 20)).failed).toEqual([])
})

inLab('without nft, and on an interface that is not there, it says so and does not start', async () => {
  const { lab, config } = await setScene('dsr')
  const hidden = ['unshare', '-m', 'sh', '-c', 'mount --bind /dev/null "$(command -v nft)" && exec "$@"', 'sh']
  expect(runRelay(lab, 'r1', config(), hidden)).toMatchObject({ code: 3, said: expect.stringContaining('no-nft') })
  const elsewhere = config(undefined, { listener: { interface: 'eth7' } })
  expect(runRelay(lab, 'r1', elsewhere)).toMatchObject({ code: 3, said: expect.stringContaining('no interface eth7') })
})

inLab('preflight finds nothing wrong in a lab where nothing is, on both sides', async () => {
  for (const [mode, family] of [
    ['dsr', 4],
    ['dsr', 6],
    ['nat keep', 4],
    ['nat keep', 6],
  ] as const) {
    const { lab, config } = await setScene(mode, { family })
    expect(errorsOf(preflight(lab, 'r1', config()))).toEqual([])
    expect(errorsOf(preflightEndpoint(lab, 'e1', config()))).toEqual([])
  }
})

inLab('preflight names what is wrong: address, neighbour, segment, MTU, forwarding, ARP, gateway', async () => {
  const { lab, vip, config } = await setScene('dsr')
  const { pools, ...rest } = config()
  const more = { pool: { endpoints: ['tcp://10.47.0.21:8080', 'tcp://10.47.0.99:8080', 'tcp://10.48.0.2:8080'] } }
  lab.take('r1', vip)
  lab.run('e1', 'ip', 'link', 'set', 'eth0', 'mtu', '1300')
  const found = preflight(lab, 'r1', { ...rest, pools: more } as ConfigInput)
  expect(errorsOf(found).sort()).toEqual(['address', 'mtu', 'neighbour', 'segment'])
  for (const { is, mend } of found.findings) if (is === 'error') expect(mend).not.toBe('')
  expect(found.endpointCommands).toContain(`ip address add ${vip}/32 dev lo`)

  lab.take('e1', vip)
  lab.run('e1', 'sh', '-c', 'echo 0 > /proc/sys/net/ipv4/conf/all/arp_ignore')
  expect(errorsOf(preflightEndpoint(lab, 'e1', config()))).toEqual(['endpoint-address', 'endpoint-arp'])

  const nat = { ...rest, listeners: { door: { kind: 'tcp', mode: 'nat', source: 'keep', address: '10.48.0.11:8080' } } }
  const natConfig = { ...nat, pools: { pool: { endpoints: ['tcp://10.47.0.22:8080'] } } } as ConfigInput
  lab.run('r1', 'sh', '-c', 'echo 0 > /proc/sys/net/ipv4/ip_forward')
  lab.run('r1', 'ip', 'link', 'set', 'eth0', 'mtu', '1400')
  expect(errorsOf(preflight(lab, 'r1', natConfig))).toEqual(['forwarding', 'mtu'])
  lab.run('e2', 'ip', 'route', 'del', 'default')
  expect(errorsOf(preflightEndpoint(lab, 'e2', natConfig))).toEqual(['endpoint-gateway'])
})

inLab('an endpoint that does not answer for its address is said at the start, and the others are sent to', async () => {
  const { lab, vip, port, config } = await setScene('dsr')
  const relay = await startRelay(
    lab,
    'r1',
    config(undefined, { pool: { endpoints: ['tcp://10.47.0.21:8080', 'tcp://10.47.0.99:8080'] } }),
  )
  expect(relay.lines).toContainEqual(
    expect.objectContaining({ event: 'neighbour_lost', of: '10.47.0.99', why: 'it does not answer for its address' }),
  )
  const { met, failed } = await gather(lab, 'c1').open(vip, port, 20)
  expect([tally(met, ({ endpoint }) => endpoint), failed]).toEqual([{ e1: 20 }, []])
})

inLab('preflight names the address that this machine asks from, where endpoints hold it too', async () => {
  const { lab, vip, config } = await setScene('dsr', { family: 6 })
  const found = () => {
    const { findings } = preflight(lab, 'r1', config())
    return findings.filter(({ code }) => code === 'source').map(({ is, mend }) => [is, mend.split(' ', 3).join(' ')])
  }
  expect(found()).toEqual(Array(4).fill(['warning', 'ip address change']))
  const prefer = (time: string) =>
    lab.run('r1', 'ip', 'address', 'change', `${vip}/128`, 'dev', 'eth0', 'nodad', 'preferred_lft', time)
  prefer('0')
  expect(found()).toEqual([])
  prefer('forever')
  lab.run('r1', 'ip', 'address', 'del', `${lab.near('r1', 6)}/64`, 'dev', 'eth0')
  lab.run('r1', 'ip', 'route', 'add', 'fd47::/64', 'dev', 'eth0')
  expect(found()).toEqual(Array(4).fill(['error', 'Give eth0 an']))
})

inLab('what somebody else flushes is there again, and other tables are left alone', async () => {
  const { lab, vip, port, config } = await setScene('dsr')
  lab.run('r1', 'nft', 'add', 'table', 'inet', 'others')
  const relay = await startRelay(lab, 'r1', config())
  const clients = gather(lab, 'c1')
  expect((await clients.open(vip, port, 50)).failed).toEqual([])
  for (const [at, flush] of [
    'delete table netdev fourseven',
    'flush chain netdev fourseven on.eth0',
    'flush map netdev fourseven door.v4.tcp.macs',
  ].entries()) {
    lab.run('r1', 'nft', ...flush.split(' '))
    await relay.until(({ event }) => event === 'kernel_restored', at + 1)
    expect(tally(await clients.talk(1000), ({ is }) => is)).toEqual({ exact: 50 })
  }
  await relay.kill('SIGTERM')
  expect(lab.run('r1', 'nft', 'list', 'tables').trim()).toBe('table inet others')
})

inLab('what the kernel forwards ends with the relay, and goes on with --leave', async () => {
  const { lab, vip, port, config } = await setScene('nat relay')
  const leaving = await startRelay(lab, 'r1', config(), ['--leave', '--drain-delay', '0s'])
  expect(await leaving.kill('SIGTERM')).toBe(0)
  const clients = gather(lab, 'c1')
  expect((await clients.open(vip, port, 20)).failed).toEqual([])
  const removing = await startRelay(lab, 'r1', config(), ['--drain-delay', '0s'])
  expect(await removing.kill('SIGTERM')).toBe(0)
  expect(lab.run('r1', 'nft', 'list', 'tables').trim()).toBe('')
  const refused = (await clients.open(vip, port, 3)).failed
  expect(refused).toEqual(['ECONNREFUSED', 'ECONNREFUSED', 'ECONNREFUSED'])
})

inLab('a drained endpoint keeps its flows and takes no new ones', async () => {
  for (const mode of ['dsr', 'nat relay'] as const) {
    const { lab, vip, port, config } = await setScene(mode)
    const relay = await startRelay(lab, 'r1', config())
    const clients = gather(lab, 'c1')
    const { met } = await clients.open(vip, port, 200)
    expect(tally(met, ({ endpoint }) => endpoint)['e2']).toBeGreaterThan(20)
    relay.ask('POST', '/drain', { endpoint: 'pool/e2' })
    relay.metrics()
    const later = await clients.open(vip, port, 200)
    expect(tally(later.met, ({ endpoint }) => endpoint)).not.toHaveProperty('e2')
    expect(tally(await clients.talk(1000), ({ is }) => is)).toEqual({ exact: 400 })
  }
})
