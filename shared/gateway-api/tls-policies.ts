// BackendTLSPolicies: which Services are spoken to over TLS, and whom the relay believes there.

import * as z from 'zod'
import type { EndpointTlsInput } from '../config/config-pool.ts'
import { compareAge } from './age.ts'
import type { CertificateFiles } from './certificates.ts'
import type { Manifest } from './manifests.ts'
import { type Notes, type Spot, within } from './notes.ts'
import { readShape } from './shape.ts'
import { labels, name, objectOf } from './words.ts'

export interface TlsPolicies {
  /** How TLS is spoken with a port of a Service; undefined: not at all; a text: why it cannot be. */
  find(namespace: string, service: string, portName: string): EndpointTlsInput | string | undefined
}

export function readTlsPolicies(manifests: readonly Manifest[], files: CertificateFiles, notes: Notes): TlsPolicies {
  const found = new Map<string, EndpointTlsInput | string>()
  for (const manifest of [...manifests].sort(compareAge)) {
    const shape = readShape(manifest, policyShape, notes)
    if (shape === undefined) continue
    const { targetRefs, validation, options } = shape.spec
    const spot = within(manifest.spot, 'spec')
    const tls = readValidation(manifest, validation, files, within(spot, 'validation'), notes)
    if (options !== undefined) {
      const at = within(spot, 'options')
      notes.add('not-carried', 'tls-options', at, 'TLS options are of one implementation', 'Leave them out.')
    }
    for (const [index, ref] of targetRefs.entries()) {
      const at = within(spot, 'targetRefs', index)
      const key = `${manifest.namespace}/${ref.name}/${ref.sectionName ?? ''}`
      if (ref.kind !== 'Service' || (ref.group ?? '') !== '') {
        notes.add('not-carried', 'unsupported-kind', at, `a ${ref.kind} is no backend here`, 'Name a Service.')
      } else if (found.has(key)) {
        const message = 'an older policy speaks for the same Service'
        notes.add('warning', 'conflicted', at, message, 'Leave one of the two out.')
      } else found.set(key, tls)
    }
  }
  return {
    find: (namespace, service, portName) =>
      (portName === '' ? undefined : found.get(`${namespace}/${service}/${portName}`)) ??
      found.get(`${namespace}/${service}/`),
  }
}

function readValidation(
  manifest: Manifest,
  validation: z.output<typeof policyShape>['spec']['validation'],
  files: CertificateFiles,
  spot: Spot,
  notes: Notes,
): EndpointTlsInput | string {
  const { hostname, caCertificateRefs = [], wellKnownCACertificates, subjectAltNames } = validation
  if (subjectAltNames !== undefined) {
    const message = 'the certificate of an endpoint is judged by one name, and here by others'
    notes.add(
      'not-carried',
      'subject-alt-names',
      within(spot, 'subjectAltNames'),
      message,
      'Let "hostname" be a name of the certificate.',
    )
    return 'its BackendTLSPolicy asks for names that are not judged here'
  }
  if (caCertificateRefs.length === 0) {
    if (wellKnownCACertificates === 'System') return { serverName: hostname }
    const message = 'neither "caCertificateRefs" nor wellKnownCACertificates: System says whom to believe'
    notes.add('error', 'missing-field', spot, message, 'Write one of them.')
    return 'its BackendTLSPolicy says not whom to believe'
  }
  if (caCertificateRefs.length > 1) {
    const at = within(spot, 'caCertificateRefs')
    notes.add(
      'not-carried',
      'one-authority',
      at,
      'one file of authorities is read: the first',
      'Put all of them in one ConfigMap.',
    )
  }
  const ref = caCertificateRefs[0]!
  const at = within(spot, 'caCertificateRefs', 0)
  const ca =
    ref.kind === 'ConfigMap' || ref.kind === 'Secret' ? files.authority(manifest.namespace, ref.name) : undefined
  if (ca !== undefined) return { ca, serverName: hostname }
  const wanted = files.wanted(manifest.namespace, ref.name, 'ca.crt')
  notes.add(
    'not-carried',
    'certificate-missing',
    at,
    `there is no file with the authorities of ${ref.kind} ${ref.name}: ${wanted}`,
    CERTS,
  )
  return 'the authorities of its BackendTLSPolicy are not there'
}

const policyShape = objectOf(
  z.strictObject({
    targetRefs: z
      .array(
        z.strictObject({
          group: z.string().exactOptional(),
          kind: z.string(),
          name,
          sectionName: z.string().exactOptional(),
        }),
      )
      .min(1),
    validation: z.strictObject({
      caCertificateRefs: z
        .array(z.strictObject({ group: z.string().exactOptional(), kind: z.string(), name }))
        .exactOptional(),
      wellKnownCACertificates: z.string().exactOptional(),
      hostname: z.string(),
      subjectAltNames: z.array(z.unknown()).exactOptional(),
    }),
    options: labels.exactOptional(),
  }),
)

const CERTS = 'Put the file there and say --certs with its folder.'
