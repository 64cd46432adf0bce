// A lab of network namespaces: two clients, two relays and four endpoints on one bridge, and clients and relays on a second
// one, as in front of a gateway. Made by the test and gone after it, whatever happens.
//
//   near  10.47.0.0/24 and fd47::/64   clients .1 .2   relays .11 .12   endpoints .21 to .24     direct server return
//   far   10.48.0.0/24 and fd48::/64   clients .1 .2   relays .11 .12                            NAT, relays as gateways

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'

export type Name = 'c1' | 'c2' | 'r1' | 'r2' | 'e1' | 'e2' | 'e3' | 'e4'

export interface Lab {
  /** The addresses of an endpoint, relay or client on the near bridge. */
  readonly near: (name: Name, family?: 4 | 6) => string
  readonly far: (name: Name, family?: 4 | 6) => string
  /** Runs a program there and gives what it says; throws with its stderr when it fails. */
  readonly run: (name: Name, program: string, ...args: string[]) => string
  /** Starts one that is stopped after the test. */
  readonly start: (name: Name, program: string, args: readonly string[], options?: StartOptions) => ChildProcess
  /** Gives an address to the machine; on loopback for endpoints that are not to answer for it. */
  readonly give: (name: Name, ip: string, device?: string) => void
  readonly take: (name: Name, ip: string, device?: string) => void
  /** Bytes that left the near interface. */
  readonly sent: (name: Name, device?: 'eth0' | 'eth1') => number
  /** Pulls the plug of the near interface, as when a machine dies: nothing more comes from it. */
  readonly unplug: (name: Name) => void
  readonly plug: (name: Name) => void
}

interface StartOptions {
  readonly env?: NodeJS.ProcessEnv
  readonly uid?: number
  readonly gid?: number
  readonly cwd?: string
}

/** @param onEnd is given what takes it away again */
export function makeLab(onEnd: (clear: () => Promise<void>) => void): Lab {
  const id = `fs${randomBytes(3).toString('hex')}`
  const space = (name: string) => `${id}-${name}`
  const children = new Set<ChildProcess>()
  onEnd(async () => {
    for (const child of children) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await Promise.all([...children].map(child => (child.exitCode ?? child.signalCode) !== null || once(child, 'exit')))
    for (const name of [...names, 'sw']) {
      try {
        execFileSync('ip', ['netns', 'delete', space(name)], { stdio: 'ignore' })
      } catch {
        // It was never made.
      }
    }
  })

  for (const name of ['sw', ...names]) execFileSync('ip', ['netns', 'add', space(name)])
  // A switch looks at no IP header; a bridge of Linux asks netfilter of every packet, unless it is told not to.
  sysctl(space('sw'), Object.fromEntries(bridgeHooks.map(name => [`net.bridge.bridge-nf-call-${name}`, '0'])))
  batch(space('sw'), [
    ...['near', 'far'].flatMap(bridge => [`link add ${bridge} type bridge forward_delay 0`, `link set ${bridge} up`]),
    ...names.flatMap(name =>
      cables(name).flatMap(({ bridge, device }) => [
        `link add ${name}${bridge} type veth peer name ${device} netns ${space(name)}`,
        `link set ${name}${bridge} master ${bridge} up`,
      ]),
    ),
  ])
  for (const name of names) {
    sysctl(space(name), {
      ...settingsOf(name),
      // Without a link-local address, which is tried out for a second or two, nobody asks for a neighbour.
      ...Object.fromEntries(cables(name).map(({ device }) => [`net.ipv6.conf.${device}.accept_dad`, '0'])),
    })
    batch(space(name), [
      'link set lo up',
      ...cables(name).flatMap(({ bridge, device }) => [
        `link set ${device} up`,
        `address add ${addressOf(bridge, name, 4)}/24 dev ${device}`,
        `address add ${addressOf(bridge, name, 6)}/64 dev ${device} nodad`,
      ]),
      // Behind NAT that keeps the client's address the relay is the gateway.
      ...(isEndpoint(name)
        ? [`route add default via ${addressOf('near', 'r1', 4)}`, `route add ::/0 via ${addressOf('near', 'r1', 6)}`]
        : []),
    ])
  }

  const run: Lab['run'] = (name, program, ...args) =>
    execFileSync('ip', ['netns', 'exec', space(name), program, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 256 * 1024 * 1024,
    })
  return {
    near: (name, family = 4) => addressOf('near', name, family),
    far: (name, family = 4) => addressOf('far', name, family),
    run,
    start: (name, program, args, options = {}) => {
      const child = spawn('ip', ['netns', 'exec', space(name), program, ...args], { stdio: 'pipe', ...options })
      children.add(child)
      return child
    },
    give: (name, ip, device = isEndpoint(name) ? 'lo' : 'eth0') => {
      run(name, 'ip', 'address', 'add', `${ip}/${ip.includes(':') ? '128' : '32'}`, 'dev', device)
    },
    take: (name, ip, device = isEndpoint(name) ? 'lo' : 'eth0') =>
      void run(name, 'ip', 'address', 'del', `${ip}/${ip.includes(':') ? '128' : '32'}`, 'dev', device),
    sent: (name, device = 'eth0') => Number(run(name, 'cat', `/sys/class/net/${device}/statistics/tx_bytes`).trim()),
    unplug: name => batch(space('sw'), [`link set ${name}near down`]),
    plug: name => batch(space('sw'), [`link set ${name}near up`]),
  }
}

function cables(name: Name): { bridge: 'near' | 'far'; device: string }[] {
  const near = { bridge: 'near', device: 'eth0' } as const
  return isEndpoint(name) ? [near] : [near, { bridge: 'far', device: 'eth1' }]
}

function addressOf(bridge: 'near' | 'far', name: Name, family: 4 | 6): string {
  const net = bridge === 'near' ? 47 : 48
  return family === 4 ? `10.${net}.0.${numbers[name]}` : `fd${net}::${numbers[name]}`
}

function settingsOf(name: Name): Readonly<Record<string, string>> {
  const all = { 'net.ipv6.conf.all.accept_dad': '0', 'net.ipv6.conf.default.accept_dad': '0' }
  if (name.startsWith('r')) return { ...all, 'net.ipv4.ip_forward': '1', 'net.ipv6.conf.all.forwarding': '1' }
  if (!isEndpoint(name)) return { ...all, 'net.ipv4.ip_local_port_range': '1024 65000' }
  // What an endpoint needs that holds an address without answering for it.
  return { ...all, 'net.ipv4.conf.all.arp_ignore': '1', 'net.ipv4.conf.all.arp_announce': '2' }
}

function isEndpoint(name: Name): boolean {
  return name.startsWith('e')
}

function batch(namespace: string, lines: readonly string[]): void {
  execFileSync('ip', ['-n', namespace, '-batch', '-'], { input: lines.join('\n'), stdio: ['pipe', 'ignore', 'pipe'] })
}

function sysctl(namespace: string, settings: Readonly<Record<string, string>>): void {
  const pathOf = (key: string) => `/proc/sys/${key.replaceAll('.', '/')}`
  const lines = Object.entries(settings).map(
    ([key, value]) => `[ ! -e ${pathOf(key)} ] || echo '${value}' > ${pathOf(key)}`,
  )
  execFileSync('ip', ['netns', 'exec', namespace, 'sh', '-c', lines.join('\n')])
}

const bridgeHooks = ['iptables', 'ip6tables', 'arptables']
const names: readonly Name[] = ['c1', 'c2', 'r1', 'r2', 'e1', 'e2', 'e3', 'e4']
const numbers: Readonly<Record<Name, number>> = { c1: 1, c2: 2, r1: 11, r2: 12, e1: 21, e2: 22, e3: 23, e4: 24 }
