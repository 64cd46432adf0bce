// What holds in every kernel mode: flows spread by weight, stay where they are, and move only when their endpoint is gone.

import { expect } from 'vitest'
import { needsNamespaces } from '../../support/needs.ts'
import { counted } from './counted.ts'
import type { Lab, Name } from './lab.ts'
import { gather, startRelay, tally } from './people.ts'
import { modes, setScene } from './scene.ts'

const inLab = needsNamespaces()

const cases = [...modes.map(mode => [mode, 4] as const), ['dsr', 6] as const]

for (const [mode, family] of cases) {
  inLab(`${mode}, IPv${family}: 2,000 flows spread as the weights say, and only those of a dead one move`, async () => {
    const { lab, vip, port, config } = await setScene(mode, { family })
    const weights = [1, 1, 2, 4]
    const relay = await startRelay(lab, 'r1', config(weights))
    const crowds = [gather(lab, 'c1'), gather(lab, 'c2')]
    const opened = await Promise.all(crowds.map(crowd => crowd.open(vip, port, 1000)))
    expect(opened.flatMap(({ failed }) => failed)).toEqual([])
    const met = tally(
      opened.flatMap(each => each.met),
      ({ endpoint }) => endpoint,
    )
    for (const [at, weight] of weights.entries()) {
      const part = weight / 8
      const sigma = Math.sqrt(2000 * part * (1 - part))
      expect(Math.abs(met[`e${at + 1}`]! - 2000 * part), JSON.stringify(met)).toBeLessThan(5 * sigma)
    }

    lab.unplug('e3')
    await relay.until(({ event, endpoint }) => event === 'endpoint_down' && endpoint === 'e3')
    await untilWritten(relay.metrics)
    const told = (await Promise.all(crowds.map(crowd => crowd.talk(1000)))).flat()
    const others = told.filter(({ endpoint }) => endpoint !== 'e3')
    expect(tally(others, ({ is }) => is)).toEqual({ exact: 2000 - met['e3']! })
    // Another endpoint does not know them and says so.
    const lost = tally(
      told.filter(({ endpoint }) => endpoint === 'e3'),
      ({ is }) => is,
    )
    expect(lost['over'] ?? 0, JSON.stringify(lost)).toBe(met['e3'])

    const instead = await crowds[0]!.open(vip, port, 200)
    expect(instead.failed).toEqual([])
    expect(tally(instead.met, ({ endpoint }) => endpoint)).not.toHaveProperty('e3')
    lab.plug('e3')
    await relay.until(({ event, endpoint }) => event === 'endpoint_up' && endpoint === 'e3')
    await untilWritten(relay.metrics)
    const after = (await Promise.all(crowds.map(crowd => crowd.talk(1000)))).flat()
    expect(tally(after, ({ is }) => is)).toEqual({ exact: others.length + 200 })
    const back = await crowds[1]!.open(vip, port, 200)
    expect(tally(back.met, ({ endpoint }) => endpoint)['e3']).toBeGreaterThan(20)
    expect(relay.lines.filter(({ event, endpoint }) => event === 'endpoint_down' && endpoint !== 'e3')).toEqual([])
  })
}

for (const mode of modes) {
  inLab(
    `${mode}: the kernel goes on without the relay, and one that is started again adopts what is there`,
    async () => {
      const { lab, vip, port, config } = await setScene(mode)
      const relay = await startRelay(lab, 'r1', config())
      const crowd = gather(lab, 'c1')
      expect((await crowd.open(vip, port, 100)).failed).toEqual([])
      await relay.kill('SIGKILL')
      expect(tally(await crowd.talk(1000), ({ is }) => is)).toEqual({ exact: 100 })
      expect((await crowd.open(vip, port, 100)).failed).toEqual([])
      let isRunning = true
      const talking = (async () => {
        const kinds = new Set<string>()
        while (isRunning) {
          for (const { is } of await crowd.talk(200)) kinds.add(is)
          const { failed } = await crowd.open(vip, port, 2)
          for (const why of failed) kinds.add(why)
        }
        return [...kinds]
      })()
      const again = await startRelay(lab, 'r1', config())
      isRunning = false
      expect(await talking).toEqual(['exact'])
      expect(counted(again.metrics(), 'fourseven_kernel_flows_total')).toBeGreaterThan(200)
    },
  )

  inLab(`${mode}: a reload that changes something else loses no packet`, async () => {
    const { lab, vip, port, config } = await setScene(mode)
    const relay = await startRelay(lab, 'r1', config())
    const crowd = gather(lab, 'c1')
    expect((await crowd.open(vip, port, 50)).failed).toEqual([])
    const before = talkers.map(name => lostBy(lab, name))
    let isRunning = true
    const talking = (async () => {
      const kinds = new Set<string>()
      while (isRunning) for (const { is } of await crowd.talk(2000)) kinds.add(is)
      return [...kinds]
    })()
    const other = config()
    for (const number of [1, 2, 3]) {
      const next = {
        ...other,
        listeners: {
          ...other.listeners,
          [`extra${number}`]: { ...other.listeners['door'], address: `${vip.replace(/00$/, `0${number}`)}:${port}` },
        },
        routes: [{ name: 'route', listener: ['door', `extra${number}`], pool: 'pool' }],
      } as typeof other
      expect(await relay.reload(next)).toMatchObject({ event: 'reloaded' })
    }
    isRunning = false
    expect(await talking).toEqual(['exact'])
    for (const [at, name] of talkers.entries()) expect(lostBy(lab, name) - before[at]!, name).toBeLessThanOrEqual(0)
    expect(counted(relay.metrics(), 'fourseven_kernel_refused_packets_total')).toBe(0)
  })
}

/** An answer of `/metrics` comes after what was under way. */
async function untilWritten(metrics: () => string): Promise<void> {
  metrics()
  await new Promise(later => setTimeout(later, 200))
  metrics()
}

/**
 * Segments that a machine had to send again, less those that had arrived all the same and only their receipt was late, as
 * the other side says (RFC 2883): on a busy machine there are some.
 */
function lostBy(lab: Lab, name: Name): number {
  const said = lab.run(name, 'cat', '/proc/net/snmp', '/proc/net/netstat')
  const read = (head: string, field: string) => {
    const [names, values] = said
      .split('\n')
      .filter(line => line.startsWith(head))
      .map(line => line.split(' '))
    return Number(values![names!.indexOf(field)])
  }
  return read('Tcp:', 'RetransSegs') - read('TcpExt:', 'TCPDSACKRecv')
}

const talkers = ['c1', 'e1', 'e2', 'e3', 'e4'] as const
