// Five ways from a client to an endpoint, in namespaces on one bridge: straight there, by the kernel under NAT and under
// direct server return, through HAProxy with splice, and through our own userspace relay. Servers are Redis and iperf3.

import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Lab, makeLab, type Name } from '../test/system/kernel/lab.ts'

export type KernelSideName = 'direct' | 'nat' | 'dsr' | 'haproxy' | 'proxy'

export interface KernelSides {
  readonly lab: Lab
  /** Where a client finds each of them. */
  readonly hosts: Readonly<Record<KernelSideName, string>>
  /** Puts new servers of streams in the place of those that are there, once nothing comes any more that was for them. */
  readonly renewServers: () => void
}

/** Starts everything, calls, and ends it however that went. */
export async function withKernelSides<Value>(call: (sides: KernelSides) => Promise<Value>): Promise<Value> {
  const clears: (() => Promise<void>)[] = []
  const folder = mkdtempSync(join(tmpdir(), 'fourseven-bench-'))
  try {
    const lab = makeLab(clear => clears.push(clear))
    // Of a machine's own choice BBR paces by what it has measured: within a second that says more of BBR than of the way.
    for (const name of ['c1', 'r1', 'e1'] as const) lab.run(name, 'sh', '-c', `echo ${congestion} > ${congestionAt}`)
    // Two relays open a connection to the same endpoint for each short one, and its port stays taken for a minute.
    lab.run('r1', 'sh', '-c', 'echo 1024 65535 > /proc/sys/net/ipv4/ip_local_port_range')
    const hosts = {
      direct: lab.near('e1'),
      nat: '10.47.0.100',
      dsr: '10.47.0.101',
      haproxy: '10.47.0.102',
      proxy: '10.47.0.103',
    }
    for (const host of [hosts.nat, hosts.dsr, hosts.haproxy, hosts.proxy]) lab.give('r1', host)
    lab.give('e1', hosts.dsr)
    // Over UDP it answers from the address it is bound to.
    const serve = (host: string) =>
      lab.start('e1', 'iperf3', ['--server', '--port', String(streamPort), '--bind', host])
    let servers = [hosts.direct, hosts.dsr].map(serve)
    const renewServers = () => {
      for (const server of servers) server.kill('SIGKILL')
      // What waits in a relay still comes for a while.
      const came = 'grep ^Udp: /proc/net/snmp'
      lab.run('e1', 'sh', '-c', `until a=$(${came}); sleep 0.3; [ "$a" = "$(${came})" ]; do :; done`)
      servers = [hosts.direct, hosts.dsr].map(serve)
      lab.run('e1', 'sh', '-c', `until [ $(ss -Hltn sport = :${streamPort} | wc -l) = 2 ]; do sleep 0.05; done`)
    }
    lab.start('e1', 'redis-server', ['--port', String(shortPort), '--save', '', '--protected-mode', 'no'], {
      cwd: folder,
    })
    writeFileSync(join(folder, 'haproxy.cfg'), haproxyConfig(hosts.haproxy, hosts.direct))
    lab.start('r1', 'haproxy', ['-db', '-f', join(folder, 'haproxy.cfg')])
    writeFileSync(join(folder, 'routes.json'), JSON.stringify(relayConfig(hosts)))
    const command = fileURLToPath(new URL('../cli/fourseven.js', import.meta.url))
    const options = ['relay', join(folder, 'routes.json'), '--no-watch', '--no-records', '--json']
    await untilSaid(lab.start('r1', process.execPath, [command, ...options]), '"listener":"natudp"')
    for (const host of Object.values(hosts)) await untilAnswers(lab, 'c1', host)
    return await call({ lab, hosts, renewServers })
  } finally {
    for (const clear of clears) await clear()
    rmSync(folder, { recursive: true, force: true })
  }
}

function relayConfig(hosts: Readonly<Record<KernelSideName, string>>): object {
  const ports = [streamPort, shortPort]
  const listeners: Record<string, object> = {}
  const pools: Record<string, object> = {}
  const routes: object[] = []
  const add = (name: string, listener: Readonly<Record<string, unknown>>, port: number) => {
    listeners[name] = listener
    pools[name] = { endpoints: [`${listener['kind']}://${hosts.direct}:${port}`] }
    routes.push({ name, listener: name, pool: name })
  }
  for (const port of ports) {
    add(`proxy${port}`, { kind: 'tcp', address: `${hosts.proxy}:${port}`, maxConnections: 5_000 }, port)
    add(`dsr${port}`, { kind: 'tcp', mode: 'dsr', interface: 'eth0', address: `${hosts.dsr}:${port}` }, port)
    add(`nat${port}`, { kind: 'tcp', mode: 'nat', address: `${hosts.nat}:${port}` }, port)
  }
  add('proxyudp', { kind: 'udp', address: `${hosts.proxy}:${streamPort}` }, streamPort)
  add('dsrudp', { kind: 'udp', mode: 'dsr', interface: 'eth0', address: `${hosts.dsr}:${streamPort}` }, streamPort)
  add('natudp', { kind: 'udp', mode: 'nat', address: `${hosts.nat}:${streamPort}` }, streamPort)
  return { listeners, pools, routes }
}

function haproxyConfig(host: string, endpoint: string): string {
  const listen = (port: number) => `listen p${port}
  bind ${host}:${port} backlog 4096
  server endpoint ${endpoint}:${port}
`
  return `global
  maxconn 5000
defaults
  mode tcp
  option splice-auto
  option splice-request
  option splice-response
  timeout connect 2s
  timeout client 1h
  timeout server 1h
${listen(streamPort)}${listen(shortPort)}`
}

async function untilSaid(child: ChildProcess, text: string): Promise<void> {
  let said = ''
  child.stderr!.on('data', chunk => {
    said += chunk
  })
  for await (const chunk of child.stdout!) {
    said += chunk
    if (said.includes(text)) {
      child.stdout!.resume()
      return
    }
  }
  throw new Error(`the relay has ended:\n${said}`)
}

async function untilAnswers(lab: Lab, name: Name, host: string): Promise<void> {
  for (let left = 100; ; left--) {
    try {
      if (lab.run(name, 'redis-cli', '-h', host, '-p', String(shortPort), 'ping').includes('PONG')) return
    } catch (error) {
      if (left === 0) throw error
    }
    await new Promise(later => setTimeout(later, 100))
  }
}

/** A namespace may choose it on any machine. */
const congestion = process.env['FOURSEVEN_BENCH_CONGESTION'] ?? 'reno'
const congestionAt = '/proc/sys/net/ipv4/tcp_congestion_control'
/** iperf3's, and Redis's. */
export const streamPort = 5201
export const shortPort = 6379
