// What `top` shows of listeners that the kernel serves.

import { expect, test } from 'vitest'
import { renderTop, type Sample, viewOf } from '../../cli/top-screen.ts'

const empty: Omit<Sample, 'atMs' | 'kernel'> = {
  connections: 0,
  bytesIn: 0,
  bytesOut: 0,
  flows: { total: 0, flows: [], next: null },
  pools: [],
}

test('rates by listener and endpoint come from two looks', () => {
  const view = viewOf(sample(2_000, 30, 5_000, 90_000), sample(0, 10, 1_000, 10_000))
  expect(view.kernel).toEqual([
    { listener: 'web', endpoint: 'e1', flows: 30, newFlows: 10, bytesIn: 2_000, bytesOut: 40_000 },
  ])
  const lines = renderTop(view, { columns: 120, rows: 20 })
  expect(lines.join('\n')).toContain('by the kernel')
  expect(lines.find(text => text.includes('e1'))).toMatch(/web +e1 +10\/s +2\.0 KiB\/s +39\.1 KiB\/s +30 so far/)
})

test('without such listeners there is no word of the kernel', () => {
  const view = viewOf({ ...empty, atMs: 1, kernel: [] }, undefined)
  expect(renderTop(view, { columns: 120, rows: 20 }).join('\n')).not.toContain('kernel')
})

function sample(atMs: number, flows: number, bytesIn: number, bytesOut: number): Sample {
  const row = { listener: 'web', endpoint: 'e1' }
  return {
    ...empty,
    atMs,
    kernel: [
      { ...row, what: 'flows', packets: flows, bytes: 0 },
      { ...row, what: 'in', packets: 1, bytes: bytesIn },
      { ...row, what: 'out', packets: 1, bytes: bytesOut },
      { listener: 'web', endpoint: undefined, what: 'refused', packets: 1, bytes: 1 },
    ],
  }
}
