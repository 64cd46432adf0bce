// The endpoint's side: what its machine needs so that it can be sent to as it is, as commands to be typed there, and
// whether the machine this runs on has it.

import type { Table } from '../../shared/table/table.ts'
import { holderOf } from './addresses.ts'
import { readInterfaces, sysctl } from './ground.ts'
import { bad, type Finding, good, placeOf } from './preflight.ts'
import { type KernelListener, kernelListeners } from './ruleset.ts'
import type { Run } from './run.ts'
import { familyOf } from './targets.ts'

/** What to type at every endpoint, with a word on why; empty when endpoints need nothing. */
export function endpointCommands(table: Table): string[] {
  const lines: string[] = []
  for (const listener of kernelListeners(table)) {
    const commands = commandsFor(listener)
    if (commands.length > 0)
      lines.push(`# for listener ${listener.name} at ${placeOf(listener)} (${listener.kernel.mode})`, ...commands)
  }
  return [...new Set(lines)]
}

function commandsFor(listener: KernelListener): string[] {
  const { host, kernel } = listener
  const isFour = familyOf(listener) === 4
  if (kernel.mode === 'dsr') {
    return [
      ...(isFour ? arpSettings.map(([name, value]) => `sysctl -w ${name}=${value}`) : []),
      `ip address add ${host}/${isFour ? '32' : '128'} dev lo${isFour ? '' : ' nodad'}`,
    ]
  }
  if (kernel.source === 'relay') return []
  return [`ip ${isFour ? '' : '-6 '}route replace default via <an address of the relay on the endpoint's segment>`]
}

/** Of the machine this runs on, as an endpoint. */
export async function preflightEndpoint(table: Table, run: Run): Promise<Finding[]> {
  const interfaces = (await readInterfaces(run)) ?? []
  const findings: Finding[] = []
  for (const listener of kernelListeners(table)) {
    const { name, host, kernel } = listener
    if (kernel.mode === 'nat') {
      if (kernel.source === 'keep') findings.push(await checkGateway(listener, run))
      continue
    }
    const holder = holderOf(host, interfaces)
    const [command = ''] = commandsFor(listener).slice(-1)
    if (holder === undefined) {
      findings.push(
        bad('endpoint-address', name, `this machine does not have ${host}, so it drops what comes for it`, command),
      )
    } else findings.push(good('endpoint-address', name, `${host} is on ${holder.name}`))
    if (familyOf(listener) === 4) findings.push(...(await checkArp(name, host)))
    else if (holder !== undefined && holder.name !== 'lo') {
      const message = `${host} is on ${holder.name}, where this machine answers for it`
      findings.push(bad('endpoint-arp', name, message, `ip address del ${host}/128 dev ${holder.name}; ${command}`))
    }
  }
  return findings
}

async function checkArp(name: string, host: string): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const [setting, wanted] of arpSettings) {
    const value = await sysctl(setting)
    if (Number(value) >= wanted) findings.push(good('endpoint-arp', name, `${setting} is ${value}`))
    else {
      const message = `${setting} is ${value}, and has to be ${wanted}: this machine would answer for ${host} in place of the relay`
      findings.push(bad('endpoint-arp', name, message, `sysctl -w ${setting}=${wanted}`))
    }
  }
  return findings
}

async function checkGateway(listener: KernelListener, run: Run): Promise<Finding> {
  const { name } = listener
  const [family, any] = familyOf(listener) === 4 ? ['-4', 'default'] : ['-6', 'default']
  const { stdout } = await run('ip', [family, 'route', 'show', any])
  const gateway = /\bvia (\S+)/.exec(stdout)?.[1]
  if (gateway !== undefined)
    return good('endpoint-gateway', name, `the gateway is ${gateway}: that has to be the relay`)
  const [command = ''] = commandsFor(listener)
  return bad('endpoint-gateway', name, 'there is no gateway, so answers to clients elsewhere have no way', command)
}

/** Do not answer for addresses on lo, and do not name them in questions (ip-sysctl in the kernel's documentation). */
const arpSettings = [
  ['net.ipv4.conf.all.arp_ignore', 1],
  ['net.ipv4.conf.all.arp_announce', 2],
] as const
