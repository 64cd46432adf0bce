// Which of a rule's mirrors get a copy of this request, and chance for the choice of their endpoint.

import { type Draw, subDraw } from '../pool/draw.ts'
import type { Mirror } from '../table/table.ts'

/** @param index its place among the rule's mirrors: each draws for itself */
export function isMirrored(mirror: Mirror, index: number, draw: Draw): boolean {
  return subDraw(draw, 'mirror', index) < mirror.share
}

/** A seed of its own: where the copy goes must lean neither on where the request goes nor on whether it is copied. */
export function mirrorDraw(index: number, draw: Draw): Draw {
  return Math.floor(subDraw(draw, 'mirrorBalance', index) * 2 ** 32)
}
