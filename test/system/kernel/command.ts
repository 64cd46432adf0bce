// The command in the lab, run to its end: what preflight finds, and what a relay says that does not start.

import { chmodSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ConfigInput } from '../../../shared/config/config.ts'
import { repository } from '../../cli/command.ts'
import { temporary } from '../../support/servers.ts'
import type { Lab, Name } from './lab.ts'

export interface Preflight {
  readonly findings: readonly { readonly is: string; readonly code: string; readonly mend: string }[]
  readonly endpointCommands: readonly string[]
}

/** @param before a program that runs it */
export function preflight(
  lab: Lab,
  name: Name,
  config: ConfigInput,
  before: readonly string[] = [],
  ...options: string[]
): Preflight {
  const { said } = runCommand(lab, name, ['kernel', 'preflight', fileOf(config), '--json', ...options], before)
  return JSON.parse(said) as Preflight
}

/** As `preflight` of the endpoint's side. */
export function preflightEndpoint(lab: Lab, name: Name, config: ConfigInput): Preflight {
  return preflight(lab, name, config, [], '--endpoint')
}

export function errorsOf({ findings }: Preflight): string[] {
  return [...new Set(findings.filter(({ is }) => is === 'error').map(({ code }) => code))]
}

/** For a relay that does not start. */
export function runRelay(lab: Lab, name: Name, config: ConfigInput, before: readonly string[] = []) {
  return runCommand(lab, name, ['relay', fileOf(config), '--json', '--no-watch'], before)
}

function runCommand(lab: Lab, name: Name, args: readonly string[], before: readonly string[] = []) {
  const command = [...before, process.execPath, join(repository, 'cli/fourseven.js'), ...args]
  try {
    return { code: 0, said: lab.run(name, command[0]!, ...command.slice(1)) }
  } catch (error) {
    const { status, stdout, stderr } = error as { status: number; stdout: string; stderr: string }
    return { code: status, said: args.includes('preflight') ? stdout : stdout + stderr }
  }
}

function fileOf(config: ConfigInput): string {
  const file = join(temporary(), 'routes.json')
  chmodSync(dirname(file), 0o755)
  writeFileSync(file, JSON.stringify(config))
  return file
}
