import { expect, it } from 'vitest'
import { markEndpoints } from '../../../shared/overlay/mark.ts'
import { emptyOverlay, type Overlay } from '../../../shared/overlay/overlay.ts'
import { markDown, markEjected, stateOf } from '../../../shared/pool/health.ts'
import { observedFor, tableOf } from '../../support/table.ts'
import { after, config, table } from './config.ts'

const here = { skewMs: 0, verdicts: true }
const now = 1_000_000

function plane() {
  const observed = observedFor(table)
  const endpoints = table.pools.flatMap(pool => pool.endpoints)
  let before: Overlay | undefined
  return {
    observed,
    mark(overlay: Overlay, how = here, at = now) {
      markEndpoints(observed, table, overlay, before, at, how)
      before = overlay
    },
    state: (id: string, at = now) => stateOf(endpoints.find(each => each.id === id)!, observed, at),
  }
}

it('drains, ejections and verdicts are marked, and taken back with the entry', () => {
  const { mark, state } = plane()
  const overlay: Overlay = {
    ...after([
      { do: 'drain', endpoint: 'stable/a' },
      { do: 'verdict', endpoint: 'canary/c', is: 'down' },
    ]),
  }
  const ejected = after([{ do: 'eject', endpoint: 'stable/b', forMs: now }], table, overlay)
  mark(ejected)
  expect(['stable/a', 'stable/b', 'canary/c', 'database/main'].map(id => state(id))).toEqual([
    'draining',
    'ejected',
    'down',
    'up',
  ])
  expect(state('stable/b', now + 2_000)).toBe('up')
  mark(emptyOverlay)
  expect(['stable/a', 'stable/b', 'canary/c'].map(id => state(id))).toEqual(['up', 'up', 'up'])
})

it('what the plane found itself stays when the overlay says nothing of it', () => {
  const { mark, state, observed } = plane()
  const pool = table.pools[0]!
  markEjected(observed, pool, pool.endpoints[0]!, now + 60_000)
  markDown(observed, pool, pool.endpoints[1]!)
  mark(after([{ do: 'eject', endpoint: 'stable/a', forMs: now }]))
  mark(emptyOverlay)
  expect([state('stable/a'), state('stable/b')]).toEqual(['ejected', 'down'])
})

it('a plane whose clock is ahead ends an ejection when the others do', () => {
  const { mark, state } = plane()
  const skewMs = 40_000
  mark(after([{ do: 'eject', endpoint: 'stable/a', forMs: now }]), { skewMs, verdicts: true })
  expect([state('stable/a', now + skewMs), state('stable/a', now + skewMs + 1_000)]).toEqual(['ejected', 'up'])
})

it('where a plane probes for itself, verdicts of others say nothing', () => {
  const { mark, state } = plane()
  mark(after([{ do: 'verdict', endpoint: 'canary/c', is: 'down' }]), { skewMs: 0, verdicts: false })
  expect(state('canary/c')).toBe('up')
})

it('an entry made for another address marks nothing', () => {
  const other = tableOf(config([95, 5], 'http://elsewhere.test'))
  const { mark, state } = plane()
  mark(after([{ do: 'drain', endpoint: 'stable/a' }], other))
  expect(state('stable/a')).toBe('up')
})
