// How many tell the control object what they counted, when there are very many of them.

import { expect, it } from 'vitest'
import { Pace } from '../../workers/control/pace.ts'

/** The same numbers each time. */
function chances(): () => number {
  let state = 47
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

it('5,000 isolates that tell what they count are slowed until the object has some 200 a second', () => {
  const chance = chances()
  const pace = new Pace()
  const nextAt = Array.from({ length: 5_000 }, () => chance() * 1_000)
  const perSecond: number[] = []
  for (let second = 0; second < 300; second++) {
    let came = 0
    for (let at = second * 1_000; at < (second + 1) * 1_000; at += 50) {
      for (let i = 0; i < nextAt.length; i++) {
        if (at < nextAt[i]!) continue
        pace.count(at)
        came += 1
        nextAt[i] = at + pace.paceMs
      }
    }
    perSecond.push(came)
  }
  const late = perSecond.slice(200)
  expect(late.reduce((sum, came) => sum + came, 0) / late.length).toBeLessThan(400)
})
