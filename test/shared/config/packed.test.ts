import fc from 'fast-check'
import { expect, test } from 'vitest'
import { packConfig, unpackConfig } from '../../../shared/config/packed.ts'
import { parse } from '../../../shared/config/parse.ts'
import type { Config } from '../../../shared/config/parsed.ts'
import routes from '../../../shared/routes.ts'

test('the shipped routes come back as they were', () => {
  const { config } = parse(routes)
  expect(unpackConfig(packConfig(config))).toEqual(JSON.parse(JSON.stringify(config)))
})

test('whatever a config may hold comes back as it was', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (one, two) => {
      // The same things in several places, and a field that no config has but a reference: `=` with text.
      const whole = { a: [one, one, two], b: { c: two, d: [one] }, e: { '=': 'text' } }
      expect(unpackConfig(packConfig(whole as unknown as Config))).toEqual(JSON.parse(JSON.stringify(whole)))
    }),
    { seed: 12, numRuns: 300 },
  )
})

test('a thousand rules that differ in a path are less than half of their JSON', () => {
  const { config } = parse({
    listeners: { web: { kind: 'edge' } },
    pools: { app: { endpoints: ['https://app.example.com'] } },
    routes: [
      { name: 'r', rules: Array.from({ length: 1_000 }, (_, i) => ({ match: { path: `/p${i}` }, pool: 'app' })) },
    ],
  })
  expect(packConfig(config).length * 2).toBeLessThan(JSON.stringify(config).length)
})
