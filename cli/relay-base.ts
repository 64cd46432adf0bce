// Splits and endpoints of a relay's config, for changes that its edge has to be told of: the edge's own config need not have
// them, and an entry says what it was made for.

import type { Command } from 'commander'
import type { Variables } from '../shared/config/endpoint-address.ts'
import { didYouMean, listNames } from '../shared/config/findings.ts'
import { nearest } from '../shared/config/near.ts'
import { endpointBase, endpointsOf, type SplitBase, splitBase, splitsOf } from '../shared/overlay/base.ts'
import type { DeclaredSplit } from '../shared/overlay/command.ts'
import { compile } from '../shared/table/compile.ts'
import type { Table } from '../shared/table/table.ts'
import type { Refusal } from './ask-edge.ts'
import { collectVariable } from './config-options.ts'
import { shortPath } from './problems.ts'
import { readRelayConfig } from './relay-config.ts'

export interface RelayConfigOptions {
  readonly config?: string
  readonly var?: Variables
}

/** What the relay of this file reads the overlay with. */
export interface RelayNames {
  readonly file: string
  readonly table: Table
}

export function addRelayConfigOptions(command: Command): Command {
  return command
    .option('--config <file>', "of a relay: for what the edge's own config does not have")
    .option(
      '--var <NAME=value>',
      'a value for ${NAME} in its addresses, as the relay has it, over the environment (may be repeated)',
      collectVariable,
    )
}

/** The names of the config that the options name; undefined when they name none, or what is wrong with it. */
export async function readRelayNames({
  config: named,
  var: given,
}: RelayConfigOptions): Promise<RelayNames | Refusal | undefined> {
  if (named === undefined) return undefined
  const variables = { ...process.env, ...given }
  const { file, config, problems } = await readRelayConfig(named, variables)
  const shown = shortPath(file)
  if (config !== undefined) return { file: shown, table: compile(config, variables) }
  return {
    problems: problems.map(problem => ({ ...problem, message: `${shown}: ${problem.path}: ${problem.message}` })),
  }
}

/** The split as an entry for it has to say; what would be right when the config has none of that name. */
export function declaredSplit({ file, table }: RelayNames, name: string): DeclaredSplit | Refusal {
  const splits = splitsOf(table)
  const split: SplitBase | undefined = splits.get(name)
  if (split === undefined) return unknown('split', name, file, [...splits.keys()])
  return { base: splitBase(split), variants: split.variants.map(({ name, weight }) => ({ name, weight })) }
}

/** The base of an endpoint, `pool/name`. */
export function endpointBaseOf({ file, table }: RelayNames, name: string): string | Refusal {
  const endpoints = endpointsOf(table)
  const endpoint = endpoints.get(name)
  return endpoint === undefined ? unknown('endpoint', name, file, [...endpoints.keys()]) : endpointBase(endpoint)
}

function unknown(kind: 'split' | 'endpoint', name: string, file: string, known: readonly string[]): Refusal {
  const all = known.length === 0 ? `It has no ${kind}.` : `There is ${listNames(known)}.`
  const mend = didYouMean(nearest(name, known), all)
  const problem = {
    severity: 'error',
    code: 'unknown-value',
    path: kind,
    message: `${file} has no ${kind} "${name}"`,
    mend,
  } as const
  return { problems: [problem] }
}
