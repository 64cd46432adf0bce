// Which requests are written down where a rule asks for a part of them only.

import { hash32, unit } from '../pool/hash.ts'
import type { Reason } from './reason.ts'

/**
 * Goes by the request id, so that every plane that a request passes through under one id chooses alike. An untrusted
 * client has no say in it: its id is replaced.
 *
 * @param sample 0 to 1
 */
export function isSampled(sample: number, requestId: string): boolean {
  return sample === 1 || unit(hash32(requestId, SAMPLE_SEED)) < sample
}

/** What is written down whatever the sample says: answers of ours with a reason, and 500 to 599. */
export function isAlwaysRecorded(status: number, reason: Reason | undefined): boolean {
  return status >= 500 || reason !== undefined
}

const SAMPLE_SEED = 0x5a3317e5
