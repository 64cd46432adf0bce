// The certificates that a config names, looked at on this machine: whether they can be used together, are in their time,
// and have the names that are asked for. Warnings only: the relay may run where other files are.

import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { openTls } from '../relay/open-tls.ts'
import { namesOf } from '../relay/tls-ending.ts'
import type { Variables } from '../shared/config/endpoint-address.ts'
import type { Config, TlsEndingConfig } from '../shared/config/parsed.ts'
import { partFor } from '../shared/config/part.ts'
import type { Problem } from '../shared/config/problem.ts'
import { compile } from '../shared/table/compile.ts'
import { coversHost } from '../shared/table/hostname.ts'

export function certificateProblems(config: Config, variables: Variables, now: number): Problem[] {
  const part = partFor(config, 'relay')
  if (
    !part.listeners.some(each => 'ending' in each && each.ending !== undefined) &&
    part.pools.every(pool => !pool.tls)
  ) {
    return []
  }
  const opened = openTls(compile(part, variables), new Uint8Array(48), () => {})
  const problems = Array.isArray(opened) ? opened.map((problem): Problem => ({ ...problem, severity: 'warning' })) : []
  if ('close' in opened) opened.close()
  for (const listener of config.listeners) {
    if (!('ending' in listener) || listener.ending === undefined) continue
    const path = `listeners.${listener.name}.certificates`
    const read = readAll(listener.ending)
    // Files that cannot be read have been spoken of.
    if (read === undefined) continue
    for (const [index, certificate] of read.entries()) {
      const over = certificate.validToDate.getTime() <= now
      if (!over && certificate.validFromDate.getTime() <= now) continue
      problems.push({
        severity: 'warning',
        code: 'certificate-out-of-time',
        path: `${path}[${index}]`,
        message: `${listener.ending.certificates[index]!.cert} ${over ? `was valid until ${certificate.validTo}` : `is valid from ${certificate.validFrom}`}`,
        mend: 'Renew it: clients refuse it.',
      })
    }
    const names = read.flatMap(namesOf)
    const asked = config.routes.flatMap(route =>
      route.layer === 4 && route.listeners.includes(listener.name)
        ? route.rules.flatMap(rule => rule.matches.flatMap(match => match.sni))
        : [],
    )
    const missing = asked.find(
      name => !names.some(known => known === name || (isOneLabel(known, name) && coversHost(known, name))),
    )
    if (missing === undefined) continue
    problems.push({
      severity: 'warning',
      code: 'certificate-without-name',
      path,
      message: `no certificate of listener "${listener.name}" has the name ${missing}, which a rule asks for: it has ${names.join(', ') || 'none'}`,
      mend: 'Add a certificate for the name: clients refuse another.',
    })
  }
  return problems
}

/** RFC 6125 section 6.4.3: the wildcard of a certificate stands for one label. */
function isOneLabel(known: string, name: string): boolean {
  return known.startsWith('*.') && known.split('.').length === name.split('.').length
}

function readAll({ certificates }: TlsEndingConfig): X509Certificate[] | undefined {
  try {
    return certificates.map(({ cert }) => new X509Certificate(readFileSync(cert)))
  } catch {
    return undefined
  }
}
