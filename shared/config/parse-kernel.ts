// Listeners whose bytes the kernel carries: what `mode` asks for, and what neither NAT nor direct server return can keep.

import { parseAddress } from '../wire/address.ts'
import type { FlowRuleInput, UdpRuleInput } from './config-flow.ts'
import type { ModeInput, UdpListenerInput } from './config-listener.ts'
import { defaults } from './defaults.ts'
import { features } from './doors.ts'
import { type Findings, type Place, show } from './findings.ts'
import type { ResolvedEndpoint } from './parse-pool.ts'
import type { Config, EdgeListener, KernelConfig, Listener } from './parsed.ts'
import { poolsOf } from './part.ts'
import { describeLayer } from './structure-words.ts'

type ModeWords = ModeInput & { readonly address: string }

/** Undefined: this program carries the bytes. */
export function readKernel(value: ModeWords, place: Place, findings: Findings): KernelConfig | undefined {
  const { mode = 'proxy' } = value
  if (mode === 'proxy') {
    for (const field of ['interface', 'source', 'seed', 'key'] as const) {
      if (value[field] === undefined) continue
      const message = `${show(field)} is for listeners that the kernel serves, and mode "proxy" is served by this program`
      findings.error('wrong-mode', [...place, field], message, 'Say mode "nat" or "dsr", or leave it out.')
    }
    return undefined
  }
  checkProxyOnly(value, place, findings)
  checkVirtualAddress(value.address, mode, [...place, 'address'], findings)
  if (mode === 'dsr' && value.source !== undefined) {
    const message = 'with direct server return endpoints always see the client'
    findings.error('wrong-mode', [...place, 'source'], message, 'Leave it out, or say mode "nat".')
  }
  if (mode === 'nat' && value.interface !== undefined) {
    const message = 'NAT goes by the routes of the machine and needs no interface'
    findings.error('wrong-mode', [...place, 'interface'], message, 'Leave it out, or say mode "dsr".')
  }
  return {
    mode,
    interface: mode === 'dsr' ? readInterface(value.interface, [...place, 'interface'], findings) : '',
    source: mode === 'dsr' ? 'keep' : (value.source ?? 'relay'),
    seed: value.seed ?? defaults.kernelSeed,
    key: value.key,
  }
}

/** The same of a `udp` listener, whose `key` has a meaning in every mode. */
export function readUdpKernel(
  { key, ...rest }: Omit<ModeWords, 'key'> & Pick<UdpListenerInput, 'key'>,
  place: Place,
  findings: Findings,
): KernelConfig | undefined {
  if (typeof key !== 'object')
    return readKernel(key === undefined || isProxied(rest) ? rest : { ...rest, key }, place, findings)
  if (!isProxied(rest)) {
    const { message, mend } = describeLayer('listener.key.quic', 'kernel', features['listener.key.quic']!)
    findings.error('wrong-layer', [...place, 'key'], message, mend)
  }
  return readKernel(rest, place, findings)
}

function isProxied({ mode = 'proxy' }: Pick<ModeInput, 'mode'>): boolean {
  return mode === 'proxy'
}

/** No program tries again, and none waits for a connect. */
export function checkKernelRule(
  rule: Pick<FlowRuleInput, 'retry' | 'timeouts' | 'split'> & Pick<UdpRuleInput, 'session'>,
  place: Place,
  findings: Findings,
): void {
  const asked: [feature: string, inside: Place][] = []
  if (rule.retry !== undefined && rule.retry !== false) asked.push(['rule.retry', ['retry']])
  if (rule.timeouts?.connect !== undefined) asked.push(['rule.timeouts.connect', ['timeouts', 'connect']])
  if (rule.split?.by === 'draw') asked.push(['split.by.draw', ['split', 'by']])
  if (rule.session !== undefined) asked.push(['rule.session', ['session']])
  for (const [feature, inside] of asked) {
    const { message, mend } = describeLayer(feature, 'kernel', features[feature]!)
    findings.error('wrong-layer', [...place, ...inside], message, mend)
  }
}

/** What has to stand beside it: endpoints that the kernel can reach as they are. */
export function checkKernelPools(
  config: Config,
  addresses: ReadonlyMap<string, readonly ResolvedEndpoint[]>,
  findings: Findings,
): void {
  for (const listener of config.listeners) {
    const kernel = 'kernel' in listener ? listener.kernel : undefined
    if (kernel === undefined || !('host' in listener)) continue
    const routes = config.routes.filter(route => route.listeners.includes(listener.name))
    for (const pool of new Set(routes.flatMap(poolsOf))) {
      for (const { place, address } of addresses.get(pool) ?? [])
        checkEndpoint(listener, kernel, place, address, findings)
    }
  }
}

function checkEndpoint(
  { kind, name, host, port }: Exclude<Listener, EdgeListener>,
  { mode }: KernelConfig,
  place: Place,
  address: ResolvedEndpoint['address'],
  findings: Findings,
): void {
  if ((address.scheme === 'udp') !== (kind === 'udp') && (address.scheme === 'udp' || address.scheme === 'tcp')) {
    const message = `listener ${show(name)} is of ${kind === 'udp' ? 'UDP' : 'TCP'}, and this endpoint of the other`
    findings.error('wrong-scheme', place, message, `Write ${kind}:// here, or give the listener a pool of its own.`)
  }
  if (mode === 'dsr' && address.port !== port) {
    const message = `with direct server return the port stays ${port}, and this endpoint has ${address.port}: listener ${show(name)} sends to it`
    findings.error('wrong-port', place, message, `Let the endpoint listen on ${port}, or say mode "nat".`)
  }
  const mine = parseAddress(host)
  const its = parseAddress(address.host)
  if (mine === undefined || its === undefined || mine.family === its.family) return
  const message = `${address.host} is IPv${its.family}, and listener ${show(name)} is at ${host}: the kernel does not translate between them`
  findings.error('wrong-family', place, message, 'Give each family a listener and a pool, or say mode "proxy".')
}

function checkProxyOnly(value: object, place: Place, findings: Findings): void {
  for (const field of proxyOnly) {
    if (!(field in value)) continue
    const { message, mend } = describeLayer(`listener.${field}`, 'kernel', features[`listener.${field}`]!)
    findings.error('wrong-layer', [...place, field], message, mend)
  }
}

function checkVirtualAddress(text: string, mode: string, place: Place, findings: Findings): void {
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(text) ?? []
  const address = parseAddress(host.replace(/^\[(.*)\]$/, '$1'))
  if (address === undefined ? text.startsWith('unix:') || host !== '' : isNoOnes(address) || Number(port) === 0) {
    const message = `${show(text)} cannot be a virtual address: mode "${mode}" goes by one address and one port`
    findings.error('bad-address', place, message, 'Write an address and a port: 192.0.2.10:443 or [2001:db8::10]:443.')
  }
}

/** Unspecified, or multicast (RFC 1122 section 3.2.1.3, RFC 4291 section 2.7). */
function isNoOnes({ family, words }: { readonly family: 4 | 6; readonly words: readonly number[] }): boolean {
  const first = words[0]! >>> 24
  return words.every(word => word === 0) || (family === 4 ? first >= 224 : first === 255)
}

function readInterface(text: string | undefined, place: Place, findings: Findings): string {
  if (text === undefined) {
    const message = 'direct server return works on one interface, and none is named'
    const mend = 'Name the one that clients\' packets come in on: interface: "eth0". `ip -br link` shows them.'
    findings.error('missing-field', place, message, mend)
  } else if (!/^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,14}$/.test(text)) {
    findings.error('bad-interface', place, `${show(text)} is not the name of an interface`, '`ip -br link` shows them.')
  } else return text
  return ''
}

const proxyOnly = [
  'socketMode',
  'maxConnections',
  'maxConnectionsPerAddress',
  'acceptRate',
  'proxyProtocol',
  'maxSessions',
  'maxSessionsPerAddress',
  'sessionRate',
] as const
