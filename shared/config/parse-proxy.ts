// PROXY headers: from whom a listener takes them, and what a pool sends its endpoints.

import { customTypes } from '../wire/tlv.ts'
import type { UdpProxySourceInput } from './config-listener.ts'
import type { SendProxyInput } from './config-pool.ts'
import { didYouMean, type Findings, listNames, type Place, show } from './findings.ts'
import { nearest } from './near.ts'
import type { ProxySourceConfig, SendProxyConfig } from './parsed.ts'
import { readCidrs } from './read-values.ts'
import { isFieldValue } from './tokens.ts'

/** One CIDR in two entries is an error: nobody can say which of them was meant. */
export function readProxySources(
  input: readonly UdpProxySourceInput[] | undefined,
  place: Place,
  findings: Findings,
): readonly ProxySourceConfig[] {
  const seen = new Set<string>()
  return (input ?? []).map(({ from, mode, datagrams }, index) => {
    const here = [...place, index, 'from']
    const cidrs = readCidrs(from, here, findings)
    for (const [at, cidr] of cidrs.entries()) {
      if (seen.has(cidr)) {
        findings.error('duplicate-cidr', [...here, at], `${show(cidr)} is named already`, 'Name each CIDR once.')
      }
      seen.add(cidr)
    }
    return { cidrs, isRequired: mode === 'require', isInEach: datagrams === 'each' }
  })
}

/** TLVs need version 2. */
export function readSendProxy(
  input: 1 | 2 | SendProxyInput | undefined,
  place: Place,
  findings: Findings,
): SendProxyConfig | undefined {
  if (input === undefined) return undefined
  const { version, tlvs, datagrams }: SendProxyInput = typeof input === 'number' ? { version: input } : input
  if (version === 1 && tlvs !== undefined) {
    const message = 'a PROXY header of version 1 is one line of text and has no TLVs'
    findings.error('tlvs-in-text-header', [...place, 'tlvs'], message, 'Write version 2, or leave the TLVs out.')
  }
  const { authority = false, alpn = false, uniqueId = false, ssl = false, crc32c = false } = tlvs ?? {}
  return {
    version,
    authority,
    alpn,
    hasUniqueId: uniqueId,
    hasSsl: ssl,
    hasChecksum: crc32c,
    isInEach: datagrams === 'each',
    custom: readCustom(tlvs?.custom ?? {}, [...place, 'tlvs', 'custom'], findings),
  }
}

function readCustom(
  input: Readonly<Record<string, string>>,
  place: Place,
  findings: Findings,
): SendProxyConfig['custom'] {
  return Object.entries(input).map(([name, text]) => {
    const here = [...place, name]
    const type = /^[0-9A-F]{2}$/.test(name) ? Number.parseInt(name, 16) : 0
    if (type < customTypes.first || type > customTypes.last) {
      findings.error('bad-tlv-type', here, `${show(name)} is not a type for values of your own`, 'Write E0 to EF.')
    }
    if (!isFieldValue(text)) {
      findings.error('bad-tlv-value', here, `${show(text)} holds more than printable Latin-1`, 'Leave the rest out.')
    }
    for (const [whole, known] of text.matchAll(/\{([A-Za-z][A-Za-z_.-]*)\}/g)) {
      if (flowNames.includes(known!)) continue
      const mend = didYouMean(nearest(known!, flowNames), `The values are ${listNames(flowNames, 'and')}.`)
      findings.error('template-unknown', here, `nothing is known as ${whole} of a connection`, mend)
    }
    return { type, text }
  })
}

/** Of the names that headers know those that are known of a connection too. */
const flowNames = ['client.address', 'route', 'rule', 'variant']
