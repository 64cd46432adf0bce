import { expect, test } from 'vitest'
import { hash32 } from '../../../shared/pool/hash.ts'
import { compilePool } from '../../../shared/pool/pool.ts'
import { makePool } from './make-pool.ts'

test('an endpoint is known as pool/name, or by its resolved address when it has no name', () => {
  const { endpoints: _, ...settings } = makePool({ a: 1 })
  const written = { weight: 2, priority: 1 }
  const slots = new Map([['pool/db1', 7]])
  const pool = compilePool(
    {
      ...settings,
      endpoints: [
        { ...written, address: '${A}', name: 'db1' },
        { ...written, address: 'https://x.example/v1', name: undefined },
      ],
    },
    3,
    text => {
      const host = text === '${A}' ? 'a.example' : 'x.example'
      return { scheme: 'https', host, port: 443, base: host === 'x.example' ? '/v1' : '', origin: `https://${host}` }
    },
    id => slots.get(id) ?? 8,
  )
  expect(pool.index).toBe(3)
  expect(pool.endpoints).toMatchObject([
    {
      id: 'pool/db1',
      name: 'db1',
      slot: 7,
      weight: 2,
      priority: 1,
      hash: hash32('pool/db1'),
      address: { host: 'a.example' },
    },
    { id: 'pool/https://x.example/v1', name: 'https://x.example/v1', slot: 8 },
  ])
})
