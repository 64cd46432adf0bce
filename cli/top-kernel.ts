// What `top` shows of listeners that the kernel serves: by endpoint, new flows and bytes a second.

import type { CountRow } from '../relay/kernel/kernel.ts'

export interface KernelView {
  readonly listener: string
  readonly endpoint: string
  /** Begun so far. */
  readonly flows: number
  /** A second; 0 with one look only. */
  readonly newFlows: number
  readonly bytesIn: number
  readonly bytesOut: number
}

/** @param seconds between the two looks */
export function kernelViews(
  now: readonly CountRow[],
  before: readonly CountRow[] | undefined,
  seconds: number,
): KernelView[] {
  const places = new Map(
    now.flatMap(({ listener, endpoint }) =>
      endpoint === undefined ? [] : [[`${listener}\n${endpoint}`, { listener, endpoint }]],
    ),
  )
  const rate = (value: number, old: number) =>
    before === undefined || seconds <= 0 ? 0 : Math.max(0, Math.round((value - old) / seconds))
  return [...places.values()].map(({ listener, endpoint }) => {
    const of = (rows: readonly CountRow[] | undefined, what: CountRow['what'], unit: 'packets' | 'bytes') =>
      rows?.find(row => row.listener === listener && row.endpoint === endpoint && row.what === what)?.[unit] ?? 0
    const flows = of(now, 'flows', 'packets')
    return {
      listener,
      endpoint,
      flows,
      newFlows: rate(flows, of(before, 'flows', 'packets')),
      bytesIn: rate(of(now, 'in', 'bytes'), of(before, 'in', 'bytes')),
      bytesOut: rate(of(now, 'out', 'bytes'), of(before, 'out', 'bytes')),
    }
  })
}
