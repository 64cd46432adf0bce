// Whether this machine can forward what a config asks of the kernel: programs, rights, addresses, the segment and its MTU.
// Each thing that is looked at is one finding, good or bad, and a bad one says what mends it. Nothing is changed.

import type { Table } from '../../shared/table/table.ts'
import { formatHostPort } from '../../shared/wire/address.ts'
import { giveAddress, holderOf } from './addresses.ts'
import { refusalOf } from './apply.ts'
import { sourcesOf } from './ask-from.ts'
import { readConntrack } from './conntrack.ts'
import { type Interface, poke, readInterfaces, readNeighbours, sysctl } from './ground.ts'
import { look } from './present.ts'
import { type KernelListener, kernelListeners } from './ruleset.ts'
import type { Run } from './run.ts'
import { poolsOf } from './steer.ts'
import { familyOf, type Target, targetsOf } from './targets.ts'

export interface Finding {
  readonly is: 'ok' | 'warning' | 'error'
  readonly code: FindingCode
  /** A listener, or empty for the machine. */
  readonly of: string
  readonly message: string
  /** Empty when nothing has to be done. */
  readonly mend: string
}

/** Each has a row in docs/kernel.md. */
export type FindingCode = keyof typeof findingCodes

export const findingCodes = {
  nft: 'nft is there and may change the tables of this machine',
  programs: 'the other programs are there: ip, conntrack for NAT, arping to announce an address',
  address: 'an interface has the virtual address',
  interface: 'the interface of a dsr listener is there and up',
  forwarding: 'the machine forwards packets, as NAT needs',
  'rp-filter': 'no packet is dropped for where its way back would lead',
  segment: 'endpoints of a dsr listener are on the segment of its interface',
  neighbour: 'endpoints of a dsr listener answer for their addresses',
  source: 'endpoints of a dsr listener are asked from an address that they do not hold themselves',
  mtu: 'packets as long as clients may send reach the endpoints',
  conntrack: 'the table of connections has room',
  fragments: 'what becomes of fragments',
  'endpoint-address': 'the endpoint holds the virtual address',
  'endpoint-arp': 'the endpoint does not answer for the virtual address',
  'endpoint-gateway': 'the endpoint has a gateway, which is to be the relay',
} as const

/** The relay's side. */
export async function preflightRelay(table: Table, run: Run): Promise<Finding[]> {
  const listeners = kernelListeners(table)
  const findings: Finding[] = [await checkNft(run), await checkPrograms(listeners, run)]
  const interfaces = (await readInterfaces(run)) ?? []
  const sources = sourcesOf(listeners, interfaces)
  for (const listener of listeners) {
    findings.push(checkAddress(listener, interfaces))
    if (listener.kernel.mode === 'dsr') findings.push(...(await checkDsr(listener, interfaces, sources, run)))
    else findings.push(...(await checkNat(listener, interfaces, run)))
    findings.push(...checkFragments(listener))
  }
  if (listeners.some(({ kernel }) => kernel.mode === 'nat')) findings.push(await checkConntrack())
  return findings
}

async function checkNft(run: Run): Promise<Finding> {
  const seen = await look(run)
  // A question is answered to some who may not change anything.
  const tried = 'stderr' in seen ? seen : await run('nft', ['-c', '-f', '-'], 'add table inet fourseven_try\n')
  if ('stderr' in seen || ('code' in tried && tried.code !== 0)) {
    const { code, message } = refusalOf(tried as { stderr: string; isMissing: boolean })
    const mend =
      code === 'no-nft'
        ? 'apt-get install nftables'
        : 'Give CAP_NET_ADMIN: AmbientCapabilities=CAP_NET_ADMIN in the unit, or setpriv --ambient-caps +net_admin.'
    return bad('nft', '', message, mend)
  }
  const { stdout } = await run('nft', ['--version'])
  return good('nft', '', stdout.trim().split('\n')[0] ?? 'nft')
}

async function checkPrograms(listeners: readonly KernelListener[], run: Run): Promise<Finding> {
  const hasMode = (mode: 'nat' | 'dsr') => listeners.some(({ kernel }) => kernel.mode === mode)
  const wanted: [program: string, option: string, from: string][] = [
    ['ip', '-V', 'iproute2'],
    ...(hasMode('nat') ? [['conntrack', '--version', 'conntrack'] as [string, string, string]] : []),
    ...(hasMode('dsr') ? [['arping', '-V', 'iputils-arping'] as [string, string, string]] : []),
  ]
  const missing: string[] = []
  for (const [program, option, from] of wanted) if ((await run(program, [option])).isMissing) missing.push(from)
  if (missing.length === 0) return good('programs', '', wanted.map(([program]) => program).join(', '))
  return bad('programs', '', `not there: ${missing.join(', ')}`, `apt-get install ${missing.join(' ')}`)
}

function checkAddress(listener: KernelListener, interfaces: readonly Interface[]): Finding {
  const { name, host } = listener
  const holder = holderOf(host, interfaces)
  if (holder !== undefined) return good('address', name, `${host} is on ${holder.name}`)
  const mend = `${giveAddress(listener)}, here or where the relay in use is`
  return bad('address', name, `no interface has ${host}: its packets do not come here`, mend)
}

async function checkDsr(
  listener: KernelListener,
  interfaces: readonly Interface[],
  sources: ReadonlyMap<string, string>,
  run: Run,
): Promise<Finding[]> {
  const { name, kernel } = listener
  const device = interfaces.find(each => each.name === kernel.interface)
  if (device === undefined) {
    return [bad('interface', name, `there is no interface ${kernel.interface}`, '`ip -br link` shows those that are.')]
  }
  if (!device.isUp) {
    return [bad('interface', name, `${device.name} is down`, `ip link set ${device.name} up`)]
  }
  const findings = [good('interface', name, `${device.name} is up, at ${device.mac}, MTU ${device.mtu}`)]
  const targets = targetsOf(poolsOf(listener), familyOf(listener))
  await poke(targets.map(({ ip }) => ip))
  let neighbours = new Map<string, string>()
  for (let wait = 0; wait < 20 && targets.some(({ ip }) => !neighbours.has(ip)); wait++) {
    await new Promise(later => setTimeout(later, 100))
    neighbours = (await readNeighbours(run, device.name)) ?? neighbours
  }
  for (const target of targets) {
    const way = await routeTo(run, target.ip)
    if (way === undefined || way.device !== device.name || way.gateway !== undefined) {
      const where =
        way === undefined ? 'nowhere' : `by ${way.device}${way.gateway === undefined ? '' : ` and ${way.gateway}`}`
      const mend = `Put both on one segment of ${device.name}; for endpoints elsewhere say mode "nat".`
      findings.push(
        bad('segment', name, `${target.ip} is reached ${where}, not on the segment of ${device.name}`, mend),
      )
      continue
    }
    const mac = neighbours.get(target.ip)
    if (mac === undefined) {
      const mend = `Look whether it is up and whether ${device.name} leads to its segment: ip neigh get ${target.ip} dev ${device.name}`
      findings.push(bad('neighbour', name, `${target.ip} does not answer for its address on ${device.name}`, mend))
      continue
    }
    findings.push(good('neighbour', name, `${target.ip} is at ${mac}`))
    const source = sources.get(target.ip)
    if (way.source === listener.host) findings.push(checkSource(listener, target, source))
    findings.push(await checkMtu(listener, target, device.mtu, run, source))
  }
  return findings
}

/** Where the system would pick the virtual address, which the endpoint takes for its own. */
function checkSource(listener: KernelListener, { ip }: Target, source: string | undefined): Finding {
  const { name, host, kernel } = listener
  if (source === undefined) {
    const message = `${ip} would be asked from ${host}, which it holds itself: no answer comes back`
    return bad('source', name, message, `Give ${kernel.interface} an address of its own on the network of ${ip}.`)
  }
  const message = `probes ask ${ip} from ${source}; whatever else connects to it from here does so from ${host}, and gets no answer`
  return unsure('source', name, message, giveAddress(listener).replace(' add ', ' change '))
}

async function checkNat(listener: KernelListener, interfaces: readonly Interface[], run: Run): Promise<Finding[]> {
  const { name, host } = listener
  const family = familyOf(listener)
  const setting = family === 4 ? 'net.ipv4.ip_forward' : 'net.ipv6.conf.all.forwarding'
  const findings: Finding[] = []
  if ((await sysctl(setting)) === '1') findings.push(good('forwarding', name, `${setting} is 1`))
  else findings.push(bad('forwarding', name, `${setting} is not 1`, `sysctl -w ${setting}=1`))
  const entry = holderOf(host, interfaces)
  for (const target of targetsOf(poolsOf(listener), family)) {
    const way = await routeTo(run, target.ip)
    if (way === undefined) {
      findings.push(bad('segment', name, `there is no route to ${target.ip}`, '`ip route` shows those that are.'))
      continue
    }
    const exit = interfaces.find(each => each.name === way.device)
    if (entry !== undefined && exit !== undefined && exit.mtu < entry.mtu) {
      const message = `packets come in on ${entry.name} with up to ${entry.mtu} bytes and leave on ${exit.name} with at most ${exit.mtu}`
      const mend = `ip link set ${exit.name} mtu ${entry.mtu}, or lower that of ${entry.name}`
      findings.push(bad('mtu', name, message, mend))
    } else findings.push(await checkMtu(listener, target, exit?.mtu ?? 1500, run))
  }
  if (family === 4) findings.push(await checkReversePath(name, entry))
  return findings
}

async function checkReversePath(name: string, entry: Interface | undefined): Promise<Finding> {
  const devices = ['all', ...(entry === undefined ? [] : [entry.name])]
  for (const device of devices) {
    if ((await sysctl(`net.ipv4.conf.${device}.rp_filter`)) !== '1') continue
    const message = `net.ipv4.conf.${device}.rp_filter is 1: packets are dropped whose way back leads over another interface`
    const mend = `sysctl -w net.ipv4.conf.${device}.rp_filter=2, unless every client is reached over ${entry?.name ?? 'the same interface'}`
    return unsure('rp-filter', name, message, mend)
  }
  return good('rp-filter', name, 'rp_filter is not strict')
}

/** A packet as long as the interface takes, that nobody may cut. */
async function checkMtu(
  { name }: KernelListener,
  { ip }: Target,
  mtu: number,
  run: Run,
  source?: string,
): Promise<Finding> {
  const headers = ip.includes(':') ? 48 : 28
  const { code, isMissing, stderr } = await run('ping', [
    '-M',
    'do',
    '-c',
    '1',
    '-W',
    '1',
    '-s',
    String(mtu - headers),
    ...(source === undefined ? [] : ['-I', source]),
    ip,
  ])
  if (isMissing || /permitted/i.test(stderr)) {
    return unsure(
      'mtu',
      name,
      `not looked at for ${ip}: ping cannot be used`,
      'apt-get install iputils-ping, or run this as root.',
    )
  }
  if (code === 0) return good('mtu', name, `${mtu} bytes reach ${ip}`)
  const message = `packets of ${mtu} bytes do not reach ${ip}, or it does not answer a ping`
  const mend = `Give every interface on the way the same MTU: ping -M do -s ${mtu - headers} ${ip} is to be answered.`
  return bad('mtu', name, message, mend)
}

async function checkConntrack(): Promise<Finding> {
  const conntrack = await readConntrack()
  if (conntrack === undefined) {
    return unsure('conntrack', '', 'connections are not tracked yet', 'modprobe nf_conntrack')
  }
  const { entries, max } = conntrack
  const message = `${entries} of ${max} connections`
  if (entries < max * 0.8) return good('conntrack', '', message)
  return bad('conntrack', '', message, `sysctl -w net.netfilter.nf_conntrack_max=${max * 2}`)
}

function checkFragments({ name, kind, kernel }: KernelListener): Finding[] {
  if (kernel.mode === 'nat') return [good('fragments', name, 'are put together and pass')]
  if (kernel.key === 'address') return [good('fragments', name, 'go where their client is: the key is the address')]
  if (kind === 'tcp') return []
  const message = 'are dropped and counted: they have no ports, and the key is the flow'
  return [unsure('fragments', name, message, 'Say key "address", or keep datagrams below the MTU.')]
}

interface Way {
  readonly device: string
  readonly gateway: string | undefined
  /** The address that the system picks for itself. */
  readonly source: string | undefined
}

async function routeTo(run: Run, ip: string): Promise<Way | undefined> {
  const { code, stdout } = await run('ip', ['-j', 'route', 'get', ip])
  if (code !== 0) return undefined
  try {
    const [route] = JSON.parse(stdout) as { dev?: string; gateway?: string; prefsrc?: string }[]
    return route?.dev === undefined ? undefined : { device: route.dev, gateway: route.gateway, source: route.prefsrc }
  } catch {
    return undefined
  }
}

export function good(code: FindingCode, of: string, message: string): Finding {
  return { is: 'ok', code, of, message, mend: '' }
}

export function bad(code: FindingCode, of: string, message: string, mend: string): Finding {
  return { is: 'error', code, of, message, mend }
}

function unsure(code: FindingCode, of: string, message: string, mend: string): Finding {
  return { is: 'warning', code, of, message, mend }
}

/** `192.0.2.10:80` */
export function placeOf({ host, port }: KernelListener): string {
  return formatHostPort(host, port)
}
