// TLS in the config: where it ends at a listener, where it begins towards endpoints, and the names of protocols.

import type { TlsListenerInput } from './config-listener.ts'
import type { EndpointTlsInput } from './config-pool.ts'
import { type Findings, type Place, show } from './findings.ts'
import type { EndpointTlsConfig, TlsEndingConfig } from './parsed.ts'
import { readHost } from './read-values.ts'

/** Undefined: TLS passes through. What only makes sense where it ends is then told to miss its certificates. */
export function readTlsEnding(
  input: Pick<TlsListenerInput, 'certificates' | 'alpn' | 'clientCa' | 'requireClientCertificate'>,
  place: Place,
  findings: Findings,
): TlsEndingConfig | undefined {
  const { certificates, clientCa, requireClientCertificate } = input
  if (certificates === undefined) {
    for (const key of ['alpn', 'clientCa', 'requireClientCertificate'] as const) {
      if (input[key] === undefined) continue
      const message = `${show(key)} is for a listener where TLS ends, and "certificates" is missing`
      findings.error('missing-field', [...place, key], message, 'Add "certificates", or leave it out.')
    }
    return undefined
  }
  if (requireClientCertificate === true && clientCa === undefined) {
    const message = 'a client certificate is required and "clientCa" is missing: nobody could verify it'
    findings.error('missing-field', [...place, 'clientCa'], message, 'Name the PEM file of the authorities.')
  }
  return {
    certificates,
    alpn: readProtocols(input.alpn, [...place, 'alpn'], findings),
    clientCa,
    needsClientCertificate: clientCa !== undefined && (requireClientCertificate ?? true),
  }
}

/** Names of application protocols, each once. On the wire one has 1 to 255 bytes (RFC 7301 section 3.1). */
export function readProtocols(
  input: string | readonly string[] | undefined,
  place: Place,
  findings: Findings,
): readonly string[] {
  const texts = typeof input === 'string' ? [input] : (input ?? [])
  for (const [index, text] of texts.entries()) {
    if (/^[\x21-\x7e]{1,255}$/.test(text)) continue
    const here = typeof input === 'string' ? place : [...place, index]
    findings.error(
      'bad-protocol',
      here,
      `${show(text)} is not the name of a protocol`,
      'Write one such as h2 or http/1.1.',
    )
  }
  return [...new Set(texts)]
}

export function readEndpointTls(
  input: EndpointTlsInput | undefined,
  place: Place,
  findings: Findings,
): EndpointTlsConfig | undefined {
  if (input === undefined) return undefined
  const { ca, cert, key, serverName, verify } = input
  if ((cert === undefined) !== (key === undefined)) {
    const missing = cert === undefined ? 'cert' : 'key'
    const message = `${show(missing)} is missing: a certificate and its key go together`
    findings.error('missing-field', [...place, missing], message, 'Name both files, or neither.')
  }
  return {
    ca,
    cert,
    key,
    serverName: serverName === undefined ? undefined : readHost(serverName, [...place, 'serverName'], findings),
    isVerified: verify ?? true,
  }
}
