// Whatever stands in the files, an import makes a sound config or says why not, and never throws.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import { parse } from '../../shared/config/parse.ts'
import { file, gateway, http, httpRoute, imported, route, service, to } from './manifests.ts'

const sound = [
  gateway([http, { name: 'sql', port: 5432, protocol: 'TCP' }]),
  service('app'),
  httpRoute({
    matches: [{ path: { type: 'Exact', value: '/a' }, headers: [{ name: 'h', value: 'v' }] }],
    filters: [{ type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'a', value: 'b' }] } }],
    backendRefs: [to('app', { weight: 2 }), to('gone')],
    timeouts: { request: '5s' },
  }),
  route(
    'TCPRoute',
    { backendRefs: [to('app')] },
    { parentRefs: [{ name: 'web', sectionName: 'sql' }] },
    { name: 'sql' },
  ),
]

function isJudged(text: string): void {
  const { config, notes } = imported(text)
  if (config === undefined) expect(notes.some(({ severity }) => severity === 'error')).toBe(true)
  else expect(() => parse(config)).not.toThrow()
}

test('any text', () => {
  fc.assert(fc.property(fc.string({ maxLength: 300 }), isJudged), { numRuns: 300 })
})

test('any JSON', () => {
  fc.assert(fc.property(fc.json({ maxDepth: 4 }), isJudged), { numRuns: 200 })
})

test('sound manifests with any piece cut out', () => {
  const text = file(...sound)
  const cut = fc.tuple(fc.nat(text.length), fc.nat(80))
  fc.assert(
    fc.property(cut, ([at, length]) => isJudged(text.slice(0, at) + text.slice(at + length))),
    { numRuns: 300 },
  )
})

test('sound manifests with any value in any place', () => {
  const value = fc.oneof(
    fc.constant(null),
    fc.string(),
    fc.integer(),
    fc.boolean(),
    fc.constant([]),
    fc.constant({}),
    fc.constant([null]),
    fc.constant('__proto__'),
  )
  const change = fc.tuple(fc.nat(sound.length - 1), fc.array(fc.nat(20), { minLength: 1, maxLength: 9 }), value)
  fc.assert(
    fc.property(change, ([index, way, put]) => {
      const objects = structuredClone(sound) as Record<string, unknown>[]
      let at = objects[index] as Record<string, unknown>
      for (const [step, turn] of way.entries()) {
        const keys = Object.keys(at)
        if (keys.length === 0) break
        const key = keys[turn % keys.length]!
        const next = at[key]
        if (step === way.length - 1 || typeof next !== 'object' || next === null) {
          at[key] = put
          break
        }
        at = next as Record<string, unknown>
      }
      isJudged(objects.map(object => stringify(object)).join('---\n'))
    }),
    { numRuns: 400 },
  )
})
