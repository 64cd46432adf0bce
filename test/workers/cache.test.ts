// The cache at the edge, in real workerd with its Cache API, in front of real endpoints.

import { expect, test } from 'vitest'
import { type Endpoint, endpoint, lab } from './lab.ts'

/** Answers with these fields and counts: `1`, `2`, … */
function counting(fields: Readonly<Record<string, string>>): Promise<Endpoint> {
  let count = 0
  return endpoint((request, response) => {
    request.resume()
    for (const [name, value] of Object.entries(fields)) response.setHeader(name, value)
    response.end(String(++count))
  })
}

async function cached(fields: Readonly<Record<string, string>>, cache: object | true = true) {
  const origin = await counting(fields)
  const edge = await lab({
    listeners: { web: { kind: 'edge' } },
    pools: { app: { endpoints: [origin.address] } },
    routes: [{ name: 'app', pool: 'app', cache }],
  } as never)
  return { origin, edge }
}

test('a fresh answer is given again, with its age and what the cache did', async () => {
  const { origin, edge } = await cached({ 'cache-control': 'max-age=60' })
  const first = await edge.ask('/a')
  const second = await edge.ask('/a')
  expect([String(first.body), String(second.body)]).toEqual(['1', '1'])
  expect(first.headers['cache-status']).toBe('fourseven; fwd=uri-miss; stored')
  expect(second.headers['cache-status']).toMatch(/^fourseven; hit; ttl=(60|59)$/)
  expect(second.headers['age']).toMatch(/^[01]$/)
  expect(origin.count('/a')).toBe(1)
})

test('a query is part of the key', async () => {
  const { edge } = await cached({ 'cache-control': 'max-age=60' })
  expect(String((await edge.ask('/a?x=1')).body)).toBe('1')
  expect(String((await edge.ask('/a?x=2')).body)).toBe('2')
})
