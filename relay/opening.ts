// The PROXY header that an endpoint gets ahead of the bytes, and the one that a probe sends for itself.

import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { SendProxyConfig } from '../shared/config/parsed.ts'
import { compileTemplate, render } from '../shared/config/template.ts'
import type { FlowFacts } from '../shared/decide/facts.ts'
import { parseAddress } from '../shared/wire/address.ts'
import { type ProxySays, writeProxyHeader } from '../shared/wire/proxy-header.ts'
import { findTlv, longestUniqueId, type SslValue, type Tlv, tlvTypes, writeSsl } from '../shared/wire/tlv.ts'
import { utf8Bytes } from '../shared/wire/utf8.ts'

/** What a custom value may speak of. */
export interface Served {
  readonly rule: { readonly route: string; readonly name: string }
  readonly variant: { readonly name: string }
}

export interface Opening {
  readonly bytes: Uint8Array
  /** What the header calls the connection; null when it carries no id. */
  readonly uniqueId: string | null
}

/**
 * What goes out in one write before any byte of the client. What is known here of the client's TLS comes before what a
 * header that came in says of it.
 *
 * @param client where TLS ended here, the socket that knows what was agreed on; undefined: the client sends datagrams
 */
export function openingOf(
  send: SendProxyConfig,
  decision: Served,
  facts: FlowFacts,
  client: Socket | undefined,
): Opening {
  const { version } = send
  const says = saysOf(facts, client === undefined ? 'datagram' : 'stream')
  if (version === 1) return { bytes: writeProxyHeader({ version, says, tlvs: [] }), uniqueId: null }
  const carried = facts.proxyHeader?.tlvs ?? []
  const tlvs: Tlv[] = []
  const add = (type: number, value: Uint8Array | undefined) => {
    if (value !== undefined) tlvs.push({ type, value })
  }
  const ended = client instanceof TLSSocket ? client : undefined
  const known = (wanted: boolean | string, type: number, here: string | undefined) => {
    const text = typeof wanted === 'string' ? wanted : wanted ? here : undefined
    if (text !== undefined) return utf8Bytes(text)
    return wanted === false ? undefined : findTlv(carried, type)
  }
  add(tlvTypes.authority, known(send.authority, tlvTypes.authority, facts.sni))
  add(tlvTypes.alpn, known(send.alpn, tlvTypes.alpn, ended?.alpnProtocol || undefined))
  if (send.hasSsl) add(tlvTypes.ssl, ended === undefined ? findTlv(carried, tlvTypes.ssl) : writeSsl(sslOf(ended)))
  const id = send.hasUniqueId ? (findTlv(carried, tlvTypes.uniqueId) ?? utf8Bytes(randomUUID())) : undefined
  add(tlvTypes.uniqueId, id?.subarray(0, longestUniqueId))
  for (const { type, text } of send.custom)
    add(type, utf8Bytes(render(compileTemplate(text), valuesOf(decision, facts))))
  const bytes = writeProxyHeader({ version, says, tlvs }, send.hasChecksum)
  return { bytes, uniqueId: id === undefined ? null : idText(id) }
}

/** Of a probe: the relay speaks for itself. */
export function probeOpening(send: SendProxyConfig): Uint8Array {
  const { version } = send
  return writeProxyHeader({ version, says: { of: 'local' }, tlvs: [] }, send.hasChecksum)
}

/** An id is for people who compare logs: as text where it is one, else in hex. */
export function idText(id: Uint8Array): string {
  const text = Buffer.from(id).toString('latin1')
  return /^[\x20-\x7e]*$/.test(text) ? text : Buffer.from(id).toString('hex')
}

/** A certificate that TLS let in was verified. It may have been shown when the session began, and not now. */
function sslOf(client: TLSSocket): SslValue {
  const { subject } = client.getPeerCertificate()
  const hasCertificate = subject !== undefined
  const name = subject?.CN
  return {
    isTls: true,
    sentCertificate: hasCertificate && !client.isSessionReused(),
    sentCertificateBefore: hasCertificate,
    isVerified: hasCertificate && client.authorized,
    version: client.getProtocol() ?? undefined,
    commonName: typeof name === 'string' ? name : name?.[0],
    cipher: client.getCipher().name,
    signature: undefined,
    key: undefined,
  }
}

/** The client as the facts have it, so that a header that came in goes on as it came. */
function saysOf(facts: FlowFacts, transport: 'stream' | 'datagram'): ProxySays {
  const carried = facts.proxyHeader?.says
  if (carried?.of === 'unix') return carried
  const source = facts.address
  const destination = parseAddress(facts.localAddress)
  // A client that is gone already has no address any more.
  if (source === undefined || destination === undefined) return { of: 'unknown' }
  return {
    of: 'inet',
    transport,
    source: { address: source, port: facts.clientPort },
    destination: { address: destination, port: facts.localPort },
  }
}

function valuesOf(decision: Served, facts: FlowFacts) {
  return {
    clientAddress: facts.clientAddress,
    route: decision.rule.route,
    rule: decision.rule.name,
    variant: decision.variant.name,
    requestId: '',
    country: undefined,
  }
}
