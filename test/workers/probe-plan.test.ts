// What a shard of the probes begins with: what it knows itself, and what the overlay says.

import { expect, it } from 'vitest'
import type { VerdictEntry } from '../../shared/overlay/overlay.ts'
import { type Target, type Turns, turnAfter, turnsFor } from '../../workers/control/probe-plan.ts'

const now = 1_000_000

function target(startsDown = false, base = 'here'): Target {
  const probe = { fall: 2, rise: 2, startsDown, edge: { intervalMs: 15_000, timeoutMs: 5_000 } } as Target['probe']
  return { endpoint: 'app/a', base, url: 'https://a.test/healthz', binding: undefined, probe }
}

function begun(one: Target, verdict?: Partial<VerdictEntry>, known: Turns = new Map()) {
  const said = { endpoint: 'app/a', base: 'here', is: 'up', at: 0, ...verdict } as VerdictEntry
  const verdicts = new Map(verdict === undefined ? [] : [['app/a', said]])
  return turnsFor([one], known, verdicts, now, 1).get('app/a')!
}

it.each([
  ['nothing is said of it', target(), undefined, 'up'],
  ['it starts down', target(true), undefined, 'down'],
  ['it starts down, and a probe has passed since', target(true), { is: 'up' }, 'up'],
  ['another shard has found it down', target(), { is: 'down' }, 'down'],
  ['another address was down there', target(), { is: 'down', base: 'elsewhere' }, 'up'],
  ['another address was up there, and it starts down', target(true), { is: 'up', base: 'elsewhere' }, 'down'],
] as const)('where %s', (_, one, verdict, is) => {
  expect(begun(one, verdict)).toMatchObject({ told: is, state: { verdict: is } })
})

it('what was probed goes on, and what is told is what the overlay says by then', () => {
  const first = begun(target())
  const failed = turnAfter(turnAfter(first, target(), 'failed', now, 1), target(), 'failed', now, 1)
  expect(failed.state.verdict).toBe('down')
  const known: Turns = new Map([['app/a', { ...failed, told: 'down' }]])
  // The overlay that was told is gone: it has to be told again.
  expect(begun(target(), undefined, known)).toEqual({ ...failed, told: 'up' })
  expect(begun(target(), { is: 'down' }, known)).toEqual({ ...failed, told: 'down' })
  expect(begun(target(false, 'moved'), { is: 'down' }, known)).toMatchObject({ state: { verdict: 'up' }, count: 0 })
})

it('what nobody could ask of is asked again in its time, and is what it was', () => {
  const down = begun(target(), { is: 'down' })
  const silent = turnAfter(turnAfter(down, target(), 'unasked', now, 1), target(), 'unasked', now, 1)
  expect([silent.state, silent.count]).toEqual([down.state, 2])
  expect(silent.nextAt).toBeGreaterThan(now)
})
