import { expect, it } from 'vitest'
import type { ConfigInput } from '../../../shared/config/config.ts'
import { markEndpoints } from '../../../shared/overlay/mark.ts'
import { emptyOverlay, type Overlay } from '../../../shared/overlay/overlay.ts'
import { markDown, markEjected, stateOf } from '../../../shared/pool/health.ts'
import type { Table } from '../../../shared/table/table.ts'
import { observedFor, tableOf } from '../../support/table.ts'
import { after, changed, config, table as usual } from './config.ts'

const here: Parameters<typeof markEndpoints>[5] = { skewMs: 0, probes: 'elsewhere' }
const now = 1_000_000

/** The config with a probe of the canaries. */
function withProbe(probe: object, address = 'http://three.test'): ConfigInput {
  const whole = config()
  return { ...whole, pools: { ...whole.pools, canary: { endpoints: [{ name: 'c', address }], probe } } } as ConfigInput
}

function plane(table: Table = usual) {
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
  const ejected = after([{ do: 'eject', endpoint: 'stable/b', forMs: now }], usual, overlay)
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
  const pool = usual.pools[0]!
  markEjected(observed, pool, pool.endpoints[0]!, now + 60_000)
  markDown(observed, pool, pool.endpoints[1]!)
  mark(after([{ do: 'eject', endpoint: 'stable/a', forMs: now }]))
  mark(emptyOverlay)
  expect([state('stable/a'), state('stable/b')]).toEqual(['ejected', 'down'])
})

it('a plane whose clock is ahead ends an ejection when the others do', () => {
  const { mark, state } = plane()
  const skewMs = 40_000
  mark(after([{ do: 'eject', endpoint: 'stable/a', forMs: now }]), { skewMs, probes: 'elsewhere' })
  expect([state('stable/a', now + skewMs), state('stable/a', now + skewMs + 1_000)]).toEqual(['ejected', 'up'])
})

it('of a pool that the plane probes for itself the verdicts of others say nothing', () => {
  const probed = tableOf(withProbe({ kind: 'http' }))
  const overlay = after([{ do: 'verdict', endpoint: 'canary/c', is: 'down' }], probed)
  for (const [probes, is] of [
    ['here', 'up'],
    ['elsewhere', 'down'],
  ] as const) {
    const { mark, state } = plane(probed)
    mark(overlay, { skewMs: 0, probes })
    expect(state('canary/c')).toBe(is)
  }
  // Nobody here probes it: what is said elsewhere is all there is.
  const { mark, state } = plane()
  mark(after([{ do: 'verdict', endpoint: 'canary/c', is: 'down' }]), { skewMs: 0, probes: 'here' })
  expect(state('canary/c')).toBe('down')
})

it('an endpoint that starts down is down until a probe elsewhere says otherwise, and again when it says so no more', () => {
  const starting = tableOf(withProbe({ kind: 'http', startDown: true }))
  const { mark, state, observed } = plane(starting)
  mark(emptyOverlay)
  expect([state('canary/c'), state('stable/a')]).toEqual(['down', 'up'])
  const up = after([{ do: 'verdict', endpoint: 'canary/c', is: 'up' }], starting)
  // What is known already is not what is new.
  expect(up.verdicts).toMatchObject([{ is: 'up', at: 1_000 }])
  mark(up)
  expect(state('canary/c')).toBe('up')
  // It has been up since the verdict, not since this plane heard of it.
  expect(observed.upSince[starting.slots.get('canary/c')!]).toBe(1_000)
  mark(emptyOverlay)
  expect(state('canary/c')).toBe('down')
  // Another deploy has another address there: what was said of the one before says nothing of it.
  const moved = tableOf(withProbe({ kind: 'http', startDown: true }, 'http://moved.test'))
  const there = plane(moved)
  there.mark(up)
  expect(there.state('canary/c')).toBe('down')
  // The relay's own probe says it there.
  const relay = plane(starting)
  relay.mark(emptyOverlay, { skewMs: 0, probes: 'here' })
  expect(relay.state('canary/c')).toBe('up')
})

it('an entry made for another address marks nothing', () => {
  const other = tableOf(config([95, 5], 'http://elsewhere.test'))
  const { mark, state } = plane()
  mark(after([{ do: 'drain', endpoint: 'stable/a' }], other))
  expect(state('stable/a')).toBe('up')
})

it('an ejection that an operator makes shorter ends when it now says', () => {
  const { mark, state } = plane()
  const long = after([{ do: 'eject', endpoint: 'stable/a', forMs: 24 * 3_600_000 }])
  mark(long)
  mark(after([{ do: 'eject', endpoint: 'stable/a', forMs: now + 9_000 }], usual, long))
  expect([state('stable/a', now + 9_000), state('stable/a', now + 10_001)]).toEqual(['ejected', 'up'])
})

it('an ejection that is long over is not ended again when its entry goes', () => {
  const { mark, observed } = plane()
  const ejected = after([{ do: 'eject', endpoint: 'stable/a', forMs: now }])
  mark(ejected)
  const drained = changed(ejected, { do: 'drain', endpoint: 'canary/c' }, now + 60_000).overlay
  expect(drained.ejections).toEqual([])
  mark(drained, here, now + 60_000)
  // Where its slow start counts from.
  expect(observed.ejectedUntil[usual.slots.get('stable/a')!]).toBe(now + 1_000)
})
