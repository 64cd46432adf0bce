// An authority and the certificates it signs, made by openssl for one test and gone after it.

import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporary } from './servers.ts'

/** PEM files. */
export interface Pair {
  readonly cert: string
  readonly key: string
}

export interface Authority {
  /** The file of its own certificate. */
  readonly ca: string
  /** Signs one for these names: DNS names, or addresses as `IP:127.0.0.1`. */
  readonly sign: (...names: readonly string[]) => Pair
}

/** @param folder for its files; by default one that goes with the test */
export function authority(name = 'Test authority', folder = temporary()): Authority {
  const at = (file: string) => join(folder, file)
  const openssl = (...args: readonly string[]) => execFileSync('openssl', args, { stdio: 'ignore' })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl(
    'req',
    '-x509',
    ...newKey,
    '-days',
    '2',
    '-keyout',
    at('ca.key'),
    '-out',
    at('ca.pem'),
    '-subj',
    `/CN=${name}`,
  )
  let count = 0
  return {
    ca: at('ca.pem'),
    sign: (...names) => {
      count += 1
      const [key, request, cert] = [at(`${count}.key`), at(`${count}.csr`), at(`${count}.pem`)]
      openssl('req', ...newKey, '-keyout', key, '-out', request, '-subj', `/CN=${names[0]!.replace(/^IP:/, '')}`)
      const alternatives = names.map(each => (each.startsWith('IP:') ? each : `DNS:${each}`)).join(',')
      writeFileSync(at('ext'), `subjectAltName=${alternatives}\n`)
      const signer = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial', '-days', '2']
      openssl('x509', '-req', '-in', request, ...signer, '-extfile', at('ext'), '-out', cert)
      return { cert, key }
    },
  }
}

export function pemOf({ cert, key }: Pair): { readonly cert: string; readonly key: string } {
  return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }
}
