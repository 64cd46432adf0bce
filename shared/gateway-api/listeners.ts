// Listeners of Gateways as listeners of a config: which door, at which address, with which certificates. Those of HTTP
// that share a port stay apart by their hostnames; of flows a port is one listener.

import type { CertificateInput, ListenerInput } from '../config/config-listener.ts'
import { formatHostPort } from '../wire/address.ts'
import type { CertificateFiles } from './certificates.ts'
import type { Gateway, GatewayListener } from './gateways.ts'
import { freeName, listenerName } from './names.ts'
import { type Notes, within } from './notes.ts'

export interface PlacedListener {
  readonly from: GatewayListener
  /** The listener of the config that it became; those of one port may be one. */
  readonly name: string
  readonly door: 'http' | 'edge' | 'tls' | 'tcp' | 'udp'
  /** The config's listeners of the same door and address know each other by this. */
  readonly address: string
}

export interface Placement {
  readonly isEdge: boolean
  /** `namespace/gateway` or a name alone to an address; `*` for all others. */
  readonly listen: ReadonlyMap<string, string>
  readonly files: CertificateFiles
}

/** What cannot be served, for want of a certificate or because a port can speak only one way, is noted and left out. */
export function placeListeners(
  listeners: readonly GatewayListener[],
  placement: Placement,
  notes: Notes,
): { readonly placed: readonly PlacedListener[]; readonly listeners: Readonly<Record<string, ListenerInput>> } {
  const made: Record<string, ListenerInput> = {}
  const placed: PlacedListener[] = []
  const atRelay = listeners.filter(({ protocol }) => !placement.isEdge || (protocol !== 'HTTP' && protocol !== 'HTTPS'))
  const hostOf = chooseHosts(atRelay, placement, notes)
  const flows = new Map<string, string>()
  for (const listener of listeners) {
    const own = certificatesOf(listener, placement.files, notes)
    if (own === undefined) continue
    const { parent, section, port, protocol, hostname } = listener
    const isHttp = protocol === 'HTTP' || protocol === 'HTTPS'
    const address = formatHostPort(hostOf.get(listener.gateway) ?? '0.0.0.0', port)
    const base = listenerName(parent.namespace, parent.name, section)
    const name = freeName(base, each => each in made)
    if (isHttp && placement.isEdge) {
      if (!placeAtEdge(listener, name, made, placed, notes)) continue
      placed.push({ from: listener, name, door: 'edge', address: 'edge' })
    } else if (isHttp) {
      const checks = clientChecks(listener, placement.files, notes)
      if (checks === undefined || isTaken(listener, 'http', address, placed, notes)) continue
      made[name] = {
        kind: 'http',
        address,
        ...(hostname === undefined ? {} : { hostnames: [hostname] }),
        ...(protocol === 'HTTP' ? {} : { certificates: own, ...checks }),
      }
      placed.push({ from: listener, name, door: 'http', address })
    } else {
      const door = protocol === 'TLS' ? 'tls' : protocol === 'UDP' ? 'udp' : 'tcp'
      if (isTaken(listener, door, address, placed, notes)) continue
      const known = flows.get(`${door} ${address}`)
      if (known === undefined) {
        made[name] =
          door === 'tls' && own.length > 0
            ? { kind: 'tls', address, certificates: own }
            : ({ kind: door, address } as ListenerInput)
        flows.set(`${door} ${address}`, name)
      } else if (!joinTls(made, known, own, listener, notes)) continue
      placed.push({ from: listener, name: known ?? name, door, address })
    }
  }
  return { placed, listeners: made }
}

/** Whether another listener has the address and cannot share it: TLS that passes through beside HTTPS, two Gateways at one place. */
function isTaken(
  listener: GatewayListener,
  door: PlacedListener['door'],
  address: string,
  placed: readonly PlacedListener[],
  notes: Notes,
): boolean {
  const here = placed.filter(other => other.address === address && (other.door === 'udp') === (door === 'udp'))
  const other = here.find(each => {
    if (each.door !== door || door === 'tcp' || door === 'udp') return true
    return each.from.hostname === listener.hostname
  })
  if (other === undefined) return false
  const message = `listener ${other.from.section} of ${other.from.spot.object} has ${address}, which is one kind of listener here`
  const mend = 'Give it a port of its own, or its Gateway another address with --listen.'
  notes.add('not-carried', 'address-taken', listener.spot, message, mend)
  return true
}

/** Several TLS listeners on one port differ by server name only: certificates add up, but all end TLS or none does. */
function joinTls(
  made: Record<string, ListenerInput>,
  name: string,
  certificates: readonly CertificateInput[],
  listener: GatewayListener,
  notes: Notes,
): boolean {
  const known = made[name]!
  if (known.kind !== 'tls') return true
  if ((known.certificates === undefined) !== (certificates.length === 0)) {
    const message = 'on one port TLS ends for every server name or for none: it passes through for the other listeners'
    notes.add('not-carried', 'mixed-termination', listener.spot, message, 'Give it a port of its own.')
    return false
  }
  const more = certificates.filter(one => !known.certificates?.some(({ cert }) => cert === one.cert))
  if (more.length > 0) made[name] = { ...known, certificates: [...known.certificates!, ...more] }
  return true
}

/** At the edge there are no ports: a hostname is served once, and encrypted where one of its listeners is. */
function placeAtEdge(
  listener: GatewayListener,
  name: string,
  made: Record<string, ListenerInput>,
  placed: readonly PlacedListener[],
  notes: Notes,
): boolean {
  const other = placed.find(({ door, from }) => door === 'edge' && from.hostname === listener.hostname)
  if (other !== undefined) {
    const host = listener.hostname ?? 'any host'
    const message = `at the edge ${host} is served once, and listener ${other.from.section} does: what attaches here alone is lost`
    const mend = 'For http to https use Always Use HTTPS of the zone, or leave --edge out.'
    notes.add('not-carried', 'edge-port', listener.spot, message, mend)
    return false
  }
  made[name] = { kind: 'edge', ...(listener.hostname === undefined ? {} : { hostnames: [listener.hostname] }) }
  return true
}

/** Undefined when one is missing; empty where TLS passes through or is not spoken. */
function certificatesOf(
  listener: GatewayListener,
  files: CertificateFiles,
  notes: Notes,
): readonly CertificateInput[] | undefined {
  const found: CertificateInput[] = []
  let isMissing = false
  if (listener.isPassthrough) return []
  for (const [index, ref] of listener.certificates.entries()) {
    const namespace = ref.namespace ?? listener.parent.namespace
    const pair = files.pair(namespace, ref.name)
    if (pair !== undefined) found.push(pair)
    else {
      isMissing = true
      const wanted = `${files.wanted(namespace, ref.name, 'crt')}, and .key beside it`
      const message = `the certificate of Secret ${namespace}/${ref.name} is not there: the listener is not served`
      const spot = within(listener.spot, 'tls', 'certificateRefs', index)
      notes.add('not-carried', 'certificate-missing', spot, message, `Put ${wanted} and say --certs with the folder.`)
    }
  }
  return isMissing ? undefined : found
}

/** Which certificates clients show: what the Gateway says for the port, else for all. Undefined: nobody could verify them. */
function clientChecks(
  listener: GatewayListener,
  files: CertificateFiles,
  notes: Notes,
): { clientCa?: string; requireClientCertificate?: boolean } | undefined {
  const frontend = listener.protocol === 'HTTPS' ? listener.gateway.tls?.frontend : undefined
  const index = frontend?.perPort?.findIndex(({ port }) => port === listener.port) ?? -1
  const config = index === -1 ? frontend?.default : frontend!.perPort![index]!.tls
  if (config?.validation === undefined) return {}
  const { manifest } = listener.gateway
  const steps = index === -1 ? ['default'] : ['perPort', index, 'tls']
  const spot = within(manifest.spot, 'spec', 'tls', 'frontend', ...steps, 'validation', 'caCertificateRefs')
  const { caCertificateRefs, mode } = config.validation
  const ref = caCertificateRefs[0]!
  const namespace = ref.namespace ?? manifest.namespace
  const clientCa = files.authority(namespace, ref.name)
  if (caCertificateRefs.length > 1) {
    notes.add(
      'not-carried',
      'one-authority',
      spot,
      'one file of authorities is read: the first',
      'Put all of them in one ConfigMap.',
    )
  }
  if (clientCa === undefined) {
    const message = `there is no file with these authorities: ${files.wanted(namespace, ref.name, 'ca.crt')}: the listener is not served`
    notes.add(
      'not-carried',
      'certificate-missing',
      within(spot, 0),
      message,
      'Put it there and say --certs with its folder.',
    )
    return undefined
  }
  return { clientCa, ...(mode === 'AllowInsecureFallback' ? { requireClientCertificate: false } : {}) }
}

/** Each Gateway has addresses of its own in a cluster. Here those that would meet on a port are set apart on loopback. */
function chooseHosts(listeners: readonly GatewayListener[], placement: Placement, notes: Notes): Map<Gateway, string> {
  const hosts = new Map<Gateway, string>()
  const gateways = [...new Set(listeners.map(({ gateway }) => gateway))]
  for (const gateway of gateways) {
    const { namespace, name, spot } = gateway.manifest
    const said = placement.listen.get(`${namespace}/${name}`) ?? placement.listen.get(name)
    const host = said ?? gateway.addresses[0] ?? placement.listen.get('*')
    if (said === undefined && gateway.addresses.length > 1) {
      const at = within(spot, 'spec', 'addresses', 1)
      notes.add(
        'not-carried',
        'gateway-address',
        at,
        'a listener has one address: the first',
        'Say --listen 0.0.0.0 for all of the machine.',
      )
    }
    if (host !== undefined) hosts.set(gateway, host)
  }
  const portsOf = (gateway: Gateway) =>
    new Set(listeners.filter(each => each.gateway === gateway).map(each => `${each.protocol === 'UDP'} ${each.port}`))
  const free = gateways.filter(gateway => !hosts.has(gateway))
  const doMeet = free.some((one, index) =>
    free.slice(index + 1).some(other => [...portsOf(one)].some(port => portsOf(other).has(port))),
  )
  for (const [index, gateway] of free.entries()) {
    hosts.set(gateway, doMeet ? `127.0.0.${index + 1}` : '0.0.0.0')
    if (!doMeet) continue
    const { namespace, name } = gateway.manifest
    const message = `other Gateways ask for the same ports, so it listens on 127.0.0.${index + 1}`
    const mend = `Say --listen ${namespace}/${name}=<address> for each.`
    notes.add('warning', 'same-ports', within(gateway.manifest.spot, 'spec', 'listeners'), message, mend)
  }
  return hosts
}
