import { expect, test } from 'vitest'
import { configJsonSchema } from '../../../shared/config/json-schema.ts'
import { configSchema } from '../../../shared/config/schema.ts'

type Json = { readonly [key: string]: Json } & { readonly [index: number]: Json }
const schema = configJsonSchema() as unknown as Json

test('the schema names itself and its three parts', () => {
  expect(schema).toMatchObject({
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Fourseven config',
    required: ['listeners', 'pools', 'routes'],
    additionalProperties: false,
  })
})

test('every reference leads somewhere', () => {
  const text = JSON.stringify(schema)
  const names = [...text.matchAll(/"\$ref":"#\/\$defs\/(\w+)"/g)].map(([, name]) => name!)
  expect(names).toContain('HttpRule')
  for (const name of names) expect(schema['$defs']![name], name).toBeDefined()
})

test('an editor learns bounds, defaults and forms', () => {
  const defs = schema['$defs']!
  expect(defs['HttpVariant']!['properties']!['weight']).toMatchObject({
    type: 'integer',
    minimum: 0,
    maximum: 1_000_000,
  })
  expect(defs['Pool']!['properties']!['panicPercent']).toMatchObject({ default: 50, minimum: 0, maximum: 100 })
  expect(defs['Pool']!['properties']!['slowStart']!['pattern']).toBe('^[0-9]{1,12}(?:\\.[0-9]{1,3})?(?:ms|s|m|h|d)$')
  expect(defs['TcpListener']!['required']).toEqual(['kind', 'address'])
})

test('nothing is said to be read only, and each call gives a schema of its own', () => {
  expect(JSON.stringify(schema)).not.toContain('readOnly')
  expect(configJsonSchema()).not.toBe(schema)
})

test('the schema takes what parse takes', () => {
  const config = {
    listeners: { web: { kind: 'edge' } },
    pools: { app: { endpoints: ['https://a'], slowStart: '5s' } },
    routes: [{ name: 'r', rules: [{ match: { path: '/x' }, pool: 'app', retry: false }] }],
  }
  expect(configSchema.safeParse(config).success).toBe(true)
  expect(configSchema.safeParse({ ...config, extra: 1 }).success).toBe(false)
})
