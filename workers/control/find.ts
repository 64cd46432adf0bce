// Where the control object is found: the one that all isolates of a deployment mean.

import type { Env } from '../env.ts'
import type { Control } from './control.ts'

export type ControlStub = DurableObjectStub<Control>

/** Undefined without a binding: then nothing can change without a deploy. */
export function findControl(env: Env): ControlStub | undefined {
  return env.FOURSEVEN_CONTROL?.getByName(NAME)
}

const NAME = 'overlay'
