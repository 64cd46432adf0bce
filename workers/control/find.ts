// Where the control object is found: the one that all isolates of a deployment mean.

import type { Table } from '../../shared/table/table.ts'
import type { Env } from '../env.ts'
import type { Control } from './control.ts'
import { shardsFor, targetsOf } from './probe-plan.ts'

export type ControlStub = DurableObjectStub<Control>

/** Undefined without a binding: then nothing can change without a deploy. */
export function findControl(env: Env): ControlStub | undefined {
  return env.FOURSEVEN_CONTROL?.getByName(NAME)
}

/**
 * Has every shard of the probes go on; none is asked when the config has no probe.
 *
 * @param birth of the control object's store: one that was made anew knows no verdict that was told to the one before
 */
export async function beginProbes(env: Env, table: Table, birth: string): Promise<void> {
  const namespace = env.FOURSEVEN_PROBES
  if (namespace === undefined) return
  const shards = Array.from({ length: shardsFor(targetsOf(table).length) }, (_, shard) => shard)
  await Promise.all(shards.map(shard => namespace.getByName(`probes-${shard}`).begin(shard, birth)))
}

const NAME = 'overlay'
