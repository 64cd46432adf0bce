// The relay's side of forwarding by the kernel, with programs that only say what they were asked.

import * as fc from 'fast-check'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { KernelEvent } from '../../../relay/kernel/event.ts'
import { type Kernel, openKernel } from '../../../relay/kernel/kernel.ts'
import { readList } from '../../../relay/kernel/present.ts'
import { changesText, wholeText } from '../../../relay/kernel/render.ts'
import { ruleset } from '../../../relay/kernel/ruleset.ts'
import type { Ran, Run } from '../../../relay/kernel/run.ts'
import { run as runForReal } from '../../../relay/kernel/run.ts'
import { stalePins } from '../../../relay/kernel/stale.ts'
import type { Problem } from '../../../shared/config/problem.ts'
import { markDown } from '../../../shared/pool/health.ts'
import type { Table } from '../../../shared/table/table.ts'
import { noon } from '../../shared/pool/make-pool.ts'
import { everybodyAnswers, macOf, sketchTable } from './sketch.ts'

test('a change of one endpoint is written as elements, and nothing when nothing changed', async () => {
  const { table, observed } = sketchTable({ mode: 'nat' })
  const machine = machineOf()
  const kernel = open(machine, observed)
  expect(await kernel.follow(table, 0)).toEqual([])
  expect(machine.written).toHaveLength(1)
  expect(machine.written[0]).toContain('add chain inet fourseven enter')
  await settled(kernel)
  expect(machine.written).toHaveLength(1)
  const [pool] = table.pools
  markDown(observed, pool!, pool!.endpoints[0]!)
  await settled(kernel)
  expect(machine.written).toHaveLength(2)
  expect(machine.written[1]).not.toContain('add rule')
  const moved = machine.written[1]!.split('\n').find(line => line.startsWith('delete element'))!
  // A third of the slots, and no other.
  expect(moved.split(',').length).toBeGreaterThan(21_000)
  expect(moved.split(',').length).toBeLessThan(22_500)
  expect(machine.asked).toContain(
    'conntrack -D -f ipv4 -p tcp -d 192.0.2.100 --orig-port-dst 80 -r 192.0.2.1 --reply-port-src 80',
  )
})

test.each([
  ['no-nft', { isMissing: true, stderr: 'spawn nft ENOENT' }],
  ['no-capability', { stderr: 'Operation not permitted (you must be root)' }],
  ['kernel-refused', { stderr: 'Error: Could not process rule: Not supported' }],
])('%s is a problem with a mend, and nothing is held', async (code, answer) => {
  const { table, observed } = sketchTable({ mode: 'nat' })
  const machine = machineOf()
  machine.answers.set('nft', { code: 1, stdout: '', isMissing: false, ...answer })
  const [problem] = await open(machine, observed).follow(table, 0)
  expect(problem).toMatchObject({ severity: 'error', code, path: 'listeners.door.mode' })
  expect(problem!.mend).not.toBe('')
})

test('a table without such listeners runs no program at all', async () => {
  const { table, observed } = sketchTable({ mode: 'nat' })
  const machine = machineOf()
  const kernel = open(machine, observed)
  expect(await kernel.follow({ ...table, flowListeners: new Map() }, 0)).toEqual([])
  expect((await kernel.counts()).rows).toEqual([])
  await kernel.stop(false)
  expect(machine.asked).toEqual([])
})

test('an endpoint that a reload takes out keeps its flows for the drain timeout, then they are ended', async () => {
  const before = sketchTable({ mode: 'nat', count: 3 })
  const after = sketchTable({ mode: 'nat', count: 2 })
  const machine = machineOf()
  let now = noon
  const kernel = open(machine, before.observed, () => now)
  await kernel.follow(before.table, 0)
  await kernel.follow(withSlotsOf(after.table, before.table), 10_000)
  await settled(kernel)
  expect(machine.asked.filter(line => line.startsWith('conntrack'))).toEqual([])
  now += 10_000
  await settled(kernel)
  const ended = machine.asked.filter(line => line.startsWith('conntrack'))
  expect(ended).toEqual([expect.stringContaining('-r 192.0.2.3')])
})

test('a neighbour that is lost, found, or at another MAC is said', async () => {
  const { table, observed } = sketchTable({ mode: 'dsr', count: 1 })
  const machine = machineOf()
  const events: KernelEvent[] = []
  const kernel = open(
    machine,
    observed,
    () => noon,
    event => events.push(event),
  )
  machine.neighbours.set('192.0.2.1', macOf('192.0.2.1'))
  await kernel.follow(table, 0)
  machine.neighbours.set('192.0.2.1', '02:00:00:00:00:77')
  await settled(kernel)
  machine.neighbours.delete('192.0.2.1')
  await settled(kernel)
  machine.neighbours.set('192.0.2.1', '02:00:00:00:00:77')
  await settled(kernel)
  const said = events.filter(({ event }) => event.startsWith('neighbour')).map(({ event }) => event)
  expect(said).toEqual(['neighbour_moved', 'neighbour_lost', 'neighbour_found'])
})

test('an endpoint that does not answer for its address at the start is waited for, then said', async () => {
  const { table, observed } = sketchTable({ mode: 'dsr', count: 2 })
  const machine = machineOf()
  const events: KernelEvent[] = []
  const kernel = open(
    machine,
    observed,
    () => noon,
    event => events.push(event),
  )
  machine.neighbours.set('192.0.2.1', macOf('192.0.2.1'))
  expect(await kernel.follow(table, 0)).toEqual([])
  await settled(kernel)
  expect(events).toMatchObject([
    { event: 'neighbour_lost', of: '192.0.2.2', why: 'it does not answer for its address' },
  ])
})

test('neighbours that cannot be read are those of before', async () => {
  const { table, observed } = sketchTable({ mode: 'dsr', count: 1 })
  const machine = machineOf()
  const events: KernelEvent[] = []
  const kernel = open(
    machine,
    observed,
    () => noon,
    event => events.push(event),
  )
  machine.neighbours.set('192.0.2.1', macOf('192.0.2.1'))
  await kernel.follow(table, 0)
  machine.answers.set('ip', { code: 255, stdout: '', stderr: 'Cannot open netlink socket', isMissing: false })
  await settled(kernel)
  expect([events, machine.written.length]).toEqual([[], 1])
})

test('an address that is not of this machine is a warning at the start, and no reason not to forward', async () => {
  const { table, observed } = sketchTable({ mode: 'nat' })
  const machine = machineOf()
  const problems: Problem[] = []
  const said: string[] = []
  const kernel = open(
    machine,
    observed,
    () => noon,
    ({ event, of }) => said.push(`${event} ${of}`),
    problem => problems.push(problem),
  )
  expect(await kernel.follow(table, 0)).toEqual([])
  await settled(kernel)
  expect(problems).toMatchObject([{ severity: 'warning', code: 'address-elsewhere', path: 'listeners.door.address' }])
  expect(problems[0]!.mend).toContain('ip address add 192.0.2.100/32')
  expect(machine.written).toHaveLength(1)
  machine.addresses.push('192.0.2.100')
  await settled(kernel)
  machine.addresses.pop()
  await settled(kernel)
  expect([said, problems.length]).toEqual([['address_here 192.0.2.100', 'address_gone 192.0.2.100'], 1])
})

test('while another relay takes over nothing is written, and for no longer than half a minute', async () => {
  const { table, observed } = sketchTable({ mode: 'nat' })
  const machine = machineOf()
  let now = noon
  const kernel = open(machine, observed, () => now)
  await kernel.follow(table, 0)
  const [pool] = table.pools
  kernel.standBack(true)
  markDown(observed, pool!, pool!.endpoints[0]!)
  await settled(kernel)
  expect(machine.written).toHaveLength(1)
  kernel.standBack(false)
  await settled(kernel)
  expect(machine.written).toHaveLength(2)
  kernel.standBack(true)
  markDown(observed, pool!, pool!.endpoints[1]!)
  now += 30_000
  await settled(kernel)
  expect(machine.written).toHaveLength(3)
})

test('who is not let in is refused before anything is chosen, in each family its own', () => {
  const rules = (family: 4 | 6, kind: 'tcp' | 'udp', mode: 'nat' | 'dsr') => {
    const listener = { allow: ['198.51.100.0/24', '2001:db8:1::/48'], deny: ['198.51.100.7'] }
    const { table, observed } = sketchTable({ mode, kind, family, listener })
    const made = ruleset(table, observed, noon, everybodyAnswers(table))
    const all = made.tables[0]!.chains.find(({ name }) => name === `door.v${family}.${kind}`)!.rules
    return all.filter(rule => rule.includes('denied'))
  }
  const reset = 'counter name "door.v4.tcp.denied" reject with tcp reset'
  for (const mode of ['nat', 'dsr'] as const) {
    expect(rules(4, 'tcp', mode)).toEqual([
      `ip saddr != { 198.51.100.0/24 } ${reset}`,
      `ip saddr { 198.51.100.7/32 } ${reset}`,
    ])
    expect(rules(6, 'udp', mode)).toEqual(['ip6 saddr != { 2001:db8:1::/48 } counter name "door.v6.udp.denied" drop'])
  }
})

test('what is there and no longer wanted goes in the same transaction, and what was learned stays', () => {
  const { table, observed } = sketchTable({ mode: 'dsr' })
  const made = ruleset(table, observed, noon, everybodyAnswers(table))
  const there = readList([
    { table: { family: 'netdev', name: 'fourseven' } },
    { map: { family: 'netdev', table: 'fourseven', name: 'door.v4.tcp.pins' } },
    { map: { family: 'netdev', table: 'fourseven', name: 'old.v4.tcp.pins' } },
    { chain: { family: 'netdev', table: 'fourseven', name: 'old.v4.tcp' } },
    { counter: { family: 'netdev', table: 'fourseven', name: 'old.v4.tcp.refused', packets: 5, bytes: 9 } },
    { table: { family: 'inet', name: 'fourseven' } },
    { chain: { family: 'inet', table: 'others', name: 'theirs' } },
  ])
  const text = wholeText(made, there.tables)
  expect(text).toContain('delete map netdev fourseven old.v4.tcp.pins')
  expect(text).toContain('delete chain netdev fourseven old.v4.tcp\n')
  expect(text).toContain('delete counter netdev fourseven old.v4.tcp.refused')
  expect(text).toContain('delete table inet fourseven')
  expect(text).not.toContain('flush map netdev fourseven door.v4.tcp.pins')
  expect(text).not.toContain('theirs')
})

test('another rule is no change of elements', () => {
  const make = (seed: number) => {
    const { table, observed } = sketchTable({ mode: 'nat', listener: { seed } })
    return ruleset(table, observed, noon, everybodyAnswers(table))
  }
  expect(changesText(make(1), make(2))).toBeUndefined()
  expect(changesText(make(1), make(1))).toBe('')
})

test('pins of the dead are found in what nft lists, those about to run out are not', () => {
  const text = `map a { elements = { 0xa2f0001 . 0x4e20 timeout 1m expires 59s972ms : 0x0a2f0017,
    0xa2f0002 . 0x4e21 timeout 1h expires 2s : 0x0a2f0017, 0xa2f0003 . 0x4e22 timeout 1h expires 5m2s : 0x0a2f0016,
    0xfd00000000000001 . 0x5 . 0x50 timeout 1m expires 30s : 0x00000009 } }`
  expect(stalePins(text, new Set([0x0a2f0016]))).toEqual(['0xa2f0001 . 0x4e20', '0xfd00000000000001 . 0x5 . 0x50'])
})

test('whatever a program says, nothing throws', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 2_000 }), text => {
      expect(Array.isArray(stalePins(text, new Set()))).toBe(true)
    }),
  )
  fc.assert(
    fc.property(fc.array(fc.dictionary(fc.string(), fc.dictionary(fc.string(), fc.anything()))), list => {
      expect(readList(list as never).form).toEqual(expect.any(String))
    }),
  )
})

test('a program that does not end in time, is not there, or says too much is an answer and no exception', async () => {
  expect(await runForReal('sleep', ['60'], '', 50)).toMatchObject({ code: -1, isMissing: false })
  expect(await runForReal('no-such-program', [])).toMatchObject({ code: -1, isMissing: true })
  expect(await runForReal('cat', [], 'hello')).toMatchObject({ code: 0, stdout: 'hello' })
})

interface Machine {
  readonly run: Run
  /** Texts that nft was given. */
  readonly written: string[]
  readonly asked: string[]
  readonly answers: Map<string, Ran>
  readonly neighbours: Map<string, string>
  /** Of its one interface. */
  readonly addresses: string[]
}

function machineOf(): Machine {
  const written: string[] = []
  const asked: string[] = []
  const answers = new Map<string, Ran>()
  const neighbours = new Map<string, string>()
  const addresses: string[] = []
  const said = (stdout: unknown): Ran => ({ code: 0, stdout: JSON.stringify(stdout), stderr: '', isMissing: false })
  const run: Run = async (program, args, input = '') => {
    asked.push([program, ...args].join(' '))
    const answer = answers.get(program)
    if (answer !== undefined) return answer
    if (program === 'ip' && args.includes('neigh')) {
      return said([...neighbours].map(([dst, lladdr]) => ({ dst, lladdr, state: ['REACHABLE'] })))
    }
    const addr_info = addresses.map(local => ({ local, prefixlen: 32 }))
    if (program === 'ip')
      return said([{ ifname: 'eth0', address: '02:00:00:00:00:aa', mtu: 1500, flags: ['UP'], addr_info }])
    if (program === 'nft' && input !== '') written.push(input)
    return program === 'nft' && input === '' ? said({ nftables: [] }) : said([])
  }
  return { run, written, asked, answers, neighbours, addresses }
}

function open(
  { run }: Machine,
  observed: Parameters<typeof openKernel>[0]['observed'],
  now = () => noon,
  onEvent: (event: KernelEvent) => void = () => {},
  onProblem: (problem: Problem) => void = () => {},
): Kernel {
  const kernel = openKernel({ observed, now, onEvent, onProblem, run })
  onTestFinished(() => kernel.stop(true))
  return kernel
}

/** Another look, and what it brings, are over. */
async function settled(kernel: Kernel): Promise<void> {
  kernel.touch()
  await kernel.counts()
}

/** As a reload gives them: endpoints that stay keep their numbers. */
function withSlotsOf(after: Table, before: Table): Table {
  expect(after.pools[0]!.endpoints.map(({ slot }) => slot)).toEqual(
    before.pools[0]!.endpoints.slice(0, 2).map(({ slot }) => slot),
  )
  return after
}

vi.setConfig({ testTimeout: 60_000 })
