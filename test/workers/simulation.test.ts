// What 500 isolates in 300 data centres ask of the control object, how soon they know of a change, and what probes ask of
// endpoints: by the functions that run at the edge, with a clock and chance of this test's own.

import { expect, test } from 'vitest'
import { type Evidence, noteSeen } from '../../shared/overlay/evidence.ts'
import { isFresh, lookAfterMs, type Shared, sharedAfter, sharedUnread } from '../../workers/control/fan-out.ts'
import { Pace } from '../../workers/control/pace.ts'
import {
  due,
  mostAtOnce,
  nextAlarm,
  shardsFor,
  type Target,
  type Turns,
  targetsOfShard,
  turnAfter,
  turnsFor,
} from '../../workers/control/probe-plan.ts'

const isolates = 500
const places = 300

interface Event {
  readonly at: number
  readonly run: () => void
}

/** Runs what is due in the order of its time; everything it does may plan more. */
function clockwork() {
  const waiting: Event[] = []
  let now = 0
  return {
    now: () => now,
    plan: (afterMs: number, run: () => void) => {
      const event = { at: now + afterMs, run }
      let [low, high] = [0, waiting.length]
      while (low < high) {
        const middle = (low + high) >> 1
        if (waiting[middle]!.at <= event.at) low = middle + 1
        else high = middle
      }
      waiting.splice(low, 0, event)
    },
    until: (end: number) => {
      for (let next = waiting[0]; next !== undefined && next.at <= end; next = waiting[0]) {
        waiting.shift()
        now = next.at
        next.run()
      }
      now = end
    },
  }
}

/** mulberry32: the same run every time. */
function chanceFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Isolates that serve, each in a data centre; `readMs`: how long a read of the object takes, there and back. */
function world(seed: number, perPlace: (isolate: number) => number, readMs: number) {
  const chance = chanceFrom(seed)
  const clock = clockwork()
  const caches: Shared[] = Array.from({ length: places }, () => sharedUnread(undefined, 0))
  const versions = new Array<number>(isolates).fill(-1)
  const object = { version: 0, isGone: false }
  const reads: number[] = []
  const look = (isolate: number) => {
    const place = perPlace(isolate)
    const again = () => clock.plan(lookAfterMs(chance()), () => look(isolate))
    const known = caches[place]!
    if (known.version >= versions[isolate]! && isFresh(known, clock.now(), chance())) {
      versions[isolate] = Math.max(versions[isolate]!, known.version)
      return again()
    }
    const askedAt = clock.now()
    reads.push(askedAt)
    const told = object.isGone ? undefined : object.version
    clock.plan(readMs * (0.5 + chance()), () => {
      const now = clock.now()
      caches[place] =
        told === undefined
          ? sharedUnread(known, now)
          : sharedAfter({ birth: 'life', version: told, at: now }, askedAt, now)
      versions[isolate] = Math.max(versions[isolate]!, caches[place]!.version)
      again()
    })
  }
  for (let isolate = 0; isolate < isolates; isolate++) clock.plan(chance() * 1_000, () => look(isolate))
  const readsIn = (from: number, to: number) => reads.filter(at => at >= from && at < to)
  return { clock, object, versions, readsIn }
}

test('500 isolates in 300 data centres read the object less than once a second and data centre', () => {
  const { clock, readsIn } = world(1, isolate => isolate % places, 100)
  clock.until(130_000)
  const perSecond = readsIn(10_000, 130_000).length / 120
  expect(perSecond).toBeGreaterThan(places / 4)
  expect(perSecond).toBeLessThan(places)
  // An object answers about a thousand requests in a second.
  const busiest = Math.max(
    ...Array.from({ length: 120 }, (_, s) => readsIn(10_000 + s * 1_000, 11_000 + s * 1_000).length),
  )
  expect(busiest).toBeLessThan(400)
})

test('500 isolates in one data centre read it little more often than one would', () => {
  const { clock, readsIn } = world(2, () => 0, 100)
  clock.until(130_000)
  expect(readsIn(10_000, 130_000).length / 120).toBeLessThan(60)
})

const spread = { 'over 300 data centres': (isolate: number) => isolate % places, 'in one': () => 0 }

test.each([
  [100, 'over 300 data centres'],
  [100, 'in one'],
  [400, 'over 300 data centres'],
  [800, 'over 300 data centres'],
  [800, 'in one'],
] as const)(
  'a change is with every isolate within 5 s when a read takes %i ms, give or take half, %s',
  (readMs, where) => {
    const { clock, object, versions, readsIn } = world(3, spread[where], readMs)
    for (let version = 1; version <= 30; version++) {
      clock.until(version * 7_300)
      object.version = version
      clock.until(version * 7_300 + 5_000)
      expect(Math.min(...versions)).toBe(version)
    }
    // However long a read takes, an object has time for all of them.
    expect(readsIn(10_000, 220_000).length / 210).toBeLessThan(400)
  },
)

test('an object that is gone is asked no more often than one that is there, and what was known serves on', () => {
  const { clock, object, versions, readsIn } = world(4, isolate => isolate % places, 100)
  object.version = 5
  clock.until(30_000)
  object.isGone = true
  clock.until(90_000)
  expect(Math.min(...versions)).toBe(5)
  expect(readsIn(30_000, 90_000).length / 60).toBeLessThan(places)
  object.isGone = false
  object.version = 6
  clock.until(95_000)
  expect(Math.min(...versions)).toBe(6)
})

/** Probes of so many endpoints for so long; `takesMs`: how long each takes to answer, or not to. */
function probing(count: number, intervalMs: number, takesMs: number, forMs: number) {
  const chance = chanceFrom(5)
  const clock = clockwork()
  const probe = { fall: 3, rise: 2, startsDown: false, edge: { intervalMs, timeoutMs: 5_000 } } as Target['probe']
  const targets = Array.from({ length: count }, (_, at): Target => {
    return { endpoint: `app/${at}`, base: 'x', url: '', binding: undefined, probe }
  })
  const asked = new Map<string, number[]>(targets.map(({ endpoint }) => [endpoint, []]))
  let most = 0
  for (let shard = 0; shard < shardsFor(count); shard++) {
    const mine = targetsOfShard(targets, shard)
    const draw = Math.floor(chance() * 2 ** 50)
    let turns: Turns = turnsFor(mine, new Map(), new Map(), 0, draw)
    let openHere = 0
    const alarm = () => {
      const begunAt = clock.now()
      const now = due(mine, turns, begunAt)
      openHere += now.length
      most = Math.max(most, openHere)
      for (const { endpoint } of now) asked.get(endpoint)!.push(begunAt)
      clock.plan(now.length === 0 ? 0 : takesMs, () => {
        openHere -= now.length
        const after = new Map(turns)
        for (const target of now) {
          after.set(target.endpoint, turnAfter(turns.get(target.endpoint)!, target, 'passed', clock.now(), draw))
        }
        turns = after
        clock.plan(Math.max(0, nextAlarm(turns, begunAt)! - clock.now()), alarm)
      })
    }
    clock.plan(chance() * 1_000, alarm)
  }
  clock.until(forMs)
  return { asked, most, total: [...asked.values()].reduce((sum, list) => sum + list.length, 0) }
}

test('every endpoint of 500 is asked once in its interval, whatever the number of isolates', () => {
  const { asked, most, total } = probing(500, 15_000, 50, 300_000)
  expect(most).toBeLessThanOrEqual(mostAtOnce)
  // 500 endpoints once in 15 s are 33 a second.
  expect(total / 300).toBeGreaterThan(28)
  expect(total / 300).toBeLessThan(36)
  for (const times of asked.values()) {
    expect(times.length).toBeGreaterThan(15)
    const gaps = times.slice(1).map((at, i) => at - times[i]!)
    expect(Math.min(...gaps)).toBeGreaterThan(13_000)
    expect(Math.max(...gaps)).toBeLessThan(20_000)
  }
})

test('when every endpoint hangs until the timeout, no one waits longer than two intervals, and no more are asked at once', () => {
  const { asked, most } = probing(500, 15_000, 5_000, 300_000)
  expect(most).toBeLessThanOrEqual(mostAtOnce)
  for (const times of asked.values()) {
    const gaps = times.slice(1).map((at, i) => at - times[i]!)
    expect(Math.max(...gaps)).toBeLessThan(30_000)
  }
})

test('a short interval is kept to the budget of six in a second and shard', () => {
  const { total } = probing(18, 1_000, 10, 60_000)
  expect(total / 60).toBeLessThanOrEqual(6.1)
})

/**
 * Isolates that send what they have seen of one endpoint as often as the object lets them.
 *
 * @param fails whether the endpoint fails seen from a place, at a time
 */
function witnesses(fails: (place: number, now: number) => boolean, forMs: number) {
  const chance = chanceFrom(6)
  const clock = clockwork()
  const pace = new Pace()
  const evidence: Evidence = new Map()
  const agreedAt: number[] = []
  const flushes: number[] = []
  const ejectedUntil = new Array<number>(isolates).fill(0)
  const flush = (isolate: number) => {
    const now = clock.now()
    const place = isolate % places
    // Five failures in a row are there before the next flush; ejected for 30 s, and again while it fails.
    if (fails(place, now) && now >= ejectedUntil[isolate]!) ejectedUntil[isolate] = now + 30_000
    const isEjected = now < ejectedUntil[isolate]!
    const seen = [{ endpoint: 'app/a', requests: isEjected ? 0 : 5, isEjected }]
    pace.count(now)
    flushes.push(now)
    const who = { place: `place ${place}`, isolate: `isolate ${isolate}` }
    if (noteSeen(evidence, who, seen, now, 100).length > 0) agreedAt.push(now)
    clock.plan(pace.paceMs * (0.9 + 0.2 * chance()), () => flush(isolate))
  }
  for (let isolate = 0; isolate < isolates; isolate++) clock.plan(chance() * 1_000, () => flush(isolate))
  clock.until(forMs)
  return { agreedAt, perSecond: flushes.filter(at => at > 20_000).length / ((forMs - 20_000) / 1_000) }
}

test('an endpoint that dies is ejected for everybody within seconds, and the object is not flooded with evidence', () => {
  const { agreedAt, perSecond } = witnesses((_, now) => now > 60_000, 120_000)
  expect(agreedAt[0]).toBeGreaterThan(60_000)
  expect(agreedAt[0]).toBeLessThan(66_000)
  expect(perSecond).toBeLessThan(400)
})

test.each([1, 20, 100])('%i bad networks of 300 eject nothing for the world, however long they last', bad => {
  expect(witnesses((place, now) => place < bad && now > 10_000, 180_000).agreedAt).toEqual([])
})

test('an endpoint that most of the world cannot reach is ejected for all of it', () => {
  const { agreedAt } = witnesses((place, now) => place < 200 && now > 60_000, 120_000)
  expect(agreedAt[0]).toBeLessThan(70_000)
})
