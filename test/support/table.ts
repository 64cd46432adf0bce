// A table and its observations from a config as an operator writes it, for tests of the core.

import type { ConfigInput } from '../../shared/config/config.ts'
import { parse } from '../../shared/config/parse.ts'
import { createObserved, type Observed } from '../../shared/pool/observed.ts'
import { compile } from '../../shared/table/compile.ts'
import type { Table } from '../../shared/table/table.ts'

export function tableOf(config: ConfigInput, variables: Readonly<Record<string, string>> = {}): Table {
  return compile(parse(config, { variables }).config, variables)
}

export function observedFor(table: Table): Observed {
  return createObserved({ slots: table.slots.size, pools: table.pools.length, shared: false, firstTurn: 0 })
}
