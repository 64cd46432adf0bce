// The relay asks endpoints from an address that is not theirs too.

import { expect, test } from 'vitest'
import { askEndpoint } from '../../../relay/ask-endpoint.ts'
import { sourcesOf } from '../../../relay/kernel/ask-from.ts'
import type { Interface } from '../../../relay/kernel/ground.ts'
import { kernelListeners } from '../../../relay/kernel/ruleset.ts'
import { type EndpointAddress, parseEndpointAddress } from '../../../shared/config/endpoint-address.ts'
import { tableOf } from '../../support/table.ts'
import { endpoint } from '../lab.ts'
import { udpEndpoint } from '../udp-lab.ts'
import { type Sketch, sketchConfig, sketchTable } from './sketch.ts'

test('it is an address on the network of the endpoint, and never a virtual one', () => {
  expect(sources({ mode: 'dsr', count: 2 }, ['192.0.2.100/24', '198.51.100.9/24', '192.0.2.9/24'])).toEqual([
    ['192.0.2.1', '192.0.2.9'],
    ['192.0.2.2', '192.0.2.9'],
  ])
  const six = ['2001:db8::100/128', 'fe80::9/64', '2001:db8:0:1::9/64', '2001:db8::9/64']
  expect(sources({ mode: 'dsr', family: 6, count: 1 }, six)).toEqual([['2001:db8::1', '2001:db8::9']])
})

test('the system picks where no address fits, and under NAT', () => {
  expect(sources({ mode: 'dsr' }, ['192.0.2.100/32', '198.51.100.9/24'])).toEqual([])
  expect(sources({ mode: 'nat' }, ['192.0.2.9/24'])).toEqual([])
})

test('a probe comes from the address it is told', async () => {
  const { pools } = tableOf({
    ...sketchConfig({ mode: 'nat' }),
    pools: { main: { endpoints: ['tcp://192.0.2.1:80'], probe: { kind: 'tcp' } } },
  })
  const tcp = await endpoint(() => {})
  const udp = await udpEndpoint(() => 'pong')
  const ask = (address: string, probe: object) =>
    askEndpoint(
      parseEndpointAddress(address) as EndpointAddress,
      { ...pools[0]!.probe!, ...probe },
      undefined,
      new AbortController().signal,
      undefined,
      '127.0.0.47',
    )
  expect(await ask(`tcp://127.0.0.1:${tcp.port}`, {})).toBeUndefined()
  expect((await tcp.accepted(0)).remoteAddress).toBe('127.0.0.47')
  expect(await ask(`udp://127.0.0.1:${udp.port}`, { kind: 'udp' })).toBeUndefined()
  expect(udp.heard[0]!.from.address).toBe('127.0.0.47')
})

function sources(sketch: Sketch, addresses: readonly string[]) {
  const eth0: Interface = {
    name: 'eth0',
    mac: '02:00:00:00:00:aa',
    mtu: 1500,
    isUp: true,
    addresses: addresses.map(text => {
      const [ip = '', prefix] = text.split('/')
      return { ip, prefix: Number(prefix) }
    }),
  }
  return [...sourcesOf(kernelListeners(sketchTable(sketch).table), [eth0])]
}
