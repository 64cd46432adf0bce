import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type Evidence, noteSeen, voices } from '../../../shared/overlay/evidence.ts'

const bad = { endpoint: 'app/a', requests: 0, isEjected: true }
const good = { endpoint: 'app/a', requests: 20, isEjected: false }
const now = 1_000_000

const from = (place: string, isolate = place) => ({ place, isolate })

it('two places of three that ejected an endpoint eject it for everybody, one does not', () => {
  const evidence: Evidence = new Map()
  noteSeen(evidence, from('FRA'), [good], now, 10)
  expect(noteSeen(evidence, from('AMS'), [bad], now, 10)).toEqual([])
  expect(noteSeen(evidence, from('AMS'), [bad], now + 1, 10)).toEqual([])
  expect(noteSeen(evidence, from('CDG'), [bad], now + 2, 10)).toEqual(['app/a'])
  expect(voices(evidence, 'app/a', now + 2)).toEqual({ against: 2, of: 3 })
})

it('an isolate that ejected by bad luck does not speak for its data centre', () => {
  const evidence: Evidence = new Map()
  const places = ['FRA', 'AMS', 'CDG']
  for (const place of places) for (const i of [1, 2, 3]) noteSeen(evidence, from(place, place + i), [good], now, 10)
  expect(places.flatMap(place => noteSeen(evidence, from(place, `${place}1`), [bad], now, 10))).toEqual([])
  expect(voices(evidence, 'app/a', now)).toEqual({ against: 0, of: 3 })
})

it('what was long ago is forgotten', () => {
  const evidence: Evidence = new Map()
  noteSeen(evidence, from('AMS'), [bad], now, 10)
  expect(noteSeen(evidence, from('CDG'), [bad], now + 60_000, 10)).toEqual([])
  expect(voices(evidence, 'app/a', now + 60_000)).toEqual({ against: 1, of: 1 })
})

it('an isolate that has seen nothing says nothing', () => {
  const evidence: Evidence = new Map()
  noteSeen(evidence, from('AMS'), [{ ...good, requests: 0 }], now, 10)
  expect(voices(evidence, 'app/a', now)).toEqual({ against: 0, of: 0 })
})

it('never half or fewer of the places that ask eject for everybody', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 60 }), (against, well) => {
      const evidence: Evidence = new Map()
      for (let i = 0; i < well; i++) noteSeen(evidence, from(`well${i}`), [good], now, 10)
      const agreed = Array.from({ length: against }, (_, i) =>
        noteSeen(evidence, from(`bad${i}`), [bad], now, 10),
      ).flat()
      expect(agreed.length > 0).toBe(against >= 2 && against > well)
    }),
    { seed: 5, numRuns: 300 },
  )
})

it('300 data centres with 500 isolates: one bad network ejects nobody, a dead endpoint is out with the 151st', () => {
  const evidence: Evidence = new Map()
  const isolates = Array.from({ length: 500 }, (_, i) => from(`place${i % 300}`, `isolate${i}`))
  for (const isolate of isolates) noteSeen(evidence, isolate, [good, { ...good, endpoint: 'app/b' }], now, 10)
  const one = isolates.flatMap(each =>
    noteSeen(evidence, each, each.place === 'place7' ? [bad] : [good], now + 1_000, 10),
  )
  expect(one).toEqual([])
  const places = new Set<string>()
  const byPlace = isolates.toSorted((x, y) => Number(x.place.slice(5)) - Number(y.place.slice(5)))
  for (const each of byPlace) {
    places.add(each.place)
    if (noteSeen(evidence, each, [{ ...bad, endpoint: 'app/b' }], now + 2_000, 10).length > 0) break
  }
  expect(places.size).toBe(151)
})

it('names and isolates that nobody knows take no room beyond the bound', () => {
  const evidence: Evidence = new Map()
  for (let i = 0; i < 100; i++) noteSeen(evidence, from('x'), [{ ...good, endpoint: `e${i}` }], now, 10)
  for (let i = 0; i < 6_000; i++) noteSeen(evidence, from(`place${i}`), [{ ...good, endpoint: 'e0' }], now, 10)
  expect([evidence.size, evidence.get('e0')!.size]).toEqual([10, 5_000])
})
