// How TLS begins here, towards the endpoints of each pool: which authorities are believed and which certificate is shown.

import { createSecureContext, type SecureContext } from 'node:tls'
import type { EndpointTlsConfig } from '../shared/config/parsed.ts'
import type { Pool } from '../shared/pool/pool.ts'
import { describeFault, PemFiles, readPem } from './pem-files.ts'
import type { BeginTls } from './reach.ts'

export class PoolTls {
  /** By pool: only those with files of their own; all others share one. */
  private readonly contexts = new Map<string, PemFiles<SecureContext>>()
  private readonly plain = new PemFiles(
    NONE,
    () => createSecureContext(),
    () => {},
  )
  private readonly say: (pool: string, problem: string) => void

  /** @param say is told in one line when changed files cannot be used */
  constructor(say: (pool: string, problem: string) => void) {
    this.say = say
  }

  /** @throws Error when the pool's files cannot be used */
  add(pool: Pool): void {
    const { tls } = pool
    if (tls === undefined) return
    const files = [tls.ca, tls.cert, tls.key].filter(file => file !== undefined)
    if (files.length === 0) return
    const say = (problem: string) => this.say(pool.name, problem)
    this.contexts.set(pool.name, new PemFiles(files, () => load(tls), say))
  }

  /** @param protocol what the client agreed on where its TLS ended here: the endpoint is offered the same */
  of(pool: Pool, protocol: string | undefined): BeginTls {
    return {
      config: pool.tls,
      context: this.contexts.get(pool.name) ?? this.plain,
      protocols: protocol === undefined ? NONE : [protocol],
    }
  }

  close(): void {
    for (const context of this.contexts.values()) context.close()
  }
}

function load({ ca, cert, key }: EndpointTlsConfig): SecureContext {
  const pems = {
    ...(ca === undefined ? {} : { ca: readPem(ca) }),
    ...(cert === undefined ? {} : { cert: readPem(cert) }),
    ...(key === undefined ? {} : { key: readPem(key) }),
  }
  try {
    return createSecureContext(pems)
  } catch (error) {
    const files = [ca, cert, key].filter(file => file !== undefined).join(', ')
    throw new Error(`${files} cannot be used: ${describeFault(error)}`)
  }
}

const NONE: readonly string[] = []
