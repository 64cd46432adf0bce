// Listeners: where traffic comes in.

import { type HostPort, parseHostPort, socketPathProblem } from '../wire/address.ts'
import type { ClientAddressInput, DoorLimitsInput, TcpListenerInput, UdpListenerInput } from './config-listener.ts'
import { bounds, defaults } from './defaults.ts'
import { type Door, kinds } from './doors.ts'
import { didYouMean, type Findings, listNames, type Place, show } from './findings.ts'
import { nearest } from './near.ts'
import { readErrorPages } from './parse-answers.ts'
import { readKernel, readUdpKernel } from './parse-kernel.ts'
import { readProxySources } from './parse-proxy.ts'
import { readTlsEnding } from './parse-tls.ts'
import type {
  ClientAddressSource,
  DoorLimits,
  EdgeListener,
  FlowPlace,
  Listener,
  RelayHttpListener,
  TcpListener,
  TlsListener,
  UdpListener,
} from './parsed.ts'
import { checkName, readCidrs, readDuration, readHostnames, readSize } from './read-values.ts'
import { edgeListener, httpListener, tcpListener, tlsListener, udpListener } from './schema-listener.ts'
import { shareAddresses } from './shared-addresses.ts'
import { checkStructure } from './structure.ts'

export interface ReadListeners {
  readonly listeners: readonly Listener[]
  /** By name, for every listener written down; undefined where the kind cannot be made out. */
  readonly doorOf: ReadonlyMap<string, Door | undefined>
  /** Those of UDP, whoever carries their bytes. */
  readonly udp: ReadonlySet<string>
}

export function readListeners(input: Readonly<Record<string, unknown>>, findings: Findings): ReadListeners {
  const listeners: Listener[] = []
  const doorOf = new Map<string, Door | undefined>()
  const udp = new Set<string>()
  for (const [name, raw] of Object.entries(input)) {
    const place = ['listeners', name]
    checkName(name, place, 'listener', findings)
    const door = readKind(raw, place, findings)
    doorOf.set(name, (door === 'tcp' || door === 'udp') && isKernels(raw) ? 'kernel' : door)
    if (door === 'udp') udp.add(name)
    if (door === 'edge') listeners.push(readEdge(name, raw, place, findings))
    if (door === 'http') listeners.push(...readHttp(name, raw, place, findings))
    if (door === 'tcp') listeners.push(...readTcp(name, raw, place, findings))
    if (door === 'tls') listeners.push(...readTls(name, raw, place, findings))
    if (door === 'udp') listeners.push(...readUdp(name, raw, place, findings))
  }
  const placed = shareAddresses(listeners, findings)
  checkSharedHostnames(placed, findings)
  return { listeners: placed, doorOf, udp }
}

function isKernels(raw: unknown): boolean {
  const { mode } = raw as { mode?: unknown }
  return mode === 'nat' || mode === 'dsr'
}

function readKind(raw: unknown, place: Place, findings: Findings): Door | undefined {
  const kind = typeof raw === 'object' && raw !== null ? (raw as { kind?: unknown }).kind : undefined
  const open = listNames(kinds)
  const here = [...place, 'kind']
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    findings.error('wrong-type', place, 'a listener is an object', 'Write an object with a kind.')
  } else if (kind === undefined) {
    findings.error('missing-field', here, '"kind" is missing', `Write ${open}.`)
  } else if (!kinds.some(door => door === kind)) {
    const near = typeof kind === 'string' ? nearest(kind, kinds) : undefined
    const mend = kind === 'kernel' ? 'Write tcp or udp, with mode "nat" or "dsr".' : didYouMean(near, `Write ${open}.`)
    findings.error('unknown-kind', here, `${show(kind)} is not a kind of listener`, mend)
  } else {
    return kind as Door
  }
  return undefined
}

function readEdge(name: string, raw: unknown, place: Place, findings: Findings): EdgeListener {
  const part = { name: 'listener', schema: edgeListener, door: undefined }
  const { value } = checkStructure(part, raw, place, findings)
  return {
    kind: 'edge',
    name,
    hostnames: readHostnames(value?.hostnames, [...place, 'hostnames'], findings),
    clientAddress: readClientAddress(value?.clientAddress ?? 'cloudflare', [...place, 'clientAddress'], findings),
    subrequests: value?.subrequests ?? defaults.subrequests,
    errorPages: readErrorPages(value?.errorPages, [...place, 'errorPages'], findings),
    limits: readDoorLimits(value?.limits, [...place, 'limits'], findings),
    hasVia: value?.via ?? false,
  }
}

function readDoorLimits(input: DoorLimitsInput | undefined, place: Place, findings: Findings): DoorLimits {
  const { maxUrl, maxHeaders, maxHeaderBytes } = input ?? {}
  return {
    maxUrlBytes: readSize(maxUrl, defaults.maxUrl, bounds.urlBytes, [...place, 'maxUrl'], findings),
    maxHeaders: maxHeaders ?? defaults.maxHeaders,
    maxHeaderBytes: readSize(
      maxHeaderBytes,
      defaults.maxHeaderBytes,
      bounds.headerBytes,
      [...place, 'maxHeaderBytes'],
      findings,
    ),
  }
}

function readClientAddress(input: ClientAddressInput, place: Place, findings: Findings): ClientAddressSource {
  if (typeof input === 'string') return { from: input }
  const trustedProxies = readCidrs(input.trustedProxies, [...place, 'trustedProxies'], findings)
  return { from: 'peer', trustedProxies }
}

function readHttp(name: string, raw: unknown, place: Place, findings: Findings): RelayHttpListener[] {
  const part = { name: 'listener', schema: httpListener, door: undefined }
  const { value } = checkStructure(part, raw, place, findings)
  if (value === undefined) return []
  const readTime = (key: 'headerTimeout' | 'keepAliveTimeout'): number =>
    readDuration(value[key], defaults[key], bounds.timeoutMs, [...place, key], findings)
  const readAge = (key: 'maxConnectionAge' | 'maxConnectionAgeGrace'): number | undefined =>
    value[key] === undefined ? undefined : readDuration(value[key], '1ms', bounds.timeoutMs, [...place, key], findings)
  const rest = {
    hostnames: readHostnames(value.hostnames, [...place, 'hostnames'], findings),
    clientAddress: readClientAddress(
      value.clientAddress ?? { trustedProxies: [] },
      [...place, 'clientAddress'],
      findings,
    ),
    errorPages: readErrorPages(value.errorPages, [...place, 'errorPages'], findings),
    limits: readDoorLimits(value.limits, [...place, 'limits'], findings),
    hasVia: value.via ?? false,
    ending: readTlsEnding(value, place, findings),
    shares: undefined,
    headerTimeoutMs: readTime('headerTimeout'),
    keepAliveTimeoutMs: readTime('keepAliveTimeout'),
    maxConnectionAgeMs: readAge('maxConnectionAge'),
    maxConnectionAgeGraceMs: readAge('maxConnectionAgeGrace'),
  }
  return readPlace(name, value, place, findings).map(common => ({ kind: 'http', ...common, ...rest }))
}

function readTcp(name: string, raw: unknown, place: Place, findings: Findings): TcpListener[] {
  const part = { name: 'listener', schema: tcpListener, door: undefined }
  const { value } = checkStructure(part, raw, place, findings)
  if (value === undefined) return []
  const kernel = readKernel(value, place, findings)
  return readPlace(name, value, place, findings).map(common => ({ kind: 'tcp', ...common, kernel }))
}

function readTls(name: string, raw: unknown, place: Place, findings: Findings): TlsListener[] {
  const part = { name: 'listener', schema: tlsListener, door: undefined }
  const { value } = checkStructure(part, raw, place, findings)
  if (value === undefined) return []
  const peek = {
    timeoutMs: readDuration(
      value.peekTimeout,
      defaults.peekTimeout,
      bounds.timeoutMs,
      [...place, 'peekTimeout'],
      findings,
    ),
    maxBytes: readSize(value.maxPeek, defaults.maxPeek, bounds.peekBytes, [...place, 'maxPeek'], findings),
    startTls: value.startTls,
  }
  const ending = readTlsEnding(value, place, findings)
  return readPlace(name, value, place, findings).map(common => ({ kind: 'tls', ...common, peek, ending }))
}

function readUdp(name: string, raw: unknown, place: Place, findings: Findings): UdpListener[] {
  const part = { name: 'listener', schema: udpListener, door: undefined }
  const { value } = checkStructure(part, raw, place, findings)
  if (value === undefined) return []
  const { maxSessions = defaults.maxSessions, maxSessionsPerAddress, sessionRate, key, ...rest } = value
  const limits = {
    maxConnections: maxSessions,
    ...(maxSessionsPerAddress === undefined ? {} : { maxConnectionsPerAddress: maxSessionsPerAddress }),
    ...(sessionRate === undefined ? {} : { acceptRate: sessionRate }),
  }
  if (rest.address.startsWith('unix:')) {
    const message = 'UDP has ports and no paths'
    findings.error('bad-address', [...place, 'address'], message, 'Write host and port: 0.0.0.0:53 or [::]:53.')
    return []
  }
  const kernel = readUdpKernel(value, place, findings)
  return readPlace(name, { ...rest, ...limits }, place, findings).map(common => ({
    kind: 'udp',
    ...common,
    kernel,
    key: typeof key === 'object' ? { by: 'quic', idLength: key.quic.idLength } : { by: key ?? defaults.sessionKey },
  }))
}

/** What listeners of flows have in common; none when the address cannot be read. */
function readPlace(
  name: string,
  value: Pick<
    TcpListenerInput,
    'address' | 'socketMode' | 'maxConnections' | 'maxConnectionsPerAddress' | 'acceptRate' | 'allow' | 'deny'
  > &
    Pick<UdpListenerInput, 'proxyProtocol'>,
  place: Place,
  findings: Findings,
): readonly FlowPlace[] {
  const address = readListenAddress(value.address, [...place, 'address'], findings)
  if (address === undefined) return []
  return [
    {
      name,
      ...address,
      socketMode: readSocketMode(value.socketMode, address.host, [...place, 'socketMode'], findings),
      maxConnections: value.maxConnections ?? defaults.maxConnections,
      maxConnectionsPerAddress: value.maxConnectionsPerAddress,
      acceptRate: value.acceptRate,
      allow: readCidrs(value.allow, [...place, 'allow'], findings),
      deny: readCidrs(value.deny, [...place, 'deny'], findings),
      proxyProtocol: readProxySources(value.proxyProtocol, [...place, 'proxyProtocol'], findings),
      kernel: undefined,
    },
  ]
}

function readListenAddress(text: string, place: Place, findings: Findings): HostPort | undefined {
  const path = text.startsWith('unix:') ? text.slice('unix:'.length) : undefined
  const problem = path === undefined ? undefined : socketPathProblem(path)
  const address = path === undefined ? parseHostPort(text) : problem === undefined ? { host: path, port: 0 } : undefined
  if (address !== undefined) return address
  const why = problem === undefined ? '' : `: ${problem}`
  const mend = 'Write host and port, or a path: 127.0.0.1:5432, 0.0.0.0:5432, [::1]:5432 or unix:/run/app.sock.'
  findings.error('bad-address', place, `${show(text)} is not an address to listen on${why}`, mend)
  return undefined
}

function readSocketMode(text: string | undefined, host: string, place: Place, findings: Findings): number | undefined {
  if (text === undefined) return undefined
  if (!/^0[0-7]{3}$/.test(text)) {
    findings.error('bad-mode', place, `${show(text)} is not a file mode`, 'Write it in octal: "0660".')
    return undefined
  }
  if (!host.startsWith('/')) {
    findings.error('bad-mode', place, 'only a unix: socket has a file mode', 'Leave it out, or listen on unix:/path.')
  }
  return Number.parseInt(text, 8)
}

/** A request is served by one listener, the one with the most specific hostname: two of the same would have to toss for it. */
function checkSharedHostnames(listeners: readonly Listener[], findings: Findings): void {
  const nameAt = new Map<string, string>()
  for (const listener of listeners) {
    if (listener.kind !== 'edge' && listener.kind !== 'http') continue
    const door = listener.kind === 'edge' ? '' : (listener.shares ?? listener.name)
    for (const hostname of listener.hostnames.length === 0 ? [ANY_HOST] : listener.hostnames) {
      const key = `${door} ${hostname}`
      const other = nameAt.get(key)
      if (other === undefined) nameAt.set(key, listener.name)
      else {
        const place =
          listener.hostnames.length === 0 ? ['listeners', listener.name] : ['listeners', listener.name, 'hostnames']
        const message = `listener ${show(other)} takes ${hostname === ANY_HOST ? hostname : show(hostname)} already`
        findings.error('duplicate-hostname', place, message, 'Give each hostname to one listener.')
      }
    }
  }
}

const ANY_HOST = 'any host'
