// The certificates of a table, opened together: those of its listeners and those that its pools are spoken with. All can be
// used or none is.

import type { Problem } from '../shared/config/problem.ts'
import type { Table } from '../shared/table/table.ts'
import { describeFault } from './pem-files.ts'
import { PoolTls } from './pool-tls.ts'
import { TlsEnding } from './tls-ending.ts'

export interface OpenTls {
  readonly poolTls: PoolTls
  /** By listener name, where TLS ends. */
  readonly endings: ReadonlyMap<string, TlsEnding>
  readonly close: () => void
}

/**
 * Every file that cannot be used is a Problem.
 *
 * @param ticketSecret what session tickets are sealed with comes from this: threads that share it resume each other's
 * @param onProblem called when changed files cannot be used later; what was there before stays in use
 */
export function openTls(
  table: Table,
  ticketSecret: Uint8Array,
  onProblem: (problem: Problem) => void,
): OpenTls | readonly Problem[] {
  const problems: Problem[] = []
  const attempt = (path: string, open: () => void) => {
    try {
      open()
    } catch (error) {
      problems.push(certificateProblem(path, describeFault(error), 'error'))
    }
  }
  const poolTls = new PoolTls((pool, fault) => onProblem(certificateProblem(`pools.${pool}.tls`, fault, 'warning')))
  const endings = new Map<string, TlsEnding>()
  const close = () => {
    poolTls.close()
    for (const ending of endings.values()) ending.close()
  }
  for (const pool of table.pools) attempt(`pools.${pool.name}.tls`, () => poolTls.add(pool))
  for (const { name, ending, peek, http } of table.flowListeners.values()) {
    if (ending === undefined) continue
    const path = `listeners.${name}.certificates`
    const say = (fault: string) => onProblem(certificateProblem(path, fault, 'warning'))
    const timeoutMs = peek?.timeoutMs ?? http!.headerTimeoutMs
    attempt(path, () =>
      endings.set(name, new TlsEnding(ending, timeoutMs, say, { listener: name, secret: ticketSecret })),
    )
  }
  if (problems.length === 0) return { poolTls, endings, close }
  close()
  return problems
}

function certificateProblem(path: string, message: string, severity: Problem['severity']): Problem {
  const mend = 'Name PEM files that this user may read: a certificate, and the key that belongs to it.'
  return { severity, code: 'bad-certificate', path, message, mend }
}
